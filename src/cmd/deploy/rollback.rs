//! `kaiwo serve --rollback`.

use std::collections::BTreeMap;

use crate::api::keys;
use crate::change::existing::{self, Existing};
use crate::change::in_place::{self, in_place_block};
use crate::change::rbac::Needed;
use crate::cli::ServeArgs;
use crate::cluster::Cluster;
use crate::cluster::read::api_versions::Served;
use crate::cluster::read::facts;
use crate::cluster::read::lookup;
use crate::cluster::submission::Submission;
use crate::cluster::submission::{denied, revision};
use crate::error::{CommandError, ErrorClass};
use crate::kind::WorkloadKind;
use crate::observe::WorkloadRef;
use crate::plan::Refusal;
use crate::plan::rollout::{self, Rollout};
use crate::render::manifest::ManifestSet;
use crate::request::{DEFAULT_NAMESPACE, is_on};
use crate::settings::{DryRun, Merged, OutputFormat};
use crate::ui::Ui;
use crate::ui::report;

use super::diff;
use super::inputs::random_word;
use crate::cmd::help::cannot_write;
use crate::cmd::wait::{self, Subject};
use crate::cmd::{block_on, command_line, signals};

/// Returns a service to its previous version.
pub fn run(
    args: &ServeArgs,
    wanted: &WorkloadRef,
    settings: Result<Merged, CommandError>,
    ui: Ui,
    output: &mut Option<OutputFormat>,
) -> Result<(), CommandError> {
    let result = settings.and_then(|settings| {
        *output = settings.output.as_ref().map(|output| output.value);
        let dry_run = settings.dry_run.as_ref().map(|dry_run| dry_run.value);
        if !matches!(dry_run, None | Some(DryRun::None)) {
            return Err(CommandError::new(
                ErrorClass::Usage,
                "a rollback has no dry run; --diff prints what it would change",
            )
            .hint(format!("kaiwo serve --rollback {wanted} --diff")));
        }
        diff::check_form(DryRun::None, *output)?;
        block_on(roll_back(args, &settings, wanted, ui, *output))
    });
    result.map_err(|mut error| {
        error.if_bare_interruption("nothing was changed");
        for hint in &mut error.hints {
            *hint = command_line::with_connection(hint, &args.workload.connection);
        }
        error
    })
}

async fn roll_back(
    args: &ServeArgs,
    settings: &Merged,
    wanted: &WorkloadRef,
    ui: Ui,
    output: Option<OutputFormat>,
) -> Result<(), CommandError> {
    let namespace = settings
        .namespace
        .as_ref()
        .map_or(DEFAULT_NAMESPACE, |namespace| &namespace.value);
    let connection = &args.workload.connection;
    let target = command_line::target(connection, ui);
    let cluster = Cluster::connect(&target).await?;
    let (kind, old) = current(&cluster, namespace, wanted).await?;
    let object = old.manifest(kind).display_name();
    let identity = random_word(12);
    let mut manifests = previous(&cluster, kind, &old, &identity).await?;

    ui.status(format!(
        "→ context {}, namespace {namespace}",
        cluster.context()
    ));
    prepare(&cluster, settings, kind, &old, &mut manifests).await?;
    let digest = manifests
        .workload
        .annotation(keys::DIGEST_ANNOTATION)
        .unwrap_or_default()
        .to_owned();
    let changes = Submission::new(&cluster, kind, &manifests, &digest)
        .differences(Some(&old))
        .await?;
    if args.diff {
        return diff::print(&cluster, namespace, &changes, output, ui);
    }

    let wait = wait::of_submission(settings, kind, output)?;
    revision::keep_revision(&cluster, &old, &mut manifests, &identity).await?;
    let needed = Needed {
        manifests: &manifests,
        replace: false,
        namespace_unseen: false,
    };
    let progress = ui.progress("rolling back");
    let submission = Submission::new(&cluster, kind, &manifests, &digest);
    let steps = async { Ok(submission.update(&old).await?) };
    let done = signals::carry_out(&submission, steps, ui).await;
    done.map_err(|error| denied::explain(error, &needed))?;
    drop(progress);
    for change in &changes {
        ui.status(format!("  {change}"));
    }
    ui.status(format!("{object} rolled back to its previous version"));
    let back = format!("  back again: kaiwo serve --rollback {object} -n {namespace}");
    ui.status(command_line::with_connection(&back, connection));
    if output.is_some() {
        let report = diff::report("RollbackReport", &cluster, namespace, &changes);
        // Events follow it, a line each.
        let text = match &wait {
            Some(_) => report::json_line(&report),
            None => report::json(&report),
        };
        ui.data(&text).map_err(cannot_write)?;
    }
    let subject = Subject {
        kind,
        namespace: namespace.to_owned(),
        name: wanted.name.clone(),
        uid: None,
    };
    match wait {
        Some(wait) => wait.attend(cluster, subject, ui).await,
        None => Ok(()),
    }
}

/// Returns the service as it is now, and its kind.
async fn current(
    cluster: &Cluster,
    namespace: &str,
    wanted: &WorkloadRef,
) -> Result<(WorkloadKind, Existing), CommandError> {
    let served = Served::read(cluster).await?;
    let found = lookup::find(cluster, &served, namespace, wanted).await?;
    let kind = found.workload.kind;
    let object = found.workload.display_name();
    if !kind.keeps_versions() {
        return Err(Refusal::new(format!(
            "{object} has no versions: only those of a Deployment or a RayService are kept"
        ))
        .hint("run or serve it anew, with --replace")
        .about(object)
        .into());
    }
    let resource = existing::resource(kind, kind.api_version());
    match cluster.find(&resource, namespace, &wanted.name).await? {
        Some(old) => Ok((kind, old)),
        None => Err(Refusal::new(format!("{object} is gone"))
            .about(object)
            .into()),
    }
}

/// Returns the version before, as what this run makes.
async fn previous(
    cluster: &Cluster,
    kind: WorkloadKind,
    old: &Existing,
    identity: &str,
) -> Result<ManifestSet, CommandError> {
    let mut manifests = revision::previous(cluster, &old.manifest(kind)).await?;
    for manifest in &mut manifests.companions {
        manifest.annotate(&BTreeMap::from([(
            keys::SUBMISSION_ANNOTATION.to_owned(),
            identity.to_owned(),
        )]));
    }
    Ok(manifests)
}

/// Checks that the workload can become in place what it was, and decides in
/// which order its pods change.
async fn prepare(
    cluster: &Cluster,
    settings: &Merged,
    kind: WorkloadKind,
    old: &Existing,
    manifests: &mut ManifestSet,
) -> Result<(), CommandError> {
    let workload = &mut manifests.workload;
    if let Some(relation) = in_place_block(workload, old.object()) {
        return Err(CommandError::new(
            ErrorClass::Conflict,
            format!(
                "{} cannot return to its previous version: it {}",
                workload.display_name(),
                relation.words()
            ),
        )
        .hint("serve what it shall be with --replace"));
    }
    if let (WorkloadKind::Deployment, Some(running)) = (kind, old.running()) {
        let facts = facts::of_nodes(cluster).await?;
        let may_pause = is_on(&settings.allow_downtime);
        let rollout = Rollout::of_manifest(workload.value(), running, &facts, may_pause);
        workload.set_rollout(rollout);
        let changes = in_place::changes(workload, old.object());
        if in_place::replaces_pods(&changes) {
            rollout::check_pause(rollout, workload.name(), may_pause)?;
        }
    }
    Ok(())
}
