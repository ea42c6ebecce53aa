//! When a RayService that says that it is ready means its newest version.

use core::time::Duration;

use super::is_observed;
use crate::api::workload::{Details, Workload};

/// Time after which what a RayService says of its applications is about their
/// new configuration: KubeRay asks Ray Serve every two seconds, and reads the
/// answer that it reports first before it hands the configuration over (v1.6,
/// `reconcileServe`).
const SETTLES: Duration = Duration::from_secs(5);

/// How far a RayService that was changed can be believed when it says that it
/// is ready.
#[derive(Debug, Default)]
pub(super) struct Settling {
    /// Since when it has said so.
    since: Option<Duration>,
    /// The `metadata.generation` that was seen on its way: what comes after
    /// that is no echo of the one before.
    under_way: Option<i64>,
}

impl Settling {
    /// Returns whether a workload that says that it is ready can be believed.
    pub(super) fn is_over(&mut self, workload: &Workload, elapsed: Duration) -> bool {
        let generation = workload.metadata.generation;
        let changed = generation > 1 && self.under_way != Some(generation);
        if !changed || !matches!(workload.details, Details::RayService(..)) {
            return true;
        }
        elapsed >= *self.since.get_or_insert(elapsed) + SETTLES
    }

    /// Notes that it does not say so.
    pub(super) fn interrupt(&mut self, workload: &Workload) {
        self.since = None;
        if is_observed(workload) {
            self.under_way = Some(workload.metadata.generation);
        }
    }

    /// Returns when it can be believed, unless it says something else by then.
    pub(super) fn ends_at(&self) -> Option<Duration> {
        Some(self.since? + SETTLES)
    }
}
