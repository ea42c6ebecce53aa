//! Finds who competes for the quota that a workload waits for: what is requested
//! against what is free, who is ahead, who holds the GPUs, and whether the queue
//! may borrow or preempt.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::evidence::Evidence;
use super::finding::Cause;
use crate::api::condition::holds;
use crate::api::kueue_workload::{KueueWorkload, QueueState};
use crate::api::queue::{ClusterQueue, Preemption, PreemptionPolicy};
use crate::api::vendor::is_gpu_resource;
use crate::names::counted;
use crate::observe::kind::tasks::running_slice;
use crate::observe::upstream::kueue::QuotaBlocker;
use crate::plan::kueue::cohort::{FlavorResource, Quotas};
use crate::quantity::Quantity;

/// Who competes for quota, and for how much.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Contest {
    /// The LocalQueue.
    pub local_queue: String,
    /// The ClusterQueue behind it, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_queue: Option<String>,
    /// Place among all that wait for the ClusterQueue, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<i64>,
    /// How many of them are known to wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<i64>,
    /// What is requested and what is there.
    pub quota: Vec<QuotaRow>,
    /// Who is ahead, first come first, as far as they can be named.
    pub ahead: Vec<Rival>,
    /// Who holds GPUs of the queue, or of its cohort, most first.
    pub holders: Vec<Rival>,
    /// The cohort that the queue may borrow from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cohort: Option<String>,
    /// Whether it may borrow and preempt, a sentence each.
    pub rules: Vec<String>,
}

/// One resource of one flavor.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QuotaRow {
    /// The ResourceFlavor.
    pub flavor: String,
    pub resource: String,
    /// What the workload requests.
    #[cfg_attr(test, schemars(with = "String"))]
    pub requested: Quantity,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub free: Option<Quantity>,
    /// What the ClusterQueue owns.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub nominal: Option<Quantity>,
    /// The most it can hold, with all that it may borrow.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub most: Option<Quantity>,
}

impl QuotaRow {
    /// Returns how much more would have to be free.
    pub fn missing(&self) -> Option<Quantity> {
        let missing = self.requested - self.free?;
        (missing > Quantity::default()).then_some(missing)
    }
}

/// Another workload.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rival {
    /// `kind/name`.
    pub workload: String,
    pub namespace: String,
    /// Its GPUs, where they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpus: Option<i64>,
    /// Who submitted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Its place in the queue, while it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<i64>,
    /// Since when it waits, or holds its quota.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The ClusterQueue that it holds quota of, if that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_queue: Option<String>,
}

impl Rival {
    pub(super) fn new(queued: &KueueWorkload) -> Self {
        let metadata = &queued.metadata;
        let reserved = holds(&queued.status.conditions, "QuotaReserved");
        Self {
            workload: queued.display_name(),
            namespace: metadata.namespace.clone(),
            gpus: Some(queued.gpus()),
            user: queued.user().map(str::to_owned),
            place: None,
            since: reserved
                .and_then(|reserved| reserved.last_transition_time)
                .or(metadata.creation_timestamp),
            cluster_queue: None,
        }
    }
}

impl Contest {
    /// Looks at who competes with `own`, which `quota_blockers` keep from quota.
    pub(super) fn new(
        evidence: &Evidence,
        own: &KueueWorkload,
        quota_blockers: &[QuotaBlocker],
    ) -> Self {
        let queue = cluster_queue(evidence, own);
        let local = evidence.fact(|facts| Some(&facts.local_queues));
        let leads_to = local
            .into_iter()
            .flatten()
            .find(|local| local.metadata.name == own.spec.queue_name)
            .map(|local| local.spec.cluster_queue.clone());
        let position = evidence.snapshot.position;
        let mut contest = Self {
            local_queue: own.spec.queue_name.clone(),
            cluster_queue: leads_to,
            place: position.map(|position| position.place),
            of: position.map(|position| position.of),
            quota: quota(evidence, queue, own, quota_blockers),
            ahead: ahead(evidence, own),
            ..Self::default()
        };
        contest.holders = holders(evidence, &contest, queue, own);
        if let (Some(queue), Some(facts)) = (queue, evidence.facts.as_ref()) {
            let quotas = Quotas::new(queue, facts);
            contest.cohort = quotas.cohort_name().map(str::to_owned);
            contest.rules.extend(borrowing(evidence, &contest, &quotas));
            contest.rules.extend(preemption(evidence, queue, own));
        }
        contest
    }

