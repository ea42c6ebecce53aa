//! Labels by which pods are selected.

use std::collections::BTreeMap;

use crate::api::metadata::Metadata;

/// Values that one selector names at most; a URL has its limits.
pub const AT_ONCE: usize = 50;

/// Labels that pods must have, each with one of its values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodLabels(Vec<(String, Vec<String>)>);

impl PodLabels {
    /// Pods that have this label.
    pub fn one(key: &str, value: &str) -> Self {
        Self(vec![(key.to_owned(), vec![value.to_owned()])])
    }

    /// Pods that have a label with one of these values.
    pub fn any(key: &str, values: Vec<String>) -> Self {
        Self(vec![(key.to_owned(), values)])
    }

    /// Pods that have all of these labels.
    pub fn all(labels: &BTreeMap<String, String>) -> Self {
        let labels = labels.iter();
        Self(
            labels
                .map(|(key, value)| (key.clone(), vec![value.clone()]))
                .collect(),
        )
    }

    /// Pods of each of `parts`, by a label; some parts at a time, since a URL has
    /// its limits.
    pub fn of_each(key: &str, parts: &[Metadata], value: fn(&Metadata) -> &String) -> Vec<Self> {
        let chunks = parts.chunks(AT_ONCE);
        chunks
            .map(|parts| Self::any(key, parts.iter().map(value).cloned().collect()))
            .collect()
    }

    /// Returns them as a label selector.
    pub fn selector(&self) -> String {
        let terms = self.0.iter().map(|(key, values)| match &values[..] {
            [value] => format!("{key}={value}"),
            values => format!("{key} in ({})", values.join(",")),
        });
        terms.collect::<Vec<_>>().join(",")
    }

    /// Returns the first label, with each of its values: whoever has none of
    /// them does not match.
    pub fn first(&self) -> impl Iterator<Item = (&str, &str)> {
        let first = self.0.first().into_iter();
        first.flat_map(|(key, values)| {
            let values = values.iter();
            values.map(move |value| (key.as_str(), value.as_str()))
        })
    }

    /// Returns whether `labels` are among those selected.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0
            .iter()
            .all(|(key, values)| labels.get(key).is_some_and(|value| values.contains(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_matches_what_the_api_server_would() {
        let labels = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            pairs
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect()
        };
        let either = PodLabels::any("ray.io/cluster", vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(either.selector(), "ray.io/cluster in (a,b)");
        assert!(either.matches(&labels(&[("ray.io/cluster", "b"), ("x", "y")])));
        assert!(!either.matches(&labels(&[("ray.io/cluster", "c")])));
        assert!(!either.matches(&labels(&[])));
    }
}
