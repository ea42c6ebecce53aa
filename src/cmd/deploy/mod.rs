//! Carries out what `kaiwo submit` and `kaiwo serve` have in common: everything
//! from the request on.

mod conflict_hints;
mod diff;
pub mod inputs;
pub mod rollback;
pub mod serve;
pub mod submit;
mod unchanged;

use crate::api::Readable;
use crate::change::existing::{self, Existing};
use crate::change::in_place::{self, in_place_block};
use crate::change::rbac::Needed;
use crate::cli::WorkloadArgs;
use crate::cluster::Cluster;
use crate::cluster::discovery;
use crate::cluster::read::facts::{self, Gathered};
use crate::cluster::submission::{Submission, SubmissionError, Submitted};
use crate::cluster::submission::{denied, preflight, revision};
use crate::error::{CommandError, ErrorClass};
use crate::kind::WorkloadKind;
use crate::plan::action::{self, Action, Relation};
use crate::plan::facts::Facts;
use crate::plan::namesake::Claimant;
use crate::plan::request::WorkloadRequest;
use crate::plan::{self, Plan};
use crate::render;
use crate::render::manifest::{Manifest, ManifestSet};
use crate::request::is_on;
use crate::settings::{DryRun, Merged, OutputFormat};
use crate::ui::Ui;
use crate::ui::report::{self, Outcome};

use super::command_line;
use super::help::cannot_write;
use super::wait::{self, Subject, Wait};
use super::{block_on, signals};
use inputs::random_word;

/// Carries out what `request` makes of the settings. `output` becomes what the
/// settings say about the form of data, as soon as they are known.
pub fn run(
    args: &WorkloadArgs,
    diff: bool,
    settings: Result<Merged, CommandError>,
    ui: Ui,
    output: &mut Option<OutputFormat>,
    request: impl FnOnce(&Merged) -> Result<WorkloadRequest, CommandError>,
) -> Result<(), CommandError> {
    let result = settings.and_then(|settings| {
        *output = settings.output.as_ref().map(|output| output.value);
        let mut mode = Mode {
            diff,
            ..Mode::from_settings(args, &settings, ui)
        };
        if diff {
            diff::check_form(mode.dry_run, mode.output)?;
        }
        if args.show_manifests && mode.output != Some(OutputFormat::Json) {
            return Err(CommandError::new(
                ErrorClass::Usage,
                "--show-manifests is for -o json, and another form is asked for",
            )
            .hint("-o yaml prints the manifests alone"));
        }
        let request = request(&settings)?;
        if mode.dry_run == DryRun::None && !diff {
            mode.wait = wait::of_submission(&settings, request.kind, mode.output)?;
        }
        match mode.dry_run {
            DryRun::Client => mode.rehearse(request),
            DryRun::Server | DryRun::None => block_on(mode.carry_out(request)),
        }
    });
    result.map_err(|mut error| {
        error.if_bare_interruption("nothing was submitted");
        for hint in &mut error.hints {
            *hint = command_line::with_connection(hint, &args.connection);
        }
        error
    })
}

/// How far a submission goes, and how it talks.
struct Mode<'a> {
    args: &'a WorkloadArgs,
    ui: Ui,
    dry_run: DryRun,
    replace: bool,
    /// Whether to print what would change, and no more.
    diff: bool,
    output: Option<OutputFormat>,
    wait: Option<Wait>,
}

/// What a submission is about to do, and with what.
struct Change<'a> {
    action: Action,
    existing: Option<&'a Existing>,
    /// Whether something is left of an earlier workload of the name, and about
    /// to go.
    left_over: bool,
    plan: &'a Plan,
    manifests: &'a ManifestSet,
    digest: &'a str,
}

