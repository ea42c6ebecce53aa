//! Finds the workloads that pods belong to.

use std::collections::HashMap;

use crate::api::pod::Pod;
use crate::api::workload::Workload;
use crate::cluster::read::dependents::Dependents;
use crate::observe::kind::pod_labels::PodLabels;
use crate::observe::kind::rules;

/// Gives each of the wanted workloads its pods.
pub(super) fn sorted_out(
    page: &[Workload],
    wanted: &[usize],
    parts: &HashMap<String, Dependents>,
    pods: &[Pod],
) -> HashMap<usize, Vec<Pod>> {
    let labels: Vec<(usize, Vec<PodLabels>)> = wanted
        .iter()
        .map(|index| {
            let workload = &page[*index];
            let parts = parts.get(&workload.metadata.uid);
            let parts = parts.map_or(&[][..], |parts| &parts.metadata);
            (*index, rules(workload).pod_labels(parts))
        })
        .collect();
    // Any one of its labels leads from a pod to those that may own it.
    let mut owners: HashMap<(&str, &str), Vec<(usize, &PodLabels)>> = HashMap::new();
    for (index, labels) in &labels {
        for labels in labels {
            for (key, value) in labels.first() {
                owners
                    .entry((key, value))
                    .or_default()
                    .push((*index, labels));
            }
        }
    }
    let mut sorted: HashMap<usize, Vec<Pod>> = HashMap::new();
    for pod in pods {
        let metadata = &pod.metadata;
        let found = metadata
            .labels
            .iter()
            .filter_map(|(key, value)| owners.get(&(key.as_str(), value.as_str())));
        for (index, labels) in found.flatten() {
            let workload = &page[*index];
            if workload.metadata.namespace == metadata.namespace
                && labels.matches(&metadata.labels)
                && rules(workload).owns(pod)
            {
                let own = sorted.entry(*index).or_default();
                // Several of its labels may lead to it.
                if own
                    .last()
                    .is_none_or(|last| last.metadata.uid != metadata.uid)
                {
                    own.push(pod.clone());
                }
            }
        }
    }
    sorted
}
