//! Kueue's queues, cohorts and flavors: `v1beta1` and `v1beta2`, which differ in
//! names only.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::condition::Condition;
use super::kueue_workload::KueueWorkload;
use super::metadata::Metadata;
use super::node::{FlavorToleration, Taint};
use super::selector::LabelSelector;
use crate::quantity::Quantity;

/// `kueue.x-k8s.io` LocalQueue.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct LocalQueue {
    /// Name and labels.
    pub metadata: Metadata,
    /// Where it points.
    #[serde(default)]
    pub spec: LocalQueueSpec,
    /// What Kueue says about it.
    #[serde(default)]
    pub status: LocalQueueStatus,
}

/// `spec` of a LocalQueue.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LocalQueueSpec {
    /// The ClusterQueue behind it.
    pub cluster_queue: String,
    /// Whether it admits.
    pub stop_policy: StopPolicy,
}

/// `status` of a LocalQueue: the only part that Kueue's `batch-user` role
/// needs to learn which resources a queue hands out.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LocalQueueStatus {
    /// Workloads that were admitted and have not ended.
    pub admitted_workloads: i64,
    /// Workloads that wait.
    pub pending_workloads: i64,
    /// Reserved quota by flavor.
    pub flavors_reservation: Vec<FlavorUsage>,
    /// Whether it takes workloads, and if not, why: of what is behind it,
    /// this is all that Kueue's `batch-user` role can see.
    pub conditions: Vec<Condition>,
}

/// `stopPolicy` of a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum StopPolicy {
    /// The queue admits.
    #[default]
    None,
    /// It admits nothing new.
    Hold,
    /// It admits nothing, and evicts what it had admitted.
    HoldAndDrain,
}

/// `kueue.x-k8s.io` ClusterQueue.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct ClusterQueue {
    /// Name and labels.
    pub metadata: Metadata,
    /// Quotas and rules.
    #[serde(default)]
    pub spec: ClusterQueueSpec,
    /// Usage.
    #[serde(default)]
    pub status: ClusterQueueStatus,
}

/// `spec` of a ClusterQueue.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterQueueSpec {
    /// Cohort to borrow from: `cohort` in v1beta1, `cohortName` in v1beta2.
    #[serde(alias = "cohort")]
    pub cohort_name: Option<String>,
    /// Namespaces whose workloads may use the queue; none if absent.
    pub namespace_selector: Option<LabelSelector>,
    /// Quotas.
    pub resource_groups: Vec<ResourceGroup>,
    /// Whether it admits.
    pub stop_policy: StopPolicy,
    /// AdmissionChecks of every workload, by name, as only v1beta1 has them.
    pub admission_checks: Vec<String>,
    /// AdmissionChecks of the workloads on some flavors, or on all.
    pub admission_checks_strategy: AdmissionChecksStrategy,
    /// In which order it admits.
    pub queueing_strategy: QueueingStrategy,
    /// Whom it may take quota from.
    pub preemption: Preemption,
}

/// `queueingStrategy` of a ClusterQueue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum QueueingStrategy {
    /// One that fits may overtake one that does not.
    #[default]
    BestEffortFIFO,
    /// Nobody overtakes.
    StrictFIFO,
}

/// `preemption` of a ClusterQueue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Preemption {
    /// Of its own workloads.
    pub within_cluster_queue: PreemptionPolicy,
    /// Of the cohort's, who have borrowed what is its own.
    pub reclaim_within_cohort: PreemptionPolicy,
    /// Of the cohort's, for what it would borrow itself.
    pub borrow_within_cohort: Option<BorrowWithinCohort>,
}

/// `borrowWithinCohort`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct BorrowWithinCohort {
    /// Whose.
    pub policy: PreemptionPolicy,
}

/// Whose quota a workload may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum PreemptionPolicy {
    /// Nobody's.
    #[default]
    Never,
    /// That of workloads of lower priority.
    LowerPriority,
    /// That, and of those of the same priority that came later.
    LowerOrNewerEqualPriority,
    /// Anybody's.
    Any,
}

impl ClusterQueueSpec {
    /// Returns the names of the AdmissionChecks that may concern a workload.
    pub fn admission_checks(&self) -> impl Iterator<Item = &str> {
        let rules = self.admission_checks_strategy.admission_checks.iter();
        self.admission_checks
            .iter()
            .chain(rules.map(|rule| &rule.name))
            .map(String::as_str)
    }
}

/// `admissionChecksStrategy` of a ClusterQueue.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AdmissionChecksStrategy {
    /// A rule for each check.
    pub admission_checks: Vec<AdmissionCheckRule>,
}

/// A rule of an [`AdmissionChecksStrategy`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct AdmissionCheckRule {
    /// The AdmissionCheck.
    pub name: String,
}

