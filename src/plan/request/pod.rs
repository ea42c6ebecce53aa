//! Settings for the pods of a workload, of whatever kind: volumes, placement,
//! rights, sizes. Each type is read from the one text that a flag, a variable
//! and a file share, those of claims and tolerations in `claim` and `taint`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde_json::json;

use super::claim::{ClaimMount, Storage};
use super::toleration::Toleration;
use crate::api::keys;
use crate::names::{is_config_key, is_dns_1123_subdomain, is_label_value, is_qualified_name};
use crate::plan::Refusal;
use crate::quantity::Quantity;
use crate::schema::{self, Schema};
use crate::secrecy::named;
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
                    return Err(Refusal::new(format!("{flag} {}: not a label of Kubernetes", named(key)))
                        .hint("use up to 63 letters, digits, -, _ and . for key and value, with a letter or digit at both ends"));
                }
            }
        }
        for (key, other) in OWN_LABELS {
            if self.labels.contains_key(key) {
                let refusal = Refusal::new(format!("--label {key}: kaiwo sets this label itself"));
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
            return Err(Refusal::new(format!(
                "--annotation {}: not a key you can use",
                named(key)
            ))
            .hint("use [prefix/]name of letters, digits, -, _ and ."));
        }
        if let Some(account) = self
            .service_account
            .as_ref()
            .filter(|name| !is_dns_1123_subdomain(name))
        {
            return Err(Refusal::new(format!(
                "--service-account {} cannot name a ServiceAccount",
                named(account)
            ))
            .hint("see the names with: kubectl get serviceaccounts"));
        }
        for (flag, amount) in [
            ("--cpus-per-gpu", self.cpus_per_gpu),
            ("--memory-per-gpu", self.memory_per_gpu),
        ] {
            if let Some(amount) = amount.filter(|amount| *amount <= Quantity::default()) {
                return Err(Refusal::new(format!("{flag} {amount}: a pod needs some"))
                    .hint(format!("leave {flag} away for the default")));
            }
        }
        let storage = self.storage.as_ref().map(|storage| storage.size);
        for (flag, size) in [
            ("--memory-per-gpu", self.memory_per_gpu),
            ("--storage", storage),
        ] {
            if let Some(size) = size.filter(|size| *size < SMALLEST) {
                return Err(Refusal::new(format!(
                    "{flag} {size}: that is a number of bytes, too few for anything"
                ))
                .hint(format!("give the unit: {flag} {}Gi", size.whole().max(1))));
            }
        }
        check_mounts(&self.volumes, secrets)
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
            false => Err("not a name of a Secret, as in: kubectl get secrets".to_owned()),
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

/// A key of a Secret: `SECRET/KEY`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// Name of the Secret.
    pub secret: String,
    /// Key in it.
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
            _ => Err("not SECRET/KEY, the name of a Secret and a key in it".to_owned()),
        }
    }
}

/// A length of time: `90`, `90s`, `30m`, `1h30m`, `2d`. Whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds(pub i64);

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "not a time such as 90s, 30m or 1h30m".to_owned();
        if let Ok(seconds) = text.parse::<i64>() {
            return if seconds >= 0 {
                Ok(Self(seconds))
            } else {
                Err(wrong())
            };
        }
        let mut total: i64 = 0;
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (number, after) = rest.split_at(digits);
            let unit = after.chars().next().ok_or_else(wrong)?;
            let scale = match unit {
                's' => 1,
                'm' => 60,
                'h' => 3_600,
                'd' => 86_400,
                _ => return Err(wrong()),
            };
            let number: i64 = number.parse().map_err(|_| wrong())?;
            let seconds = number.checked_mul(scale).ok_or_else(wrong)?;
            total = total.checked_add(seconds).ok_or_else(wrong)?;
            rest = &after[unit.len_utf8()..];
        }
        if text.is_empty() {
            Err(wrong())
        } else {
            Ok(Self(total))
        }
    }
}

deserialize_from_text!(Seconds);
serialize_as_text!(Seconds);

impl Schema for Seconds {
    fn schema() -> serde_json::Value {
        let pattern = "^([-+]?[0-9]+|([0-9]+[smhd])+)$";
        json!({"type": ["string", "integer"], "minimum": 0, "pattern": pattern,
               "examples": ["90s", "30m", "1h30m", "2d"]})
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0)
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
            refusal.message.starts_with("--memory-per-gpu 32: "),
            "{refusal}"
        );
        assert_eq!(refusal.hints, ["give the unit: --memory-per-gpu 32Gi"]);
        assert_eq!(memory("1Mi").check(&[]), Ok(()));
        let storage = PodSettings {
            storage: Some("100,fast".parse().unwrap()),
            ..PodSettings::default()
        };
        let refusal = storage.check(&[]).unwrap_err();
        assert_eq!(refusal.hints, ["give the unit: --storage 100Gi"]);
    }

    #[test]
    fn times() {
        for (text, seconds) in [
            ("0", 0),
            ("90", 90),
            ("90s", 90),
            ("1h30m", 5_400),
            ("2d", 172_800),
        ] {
            assert_eq!(text.parse(), Ok(Seconds(seconds)), "{text}");
        }
        for text in [
            "",
            "h",
            "1x",
            "-1",
            "1h-2m",
            "99999999999999999999s",
            "9223372036854775807d",
            "1é",
        ] {
            assert!(text.parse::<Seconds>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_read_is_written_back() {
        assert_eq!("90s".parse::<Seconds>().unwrap().to_string(), "90s");
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
