//! `kaiwo serve`.

use crate::cli::ServeArgs;
use crate::error::CommandError;
use crate::plan::request::WorkloadRequest;
use crate::request;
use crate::settings::{Merged, OutputFormat};
use crate::ui::Ui;

use super::{inputs, rollback};
use crate::cmd::{deploy, sources};

/// Serves what `args` ask for.
pub fn run(
    args: &ServeArgs,
    ui: Ui,
    output: &mut Option<OutputFormat>,
) -> Result<(), CommandError> {
    let merged = settings(args);
    if let Some(workload) = &args.rollback {
        return rollback::run(args, workload, merged, ui, output);
    }
    deploy::run(&args.workload, args.diff, merged, ui, output, |settings| {
        self::request(args, settings, ui)
    })
}

/// Merges what `args` say with the other sources.
pub fn settings(args: &ServeArgs) -> Result<Merged, CommandError> {
    let typed = args.settings(|name| std::env::var(name).ok())?;
    sources::merged_for_service(typed, args.workload.path.as_deref())
}

/// Builds the request of `args` and `settings`, reading the directory.
pub fn request(
    args: &ServeArgs,
    settings: &Merged,
    ui: Ui,
) -> Result<WorkloadRequest, CommandError> {
    inputs::request(&args.workload, settings, ui, request::serve::request)
}
