//! Carries out what `kaiwo submit` and `kaiwo serve` have in common: everything
//! from the request on.

mod array;
mod conflict_hints;
mod diff;
pub mod in_place;
pub mod inputs;
mod outcome;
mod place;
mod pod_references;
mod preflight;
pub mod render_limits;
pub mod rollback;
pub mod run;
pub mod serve;
pub mod submit;

use std::cell::Cell;

use crate::api::Readable;
use crate::change::drift::Basis;
use crate::change::existing::Existing;
use crate::change::rbac::Needed;
use crate::change::record;
use crate::cli::SubmissionArgs;
use crate::cluster::discovery;
use crate::cluster::error::is_beyond_reach;
use crate::cluster::read::facts::{self, Gathered};
use crate::cluster::submission::denied;
use crate::cluster::submission::{Submission, SubmissionError, Submitted};
use crate::cluster::{Cluster, ClusterError};
use crate::error::{CommandError, ErrorClass};
use crate::kind::WorkloadKind;
use crate::plan::action::{self, Action, Relation};
use crate::plan::facts::{ClusterFacts, Facts};
use crate::plan::namesake::Claimant;
use crate::plan::request::WorkloadRequest;
use crate::plan::{self, Plan};
use crate::render;
use crate::render::manifest::{Manifest, ManifestSet};
use crate::request::{array_run, is_on};
use crate::settings::{DryRun, Format, Merged};
use crate::ui::Ui;
use crate::ui::report::Outcome;

use super::command_line;
use super::signals::SignalEffect;
use super::wait::{self, FollowedWorkload, Wait};
use super::{block_on, signals, sources};
use in_place::Repeated;
use inputs::random_word;
use place::{queue_words, target_line};
use preflight::{Detour, Preflight};

/// Carries out what `request` makes of the settings. `output` becomes what the
/// settings say about the form of data, as soon as they are known.
pub fn run(
    args: &SubmissionArgs,
    diff: bool,
    settings: Result<Merged, CommandError>,
    ui: Ui,
    output: &mut Option<Format>,
    request: impl FnOnce(&Merged) -> Result<WorkloadRequest, CommandError>,
) -> Result<(), CommandError> {
    sources::unknown_variables()
        .iter()
        .for_each(|it| ui.warn(it));
    signals::set_effect(SignalEffect::Note("nothing was submitted"));
    let result = settings.and_then(|settings| {
        *output = settings.output.as_ref().map(|output| output.value);
        let mut mode = Mode {
            diff,
            ..Mode::from_settings(args, &settings, ui)
        };
        if diff {
            diff::check_form(mode.dry_run, mode.output)?;
        }
        if args.show_manifests && mode.output != Some(Format::Json) {
            return Err(
                CommandError::new(ErrorClass::Usage, "--show-manifests requires -o json")
                    .hint("-o yaml prints only the manifests"),
            );
        }
        let request = request(&settings)?;
        array_run::check(&request, &settings, mode.dry_run)?;
        if mode.dry_run == DryRun::None && !diff {
            mode.wait = wait::of_submission(&settings, request.kind, mode.output)?;
            let log = mode.wait.as_ref().and_then(|wait| wait.log.as_deref());
            super::reach::logs::begin_log(log, ui)?;
        }
        match mode.dry_run {
            DryRun::Client => mode.rehearse(request),
            DryRun::Server | DryRun::None => block_on(mode.carry_out(request)),
        }
    });
    result.map_err(|mut error| {
        let mut causes = error.error.chain();
        if causes.any(|cause| cause.downcast_ref().is_some_and(is_beyond_reach)) {
            error = error.hint("without a cluster, --dry-run prints the manifests");
        }
        error
    })
}

/// How far a submission goes, and how it talks.
struct Mode<'a> {
    args: &'a SubmissionArgs,
    ui: Ui,
    dry_run: DryRun,
    replace: bool,
    /// Whether to print what would change, and no more.
    diff: bool,
    output: Option<Format>,
    wait: Option<Wait>,
}

