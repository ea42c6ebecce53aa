//! Prints what `kaiwo serve` would change.

use crate::change::comparison::Change;
use crate::cluster::Cluster;
use crate::cluster::submission::comparison::{Comparison, Difference};
use crate::error::{CommandError, ErrorClass};
use crate::settings::{DryRun, Format};
use crate::ui::Ui;
use crate::ui::report::{API_VERSION, ChangeReport};

use crate::cmd::help::cannot_write;

/// Checks that differences can be printed in the form that was asked for.
pub fn check_form(dry_run: DryRun, output: Option<Format>) -> Result<(), CommandError> {
    if dry_run != DryRun::None {
        return Err(CommandError::new(
            ErrorClass::Usage,
            "--diff already changes nothing, and cannot be combined with a dry run",
        )
        .hint("unset KAIWO_DRY_RUN, or remove dryRun from your config"));
    }
    // Of what is submitted, YAML is the manifests.
    let is_report = |format: Format| format.is_document() && format != Format::Yaml;
    match output.is_none_or(is_report) {
        true => Ok(()),
        false => Err(CommandError::new(
            ErrorClass::Usage,
            "--diff prints lines, or JSON with -o json",
        )
        .hint("remove -o")),
    }
}

/// Says what an update changes, the first of it in full. Of the workload itself the
/// places are enough.
pub fn tell(comparison: &Comparison<'_>, ui: Ui) {
    const MOST: usize = 12;
    let own = comparison.workload.changes.iter().map(Change::to_string);
    let others = comparison.differences();
    let others = others
        .iter()
        .filter(|it| it.path.is_some() || it.change == "removed")
        .filter(|it| it.object != comparison.workload.display_name());
    let lines: Vec<String> = own.chain(others.map(Difference::to_string)).collect();
    for line in lines.iter().take(MOST) {
        ui.status(format!("  {line}"));
    }
    match lines.len().saturating_sub(MOST) {
        0 => {}
        1 => ui.status("  and 1 more change"),
        more => ui.status(format!("  and {more} more changes")),
    }
}

/// Prints differences: lines for people and `grep`, or JSON.
pub fn print(
    cluster: &Cluster,
    namespace: &str,
    changes: &[Difference],
    output: Option<Format>,
    ui: Ui,
) -> Result<(), CommandError> {
    if changes.is_empty() {
        ui.status("  no changes");
    }
    let report = report("DiffReport", cluster, namespace, changes);
    let lines = changes.iter().map(|change| format!("{change}\n"));
    ui.show(&report, output, || lines.collect())
        .map_err(cannot_write)
}

/// Returns changes for programs.
pub fn report<'a>(
    kind: &'static str,
    cluster: &'a Cluster,
    namespace: &'a str,
    changes: &'a [Difference],
) -> ChangeReport<'a, Difference> {
    ChangeReport {
        api_version: API_VERSION,
        kind,
        context: cluster.context(),
        namespace,
        changes,
        warnings: cluster.warnings(),
    }
}
