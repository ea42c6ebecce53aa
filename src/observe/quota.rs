//! Adds up what queues have, use, borrow and lend.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::api::condition::Condition;
use crate::api::queue::{ClusterQueue, FlavorUsage, LocalQueue, ResourceQuota, StopPolicy};
use crate::quantity::Quantity;

/// What is known of the queues of a cluster.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Queues {
    /// ClusterQueues, as far as they may be read.
    pub cluster_queues: Vec<ClusterQueueLine>,
    /// LocalQueues of the namespace, or of all.
    pub local_queues: Vec<LocalQueueLine>,
}

impl Queues {
    /// Returns the names of all of them.
    pub fn names(&self) -> Vec<String> {
        let cluster = self.cluster_queues.iter().map(|queue| &queue.name);
        let local = self.local_queues.iter().map(|queue| &queue.name);
        let mut names: Vec<String> = cluster.chain(local).cloned().collect();
        names.sort();
        names.dedup();
        names
    }

    /// Leaves the queues of one name: a ClusterQueue with the LocalQueues that lead
    /// to it, LocalQueues with where they lead. Returns whether there is one.
    pub fn retain_named(&mut self, name: &str) -> bool {
        let is_cluster = self.cluster_queues.iter().any(|queue| queue.name == name);
        self.local_queues
            .retain(|local| local.name == name || is_cluster && local.cluster_queue == name);
        let local = &self.local_queues;
        self.cluster_queues.retain(|queue| {
            queue.name == name || local.iter().any(|local| local.cluster_queue == queue.name)
        });
        !self.cluster_queues.is_empty() || !self.local_queues.is_empty()
    }
}

/// A ClusterQueue.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterQueueLine {
    pub name: String,
    /// The cohort that it shares quota with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cohort: Option<String>,
    /// What is true of every queue.
    #[serde(flatten)]
    pub state: QueueLine,
    pub quotas: Vec<QuotaLine>,
}

/// A LocalQueue.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LocalQueueLine {
    pub namespace: String,
    pub name: String,
    /// Where it points.
    pub cluster_queue: String,
    /// What is true of every queue.
    #[serde(flatten)]
    pub state: QueueLine,
    /// What its workloads use.
    pub used: Vec<UsedLine>,
}

/// What is true of every queue.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueLine {
    /// Whether it admits.
    pub active: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Workloads that were admitted and have not ended.
    pub admitted: i64,
    /// Workloads that wait.
    pub pending: i64,
}

/// Quota of one resource of one flavor.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QuotaLine {
    /// ResourceFlavor.
    pub flavor: String,
    pub resource: String,
    /// What the queue owns.
    #[cfg_attr(test, schemars(with = "String"))]
    pub nominal: Quantity,
    /// What its workloads hold.
    #[cfg_attr(test, schemars(with = "String"))]
    pub used: Quantity,
    /// How much of that is the cohort's.
    #[cfg_attr(test, schemars(with = "String"))]
    pub borrowed: Quantity,
    /// How much of its own the cohort holds. Kueue keeps no account of whose
    /// quota it is that somebody borrows: where several could have lent it,
    /// this is the most that it can be.
    #[cfg_attr(test, schemars(with = "String"))]
    pub lent: Quantity,
}

/// Of how many cells of a bar each part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// The queue's own that is used.
    pub used: usize,
    pub borrowed: usize,
    pub lent: usize,
    /// The rest.
    pub free: usize,
}

impl QuotaLine {
    /// Returns whether some of it is the cohort's.
    pub fn has_borrowed(&self) -> bool {
        self.borrowed > Quantity::default()
    }

    /// Divides a bar. What is something has at least one cell.
    pub fn parts(&self, cells: usize) -> Parts {
        let whole = self.nominal.max(self.used);
        let share = |amount: Quantity| match amount > Quantity::default() {
            true => amount.share_of(whole, cells).max(1),
            false => 0,
        };
        let borrowed = share(self.borrowed);
        let used = share(self.used - self.borrowed).min(cells - borrowed);
        let lent = share(self.lent).min(cells - borrowed - used);
        Parts {
            used,
            borrowed,
            lent,
            free: cells - borrowed - used - lent,
        }
    }
}

/// What is used of one resource of one flavor.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UsedLine {
    /// ResourceFlavor.
    pub flavor: String,
    pub resource: String,
    /// Amount.
    #[cfg_attr(test, schemars(with = "String"))]
    pub used: Quantity,
}

/// One resource of one flavor, in a cohort.
type Shared<'a> = (&'a str, &'a str, &'a str);