/// What a submission is about to do, whatever the queue it gets into.
struct Intent {
    action: Action,
    existing: Option<Existing>,
    /// Whether something is left of an earlier workload of the name, and about
    /// to go.
    left_over: bool,
    digest: String,
    /// What this run's objects are known by.
    identity: String,
    /// Whether the namespace may have to be made, and may not be seen.
    namespace_unseen: bool,
    /// Why the workload that is to be replaced may not be seen.
    unseen: Cell<Option<ClusterError>>,
}

/// What a submission is about to do, and with what.
struct Change<'a> {
    intent: &'a Intent,
    plan: &'a Plan,
    manifests: &'a ManifestSet,
}

impl<'a> Mode<'a> {
    fn from_settings(args: &'a SubmissionArgs, settings: &Merged, ui: Ui) -> Self {
        let dry_run = settings
            .dry_run
            .as_ref()
            .map_or(DryRun::None, |dry_run| dry_run.value);
        let output = settings.output.as_ref().map(|output| output.value);
        Self {
            args,
            ui,
            dry_run,
            replace: is_on(&settings.replace),
            diff: false,
            output: output.or((dry_run != DryRun::None).then_some(Format::Yaml)),
            wait: None,
        }
    }

    /// Renders everything, and looks at it as the cluster will.
    fn render(
        &self,
        plan: Plan,
        facts: Option<&ClusterFacts>,
        submission: Option<&str>,
    ) -> Result<(Plan, ManifestSet), CommandError> {
        render_limits::check(&plan)?;
        let manifests = render::render(&plan, submission)?;
        let pods = plan::kueue::counted::pod_sets(manifests.workload.value());
        let plan = plan.rendered(pods, facts)?;
        let view = plan::kaito::View {
            context: plan.request.serving.kaito.context(),
            releases: plan.kaito_releases,
            force: plan.request.force,
        };
        let workload = manifests.workload.value();
        let of_kaito = match plan.request.kind {
            WorkloadKind::Workspace => plan::kaito::check_workspace(workload, view)?,
            WorkloadKind::InferenceSet => plan::kaito::check_inference_set(workload, view)?,
            _ => Vec::new(),
        };
        for warning in of_kaito.into_iter().chain(plan.warnings()) {
            self.ui.warn(warning);
        }
        Ok((plan, manifests))
    }

    /// Renders without any connection.
    fn rehearse(&self, request: WorkloadRequest) -> Result<(), CommandError> {
        let plan = plan::plan(request, &Facts::Assumed)?;
        let (plan, manifests) = self.render(plan, None, None)?;
        self.ui.status(format!(
            "→ dry run without a cluster, namespace {}{}",
            plan.request.namespace,
            queue_words(plan.local_queue.as_deref())
        ));
        self.tell_forecast(&plan);
        if !plan.assumptions.is_empty() {
            self.ui
                .status(format!("  assumed: {}", plan.assumptions.join(", ")));
        }
        let objects: Vec<&Manifest> = manifests.iter().collect();
        self.print(
            Outcome::DryRun,
            None,
            &plan.request,
            Some((&plan, &manifests)),
            &objects,
        )
    }

    /// Submits, and waits if that was asked for.
    async fn carry_out(&self, request: WorkloadRequest) -> Result<(), CommandError> {
        // Credential plugins may ask for input, so the spinner starts afterwards.
        let target = command_line::target(&self.args.connection, self.ui);
        let cluster = Cluster::connect(&target).await?;
        let Some(request) = array::to_run(&cluster, request, self).await? else {
            return Ok(());
        };
        let subject = FollowedWorkload::named(request.kind, &request.namespace, &request.name);
        self.submit(&cluster, request).await?;
        match &self.wait {
            Some(wait) => wait.attend(cluster, subject, self.ui).await,
            None => Ok(()),
        }
    }

