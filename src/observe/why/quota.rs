//! Explains why a queue that is well does not admit a workload.

pub(super) mod growth;
pub(super) mod topology;

use super::coverage;
use super::evidence::Evidence;
use super::finding::{Anew, Cause, Finding, Who, span};
use super::quota_contention::{Contest, QuotaRow, cluster_queue};
use super::unqueued::PATIENCE;
use crate::api::condition::condition;
use crate::api::kueue_workload::KueueWorkload;
use crate::api::queue::QueueingStrategy;
use crate::api::vendor::is_gpu_resource;
use crate::names::counted;
use crate::observe::upstream::kueue::QuotaBlocker;
use crate::quantity::Quantity;
use crate::suggestion::{kaiwo, kubectl};

/// Returns the rows that say what is missing, GPUs first.
pub(super) fn lacking(contest: &Contest) -> Vec<&QuotaRow> {
    let mut rows: Vec<&QuotaRow> = contest
        .quota
        .iter()
        .filter(|row| row.missing().is_some())
        .collect();
    rows.sort_by_key(|row| (!is_gpu_resource(&row.resource), row.missing()));
    rows
}

pub(super) fn preempting(quota_blockers: &[QuotaBlocker]) -> Finding {
    let summary = match quota_blockers.first() {
        Some(QuotaBlocker::Preempting(count)) if *count > 1 => {
            format!("{count} workloads are being evicted to make room for it")
        }
        _ => "another workload is being evicted to make room for it".to_owned(),
    };
    Finding::new(Cause::WaitingForPreempted, summary).nobody("it starts once their pods are gone")
}

pub(super) fn short(contest: &Contest, own: &KueueWorkload, namespace: &str) -> Finding {
    let rows = lacking(contest);
    let summary = match rows.first().and_then(|row| Some((row, row.missing()?))) {
        Some((row, missing)) => format!(
            "it is waiting for quota: {missing} more {} in flavor {}",
            row.resource, row.flavor
        ),
        None => "it is waiting for quota".to_owned(),
    };
    let finding = Finding::new(Cause::WaitingForQuota, summary);
    let finding = finding.nobody(match contest.place {
        Some(1) | None => "it starts automatically when that is free",
        Some(_) => "it starts automatically when that is free, after those ahead of it",
    });
    // What is free of GPUs now could start something smaller.
    let free = contest
        .quota
        .iter()
        .filter(|row| is_gpu_resource(&row.resource))
        .filter_map(|row| row.free)
        .max()
        .unwrap_or_default();
    let finding = match free.whole() {
        free if free > 0 && free < own.gpus() => {
            finding.you(format!("request fewer GPUs ({free} free now)"))
        }
        _ => finding,
    };
    finding.remedy(
        Who::You,
        "look for a queue with free quota",
        kaiwo("queues -n {}", &[namespace]),
    )
}

/// Says that all it lacked is free by now. Kueue (v0.19.2,
/// `QueueAssociatedInadmissibleWorkloadsAfter`) looks again at those that wait for a
/// ClusterQueue by way of the LocalQueue of whoever leaves it, and not at all if that is gone.
pub(super) fn overlooked(evidence: &Evidence) -> Finding {
    let workload = &evidence.snapshot.workload;
    Finding::new(
        Cause::WaitingForQuota,
        "all the quota that it requests is free, and Kueue has not admitted it yet",
    )
    .nobody("Kueue looks at it again within 10 s of a change; ask again in a moment")
    .remedy(
        Who::You,
        "if it still waits then, take it out of the queue: a namespace that was deleted \
         with what held the quota can keep Kueue from looking",
        workload.command("pause {} -n {}"),
    )
    .remedy(
        Who::You,
        "put it back, with the age that it has",
        workload.command("resume {} -n {}"),
    )
}

pub(super) fn exceeds(contest: &Contest, quota_blockers: &[QuotaBlocker]) -> Finding {
    let uncovered = quota_blockers.iter().find_map(|blocker| match blocker {
        QuotaBlocker::Uncovered(resource) => Some(resource),
        _ => None,
    });
    let queue = contest
        .cluster_queue
        .as_ref()
        .map_or("the ClusterQueue".to_owned(), |queue| {
            format!("ClusterQueue {queue}")
        });
    if let Some(resource) = uncovered {
        return Finding::new(
            Cause::ExceedsMaximum,
            format!("{queue} has no quota for {resource}"),
        )
        .admin(format!("add {resource} to its coveredResources"))
        .resubmit(Anew::Queue, "another -q QUEUE");
    }
    let rows = || {
        quota_blockers.iter().filter_map(|blocker| match blocker {
            QuotaBlocker::Exceeds {
                resource,
                flavor,
                demand,
                most,
            } if !flavor.is_empty() => Some((resource, flavor, *demand, *most)),
            _ => None,
        })
    };
    let Some((resource, flavor, demand, most)) = rows().max_by_key(|row| row.3) else {
        return Finding::new(
            Cause::ExceedsMaximum,
            format!("it requests more than {queue} can ever provide"),
        )
        .you("request less, or choose another queue with -q");
    };
    let finding = Finding::new(
        Cause::ExceedsMaximum,
        format!(
            "{demand} {resource} can never be admitted: {queue} provides at most {most} ({flavor})"
        ),
    );
    let finding = match (is_gpu_resource(resource), most > Quantity::default()) {
        (true, true) => finding.resubmit(Anew::With, format!("-g {} or less", most.whole())),
        _ => finding.resubmit(Anew::Said, "requesting less"),
    };
    finding.admin("raise the quota, or let the queue borrow more")
}