impl Queues {
    /// Puts together what was read.
    pub fn new(cluster_queues: &[ClusterQueue], local_queues: &[LocalQueue]) -> Self {
        // What all queues of a cohort have borrowed together.
        let mut borrowed: BTreeMap<Shared<'_>, Quantity> = BTreeMap::new();
        for queue in cluster_queues {
            let Some(cohort) = cohort(queue) else {
                continue;
            };
            for (flavor, quota) in quotas(queue) {
                let shared = (cohort, flavor, quota.name.as_str());
                let sum = borrowed.entry(shared).or_default();
                *sum = *sum + loan(queue, flavor, quota);
            }
        }
        let line = |queue: &ClusterQueue| ClusterQueueLine {
            name: queue.metadata.name.clone(),
            cohort: cohort(queue).map(str::to_owned),
            state: QueueLine::new(
                queue.spec.stop_policy,
                &queue.status.conditions,
                queue.status.admitted_workloads,
                queue.status.pending_workloads,
            ),
            quotas: quotas(queue)
                .map(|(flavor, quota)| {
                    let cohort = cohort(queue);
                    let borrowed = cohort.and_then(|cohort| {
                        let shared = (cohort, flavor, quota.name.as_str());
                        borrowed.get(&shared).copied()
                    });
                    quota_line(queue, flavor, quota, borrowed.unwrap_or_default())
                })
                .collect(),
        };
        Self {
            cluster_queues: cluster_queues.iter().map(line).collect(),
            local_queues: local_queues.iter().map(LocalQueueLine::new).collect(),
        }
    }
}

impl QueueLine {
    fn new(stop: StopPolicy, conditions: &[Condition], admitted: i64, pending: i64) -> Self {
        let inactive = conditions
            .iter()
            .find(|condition| condition.kind == "Active" && condition.status != "True");
        let reason = match stop {
            StopPolicy::Hold => Some("stopped: admits nothing new".to_owned()),
            StopPolicy::HoldAndDrain => {
                Some("stopped and drained: admits nothing and has evicted what ran".to_owned())
            }
            StopPolicy::None => inactive.map(|condition| condition.message.clone()),
        };
        Self {
            active: reason.is_none(),
            reason,
            admitted,
            pending,
        }
    }
}

impl LocalQueueLine {
    fn new(queue: &LocalQueue) -> Self {
        let usage = queue.status.flavors_reservation.iter();
        Self {
            namespace: queue.metadata.namespace.clone(),
            name: queue.metadata.name.clone(),
            cluster_queue: queue.spec.cluster_queue.clone(),
            state: QueueLine::new(
                queue.spec.stop_policy,
                &queue.status.conditions,
                queue.status.admitted_workloads,
                queue.status.pending_workloads,
            ),
            used: usage
                .flat_map(|flavor| {
                    let resources = flavor.resources.iter();
                    resources.map(|resource| UsedLine {
                        flavor: flavor.name.clone(),
                        resource: resource.name.clone(),
                        used: resource.total,
                    })
                })
                .collect(),
        }
    }
}

fn cohort(queue: &ClusterQueue) -> Option<&str> {
    let name = queue.spec.cohort_name.as_deref();
    name.filter(|name| !name.is_empty())
}

fn quotas(queue: &ClusterQueue) -> impl Iterator<Item = (&str, &ResourceQuota)> {
    let groups = queue.spec.resource_groups.iter();
    groups.flat_map(|group| &group.flavors).flat_map(|flavor| {
        let resources = flavor.resources.iter();
        resources.map(|quota| (flavor.name.as_str(), quota))
    })
}

fn used(usage: &[FlavorUsage], flavor: &str, resource: &str) -> Quantity {
    usage
        .iter()
        .filter(|usage| usage.name == flavor)
        .flat_map(|usage| &usage.resources)
        .find(|usage| usage.name == resource)
        .map_or_else(Quantity::default, |usage| usage.total)
}

/// What a queue holds beyond its own.
fn loan(queue: &ClusterQueue, flavor: &str, quota: &ResourceQuota) -> Quantity {
    let used = used(&queue.status.flavors_reservation, flavor, &quota.name);
    (used - quota.nominal_quota).at_least_zero()
}

