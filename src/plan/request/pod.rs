//! Settings for the pods of a workload, of whatever kind: volumes, placement,
//! rights, sizes. Each type is read from the one text that a flag, a variable
//! and a file share, those of claims and tolerations in `claim` and `toleration`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::claim::{ClaimMount, Storage};
use super::is_default;
use super::sizes::Sizes;
use super::toleration::Toleration;
use super::topology::TopologyWish;
use crate::api::keys;
use crate::names::{is_config_key, is_dns_1123_subdomain, is_label_value, is_qualified_name};
use crate::plan::Refusal;
use crate::quantity::Quantity;
use crate::schema::{self, Schema};
use crate::secrecy::named;
use crate::time::Seconds;
use crate::workload::environment::SecretMount;
use crate::yaml::{deserialize_from_text, serialize_as_text};

/// Settings of the pods.
///
/// They are part of the digest. A field that is added must be left out while it
/// says nothing (`skip_serializing_if`), or every workload that is there differs.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodSettings {
    /// Claims to mount.
    pub volumes: Vec<ClaimMount>,
    /// Size and class of a claim for `/scratch`, instead of an emptyDir.
    pub storage: Option<Storage>,
    /// Labels the nodes must have.
    pub node_selector: BTreeMap<String, String>,
    /// Taints the pods tolerate.
    pub tolerations: Vec<Toleration>,
    /// Service account, instead of the namespace's default.
    pub service_account: Option<String>,
    /// Secrets for pulling the image.
    pub image_pull_secrets: Vec<SecretName>,
    /// Labels of every object and pod.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the workload and its pods.
    pub annotations: BTreeMap<String, String>,
    /// CPUs that come with each GPU.
    pub cpus_per_gpu: Option<Quantity>,
    /// Memory that comes with each GPU.
    pub memory_per_gpu: Option<Quantity>,
    /// Whether the uploads are mounted in the working directory, and not copied.
    #[serde(skip_serializing_if = "is_default")]
    pub read_only_workdir: bool,
    /// Time from the signal to end until they are killed.
    #[serde(skip_serializing_if = "is_default")]
    pub grace: Option<Seconds>,
    /// Sizes of whole pods.
    #[serde(skip_serializing_if = "is_default")]
    pub sizes: Sizes,
    /// How close together the working pods are placed.
    #[serde(skip_serializing_if = "is_default")]
    pub topology: Option<TopologyWish>,
    /// Labels of the topology's levels, the widest first, where the cluster does not
    /// tell them.
    #[serde(skip)]
    pub topology_levels: Vec<String>,
}

/// Labels that say what kaiwo needs them to say.
const OWN_LABELS: [(&str, &str); 8] = [
    (keys::QUEUE_NAME_LABEL, "-q"),
    (keys::PRIORITY_CLASS_LABEL, "--priority-class"),
    (keys::USERNAME_LABEL, "KAIWO_USER"),
    (keys::APP_NAME_LABEL, "--name"),
    (keys::APP_INSTANCE_LABEL, "--name"),
    (keys::APP_MANAGED_BY_LABEL, ""),
    (keys::KIND_LABEL, ""),
    (keys::APP_VERSION_LABEL, "--version"),
];

impl PodSettings {
    /// Checks what the API server would refuse later, and what kaiwo sets
    /// itself.
    ///
    /// # Errors
    /// [`Refusal`] that names the flag.
    pub fn check(&self, secrets: &[SecretMount]) -> Result<(), Refusal> {
        for (flag, labels) in [
            ("--label", &self.labels),
            ("--node-selector", &self.node_selector),
        ] {
            for (key, value) in labels {
                if !is_qualified_name(key) || !is_label_value(value) {
                    return Err(Refusal::new(format!("{flag} {}: invalid label", named(key)))
                        .hint("use up to 63 letters, digits, -, _ and . for key and value, with a letter or digit at both ends"));
                }
            }
        }
        for (key, other) in OWN_LABELS {
            if self.labels.contains_key(key) {
                let refusal = Refusal::new(format!("--label {key}: kaiwo itself sets this label"));
                return Err(if other.is_empty() {
                    refusal.hint("choose another key")
                } else {
                    refusal.hint(format!("use {other}"))
                });
            }
        }
        if let Some(key) = self
            .annotations
            .keys()
            .find(|key| !is_qualified_name(key) || key.starts_with("kaiwo-cli/"))
        {
            return Err(
                Refusal::new(format!("--annotation {}: invalid key", named(key)))
                    .hint("use [PREFIX/]NAME of letters, digits, -, _ and ."),
            );
        }
        let mut by_hand = keys::TOPOLOGY_ANNOTATIONS.iter();
        if let Some(key) = by_hand.find(|key| self.annotations.contains_key(**key))
            && self.topology.is_some()
        {
            return Err(Refusal::new(format!(
                "--topology and --annotation {key} both place the pods"
            ))
            .hint("remove one of them"));
        }
        self.check_sizes()?;
        check_mounts(&self.volumes, secrets)
    }

