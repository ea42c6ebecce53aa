//! Finds what is wrong with a queue.

use super::evidence::Evidence;
use super::finding::{Anew, Cause, Finding, Who};
use super::quota_contention::cluster_queue;
use crate::api::kueue_workload::KueueWorkload;
use crate::api::queue::StopPolicy;
use crate::observe::upstream::kueue::QuotaBlocker;
use crate::suggestion::{Command, kubectl};

/// Says what is wrong with the queue now, as far as its objects tell.
pub(super) fn broken_queue(evidence: &Evidence, own: &KueueWorkload) -> Option<Finding> {
    let name = &own.spec.queue_name;
    let namespace = evidence.namespace();
    let locals = evidence.fact(|facts| Some(&facts.local_queues))?;
    let Some(local) = locals.iter().find(|local| local.metadata.name == *name) else {
        return Some(local_queue_missing(evidence, name));
    };
    if local.spec.stop_policy != StopPolicy::None {
        return Some(stopped(
            &format!("LocalQueue {name}"),
            kubectl(
                "-n {} patch localqueues {} --type merge -p {}",
                &[namespace, name, r#"{"spec":{"stopPolicy":"None"}}"#],
            ),
        ));
    }
    let target = &local.spec.cluster_queue;
    if let Some(queues) = evidence.fact(|facts| Some(&facts.cluster_queues)) {
        let Some(queue) = queues.iter().find(|queue| queue.metadata.name == *target) else {
            return Some(cluster_queue_missing(name, target));
        };
        if queue.spec.stop_policy != StopPolicy::None {
            return Some(stopped(
                &format!("ClusterQueue {target}"),
                kubectl(
                    "patch clusterqueues {} --type merge -p {}",
                    &[target, r#"{"spec":{"stopPolicy":"None"}}"#],
                ),
            ));
        }
        let inactive = queue
            .status
            .conditions
            .iter()
            .find(|condition| condition.kind == "Active" && condition.status == "False");
        return inactive.map(|inactive| cluster_queue_inactive(target, &inactive.message));
    }
    // Of the ClusterQueue, the LocalQueue tells this much.
    let inactive = local
        .status
        .conditions
        .iter()
        .find(|condition| condition.kind == "Active" && condition.status == "False")?;
    Some(match inactive.reason.as_str() {
        "ClusterQueueDoesNotExist" => cluster_queue_missing(name, target),
        "Stopped" => stopped(&format!("LocalQueue {name}"), None),
        _ => cluster_queue_inactive(target, ""),
    })
}

/// Says what Kueue says of the queue.
pub(super) fn told_of_queue(
    evidence: &Evidence,
    own: &KueueWorkload,
    blocker: &QuotaBlocker,
) -> Option<Finding> {
    let queue = &own.spec.queue_name;
    // Where the queues could be read, they are well by now.
    let are_well =
        evidence
            .fact(|facts| Some(&facts.local_queues))
            .is_some_and(|locals| {
                locals.iter().any(|local| {
                    local.metadata.name == *queue
                        && local.status.conditions.iter().any(|condition| {
                            condition.kind == "Active" && condition.status == "True"
                        })
                })
            });
    Some(match blocker {
        QuotaBlocker::NamespaceNotSelected => namespace_not_selected(evidence, own),
        _ if are_well => return None,
        QuotaBlocker::LocalQueueMissing(_) => local_queue_missing(evidence, queue),
        QuotaBlocker::LocalQueueStopped(_) => stopped(&format!("LocalQueue {queue}"), None),
        QuotaBlocker::ClusterQueueMissing(name) => cluster_queue_missing(queue, name),
        QuotaBlocker::ClusterQueueInactive(name) => cluster_queue_inactive(name, ""),
        _ => return None,
    })
}

fn local_queue_missing(evidence: &Evidence, name: &str) -> Finding {
    let namespace = evidence.namespace();
    let others: Vec<&str> = evidence
        .fact(|facts| Some(&facts.local_queues))
        .into_iter()
        .flatten()
        .map(|local| local.metadata.name.as_str())
        .collect();
    let others = match others.is_empty() {
        true => "the namespace has no LocalQueues".to_owned(),
        false => format!("the namespace has: {}", others.join(", ")),
    };
    let finding = Finding::new(
        Cause::LocalQueueMissing,
        format!("LocalQueue {name} does not exist in namespace {namespace}"),
    )
    .shows(others);
    let workload = &evidence.snapshot.workload;
    let queues = evidence.fact(|facts| Some(&facts.cluster_queues));
    let can_be_made =
        queues.is_none_or(|queues| queues.iter().any(|queue| queue.metadata.name == name));
    let finding = match can_be_made && workload.metadata.is_kaiwos() {
        true => {
            let command = match workload.kind.is_batch() {
                true => "kaiwo submit",
                false => "kaiwo serve",
            };
            finding.you(format!(
                "run the same {command} again: it creates LocalQueue {name} and changes nothing else"
            ))
        }
        false => finding,
    };
    finding.resubmit(Anew::Queue, "-q QUEUE").admin(format!(
        "create LocalQueue {name}; it is then queued automatically"
    ))
}

fn cluster_queue_missing(local: &str, target: &str) -> Finding {
    Finding::new(
        Cause::ClusterQueueMissing,
        format!("LocalQueue {local} points at ClusterQueue {target}, which does not exist"),
    )
    .admin(format!(
        "create ClusterQueue {target}, or point LocalQueue {local} at another"
    ))
    .resubmit(Anew::Queue, "another -q QUEUE")
}

fn stopped(queue: &str, command: impl Into<Option<Command>>) -> Finding {
    Finding::new(
        Cause::QueueStopped,
        format!("{queue} is stopped and admits nothing"),
    )
    .remedy(
        Who::Admin,
        "resume it; the workload is then admitted automatically",
        command,
    )
    .resubmit(Anew::Queue, "another -q QUEUE")
}

fn cluster_queue_inactive(name: &str, why: &str) -> Finding {
    let name = match name {
        "" => "its ClusterQueue".to_owned(),
        name => format!("ClusterQueue {name}"),
    };
    let command = name
        .strip_prefix("ClusterQueue ")
        .map(|name| kubectl("get clusterqueues {} -o yaml", &[name]));
    Finding::new(
        Cause::ClusterQueueInactive,
        format!("{name} is inactive and admits nothing"),
    )
    .shows(match why {
        "" => "it is stopped, or one of its flavors or admission checks does not exist",
        why => why,
    })
    .remedy(
        Who::Admin,
        "fix it; the workload is then admitted automatically",
        command,
    )
    .resubmit(Anew::Queue, "another -q QUEUE")
}

fn namespace_not_selected(evidence: &Evidence, own: &KueueWorkload) -> Finding {
    let namespace = evidence.namespace();
    let queue = cluster_queue(evidence, own);
    let name = queue.map_or("the ClusterQueue".to_owned(), |queue| {
        format!("ClusterQueue {}", queue.metadata.name)
    });
    let labels: Vec<String> = queue
        .and_then(|queue| queue.spec.namespace_selector.as_ref())
        .into_iter()
        .flat_map(|selector| &selector.match_labels)
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let finding = Finding::new(
        Cause::NamespaceNotSelected,
        format!("{name} does not accept workloads of namespace {namespace}"),
    );
    match labels.is_empty() {
        true => finding.admin("change its namespaceSelector to select the namespace"),
        false => finding
            .shows(format!("it accepts namespaces with {}", labels.join(", ")))
            .remedy(
                Who::Admin,
                "label the namespace",
                kubectl("label namespace {}", &[namespace]).args(labels),
            ),
    }
    .you("submit to another namespace with -n")
}
