//! Predicts who would have to make room for a workload of a higher priority.
//!
//! The order is that of Kueue v0.19 (`preemption/classical`): those that have borrowed
//! from the cohort first, then those of the queue; the lowest priority first, of equal
//! ones the newest. Whoever is not needed in the end is spared, in reverse order.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::api::Readable;
use crate::api::condition::holds;
use crate::api::kueue_workload::{KueueWorkload, QueueState};
use crate::api::queue::{ClusterQueue, PreemptionPolicy};
use crate::plan::facts::ClusterFacts;
use crate::plan::kueue::cohort::{FlavorResource, Quotas};
use crate::quantity::Quantity;

/// Resources of a flavor that are lacking, and how much.
type Deficit<'a> = BTreeMap<&'a str, Quantity>;

/// Returns who of `admitted` would be preempted if `own`, which waits for `queue`, had
/// this priority. Nobody where it fits as it is, or would not fit even then.
pub fn by<'a>(
    own: &KueueWorkload,
    priority: i64,
    queue: &ClusterQueue,
    facts: &ClusterFacts,
    admitted: &'a [KueueWorkload],
) -> Vec<&'a KueueWorkload> {
    let requests = own.requests();
    let quotas = Quotas::new(queue, facts);
    let mut victims = Vec::new();
    for group in &queue.spec.resource_groups {
        let lacking = group.flavors.iter().map(|flavor| {
            let resources = flavor.resources.iter().filter_map(|quota| {
                let wanted = requests.get(&quota.name).copied().unwrap_or_default();
                let of = FlavorResource {
                    flavor: &flavor.name,
                    resource: &quota.name,
                };
                let free = quotas.available(of).unwrap_or_else(|| quotas.unused(of));
                let missing = wanted - free;
                let is_missing = wanted > Quantity::default() && missing > Quantity::default();
                is_missing.then_some((quota.name.as_str(), missing))
            });
            (flavor.name.as_str(), resources.collect::<Deficit>())
        });
        let lacking: Vec<(&str, Deficit)> = lacking.collect();
        if lacking.iter().any(|(_, deficit)| deficit.is_empty()) {
            continue;
        }
        let search = Search {
            own,
            priority,
            queue,
            facts,
            admitted,
            requests: &requests,
        };
        let mut found = lacking
            .iter()
            .filter_map(|(flavor, deficit)| search.on(flavor, deficit));
        match found.next() {
            Some(found) => victims.extend(found),
            None => return Vec::new(),
        }
    }
    victims.dedup_by_key(|victim| &victim.metadata.uid);
    victims
}

/// Returns why others of the cohort may be preempted than [`by`] predicts; nothing if none
/// can be. `shares_fairly` is what Kueue's configuration says, if it may be read.
pub fn doubt(
    queue: &ClusterQueue,
    facts: &ClusterFacts,
    shares_fairly: Option<bool>,
) -> Option<String> {
    let rules = queue.spec.preemption;
    let cohort = Quotas::new(queue, facts).cohort_name()?;
    if rules.reclaim_within_cohort == PreemptionPolicy::Never {
        return None;
    }
    let borrows = rules.borrow_within_cohort.unwrap_or_default().policy != PreemptionPolicy::Never;
    let cohorts = facts.cohorts.as_ref().and_then(Readable::known);
    let is_nested = cohorts.is_none_or(|cohorts| {
        let mut related = cohorts.iter();
        related.any(|other| {
            let parent = other.spec.parent_name.as_deref();
            let parent = parent.filter(|parent| !parent.is_empty());
            parent == Some(cohort) || (other.metadata.name == cohort && parent.is_some())
        })
    });
    let reason = match (shares_fairly, borrows, is_nested) {
        (Some(true), ..) => "Kueue shares fairly, and chooses by the shares of the queues",
        (_, true, _) => "the queue may preempt to borrow (borrowWithinCohort)",
        (_, _, true) => "the cohort is part of a tree",
        (None, ..) => "whether Kueue shares fairly is in its configuration, which you may not read",
        (Some(false), false, false) => return None,
    };
    Some(format!(
        "others in cohort {cohort:?} may be preempted as well, or instead: {reason}"
    ))
}

