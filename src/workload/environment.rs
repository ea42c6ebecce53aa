//! Variables and secrets of a workload.

use serde::Serialize;

use crate::secrecy::names_a_secret;

/// Variables and secrets of a workload.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Environment {
    /// Variables, in the order of the file.
    pub variables: Vec<EnvVar>,
    /// Files made of secrets.
    pub mounts: Vec<SecretMount>,
}

/// One variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// Where its value comes from.
    pub source: EnvSource,
}

/// Where the value of a variable comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum EnvSource {
    /// It stands in the file.
    Value(String),
    /// A key of a Secret, which the pod reads by reference.
    Secret {
        /// Name of the Secret.
        secret: String,
        /// Key in it.
        key: String,
    },
}

/// One key of a Secret, mounted as a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretMount {
    /// Name of the Secret.
    pub secret: String,
    /// Key in it.
    pub key: String,
    /// Absolute path of the file in the container.
    pub path: String,
}

impl Environment {
    /// Returns the plain value of a variable.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.variables
            .iter()
            .find_map(|variable| match &variable.source {
                EnvSource::Value(value) if variable.name == name => Some(value.as_str()),
                _ => None,
            })
    }

    /// Sets a variable, whatever it was before.
    pub fn set(&mut self, name: &str, source: EnvSource) {
        match self
            .variables
            .iter_mut()
            .find(|variable| variable.name == name)
        {
            Some(variable) => variable.source = source,
            None => self.variables.push(EnvVar {
                name: name.to_owned(),
                source,
            }),
        }
    }

    /// Returns the variables whose names say that their values are secret,
    /// although they stand in the open.
    pub fn exposed_secrets(&self) -> impl Iterator<Item = &str> {
        let mounted = |value: &str| self.mounts.iter().any(|mount| mount.path == value);
        self.variables
            .iter()
            .filter_map(move |variable| match &variable.source {
                EnvSource::Value(value)
                    if !value.is_empty() && !mounted(value) && names_a_secret(&variable.name) =>
                {
                    Some(variable.name.as_str())
                }
                _ => None,
            })
    }

    /// Returns whether a variable of this name is set, from wherever.
    pub fn sets(&self, name: &str) -> bool {
        self.variables.iter().any(|variable| variable.name == name)
    }
}
