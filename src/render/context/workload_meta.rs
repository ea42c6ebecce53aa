//! The queue and what KAITO serves or tunes, as templates see them.

use serde::Serialize;

use crate::plan::Plan;
use crate::plan::kaito::{Adapter, Choices, ImageOrClaim, Tuning};
use crate::render::support;

/// The queue.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct WorkloadMeta {
    /// LocalQueue of the workload, or nothing.
    pub queue: Option<String>,
    /// WorkloadPriorityClass, or nothing.
    pub priority_class: Option<String>,
    /// Model of KAITO's catalogue, or nothing.
    pub model: Option<String>,
    /// Secret with the token of the Hugging Face hub, or nothing.
    pub model_access_secret: Option<String>,
    /// ConfigMap with the file that configures what KAITO runs, or nothing.
    pub config: Option<String>,
    /// Adapters that are served with the model.
    pub adapters: Vec<AdapterContext>,
    /// What the model is tuned with, or nothing if it is served.
    pub tuning: Option<TuningContext>,
}

impl WorkloadMeta {
    pub(super) fn new(plan: &Plan) -> Self {
        let request = &plan.request;
        let (serving, kaito) = (&request.serving, &request.serving.kaito);
        Self {
            queue: plan.local_queue.clone(),
            priority_class: request.priority_class.clone(),
            model: serving.model.clone(),
            model_access_secret: kaito.model_access_secret.clone(),
            config: support::config_name(plan),
            adapters: adapters(kaito),
            tuning: kaito.tuning.as_ref().map(tuning),
        }
    }
}

/// An adapter of a model.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AdapterContext {
    pub name: String,
    /// Image with its weights, or nothing.
    pub image: Option<String>,
    /// Claim with its weights, or nothing.
    pub claim: Option<String>,
    /// How much of it is applied, as a text; or nothing.
    pub strength: Option<String>,
}

/// What a model is tuned with.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TuningContext {
    /// `lora` or `qlora`.
    pub method: String,
    /// URLs of the data.
    #[serde(rename = "InputURLs")]
    pub input_urls: Vec<String>,
    /// Image with the data, or nothing.
    pub input_image: Option<String>,
    /// Claim with the data, or nothing.
    pub input_claim: Option<String>,
    /// Image that the adapter becomes, or nothing.
    pub output_image: Option<String>,
    /// Secret with which that is pushed, or nothing.
    pub push_secret: Option<String>,
    /// Claim that the adapter is written to, or nothing.
    pub output_claim: Option<String>,
}

fn adapters(choices: &Choices) -> Vec<AdapterContext> {
    let adapter = |adapter: &Adapter| AdapterContext {
        name: adapter.name.clone(),
        image: adapter.place.image().map(str::to_owned),
        claim: adapter.place.claim().map(str::to_owned),
        strength: adapter.strength.clone(),
    };
    choices.adapters.iter().map(adapter).collect()
}

fn tuning(tuning: &Tuning) -> TuningContext {
    let input = tuning.input_place();
    TuningContext {
        method: tuning.method.to_string(),
        input_urls: tuning.urls().into_iter().map(str::to_owned).collect(),
        input_image: input.and_then(ImageOrClaim::image).map(str::to_owned),
        input_claim: input.and_then(ImageOrClaim::claim).map(str::to_owned),
        output_image: tuning.output.image().map(str::to_owned),
        push_secret: tuning.push_secret.clone(),
        output_claim: tuning.output.claim().map(str::to_owned),
    }
}
