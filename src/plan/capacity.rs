//! Whether a queue has room for pods: whether it could ever have, and whether
//! it has now.
//!
//! Kueue gives each pod set one flavor in each resource group that it takes
//! from, and counts the pod sets of a workload that share a flavor together
//! (`flavorassigner.go`, v0.18).

use std::collections::BTreeMap;

use super::Refusal;
use super::cohort::{FlavorResource, Quotas};
use super::facts::{ClusterFacts, ClusterQueue, FlavorQuotas, ResourceGroup};
use super::pod::Toleration;
use super::taint::untolerated;
use super::vendor::is_gpu_resource;
use crate::quantity::Quantity;

/// The resource that counts pods, which no pod requests.
const PODS: &str = "pods";

/// Pods that are alike, for which Kueue seeks a flavor together.
#[derive(Debug, Clone, PartialEq)]
pub struct PodSet {
    /// Number of pods.
    pub count: i64,
    /// Requests of one pod, by resource.
    pub requests: BTreeMap<String, Quantity>,
    /// Labels the nodes must have.
    pub node_selector: BTreeMap<String, String>,
    /// Taints the pods tolerate.
    pub tolerations: Vec<Toleration>,
}

impl PodSet {
    /// Returns what all pods of the set request of `resource`.
    pub fn demand(&self, resource: &str) -> Quantity {
        match resource {
            PODS => Quantity::units(self.count),
            _ => self.requests.get(resource).copied().unwrap_or_default() * self.count,
        }
    }

    /// Returns why Kueue does not try a flavor for these pods. It minds only
    /// those labels of the nodes that the flavor itself has.
    pub fn closed_to(&self, flavor: &str, facts: &ClusterFacts) -> Option<String> {
        let known = facts.flavors.known()?;
        let spec = &known
            .iter()
            .find(|known| known.metadata.name == flavor)?
            .spec;
        let other = self.node_selector.iter().find(|(key, value)| {
            let own = spec.node_labels.get(*key);
            own.is_some_and(|own| own != *value)
        });
        if let Some((key, value)) = other {
            return Some(format!("flavor {flavor:?} has no nodes with {key}={value}"));
        }
        let taint = untolerated(&spec.node_taints, &self.tolerations, &spec.tolerations)?;
        Some(format!(
            "flavor {flavor:?} has the taint {taint}, which the pods do not tolerate"
        ))
    }
}

/// Pods that find no place.
#[derive(Debug, Clone, PartialEq)]
pub enum Miss {
    /// No flavor takes them, whatever its quota: why, flavor by flavor.
    Closed(Vec<String>),
    /// A flavor has too little.
    Short(Shortage),
}

/// Too little of a resource in a flavor.
#[derive(Debug, Clone, PartialEq)]
pub struct Shortage {
    /// The ResourceFlavor.
    pub flavor: String,
    /// The resource.
    pub resource: String,
    /// What the pods request, with those that have found a place there.
    pub demand: Quantity,
    /// What there is.
    pub limit: Quantity,
    /// Whether pods of other sets take part of it.
    pub shared: bool,
}

impl Shortage {
    /// Returns what there is too little of.
    pub fn of(&self) -> FlavorResource<'_> {
        FlavorResource {
            flavor: &self.flavor,
            resource: &self.resource,
        }
    }
}

impl Miss {
    /// Returns whether this tells more than `other`: the flavor that comes
    /// nearest, before any that is closed.
    fn is_nearer_than(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Short(a), Self::Short(b)) => {
                (a.shared && !b.shared)
                    || (a.shared == b.shared && a.resource == b.resource && a.limit > b.limit)
            }
            (Self::Short(_), Self::Closed(_)) => true,
            _ => false,
        }
    }
}

/// Seeks flavors of a queue for the pod sets of a workload.
#[derive(Debug, Clone, Copy)]
pub struct Room<'a> {
    /// The queue.
    pub queue: &'a ClusterQueue,
    /// What it may hold.
    pub quotas: Quotas<'a>,
    /// What the cluster has.
    pub facts: &'a ClusterFacts,
}

impl<'a> Room<'a> {
    /// Looks at `queue`.
    pub fn new(queue: &'a ClusterQueue, facts: &'a ClusterFacts) -> Self {
        Self {
            queue,
            quotas: Quotas::new(queue, facts),
            facts,
        }
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
            "its admin adds {resource} to coveredResources, or choose another queue with -q"
        ))
        .hint(
            "--force queues it anyway, should that be done or Kueue be told to ignore the resource",
        ))
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
            let mut search = Search {
                group,
                sets,
                // The flavor of the GPUs binds only the group that has them.
                on: on.filter(|on| group.flavors.iter().any(|flavor| flavor.name == *on)),
                facts: self.facts,
                limit: &limit,
                taken: BTreeMap::new(),
            };
            search.place(0)?;
        }
        Ok(())
    }

    /// Refuses pods that no flavor takes, whatever its quota.
    pub fn closed(&self, reasons: &[String]) -> Refusal {
        let name = &self.queue.metadata.name;
        Refusal::new(format!(
            "no flavor of ClusterQueue {name:?} takes these pods: {}",
            reasons.join("; ")
        ))
        .about(format!("clusterqueue/{name}"))
        .hint("--toleration KEY=VALUE:EFFECT tolerates a taint, --node-selector KEY=VALUE chooses nodes")
        .hint("--force queues it anyway, should the flavors change")
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
            "{demand} {resource}{together} can never be admitted: ClusterQueue {name:?} gives at most {limit} ({flavor})"
        ))
        .about(format!("clusterqueue/{name}"))
        .hint(less(sets, resource, *demand, *limit))
        .hint("--force queues it anyway, should the quota be raised")
    }
}

