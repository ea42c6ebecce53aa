//! A command that someone is attached to: what `kaiwo run` starts.

use serde::Serialize;

use crate::plan::Refusal;
use crate::plan::gpu::GpuLayout;
use crate::suggestion::Suggestion;
use crate::time::Seconds;

/// Time without anyone attached after which a session with a terminal is ended, and in
/// which someone must attach at the start.
pub const IDLE: Seconds = Seconds(600);
/// Time after its end at which a session is deleted: enough to read its exit code, also
/// for whoever comes back at that moment.
pub const TTL: Seconds = Seconds(60);

/// Starts the best shell of an image.
pub const SHELL: [&str; 3] = [
    "sh",
    "-c",
    "if command -v bash >/dev/null 2>&1; then exec bash; else exec sh; fi",
];

/// How a command is attached to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// What no other session has: two are never the same.
    pub id: String,
    /// Whether it has a terminal.
    pub tty: bool,
    /// Whether it reads what is piped to kaiwo, once and to its end.
    pub piped: bool,
    /// Time without anyone attached after which it is ended; never if absent.
    pub idle: Option<Seconds>,
    /// How to submit what cannot be attached to.
    #[serde(skip)]
    pub submission: Suggestion,
}

impl Session {
    /// Returns how long it waits for someone to attach at the start.
    pub fn patience(&self) -> Seconds {
        self.idle.unwrap_or(IDLE)
    }

    /// Checks that it has one pod.
    ///
    /// # Errors
    /// [`Refusal`] with the command that submits it.
    pub fn check(&self, layout: GpuLayout) -> Result<(), Refusal> {
        match layout.replicas {
            ..=1 => Ok(()),
            pods => Err(Refusal::new(format!(
                "kaiwo run attaches to one pod, but this would be {pods} pods with {} GPUs each",
                layout.gpus_per_replica
            ))
            .hint(self.submission.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_pods_are_to_be_submitted() {
        let session = Session {
            id: String::new(),
            tty: true,
            piped: false,
            idle: None,
            submission: "submit it".into(),
        };
        let layout = |replicas| GpuLayout {
            replicas,
            gpus_per_replica: 8,
        };
        assert_eq!(session.check(layout(1)), Ok(()));
        let refusal = session.check(layout(2)).unwrap_err();
        assert!(refusal.message.contains("2 pods with 8 GPUs"), "{refusal}");
        assert_eq!(refusal.hints, [Suggestion::from("submit it")]);
        assert_eq!(session.patience(), IDLE);
    }
}
