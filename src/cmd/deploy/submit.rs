//! `kaiwo submit`.

use crate::cli::SubmitArgs;
use crate::error::CommandError;
use crate::plan::request::WorkloadRequest;
use crate::request;
use crate::settings::{Merged, OutputFormat};
use crate::ui::Ui;

use super::inputs;
use crate::cmd::{deploy, sources};

/// Submits what `args` ask for.
pub fn run(
    args: &SubmitArgs,
    ui: Ui,
    output: &mut Option<OutputFormat>,
) -> Result<(), CommandError> {
    deploy::run(
        &args.workload,
        false,
        settings(args),
        ui,
        output,
        |settings| self::request(args, settings, ui),
    )
}

/// Merges what `args` say with the other sources.
pub fn settings(args: &SubmitArgs) -> Result<Merged, CommandError> {
    let typed = args.settings(|name| std::env::var(name).ok())?;
    sources::merged(typed, args.workload.path.as_deref())
}

/// Builds the request of `args` and `settings`, reading the directory.
pub fn request(
    args: &SubmitArgs,
    settings: &Merged,
    ui: Ui,
) -> Result<WorkloadRequest, CommandError> {
    inputs::request(&args.workload, settings, ui, request::submit::request)
}
