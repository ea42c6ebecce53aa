//! Checks how an array is run: what the other settings say of it.

use super::is_on;
use crate::plan::Refusal;
use crate::plan::request::WorkloadRequest;
use crate::settings::{DryRun, Merged};
use crate::suggestion::kaiwo;

/// Checks what the other settings say of an array.
///
/// # Errors
/// [`Refusal`] for what excludes each other.
pub fn check(request: &WorkloadRequest, settings: &Merged, dry_run: DryRun) -> Result<(), Refusal> {
    let Some(array) = &request.array else {
        return Ok(());
    };
    if dry_run == DryRun::None && is_on(&settings.follow) {
        return Err(Refusal::new(format!(
            "--follow shows one log, and {} tasks have a log each",
            array.tasks.count()
        ))
        .hint("use --wait instead, and then kaiwo logs with --index or --failed"));
    }
    if !array.only_failed {
        return Ok(());
    }
    if dry_run == DryRun::Client {
        return Err(Refusal::new(
            "--only-failed reads from the cluster which tasks failed, but a client dry run contacts none",
        )
        .hint("use --dry-run=server"));
    }
    if is_on(&settings.generate_name) {
        return Err(Refusal::new(
            "--only-failed and --generate-name exclude each other: the array that failed is found by its name",
        )
        .hint("remove --generate-name: the tasks that failed run as NAME-2, NAME-3 and so on"));
    }
    Ok(())
}

/// Refuses to run the tasks again of an array that was never submitted.
pub fn no_earlier_run(request: &WorkloadRequest) -> Refusal {
    let name = request.display_name();
    Refusal::new(format!(
        "{name} does not exist in namespace {}, so no task of it has failed",
        request.namespace
    ))
    .about(name)
    .hint(kaiwo("list -n {}", &[&request.namespace]).to("list workloads"))
    .hint("without --only-failed all tasks run")
}
