//! `kaiwo submit`.

use std::time::Duration;

use crate::cli::{ConnectionArgs, SubmitArgs};
use crate::cluster::existing::{self, Existing, Relation};
use crate::cluster::facts::{self, Gathered};
use crate::cluster::submission::{Submission, SubmissionError, Submitted};
use crate::cluster::{Cluster, Target, preflight};
use crate::error::CommandError;
use crate::plan::facts::Facts;
use crate::plan::request::WorkloadRequest;
use crate::plan::{self, Plan};
use crate::render;
use crate::render::manifest::ManifestSet;
use crate::settings::{DryRun, Merged, OutputFormat};
use crate::ui::Ui;
use crate::ui::report::{self, ErrorReport, Outcome};

use super::help::cannot_write;
use super::{block_on, request};

/// Submits what `args` ask for.
pub fn run(args: &SubmitArgs, ui: Ui) -> Result<(), CommandError> {
    let mut output = args.output;
    let result = request::settings(args).and_then(|settings| {
        output = settings.output.as_ref().map(|output| output.value);
        let mode = Mode::of(&settings);
        let request = request::request(args, &settings, ui)?;
        match mode.dry_run {
            DryRun::Client => rehearse(request, &mode, ui),
            DryRun::Server | DryRun::None => block_on(submit(args, request, &mode, ui)),
        }
    });
    if let (Err(error), Some(OutputFormat::Json)) = (&result, output) {
        ui.data(&report::json(&ErrorReport::new(error)))
            .map_err(cannot_write)?;
    }
    result
}

/// How far a submission goes, and what it prints.
struct Mode {
    dry_run: DryRun,
    replace: bool,
    output: Option<OutputFormat>,
}

impl Mode {
    fn of(settings: &Merged) -> Self {
        let dry_run = settings
            .dry_run
            .as_ref()
            .map_or(DryRun::None, |dry_run| dry_run.value);
        let output = settings.output.as_ref().map(|output| output.value);
        Self {
            dry_run,
            replace: settings
                .replace
                .as_ref()
                .is_some_and(|replace| replace.value),
            output: output.or((dry_run != DryRun::None).then_some(OutputFormat::Yaml)),
        }
    }
}

impl Mode {
    /// Tells how a submission ended: to people on stderr, as data on stdout
    /// in the form that was asked for.
    fn print(
        &self,
        outcome: Outcome,
        context: Option<&str>,
        request: &WorkloadRequest,
        planned: Option<(&Plan, &ManifestSet)>,
        ui: Ui,
    ) -> Result<(), CommandError> {
        let submission = report::Submission {
            outcome,
            dry_run: self.dry_run,
            context,
            request,
            planned,
        };
        if outcome != Outcome::DryRun {
            for line in submission.lines() {
                ui.status(line);
            }
        }
        let manifests = planned.map(|(_, manifests)| manifests);
        let text = match self.output {
            None => return Ok(()),
            Some(OutputFormat::Json) => submission.json(),
            Some(OutputFormat::Yaml) => manifests.map(ManifestSet::to_yaml).unwrap_or_default(),
            Some(OutputFormat::Name) => match manifests {
                Some(manifests) => manifests
                    .iter()
                    .map(|manifest| manifest.qualified_name() + "\n")
                    .collect(),
                None => existing::resource(request.kind).qualified_name(&request.name) + "\n",
            },
        };
        ui.data(&text).map_err(cannot_write)
    }
}

/// Renders without any connection.
fn rehearse(request: WorkloadRequest, mode: &Mode, ui: Ui) -> Result<(), CommandError> {
    let plan = plan::plan(request, &Facts::Assumed)?;
    let manifests = render::render(&plan, "dry-run")?;
    ui.status(format!(
        "→ dry run without a cluster, namespace {}, queue {}",
        plan.request.namespace, plan.local_queue
    ));
    ui.status(format!("  {}", report::forecast(&plan)));
    if !plan.assumptions.is_empty() {
        ui.status(format!("  assumed: {}", plan.assumptions.join(", ")));
    }
    mode.print(
        Outcome::DryRun,
        None,
        &plan.request,
        Some((&plan, &manifests)),
        ui,
    )
}

