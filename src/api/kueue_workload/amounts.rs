//! How much of what a Workload asks for, and has.

use std::collections::BTreeMap;

use super::{KueueWorkload, PodSetAssignment, QueueState};
use crate::api::vendor::is_gpu_resource;
use crate::quantity::Quantity;

impl KueueWorkload {
    /// Returns what it asks for: what it has been given, what it waits for, or
    /// what its pods say where Kueue has not looked at it.
    pub fn requests(&self) -> BTreeMap<String, Quantity> {
        let mut total = BTreeMap::<String, Quantity>::new();
        let mut add = |resource: &String, amount: Quantity| {
            let sum = total.entry(resource.clone()).or_default();
            *sum = *sum + amount;
        };
        let status = &self.status;
        if let Some(admission) = &status.admission {
            for set in &admission.pod_set_assignments {
                let resources = set.resource_usage.keys();
                resources.for_each(|resource| {
                    add(resource, of_pods(set, resource, self.pods_left(set)))
                });
            }
        } else if !status.resource_requests.is_empty() {
            for set in &status.resource_requests {
                let amounts = set.resources.iter();
                amounts.for_each(|(resource, amount)| add(resource, *amount));
            }
        } else {
            for set in &self.spec.pod_sets {
                let amounts = set.template.spec.requests();
                for (resource, amount) in &amounts {
                    add(resource, *amount * set.count);
                }
            }
        }
        total
    }

    /// Returns the GPUs that it asks for.
    pub fn gpus(&self) -> i64 {
        gpus_in(&self.requests())
    }

    /// Returns the GPUs that it was admitted with: more than it has if it has shrunk
    /// since.
    pub fn admitted_gpus(&self) -> i64 {
        let admission = self.status.admission.iter();
        let sets = admission.flat_map(|it| &it.pod_set_assignments);
        sets.map(|set| gpus_in(&set.resource_usage)).sum()
    }

    /// Returns the GPUs that it has at least whenever it is admitted: those of the
    /// fewest pods that are enough.
    pub fn least_gpus(&self) -> i64 {
        let sets = self.spec.pod_sets.iter();
        sets.map(|set| {
            let least = set.min_count.unwrap_or(set.count);
            gpus_in(&set.template.spec.requests()) * least
        })
        .sum()
    }

    /// Returns how much of a resource of a flavor it holds.
    pub fn held(&self, flavor: &str, resource: &str) -> Quantity {
        let admission = self.status.admission.iter();
        admission
            .flat_map(|it| &it.pod_set_assignments)
            .filter(|set| set.flavors.get(resource).is_some_and(|it| it == flavor))
            .map(|set| self.reserved_of(set, resource))
            .fold(Quantity::default(), |sum, amount| sum + amount)
    }

    /// Returns how much of a resource is reserved for a set of its pods. What has ended keeps
    /// its admission, but no quota, and pods that end before the others give theirs back.
    pub fn reserved_of(&self, set: &PodSetAssignment, resource: &str) -> Quantity {
        let reclaimed = self.status.reclaimable_pods.iter();
        let reclaimed = reclaimed.filter(|pods| pods.name == set.name);
        let reclaimed: i64 = reclaimed.map(|pods| pods.count).sum();
        match self.state() {
            QueueState::Finished => Quantity::default(),
            _ => of_pods(set, resource, (self.pods_left(set) - reclaimed).max(0)),
        }
    }

    /// Returns how many pods it has, if it was admitted.
    pub fn admitted_pods(&self) -> Option<i64> {
        let admission = self.status.admission.as_ref()?;
        let sets = admission.pod_set_assignments.iter();
        Some(sets.map(|set| self.pods_left(set)).sum())
    }

    /// Returns how many pods of a set it still has. An elastic one that shrinks while it
    /// runs gives quota back, but `status.admission` stays as it was (Kueue v0.19,
    /// `workloadslicing.EnsureWorkloadSlices`).
    fn pods_left(&self, assigned: &PodSetAssignment) -> i64 {
        let mut sets = self.spec.pod_sets.iter();
        let set = sets.find(|set| set.name == assigned.name);
        match set.filter(|_| self.metadata.annotations.elastic == "true") {
            Some(set) => set.count.min(assigned.count),
            None => assigned.count,
        }
    }
}

fn gpus_in(amounts: &BTreeMap<String, Quantity>) -> i64 {
    let gpus = amounts
        .iter()
        .filter(|(resource, _)| is_gpu_resource(resource));
    gpus.map(|(_, amount)| amount.whole()).sum()
}

/// Returns how much of a resource so many pods of a set have.
fn of_pods(set: &PodSetAssignment, resource: &str, pods: i64) -> Quantity {
    let all = set
        .resource_usage
        .get(resource)
        .copied()
        .unwrap_or_default();
    match pods == set.count {
        true => all,
        false => all.part(set.count) * pods,
    }
}
