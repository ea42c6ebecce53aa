//! Whether a queue could ever hold a workload, and whether it can now.

use std::collections::BTreeMap;

use super::Refusal;
use super::facts::{ClusterQueue, FlavorQuotas};
use super::flavor::{self, Offer};
use crate::quantity::Quantity;

/// Pods that Kueue admits on one flavor together.
#[derive(Debug, Clone, PartialEq)]
pub struct PodSet {
    /// Number of pods.
    pub count: i64,
    /// Requests of one pod, by resource.
    pub requests: BTreeMap<String, Quantity>,
}

impl PodSet {
    /// Returns what all pods of the set request of `resource`.
    pub fn demand(&self, resource: &str) -> Quantity {
        self.requests.get(resource).copied().unwrap_or_default() * self.count
    }
}

/// Checks that one pod set can ever fit one flavor, for every resource that
/// the flavor covers.
///
/// # Errors
/// [`Refusal`] with what was asked and the most the flavor gives.
pub fn fits(set: &PodSet, offer: &Offer, queue: &str) -> Result<(), Refusal> {
    for (resource, most) in &offer.most {
        let demand = set.demand(resource);
        if let Some(most) = most.filter(|most| demand > *most) {
            return Err(beyond(queue, &offer.flavor, resource, demand, most));
        }
    }
    Ok(())
}

/// Checks that the pod sets together can ever fit the queue, and that each
/// without a GPU finds a flavor.
///
/// # Errors
/// [`Refusal`] with what was asked and the most the queue gives.
pub fn fits_queue(sets: &[PodSet], queue: &ClusterQueue) -> Result<(), Refusal> {
    let in_cohort = queue.spec.cohort_name.is_some();
    let name = &queue.metadata.name;
    let covered = |resource: &String| {
        queue
            .spec
            .resource_groups
            .iter()
            .any(|group| group.covered_resources.contains(resource))
    };
    if let Some(resource) = sets
        .iter()
        .flat_map(|set| set.requests.keys())
        .find(|resource| !covered(resource))
    {
        return Err(Refusal::new(format!(
            "ClusterQueue {name:?} has no quota for {resource}, which every pod requests"
        ))
        .about(format!("clusterqueue/{name}"))
        .hint(format!(
            "its admin adds {resource} to coveredResources, or choose another queue with -q"
        ))
        .hint(
            "--force queues it anyway, should that be done or Kueue be told to ignore the resource",
        ));
    }
    for group in &queue.spec.resource_groups {
        for resource in &group.covered_resources {
            let demand = sets
                .iter()
                .fold(Quantity::default(), |sum, set| sum + set.demand(resource));
            let most = group
                .flavors
                .iter()
                .try_fold(Quantity::default(), |sum, quotas| {
                    Some(sum + flavor_most(quotas, resource, in_cohort)?)
                });
            if let Some(most) = most.filter(|most| demand > *most) {
                return Err(beyond(name, "all flavors", resource, demand, most));
            }
        }
    }
    Ok(())
}

fn flavor_most(quotas: &FlavorQuotas, resource: &str, in_cohort: bool) -> Option<Quantity> {
    quotas
        .resources
        .iter()
        .find(|quota| quota.name == resource)
        .map_or(Some(Quantity::default()), |quota| {
            flavor::most(quota, in_cohort)
        })
}

fn beyond(queue: &str, flavor: &str, resource: &str, demand: Quantity, most: Quantity) -> Refusal {
    Refusal::new(format!(
        "{demand} {resource} can never be admitted: ClusterQueue {queue:?} gives at most {most} ({flavor})"
    ))
    .about(format!("clusterqueue/{queue}"))
    .hint(if flavor::is_gpu_resource(resource) {
        format!("ask for -g {} or less, or another queue with -q", most.whole())
    } else {
        "ask for less, or another queue with -q".to_owned()
    })
    .hint("--force queues it anyway, should the quota be raised")
}

/// What a queue looks like at the moment of submitting.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// Free quota of the resource that people count in: GPUs, else CPUs.
    pub free: Quantity,
    /// Nominal quota of it.
    pub nominal: Quantity,
    /// What is lacking before the workload fits.
    pub lacking: Option<Lack>,
    /// Workloads that wait in the queue already.
    pub ahead: i64,
    /// Why the queue admits nothing at all, if so.
    pub obstacle: Option<String>,
}

/// A resource of which too little is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// The resource.
    pub resource: String,
    /// How much more is needed.
    pub amount: Quantity,
    /// Whether the queue's cohort may lend it.
    pub may_borrow: bool,
}

