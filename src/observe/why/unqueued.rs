//! Explains why Kueue has no Workload for what is to be queued.

use super::evidence::Evidence;
use super::finding::{Anew, Cause, Finding, Who};
use crate::api::Readable;
use crate::api::keys::PRIORITY_CLASS_LABEL;
use crate::suggestion::kubectl;

/// Seconds in which Kueue usually has made a Workload, and has looked at it.
pub(super) const PATIENCE: i64 = 10;

/// Says why there is nothing of Kueue's to look at: the first of these that
/// holds.
pub(super) fn no_workload(evidence: &Evidence, queue: &str) -> Finding {
    no_kueue(evidence, queue)
        .or_else(|| forbidden(evidence, queue))
        .or_else(|| unknown_priority_class(evidence))
        .or_else(|| namespace_not_managed(evidence))
        .or_else(|| kind_not_managed(evidence))
        .or_else(|| just_created(evidence))
        .unwrap_or_else(|| unexplained(evidence))
}

fn no_kueue(evidence: &Evidence, queue: &str) -> Option<Finding> {
    (!evidence.has_kueue).then(|| {
        Finding::new(
            Cause::KueueMissing,
            format!("it is queued in {queue}, but Kueue is not installed"),
        )
        .admin("install Kueue")
        .you("run it without a queue, if that is allowed")
    })
}

fn forbidden(evidence: &Evidence, queue: &str) -> Option<Finding> {
    matches!(evidence.snapshot.queued, Readable::Forbidden).then(|| {
        Finding::new(
            Cause::NoWorkload,
            format!("it is waiting in LocalQueue {queue}, but you may not read Kueue's Workloads"),
        )
        .remedy(
            Who::Admin,
            "grant you Kueue's batch-user role",
            kubectl("-n {} create rolebinding batch-users --clusterrole kueue-batch-user-role --user {USER}", &[evidence.namespace()]),
        )
    })
}

/// Returns the priority class that the workload names.
fn priority_class(evidence: &Evidence) -> Option<&str> {
    let metadata = &evidence.snapshot.workload.metadata;
    metadata.label(PRIORITY_CLASS_LABEL)
}

fn priority_classes(evidence: &Evidence) -> Option<&Vec<String>> {
    evidence.fact(|facts| facts.priority_classes.as_ref())
}

fn unknown_priority_class(evidence: &Evidence) -> Option<Finding> {
    let named = priority_class(evidence)?;
    let classes = priority_classes(evidence)?;
    if classes.iter().any(|class| class == named) {
        return None;
    }
    let known = match classes.is_empty() {
        true => "none exists".to_owned(),
        false => format!("available: {}", classes.join(", ")),
    };
    let finding = Finding::new(
        Cause::UnknownPriorityClass,
        format!("it names WorkloadPriorityClass {named:?}, which does not exist"),
    )
    .shows(known)
    .shows("without the class, Kueue creates no Workload, so nothing is queued")
    .resubmit(Anew::With, "another --priority-class, or none")
    .remedy(
        Who::Admin,
        "create the class",
        kubectl("get workloadpriorityclasses", &[]),
    );
    Some(finding)
}

fn namespace_not_managed(evidence: &Evidence) -> Option<Finding> {
    let configuration = evidence.kueue.as_ref()?;
    let selector = configuration.managed_jobs_namespace_selector.as_ref()?;
    let namespace = evidence.fact(|facts| Some(&facts.namespace))?.as_ref()?;
    (!selector.matches(&namespace.metadata.labels)).then(|| {
        Finding::new(
            Cause::NamespaceNotManaged,
            format!(
                "Kueue is configured to ignore namespace {}",
                evidence.namespace()
            ),
        )
        .shows("its managedJobsNamespaceSelector does not select the namespace")
        .admin("label the namespace, or change the selector in Kueue's configuration")
        .you("submit to another namespace with -n")
    })
}

fn kind_not_managed(evidence: &Evidence) -> Option<Finding> {
    let frameworks = &evidence.kueue.as_ref()?.integrations.frameworks;
    let kind = evidence.snapshot.workload.kind;
    let framework = kind.descriptor().kueue_framework?;
    (!frameworks.iter().any(|one| one == framework)).then(|| {
        Finding::new(
            Cause::KindNotManaged,
            format!("Kueue does not manage {}s here", kind.name()),
        )
        .shows(format!(
            "its integrations.frameworks does not contain {framework}"
        ))
        .admin(format!(
            "add {framework} to Kueue's configuration, and restart Kueue"
        ))
    })
}

fn just_created(evidence: &Evidence) -> Option<Finding> {
    let created = evidence.snapshot.workload.metadata.creation_timestamp;
    let age = created.map_or(0, |created| evidence.now.as_second() - created.as_second());
    (age < PATIENCE).then(|| {
        Finding::new(Cause::NotEvaluated, "Kueue has not processed it yet")
            .nobody("it was created a moment ago; ask again")
    })
}

fn unexplained(evidence: &Evidence) -> Finding {
    let finding = Finding::new(
        Cause::NoWorkload,
        "Kueue has created no Workload for it, so it is not queued",
    );
    let named = priority_class(evidence);
    let finding = match (named, priority_classes(evidence)) {
        (Some(named), None) => finding.shows(format!(
            "it names WorkloadPriorityClass {named:?}: if that does not exist, it is the cause"
        )),
        _ => finding
            .shows("Kueue is not configured to manage its kind or namespace, or is not running"),
    };
    let finding = match named {
        Some(_) => finding.resubmit(Anew::With, "another --priority-class, or none"),
        None => finding,
    };
    finding.remedy(
        Who::Admin,
        "check Kueue's log",
        kubectl("-n kueue-system logs deploy/kueue-controller-manager", &[]).raw(format!(
            "| grep {}",
            evidence.snapshot.workload.metadata.name
        )),
    )
}
