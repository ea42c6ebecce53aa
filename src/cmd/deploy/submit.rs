//! `kaiwo submit`.

use crate::cli::SubmitArgs;
use crate::error::CommandError;
use crate::kind::WorkloadKind;
use crate::plan::Refusal;
use crate::plan::request::WorkloadRequest;
use crate::plan::request::service_settings::Serving;
use crate::settings::{Merged, OutputFormat};
use crate::ui::Ui;

use super::request::Intent;
use super::{kaito, request};
use crate::cmd::sources::DEFAULT_QUEUE;
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
        |settings| request(args, settings, ui),
    )
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
    if let Some(serving) = kaito::of_tuning(settings)? {
        return tuning(args, settings, serving, ui);
    }
    let queue = settings.queue.as_ref().map(|queue| queue.value.as_str());
    let intent = Intent {
        kind: kind(settings)?,
        queue: Some(queue.unwrap_or(DEFAULT_QUEUE).to_owned()),
        serving: Serving::default(),
    };
    request::request(&args.workload, intent, settings, ui)
}

/// Makes the request of a model that is tuned, as a Workspace that no queue
/// admits.
fn tuning(
    args: &SubmitArgs,
    settings: &Merged,
    serving: Serving,
    ui: Ui,
) -> Result<WorkloadRequest, CommandError> {
    let given = [
        (args.workload.path.is_some(), "a directory", "-p"),
        (!args.workload.command.is_empty(), "a command", "--"),
    ];
    if let Some((_, what, flag)) = given.iter().find(|(given, ..)| *given) {
        return Err(Refusal::new(format!(
            "KAITO tunes a model with a program of its own, without {what}"
        ))
        .hint(format!("leave {flag} away; --tune-input names the data"))
        .into());
    }
    let intent = Intent {
        kind: WorkloadKind::Workspace,
        queue: None,
        serving,
    };
    // What a user's file says of other workloads.
    let settings = Merged {
        image: None,
        gpus: None,
        replicas: None,
        gpus_per_replica: None,
        priority_class: None,
        schedule: None,
        ..settings.clone()
    };
    request::request(&args.workload, intent, &settings, ui)
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
