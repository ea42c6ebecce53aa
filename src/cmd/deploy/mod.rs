//! What `kaiwo submit` and `kaiwo serve` have in common: everything from the
//! request on.

mod conflict_hints;
mod diff;
mod kaito;
pub mod request;
pub mod rollback;
pub mod serve;
pub mod submit;
mod unchanged;
mod variables;

use crate::api::Readable;
use crate::cli::WorkloadArgs;
use crate::cluster::Cluster;
use crate::cluster::client::discovery;
use crate::cluster::read::facts::{self, Gathered};
use crate::cluster::submission::existing::{self, Existing, Relation};
use crate::cluster::submission::rbac::Needed;
use crate::cluster::submission::{Submission, SubmissionError, Submitted};
use crate::cluster::submission::{preflight, revision, update};
use crate::error::{CommandError, ErrorClass};
use crate::kind::WorkloadKind;
use crate::plan::facts::Facts;
use crate::plan::namesake::Claimant;
use crate::plan::request::WorkloadRequest;
use crate::plan::{self, Plan};
use crate::render;
use crate::render::manifest::{Manifest, ManifestSet};
use crate::settings::{DryRun, Merged, OutputFormat};
use crate::ui::Ui;
use crate::ui::report::{self, Outcome};

use super::command_line;
use super::help::cannot_write;
use super::wait::{self, Subject, Wait};
use super::{block_on, signals, sources};

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
            ..Mode::of(args, &settings, ui)
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

