//! Computes how much a ClusterQueue may hold of a flavor, alone and by borrowing
//! from its cohort: the most it could ever get, and what is free now.
//!
//! The arithmetic is that of Kueue v0.18 (`resource_node.go`:
//! `potentialAvailable` and `available`). ClusterQueues are the leaves of a
//! tree of cohorts. What a node does not lend stays with it; the rest is its
//! parent's to give; a borrowing limit bounds what passes down to it.

use crate::api::Readable;
use crate::api::queue::{ClusterQueue, Cohort, ResourceGroup, ResourceQuota};
use crate::plan::facts::ClusterFacts;
use crate::quantity::Quantity;

/// More cohorts above one another than any cluster has: what is deeper runs in
/// a circle, and Kueue then stops all of its queues.
const DEEPEST: usize = 64;

/// One resource of one flavor, which is what quotas are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlavorResource<'a> {
    /// The ResourceFlavor.
    pub flavor: &'a str,
    pub resource: &'a str,
}

/// The quotas of a ClusterQueue and of all that it shares a cohort with.
#[derive(Debug, Clone, Copy)]
pub struct Quotas<'a> {
    queue: &'a ClusterQueue,
    queues: &'a [ClusterQueue],
    /// Unknown where the user may not read them.
    cohorts: Option<&'a [Cohort]>,
}

impl<'a> Quotas<'a> {
    /// Looks at `queue` among the queues and cohorts of the cluster.
    pub fn new(queue: &'a ClusterQueue, facts: &'a ClusterFacts) -> Self {
        Self {
            queue,
            queues: facts.cluster_queues.known().map_or(&[], Vec::as_slice),
            cohorts: facts
                .cohorts
                .as_ref()
                .and_then(Readable::known)
                .map(Vec::as_slice),
        }
    }

    /// Returns what the queue owns itself.
    pub fn nominal(&self, of: FlavorResource) -> Quantity {
        own(&self.queue.spec.resource_groups, of)
            .map_or_else(Quantity::default, |q| q.nominal_quota)
    }

    /// Returns what the workloads of the queue hold.
    pub fn reserved(&self, of: FlavorResource) -> Quantity {
        reserved(self.queue, of)
    }

    /// Returns the most that the queue could ever hold, were every other one
    /// idle. `None` where that depends on cohorts that cannot be read.
    pub fn most(&self, of: FlavorResource) -> Option<Quantity> {
        let node = leaf(self.queue, of);
        let Some(cohort) = self.cohort_name() else {
            return Some(node.subtree);
        };
        let borrowed = node.borrowing_limit.map(|limit| node.subtree + limit);
        let shared = self.tree(of).and_then(|tree| tree.most(cohort, DEEPEST));
        match (shared.map(|shared| node.kept() + shared), borrowed) {
            (Some(shared), Some(limit)) => Some(shared.min(limit)),
            (shared, limit) => shared.or(limit),
        }
    }

    /// Returns what is free for the queue now, below zero where it holds more
    /// than it may. `None` where that depends on cohorts that cannot be read.
    pub fn available(&self, of: FlavorResource) -> Option<Quantity> {
        let node = leaf(self.queue, of);
        match self.cohort_name() {
            None => Some(node.subtree - node.usage),
            Some(cohort) => Some(node.available(self.tree(of)?.available(cohort, DEEPEST)?)),
        }
    }

    /// Returns the cohort of the queue.
    pub fn cohort_name(&self) -> Option<&'a str> {
        cohort_of(self.queue)
    }

    /// Returns what the queue owns and does not use; below zero where it has
    /// borrowed.
    pub fn unused(&self, of: FlavorResource) -> Quantity {
        self.nominal(of) - self.reserved(of)
    }

    /// Returns the tree above the queue, if all of it is known.
    fn tree<'s>(&'s self, of: FlavorResource<'s>) -> Option<CohortTree<'s>> {
        Some(CohortTree {
            queues: self.queues,
            cohorts: self.cohorts?,
            of,
        })
    }
}

/// Returns a ClusterQueue as a node of the tree.
fn leaf(queue: &ClusterQueue, of: FlavorResource) -> CohortNode {
    CohortNode::new(own(&queue.spec.resource_groups, of), reserved(queue, of))
}

/// The cohorts above a queue, seen for one resource of one flavor.
struct CohortTree<'a> {
    queues: &'a [ClusterQueue],
    cohorts: &'a [Cohort],
    of: FlavorResource<'a>,
}