    /// Checks sizes that no pod can have, and those that are stated twice.
    fn check_sizes(&self) -> Result<(), Refusal> {
        let sizes = &self.sizes;
        let storage = self.storage.as_ref().map(|storage| storage.size);
        let counts = [
            ("--cpus", sizes.cpus),
            ("--cpus-per-gpu", self.cpus_per_gpu),
            ("--head-cpus", sizes.head_cpus),
        ];
        let bytes = [
            ("--memory", sizes.memory),
            ("--memory-per-gpu", self.memory_per_gpu),
            ("--head-memory", sizes.head_memory),
            ("--shm", sizes.shm),
            ("--storage", storage),
        ];
        for (flag, amount) in counts.into_iter().chain(bytes) {
            if let Some(amount) = amount.filter(|amount| *amount <= Quantity::default()) {
                return Err(
                    Refusal::new(format!("invalid {flag} {amount}: must be more than 0"))
                        .hint(format!("remove {flag} to use the default")),
                );
            }
        }
        for (flag, size) in bytes {
            if let Some(size) = size.filter(|size| *size < SMALLEST) {
                return Err(Refusal::new(format!(
                    "invalid {flag} {size}: that is a number of bytes, which is too small"
                ))
                .hint(format!("add a unit: {flag} {}Gi", size.whole().max(1))));
            }
        }
        if self.grace == Some(Seconds(0)) {
            return Err(
                Refusal::new("--grace 0 would kill the program before it is told to end")
                    .hint("try --grace 30s"),
            );
        }
        for (flag, of_pod, of_gpu) in [
            ("--cpus", sizes.cpus, self.cpus_per_gpu),
            ("--memory", sizes.memory, self.memory_per_gpu),
        ] {
            if let (Some(of_pod), Some(of_gpu)) = (of_pod, of_gpu) {
                return Err(Refusal::new(format!(
                    "{flag} {of_pod} conflicts with {flag}-per-gpu {of_gpu}"
                ))
                .hint(format!("use either {flag} or {flag}-per-gpu")));
            }
        }
        Ok(())
    }
}

/// Less memory or storage than this was meant in another unit: no container
/// starts with it.
const SMALLEST: Quantity = Quantity::units(1 << 20);

/// Checks that no two mounts hide one another: equal paths, and paths below a
/// file or below what can only be read, where no mount point can be made.
fn check_mounts(volumes: &[ClaimMount], secrets: &[SecretMount]) -> Result<(), Refusal> {
    let claims = volumes.iter().map(|mount| {
        (
            mount.path.as_str(),
            mount.read_only,
            format!("claim {}", mount.claim),
        )
    });
    let files = secrets.iter().map(|mount| {
        (
            mount.path.as_str(),
            true,
            format!("secret {}", mount.secret),
        )
    });
    let mounts: Vec<(&str, bool, String)> = claims.chain(files).collect();
    for (index, (path, closed, what)) in mounts.iter().enumerate() {
        for (other, (inner, _, inner_what)) in mounts.iter().enumerate() {
            let below = inner
                .strip_prefix(path)
                .is_some_and(|rest| rest.starts_with('/'));
            if (path == inner && index < other) || (*closed && below) {
                return Err(Refusal::new(format!(
                    "{inner_what} cannot be mounted at {inner}: {what} is at {path}"
                ))
                .hint("mount it at another path"));
            }
        }
    }
    Ok(())
}

/// Name of a Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretName(pub String);

impl FromStr for SecretName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match is_dns_1123_subdomain(text) {
            true => Ok(Self(text.to_owned())),
            false => Err("invalid Secret name; see kubectl get secrets".to_owned()),
        }
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
deserialize_from_text!(SecretName);
serialize_as_text!(SecretName);

impl Schema for SecretName {
    fn schema() -> serde_json::Value {
        schema::text("^[a-z0-9][a-z0-9.-]*$", &["registry-login"])
    }
}

/// Name of a variable of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableName(pub String);

impl FromStr for VariableName {
    type Err = String;

    // What is wrong may be the value, and is not repeated.
    fn from_str(text: &str) -> Result<Self, String> {
        let is_letter = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let begins_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        match begins_well && text.bytes().all(is_letter) {
            true => Ok(Self(text.to_owned())),
            false if text.contains('=') => {
                Err("expected only a name: kaiwo reads the value from your environment".to_owned())
            }
            false => Err("expected the name of a variable in your environment".to_owned()),
        }
    }
}

impl fmt::Display for VariableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
deserialize_from_text!(VariableName);
serialize_as_text!(VariableName);

impl Schema for VariableName {
    fn schema() -> serde_json::Value {
        schema::text("^[A-Za-z_][A-Za-z0-9_]*$", &["HF_TOKEN"])
    }
}

/// A key of a Secret: `SECRET/KEY`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// Name of the Secret.
    pub secret: String,
    pub key: String,
}

impl FromStr for SecretKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((secret, key)) if is_dns_1123_subdomain(secret) && is_config_key(key) => {
                Ok(Self {
                    secret: secret.to_owned(),
                    key: key.to_owned(),
                })
            }
            _ => Err("expected SECRET/KEY, the name of a Secret and one of its keys".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_without_its_unit_is_not_taken_for_bytes() {
        let memory = |text: &str| PodSettings {
            memory_per_gpu: Some(text.parse().unwrap()),
            ..PodSettings::default()
        };
        let refusal = memory("32").check(&[]).unwrap_err();
        assert!(
            refusal.message.starts_with("invalid --memory-per-gpu 32: "),
            "{refusal}"
        );
        assert_eq!(refusal.hints, ["add a unit: --memory-per-gpu 32Gi"]);
        assert_eq!(memory("1Mi").check(&[]), Ok(()));
        let storage = PodSettings {
            storage: Some("100,fast".parse().unwrap()),
            ..PodSettings::default()
        };
        let refusal = storage.check(&[]).unwrap_err();
        assert_eq!(refusal.hints, ["add a unit: --storage 100Gi"]);
    }

    #[test]
    fn keys_and_names() {
        assert!(is_qualified_name("example.com/team") && is_qualified_name("team"));
        assert!(
            !is_qualified_name("/team") && !is_qualified_name("a b") && !is_qualified_name("x/y/z")
        );
        assert!("hf-token/token".parse::<SecretKey>().is_ok());
        for text in ["hf-token", "hf_token/x", "hf-token/", "hf-token/a b"] {
            assert!(text.parse::<SecretKey>().is_err(), "{text}");
        }
    }
}
