//! Decides whether a queue has room for pods: whether it could ever have, and
//! whether it has now. `placement` seeks the places.

use super::cohort::{FlavorResource, Quotas};
use super::placement::{Miss, PodSet, Search, Shortage};
use crate::api::queue::{ClusterQueue, FlavorQuotas};
use crate::api::vendor::is_gpu_resource;
use crate::plan::Refusal;
use crate::plan::facts::ClusterFacts;
use crate::plan::request::sizes::Sizes;
use crate::plan::sizes::Role;
use crate::quantity::Quantity;

/// Seeks flavors of a queue for the pod sets of a workload.
#[derive(Debug, Clone, Copy)]
pub struct QueueCapacity<'a> {
    pub queue: &'a ClusterQueue,
    /// What it may hold.
    pub quotas: Quotas<'a>,
    /// What the cluster has.
    pub facts: &'a ClusterFacts,
    /// What is stated of the pods' sizes.
    stated: Sizes,
}

impl<'a> QueueCapacity<'a> {
    /// Looks at `queue`.
    pub fn new(queue: &'a ClusterQueue, facts: &'a ClusterFacts) -> Self {
        Self {
            queue,
            quotas: Quotas::new(queue, facts),
            facts,
            stated: Sizes::default(),
        }
    }

    /// Has it name the flags of pods of which this is stated.
    #[must_use]
    pub fn sized(self, stated: Sizes) -> Self {
        Self { stated, ..self }
    }

    /// Checks that the pod sets could ever be admitted, the GPUs of the first
    /// on flavor `on` if that is given.
    ///
    /// # Errors
    /// [`Refusal`] with what was asked and the most the queue gives.
    pub fn check(&self, sets: &[PodSet], on: Option<&str>) -> Result<(), Refusal> {
        self.check_covered(sets)?;
        self.place(sets, on, |of| self.quotas.most(of))
            .map_err(|miss| self.refusal(sets, &miss))
    }

    fn check_covered(&self, sets: &[PodSet]) -> Result<(), Refusal> {
        let covered = |resource: &String| {
            let mut groups = self.queue.spec.resource_groups.iter();
            groups.any(|group| group.covered_resources.contains(resource))
        };
        let mut requested = sets.iter().flat_map(|set| set.requests.keys());
        let Some(resource) = requested.find(|resource| !covered(resource)) else {
            return Ok(());
        };
        let name = &self.queue.metadata.name;
        Err(Refusal::new(format!(
            "ClusterQueue {name:?} has no quota for {resource}, which every pod requests"
        ))
        .about(format!("clusterqueue/{name}"))
        .hint(format!(
            "ask its admin to add {resource} to coveredResources, or choose another queue with -q"
        ))
        .hint("--force queues it anyway, if that will change or Kueue will ignore the resource"))
    }

    /// Seeks a flavor for each pod set in each resource group, where `limit`
    /// says how much there is; `None` is without limit.
    ///
    /// # Errors
    /// The [`Miss`] that comes nearest.
    pub fn place(
        &self,
        sets: &[PodSet],
        on: Option<&str>,
        limit: impl Fn(FlavorResource) -> Option<Quantity>,
    ) -> Result<(), Miss> {
        for group in &self.queue.spec.resource_groups {
            // The flavor of the GPUs binds only the group that has them.
            let on = on.filter(|on| group.flavors.iter().any(|flavor| flavor.name == *on));
            Search::new(group, sets, on, self.facts, &limit).run()?;
        }
        Ok(())
    }

    /// Refuses pods that no flavor takes, whatever its quota.
    pub fn closed(&self, reasons: &[String]) -> Refusal {
        let name = &self.queue.metadata.name;
        Refusal::new(format!(
            "no flavor of ClusterQueue {name:?} accepts these pods: {}",
            reasons.join("; ")
        ))
        .about(format!("clusterqueue/{name}"))
        .hint("--toleration KEY=VALUE:EFFECT tolerates a taint, --node-selector KEY=VALUE chooses nodes")
        .hint("--force queues it anyway, if the flavors will change")
    }

    fn refusal(&self, sets: &[PodSet], miss: &Miss) -> Refusal {
        let name = &self.queue.metadata.name;
        let Shortage {
            flavor,
            resource,
            demand,
            limit,
            shared,
        } = match miss {
            Miss::Closed(reasons) => return self.closed(reasons),
            Miss::Short(shortage) => shortage,
        };
        let together = if *shared {
            " for all pods together"
        } else {
            ""
        };
        Refusal::new(format!(
            "{} {resource}{together} can never be admitted: ClusterQueue {name:?} provides at most {} ({flavor})",
            demand.shown(resource),
            limit.shown(resource)
        ))
        .about(format!("clusterqueue/{name}"))
        .hint(self.less(sets, resource, *demand, *limit))
        .hint("--force queues it anyway, if the quota will be raised")
    }