/// Says what would fit.
fn less(sets: &[PodSet], resource: &str, demand: Quantity, limit: Quantity) -> String {
    const OTHER_QUEUE: &str = "another queue with -q";
    if is_gpu_resource(resource) {
        return match limit.whole() {
            ..1 => format!("choose {OTHER_QUEUE}"),
            gpus => format!("ask for -g {gpus} or less, or {OTHER_QUEUE}"),
        };
    }
    let (flag, unit, suffix) = match resource {
        "cpu" => ("--cpus-per-gpu", Quantity::units(1), ""),
        "memory" => ("--memory-per-gpu", Quantity::gib(1), "Gi"),
        _ => return format!("ask for less, or {OTHER_QUEUE}"),
    };
    // What is left for the working pods, shared among their GPUs.
    let per_gpu = sets.first().and_then(|workers| {
        let mut gpus = workers.requests.keys().filter(|name| is_gpu_resource(name));
        let gpus = workers.demand(gpus.next()?).whole();
        let left = limit - (demand - workers.demand(resource));
        Some(left.whole() / gpus.checked_mul(unit.whole())?).filter(|each| *each > 0)
    });
    match per_gpu {
        Some(each) => format!("try {flag} {each}{suffix}, fewer GPUs, or {OTHER_QUEUE}"),
        None => format!("ask for less, or {OTHER_QUEUE}"),
    }
}

/// One resource group, being filled with pod sets.
struct Search<'a> {
    group: &'a ResourceGroup,
    sets: &'a [PodSet],
    on: Option<&'a str>,
    facts: &'a ClusterFacts,
    limit: &'a dyn Fn(FlavorResource) -> Option<Quantity>,
    /// What the pod sets before have taken, by flavor and resource.
    taken: BTreeMap<(&'a str, &'a str), Quantity>,
}