    /// Returns whether too little is free on every flavor with GPUs.
    pub(super) fn is_short(&self) -> bool {
        let mut rows = self
            .quota
            .iter()
            .filter(|row| is_gpu_resource(&row.resource))
            .peekable();
        rows.peek().is_some() && rows.all(|row| row.missing().is_some())
    }

    /// Returns whether nobody is ahead, and as much as is requested of everything is known to
    /// be free.
    pub(super) fn is_free(&self) -> bool {
        let mut rows = self.quota.iter();
        let is_first = self.place.is_none_or(|place| place <= 1);
        let is_enough = |row: &QuotaRow| row.free.is_some() && row.missing().is_none();
        is_first && !self.quota.is_empty() && rows.all(is_enough)
    }

    /// Returns what of it matters where `cause` keeps a workload from quota.
    pub(super) fn narrowed_to(mut self, cause: Cause) -> Self {
        let competes = matches!(
            cause,
            Cause::WaitingForQuota | Cause::BehindOthers | Cause::WaitingForPreempted
        );
        if !competes {
            // Others are not the matter.
            self.ahead.clear();
            self.holders.clear();
            if cause != Cause::ExceedsMaximum {
                self.quota.clear();
                self.rules.clear();
            }
        }
        self
    }

    /// Returns the GPUs of all holders together.
    pub fn held(&self) -> i64 {
        self.holders.iter().filter_map(|rival| rival.gpus).sum()
    }
}

/// Returns the ClusterQueue that a Workload waits for, if it can be read.
pub(super) fn cluster_queue<'a>(
    evidence: &'a Evidence,
    own: &KueueWorkload,
) -> Option<&'a ClusterQueue> {
    let local = evidence.fact(|facts| Some(&facts.local_queues))?;
    let local = local
        .iter()
        .find(|local| local.metadata.name == own.spec.queue_name)?;
    let queues = evidence.fact(|facts| Some(&facts.cluster_queues))?;
    queues
        .iter()
        .find(|queue| queue.metadata.name == local.spec.cluster_queue)
}

fn quota(
    evidence: &Evidence,
    queue: Option<&ClusterQueue>,
    own: &KueueWorkload,
    quota_blockers: &[QuotaBlocker],
) -> Vec<QuotaRow> {
    let requests = own.requests();
    let asked = |resource: &str| requests.get(resource).copied().unwrap_or_default();
    let (Some(queue), Some(facts)) = (queue, evidence.facts.as_ref()) else {
        // Kueue's own words are all that there is.
        return quota_blockers
            .iter()
            .filter_map(row_of)
            .map(|mut row| {
                if row.requested == Quantity::default() {
                    row.requested = asked(&row.resource);
                    row.free = row
                        .free
                        .map(|missing| (row.requested - missing).at_least_zero());
                }
                row
            })
            .collect();
    };
    let quotas = Quotas::new(queue, facts);
    let running = running_slice(evidence.snapshot.queued());
    let mut rows: Vec<QuotaRow> = queue
        .spec
        .resource_groups
        .iter()
        .flat_map(|group| &group.flavors)
        .flat_map(|flavor| {
            let resources = flavor.resources.iter();
            resources.map(move |quota| (flavor, quota))
        })
        .map(|(flavor, quota)| {
            let of = FlavorResource {
                flavor: &flavor.name,
                resource: &quota.name,
            };
            // Where the cohort cannot be seen, its own is what is sure.
            let free = quotas.available(of).unwrap_or_else(|| quotas.unused(of));
            // What grows gives back what it has when it gets all of it.
            let given =
                running.map_or_else(Quantity::default, |it| it.held(of.flavor, of.resource));
            let free = free + given;
            QuotaRow {
                flavor: flavor.name.clone(),
                resource: quota.name.clone(),
                requested: asked(&quota.name),
                free: Some(free.at_least_zero()),
                nominal: Some(quota.nominal_quota),
                most: quotas.most(of),
            }
        })
        .filter(|row| row.requested > Quantity::default())
        .collect();
    rows.retain(|row| is_gpu_resource(&row.resource) || row.missing().is_some());
    rows
}

