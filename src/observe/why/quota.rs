//! Explains why a queue that is well does not admit a workload.

use super::evidence::Evidence;
use super::finding::{Cause, Finding, Who};
use super::message::Obstacle;
use super::quota_contention::{Contest, QuotaRow, cluster_queue};
use crate::api::kueue_workload::KueueWorkload;
use crate::api::queue::QueueingStrategy;
use crate::api::vendor::is_gpu_resource;
use crate::quantity::Quantity;

/// Returns the rows that say what is missing, GPUs first.
fn lacking(contest: &Contest) -> Vec<&QuotaRow> {
    let mut rows: Vec<&QuotaRow> = contest
        .quota
        .iter()
        .filter(|row| row.missing().is_some())
        .collect();
    rows.sort_by_key(|row| (!is_gpu_resource(&row.resource), row.missing()));
    rows
}

pub(super) fn preempting(obstacles: &[Obstacle]) -> Finding {
    let summary = match obstacles.first() {
        Some(Obstacle::Preempting(count)) if *count > 1 => {
            format!("{count} workloads are leaving to make room for it")
        }
        _ => "another workload is leaving to make room for it".to_owned(),
    };
    Finding::new(Cause::WaitingForPreempted, summary).nobody("it starts when their pods are gone")
}

pub(super) fn short(contest: &Contest, own: &KueueWorkload, namespace: &str) -> Finding {
    let rows = lacking(contest);
    let summary = match rows.first().and_then(|row| Some((row, row.missing()?))) {
        Some((row, missing)) => format!(
            "it waits for quota: {missing} more {} in flavor {}",
            row.resource, row.flavor
        ),
        None => "it waits for quota".to_owned(),
    };
    let finding = Finding::new(Cause::WaitingForQuota, summary);
    let finding = finding.nobody(match contest.place {
        Some(1) | None => "it starts by itself when that is free",
        Some(_) => "it starts by itself when that is free, after those ahead of it",
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
            finding.you(format!("ask for less: {free} GPUs are free now"))
        }
        _ => finding,
    };
    finding.remedy(
        Who::You,
        "look for a queue with free quota",
        Some(format!("kaiwo queues -n {namespace}")),
    )
}

pub(super) fn exceeds(contest: &Contest, obstacles: &[Obstacle]) -> Finding {
    let uncovered = obstacles.iter().find_map(|obstacle| match obstacle {
        Obstacle::Uncovered(resource) => Some(resource),
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
        .admin(format!("adds {resource} to its coveredResources"))
        .resubmit("with another -q QUEUE");
    }
    let rows = || {
        obstacles.iter().filter_map(|obstacle| match obstacle {
            Obstacle::Exceeds {
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
            format!("it asks for more than {queue} can ever give"),
        )
        .you("ask for less, or choose another queue with -q");
    };
    let finding = Finding::new(
        Cause::ExceedsMaximum,
        format!(
            "{demand} {resource} can never be admitted: {queue} gives at most {most} ({flavor})"
        ),
    );
    let finding = match (is_gpu_resource(resource), most > Quantity::default()) {
        (true, true) => finding.resubmit(format!("with -g {} or less", most.whole())),
        _ => finding.resubmit("asking for less"),
    };
    finding.admin("raises the quota, or lets the queue borrow more")
}

pub(super) fn topology(obstacles: &[Obstacle]) -> Finding {
    let mut finding = Finding::new(
        Cause::TopologyPlacement,
        "quota is free, but its pods cannot be placed as closely together as they ask to be",
    );
    for obstacle in obstacles {
        if let Obstacle::Topology(words) = obstacle {
            finding = finding.shows(words);
        }
    }
    finding
        .nobody("it starts when enough is free in one place")
        .you("ask for fewer pods, or a topology that is wider")
}

pub(super) fn no_flavor(obstacles: &[Obstacle]) -> Finding {
    let reasons = obstacles.iter().filter_map(|obstacle| match obstacle {
        Obstacle::Closed(words) => Some(words.as_str()),
        _ => None,
    });
    let mut finding = Finding::new(
        Cause::NoMatchingFlavor,
        "no flavor of the queue takes its pods",
    );
    let (mut taint, mut affinity) = (false, false);
    for words in reasons {
        taint |= words.contains("untolerated taint");
        affinity |= words.contains("affinity");
        finding = finding.shows(words);
    }
    if affinity {
        finding = finding.resubmit("with another --node-selector");
    }
    if taint {
        finding = finding.resubmit("with --toleration KEY=VALUE:EFFECT");
    }
    finding.admin("adds a flavor for such nodes to the queue")
}

pub(super) fn not_evaluated(
    evidence: &Evidence,
    own: &KueueWorkload,
    contest: &Contest,
    obstacles: &[Obstacle],
) -> Finding {
    let place = contest.place.unwrap_or(1);
    let is_strict = cluster_queue(evidence, own)
        .is_some_and(|queue| queue.spec.queueing_strategy == QueueingStrategy::StrictFIFO);
    if let Some(Obstacle::Other(words)) = obstacles
        .iter()
        .find(|obstacle| matches!(obstacle, Obstacle::Other(words) if !words.is_empty()))
    {
        return Finding::new(Cause::NotAdmitted, words.clone()).remedy(
            Who::Admin,
            "looks at its Workload",
            Some(format!(
                "kubectl -n {} describe workloads.kueue.x-k8s.io {}",
                evidence.namespace(),
                own.metadata.name
            )),
        );
    }
    if place > 1 {
        let why = match is_strict {
            true => "the queue is StrictFIFO: nobody overtakes",
            false => "Kueue looks at them first",
        };
        return Finding::new(
            Cause::BehindOthers,
            format!("it waits behind {} others", place - 1)
                .replace("behind 1 others", "behind another one"),
        )
        .shows(why)
        .nobody("it is looked at when they have been admitted or removed");
    }
    Finding::new(Cause::NotEvaluated, "Kueue has not looked at it yet")
        .nobody("it is about to; ask again in a moment")
}