impl CohortTree<'_> {
    /// `None` where cohorts run in a circle.
    fn most(&self, name: &str, depth: usize) -> Option<Quantity> {
        let node = self.node(name, depth)?;
        let Some(parent) = self.parent(name) else {
            return Some(node.subtree);
        };
        let most = node.kept() + self.most(parent, depth.checked_sub(1)?)?;
        Some(match node.borrowing_limit {
            Some(limit) => most.min(node.subtree + limit),
            None => most,
        })
    }

    fn available(&self, name: &str, depth: usize) -> Option<Quantity> {
        let node = self.node(name, depth)?;
        match self.parent(name) {
            None => Some(node.subtree - node.usage),
            Some(parent) => Some(node.available(self.available(parent, depth.checked_sub(1)?)?)),
        }
    }

    /// Sums up what a cohort has: its own quota, and what its queues and
    /// cohorts lend it.
    fn node(&self, name: &str, depth: usize) -> Option<CohortNode> {
        let depth = depth.checked_sub(1)?;
        let quota = self
            .find(name)
            .and_then(|cohort| own(&cohort.spec.resource_groups, self.of));
        let mut node = CohortNode::new(quota, Quantity::default());
        for cohort in self
            .cohorts
            .iter()
            .filter(|child| parent_of(child) == Some(name))
        {
            node.take_in(self.node(&cohort.metadata.name, depth)?);
        }
        for queue in self
            .queues
            .iter()
            .filter(|queue| cohort_of(queue) == Some(name))
        {
            node.take_in(leaf(queue, self.of));
        }
        Some(node)
    }

    fn find(&self, name: &str) -> Option<&Cohort> {
        self.cohorts
            .iter()
            .find(|cohort| cohort.metadata.name == name)
    }

    fn parent(&self, name: &str) -> Option<&str> {
        self.find(name).and_then(parent_of)
    }
}

/// A queue or a cohort.
#[derive(Debug, Clone, Copy)]
struct CohortNode {
    /// Its own quota, and what those below lend it.
    subtree: Quantity,
    usage: Quantity,
    lending_limit: Option<Quantity>,
    borrowing_limit: Option<Quantity>,
}

impl CohortNode {
    fn new(quota: Option<&ResourceQuota>, usage: Quantity) -> Self {
        Self {
            subtree: quota.map_or_else(Quantity::default, |quota| quota.nominal_quota),
            usage,
            lending_limit: quota.and_then(|quota| quota.lending_limit),
            borrowing_limit: quota.and_then(|quota| quota.borrowing_limit),
        }
    }

    /// Returns what it never lends.
    fn kept(&self) -> Quantity {
        self.lending_limit.map_or_else(Quantity::default, |limit| {
            (self.subtree - limit).at_least_zero()
        })
    }

    /// Returns what is free for it where so much is free above it.
    fn available(&self, above: Quantity) -> Quantity {
        let kept = self.kept();
        let from_above = match self.borrowing_limit {
            Some(limit) => {
                let used_above = (self.usage - kept).at_least_zero();
                above.min(self.subtree - kept - used_above + limit)
            }
            None => above,
        };
        (kept - self.usage).at_least_zero() + from_above
    }

    fn take_in(&mut self, child: Self) {
        self.subtree = self.subtree + (child.subtree - child.kept());
        self.usage = self.usage + (child.usage - child.kept()).at_least_zero();
    }
}

fn own<'a>(groups: &'a [ResourceGroup], of: FlavorResource) -> Option<&'a ResourceQuota> {
    groups
        .iter()
        .flat_map(|group| &group.flavors)
        .filter(|flavor| flavor.name == of.flavor)
        .flat_map(|flavor| &flavor.resources)
        .find(|quota| quota.name == of.resource)
}

fn reserved(queue: &ClusterQueue, of: FlavorResource) -> Quantity {
    let usage = queue.status.flavors_reservation.iter();
    usage
        .filter(|usage| usage.name == of.flavor)
        .flat_map(|usage| &usage.resources)
        .find(|usage| usage.name == of.resource)
        .map_or_else(Quantity::default, |usage| usage.total)
}

fn cohort_of(queue: &ClusterQueue) -> Option<&str> {
    queue
        .spec
        .cohort_name
        .as_deref()
        .filter(|name| !name.is_empty())
}