/// Returns the row that an blocker tells of: with what is missing in place of
/// what is free where the former is all that it says.
fn row_of(blocker: &QuotaBlocker) -> Option<QuotaRow> {
    let (flavor, resource, requested, free, most) = match blocker {
        QuotaBlocker::Short {
            resource,
            flavor,
            missing,
        } => (flavor, resource, Quantity::default(), Some(*missing), None),
        QuotaBlocker::Exceeds {
            resource,
            flavor,
            demand,
            most,
        } => (flavor, resource, *demand, None, Some(*most)),
        _ => return None,
    };
    (!flavor.is_empty()).then(|| QuotaRow {
        flavor: flavor.clone(),
        resource: resource.clone(),
        requested,
        free,
        nominal: None,
        most,
    })
}

fn ahead(evidence: &Evidence, own: &KueueWorkload) -> Vec<Rival> {
    let waiting = &evidence.waiting;
    let place = waiting
        .iter()
        .find(|waiting| waiting.metadata.name == own.metadata.name)
        .map(|waiting| waiting.position_in_cluster_queue);
    let Some(place) = place else {
        return Vec::new();
    };
    waiting
        .iter()
        .filter(|waiting| waiting.position_in_cluster_queue < place)
        .map(|waiting| {
            let known = evidence.neighbours.iter().find(|queued| {
                queued.metadata.name == waiting.metadata.name
                    && queued.metadata.namespace == waiting.metadata.namespace
            });
            let mut rival = match known {
                Some(queued) => Rival::new(queued),
                // It has an owner in the answer, too.
                None => Rival {
                    gpus: None,
                    ..Rival::new(&KueueWorkload {
                        metadata: waiting.metadata.clone(),
                        ..KueueWorkload::default()
                    })
                },
            };
            rival.place = Some(waiting.position_in_cluster_queue + 1);
            rival
        })
        .collect()
}

fn holders(
    evidence: &Evidence,
    contest: &Contest,
    queue: Option<&ClusterQueue>,
    waiting: &KueueWorkload,
) -> Vec<Rival> {
    let Some(own) = &contest.cluster_queue else {
        return Vec::new();
    };
    let mut queues = BTreeSet::from([own.as_str()]);
    // Whoever of the cohort has borrowed holds what is this queue's.
    if let Some(cohort) = queue.and_then(|queue| queue.spec.cohort_name.as_deref())
        && let Some(all) = evidence.fact(|facts| Some(&facts.cluster_queues))
    {
        let cohort = all
            .iter()
            .filter(|other| other.spec.cohort_name.as_deref() == Some(cohort));
        queues.extend(cohort.map(|other| other.metadata.name.as_str()));
    }
    let mut holders: Vec<Rival> = evidence
        .neighbours
        .iter()
        .filter(|queued| queued.state() != QueueState::Finished)
        // What grows holds some already, in another Workload.
        .filter(|queued| {
            queued.owner().is_none()
                || queued.owner() != waiting.owner()
                || queued.metadata.namespace != waiting.metadata.namespace
        })
        .filter_map(|queued| {
            let admission = queued.status.admission.as_ref()?;
            let holds = queues.contains(admission.cluster_queue.as_str());
            let mut rival = Rival::new(queued);
            if admission.cluster_queue != *own {
                rival.cluster_queue = Some(admission.cluster_queue.clone());
            }
            (holds && rival.gpus.is_some_and(|gpus| gpus > 0)).then_some(rival)
        })
        .collect();
    holders.sort_by(|a, b| b.gpus.cmp(&a.gpus).then(a.since.cmp(&b.since)));
    holders
}