pub(super) fn no_flavor(quota_blockers: &[QuotaBlocker]) -> Finding {
    let reasons = quota_blockers.iter().filter_map(|blocker| match blocker {
        QuotaBlocker::Closed(words) => Some(words.as_str()),
        _ => None,
    });
    let mut finding = Finding::new(
        Cause::NoMatchingFlavor,
        "no flavor of the queue accepts its pods",
    );
    let (mut taint, mut affinity, mut topology, mut level) = (false, false, false, false);
    for words in reasons {
        taint |= words.contains("untolerated taint");
        affinity |= words.contains("affinity");
        topology |= words.contains("TopologyAwareScheduling");
        level |= words.contains("does not contain the requested level");
        finding = finding.shows(words);
    }
    if affinity {
        finding = finding.resubmit(Anew::With, "another --node-selector");
    }
    if level {
        finding = finding.resubmit(Anew::With, "--topology and a level that the flavor has");
    }
    if topology {
        finding = finding.resubmit(Anew::Said, "without --topology, or in another queue");
    }
    if taint {
        finding = finding.resubmit(Anew::With, "--toleration KEY=VALUE:EFFECT");
    }
    finding.admin("add a flavor for such nodes to the queue")
}

pub(super) fn not_evaluated(
    evidence: &Evidence,
    own: &KueueWorkload,
    contest: &Contest,
    quota_blockers: &[QuotaBlocker],
) -> Finding {
    let place = contest.place.unwrap_or(1);
    let is_strict = cluster_queue(evidence, own)
        .is_some_and(|queue| queue.spec.queueing_strategy == QueueingStrategy::StrictFIFO);
    if let Some(QuotaBlocker::Other(words)) = quota_blockers
        .iter()
        .find(|blocker| matches!(blocker, QuotaBlocker::Other(words) if !words.is_empty()))
    {
        return Finding::new(Cause::NotAdmitted, words.clone()).remedy(
            Who::Admin,
            "check its Workload",
            kubectl(
                "-n {} describe workloads.kueue.x-k8s.io {}",
                &[evidence.namespace(), &own.metadata.name],
            ),
        );
    }
    if place > 1 {
        let why = match is_strict {
            true => "the queue is StrictFIFO: no workload overtakes another",
            false => "Kueue considers them first",
        };
        return Finding::new(
            Cause::BehindOthers,
            format!(
                "it is waiting behind {}",
                counted(place - 1, "other workload")
            ),
        )
        .shows(why)
        .nobody("it is considered once they have been admitted or removed");
    }
    let is_silent = condition(&own.status.conditions, "QuotaReserved").is_none();
    match coverage::age(evidence, own) {
        Some(age) if is_silent && age >= PATIENCE => silence(evidence, own, age),
        _ => Finding::new(Cause::NotEvaluated, "Kueue has not considered it yet")
            .nobody("it is about to be; ask again in a moment"),
    }
}

/// Says that Kueue should have said something.
fn silence(evidence: &Evidence, own: &KueueWorkload, age: i64) -> Finding {
    let requests = own.requests();
    let asked: Vec<&str> = requests.keys().map(String::as_str).collect();
    let finding = Finding::new(
        Cause::NotEvaluated,
        format!("Kueue has reported nothing about it for {}", span(age)),
    )
    .shows(format!("it requests {}", asked.join(", ")));
    let finding = match coverage::covered(evidence, own) {
        Some(covered) => finding.shows(format!("the queue has quota for {}", covered.join(", "))),
        None => {
            finding.shows("a requested resource that the queue has no quota for can be the cause")
        }
    };
    finding
        .nobody("Kueue may be busy; ask again in a moment")
        .remedy(
            Who::Admin,
            "check Kueue's log",
            kubectl("-n kueue-system logs deploy/kueue-controller-manager", &[])
                .raw(format!("| grep {}", own.metadata.name)),
        )
}