impl<'a> Mode<'a> {
    fn from_settings(args: &'a WorkloadArgs, settings: &Merged, ui: Ui) -> Self {
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
            output: output.or((dry_run != DryRun::None).then_some(OutputFormat::Yaml)),
            wait: None,
        }
    }

    /// Renders everything, and looks at a Workspace as KAITO will.
    fn render(&self, plan: &Plan, submission: Option<&str>) -> Result<ManifestSet, CommandError> {
        let manifests = render::render(plan, submission)?;
        let context = plan.request.serving.kaito.context();
        let workload = manifests.workload.value();
        let of_kaito = match plan.request.kind {
            WorkloadKind::Workspace => plan::kaito::check_workspace(workload, context)?,
            WorkloadKind::InferenceSet => plan::kaito::check_inference_set(workload, context)?,
            _ => Vec::new(),
        };
        for warning in of_kaito.into_iter().chain(plan.warnings()) {
            self.ui.warn(warning);
        }
        Ok(manifests)
    }

    /// Renders without any connection.
    fn rehearse(&self, request: WorkloadRequest) -> Result<(), CommandError> {
        let plan = plan::plan(request, &Facts::Assumed)?;
        let manifests = self.render(&plan, None)?;
        self.ui.status(format!(
            "→ dry run without a cluster, namespace {}{}",
            plan.request.namespace,
            queue_words(plan.local_queue.as_deref())
        ));
        self.ui.status(format!("  {}", report::forecast(&plan)));
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
        let subject = Subject {
            kind: request.kind,
            namespace: request.namespace.clone(),
            name: request.name.clone(),
            uid: None,
        };
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
        let progress = self.ui.progress("asking the cluster");
        let Gathered {
            mut facts,
            existing,
            namesakes,
        } = facts::gather(cluster, &request).await?;
        let relation = existing.as_ref().map(|existing| existing.relation(&digest));
        let decided = action::decide(relation, request.kind, self.replace, request.force);
        if !matches!(decided, Ok(Action::Unchanged | Action::Update)) {
            conflict_hints::check(&request, existing.as_ref(), &namesakes)?;
        }
        if decided == Ok(Action::Update) {
            facts.running = existing.as_ref().and_then(Existing::running);
        }
        let claimant = Claimant::from_request(&request);
        let left_over = namesakes.iter().any(|namesake| claimant.owns(namesake));
        let needs = plan::needs(&request, &facts);
        facts::complete(cluster, &mut facts, needs).await?;
        drop(progress);
        let namespace_unseen = request.create_namespace && facts.namespace == Readable::Forbidden;
        let facts = Facts::Live(Box::new(facts));

        if let (Ok(Action::Unchanged), Some(workload)) = (decided, &existing) {
            return self.unchanged(cluster, request, facts, workload).await;
        }
        let action = decided.map_err(|relation| self.taken(relation, &request))?;
        let plan = plan::plan(request, &facts)?;
        let identity = random_word(12);
        let mut manifests = self.render(&plan, Some(&identity))?;
        discovery::resolve(cluster, &mut manifests).await?;
        let queue = plan.local_queue.as_deref();
        self.ui.status(target_line(cluster, &plan.request, queue));
        self.ui.status(format!("  {}", report::forecast(&plan)));
        if let (Action::Update, Some(old)) = (action, &existing) {
            self.check_update(&plan, &manifests, old)?;
        }
        if self.diff {
            let submission = Submission::new(cluster, plan.request.kind, &manifests, &digest);
            let in_place = action::is_in_place(plan.request.kind, self.replace);
            let old = existing.as_ref().filter(|_| in_place);
            let found = submission.differences(old).await?;
            let namespace = &plan.request.namespace;
            return diff::print(cluster, namespace, &found, self.output, self.ui);
        }
        if let (Action::Update, Some(old), DryRun::None) = (action, &existing, self.dry_run)
            && plan.request.kind.keeps_versions()
        {
            revision::keep_revision(cluster, old, &mut manifests, &identity).await?;
        }
        let change = Change {
            action,
            existing: existing.as_ref(),
            left_over,
            plan: &plan,
            manifests: &manifests,
            digest: &digest,
        };
        let carried_out = match self.dry_run {
            DryRun::Server => self.check(cluster, &change).await,
            _ => self.change(cluster, &change).await,
        };
        let needed = Needed {
            manifests: &manifests,
            replace: self.replace,
            namespace_unseen,
        };
        carried_out.map_err(|error| denied::explain(error, &needed))
    }

    /// Checks that the workload becomes in place what was planned, and says what
    /// of it changes.
    fn check_update(
        &self,
        plan: &Plan,
        manifests: &ManifestSet,
        old: &Existing,
    ) -> Result<(), CommandError> {
        let request = &plan.request;
        if let Some(relation) = in_place_block(&manifests.workload, old.object()) {
            return Err(self.taken(relation, request));
        }
        let changes = in_place::changes(&manifests.workload, old.object());
        if !self.diff {
            diff::tell(&changes, self.ui);
        }
        if in_place::replaces_pods(&changes) {
            plan::rollout::check_pause(plan.rollout, &request.name, request.allow_downtime)?;
        }
        Ok(())
    }

    /// Makes the cluster what was planned.
    async fn change(&self, cluster: &Cluster, change: &Change<'_>) -> Result<(), CommandError> {
        let Change {
            plan, manifests, ..
        } = *change;
        let progress = self.ui.progress("submitting");
        let submission = Submission::new(cluster, plan.request.kind, manifests, change.digest);
        let steps = async {
            submission.create_namespace().await?;
            let rehearsed = self.preflight(cluster, change);
            let left = async {
                match change.action {
                    Action::Update => Vec::new(),
                    _ => submission.leftovers().await,
                }
            };
            let (rehearsed, left) = tokio::join!(rehearsed, left);
            rehearsed?;
            match (change.action, change.existing) {
                (Action::Update, Some(old)) => {
                    submission.update(old).await?;
                    return Ok(Submitted::Updated);
                }
                (Action::WaitThenCreate, Some(old)) => submission.wait_until_gone(old).await?,
                (Action::Replace, Some(old)) => submission.remove(old).await?,
                _ if change.left_over => submission.wait_until_made_gone().await?,
                _ => {}
            }
            let created = submission.create().await;
            let created =
                created.map_err(|error| conflict_hints::ways_out(error, &plan.request))?;
            if created == Submitted::Created {
                submission.remove_leftovers(left).await;
            }
            Ok(created)
        };
        let submitted = signals::carry_out(&submission, steps, self.ui).await?;
        drop(progress);

        let outcome = match (submitted, change.action) {
            (Submitted::Unchanged, _) => Outcome::Unchanged,
            (Submitted::Updated, _) => Outcome::Updated,
            (Submitted::Created, Action::Replace) => Outcome::Replaced,
            (Submitted::Created, _) => Outcome::Created,
        };
        let objects: Vec<&Manifest> = manifests.iter().collect();
        let planned = Some((plan, manifests));
        self.print(outcome, Some(cluster), &plan.request, planned, &objects)
    }

    /// Rehearses the whole set in the cluster, and returns its answers. Beside
    /// a workload that still has the name, under another one: most fields of an
    /// old one cannot be changed, which a rehearsal under its name would trip
    /// over.
    async fn preflight(
        &self,
        cluster: &Cluster,
        change: &Change<'_>,
    ) -> Result<Vec<Manifest>, CommandError> {
        let Change {
            plan, manifests, ..
        } = *change;
        let temporary = format!("kaiwo-preflight-{}", random_word(6));
        let renamed = change.existing.map(|_| manifests.renamed(&temporary));
        let rehearsed = renamed.as_ref().unwrap_or(manifests);
        let rehearsal = preflight::rehearse(cluster, rehearsed).await?;
        if rehearsal.is_sent_away() {
            plan::kueue::multikueue::check(plan)?;
        }
        if let Some(answer) = &rehearsal.queued {
            match (&plan.local_queue, preflight::managed_by_queue(answer)) {
                (Some(_), _) => {
                    preflight::check_managed(manifests.workload.namespace(), answer)?;
                }
                // A LocalQueue named `default` takes what names none.
                (None, Some(queue)) => self.ui.warn(format!(
                    "Kueue queues it all the same, in LocalQueue {queue}"
                )),
                (None, None) => {}
            }
        }
        let answers = rehearsal.answers.into_iter();
        Ok(answers
            .map(|answer| manifests.named_back(answer, &temporary))
            .collect())
    }

    /// Returns the error that the name is taken.
    fn taken(&self, relation: Relation, request: &WorkloadRequest) -> CommandError {
        let object = request.display_name();
        let exists = SubmissionError::Exists { object, relation };
        let mut error = conflict_hints::ways_out(exists, request);
        if (request.kind, relation) == (WorkloadKind::Workspace, Relation::Different) {
            error.notes.push(
                "KAITO admits most changes of a Workspace and carries out none (v0.12), so nothing \
                 was sent"
                    .to_owned(),
            );
        }
        error
    }

    /// Carries out `--dry-run=server`: prints what the API server would store.
    async fn check(&self, cluster: &Cluster, change: &Change<'_>) -> Result<(), CommandError> {
        let Change {
            plan, manifests, ..
        } = *change;
        let request = &plan.request;
        let answers;
        let objects: Vec<&Manifest> = if manifests.namespace.is_some() {
            self.ui.warn(format!(
                "namespace {} does not exist yet, so the API server could not check what goes into it",
                request.namespace
            ));
            manifests.iter().collect()
        } else {
            answers = self.preflight(cluster, change).await?;
            self.ui.status("  the API server takes it (dry run)");
            answers.iter().collect()
        };
        let planned = Some((plan, manifests));
        self.print(Outcome::DryRun, Some(cluster), request, planned, &objects)
    }

    /// Tells how a submission ended: to people on stderr, as data on stdout
    /// in the form that was asked for.
    fn print(
        &self,
        outcome: Outcome,
        cluster: Option<&Cluster>,
        request: &WorkloadRequest,
        planned: Option<(&Plan, &ManifestSet)>,
        objects: &[&Manifest],
    ) -> Result<(), CommandError> {
        let submission = report::SubmissionReport {
            outcome,
            dry_run: self.dry_run,
            context: cluster.map(Cluster::context),
            request,
            planned,
            objects,
            show_manifests: self.args.show_manifests,
        };
        if outcome != Outcome::DryRun {
            for line in submission.lines() {
                self.ui
                    .status(command_line::with_connection(&line, &self.args.connection));
            }
        }
        let text = match self.output {
            None => return Ok(()),
            // Events follow it, a line each.
            Some(OutputFormat::Json) if self.wait.is_some() => submission.json_line(),
            Some(OutputFormat::Json) => submission.json(),
            Some(OutputFormat::Yaml) => render::manifest::to_yaml(objects.iter().copied()),
            Some(OutputFormat::Name) if objects.is_empty() => {
                existing::resource(request.kind, request.kind.api_version())
                    .qualified_name(&request.name)
                    + "\n"
            }
            Some(OutputFormat::Name) => objects
                .iter()
                .map(|object| object.qualified_name() + "\n")
                .collect(),
        };
        self.ui.data(&text).map_err(cannot_write)
    }
}

fn target_line(cluster: &Cluster, request: &WorkloadRequest, queue: Option<&str>) -> String {
    format!(
        "→ context {}, namespace {}{}",
        cluster.context(),
        request.namespace,
        queue_words(queue)
    )
}

fn queue_words(queue: Option<&str>) -> String {
    queue.map_or_else(String::new, |queue| format!(", queue {queue}"))
}