    /// Submits to the cluster, or lets it check everything under
    /// `--dry-run=server`.
    async fn submit(
        &self,
        cluster: &Cluster,
        request: WorkloadRequest,
    ) -> Result<(), CommandError> {
        let digest = request.digest();
        let progress = self.ui.progress("contacting the cluster");
        let Gathered {
            mut facts,
            existing,
            unseen,
            namesakes,
        } = facts::gather(cluster, &request).await?;
        let relation = existing.as_ref().map(|existing| existing.relation(&digest));
        let decide = |relation| action::decide(relation, request.kind, self.replace, request.force);
        let mut decided = decide(relation);
        if !matches!(decided, Ok(Action::Keep | Action::Update)) {
            conflict_hints::check(&request, existing.as_ref(), &namesakes)?;
        }
        if decided == Ok(Action::Update) {
            facts.running = existing.as_ref().and_then(Existing::running);
        }
        // The same submission in the same queue.
        facts.is_sent_away =
            decided == Ok(Action::Keep) && existing.as_ref().is_some_and(Existing::is_sent_away);
        let claimant = Claimant::from_request(&request);
        let left_over = namesakes.iter().any(|namesake| claimant.owns(namesake));
        let needs = plan::needs(&request, request.queue.as_deref(), &facts);
        facts::complete(cluster, &mut facts, needs).await?;
        drop(progress);
        let namespace_unseen = request.create_namespace && facts.namespace == Readable::Forbidden;

        if let (Ok(Action::Keep), Some(workload)) = (decided, &existing) {
            let live = Facts::Live(Box::new(facts.clone()));
            match self.restore(cluster, &request, &live, workload).await? {
                Repeated::Told => return Ok(()),
                Repeated::Drifted(changes) => {
                    decided = decide(Some(Relation::Changed));
                    if decided.is_err() {
                        return Err(self.drifted(&changes, &request, workload));
                    }
                    conflict_hints::check(&request, existing.as_ref(), &namesakes)?;
                }
            }
        }
        let action =
            decided.map_err(|relation| self.taken(relation, &request, existing.as_ref()))?;
        let plan = self.plan(cluster, &request, &mut facts).await?;
        let intent = Intent {
            action,
            existing,
            left_over,
            digest,
            identity: random_word(12),
            namespace_unseen,
            // Without that right, nothing is replaced.
            unseen: Cell::new(unseen.filter(|_| self.replace)),
        };
        let (plan, manifests) = self.render(plan, Some(&facts), Some(&intent.identity))?;
        array::warn_of_readiness(cluster, &plan, self.ui).await?;
        let mut detour = self
            .carry_out_in(cluster, &intent, &plan, manifests)
            .await?;
        if let Some(Detour::OtherCluster) = detour {
            facts.is_sent_away = true;
            let plan = self.plan(cluster, &request, &mut facts).await?;
            let (plan, manifests) = self.render(plan, Some(&facts), Some(&intent.identity))?;
            detour = self
                .carry_out_in(cluster, &intent, &plan, manifests)
                .await?;
        }
        match detour {
            Some(Detour::Queue(queue)) => {
                self.follow(cluster, &intent, request, &queue, facts).await
            }
            Some(Detour::OtherCluster) | None => Ok(()),
        }
    }

