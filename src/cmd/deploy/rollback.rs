//! `kaiwo serve --rollback`.

use serde::Serialize;

use crate::api::keys;
use crate::change::drift::Basis;
use crate::change::existing::{self, Existing};
use crate::change::in_place::{in_place_block, replaces_pods};
use crate::change::metadata::annotation_of;
use crate::change::rollback;
use crate::change::version::Return;
use crate::cli::ServeArgs;
use crate::cluster::Cluster;
use crate::cluster::discovery;
use crate::cluster::read::api_versions::Served;
use crate::cluster::read::facts;
use crate::cluster::read::lookup;
use crate::cluster::submission::comparison::Difference;
use crate::cluster::submission::versions::Versions;
use crate::error::{CommandError, ErrorClass};
use crate::kind::WorkloadKind;
use crate::observe::WorkloadRef;
use crate::plan::rollout::{self, Rollout};
use crate::render::manifest::{Manifest, ManifestSet};
use crate::request::{DEFAULT_NAMESPACE, is_on};
use crate::settings::{DryRun, Format, Merged};
use crate::ui::Ui;
use crate::ui::document::{document, json_line};
use crate::ui::report::ChangeReport;

use super::diff;
use super::in_place::{InPlace, sign};
use super::inputs::random_word;
use crate::cmd::help::cannot_write;
use crate::cmd::signals::{self, SignalEffect};
use crate::cmd::wait::{self, FollowedWorkload};
use crate::cmd::{block_on, command_line};
use crate::suggestion::kaiwo;

/// Returns a service to an earlier version.
pub fn run(
    args: &ServeArgs,
    wanted: &WorkloadRef,
    settings: Result<Merged, CommandError>,
    ui: Ui,
    output: &mut Option<Format>,
) -> Result<(), CommandError> {
    signals::set_effect(SignalEffect::Note("nothing was changed"));
    settings.and_then(|settings| {
        *output = settings.output.as_ref().map(|output| output.value);
        let dry_run = settings.dry_run.as_ref().map(|dry_run| dry_run.value);
        if !matches!(dry_run, None | Some(DryRun::None)) {
            return Err(CommandError::new(
                ErrorClass::Usage,
                "--rollback does not support --dry-run; --diff prints what it would change",
            )
            .hint(kaiwo("serve --rollback {} --diff", &[&wanted.to_string()])));
        }
        diff::check_form(DryRun::None, *output)?;
        block_on(roll_back(args, &settings, wanted, ui, *output))
    })
}

async fn roll_back(
    args: &ServeArgs,
    settings: &Merged,
    wanted: &WorkloadRef,
    ui: Ui,
    output: Option<Format>,
) -> Result<(), CommandError> {
    let namespace = settings
        .namespace
        .as_ref()
        .map_or(DEFAULT_NAMESPACE, |namespace| &namespace.value);
    let connection = &args.submission.connection;
    let cluster = Cluster::connect(&command_line::target(connection, ui)).await?;
    let (kind, old) = current(&cluster, namespace, wanted).await?;
    let present = old.manifest(kind);
    let object = present.display_name();
    let versions = Versions::read(&cluster, &old, present).await?;
    let (target, mut manifests) = versions.target(args.to.as_deref()).await?;
    let (Return::To(record) | Return::Done(record, _)) = &target;
    let history = versions.history();
    let version = history.version(record);
    let identity = random_word(12);
    discovery::resolve(&cluster, &mut manifests).await?;
    sign(&mut manifests, &identity);
    let context = cluster.context();
    ui.status(format!("→ context {context}, namespace {namespace}"));
    let is_another =
        digest_of(&manifests.workload) != annotation_of(old.object(), keys::DIGEST_ANNOTATION);
    manifests.workload.keep_rollout(old.object());
    let rollout = order(&cluster, settings, kind, &old, &mut manifests).await?;
    if is_another {
        let warning = versions.add_records(&mut manifests, &identity, true);
        warning.await?.into_iter().for_each(|words| ui.warn(words));
    }
    manifests.give_owner(old.uid());
    let basis = match is_another {
        true => Basis::Asked,
        false => Basis::Recorded,
    };
    let change = InPlace {
        cluster: &cluster,
        kind,
        old: &old,
        manifests: &manifests,
        basis,
    };
    let submission = change.submission();
    let comparison = change.compare(&submission).await?;
    let changes = comparison.differences();
    if args.diff {
        return diff::print(&cluster, namespace, &changes, output, ui);
    }
    if let (true, Some(rollout)) = (replaces_pods(&comparison.workload.changes), rollout) {
        rollout::check_pause(rollout, &wanted.name, is_on(&settings.allow_downtime))?;
    }
    let wait = wait::of_submission(settings, kind, output)?;
    if !comparison.is_settled() {
        change.carry_out(&submission, &comparison, ui).await?;
    }
    let changed = changes.iter().map(|change| format!("  {change}"));
    changed.for_each(|line| ui.status(line));
    let (ending, back) = history.ending(&object, namespace, &target, is_another);
    ui.status(ending);
    back.iter().for_each(|back| ui.suggest(back));
    if output.is_some() {
        let report = diff::report("RollbackReport", &cluster, namespace, &changes);
        RollbackReport { report, version }.print(output, wait.is_some(), ui)?;
    }
    let Some(wait) = wait else {
        return Ok(());
    };
    let subject = FollowedWorkload::named(kind, namespace, &wanted.name);
    wait.attend(cluster, subject, ui).await
}

impl RollbackReport<'_> {
    /// Writes it for programs: on one line where events follow, a line each.
    fn print(&self, output: Option<Format>, is_followed: bool, ui: Ui) -> Result<(), CommandError> {
        let text = match document(self, output) {
            Some(text) if !is_followed => text,
            _ => json_line(self),
        };
        ui.data(&text).map_err(cannot_write)
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
    rollback::check(kind, &object)?;
    let resource = existing::resource(kind, kind.api_version());
    let old = cluster.find(&resource, namespace, &wanted.name).await?;
    let old = old.ok_or_else(|| rollback::gone(&object))?;
    Ok((kind, old))
}

fn digest_of(workload: &Manifest) -> Option<&str> {
    workload.annotation(keys::DIGEST_ANNOTATION)
}

/// Checks that the workload can become in place what it was, and decides in which
/// order its pods change.
async fn order(
    cluster: &Cluster,
    settings: &Merged,
    kind: WorkloadKind,
    old: &Existing,
    manifests: &mut ManifestSet,
) -> Result<Option<Rollout>, CommandError> {
    let workload = &manifests.workload;
    if let Some(relation) = in_place_block(workload, old.object()) {
        return Err(CommandError::new(
            ErrorClass::Conflict,
            format!(
                "{} cannot be rolled back to that version: it {}",
                workload.display_name(),
                relation.words()
            ),
        )
        .hint("deploy the version you want with --replace"));
    }
    let (WorkloadKind::Deployment, Some(running)) = (kind, old.running()) else {
        return Ok(None);
    };
    let facts = facts::of_nodes(cluster, "").await?;
    let may_pause = is_on(&settings.allow_downtime);
    let rollout = Rollout::of_manifest(workload.value(), running, &facts, may_pause);
    manifests.workload.set_rollout(rollout);
    Ok(Some(rollout))
}

/// A rollback, for programs.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Serialize)]
struct RollbackReport<'a> {
    #[serde(flatten)]
    report: ChangeReport<'a, Difference>,
    /// The version that is served now.
    version: &'a str,
}

#[cfg(test)]
crate::schema::testing::report_schemas!(RollbackReport<'static> => "RollbackReport", ChangeReport<'static, Difference> => "DiffReport");
