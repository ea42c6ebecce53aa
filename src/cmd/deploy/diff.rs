//! Prints what `kaiwo serve` would change.

use crate::change::comparison::Change;
use crate::cluster::Cluster;
use crate::cluster::submission::diff::Difference;
use crate::error::{CommandError, ErrorClass};
use crate::settings::{DryRun, OutputFormat};
use crate::ui::Ui;
use crate::ui::report::{self, API_VERSION, ChangeReport};

use crate::cmd::help::cannot_write;

/// Checks that differences can be printed in the form that was asked for.
pub fn check_form(dry_run: DryRun, output: Option<OutputFormat>) -> Result<(), CommandError> {
    if dry_run != DryRun::None {
        return Err(CommandError::new(
            ErrorClass::Usage,
            "--diff asks the cluster and changes nothing; a dry run besides says something else",
        )
        .hint("take KAIWO_DRY_RUN, or dryRun in your config, away"));
    }
    match output {
        Some(OutputFormat::Yaml | OutputFormat::Name) => Err(CommandError::new(
            ErrorClass::Usage,
            "differences are lines, or JSON with -o json",
        )
        .hint("leave -o away")),
        Some(OutputFormat::Json) | None => Ok(()),
    }
}

/// Says what an update changes, the first of it in full.
pub fn tell(changes: &[Change], ui: Ui) {
    const MOST: usize = 12;
    for change in changes.iter().take(MOST) {
        ui.status(format!("  {change}"));
    }
    match changes.len().saturating_sub(MOST) {
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
    output: Option<OutputFormat>,
    ui: Ui,
) -> Result<(), CommandError> {
    if changes.is_empty() {
        ui.status("  nothing would change");
    }
    let text = match output {
        Some(OutputFormat::Json) => {
            report::json(&report("DiffReport", cluster, namespace, changes))
        }
        _ => changes.iter().map(|change| format!("{change}\n")).collect(),
    };
    ui.data(&text).map_err(cannot_write)
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
    }
}
