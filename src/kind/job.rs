//! `batch/v1` Job.

use super::{ChangeMode, Descriptor, Goal, Operator, OperatorObjects};

pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    name: "Job",
    plural: "jobs",
    short_names: &[],
    api_versions: &["batch/v1"],
    operator: Operator::Kubernetes,
    is_served_by: None,
    is_feature_gated: false,
    kueue_framework: Some("batch/job"),
    workload_has_its_uid: true,
    is_batch: true,
    is_recurring: false,
    may_end: true,
    goal: Goal::Done,
    change: ChangeMode::Replaced,
    is_scalable: false,
    service: None,
    command: "kaiwo submit, without --ray and --schedule",
    longest_name,
    named_after_it: OperatorObjects::NONE,
    template: "job.yaml.tera",
    pod_templates: &[&["spec", "template"]],
};

/// The name becomes a label of its pods, which ends at 63; less `-<index>` of
/// several, because an Indexed Job's pods use it as host name.
fn longest_name(pods: i64) -> usize {
    match pods {
        ..=1 => 63,
        _ => 63 - 1 - (pods - 1).to_string().len(),
    }
}