impl Forecast {
    /// Looks at how `set`, the pods that do the work, fits those of the
    /// queue's flavors that are named; all where none is. A pod set is
    /// admitted on one flavor, so the one that lacks least decides.
    pub fn new(
        queue: &ClusterQueue,
        flavors: &[String],
        counted: &str,
        set: &PodSet,
    ) -> Option<Self> {
        let in_cohort = queue.spec.cohort_name.is_some();
        let look = |quotas: &FlavorQuotas| {
            let free = |resource: &str| {
                let nominal = quotas
                    .resources
                    .iter()
                    .find(|quota| quota.name == resource)?
                    .nominal_quota;
                Some((
                    (nominal - reserved(queue, &quotas.name, resource)).at_least_zero(),
                    nominal,
                ))
            };
            let (free_now, nominal) = free(counted)?;
            let lacking = set.requests.keys().find_map(|resource| {
                let amount = set.demand(resource) - free(resource)?.0;
                (amount > Quantity::default()).then(|| Lack {
                    resource: resource.clone(),
                    amount,
                    may_borrow: in_cohort,
                })
            });
            Some((lacking, free_now, nominal))
        };
        let (lacking, free, nominal) = queue
            .spec
            .resource_groups
            .iter()
            .flat_map(|group| &group.flavors)
            .filter(|quotas| flavors.is_empty() || flavors.contains(&quotas.name))
            .filter_map(look)
            .min_by_key(|(lacking, free, _)| {
                (
                    lacking.as_ref().map(|lack| lack.amount),
                    std::cmp::Reverse(*free),
                )
            })?;
        Some(Self {
            free,
            nominal,
            lacking,
            ahead: queue.status.pending_workloads,
            obstacle: None,
        })
    }

    /// Returns whether nothing stands between the workload and its start.
    pub fn starts_now(&self) -> bool {
        self.obstacle.is_none() && self.ahead == 0 && self.lacking.is_none()
    }
}

fn reserved(queue: &ClusterQueue, flavor: &str, resource: &str) -> Quantity {
    queue
        .status
        .flavors_reservation
        .iter()
        .filter(|usage| usage.name == flavor)
        .flat_map(|usage| &usage.resources)
        .find(|usage| usage.name == resource)
        .map(|usage| usage.total)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::facts::{FlavorUsage, ResourceGroup, ResourceQuota, ResourceUsage};

    fn queue(nominal: i64, reserved: i64) -> ClusterQueue {
        let mut queue = ClusterQueue::default();
        queue.metadata.name = "kaiwo".into();
        queue.spec.resource_groups = vec![ResourceGroup {
            covered_resources: vec!["amd.com/gpu".into()],
            flavors: vec![FlavorQuotas {
                name: "mi300x".into(),
                resources: vec![ResourceQuota {
                    name: "amd.com/gpu".into(),
                    nominal_quota: Quantity::units(nominal),
                    borrowing_limit: None,
                }],
            }],
        }];
        queue.status.flavors_reservation = vec![FlavorUsage {
            name: "mi300x".into(),
            resources: vec![ResourceUsage {
                name: "amd.com/gpu".into(),
                total: Quantity::units(reserved),
            }],
        }];
        queue
    }

    fn pods(count: i64, each: i64) -> PodSet {
        PodSet {
            count,
            requests: BTreeMap::from([("amd.com/gpu".into(), Quantity::units(each))]),
        }
    }

    #[test]
    fn more_than_the_quota_is_refused_unless_it_can_be_borrowed() {
        let mut queue = queue(32, 0);
        let refusal = fits_queue(&[pods(8, 8)], &queue).unwrap_err();
        assert!(
            refusal.message.contains("64 amd.com/gpu") && refusal.message.contains("at most 32"),
            "{refusal}"
        );
        assert!(fits_queue(&[pods(4, 8)], &queue).is_ok());
        queue.spec.cohort_name = Some("all".into());
        assert!(fits_queue(&[pods(8, 8)], &queue).is_ok());
        queue.spec.resource_groups[0].flavors[0].resources[0].borrowing_limit =
            Some(Quantity::units(8));
        assert!(fits_queue(&[pods(8, 8)], &queue).is_err());
        assert!(fits_queue(&[pods(5, 8)], &queue).is_ok());
    }

    #[test]
    fn the_forecast_counts_what_is_reserved_and_who_waits() {
        let forecast =
            |queue: &ClusterQueue| Forecast::new(queue, &[], "amd.com/gpu", &pods(2, 8)).unwrap();
        assert!(forecast(&queue(32, 16)).starts_now());
        let full = forecast(&queue(32, 24));
        assert_eq!(full.lacking.as_ref().unwrap().amount, Quantity::units(8));
        let mut busy = queue(32, 0);
        busy.status.pending_workloads = 3;
        assert!(!forecast(&busy).starts_now());
        let stopped = Forecast {
            obstacle: Some("stopped".into()),
            ..forecast(&queue(32, 0))
        };
        assert!(!stopped.starts_now());
        assert_eq!(
            Forecast::new(&busy, &[], "nvidia.com/gpu", &pods(1, 1)),
            None
        );
        assert_eq!(
            Forecast::new(&busy, &["other".into()], "amd.com/gpu", &pods(1, 1)),
            None
        );
    }

    #[test]
    fn a_resource_without_quota_is_refused() {
        let mut set = pods(1, 8);
        set.requests.insert("memory".into(), Quantity::gib(1));
        let refusal = fits_queue(&[set], &queue(32, 0)).unwrap_err();
        assert!(refusal.message.contains("no quota for memory"), "{refusal}");
    }
}