fn parent_of(cohort: &Cohort) -> Option<&str> {
    cohort
        .spec
        .parent_name
        .as_deref()
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const OF: FlavorResource = FlavorResource {
        flavor: "mi300x",
        resource: "amd.com/gpu",
    };

    fn groups(quota: &Value) -> Value {
        let mut quota = quota.clone();
        quota["name"] = OF.resource.into();
        json!([{"coveredResources": [OF.resource], "flavors": [{"name": OF.flavor, "resources": [quota]}]}])
    }

    fn queue(name: &str, cohort: &str, quota: Value, reserved: i64) -> ClusterQueue {
        serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {"cohortName": cohort, "resourceGroups": groups(&quota)},
            "status": {"flavorsReservation": [{"name": OF.flavor, "resources": [
                {"name": OF.resource, "total": reserved},
            ]}]},
        }))
        .unwrap()
    }

    fn cohort(name: &str, parent: &str, quota: Value) -> Cohort {
        serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {"parentName": parent, "resourceGroups": groups(&quota)},
        }))
        .unwrap()
    }

    /// Returns the most and the free GPUs of the first queue.
    fn look(queues: &[ClusterQueue], cohorts: Option<&[Cohort]>) -> (Option<i64>, Option<i64>) {
        let quotas = Quotas {
            queue: &queues[0],
            queues,
            cohorts,
        };
        let whole = |amount: Option<Quantity>| amount.map(Quantity::whole);
        (whole(quotas.most(OF)), whole(quotas.available(OF)))
    }

    #[test]
    fn a_queue_alone_has_its_quota() {
        let alone = queue("a", "", json!({"nominalQuota": 32}), 24);
        let other = queue("b", "", json!({"nominalQuota": 32}), 0);
        for cohorts in [None, Some(&[][..])] {
            assert_eq!(
                look(&[alone.clone(), other.clone()], cohorts),
                (Some(32), Some(8))
            );
        }
    }

    #[test]
    fn a_cohort_shares_what_is_lent() {
        let all = |quota: Value, other: Value, used: i64| {
            let queues = [
                queue("a", "all", quota, 8),
                queue("b", "all", other, used),
                queue("c", "elsewhere", json!({"nominalQuota": 99}), 0),
            ];
            look(&queues, Some(&[]))
        };
        let plain = json!({"nominalQuota": 16});
        assert_eq!(all(plain.clone(), plain.clone(), 0), (Some(32), Some(24)));
        // Another queue uses its own, or has borrowed mine.
        assert_eq!(all(plain.clone(), plain.clone(), 16), (Some(32), Some(8)));
        assert_eq!(all(plain.clone(), plain.clone(), 24), (Some(32), Some(0)));
        // It lends 4 and keeps 12.
        let lends = json!({"nominalQuota": 16, "lendingLimit": 4});
        assert_eq!(all(plain.clone(), lends.clone(), 0), (Some(20), Some(12)));
        assert_eq!(all(plain.clone(), lends, 12), (Some(20), Some(12)));
        // I may borrow 8.
        let borrows = json!({"nominalQuota": 16, "borrowingLimit": 8});
        assert_eq!(all(borrows, plain.clone(), 0), (Some(24), Some(16)));
        let both = json!({"nominalQuota": 16, "borrowingLimit": 0, "lendingLimit": 0});
        assert_eq!(all(both, plain, 16), (Some(16), Some(8)));
    }

    #[test]
    fn cohorts_have_quota_of_their_own_and_parents() {
        let queues = [
            queue("a", "team", json!({"nominalQuota": 8}), 4),
            queue("b", "team", json!({"nominalQuota": 8}), 0),
            queue("c", "other", json!({"nominalQuota": 32}), 16),
        ];
        let none = json!({"nominalQuota": 0});
        let one = |team: Value| {
            [
                cohort("team", "org", team),
                cohort("other", "org", none.clone()),
            ]
        };
        // The parent needs no object of its own.
        assert_eq!(
            look(&queues, Some(&one(none.clone()))),
            (Some(48), Some(28))
        );
        let pool = json!({"nominalQuota": 10});
        assert_eq!(
            look(&queues, Some(&one(pool.clone()))),
            (Some(58), Some(38))
        );
        let border = json!({"nominalQuota": 0, "borrowingLimit": 6});
        assert_eq!(look(&queues, Some(&one(border))), (Some(22), Some(18)));
        let root = [cohort("team", "org", none.clone()), cohort("org", "", pool)];
        assert_eq!(look(&queues, Some(&root)), (Some(26), Some(22)));
    }

    #[test]
    fn what_cannot_be_read_is_unknown() {
        let queues = |quota: Value| {
            [
                queue("a", "all", quota, 0),
                queue("b", "all", json!({"nominalQuota": 8}), 0),
            ]
        };
        assert_eq!(
            look(&queues(json!({"nominalQuota": 8})), None),
            (None, None)
        );
        // A limit of the queue itself holds whatever the cohort is.
        let limited = json!({"nominalQuota": 8, "borrowingLimit": 4});
        assert_eq!(look(&queues(limited), None), (Some(12), None));
    }

    #[test]
    fn a_circle_of_cohorts_ends() {
        let queues = [queue("a", "x", json!({"nominalQuota": 8}), 0)];
        let none = json!({"nominalQuota": 0});
        let circle = [
            cohort("x", "y", none.clone()),
            cohort("y", "x", none.clone()),
        ];
        assert_eq!(look(&queues, Some(&circle)), (None, None));
        assert_eq!(look(&queues, Some(&[cohort("x", "x", none)])), (None, None));
    }
}