impl<'a> Search<'a> {
    /// Seeks flavors for the pod sets from `index` on. Kueue, too, goes on to
    /// another flavor for the first where the second then finds none.
    fn place(&mut self, index: usize) -> Result<(), Miss> {
        let (sets, group) = (self.sets, self.group);
        let Some(set) = sets.get(index) else {
            return Ok(());
        };
        let demands: Vec<(&'a str, Quantity)> = group
            .covered_resources
            .iter()
            .map(|resource| (resource.as_str(), set.demand(resource)))
            .filter(|(_, demand)| *demand > Quantity::default())
            .collect();
        if demands.is_empty() {
            return self.place(index + 1);
        }
        let mut closed = Vec::new();
        let mut nearest: Option<Miss> = None;
        for flavor in &group.flavors {
            if index == 0 && self.on.is_some_and(|on| on != flavor.name) {
                continue;
            }
            if let Some(reason) = set.closed_to(&flavor.name, self.facts) {
                closed.push(reason);
                continue;
            }
            match self.take(flavor, &demands, index) {
                Ok(()) => return Ok(()),
                Err(miss)
                    if nearest
                        .as_ref()
                        .is_none_or(|best| miss.is_nearer_than(best)) =>
                {
                    nearest = Some(miss);
                }
                Err(_) => {}
            }
        }
        Err(nearest.unwrap_or(Miss::Closed(closed)))
    }

    /// Takes what a pod set demands from one flavor, and goes on with the next
    /// set; gives it back if that fails.
    fn take(
        &mut self,
        flavor: &'a FlavorQuotas,
        demands: &[(&'a str, Quantity)],
        index: usize,
    ) -> Result<(), Miss> {
        for (resource, demand) in demands {
            let before = self.taken.get(&(flavor.name.as_str(), resource));
            let sum = before.copied().unwrap_or_default() + *demand;
            let of = FlavorResource {
                flavor: &flavor.name,
                resource,
            };
            if let Some(limit) = (self.limit)(of).filter(|limit| sum > *limit) {
                return Err(Miss::Short(Shortage {
                    flavor: flavor.name.clone(),
                    resource: (*resource).to_owned(),
                    demand: sum,
                    limit,
                    shared: before.is_some_and(|before| *before > Quantity::default()),
                }));
            }
        }
        let before = self.taken.clone();
        for (resource, demand) in demands {
            let sum = self.taken.entry((&flavor.name, resource)).or_default();
            *sum = *sum + *demand;
        }
        let rest = self.place(index + 1);
        if rest.is_err() {
            self.taken = before;
        }
        rest
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
    use crate::plan::forecast::Forecast;
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
        Room::new(queue, &facts).check(sets, None)
    }

    #[test]
    fn quotas_of_two_flavors_do_not_add_up() {
        let two = queue(&[quotas("a", 1000, 32), quotas("b", 1000, 16)]);
        assert!(check(&two, &[pods(4, &[("amd.com/gpu", 8)])]).is_ok());
        let refusal = check(&two, &[pods(6, &[("amd.com/gpu", 8)])]).unwrap_err();
        assert_eq!(
            refusal.message,
            "48 amd.com/gpu can never be admitted: ClusterQueue \"kaiwo\" gives at most 32 (a)"
        );
        assert_eq!(
            refusal.hints[0],
            "ask for -g 32 or less, or another queue with -q"
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
            refusal.hints[0].starts_with("try --cpus-per-gpu 2, "),
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
            "66 cpu for all pods together can never be admitted: ClusterQueue \"kaiwo\" gives at most 64 (a)"
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
        let room = Room::new(&queue, &facts);
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
            "no flavor of ClusterQueue \"kaiwo\" takes these pods: flavor \"a\" has no nodes with zone=2; \
             flavor \"b\" has the taint spot:NoSchedule, which the pods do not tolerate"
        );
        let mut tolerant = set("zone", "2", 8);
        tolerant.tolerations = vec!["spot".parse().unwrap()];
        assert_eq!(room.check(&[tolerant.clone()], None), Ok(()));
        tolerant.count = 2;
        let refusal = room.check(&[tolerant], None).unwrap_err();
        assert!(refusal.message.ends_with("at most 8 (b)"), "{refusal}");
    }

    #[test]
    fn the_forecast_counts_what_is_reserved_and_who_waits() {
        let queue = |reserved: i64, pending: i64| {
            cluster_queue(
                "kaiwo",
                json!({"resourceGroups": [{
                    "coveredResources": ["cpu", "amd.com/gpu"], "flavors": [quotas("a", 100, 32)],
                }]}),
                json!({"pendingWorkloads": pending, "flavorsReservation": [
                    {"name": "a", "resources": [{"name": "amd.com/gpu", "total": reserved}]},
                ]}),
            )
        };
        let sets = [pods(2, &[("cpu", 32), ("amd.com/gpu", 8)])];
        let look = |queue: &ClusterQueue, counted: &str, flavors: &[String]| {
            let facts = facts(vec![queue.clone()], vec![]);
            Forecast::new(&Room::new(queue, &facts), flavors, counted, &sets)
        };
        let gpus = |reserved, pending| look(&queue(reserved, pending), "amd.com/gpu", &[]).unwrap();
        assert!(gpus(16, 0).starts_now());
        assert!(!gpus(0, 3).starts_now());
        assert_eq!(gpus(24, 0).lacking.unwrap().amount, Quantity::units(8));
        let stopped = Forecast {
            obstacle: Some("stopped".into()),
            ..gpus(0, 0)
        };
        assert!(!stopped.starts_now());
        assert_eq!(look(&queue(0, 0), "nvidia.com/gpu", &[]), None);
        assert_eq!(look(&queue(0, 0), "amd.com/gpu", &["other".into()]), None);
    }

    #[test]
    fn the_forecast_says_what_is_borrowed() {
        let queue = |name: &str, reserved: i64| {
            cluster_queue(
                name,
                json!({"cohortName": "all", "resourceGroups": [{
                    "coveredResources": ["cpu", "amd.com/gpu"], "flavors": [quotas("a", 100, 16)],
                }]}),
                json!({"flavorsReservation": [
                    {"name": "a", "resources": [{"name": "amd.com/gpu", "total": reserved}]},
                ]}),
            )
        };
        let look = |own: i64, other: i64, gpus: i64, cohorts_known: bool| {
            let mut facts = facts(vec![queue("mine", own), queue("other", other)], vec![]);
            facts.cohorts = cohorts_known.then(|| crate::plan::facts::Readable::Known(Vec::new()));
            let queues = facts.cluster_queues.known().unwrap().clone();
            let sets = [pods(1, &[("amd.com/gpu", gpus)])];
            Forecast::new(&Room::new(&queues[0], &facts), &[], "amd.com/gpu", &sets).unwrap()
        };
        let numbers = |forecast: &Forecast| {
            (
                forecast.free.whole(),
                forecast.loan.as_ref().map(|loan| loan.amount.whole()),
                forecast.lacking.as_ref().map(|lack| lack.amount.whole()),
            )
        };
        assert_eq!(numbers(&look(0, 0, 16, true)), (16, None, None));
        assert_eq!(numbers(&look(0, 0, 24, true)), (16, Some(8), None));
        assert_eq!(numbers(&look(16, 0, 8, true)), (0, Some(8), None));
        assert_eq!(numbers(&look(8, 16, 16, true)), (8, None, Some(8)));
        // Others have borrowed what is mine.
        assert_eq!(numbers(&look(0, 24, 16, true)), (8, None, Some(8)));
        let blind = look(0, 0, 24, false);
        assert_eq!(numbers(&blind), (16, None, Some(8)));
        assert!(blind.lacking.unwrap().may_borrow);
    }
}
