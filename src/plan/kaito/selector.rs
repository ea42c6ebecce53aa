//! The labels by which a Workspace finds its nodes.

use std::collections::BTreeMap;

use crate::api::keys::WORKSPACE_LABEL;
use crate::names::{is_label_value, is_qualified_name};
use crate::plan::Refusal;

/// Labels that KAITO gives to nodes itself, and that it drops from a selector
/// (`reservedSelectorLabelKeys`, v0.11 and later).
const RESERVED: [&str; 8] = [
    WORKSPACE_LABEL,
    "kaito.sh/workspacenamespace",
    "kaito.sh/ragengine",
    "kaito.sh/ragenginenamespace",
    "karpenter.kaito.sh/workspace-name",
    "karpenter.kaito.sh/workspace-namespace",
    "karpenter.kaito.sh/inferenceset",
    "karpenter.kaito.sh/inferenceset-namespace",
];

/// Returns whether KAITO drops this label from a selector.
pub fn is_reserved(key: &str) -> bool {
    RESERVED.contains(&key)
}

/// Returns the selector of a Workspace whose user named no labels:
/// `apps: <name>`.
///
/// KAITO gives the labels of the selector to the nodes that it provisions, and
/// the pods ask for them, so the label must
///
/// - not be one of KAITO's own: a selector of those alone is rejected, v0.11
///   and later (which is why a plain `kubectl kaito deploy` fails there);
/// - be this Workspace's alone: before v0.11 nothing else told the nodes of two
///   Workspaces apart, and one took the other's;
/// - not be one of Kubernetes' own: a node may not give itself a label
///   `*.kubernetes.io`, so `app.kubernetes.io/instance` would never appear.
///
/// `apps` is what KAITO's own examples use. It selects nothing among nodes of
/// one's own: there, the user must name the labels.
pub fn default_selector(workspace_name: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("apps".to_owned(), workspace_name.to_owned())])
}

/// Checks the labels by which a Workspace finds its nodes.
///
/// None at all passes: KAITO takes an empty selector for every node.
///
/// # Errors
/// [`Refusal`] for labels that KAITO drops (v0.11 and later), alone or beside
/// others, and for what no node's label can be.
pub fn check_selector(labels: &BTreeMap<String, String>) -> Result<(), Refusal> {
    for (key, value) in labels {
        if !is_qualified_name(key) || !is_label_value(value) {
            return Err(Refusal::new(format!(
                "invalid node selector {key}={value}: no node can have this label"
            ))
            .hint(
                "--node-selector takes KEY=VALUE as `kubectl get nodes --show-labels` prints them",
            ));
        }
    }
    let Some(reserved) = labels.keys().find(|key| is_reserved(key)) else {
        return Ok(());
    };
    let selects = format!("invalid node selector {reserved}");
    Err(if labels.keys().all(|key| is_reserved(key)) {
        Refusal::new(format!(
            "{selects}: KAITO itself sets this label, and rejects a selector without others (v0.11 and later)"
        ))
        .hint("select by your own label, such as apps=NAME")
    } else {
        Refusal::new(format!(
            "{selects}: KAITO itself sets this label, and removes it from the selector (v0.11 and later)"
        ))
        .hint(format!("remove {reserved}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn the_default_is_one_that_kaito_takes_whatever_the_name() {
        let longest = "a".repeat(crate::plan::kaito::LONGEST_NAME);
        for name in ["phi-4", longest.as_str()] {
            let selector = default_selector(name);
            assert_eq!(selector, labels(&[("apps", name)]));
            check_selector(&selector).unwrap();
        }
    }

    #[test]
    fn labels_of_kaito_are_refused() {
        for key in RESERVED {
            let refusal = check_selector(&labels(&[(key, "x")])).unwrap_err();
            assert!(refusal.message.contains(key) && refusal.message.contains("rejects"));
            let refusal = check_selector(&labels(&[(key, "x"), ("apps", "x")])).unwrap_err();
            assert!(refusal.message.contains(key) && refusal.message.contains("removes"));
        }
    }

    #[test]
    fn other_labels_pass() {
        check_selector(&labels(&[])).unwrap();
        check_selector(&labels(&[
            (
                "node.kubernetes.io/instance-type",
                "Standard_NC24ads_A100_v4",
            ),
            ("kaito.sh/machine-type", "gpu"),
        ]))
        .unwrap();
    }

    #[test]
    fn labels_that_no_node_can_have_are_refused() {
        for pair in [("a b", "x"), ("", "x"), ("apps", "x y"), ("apps", "-")] {
            assert!(check_selector(&labels(&[pair])).is_err(), "{pair:?}");
        }
    }
}
