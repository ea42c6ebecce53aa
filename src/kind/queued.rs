//! Whatever else Kueue queues, by the Workload that stands for it: a JobSet, a
//! TrainJob, a LeaderWorkerSet, a RayCluster, a group of pods.

use super::{ChangeMode, Descriptor, Goal, Operator, OperatorObjects};

pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    name: "Workload",
    plural: "workloads",
    short_names: &[],
    api_versions: &["kueue.x-k8s.io/v1beta2", "kueue.x-k8s.io/v1beta1"],
    operator: Operator::Kubernetes,
    is_served_by: Some("install Kueue"),
    is_feature_gated: false,
    kueue_framework: None,
    // It is this Workload.
    workload_has_its_uid: false,
    is_batch: true,
    is_recurring: false,
    may_end: true,
    goal: Goal::Done,
    change: ChangeMode::Replaced,
    is_scalable: false,
    service: None,
    // kaiwo does not create it.
    command: "kubectl apply -f FILE",
    longest_name: |_| 253,
    named_after_it: OperatorObjects::NONE,
    template: "",
    pod_templates: &[],
};