struct Search<'s, 'a> {
    own: &'s KueueWorkload,
    priority: i64,
    queue: &'s ClusterQueue,
    facts: &'s ClusterFacts,
    admitted: &'a [KueueWorkload],
    requests: &'s BTreeMap<String, Quantity>,
}

impl<'a> Search<'_, 'a> {
    /// Returns who makes room on a flavor; `None` if there are not enough.
    fn on(&self, flavor: &str, deficit: &Deficit) -> Option<Vec<&'a KueueWorkload>> {
        let mut candidates: Vec<&KueueWorkload> = self
            .admitted
            .iter()
            .filter(|one| self.is_candidate(one, flavor, deficit))
            .collect();
        candidates.sort_by_key(|one| {
            let reserved = holds(&one.status.conditions, "QuotaReserved");
            (
                self.is_own_queue(one),
                one.spec.priority,
                Reverse(reserved.and_then(|it| it.last_transition_time)),
            )
        });
        let mut left = deficit.clone();
        let mut taken = Vec::new();
        for one in candidates {
            if left.values().all(|missing| *missing <= Quantity::default()) {
                break;
            }
            for (resource, missing) in &mut left {
                *missing = *missing - one.held(flavor, resource);
            }
            taken.push(one);
        }
        if left.values().any(|missing| *missing > Quantity::default()) {
            return None;
        }
        // Whoever is not needed after all stays.
        for index in (0..taken.len()).rev() {
            let one = taken[index];
            let is_spared = left.iter().all(|(resource, missing)| {
                *missing + one.held(flavor, resource) <= Quantity::default()
            });
            if is_spared {
                for (resource, missing) in &mut left {
                    *missing = *missing + one.held(flavor, resource);
                }
                taken.remove(index);
            }
        }
        Some(taken)
    }

    fn is_own_queue(&self, one: &KueueWorkload) -> bool {
        let admission = one.status.admission.as_ref();
        admission.is_some_and(|it| it.cluster_queue == self.queue.metadata.name)
    }

    fn is_candidate(&self, one: &KueueWorkload, flavor: &str, deficit: &Deficit) -> bool {
        let has_some = deficit
            .keys()
            .any(|resource| one.held(flavor, resource) > Quantity::default());
        let is_self = one.metadata.uid == self.own.metadata.uid;
        if is_self || !has_some || one.state() == QueueState::Finished {
            return false;
        }
        let rules = self.queue.spec.preemption;
        match self.is_own_queue(one) {
            true => self.yields(one, rules.within_cluster_queue),
            false => {
                self.is_reclaimable(one, flavor, deficit)
                    && self.yields(one, rules.reclaim_within_cohort)
            }
        }
    }

    /// Returns whether the policy lets a workload be preempted by this one.
    fn yields(&self, one: &KueueWorkload, policy: PreemptionPolicy) -> bool {
        let is_lower = one.spec.priority < self.priority;
        match policy {
            PreemptionPolicy::Never => false,
            PreemptionPolicy::Any => true,
            PreemptionPolicy::LowerPriority => is_lower,
            PreemptionPolicy::LowerOrNewerEqualPriority => {
                let is_newer =
                    one.metadata.creation_timestamp > self.own.metadata.creation_timestamp;
                is_lower || (one.spec.priority == self.priority && is_newer)
            }
        }
    }

    /// Returns whether a workload of another queue holds what this queue owns: its
    /// queue has borrowed in the same cohort, and this one stays within its own quota.
    fn is_reclaimable(&self, one: &KueueWorkload, flavor: &str, deficit: &Deficit) -> bool {
        let own = Quotas::new(self.queue, self.facts);
        let (Some(cohort), Some(queues)) = (own.cohort_name(), self.facts.cluster_queues.known())
        else {
            return false;
        };
        let Some(admission) = &one.status.admission else {
            return false;
        };
        let Some(other) = queues.iter().find(|queue| {
            queue.metadata.name == admission.cluster_queue
                && queue.spec.cohort_name.as_deref() == Some(cohort)
        }) else {
            return false;
        };
        let others = Quotas::new(other, self.facts);
        deficit.keys().any(|resource| {
            let of = FlavorResource { flavor, resource };
            let wanted = self.requests.get(*resource).copied().unwrap_or_default();
            others.unused(of) < Quantity::default() && own.unused(of) >= wanted
        })
    }
}
