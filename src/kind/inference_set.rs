//! `kaito.sh` InferenceSet.

use super::{ChangeMode, Descriptor, Goal, KAITO_VERSIONS, Operator, OperatorObjects};

pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    name: "InferenceSet",
    plural: "inferencesets",
    short_names: &["is", "isets"],
    api_versions: &KAITO_VERSIONS,
    operator: Operator::Kaito,
    is_served_by: Some("turn InferenceSets on in KAITO v0.8 and later"),
    // A feature gate (KAITO v0.8 and later).
    is_feature_gated: true,
    kueue_framework: None,
    workload_has_its_uid: false,
    is_batch: false,
    is_recurring: false,
    may_end: false,
    goal: Goal::Ready,
    // KAITO carries out changes of the number of replicas (v0.12).
    change: ChangeMode::InPlace,
    is_scalable: true,
    // Each of its Workspaces has a Service of its own (KAITO v0.12).
    service: None,
    command: "kaiwo serve -m MODEL --replicas N",
    // Its Workspaces get a suffix of 6.
    longest_name: |_| 46,
    named_after_it: OperatorObjects::NONE,
    template: "inferenceset.yaml.tera",
    pod_templates: &[&["spec", "template"]],
};
