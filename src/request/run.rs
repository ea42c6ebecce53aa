//! Builds what `kaiwo run` asks for: a Job of one attempt with someone attached.

use std::path::Path;

use super::build::build;
use super::{DEFAULT_QUEUE, Intent, Note, Typed, preloads, word};
use crate::error::CommandError;
use crate::kind::WorkloadKind;
use crate::plan::Refusal;
use crate::plan::request::WorkloadRequest;
use crate::plan::request::session::{IDLE, Session};
use crate::settings::{DryRun, Merged, Sourced};
use crate::suggestion::Suggestion;

/// Least seconds without anyone attached: two heartbeats.
const SHORTEST: i64 = 10;

/// How it is attached to.
#[derive(Debug)]
pub struct Attached<'a> {
    /// Script to upload instead of a directory.
    pub script: Option<&'a Path>,
    /// Whether it has a terminal.
    pub tty: bool,
    /// Whether it reads what is piped to kaiwo.
    pub piped: bool,
    /// How to submit what cannot be attached to.
    pub submission: Suggestion,
}

/// Builds the request of what was typed and `settings`.
///
/// # Errors
/// [`CommandError`] for what cannot be read, submitted or attached to.
pub fn request(
    typed: Typed<'_>,
    attached: Attached<'_>,
    settings: &Merged,
    notes: &mut Vec<Note>,
) -> Result<WorkloadRequest, CommandError> {
    if let Some(ray) = settings.ray.as_ref().filter(|ray| ray.value.0) {
        let refusal = Refusal::new(format!(
            "kaiwo run only starts Jobs, not RayJobs (ray, from {})",
            ray.origin
        ));
        let without = "or use a Job here: add --ray=false";
        return Err(refusal.hint(attached.submission).hint(without).into());
    }
    if let Some(Sourced { value: 2.., origin }) = &settings.replicas {
        let refusal = Refusal::new(format!(
            "kaiwo run attaches to one pod (replicas, from {origin})"
        ));
        return Err(refusal.hint(attached.submission).into());
    }
    let script = match attached.script {
        Some(path) => Some(typed.inputs.script(path)?),
        None => None,
    };
    if let Some(path) = typed.path
        && typed.inputs.template(Some(path), None)?.is_some()
    {
        notes.push(Note::Status(
            "  not used: template (kaiwo run has its own)".to_owned(),
        ));
    }
    let idle = settings.idle.as_ref();
    if let Some(Sourced { value, origin }) = idle.filter(|idle| idle.value.0 < SHORTEST) {
        return Err(Refusal::new(format!(
            "invalid idle time {value} (from {origin}): must be at least {SHORTEST}s"
        ))
        .hint("try --idle 10m")
        .into());
    }
    let idle = idle.map(|idle| idle.value);
    let is_dry = settings
        .dry_run
        .as_ref()
        .is_some_and(|how| how.value != DryRun::None);
    let session = Session {
        // What is only printed can be compared.
        id: match is_dry {
            true => String::new(),
            false => typed.inputs.random_word(12),
        },
        tty: attached.tty,
        piped: attached.piped,
        idle: idle.or(attached.tty.then_some(IDLE)),
        submission: attached.submission,
    };
    // What files say of workloads that are submitted.
    let settings = Merged {
        template: None,
        custom_config: None,
        set: [].into(),
        schedule: None,
        time_zone: None,
        generate_name: None,
        ..settings.clone()
    };
    let queue = word(&settings.queue);
    let intent = Intent {
        kind: WorkloadKind::Job,
        queue: Some(queue.unwrap_or_else(|| DEFAULT_QUEUE.to_owned())),
        serving: preloads(&settings)?,
        session: Some(session),
        script,
    };
    build(typed, intent, &settings, notes)
}
