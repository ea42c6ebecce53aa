//! Decides whether a RayService that reports itself ready means its newest
//! version.

use core::time::Duration;

use super::is_observed;
use crate::api::workload::Workload;
use crate::observe::kind::rules;

/// How far a RayService that was changed can be believed when it says that it
/// is ready.
#[derive(Debug, Default)]
pub(super) struct Settling {
    /// When it can be believed, unless it says something else by then.
    until: Option<Duration>,
    /// The `metadata.generation` that was seen on its way: what comes after
    /// that is no echo of the one before.
    under_way: Option<i64>,
}

impl Settling {
    /// Returns whether a workload that says that it is ready can be believed.
    pub(super) fn is_over(&mut self, workload: &Workload, elapsed: Duration) -> bool {
        let generation = workload.metadata.generation;
        let changed = generation > 1 && self.under_way != Some(generation);
        let settles_in = rules(workload).settles_in();
        if !changed || settles_in.is_zero() {
            return true;
        }
        elapsed >= *self.until.get_or_insert(elapsed + settles_in)
    }

    /// Notes that it does not say so.
    pub(super) fn interrupt(&mut self, workload: &Workload) {
        self.until = None;
        if is_observed(workload) {
            self.under_way = Some(workload.metadata.generation);
        }
    }

    /// See [`Settling::until`].
    pub(super) fn ends_at(&self) -> Option<Duration> {
        self.until
    }
}
