//! `apps/v1` Deployment.

use super::{ChangeMode, Descriptor, Goal, Operator, OperatorObjects};

pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    name: "Deployment",
    plural: "deployments",
    short_names: &["deploy"],
    api_versions: &["apps/v1"],
    operator: Operator::Kubernetes,
    is_served_by: None,
    is_feature_gated: false,
    kueue_framework: Some("deployment"),
    workload_has_its_uid: false,
    is_batch: false,
    is_recurring: false,
    may_end: false,
    goal: Goal::Ready,
    change: ChangeMode::InPlaceWithVersions,
    is_scalable: true,
    // kaiwo's own.
    service: Some(("", "http")),
    command: "kaiwo serve, without --ray and --kaito",
    // Its Service has its name.
    longest_name: |_| 63,
    named_after_it: OperatorObjects::NONE,
    template: "deployment.yaml.tera",
    pod_templates: &[&["spec", "template"]],
};
