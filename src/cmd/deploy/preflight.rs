//! Plans and rehearses a submission in the cluster, and follows it into the queue that the
//! cluster puts it into.

use futures_util::future::OptionFuture;

use crate::cluster::Cluster;
use crate::cluster::read::facts;
use crate::cluster::read::kueue::queues;
use crate::cluster::submission::preflight;
use crate::error::CommandError;
use crate::plan::facts::ClusterFacts;
use crate::plan::kueue::queue;
use crate::plan::request::WorkloadRequest;
use crate::plan::{self, Plan, Refusal, readiness};
use crate::render;
use crate::render::manifest::{Manifest, ManifestSet};
use crate::ui::report;

use super::inputs::random_word;
use super::{Intent, Mode};

/// What the cluster would do with a submission.
pub(super) enum Preflight {
    /// Take it: its answers.
    Taken(Vec<Manifest>),
    /// Put it elsewhere.
    Elsewhere(Detour),
}

/// Where the cluster puts a submission that was planned for another place.
pub(super) enum Detour {
    /// Into this queue, and not into the one it names.
    Queue(String),
    /// To another cluster (MultiKueue).
    OtherCluster,
}

impl Mode<'_> {
    /// Plans a submission; what stays on the nodes is read where its sizes depend on that.
    pub(super) async fn plan(
        &self,
        cluster: &Cluster,
        request: &WorkloadRequest,
        facts: &mut ClusterFacts,
    ) -> Result<Plan, CommandError> {
        let queue = request.queue.as_deref();
        let plan = plan::plan_in(request.clone(), queue, facts)?;
        if !plan.is_tight {
            return Ok(plan);
        }
        facts.occupation = Some(facts::occupation(cluster).await?);
        Ok(plan::plan_in(request.clone(), queue, facts)?)
    }

    /// Says what will run and when, and what was chosen for it.
    pub(super) fn tell_forecast(&self, plan: &Plan) {
        let lines = [
            Some(report::forecast(plan)),
            report::sizes(plan),
            report::kept_storage(plan),
            report::other_cluster(plan),
        ];
        for line in lines.into_iter().flatten() {
            self.ui.status(format!("  {line}"));
        }
    }

    /// Rehearses the whole set in the cluster. Beside a workload that still has
    /// the name, under another one: most fields of an old one cannot be changed,
    /// which a rehearsal under its name would trip over.
    pub(super) async fn preflight(
        &self,
        cluster: &Cluster,
        intent: &Intent,
        plan: &Plan,
        manifests: &ManifestSet,
    ) -> Result<Preflight, CommandError> {
        let temporary = format!("kaiwo-preflight-{}", random_word(6));
        let renamed = intent.existing.as_ref();
        let renamed = renamed.map(|_| manifests.renamed(&temporary));
        let rehearsed = renamed.as_ref().unwrap_or(manifests);
        let allowed = plan.local_queue.as_ref();
        let allowed = allowed.and_then(|_| readiness::startup_seconds(manifests.workload.value()));
        let (rehearsal, kueue) = tokio::join!(
            preflight::rehearse(cluster, rehearsed),
            OptionFuture::from(allowed.map(|_| queues::configuration(cluster))),
        );
        let rehearsal = rehearsal?;
        if let Some(queue) = rehearsal.elsewhere {
            return Ok(Preflight::Elsewhere(Detour::Queue(queue)));
        }
        if rehearsal.is_sent_away() && !plan.is_sent_away {
            return Ok(Preflight::Elsewhere(Detour::OtherCluster));
        }
        if let Some(answer) = &rehearsal.queued {
            match (&plan.local_queue, preflight::managed_by_queue(answer)) {
                (Some(_), _) => {
                    preflight::check_managed(manifests.workload.namespace(), answer)?;
                    preflight::check_growth(&manifests.workload.display_name(), answer)?;
                }
                // A LocalQueue named `default` takes what names none.
                (None, Some(queue)) => self
                    .ui
                    .warn(format!("Kueue will queue it anyway, in LocalQueue {queue}")),
                (None, None) => {}
            }
        }
        // What Kueue is told to do is more than most may read.
        let kueue = kueue.and_then(Result::ok).flatten();
        let window = kueue.and_then(|kueue| kueue.readiness());
        if let (Some(allowed), Some(window)) = (allowed, window)
            && let Some(warning) = readiness::warning(allowed, window)
        {
            self.ui.warn(warning);
        }
        let answers = rehearsal.answers.into_iter();
        let answers = answers.map(|answer| manifests.named_back(answer, &temporary));
        Ok(Preflight::Taken(answers.collect()))
    }

    /// Submits to the queue that the cluster puts a workload into, whatever the
    /// request says: what was planned for another one does not hold there.
    pub(super) async fn follow(
        &self,
        cluster: &Cluster,
        intent: &Intent,
        request: WorkloadRequest,
        queue: &str,
        mut facts: ClusterFacts,
    ) -> Result<(), CommandError> {
        let wanted = request.queue.clone().unwrap_or_default();
        self.ui.warn(format!(
            "this cluster moves it to queue {queue}, although it was submitted to {wanted}"
        ));
        // The label names a LocalQueue: one that leads to a ClusterQueue of that
        // name is no help.
        queue::leave_only(&mut facts, queue);
        let needs = plan::needs(&request, Some(queue), &facts);
        facts::complete(cluster, &mut facts, needs).await?;
        let moved = |refusal: Refusal| {
            let mut error = CommandError::from(refusal);
            error.notes.push(format!(
                "a webhook or policy of this cluster changes the queue {wanted} to {queue}"
            ));
            error
        };
        let mut detour = Some(Detour::OtherCluster);
        while let Some(Detour::OtherCluster) = detour {
            let plan = plan::plan_in(request.clone(), Some(queue), &facts).map_err(moved)?;
            let manifests = render::render(&plan, Some(&intent.identity))?;
            let pods = plan::kueue::counted::pod_sets(manifests.workload.value());
            let plan = plan.rendered(pods, Some(&facts)).map_err(moved)?;
            detour = self.carry_out_in(cluster, intent, &plan, manifests).await?;
            facts.is_sent_away = true;
        }
        match detour {
            Some(Detour::OtherCluster) | None => Ok(()),
            Some(Detour::Queue(next)) => Err(moved(queue::moved_again(queue, &next))),
        }
    }
}
