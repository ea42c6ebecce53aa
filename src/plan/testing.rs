//! Facts for the tests of this room, short enough to be read.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::facts::ClusterFacts;
use super::gpu::GpuRequest;
use super::kaito::KaitoFacts;
use super::kueue::placement::PodSet;
use super::request::pod::PodSettings;
use super::request::service_settings::Serving;
use super::request::{Lifetime, Run, WorkloadRequest};
use crate::api::Readable;
use crate::api::metadata::Namespace;
use crate::api::node::Node;
use crate::api::queue::{ClusterQueue, ResourceFlavor};
use crate::kind::WorkloadKind;
use crate::quantity::Quantity;
use crate::workload::environment::Environment;
use crate::workload::template_values::CustomConfig;
use crate::workload::upload::Upload;

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

/// Returns the request of a workload of so many GPUs.
pub fn request(kind: WorkloadKind, gpus: i64) -> WorkloadRequest {
    WorkloadRequest {
        kind,
        name: "w".to_owned(),
        namespace: "ml".to_owned(),
        queue: None,
        user: "alice".to_owned(),
        app: "w".to_owned(),
        version: None,
        image: Some("image".to_owned()),
        run: Run::Image,
        environment: Environment::default(),
        upload: Upload::new(Vec::new()),
        gpus: GpuRequest {
            total: Some(gpus),
            ..GpuRequest::default()
        },
        gpus_per_node: None,
        gpu_resource: None,
        gpu_node_label_key: None,
        ray_version: None,
        pods: PodSettings::default(),
        priority_class: None,
        schedule: None,
        time_zone: None,
        lifetime: Lifetime::default(),
        serving: Serving::default(),
        template: None,
        custom: CustomConfig::default(),
        session: None,
        array: None,
        create_namespace: false,
        force: false,
        allow_downtime: false,
    }
}

/// Returns a node that has so much.
pub fn node(name: &str, allocatable: &[(&str, &str)]) -> Node {
    let allocatable: BTreeMap<&str, &str> = allocatable.iter().copied().collect();
    let status = json!({"allocatable": allocatable});
    serde_json::from_value(json!({"metadata": {"name": name}, "status": status})).unwrap()
}

/// Returns a cluster with namespace `ml`, these queues and these flavors.
pub fn facts(queues: Vec<ClusterQueue>, flavors: Vec<ResourceFlavor>) -> ClusterFacts {
    ClusterFacts {
        context_namespace: String::new(),
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
        is_sent_away: false,
        admission_checks: None,
        topologies: None,
        occupation: None,
        claims: None,
        running: None,
    }
}
