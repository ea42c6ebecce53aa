//! Facts for the tests of this room, short enough to be read.

use serde_json::{Value, json};

use super::facts::ClusterFacts;
use super::kaito::KaitoFacts;
use super::kueue::placement::PodSet;
use crate::api::Readable;
use crate::api::metadata::Namespace;
use crate::api::queue::{ClusterQueue, ResourceFlavor};
use crate::quantity::Quantity;

/// Returns a ClusterQueue that takes every namespace; `spec` is what it has
/// besides.
pub fn cluster_queue(name: &str, mut spec: Value, status: Value) -> ClusterQueue {
    spec["namespaceSelector"] = json!({});
    let queue = json!({"metadata": {"name": name}, "spec": spec, "status": status});
    serde_json::from_value(queue).unwrap()
}

/// Returns a ResourceFlavor.
pub fn flavor(name: &str, spec: Value) -> ResourceFlavor {
    serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap()
}

/// Returns pods that request so much each.
pub fn pods(count: i64, requests: &[(&str, i64)]) -> PodSet {
    let requests = requests
        .iter()
        .map(|(name, amount)| ((*name).to_owned(), Quantity::units(*amount)));
    PodSet {
        count,
        requests: requests.collect(),
        node_selector: [].into(),
        tolerations: vec![],
    }
}

/// Returns a cluster with namespace `ml`, these queues and these flavors.
pub fn facts(queues: Vec<ClusterQueue>, flavors: Vec<ResourceFlavor>) -> ClusterFacts {
    ClusterFacts {
        kueue: Some("kueue.x-k8s.io/v1beta2".into()),
        ray: true,
        kaito: Some("kaito.sh/v1beta1".into()),
        kaito_facts: KaitoFacts::default(),
        namespace: Readable::Known(Some(Namespace::default())),
        local_queues: Readable::Known(vec![]),
        cluster_queues: Readable::Known(queues),
        flavors: match flavors[..] {
            [] => Readable::Forbidden,
            _ => Readable::Known(flavors),
        },
        priority_classes: None,
        nodes: None,
        cohorts: None,
        admission_checks: None,
        occupation: None,
        claims: None,
        running: None,
    }
}
