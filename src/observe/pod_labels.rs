//! Which pods belong to a workload, by their labels.

use std::collections::BTreeMap;

use crate::api::metadata::Metadata;
use crate::api::pod::Pod;
use crate::api::workload::{Details, Workload};
use crate::kind::WorkloadKind;

/// Label of a Job's pods with its UID (batch/v1).
const CONTROLLER_UID_LABEL: &str = "batch.kubernetes.io/controller-uid";
/// Label of a Ray cluster's pods (KubeRay `utils.RayClusterLabelKey`).
pub const RAY_CLUSTER_LABEL: &str = "ray.io/cluster";
/// Label of a Workspace's pods (KAITO `LabelWorkspaceName`).
const WORKSPACE_LABEL: &str = "kaito.sh/workspace";
/// Values that one selector names at most; a URL has its limits.
pub const AT_ONCE: usize = 50;

/// Labels that pods must have, each with one of its values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodLabels(Vec<(String, Vec<String>)>);

impl PodLabels {
    fn one(key: &str, value: &str) -> Self {
        Self(vec![(key.to_owned(), vec![value.to_owned()])])
    }

    fn any(key: &str, values: Vec<String>) -> Self {
        Self(vec![(key.to_owned(), values)])
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

/// Returns by which labels the pods of a workload are found; `parts` are the
/// Jobs of a CronJob or RayJob, or the Workspaces of an InferenceSet. None, if
/// it has no pods yet.
pub fn pod_labels(workload: &Workload, parts: &[Metadata]) -> Vec<PodLabels> {
    let metadata = &workload.metadata;
    // Some at a time; a URL has its limits.
    let of_parts = |label: &'static str, of: fn(&Metadata) -> &String| {
        parts
            .chunks(AT_ONCE)
            .map(move |parts| PodLabels::any(label, parts.iter().map(of).cloned().collect()))
    };
    match &workload.details {
        Details::Job(..) => vec![PodLabels::one(CONTROLLER_UID_LABEL, &metadata.uid)],
        Details::CronJob(..) => of_parts(CONTROLLER_UID_LABEL, |job| &job.uid).collect(),
        // The driver's output is in the pod of the Job that submits it, which
        // has its name, as another Job may.
        Details::RayJob(_, status) => {
            let cluster = &status.ray_cluster_name;
            of_parts(CONTROLLER_UID_LABEL, |job| &job.uid)
                .chain((!cluster.is_empty()).then(|| PodLabels::one(RAY_CLUSTER_LABEL, cluster)))
                .collect()
        }
        Details::Deployment(spec, _) => {
            let labels = spec.selector.match_labels.iter();
            let labels: Vec<_> = labels
                .map(|(key, value)| (key.clone(), vec![value.clone()]))
                .collect();
            // No labels at all would be every pod; whoever selects by
            // expressions only did not get the Deployment from kaiwo.
            match labels.is_empty() {
                true => Vec::new(),
                false => vec![PodLabels(labels)],
            }
        }
        Details::RayService(_, status) => {
            let clusters = [
                &status.active_service_status,
                &status.pending_service_status,
            ];
            let names: Vec<String> = clusters
                .into_iter()
                .map(|cluster| cluster.ray_cluster_name.clone())
                .filter(|name| !name.is_empty())
                .collect();
            match names.is_empty() {
                true => Vec::new(),
                false => vec![PodLabels::any(RAY_CLUSTER_LABEL, names)],
            }
        }
        Details::Workspace(..) => vec![PodLabels::one(WORKSPACE_LABEL, &metadata.name)],
        Details::InferenceSet(..) => of_parts(WORKSPACE_LABEL, |part| &part.name).collect(),
    }
}

/// Returns whether a pod that has the labels of a workload is really its own:
/// other workloads may have a label that a Deployment selects.
pub fn is_own(workload: &Workload, pod: &Pod) -> bool {
    if workload.kind != WorkloadKind::Deployment {
        return true;
    }
    let mut owners = pod.metadata.owner_references.iter();
    owners.any(|owner| {
        let of = owner.name.rsplit_once('-').map_or("", |(of, _)| of);
        owner.kind == "ReplicaSet" && of == workload.metadata.name
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_selector_matches_what_the_api_server_would() {
        let labels = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            pairs
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect()
        };
        let either = PodLabels::any(RAY_CLUSTER_LABEL, vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(either.selector(), "ray.io/cluster in (a,b)");
        assert!(either.matches(&labels(&[("ray.io/cluster", "b"), ("x", "y")])));
        assert!(!either.matches(&labels(&[("ray.io/cluster", "c")])));
        assert!(!either.matches(&labels(&[])));
    }

    #[test]
    fn a_deployment_has_the_pods_of_its_own_replica_sets() {
        let deployment = json!({
            "metadata": {"name": "web"},
            "spec": {"selector": {"matchLabels": {"app": "web"}}},
        });
        let kind = WorkloadKind::Deployment;
        let web = Workload::read(kind, kind.api_version(), &deployment).unwrap();
        assert_eq!(pod_labels(&web, &[])[0].selector(), "app=web");
        for (owner, own) in [
            (json!({"kind": "ReplicaSet", "name": "web-7c9d"}), true),
            (json!({"kind": "ReplicaSet", "name": "web-2-7c9d"}), false),
            (json!({"kind": "Job", "name": "web-1"}), false),
        ] {
            let pod: Pod =
                serde_json::from_value(json!({"metadata": {"ownerReferences": [owner]}})).unwrap();
            assert_eq!(is_own(&web, &pod), own, "{owner}");
        }
        let everything = json!({"metadata": {"name": "web"}});
        let web = Workload::read(kind, kind.api_version(), &everything).unwrap();
        assert_eq!(pod_labels(&web, &[]), []);
    }
}
