//! `kaiwo submit`.

use crate::cli::SubmitArgs;
use crate::error::CommandError;
use crate::plan::request::WorkloadRequest;
use crate::request;
use crate::settings::{Format, Merged};
use crate::ui::Ui;

use super::inputs;
use crate::cmd::{deploy, sources};

/// Submits what `args` ask for.
pub fn run(args: &SubmitArgs, ui: Ui, output: &mut Option<Format>) -> Result<(), CommandError> {
    deploy::run(
        &args.submission,
        false,
        settings(args),
        ui,
        output,
        |settings| self::request(args, settings, ui),
    )
}

/// Merges what `args` say with the other sources.
pub fn settings(args: &SubmitArgs) -> Result<Merged, CommandError> {
    let workload = &args.workload;
    let typed = workload.with_env(&args.settings.0, |name| std::env::var(name).ok())?;
    sources::merged(typed, workload.path.as_deref(), &args.submission.connection)
}

/// Builds the request of `args` and `settings`, reading the directory.
pub fn request(
    args: &SubmitArgs,
    settings: &Merged,
    ui: Ui,
) -> Result<WorkloadRequest, CommandError> {
    inputs::request(&args.workload, settings, ui, request::submit::request)
}
