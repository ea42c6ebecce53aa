//! `kaiwo submit`.

use crate::cli::SubmitArgs;
use crate::error::CommandError;
use crate::plan::Refusal;
use crate::plan::name::WorkloadKind;
use crate::plan::request::WorkloadRequest;
use crate::plan::serving::Serving;
use crate::settings::{Merged, OutputFormat};
use crate::ui::Ui;

use super::request::{DEFAULT_QUEUE, Intent};
use super::{launch, request, sources};

/// Submits what `args` ask for.
pub fn run(
    args: &SubmitArgs,
    ui: Ui,
    output: &mut Option<OutputFormat>,
) -> Result<(), CommandError> {
    launch::run(&args.workload, settings(args), ui, output, |settings| {
        request(args, settings, ui)
    })
}

/// Merges what `args` say with the other sources.
pub fn settings(args: &SubmitArgs) -> Result<Merged, CommandError> {
    let typed = args.settings(|name| std::env::var(name).ok())?;
    sources::merged(typed, args.workload.path.as_deref())
}

/// Makes the request of `args` and `settings`, reading the directory.
pub fn request(
    args: &SubmitArgs,
    settings: &Merged,
    ui: Ui,
) -> Result<WorkloadRequest, CommandError> {
    let queue = settings.queue.as_ref().map(|queue| queue.value.as_str());
    let intent = Intent {
        kind: kind(settings)?,
        queue: Some(queue.unwrap_or(DEFAULT_QUEUE).to_owned()),
        serving: Serving::default(),
    };
    request::request(&args.workload, intent, settings, ui)
}

fn kind(settings: &Merged) -> Result<WorkloadKind, Refusal> {
    match (
        &settings.schedule,
        settings.ray.as_ref().filter(|ray| ray.value.0),
    ) {
        (None, None) => Ok(WorkloadKind::Job),
        (None, Some(_)) => Ok(WorkloadKind::RayJob),
        (Some(_), None) => Ok(WorkloadKind::CronJob),
        (Some(schedule), Some(ray)) => Err(Refusal::new(format!(
            "only Jobs are started by a schedule (from {}), not RayJobs (ray, from {})",
            schedule.origin, ray.origin
        ))
        .hint("leave --schedule away, or add --ray=false")),
    }
}