/// `kueue.x-k8s.io` AdmissionCheck.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct AdmissionCheck {
    /// Name and labels.
    pub metadata: Metadata,
    /// What checks.
    #[serde(default)]
    pub spec: AdmissionCheckSpec,
}

/// `spec` of an AdmissionCheck.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AdmissionCheckSpec {
    /// The controller that checks.
    pub controller_name: String,
}

/// `kueue.x-k8s.io` Cohort: quota of its own, and a place in a tree. Cohorts
/// that ClusterQueues name need no such object.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Cohort {
    /// Name and labels.
    pub metadata: Metadata,
    /// Quotas and parent.
    #[serde(default)]
    pub spec: CohortSpec,
}

/// `spec` of a Cohort.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CohortSpec {
    /// The Cohort above it; absent or empty at the root.
    pub parent_name: Option<String>,
    /// What it has besides its ClusterQueues, and what passes its border.
    pub resource_groups: Vec<ResourceGroup>,
}

/// Resources that take their flavor together.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceGroup {
    /// Resources of the group.
    pub covered_resources: Vec<String>,
    /// Flavors, in the order Kueue tries them.
    pub flavors: Vec<FlavorQuotas>,
}

/// Quotas of one flavor.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct FlavorQuotas {
    /// The ResourceFlavor.
    pub name: String,
    /// Quota by resource.
    #[serde(default)]
    pub resources: Vec<ResourceQuota>,
}

/// Quota of one resource in one flavor.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceQuota {
    /// The resource.
    pub name: String,
    /// What the queue owns.
    #[serde(default)]
    pub nominal_quota: Quantity,
    /// The most it may borrow from its cohort; without limit if absent.
    #[serde(default)]
    pub borrowing_limit: Option<Quantity>,
    /// The most its cohort may borrow from it; all if absent.
    #[serde(default)]
    pub lending_limit: Option<Quantity>,
}

/// `status` of a ClusterQueue.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterQueueStatus {
    /// Reserved quota by flavor.
    pub flavors_reservation: Vec<FlavorUsage>,
    /// Workloads that were admitted and have not ended.
    pub admitted_workloads: i64,
    /// Workloads that wait.
    pub pending_workloads: i64,
    /// What Kueue says about the queue itself.
    pub conditions: Vec<Condition>,
}

impl ClusterQueue {
    /// Takes what is reserved from the Workloads themselves, of which all are known.
    /// The queue's own account lags behind them by seconds, and what is added up from
    /// both is of two moments.
    pub fn recount(&mut self, workloads: &[KueueWorkload]) {
        self.status.flavors_reservation = self.reserved_by(workloads);
    }

    /// Takes that at least as much is reserved as these Workloads hold, of which there
    /// may be more than can be seen.
    pub fn recount_with_some(&mut self, workloads: &[KueueWorkload]) {
        let told = std::mem::take(&mut self.status.flavors_reservation);
        let mut reservation = self.reserved_by(workloads);
        for flavor in told {
            let own = reservation.iter_mut().find(|own| own.name == flavor.name);
            let Some(own) = own else {
                reservation.push(flavor);
                continue;
            };
            for told in flavor.resources {
                match own.resources.iter_mut().find(|it| it.name == told.name) {
                    Some(own) => own.total = own.total.max(told.total),
                    None => own.resources.push(told),
                }
            }
        }
        self.status.flavors_reservation = reservation;
    }

    /// Returns what Workloads hold of the queue.
    fn reserved_by(&self, workloads: &[KueueWorkload]) -> Vec<FlavorUsage> {
        let mut reserved = BTreeMap::<&str, BTreeMap<&str, Quantity>>::new();
        let admissions = workloads
            .iter()
            .filter_map(|one| Some((one, one.status.admission.as_ref()?)));
        let own = admissions.filter(|(_, it)| it.cluster_queue == self.metadata.name);
        let sets =
            own.flat_map(|(one, it)| it.pod_set_assignments.iter().map(move |set| (one, set)));
        for (one, set) in sets {
            for (resource, flavor) in &set.flavors {
                let amount = one.reserved_of(set, resource);
                let sums = reserved.entry(flavor).or_default();
                let sum = sums.entry(resource).or_default();
                *sum = *sum + amount;
            }
        }
        let flavors = reserved.into_iter().map(|(flavor, sums)| FlavorUsage {
            name: flavor.to_owned(),
            resources: sums
                .into_iter()
                .map(|(name, total)| ResourceUsage {
                    name: name.to_owned(),
                    total,
                })
                .collect(),
        });
        flavors.collect()
    }
}

