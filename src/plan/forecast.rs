//! How a queue stands at the moment of submitting: whether the workload starts
//! now, and what it waits for.

use super::capacity::{Miss, PodSet, Room, flavors_with};
use super::cohort::FlavorResource;
use crate::quantity::Quantity;

/// What a queue looks like at the moment of submitting.
#[derive(Debug, Clone, PartialEq)]
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
}

/// Quota of other queues that a workload takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loan {
    /// How much.
    pub amount: Quantity,
    /// The cohort.
    pub cohort: String,
}

/// A resource of which too little is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// The resource.
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
    pub fn new(room: &Room, flavors: &[String], counted: &str, sets: &[PodSet]) -> Option<Self> {
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

    fn on(room: &Room, flavor: &str, counted: &str, sets: &[PodSet]) -> Self {
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
                may_borrow: quotas.available(shortage.of()).is_none(),
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
        }
    }

    /// Returns whether nothing stands between the workload and its start.
    pub fn starts_now(&self) -> bool {
        self.obstacle.is_none() && self.ahead == 0 && self.lacking.is_none()
    }
}