    /// Submits what was planned for a queue. Returns where the cluster puts it
    /// instead, if it does; nothing is made then.
    async fn carry_out_in(
        &self,
        cluster: &Cluster,
        intent: &Intent,
        plan: &Plan,
        mut manifests: ManifestSet,
    ) -> Result<Option<Detour>, CommandError> {
        let (request, queue) = (&plan.request, plan.local_queue.as_deref());
        discovery::resolve(cluster, &mut manifests).await?;
        self.check_references(cluster, plan, &manifests).await?;
        self.ui.status(target_line(cluster, request, queue));
        self.tell_forecast(plan);
        if let (Action::Update, Some(old)) = (intent.action, &intent.existing) {
            // Another queue takes --replace, unless it is the cluster's choice.
            let moves = queue.is_some() && old.queue().is_some() && queue != old.queue();
            if moves
                && let Preflight::Elsewhere(detour) =
                    self.preflight(cluster, intent, plan, &manifests).await?
            {
                return Ok(Some(detour));
            }
            let updated = self.update(cluster, plan, manifests, old).await;
            return updated.map(|()| None);
        }
        if self.diff {
            let submission = Submission::new(cluster, request.kind, &manifests, &intent.digest);
            let found = submission.compare(None, Basis::Asked, &[]).await?;
            let (found, namespace) = (found.differences(), &request.namespace);
            return diff::print(cluster, namespace, &found, self.output, self.ui).map(|()| None);
        }
        if self.dry_run == DryRun::None && request.kind.keeps_versions() {
            record::record_first(&mut manifests, &intent.identity);
        }
        let change = Change {
            intent,
            plan,
            manifests: &manifests,
        };
        let needed = Needed {
            manifests: &manifests,
            replace: self.replace,
            namespace_unseen: intent.namespace_unseen,
        };
        if let Some(source) = intent.unseen.take() {
            let object = manifests.workload.display_name();
            let error = SubmissionError::Failed {
                action: "read",
                object,
                source,
            };
            return Err(denied::explain(error.into(), &needed));
        }
        if self.dry_run == DryRun::None {
            run::check_rights(cluster, request.session.as_ref(), &needed).await?;
        }
        let carried_out = match self.dry_run {
            DryRun::Server => self.check(cluster, &change).await,
            _ => self.change(cluster, &change).await,
        };
        carried_out.map_err(|error| denied::explain(error, &needed))
    }

    /// Makes the cluster what was planned, as [`Self::carry_out_in`] does.
    async fn change(
        &self,
        cluster: &Cluster,
        change: &Change<'_>,
    ) -> Result<Option<Detour>, CommandError> {
        let Change {
            intent,
            plan,
            manifests,
        } = *change;
        let progress = self.ui.progress("submitting");
        let submission = Submission::new(cluster, plan.request.kind, manifests, &intent.digest);
        let steps = async {
            submission.create_namespace().await?;
            let rehearsed = self.preflight(cluster, intent, plan, manifests);
            let (rehearsed, left) = tokio::join!(rehearsed, submission.leftovers());
            if let Preflight::Elsewhere(detour) = rehearsed? {
                return Ok(Err(detour));
            }
            match (intent.action, &intent.existing) {
                (Action::WaitThenCreate, Some(old)) => submission.wait_until_gone(old).await?,
                (Action::Replace, Some(old)) => submission.remove(old).await?,
                _ if intent.left_over => submission.wait_until_made_gone().await?,
                _ => {}
            }
            let created = submission.create().await;
            let created = created.map_err(|error| {
                conflict_hints::ways_out(error, &plan.request, intent.existing.as_ref())
            })?;
            if created == Submitted::Created {
                submission.remove_leftovers(left).await;
            }
            Ok(Ok(created))
        };
        let submitted = match signals::carry_out(&submission, steps, self.ui).await? {
            Ok(submitted) => submitted,
            Err(detour) => return Ok(Some(detour)),
        };
        drop(progress);
        for warning in submission.warnings() {
            self.ui.warn(warning);
        }

        let outcome = match (submitted, intent.action) {
            (Submitted::Unchanged, _) => Outcome::Unchanged,
            (Submitted::Created, Action::Replace) => Outcome::Replaced,
            (Submitted::Created, _) => Outcome::Created,
        };
        let objects: Vec<&Manifest> = manifests.iter().collect();
        let planned = Some((plan, manifests));
        self.print(outcome, Some(cluster), &plan.request, planned, &objects)?;
        Ok(None)
    }
}
