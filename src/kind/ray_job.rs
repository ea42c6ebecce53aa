//! `ray.io/v1` RayJob.

use super::{ChangeMode, Descriptor, Goal, Operator, OperatorObject, OperatorObjects};

pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    name: "RayJob",
    plural: "rayjobs",
    short_names: &[],
    api_versions: &["ray.io/v1"],
    operator: Operator::KubeRay,
    is_served_by: Some("install KubeRay"),
    is_feature_gated: false,
    kueue_framework: Some("ray.io/rayjob"),
    workload_has_its_uid: true,
    is_batch: true,
    is_recurring: false,
    may_end: true,
    goal: Goal::Done,
    change: ChangeMode::Replaced,
    is_scalable: false,
    service: None,
    command: "kaiwo submit --ray",
    // KubeRay's own limit since v1.4.0, checked by its operator only after
    // admission.
    longest_name: |_| 47,
    // `createNewK8sJob`, v1.6, in the mode that kaiwo uses; a Job of the name is taken for
    // the one that KubeRay created (`createK8sJobIfNeed`).
    named_after_it: OperatorObjects {
        objects: &[OperatorObject::new("batch/v1", "Job", "")],
        words: "KubeRay creates a Job with the name of the RayJob",
    },
    template: "rayjob.yaml.tera",
    pod_templates: &[
        &["spec", "submitterPodTemplate"],
        &["spec", "rayClusterSpec", "headGroupSpec", "template"],
        &[
            "spec",
            "rayClusterSpec",
            "workerGroupSpecs",
            "*",
            "template",
        ],
    ],
};
