//! Label selectors.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A label selector of Kubernetes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    /// Labels that must be there with these values.
    pub match_labels: BTreeMap<String, String>,
    /// Further conditions.
    pub match_expressions: Vec<LabelExpression>,
}

/// One condition of a [`LabelSelector`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct LabelExpression {
    /// Label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// Values of `In` and `NotIn`.
    #[serde(default)]
    pub values: Vec<String>,
}

impl LabelSelector {
    /// Returns whether `labels` satisfy every condition; an empty selector
    /// selects everything.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|expression| {
                let value = labels.get(&expression.key);
                let listed = value.is_some_and(|value| expression.values.contains(value));
                match expression.operator.as_str() {
                    "In" => listed,
                    "NotIn" => !listed,
                    "Exists" => value.is_some(),
                    "DoesNotExist" => value.is_none(),
                    _ => false,
                }
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_follow_kubernetes() {
        let labels = BTreeMap::from([("team".to_owned(), "ml".to_owned())]);
        let selector = |key: &str, operator: &str, values: &[&str]| LabelSelector {
            match_expressions: vec![LabelExpression {
                key: key.into(),
                operator: operator.into(),
                values: values.iter().map(|v| (*v).to_owned()).collect(),
            }],
            ..LabelSelector::default()
        };
        assert!(LabelSelector::default().matches(&labels));
        assert!(selector("team", "In", &["ml"]).matches(&labels));
        assert!(!selector("team", "NotIn", &["ml"]).matches(&labels));
        assert!(selector("gone", "NotIn", &["ml"]).matches(&labels));
        assert!(selector("gone", "DoesNotExist", &[]).matches(&labels));
        assert!(!selector("gone", "Exists", &[]).matches(&labels));
    }
}
