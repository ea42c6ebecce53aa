//! Errors in a source of settings.

use super::Settings;
use crate::error::{Classified, ErrorClass};
use crate::secrecy::variable;
use crate::suggestion::Suggestion;
use crate::yaml::{self, YamlError};

/// A source of settings that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A variable holds what its setting cannot be, which may be anything and
    /// is not repeated.
    #[error("{name}: {reason}")]
    Variable {
        /// Name of the variable.
        name: &'static str,
        /// Why that cannot be.
        reason: String,
    },
    /// A variable with several names and values is not that. It may hold
    /// secrets, so nothing of it is told.
    #[error("{name}: {reason}")]
    Pairs {
        /// Name of the variable.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A variable of this machine was to be passed on, and is not set.
    #[error("--env {}: the variable is not set", variable(.0))]
    LocalVariable(String),
    /// A file is not YAML, has an unknown key or a value of the wrong type.
    #[error("{}", without_list(.0))]
    File(YamlError),
}

/// Leaves out the list of all keys, which a hint gives where it helps.
fn without_list(error: &YamlError) -> String {
    let text = error.to_string();
    match text.split_once(", expected one of ") {
        Some((message, _)) => message.to_owned(),
        None => text,
    }
}

impl Classified for SettingsError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Refused
    }

    fn hints(&self) -> Vec<Suggestion> {
        match self {
            Self::Variable { name, .. } | Self::Pairs { name, .. } => {
                vec![format!("unset it with: unset {name}").into()]
            }
            Self::LocalVariable(_) => {
                vec!["export it first, or pass a value: --env NAME=VALUE".into()]
            }
            Self::File(error) => {
                let Some(key) = error.message.split('`').nth(1) else {
                    return Vec::new();
                };
                if !error.message.starts_with("unknown field") {
                    return Vec::new();
                }
                if key == "path" {
                    return vec!["remove `path`: set the directory with -p".into()];
                }
                match crate::names::nearest(key, Settings::keys()) {
                    Some(known) => vec![format!("did you mean `{known}`?").into()],
                    None => vec![format!("known keys: {}", Settings::keys().join(", ")).into()],
                }
            }
        }
    }

    fn object(&self) -> Option<String> {
        match self {
            Self::Variable { .. } | Self::Pairs { .. } | Self::LocalVariable(_) => None,
            Self::File(error) => Some(yaml::place(&error.file, error.line)),
        }
    }
}