    /// Says what would fit.
    fn less(&self, sets: &[PodSet], resource: &str, demand: Quantity, limit: Quantity) -> String {
        const OTHER_QUEUE: &str = "another queue with -q";
        if is_gpu_resource(resource) {
            return match limit.whole() {
                ..1 => format!("choose {OTHER_QUEUE}"),
                gpus => format!("request -g {gpus} or less, or {OTHER_QUEUE}"),
            };
        }
        // What is left for the working pods, shared among them.
        let flag = sets.first().and_then(|workers| {
            let mut requests = workers.requests.iter();
            let gpus = requests.find(|(name, _)| is_gpu_resource(name));
            let gpus = gpus.map_or(0, |(_, each)| each.whole());
            let left = limit - (demand - workers.demand(resource));
            let role = Role::Worker(self.stated);
            role.at_most(resource, gpus, left.part(workers.count))
        });
        match flag {
            Some(flag) => format!("try {flag}, fewer GPUs, or {OTHER_QUEUE}"),
            None => format!("request less, or {OTHER_QUEUE}"),
        }
    }
}

/// Returns the flavors of a queue that have `resource`, in the order in which
/// Kueue tries them.
pub fn flavors_with<'a>(
    queue: &'a ClusterQueue,
    resource: &'a str,
) -> impl Iterator<Item = &'a FlavorQuotas> {
    let groups = queue.spec.resource_groups.iter();
    groups
        .filter(move |group| {
            group
                .covered_resources
                .iter()
                .any(|covered| covered == resource)
        })
        .flat_map(|group| &group.flavors)
        .filter(move |flavor| flavor.resources.iter().any(|quota| quota.name == resource))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::testing::{cluster_queue, facts, flavor, pods};

    /// A flavor with 1000 CPUs and so many GPUs.
    fn quotas(name: &str, cpu: i64, gpus: i64) -> serde_json::Value {
        json!({"name": name, "resources": [
            {"name": "cpu", "nominalQuota": cpu},
            {"name": "amd.com/gpu", "nominalQuota": gpus},
        ]})
    }

    fn queue(flavors: &[serde_json::Value]) -> ClusterQueue {
        cluster_queue(
            "kaiwo",
            json!({"resourceGroups": [{"coveredResources": ["cpu", "amd.com/gpu"], "flavors": flavors}]}),
            json!({}),
        )
    }

    fn check(queue: &ClusterQueue, sets: &[PodSet]) -> Result<(), Refusal> {
        let facts = facts(vec![queue.clone()], vec![]);
        QueueCapacity::new(queue, &facts).check(sets, None)
    }

    #[test]
    fn quotas_of_two_flavors_do_not_add_up() {
        let two = queue(&[quotas("a", 1000, 32), quotas("b", 1000, 16)]);
        assert!(check(&two, &[pods(4, &[("amd.com/gpu", 8)])]).is_ok());
        let refusal = check(&two, &[pods(6, &[("amd.com/gpu", 8)])]).unwrap_err();
        assert_eq!(
            refusal.message,
            "48 amd.com/gpu can never be admitted: ClusterQueue \"kaiwo\" provides at most 32 (a)"
        );
        assert_eq!(
            refusal.hints[0],
            "request -g 32 or less, or another queue with -q"
        );
    }

    #[test]
    fn every_resource_of_the_flavor_counts() {
        // GPUs are in one flavor, CPUs for them only in the other.
        let two = queue(&[quotas("a", 10, 32), quotas("b", 1000, 0)]);
        let refusal = check(&two, &[pods(2, &[("cpu", 32), ("amd.com/gpu", 8)])]).unwrap_err();
        assert!(
            refusal.message.starts_with("64 cpu can never be admitted"),
            "{refusal}"
        );
        assert!(refusal.message.ends_with("at most 10 (a)"), "{refusal}");
        let large = queue(&[quotas("a", 40, 32)]);
        let refusal = check(&large, &[pods(2, &[("cpu", 32), ("amd.com/gpu", 8)])]).unwrap_err();
        assert!(
            refusal.hints[0]
                .plain()
                .starts_with("try --cpus-per-gpu 2, "),
            "{refusal:?}"
        );
    }

    #[test]
    fn pod_sets_share_a_flavor_or_take_two() {
        let sets = [
            pods(2, &[("cpu", 32), ("amd.com/gpu", 8)]),
            pods(1, &[("cpu", 2)]),
        ];
        let tight = queue(&[quotas("a", 64, 32)]);
        assert_eq!(
            check(&tight, &sets).unwrap_err().message,
            "66 cpu for all pods together can never be admitted: ClusterQueue \"kaiwo\" provides at most 64 (a)"
        );
        assert!(check(&tight, &sets[..1]).is_ok());
        // The head may go elsewhere, whichever flavor Kueue tries first.
        for flavors in [[("a", 64, 32), ("b", 2, 0)], [("b", 2, 0), ("a", 64, 32)]] {
            let flavors = flavors.map(|(name, cpu, gpus)| quotas(name, cpu, gpus));
            assert_eq!(check(&queue(&flavors), &sets), Ok(()));
        }
    }

    #[test]
    fn resource_groups_choose_their_flavors_apart() {
        let groups = |cpu: i64| {
            cluster_queue(
                "kaiwo",
                json!({"resourceGroups": [
                    {"coveredResources": ["cpu"], "flavors": [
                        {"name": "any", "resources": [{"name": "cpu", "nominalQuota": cpu}]},
                    ]},
                    {"coveredResources": ["amd.com/gpu"], "flavors": [
                        {"name": "a", "resources": [{"name": "amd.com/gpu", "nominalQuota": 8}]},
                        {"name": "b", "resources": [{"name": "amd.com/gpu", "nominalQuota": 16}]},
                    ]},
                ]}),
                json!({}),
            )
        };
        let sets = [
            pods(2, &[("cpu", 32), ("amd.com/gpu", 8)]),
            pods(1, &[("cpu", 2)]),
        ];
        assert_eq!(check(&groups(66), &sets), Ok(()));
        let refusal = check(&groups(65), &sets).unwrap_err();
        assert!(
            refusal.message.contains("66 cpu for all pods together"),
            "{refusal}"
        );
        let more = [pods(3, &[("amd.com/gpu", 8)])];
        let refusal = check(&groups(66), &more).unwrap_err();
        assert!(refusal.message.ends_with("at most 16 (b)"), "{refusal}");
    }

    #[test]
    fn a_resource_without_quota_is_refused() {
        let refusal =
            check(&queue(&[quotas("a", 9, 9)]), &[pods(1, &[("memory", 1)])]).unwrap_err();
        assert!(refusal.message.contains("no quota for memory"), "{refusal}");
    }

    #[test]
    fn pods_are_counted_where_the_queue_counts_them() {
        let queue = cluster_queue(
            "kaiwo",
            json!({"resourceGroups": [{"coveredResources": ["cpu", "pods"], "flavors": [
                {"name": "a", "resources": [
                    {"name": "cpu", "nominalQuota": 99}, {"name": "pods", "nominalQuota": 3},
                ]},
            ]}]}),
            json!({}),
        );
        assert!(check(&queue, &[pods(3, &[("cpu", 1)])]).is_ok());
        assert!(check(&queue, &[pods(3, &[("cpu", 1)]), pods(1, &[("cpu", 1)])]).is_err());
    }

    #[test]
    fn a_flavor_takes_only_pods_that_fit_its_nodes() {
        let queue = queue(&[quotas("a", 99, 32), quotas("b", 99, 8)]);
        let flavors = vec![
            flavor("a", json!({"nodeLabels": {"zone": "1"}})),
            flavor(
                "b",
                json!({
                    "nodeLabels": {"zone": "2"},
                    "nodeTaints": [{"key": "spot", "value": "", "effect": "NoSchedule"}],
                }),
            ),
        ];
        let facts = facts(vec![queue.clone()], flavors);
        let room = QueueCapacity::new(&queue, &facts);
        let set = |key: &str, value: &str, gpus: i64| {
            let mut set = pods(1, &[("amd.com/gpu", gpus)]);
            set.node_selector = [(key.to_owned(), value.to_owned())].into();
            set
        };
        assert_eq!(room.check(&[set("zone", "1", 32)], None), Ok(()));
        // Labels that no flavor has are the scheduler's to judge.
        assert_eq!(room.check(&[set("disk", "ssd", 32)], None), Ok(()));
        assert_eq!(
            room.check(&[set("zone", "2", 8)], None)
                .unwrap_err()
                .message,
            "no flavor of ClusterQueue \"kaiwo\" accepts these pods: flavor \"a\" has no nodes with zone=2; flavor \"b\" has the taint spot:NoSchedule, which the pods do not tolerate"
        );
        let mut tolerant = set("zone", "2", 8);
        tolerant.tolerations = vec!["spot".parse().unwrap()];
        assert_eq!(room.check(&[tolerant.clone()], None), Ok(()));
        tolerant.count = 2;
        let refusal = room.check(&[tolerant], None).unwrap_err();
        assert!(refusal.message.ends_with("at most 8 (b)"), "{refusal}");
    }
}
