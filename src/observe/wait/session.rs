//! How a session of `kaiwo run` ends, by its one pod.

use crate::api::condition::holds;
use crate::api::pod::Pod;
use crate::observe::snapshot::Snapshot;

/// Condition of a pod that was taken off its node (core/v1 `DisruptionTarget`).
const DISRUPTION: &str = "DisruptionTarget";

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEnd {
    /// By itself.
    Exited {
        /// Exit code of its container.
        code: u8,
        /// What more is said of it: `OOMKilled`; may be empty.
        reason: String,
    },
    /// Its pod was taken away, and this is why.
    Taken(String),
}

impl Snapshot {
    /// Returns how a session ended whose pod has this UID; nothing while it runs.
    pub fn session_end(&self, uid: &str) -> Option<SessionEnd> {
        let Some(pod) = self.pods().iter().find(|pod| pod.metadata.uid == uid) else {
            return Some(SessionEnd::Taken(self.why_taken(None)));
        };
        let mut containers = pod.status.container_statuses.iter();
        let ended = containers.find_map(|container| container.state.terminated.as_ref());
        let is_taken = holds(&pod.status.conditions, DISRUPTION).is_some()
            || self.standing().status.is_waiting();
        match ended {
            Some(_) if is_taken => Some(SessionEnd::Taken(self.why_taken(Some(pod)))),
            Some(ended) => Some(SessionEnd::Exited {
                code: u8::try_from(ended.exit_code & 0xff).unwrap_or(1),
                reason: match ended.reason.as_str() {
                    "Completed" | "Error" => String::new(),
                    reason => reason.to_owned(),
                },
            }),
            None if pod.has_ended() => Some(SessionEnd::Taken(self.why_taken(Some(pod)))),
            None => None,
        }
    }

    fn why_taken(&self, pod: Option<&Pod>) -> String {
        let standing = self.standing();
        let disruption = pod.and_then(|pod| holds(&pod.status.conditions, DISRUPTION));
        let status = pod.map_or("", |pod| pod.status.message.as_str());
        match (standing.status.is_waiting(), disruption) {
            (true, _) if !standing.reason.is_empty() => standing.reason,
            (_, Some(disruption)) => disruption.words().to_owned(),
            _ if !status.is_empty() => status.to_owned(),
            _ => "its pod was deleted".to_owned(),
        }
    }
}
