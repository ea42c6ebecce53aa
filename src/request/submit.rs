//! Builds what `kaiwo submit` asks for.

use super::build::build;
use super::{DEFAULT_QUEUE, Intent, Note, Typed, kaito, keeps_storage, preloads, word};
use crate::error::CommandError;
use crate::kind::WorkloadKind;
use crate::plan::Refusal;
use crate::plan::request::WorkloadRequest;
use crate::plan::request::service_settings::Serving;
use crate::settings::Merged;

/// Builds the request of what was typed and `settings`.
///
/// # Errors
/// [`CommandError`] for what cannot be read or be submitted.
pub fn request(
    typed: Typed<'_>,
    settings: &Merged,
    notes: &mut Vec<Note>,
) -> Result<WorkloadRequest, CommandError> {
    if let Some(serving) = kaito::tuned(typed, settings, notes)? {
        return tuning(typed, settings, serving, notes);
    }
    let queue = word(&settings.queue);
    let intent = Intent {
        kind: kind(settings)?,
        queue: Some(queue.unwrap_or_else(|| DEFAULT_QUEUE.to_owned())),
        serving: Serving {
            keep_storage: keeps_storage(settings)?,
            ..preloads(settings)?
        },
        session: None,
        script: None,
    };
    build(typed, intent, settings, notes)
}

/// Builds the request of a model that is tuned, as a Workspace that no queue
/// admits.
fn tuning(
    typed: Typed<'_>,
    settings: &Merged,
    serving: Serving,
    notes: &mut Vec<Note>,
) -> Result<WorkloadRequest, CommandError> {
    let given = [
        (typed.path.is_some(), "a directory", "-p"),
        (!typed.command.is_empty(), "a command", "--"),
    ];
    if let Some((_, what, flag)) = given.iter().find(|(given, ..)| *given) {
        return Err(Refusal::new(format!(
            "KAITO tunes a model with its own program, without {what}"
        ))
        .hint(format!("remove {flag}; --tune-input sets the data"))
        .into());
    }
    let intent = Intent {
        kind: WorkloadKind::Workspace,
        queue: None,
        serving,
        session: None,
        script: None,
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
    build(typed, intent, &settings, notes)
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
            "a schedule (from {}) can only start Jobs, not RayJobs (ray, from {})",
            schedule.origin, ray.origin
        ))
        .hint("remove --schedule, or add --ray=false")),
    }
}
