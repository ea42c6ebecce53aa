//! Variables and secrets of a workload.

use serde::Serialize;

use crate::secrecy::{Confidential, exposed, names_a_secret};

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
    pub name: String,
    /// Where its value comes from.
    pub source: EnvSource,
}

/// Where the value of a variable comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum EnvSource {
    /// It stands in the file.
    #[serde(serialize_with = "exposed")]
    Value(Confidential<String>),
    /// A key of a Secret, which the pod reads by reference.
    Secret {
        /// Name of the Secret.
        secret: String,
        key: String,
    },
    /// A value of this machine, which a Secret of the workload's own holds under the
    /// name of the variable.
    Local(LocalValue),
}

impl EnvSource {
    /// Takes a value that stands in the open.
    pub fn plain(value: String) -> Self {
        Self::Value(Confidential::new(value))
    }
}

/// A value that is nowhere but in a Secret. In a request, and so in its digest, a short
/// digest of it stands for it, which tells one value from another and is too short to
/// be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalValue(Confidential<String>);

impl LocalValue {
    /// Takes a value.
    pub fn new(value: String) -> Self {
        Self(Confidential::new(value))
    }

    /// Returns the value, for the Secret alone.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Returns what stands for the value.
    pub fn mark(&self) -> String {
        crate::digest::short(format!("kaiwo:secret:{}", self.expose()).as_bytes(), 10)
    }
}

impl Serialize for LocalValue {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.mark())
    }
}

/// One key of a Secret, mounted as a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretMount {
    /// Name of the Secret.
    pub secret: String,
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
                EnvSource::Value(value) if variable.name == name => Some(value.expose().as_str()),
                _ => None,
            })
    }

    /// Returns the variables whose values go into a Secret of the workload's own.
    pub fn local(&self) -> impl Iterator<Item = (&str, &LocalValue)> {
        self.variables
            .iter()
            .filter_map(|variable| match &variable.source {
                EnvSource::Local(value) => Some((variable.name.as_str(), value)),
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
        let is_open = move |value: &str| !value.is_empty() && !mounted(value);
        self.variables
            .iter()
            .filter_map(move |variable| match &variable.source {
                EnvSource::Value(value)
                    if is_open(value.expose()) && names_a_secret(&variable.name) =>
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
