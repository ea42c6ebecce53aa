//! Whether a queue could ever hold a workload, and whether it can now.

use std::collections::BTreeMap;

use super::Refusal;
use super::facts::{ClusterQueue, FlavorQuotas};
use super::flavor::{self, Offer};
use super::quantity::Quantity;

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
    /// Free quota of the resource that decides.
    pub free: Quantity,
    /// Nominal quota of it.
    pub nominal: Quantity,
    /// What the workload asks of it.
    pub demand: Quantity,
    /// Workloads that wait in the queue already.
    pub ahead: i64,
}

impl Forecast {
    /// Looks at `resource` in those of the queue's flavors that are named;
    /// in all where none is. The flavor with most room decides, because a pod
    /// set is admitted on one flavor.
    pub fn new(
        queue: &ClusterQueue,
        flavors: &[String],
        resource: &str,
        demand: Quantity,
    ) -> Option<Self> {
        let (free, nominal) = queue
            .spec
            .resource_groups
            .iter()
            .flat_map(|group| &group.flavors)
            .filter(|quotas| flavors.is_empty() || flavors.contains(&quotas.name))
            .filter_map(|quotas| {
                let nominal = quotas
                    .resources
                    .iter()
                    .find(|quota| quota.name == resource)?
                    .nominal_quota;
                let reserved = queue
                    .status
                    .flavors_reservation
                    .iter()
                    .filter(|usage| usage.name == quotas.name)
                    .flat_map(|usage| &usage.resources)
                    .find(|usage| usage.name == resource)
                    .map(|usage| usage.total)
                    .unwrap_or_default();
                Some(((nominal - reserved).at_least_zero(), nominal))
            })
            .max()?;
        Some(Self {
            free,
            nominal,
            demand,
            ahead: queue.status.pending_workloads,
        })
    }

    /// Returns whether nothing stands between the workload and its start.
    pub fn starts_now(&self) -> bool {
        self.ahead == 0 && self.demand <= self.free
    }
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
        let forecast = |queue: &ClusterQueue| {
            Forecast::new(queue, &[], "amd.com/gpu", Quantity::units(16)).unwrap()
        };
        assert!(forecast(&queue(32, 16)).starts_now());
        assert!(!forecast(&queue(32, 24)).starts_now());
        let mut busy = queue(32, 0);
        busy.status.pending_workloads = 3;
        assert!(!forecast(&busy).starts_now());
        assert_eq!(
            Forecast::new(&busy, &[], "nvidia.com/gpu", Quantity::units(1)),
            None
        );
    }
}
