//! `batch/v1` CronJob.

use super::{ChangeMode, Descriptor, Goal, Operator, OperatorObjects};

pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    name: "CronJob",
    plural: "cronjobs",
    short_names: &["cj"],
    api_versions: &["batch/v1"],
    operator: Operator::Kubernetes,
    // Kueue queues the Jobs that it starts.
    is_served_by: None,
    is_feature_gated: false,
    kueue_framework: Some("batch/job"),
    workload_has_its_uid: false,
    is_batch: true,
    is_recurring: true,
    may_end: false,
    goal: Goal::Ready,
    change: ChangeMode::Replaced,
    is_scalable: false,
    service: None,
    command: "kaiwo submit --schedule CRON",
    // Its Jobs get a suffix of 11.
    longest_name: |_| 52,
    named_after_it: OperatorObjects::NONE,
    template: "cronjob.yaml.tera",
    pod_templates: &[&["spec", "jobTemplate", "spec", "template"]],
};
