//! Evidence for the tests of this room.

use crate::api::Readable;
use crate::plan::testing::facts;

use super::{DoctorEvidence, Prometheus};

/// Returns a cluster with Kueue and KubeRay of which `alice` may read little.
pub fn evidence() -> DoctorEvidence {
    let group = |name: &str, version: &str| (name.to_owned(), vec![version.to_owned()]);
    DoctorEvidence {
        now: "2026-01-02T00:00:00Z".parse().unwrap(),
        namespace: "ml".to_owned(),
        user: Some("alice".to_owned()),
        kubernetes: Some("v1.36.3".to_owned()),
        groups: vec![group("kueue.x-k8s.io", "v1beta2"), group("ray.io", "v1")],
        facts: facts(vec![], vec![]),
        granted: None,
        controllers: Readable::Forbidden,
        webhooks: Readable::Forbidden,
        workloads: Vec::new(),
        kueue: None,
        prometheus: Prometheus::NotAllowed,
    }
}
