//! `ray.io/v1` RayService.

use super::{ChangeMode, Descriptor, Goal, Operator, OperatorObject, OperatorObjects};

pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    name: "RayService",
    plural: "rayservices",
    short_names: &[],
    api_versions: &["ray.io/v1"],
    operator: Operator::KubeRay,
    is_served_by: Some("install KubeRay"),
    is_feature_gated: false,
    kueue_framework: Some("ray.io/rayservice"),
    workload_has_its_uid: true,
    is_batch: false,
    is_recurring: false,
    may_end: false,
    goal: Goal::Ready,
    change: ChangeMode::InPlaceWithVersions,
    is_scalable: false,
    // KubeRay's (`utils.GenerateServeServiceName`, v1.6).
    service: Some(("-serve-svc", "serve")),
    command: "kaiwo serve --ray",
    // KubeRay's own limit since v1.4.0.
    longest_name: |_| 47,
    // `GenerateHeadServiceName` and `GenerateServeServiceName`, v1.6.
    named_after_it: OperatorObjects {
        objects: &[
            OperatorObject::new("v1", "Service", "-head-svc"),
            OperatorObject::new("v1", "Service", "-serve-svc"),
        ],
        words: "KubeRay creates Services with the name of the RayService and -head-svc or -serve-svc",
    },
    template: "rayservice.yaml.tera",
    pod_templates: &[
        &["spec", "rayClusterConfig", "headGroupSpec", "template"],
        &[
            "spec",
            "rayClusterConfig",
            "workerGroupSpecs",
            "*",
            "template",
        ],
    ],
};
