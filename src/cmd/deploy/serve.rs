//! `kaiwo serve`.

use crate::cli::ServeArgs;
use crate::error::CommandError;
use crate::plan::request::WorkloadRequest;
use crate::request;
use crate::settings::{Format, Merged};
use crate::ui::Ui;

use super::{inputs, rollback};
use crate::cmd::{deploy, sources};

/// Serves what `args` ask for.
pub fn run(args: &ServeArgs, ui: Ui, output: &mut Option<Format>) -> Result<(), CommandError> {
    let merged = settings(args);
    if let Some(workload) = &args.rollback {
        return rollback::run(args, workload, merged, ui, output);
    }
    deploy::run(
        &args.submission,
        args.diff,
        merged,
        ui,
        output,
        |settings| self::request(args, settings, ui),
    )
}

/// Merges what `args` say with the other sources.
pub fn settings(args: &ServeArgs) -> Result<Merged, CommandError> {
    let workload = &args.workload;
    let typed = workload.with_env(&args.settings.0, |name| std::env::var(name).ok())?;
    sources::merged_for_service(typed, workload.path.as_deref(), &args.submission.connection)
}

/// Builds the request of `args` and `settings`, reading the directory.
pub fn request(
    args: &ServeArgs,
    settings: &Merged,
    ui: Ui,
) -> Result<WorkloadRequest, CommandError> {
    inputs::request(&args.workload, settings, ui, request::serve::request)
}
