//! Forecasts, at the moment of submitting, whether a queue lets the workload
//! start now, and what it waits for.

use super::capacity::{QueueCapacity, flavors_with};
use super::cohort::FlavorResource;
use super::placement::{Miss, PodSet};
use crate::quantity::Quantity;

/// What a queue looks like at the moment of submitting.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Forecast {
    /// Free quota of the resource that people count in: GPUs, else CPUs. It
    /// can be less than is unused, where the cohort has lent it to others.
    pub free: Quantity,
    /// Nominal quota of it.
    pub nominal: Quantity,
    /// What the workload takes beyond the queue's own quota.
    pub loan: Option<Loan>,
    /// What is lacking before the workload fits.
    pub lacking: Option<Lack>,
    /// Workloads that wait in the queue already.
    pub ahead: i64,
    /// Why the queue admits nothing at all, if so.
    pub obstacle: Option<String>,
    /// With how many tasks at once an array would start now.
    pub slots: Option<i64>,
    /// With how many at most, were the queue empty.
    pub most_slots: Option<i64>,
}

/// Quota of other queues that a workload takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loan {
    /// How much.
    pub amount: Quantity,
    pub cohort: String,
}

/// A resource of which too little is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    pub resource: String,
    /// How much more is needed.
    pub amount: Quantity,
    /// Whether the queue's cohort may lend it: what it has is unknown.
    pub may_borrow: bool,
}

impl Forecast {
    /// Looks at how the pod sets of a workload fit those of the queue's
    /// flavors that are named, all where none is. A pod set is admitted on one
    /// flavor, so the first on which nothing is lacking decides, or else the
    /// one on which the least is.
    ///
    /// `None` if the queue has no such flavor with `counted`.
    pub fn new(
        room: &QueueCapacity,
        flavors: &[String],
        counted: &str,
        sets: &[PodSet],
    ) -> Option<Self> {
        flavors_with(room.queue, counted)
            .map(|quotas| quotas.name.as_str())
            .filter(|name| flavors.is_empty() || flavors.iter().any(|flavor| flavor == name))
            .filter(|name| {
                let workers = sets.first();
                workers.is_none_or(|set| set.closed_to(name, room.facts).is_none())
            })
            .map(|name| Self::on(room, name, counted, sets))
            .min_by_key(|forecast| forecast.lacking.as_ref().map(|lack| lack.amount))
    }

    fn on(room: &QueueCapacity, flavor: &str, counted: &str, sets: &[PodSet]) -> Self {
        let quotas = &room.quotas;
        let of = FlavorResource {
            flavor,
            resource: counted,
        };
        // Where the cohort cannot be seen, the queue's own is what is sure.
        let free =
            |of: FlavorResource<'_>| quotas.available(of).unwrap_or_else(|| quotas.unused(of));
        let lacking = match room.place(sets, Some(flavor), |of| Some(free(of))) {
            Err(Miss::Short(shortage)) => Some(Lack {
                amount: shortage.demand - shortage.limit,
                may_borrow: quotas.available(shortage.flavor_resource()).is_none(),
                resource: shortage.resource,
            }),
            _ => None,
        };
        let nominal = quotas.nominal(of);
        let demand = sets
            .first()
            .map_or_else(Quantity::default, |set| set.demand(counted));
        let beyond = demand - quotas.unused(of).at_least_zero();
        let loan = quotas
            .cohort_name()
            .filter(|_| lacking.is_none() && beyond > Quantity::default())
            .map(|cohort| Loan {
                amount: beyond,
                cohort: cohort.to_owned(),
            });
        Self {
            free: quotas.unused(of).min(free(of)).at_least_zero(),
            nominal,
            loan,
            lacking,
            ahead: room.queue.status.pending_workloads,
            obstacle: None,
            slots: None,
            most_slots: None,
        }
    }

    /// Adds how many tasks of an array find a place at once, `all` at most: as Kueue does
    /// (`podset_reducer.go`, v0.19), it seeks the largest number that does.
    #[must_use]
    pub fn of_array(self, room: &QueueCapacity, sets: &[PodSet], all: i64) -> Self {
        let quotas = &room.quotas;
        let free = |of: FlavorResource<'_>| {
            let free = quotas.available(of).unwrap_or_else(|| quotas.unused(of));
            Some(free)
        };
        Self {
            slots: Some(places(room, sets, all, free)),
            most_slots: Some(places(room, sets, all, |of| quotas.most(of))),
            ..self
        }
    }

    /// Returns whether nothing stands between the workload and its start.
    pub fn starts_now(&self) -> bool {
        self.obstacle.is_none() && self.ahead == 0 && self.lacking.is_none()
    }
}

/// Returns how many pods of the first set find a place beside the others.
fn places(
    room: &QueueCapacity,
    sets: &[PodSet],
    all: i64,
    limit: impl Fn(FlavorResource) -> Option<Quantity>,
) -> i64 {
    let mut sets = sets.to_vec();
    let mut fits = |count: i64| {
        if let Some(workers) = sets.first_mut() {
            workers.count = count;
        }
        room.place(&sets, None, &limit).is_ok()
    };
    let (mut most, mut too_many) = (0, all + 1);
    while too_many - most > 1 {
        let middle = most + (too_many - most) / 2;
        match fits(middle) {
            true => most = middle,
            false => too_many = middle,
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::Readable;
    use crate::api::queue::ClusterQueue;
    use crate::plan::testing::{cluster_queue, facts, pods};

    /// A flavor with so many CPUs and GPUs.
    fn quotas(name: &str, cpu: i64, gpus: i64) -> serde_json::Value {
        json!({"name": name, "resources": [
            {"name": "cpu", "nominalQuota": cpu},
            {"name": "amd.com/gpu", "nominalQuota": gpus},
        ]})
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
            Forecast::new(&QueueCapacity::new(queue, &facts), flavors, counted, &sets)
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
    fn the_forecast_says_with_how_many_slots_an_array_starts() {
        let queue = cluster_queue(
            "kaiwo",
            json!({"resourceGroups": [{
                "coveredResources": ["cpu", "amd.com/gpu"], "flavors": [quotas("a", 100, 32)],
            }]}),
            json!({"flavorsReservation": [
                {"name": "a", "resources": [{"name": "amd.com/gpu", "total": 25}]},
            ]}),
        );
        let facts = facts(vec![queue.clone()], vec![]);
        let room = QueueCapacity::new(&queue, &facts);
        let slots = |gpus: i64, all: i64| {
            let sets = [pods(1, &[("cpu", 4), ("amd.com/gpu", gpus)])];
            let forecast = Forecast::default().of_array(&room, &sets, all);
            (forecast.slots.unwrap(), forecast.most_slots.unwrap())
        };
        // The CPUs are enough for 25.
        assert_eq!(slots(1, 100_000), (7, 25));
        assert_eq!(slots(1, 5), (5, 5));
        assert_eq!(slots(8, 10), (0, 4));
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
            facts.cohorts = cohorts_known.then(|| Readable::Known(Vec::new()));
            let queues = facts.cluster_queues.known().unwrap().clone();
            let sets = [pods(1, &[("amd.com/gpu", gpus)])];
            Forecast::new(
                &QueueCapacity::new(&queues[0], &facts),
                &[],
                "amd.com/gpu",
                &sets,
            )
            .unwrap()
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
