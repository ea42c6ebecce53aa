//! `kaito.sh` Workspace.

use super::{
    ChangeMode, Descriptor, Goal, KAITO_VERSIONS, Operator, OperatorObject, OperatorObjects,
};

pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    name: "Workspace",
    plural: "workspaces",
    short_names: &["wk", "wks"],
    api_versions: &KAITO_VERSIONS,
    operator: Operator::Kaito,
    is_served_by: Some("install KAITO"),
    is_feature_gated: false,
    kueue_framework: None,
    workload_has_its_uid: false,
    is_batch: false,
    is_recurring: false,
    // One that tunes a model ends.
    may_end: true,
    goal: Goal::Ready,
    // KAITO admits changes and ignores them (v0.12).
    change: ChangeMode::Replaced,
    is_scalable: false,
    // KAITO's, of the Workspace's name (v0.12).
    service: Some(("", "http")),
    command: "kaiwo serve --kaito",
    // KAITO's StatefulSet makes a label of the name and a hash of 10.
    longest_name: |_| 52,
    // KAITO v0.12, for a model that is served; before v0.8, a Deployment instead of the
    // StatefulSet.
    named_after_it: OperatorObjects {
        objects: &[
            OperatorObject::new("apps/v1", "StatefulSet", ""),
            OperatorObject::new("apps/v1", "Deployment", ""),
            OperatorObject::new("v1", "Service", ""),
            OperatorObject::new("v1", "Service", "-headless"),
        ],
        words: "KAITO creates a StatefulSet (before v0.8, a Deployment) and a Service with the name of the Workspace",
    },
    template: "workspace.yaml.tera",
    pod_templates: &[&["inference", "template"]],
};
