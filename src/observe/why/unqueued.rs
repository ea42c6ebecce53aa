//! Why Kueue has no Workload for what is to be queued.

use super::{Cause, Evidence, Finding, Who};
use crate::api::Readable;
use crate::api::keys::PRIORITY_CLASS_LABEL;

/// Seconds in which Kueue usually has made a Workload.
const PATIENCE: i64 = 10;

/// Says why there is nothing of Kueue's to look at.
pub(super) fn no_workload(evidence: &Evidence, queue: &str) -> Finding {
    let workload = &evidence.snapshot.workload;
    let metadata = &workload.metadata;
    let namespace = evidence.namespace();
    if !evidence.has_kueue {
        return Finding::new(
            Cause::KueueMissing,
            format!("it is queued in {queue}, but the cluster has no Kueue"),
        )
        .admin("installs Kueue")
        .you("run it without a queue, where that is allowed");
    }
    if matches!(evidence.snapshot.queued, Readable::Forbidden) {
        return Finding::new(
            Cause::NoWorkload,
            format!("it waits in LocalQueue {queue}, and you may not read Kueue's Workloads"),
        )
        .remedy(
            Who::Admin,
            "gives you Kueue's batch-user role",
            Some(format!(
                "kubectl -n {namespace} create rolebinding batch-users --clusterrole kueue-batch-user-role --user <you>"
            )),
        );
    }
    let age = metadata
        .creation_timestamp
        .map_or(0, |created| evidence.now.as_second() - created.as_second());
    let named = metadata.label(PRIORITY_CLASS_LABEL);
    let classes = evidence.fact(|facts| facts.priority_classes.as_ref());
    if let (Some(named), Some(classes)) = (named, classes)
        && !classes.iter().any(|class| class == named)
    {
        let known = match classes.is_empty() {
            true => "there is none at all".to_owned(),
            false => format!("there are: {}", classes.join(", ")),
        };
        return Finding::new(
            Cause::UnknownPriorityClass,
            format!("it names WorkloadPriorityClass {named:?}, which does not exist"),
        )
        .shows(known)
        .shows("without it Kueue makes no Workload, and the queue does not see it")
        .again("with another --priority-class, or none")
        .remedy(
            Who::Admin,
            "makes the class",
            Some("kubectl get workloadpriorityclasses".to_owned()),
        );
    }
    if let Some(configuration) = &evidence.kueue {
        if let Some(selector) = &configuration.namespaces
            && let Some(Some(found)) = evidence.fact(|facts| Some(&facts.namespace))
            && !selector.matches(&found.metadata.labels)
        {
            return Finding::new(
                Cause::NamespaceNotManaged,
                format!("Kueue is told to leave namespace {namespace} alone"),
            )
            .shows("its managedJobsNamespaceSelector does not select the namespace")
            .admin("labels the namespace, or changes the selector in Kueue's configuration")
            .you("submit to another namespace with -n");
        }
        if let Some(framework) = workload.kind.descriptor().kueue_framework
            && !configuration.frameworks.iter().any(|one| one == framework)
        {
            return Finding::new(
                Cause::KindNotManaged,
                format!("Kueue does not manage {}s here", workload.kind.name()),
            )
            .shows(format!("its integrations.frameworks lacks {framework}"))
            .admin(format!(
                "adds {framework} to Kueue's configuration and restarts it"
            ));
        }
    }
    if age < PATIENCE {
        return Finding::new(Cause::NotEvaluated, "Kueue has not looked at it yet")
            .nobody("it was created a moment ago; ask again");
    }
    let finding = Finding::new(
        Cause::NoWorkload,
        "Kueue has made no Workload for it, so the queue does not see it".to_owned(),
    );
    let finding = match (named, classes) {
        (Some(named), None) => finding.shows(format!(
            "it names WorkloadPriorityClass {named:?}: if there is none of that name, that is why"
        )),
        _ => finding.shows("Kueue is not told to manage its kind or namespace, or does not run"),
    };
    let finding = match named {
        Some(_) => finding.again("with another --priority-class, or none"),
        None => finding,
    };
    finding.remedy(
        Who::Admin,
        "sees why in Kueue's log",
        Some(format!(
            "kubectl -n kueue-system logs deploy/kueue-controller-manager | grep {}",
            metadata.name
        )),
    )
}