fn quota_line(
    queue: &ClusterQueue,
    flavor: &str,
    quota: &ResourceQuota,
    borrowed_by_all: Quantity,
) -> QuotaLine {
    let nominal = quota.nominal_quota;
    let used = used(&queue.status.flavors_reservation, flavor, &quota.name);
    let borrowed = loan(queue, flavor, quota);
    let idle = (nominal - used).at_least_zero();
    let lendable = quota.lending_limit.map_or(idle, |limit| idle.min(limit));
    QuotaLine {
        flavor: flavor.to_owned(),
        resource: quota.name.clone(),
        nominal,
        used,
        borrowed,
        lent: lendable.min(borrowed_by_all - borrowed),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn queue(name: &str, nominal: i64, used: i64, extra: Value) -> ClusterQueue {
        let mut quota = json!({"name": "amd.com/gpu", "nominalQuota": nominal});
        for (key, value) in extra.as_object().unwrap() {
            quota[key] = value.clone();
        }
        serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {"cohortName": "all", "resourceGroups": [{
                "coveredResources": ["amd.com/gpu"],
                "flavors": [{"name": "mi300x", "resources": [quota]}],
            }]},
            "status": {
                "admittedWorkloads": 2, "pendingWorkloads": 1,
                "flavorsReservation": [{"name": "mi300x", "resources": [{"name": "amd.com/gpu", "total": used}]}],
            },
        }))
        .unwrap()
    }

    #[test]
    fn one_queue_is_kept_with_what_leads_to_it() {
        let queues = || {
            let cluster: Vec<ClusterQueue> = ["a", "b"]
                .map(|name| {
                    let queue = serde_json::json!({"metadata": {"name": name}, "spec": {}});
                    serde_json::from_value(queue).unwrap()
                })
                .into();
            let local: Vec<LocalQueue> = [("x", "a"), ("b", "a"), ("y", "b")]
                .map(|(name, of)| {
                    let spec = serde_json::json!({"clusterQueue": of});
                    let queue = serde_json::json!({"metadata": {"name": name}, "spec": spec});
                    serde_json::from_value(queue).unwrap()
                })
                .into();
            Queues::new(&cluster, &local)
        };
        let mut kept = queues();
        assert!(kept.retain_named("y"));
        assert_eq!(kept.names(), ["b", "y"]);
        let mut kept = queues();
        assert!(kept.retain_named("b"));
        assert_eq!((kept.cluster_queues.len(), kept.local_queues.len()), (2, 2));
        assert!(!queues().retain_named("z"));
    }

    #[test]
    fn what_one_borrows_others_lend() {
        let queues = Queues::new(
            &[
                queue("a", 8, 24, json!({})),
                queue("b", 16, 4, json!({})),
                queue("c", 16, 0, json!({"lendingLimit": 8})),
                queue("d", 8, 8, json!({})),
            ],
            &[],
        );
        let seen: Vec<(Quantity, Quantity)> = queues
            .cluster_queues
            .iter()
            .map(|queue| (queue.quotas[0].borrowed, queue.quotas[0].lent))
            .collect();
        let units = |borrowed, lent| (Quantity::units(borrowed), Quantity::units(lent));
        assert_eq!(seen, [units(16, 0), units(0, 12), units(0, 8), units(0, 0)]);
    }

    #[test]
    fn a_queue_alone_lends_nothing() {
        let mut alone = queue("a", 8, 0, json!({}));
        alone.spec.cohort_name = None;
        let queues = Queues::new(&[alone, queue("b", 0, 8, json!({}))], &[]);
        assert_eq!(queues.cluster_queues[0].quotas[0].lent, Quantity::units(0));
        assert_eq!(queues.cluster_queues[0].cohort, None);
    }

    #[test]
    fn stopped_queues_say_so() {
        let state = |stop: &str, status: &str| {
            let queue: LocalQueue = serde_json::from_value(json!({
                "metadata": {"name": "q"},
                "spec": {"clusterQueue": "c", "stopPolicy": stop},
                "status": {"conditions": [{"type": "Active", "status": status, "message": "no such flavor"}]},
            }))
            .unwrap();
            LocalQueueLine::new(&queue).state.reason
        };
        assert_eq!(state("None", "True"), None);
        assert_eq!(state("None", "False").as_deref(), Some("no such flavor"));
        assert!(state("Hold", "False").unwrap().starts_with("stopped: "));
        assert!(state("HoldAndDrain", "False").unwrap().contains("drained"));
    }

    #[test]
    fn a_bar_is_as_long_as_it_should_be() {
        for (nominal, used, borrowed, lent, expected) in [
            (8, 0, 0, 0, [0, 0, 0, 8]),
            (8, 4, 0, 0, [4, 0, 0, 4]),
            (8, 8, 0, 0, [8, 0, 0, 0]),
            (8, 16, 8, 0, [4, 4, 0, 0]),
            (8, 2, 0, 4, [2, 0, 4, 2]),
            (1000, 1, 0, 0, [1, 0, 0, 7]),
            (1000, 999, 0, 0, [7, 0, 0, 1]),
            (0, 0, 0, 0, [0, 0, 0, 8]),
            (0, 8, 8, 0, [0, 8, 0, 0]),
        ] {
            let quota = QuotaLine {
                flavor: "f".to_owned(),
                resource: "r".to_owned(),
                nominal: Quantity::units(nominal),
                used: Quantity::units(used),
                borrowed: Quantity::units(borrowed),
                lent: Quantity::units(lent),
            };
            let parts = quota.parts(8);
            let parts = [parts.used, parts.borrowed, parts.lent, parts.free];
            assert_eq!(parts, expected, "{quota:?}");
        }
    }
}
