//! Taints that pods tolerate, and whether they may go where a flavor's nodes
//! are tainted, as Kueue and the scheduler judge it.

use std::fmt;
use std::str::FromStr;

use crate::api::node::{FlavorToleration, Taint};
use crate::api::vendor::Vendor;
use crate::names::{is_label_value, is_qualified_name};
use crate::schema::{self, Schema};
use crate::yaml::{deserialize_from_text, serialize_as_text};

/// A taint that pods tolerate, written as `kubectl taint` writes it:
/// `KEY[=VALUE][:EFFECT]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toleration {
    /// Key of the taint.
    pub key: String,
    /// Its value; any if absent.
    pub value: Option<String>,
    /// Its effect; any if absent.
    pub effect: Option<String>,
}

impl FromStr for Toleration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (taint, effect) = match text.rsplit_once(':') {
            Some((taint, effect)) => (taint, Some(effect)),
            None => (text, None),
        };
        let (key, value) = match taint.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (taint, None),
        };
        if let Some(effect) = effect
            && !matches!(effect, "NoSchedule" | "PreferNoSchedule" | "NoExecute")
        {
            return Err("the effect must be NoSchedule, PreferNoSchedule or NoExecute".to_owned());
        }
        if !is_qualified_name(key) || value.is_some_and(|value| !is_label_value(value)) {
            return Err("expected KEY, KEY=VALUE or KEY=VALUE:EFFECT".to_owned());
        }
        Ok(Self {
            key: key.to_owned(),
            value: value.map(str::to_owned),
            effect: effect.map(str::to_owned),
        })
    }
}
impl fmt::Display for Toleration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        if let Some(value) = &self.value {
            write!(f, "={value}")?;
        }
        match &self.effect {
            Some(effect) => write!(f, ":{effect}"),
            None => Ok(()),
        }
    }
}

deserialize_from_text!(Toleration);
serialize_as_text!(Toleration);

impl Schema for Toleration {
    fn schema() -> serde_json::Value {
        let pattern = "^[A-Za-z0-9][A-Za-z0-9._/-]*(=[A-Za-z0-9._-]*)?(:(NoSchedule|PreferNoSchedule|NoExecute))?$";
        schema::text(pattern, &["dedicated", "nvidia.com/gpu=present:NoSchedule"])
    }
}

/// Returns the first taint that keeps pods away and that neither they nor
/// their flavor tolerate, as `--toleration` takes it.
pub fn untolerated(
    taints: &[Taint],
    own: &[Toleration],
    flavors: &[FlavorToleration],
) -> Option<String> {
    let taint = taints
        .iter()
        .filter(|taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute"))
        .find(|taint| {
            !own.iter().any(|toleration| tolerates(toleration, taint))
                && !flavors
                    .iter()
                    .any(|toleration| flavor_tolerates(toleration, taint))
        })?;
    let value = match taint.value.as_str() {
        "" => String::new(),
        value => format!("={value}"),
    };
    Some(format!("{}{value}:{}", taint.key, taint.effect))
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let any = |wanted: &Option<String>, found: &str| {
        wanted.as_deref().is_none_or(|wanted| wanted == found)
    };
    // A template may tolerate every taint, by naming no key.
    (toleration.key.is_empty() || toleration.key == taint.key)
        && any(&toleration.value, &taint.value)
        && any(&toleration.effect, &taint.effect)
}

fn flavor_tolerates(toleration: &FlavorToleration, taint: &Taint) -> bool {
    let any = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
    any(&toleration.effect, &taint.effect)
        && any(&toleration.key, &taint.key)
        && match toleration.operator.as_str() {
            "Exists" => true,
            // Newer operators compare numbers: the scheduler judges those.
            "" | "Equal" => !toleration.key.is_empty() && toleration.value == taint.value,
            _ => true,
        }
}

/// Returns the tolerations that let pods onto nodes that are kept for those with GPUs: by
/// custom such a taint has the name of the resource, or of the vendor's whole
/// GPUs.
pub fn of_gpus(resource: &str) -> Vec<Toleration> {
    let vendor = Vendor::from_resource(resource);
    let whole = vendor.whole_gpu().unwrap_or(resource);
    let mut keys = vec![whole];
    keys.extend(Some(resource).filter(|resource| *resource != whole));
    keys.into_iter()
        .map(|key| Toleration {
            key: key.to_owned(),
            value: None,
            effect: None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taint(effect: &str) -> [Taint; 1] {
        [Taint {
            key: "team".into(),
            value: "ml".into(),
            effect: effect.into(),
        }]
    }

    #[test]
    fn a_taint_is_named_as_the_flag_takes_it() {
        assert_eq!(
            untolerated(&taint("NoSchedule"), &[], &[]).as_deref(),
            Some("team=ml:NoSchedule")
        );
        assert_eq!(untolerated(&taint("PreferNoSchedule"), &[], &[]), None);
        for text in ["team=ml:NoSchedule", "team=ml", "team"] {
            let toleration: Toleration = text.parse().unwrap();
            assert_eq!(
                untolerated(&taint("NoSchedule"), &[toleration], &[]),
                None,
                "{text}"
            );
        }
        for text in ["team=other", "other", "team=ml:NoExecute"] {
            let toleration: Toleration = text.parse().unwrap();
            assert!(
                untolerated(&taint("NoSchedule"), &[toleration], &[]).is_some(),
                "{text}"
            );
        }
    }

    #[test]
    fn a_flavor_may_bring_its_own_toleration() {
        let flavor = |key: &str, operator: &str, value: &str| {
            let toleration = FlavorToleration {
                key: key.into(),
                operator: operator.into(),
                value: value.into(),
                ..FlavorToleration::default()
            };
            untolerated(&taint("NoExecute"), &[], &[toleration]).is_none()
        };
        assert!(flavor("team", "Equal", "ml") && flavor("team", "", "ml"));
        assert!(flavor("team", "Exists", "") && flavor("", "Exists", ""));
        assert!(!flavor("team", "Equal", "other") && !flavor("other", "Exists", ""));
    }

    #[test]
    fn tolerations_are_written_like_taints() {
        let toleration: Toleration = "nvidia.com/gpu=present:NoSchedule".parse().unwrap();
        assert_eq!(toleration.value.as_deref(), Some("present"));
        assert_eq!(toleration.effect.as_deref(), Some("NoSchedule"));
        assert_eq!("dedicated".parse::<Toleration>().unwrap().value, None);
        for text in ["", "a b", "a=b:Never", "=x"] {
            assert!(text.parse::<Toleration>().is_err(), "{text}");
        }
        for text in ["a", "a=b", "a=b:NoSchedule", "a:NoExecute"] {
            assert_eq!(text.parse::<Toleration>().unwrap().to_string(), text);
        }
    }
}
