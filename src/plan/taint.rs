//! Whether pods may go where a flavor's nodes are tainted, as Kueue and the
//! scheduler judge it.

use super::facts::{FlavorToleration, Taint};
use super::pod::Toleration;

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
    toleration.key == taint.key
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
                effect: String::new(),
            };
            untolerated(&taint("NoExecute"), &[], &[toleration]).is_none()
        };
        assert!(flavor("team", "Equal", "ml") && flavor("team", "", "ml"));
        assert!(flavor("team", "Exists", "") && flavor("", "Exists", ""));
        assert!(!flavor("team", "Equal", "other") && !flavor("other", "Exists", ""));
    }
}
