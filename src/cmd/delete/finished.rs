//! Selects the jobs that have ended.

use k8s_openapi::jiff::Timestamp;

use super::Run;
use crate::cluster::read::lookup::Found;
use crate::observe::kind::{rules, standing};
use crate::observe::snapshot::WorkloadContext;

impl Run<'_> {
    /// Keeps the jobs that have ended, as long ago as was typed. What interrupted
    /// runs have left has no end.
    pub(super) fn finished(&self, mut selected: Vec<Found>) -> Vec<Found> {
        let now = Timestamp::now();
        let known = WorkloadContext {
            now,
            ..WorkloadContext::default()
        };
        let age = self.args.older_than.map_or(0, |age| age.0);
        selected.retain(|Found { workload, .. }| {
            let is_job = workload.kind.is_batch() && !workload.kind.descriptor().is_recurring;
            let ended = rules(workload).ended_at();
            let is_old = ended.is_some_and(|end| now.as_second() - end.as_second() >= age);
            is_job && is_old && standing(workload, &known).status.is_final()
        });
        if selected.is_empty() {
            let namespace = &self.place.namespace;
            self.ui.status(match self.args.older_than {
                Some(_) => format!("no job in namespace {namespace} has ended that long ago"),
                None => format!("no job in namespace {namespace} has ended"),
            });
        }
        selected
    }
}
