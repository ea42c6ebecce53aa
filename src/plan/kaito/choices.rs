//! The settings of a Workspace besides its model and its machines.

use serde::Serialize;

use super::adapter::Adapter;
use super::annotation::{RUNTIME_ANNOTATION, Runtime};
use super::inference_config::INFERENCE_KEY;
use super::instance_type::DEFAULT_CONTEXT;
use super::place::ImageOrClaim;
use super::training_config::TRAINING_KEY;
use super::tuning::Tuning;

/// What a user chooses. What came later is left out of the digest while it says
/// nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Choices {
    /// What runs the preset; vLLM if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Runtime>,
    /// Adapters that are served with the model.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub adapters: Vec<Adapter>,
    /// Secret with the token of the Hugging Face hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_access_secret: Option<String>,
    /// Text of the file that configures serving, or tuning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// Tokens that this file makes room for.
    #[serde(skip)]
    pub context: Option<u32>,
    /// What is tuned, if the model is not served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tuning: Option<Tuning>,
}

impl Choices {
    /// Returns the tokens that vLLM makes room for.
    pub fn context(&self) -> u32 {
        self.context.unwrap_or(DEFAULT_CONTEXT)
    }

    /// Returns the key under which KAITO finds [`Self::config`].
    pub fn config_key(&self) -> &'static str {
        match self.tuning {
            Some(_) => TRAINING_KEY,
            None => INFERENCE_KEY,
        }
    }

    /// Returns the annotations that carry some of the choices.
    pub fn annotations(&self) -> Vec<(String, String)> {
        let runtime = self
            .runtime
            .map(|runtime| (RUNTIME_ANNOTATION.to_owned(), runtime.to_string()));
        runtime.into_iter().collect()
    }

    /// Returns the claims that have to exist.
    pub fn claims(&self) -> Vec<&str> {
        let adapters = self.adapters.iter().map(|adapter| &adapter.place);
        let tuning = self.tuning.iter();
        let tuned = tuning.flat_map(|tuning| {
            let input = tuning.input_place().into_iter();
            input.chain(std::iter::once(&tuning.output))
        });
        adapters
            .chain(tuned)
            .filter_map(ImageOrClaim::claim)
            .collect()
    }

    /// Returns the Secret that lets an adapter's image be pushed.
    pub fn push_secret(&self) -> Option<&str> {
        self.tuning.as_ref()?.push_secret.as_deref()
    }
}