/// Submits to the cluster, or lets it check everything under
/// `--dry-run=server`.
async fn submit(
    args: &SubmitArgs,
    request: WorkloadRequest,
    mode: &Mode,
    ui: Ui,
) -> Result<(), CommandError> {
    // Credential plugins may ask for input, so the spinner starts afterwards.
    let cluster = Cluster::connect(&target(&args.connection)).await?;
    let digest = request.digest();
    let progress = ui.progress("asking the cluster");
    let Gathered {
        mut facts,
        existing,
    } = facts::gather(&cluster, &request).await?;
    if plan::needs_nodes(&request, &facts) {
        facts.nodes = Some(facts::nodes(&cluster).await?);
    }
    drop(progress);

    let relation = existing.as_ref().map(|existing| existing.relation(&digest));
    let object = format!("{}/{}", request.kind.name().to_lowercase(), request.name);
    match relation {
        Some(Relation::Same) => {
            return unchanged(request, &Facts::Live(Box::new(facts)), &cluster, mode, ui);
        }
        Some(relation @ (Relation::Different | Relation::Finished)) if !mode.replace => {
            return Err(ways_out(SubmissionError::Exists {
                object,
                finished: relation == Relation::Finished,
            }));
        }
        _ => {}
    }

    let plan = plan::plan(request, &Facts::Live(Box::new(facts)))?;
    let manifests = render::render(&plan, &request::random_word(12))?;
    ui.status(target_line(&cluster, &plan));
    ui.status(format!("  {}", report::forecast(&plan)));

    let submission = Submission::new(&cluster, plan.request.kind, &manifests, &digest);
    if mode.dry_run == DryRun::Server {
        return check(&cluster, &plan, &manifests, existing.as_ref(), mode, ui).await;
    }
    let interrupt = async { _ = tokio::signal::ctrl_c().await };
    let progress = ui.progress("submitting");
    submission.create_namespace().await?;
    preflight(&cluster, &manifests, existing.as_ref()).await?;
    match (&existing, relation) {
        (Some(old), Some(Relation::Terminating)) => submission.wait_until_gone(old).await?,
        (Some(old), Some(_)) => submission.remove(old).await?,
        _ => {}
    }
    let submitted = submission.run(interrupt).await.map_err(ways_out)?;
    drop(progress);

    let outcome = match (submitted, relation) {
        (Submitted::Unchanged, _) => Outcome::Unchanged,
        (Submitted::Created, None | Some(Relation::Terminating)) => Outcome::Created,
        (Submitted::Created, Some(_)) => Outcome::Replaced,
    };
    mode.print(
        outcome,
        Some(cluster.context()),
        &plan.request,
        Some((&plan, &manifests)),
        ui,
    )
}

/// Rehearses the whole set in the cluster. Beside a workload that still has
/// the name, under another one: most fields of an old one cannot be changed,
/// which a rehearsal under its name would trip over.
async fn preflight(
    cluster: &Cluster,
    manifests: &ManifestSet,
    existing: Option<&Existing>,
) -> Result<(), CommandError> {
    let renamed = existing
        .map(|_| manifests.renamed(&format!("kaiwo-preflight-{}", request::random_word(6))));
    let manifests = renamed.as_ref().unwrap_or(manifests);
    if let Some(answer) = preflight::rehearse(cluster, manifests).await? {
        preflight::check_managed(manifests.workload.namespace(), &answer)?;
    }
    Ok(())
}

/// Carries out `--dry-run=server`.
async fn check(
    cluster: &Cluster,
    plan: &Plan,
    manifests: &ManifestSet,
    existing: Option<&Existing>,
    mode: &Mode,
    ui: Ui,
) -> Result<(), CommandError> {
    if manifests.namespace.is_some() {
        ui.warn(format!(
            "namespace {} does not exist yet, so the API server could not check what goes into it",
            plan.request.namespace
        ));
    } else {
        preflight(cluster, manifests, existing).await?;
        ui.status("  the API server takes it (dry run)");
    }
    mode.print(
        Outcome::DryRun,
        Some(cluster.context()),
        &plan.request,
        Some((plan, manifests)),
        ui,
    )
}

/// Reports a workload that is there already, whether it could be submitted
/// now or not.
fn unchanged(
    request: WorkloadRequest,
    facts: &Facts,
    cluster: &Cluster,
    mode: &Mode,
    ui: Ui,
) -> Result<(), CommandError> {
    let context = Some(cluster.context());
    let Ok(plan) = plan::plan(request.clone(), facts) else {
        return mode.print(Outcome::Unchanged, context, &request, None, ui);
    };
    let manifests = render::render(&plan, "unchanged")?;
    ui.status(target_line(cluster, &plan));
    mode.print(
        Outcome::Unchanged,
        context,
        &request,
        Some((&plan, &manifests)),
        ui,
    )
}

fn target_line(cluster: &Cluster, plan: &Plan) -> String {
    format!(
        "→ context {}, namespace {}, queue {}",
        cluster.context(),
        plan.request.namespace,
        plan.local_queue
    )
}

fn target(args: &ConnectionArgs) -> Target {
    Target {
        kubeconfig: args.kubeconfig.clone(),
        kubeconfig_variable: std::env::var_os("KUBECONFIG"),
        context: args.context.clone(),
        as_user: args.as_user.clone(),
        as_groups: args.as_group.clone(),
        request_timeout: Duration::from_secs(args.request_timeout),
        insecure_skip_tls_verify: args.insecure_skip_tls_verify,
    }
}

/// Adds, to the error that the name is taken, the three commands that get
/// out of it: the one that was typed, and one flag more.
fn ways_out(error: SubmissionError) -> CommandError {
    let exists = matches!(error, SubmissionError::Exists { .. });
    let mut error = CommandError::from(error);
    if exists {
        for (flag, what) in [
            ("--replace", "deletes it and submits anew"),
            (
                "--generate-name",
                "submits beside it, under a name of its own",
            ),
            ("--name NAME", "submits beside it, under NAME"),
        ] {
            error = error.hint(format!("{}   {what}", typed_with(flag)));
        }
    }
    error
}

/// Returns the command line of this process with one flag more, before the
/// command after `--` if there is one.
fn typed_with(flag: &str) -> String {
    let mut words: Vec<String> = std::env::args()
        .map(|word| crate::workload::entrypoint::shell_quoted(&word))
        .collect();
    if let Some(program) = words.first_mut() {
        "kaiwo".clone_into(program);
    }
    let end = words
        .iter()
        .position(|word| word == "--")
        .unwrap_or(words.len());
    words.insert(end, flag.to_owned());
    words.join(" ")
}