impl<'a> Mode<'a> {
    fn of(args: &'a WorkloadArgs, settings: &Merged, ui: Ui) -> Self {
        let dry_run = settings
            .dry_run
            .as_ref()
            .map_or(DryRun::None, |dry_run| dry_run.value);
        let output = settings.output.as_ref().map(|output| output.value);
        Self {
            args,
            ui,
            dry_run,
            replace: sources::is_on(&settings.replace),
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
        let claimant = Claimant::of(&request);
        // Of an earlier workload of the name, and about to go.
        let left_over = namesakes.iter().any(|namesake| claimant.owns(namesake));
        let in_place = relation == Some(Relation::Different) && self.updates(&request);
        if !in_place && relation != Some(Relation::Same) {
            conflict_hints::check(&request, existing.as_ref(), &namesakes)?;
        }
        if relation == Some(Relation::Different) && self.updates(&request) {
            facts.running = existing.as_ref().and_then(Existing::running);
        }
        let needs = plan::needs(&request, &facts);
        facts::complete(cluster, &mut facts, needs).await?;
        drop(progress);
        let namespace_unseen = request.create_namespace && facts.namespace == Readable::Forbidden;
        let facts = Facts::Live(Box::new(facts));

        if let (Some(workload), Some(Relation::Same)) = (&existing, relation) {
            if self.diff {
                let status = target_line(cluster, &request, request.queue.as_deref());
                self.ui.status(status);
                return diff::print(cluster, &request.namespace, &[], self.output, self.ui);
            }
            return self.unchanged(cluster, request, facts, workload).await;
        }
        if let Some(relation) = relation {
            self.check_replaceable(&request, relation)?;
        }

        let plan = plan::plan(request, &facts)?;
        let identity = request::random_word(12);
        let mut manifests = self.render(&plan, Some(&identity))?;
        discovery::resolve(cluster, &mut manifests).await?;
        self.ui.status(target_line(
            cluster,
            &plan.request,
            plan.local_queue.as_deref(),
        ));
        self.ui.status(format!("  {}", report::forecast(&plan)));
        if let (Some(old), Some(Relation::Different)) = (&existing, relation)
            && self.updates(&plan.request)
        {
            if let Some(relation) = update::obstacle(&manifests.workload, old.object()) {
                return Err(self.taken(relation, &plan.request));
            }
            let changes = update::changes(&manifests.workload, old.object());
            if !self.diff {
                diff::tell(&changes, self.ui);
            }
            if update::replaces_pods(&changes) {
                let request = &plan.request;
                plan::rollout::check_pause(plan.rollout, &request.name, request.allow_downtime)?;
            }
        }
        if self.diff {
            let submission = Submission::new(cluster, plan.request.kind, &manifests, &digest);
            let old = existing.as_ref().filter(|_| self.updates(&plan.request));
            let found = submission.differences(old).await?;
            let namespace = &plan.request.namespace;
            return diff::print(cluster, namespace, &found, self.output, self.ui);
        }
        if let (Some(old), Some(Relation::Different), DryRun::None) =
            (&existing, relation, self.dry_run)
            && plan.request.kind.keeps_versions()
            && self.updates(&plan.request)
        {
            revision::keep(cluster, old, &mut manifests, &identity).await?;
        }
        let needed = Needed {
            manifests: &manifests,
            replace: self.replace,
            namespace_unseen,
        };
        if self.dry_run == DryRun::Server {
            return self
                .check(cluster, &plan, &manifests, existing.as_ref())
                .await
                .map_err(|error| needed.explain(error));
        }

        let progress = self.ui.progress("submitting");
        let submission = Submission::new(cluster, plan.request.kind, &manifests, &digest);
        let steps = async {
            submission.create_namespace().await?;
            let rehearsed = self.preflight(cluster, &plan, &manifests, existing.as_ref());
            let left = async {
                match in_place {
                    true => Vec::new(),
                    false => submission.leftovers().await,
                }
            };
            let (rehearsed, left) = tokio::join!(rehearsed, left);
            rehearsed?;
            match (&existing, relation) {
                (Some(old), Some(Relation::Different)) if in_place => {
                    submission.update(old).await?;
                    return Ok(Submitted::Updated);
                }
                (Some(old), Some(Relation::Terminating)) => submission.wait_until_gone(old).await?,
                (Some(old), Some(_)) => submission.remove(old).await?,
                _ if left_over => submission.wait_until_made_gone().await?,
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
        let submitted = signals::carry_out(&submission, steps, self.ui)
            .await
            .map_err(|error| needed.explain(error))?;
        drop(progress);

        let outcome = match (submitted, relation) {
            (Submitted::Unchanged, _) => Outcome::Unchanged,
            (Submitted::Updated, _) => Outcome::Updated,
            (Submitted::Created, None | Some(Relation::Terminating)) => Outcome::Created,
            (Submitted::Created, Some(_)) => Outcome::Replaced,
        };
        let objects: Vec<&Manifest> = manifests.iter().collect();
        self.print(
            outcome,
            Some(cluster),
            &plan.request,
            Some((&plan, &manifests)),
            &objects,
        )
    }

    /// Rehearses the whole set in the cluster, and returns its answers. Beside
    /// a workload that still has the name, under another one: most fields of an
    /// old one cannot be changed, which a rehearsal under its name would trip
    /// over.
    async fn preflight(
        &self,
        cluster: &Cluster,
        plan: &Plan,
        manifests: &ManifestSet,
        existing: Option<&Existing>,
    ) -> Result<Vec<Manifest>, CommandError> {
        let temporary = format!("kaiwo-preflight-{}", request::random_word(6));
        let renamed = existing.map(|_| manifests.renamed(&temporary));
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

    /// Returns whether a workload that differs is changed in place.
    fn updates(&self, request: &WorkloadRequest) -> bool {
        request.kind.updates_in_place() && !self.replace
    }

    /// Refuses to take the place of a workload, unless that was asked for.
    fn check_replaceable(
        &self,
        request: &WorkloadRequest,
        relation: Relation,
    ) -> Result<(), CommandError> {
        let allowed = match relation {
            Relation::Same | Relation::Terminating => true,
            Relation::Different if self.updates(request) => true,
            Relation::Different
            | Relation::Finished
            | Relation::OtherwiseQueued
            | Relation::KeptByKaito
            | Relation::OtherwiseSelected
            | Relation::HeldByQueue => self.replace,
            // Deleting what somebody made by other means takes two words.
            Relation::Foreign => self.replace && request.force,
        };
        match allowed {
            true => Ok(()),
            false => Err(self.taken(relation, request)),
        }
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
    async fn check(
        &self,
        cluster: &Cluster,
        plan: &Plan,
        manifests: &ManifestSet,
        existing: Option<&Existing>,
    ) -> Result<(), CommandError> {
        let planned = Some((plan, manifests));
        if manifests.namespace.is_some() {
            self.ui.warn(format!(
                "namespace {} does not exist yet, so the API server could not check what goes into it",
                plan.request.namespace
            ));
            let objects: Vec<&Manifest> = manifests.iter().collect();
            return self.print(
                Outcome::DryRun,
                Some(cluster),
                &plan.request,
                planned,
                &objects,
            );
        }
        let answers = self.preflight(cluster, plan, manifests, existing).await?;
        self.ui.status("  the API server takes it (dry run)");
        let objects: Vec<&Manifest> = answers.iter().collect();
        self.print(
            Outcome::DryRun,
            Some(cluster),
            &plan.request,
            planned,
            &objects,
        )
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
        let submission = report::Submission {
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