/// `kueue.x-k8s.io` WorkloadPriorityClass.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct WorkloadPriorityClass {
    /// Name and labels.
    pub metadata: Metadata,
    /// The priority: the higher, the earlier.
    pub value: i64,
}

/// Reserved or used quota of one flavor.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct FlavorUsage {
    /// The ResourceFlavor.
    pub name: String,
    /// Amount by resource.
    #[serde(default)]
    pub resources: Vec<ResourceUsage>,
}

/// Reserved or used amount of one resource.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct ResourceUsage {
    /// The resource.
    pub name: String,
    /// The amount.
    #[serde(default)]
    pub total: Quantity,
}

/// `kueue.x-k8s.io` ResourceFlavor.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct ResourceFlavor {
    /// Name and labels.
    pub metadata: Metadata,
    /// Which nodes it stands for.
    #[serde(default)]
    pub spec: ResourceFlavorSpec,
}

/// `spec` of a ResourceFlavor.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceFlavorSpec {
    pub node_labels: BTreeMap<String, String>,
    pub node_taints: Vec<Taint>,
    /// What Kueue lets the pods tolerate when it admits them to this flavor.
    pub tolerations: Vec<FlavorToleration>,
    /// The Topology of its nodes, if Kueue places pods on them.
    pub topology_name: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_is_what_workloads_hold() {
        use serde_json::json;
        let mut queue: ClusterQueue = serde_json::from_value(json!({
            "metadata": {"name": "ml"}, "spec": {},
            "status": {"flavorsReservation": [
                {"name": "a", "resources": [{"name": "amd.com/gpu", "total": "1"}]},
            ]},
        }))
        .unwrap();
        let workload = |of: &str, gpus: &str| -> KueueWorkload {
            serde_json::from_value(json!({"metadata": {"name": "w"}, "spec": {}, "status": {
                "admission": {"clusterQueue": of, "podSetAssignments": [{
                    "name": "main", "count": 1, "flavors": {"amd.com/gpu": "a"},
                    "resourceUsage": {"amd.com/gpu": gpus},
                }]},
            }}))
            .unwrap()
        };
        queue.recount(&[
            workload("ml", "16"),
            workload("ml", "1"),
            workload("web", "8"),
        ]);
        let [usage] = &queue.status.flavors_reservation[..] else {
            panic!("{queue:?}");
        };
        assert_eq!(usage.resources[0].total, Quantity::units(17));
        let total = |queue: &ClusterQueue| {
            let usage = &queue.status.flavors_reservation;
            let resources: Vec<_> = usage.iter().flat_map(|usage| &usage.resources).collect();
            assert_eq!(resources.len(), 1);
            resources[0].total
        };
        queue.recount_with_some(&[workload("ml", "8")]);
        assert_eq!(total(&queue), Quantity::units(17));
        queue.recount_with_some(&[workload("ml", "24"), workload("web", "8")]);
        assert_eq!(total(&queue), Quantity::units(24));
        queue.recount_with_some(&[]);
        assert_eq!(total(&queue), Quantity::units(24));
        // What has ended keeps its admission, and those of its pods that ended theirs.
        let mut ended = workload("ml", "48");
        let is = |kind: &str| json!([{"type": kind, "status": "True"}]);
        ended.status.conditions = serde_json::from_value(is("Finished")).unwrap();
        let mut ending = workload("ml", "32");
        let sets = &mut ending
            .status
            .admission
            .as_mut()
            .unwrap()
            .pod_set_assignments;
        sets[0].count = 4;
        ending.status.reclaimable_pods =
            serde_json::from_value(json!([{"name": "main", "count": 3}])).unwrap();
        queue.recount(&[ended, ending]);
        assert_eq!(total(&queue), Quantity::units(8));
    }

    #[test]
    fn both_versions_of_kueue_are_read() {
        for cohort in ["cohort", "cohortName"] {
            let queue: ClusterQueue = serde_json::from_value(serde_json::json!({
                "metadata": {"name": "q", "uid": "ignored"},
                "spec": {cohort: "all", "stopPolicy": "Hold", "resourceGroups": [{
                    "coveredResources": ["cpu"],
                    "flavors": [{"name": "f", "resources": [{"name": "cpu", "nominalQuota": "400", "borrowingLimit": 8}]}],
                }]},
                "status": {"pendingWorkloads": 2, "flavorsUsage": []},
            }))
            .unwrap();
            assert_eq!(queue.spec.cohort_name.as_deref(), Some("all"));
            assert_eq!(queue.spec.stop_policy, StopPolicy::Hold);
            let quota = &queue.spec.resource_groups[0].flavors[0].resources[0];
            assert_eq!(quota.borrowing_limit, Some(Quantity::units(8)));
        }
    }
}
