//! Completes a submission that is there already: does what an earlier run left
//! undone.

use crate::change::existing::Existing;
use crate::cluster::Cluster;
use crate::cluster::discovery;
use crate::cluster::submission::Submission;
use crate::error::CommandError;
use crate::plan;
use crate::plan::facts::Facts;
use crate::plan::request::WorkloadRequest;
use crate::render::manifest::Manifest;
use crate::settings::DryRun;
use crate::ui::report::Outcome;

use super::{Mode, diff, target_line};

impl Mode<'_> {
    /// Reports a workload that is there already, whether it could be submitted
    /// now or not. What an earlier run left undone is done.
    pub(in crate::cmd) async fn unchanged(
        &self,
        cluster: &Cluster,
        request: WorkloadRequest,
        facts: Facts,
        workload: &Existing,
    ) -> Result<(), CommandError> {
        self.ui
            .status(target_line(cluster, &request, request.queue.as_deref()));
        if self.diff {
            return diff::print(cluster, &request.namespace, &[], self.output, self.ui);
        }
        if self.dry_run == DryRun::None {
            self.complete(cluster, &request, facts, workload).await?;
        }
        let object = Manifest::new(workload.object().clone()).ok();
        let objects: Vec<&Manifest> = object.iter().collect();
        self.print(Outcome::Unchanged, Some(cluster), &request, None, &objects)
    }

    /// Does what an earlier run left undone, where the request can be planned.
    async fn complete(
        &self,
        cluster: &Cluster,
        request: &WorkloadRequest,
        mut facts: Facts,
        workload: &Existing,
    ) -> Result<(), CommandError> {
        let queue = workload.queue().unwrap_or_default();
        let is_there = match &mut facts {
            Facts::Live(facts) if !queue.is_empty() => plan::kueue::queue::leave_only(facts, queue),
            _ => None,
        };
        let plan = match plan::plan(request.clone(), &facts) {
            Ok(plan) => plan,
            Err(refusal) => {
                if is_there == Some(false) {
                    self.ui.warn(format!(
                        "LocalQueue {queue}, which it is in, does not exist, and cannot be made: {refusal}"
                    ));
                }
                return Ok(());
            }
        };
        let mut manifests = self.render(&plan, None)?;
        discovery::resolve(cluster, &mut manifests).await?;
        manifests.local_queue = manifests
            .local_queue
            .filter(|_| is_there == Some(false))
            .map(|made| made.renamed(queue));
        let submission = Submission::new(cluster, request.kind, &manifests, "");
        if submission.complete(workload).await? {
            self.ui
                .status(format!("  localqueue/{queue} was missing, and is made"));
        }
        Ok(())
    }
}