/// Says whether the queue may borrow, and from whom.
fn borrowing(evidence: &Evidence, contest: &Contest, quotas: &Quotas) -> Option<String> {
    let row = contest
        .quota
        .iter()
        .find(|row| is_gpu_resource(&row.resource))?;
    let Some(cohort) = quotas.cohort_name() else {
        return Some("it cannot borrow: its ClusterQueue is not in a cohort".to_owned());
    };
    let of = FlavorResource {
        flavor: &row.flavor,
        resource: &row.resource,
    };
    let Some(most) = quotas.most(of) else {
        return Some(format!("it can borrow from cohort {cohort}"));
    };
    let nominal = quotas.nominal(of);
    let limit = (most - nominal).at_least_zero();
    if limit == Quantity::default() {
        return Some(format!("it cannot borrow anything from cohort {cohort}"));
    }
    // What others do not use, where they keep some of it.
    let others = evidence.fact(|facts| Some(&facts.cluster_queues));
    let facts = evidence.facts.as_ref()?;
    let lenders: Vec<String> = others
        .into_iter()
        .flatten()
        .filter(|other| {
            other.spec.cohort_name.as_deref() == Some(cohort)
                && Some(&other.metadata.name) != contest.cluster_queue.as_ref()
        })
        .filter_map(|other| {
            let unused = Quotas::new(other, facts).unused(of);
            let name = &other.metadata.name;
            if unused > Quantity::default() {
                Some(format!("{name} has {unused} unused"))
            } else if unused < Quantity::default() {
                Some(format!(
                    "{name} has borrowed {}",
                    Quantity::default() - unused
                ))
            } else {
                None
            }
        })
        .take(3)
        .collect();
    let lenders = match lenders.is_empty() {
        true => "no queue there has unused quota".to_owned(),
        false => lenders.join(", "),
    };
    Some(format!(
        "it can borrow up to {limit} {} from cohort {cohort}: {lenders}",
        row.resource
    ))
}

/// Says whether the queue may preempt, and whom.
fn preemption(evidence: &Evidence, queue: &ClusterQueue, own: &KueueWorkload) -> Option<String> {
    let Preemption {
        within_cluster_queue,
        reclaim_within_cohort,
        ..
    } = queue.spec.preemption;
    let reclaims = reclaim_within_cohort != PreemptionPolicy::Never
        && queue
            .spec
            .cohort_name
            .as_deref()
            .is_some_and(|name| !name.is_empty());
    let within = match within_cluster_queue {
        PreemptionPolicy::Never => "it cannot preempt workloads in its queue".to_owned(),
        policy => {
            let newer = policy == PreemptionPolicy::LowerOrNewerEqualPriority;
            let priority = own.spec.priority;
            let created = own.metadata.creation_timestamp;
            let victims = evidence.neighbours.iter().filter(|queued| {
                let admission = queued.status.admission.as_ref();
                let is_here = admission
                    .is_some_and(|admission| admission.cluster_queue == queue.metadata.name);
                is_here
                    && queued.state() != QueueState::Finished
                    && (queued.spec.priority < priority
                        || (newer
                            && queued.spec.priority == priority
                            && queued.metadata.creation_timestamp > created))
            });
            let gpus: i64 = victims.map(KueueWorkload::gpus).sum();
            let whom = match newer {
                true => "workloads of lower priority, and newer ones of the same priority",
                false => "workloads of lower priority",
            };
            match gpus {
                0 => format!("it can preempt {whom}, but none holds GPUs"),
                gpus => format!("it can preempt {whom}: they hold {}", counted(gpus, "GPU")),
            }
        }
    };
    Some(match reclaims {
        true => format!("{within}; it can reclaim what others in the cohort have borrowed"),
        false => within,
    })
}
