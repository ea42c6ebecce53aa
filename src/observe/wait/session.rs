//! How a session of `kaiwo run` ends, by its one pod.

use crate::api::pod::Pod;
use crate::observe::snapshot::Snapshot;

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
        let is_taken = pod.disruption_target().is_some() || self.standing().status.is_waiting();
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
        let disruption = pod.and_then(Pod::disruption_target);
        let status = pod.map_or("", |pod| pod.status.message.as_str());
        match (standing.status.is_waiting(), disruption) {
            (true, _) if !standing.reason.is_empty() => standing.reason,
            (_, Some(disruption)) => disruption.words().to_owned(),
            _ if !status.is_empty() => status.to_owned(),
            _ => "its pod was deleted".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::Readable;
    use crate::api::workload::Workload;
    use crate::kind::WorkloadKind;

    fn snapshot(pods: &[Value]) -> Snapshot {
        let job = json!({"metadata": {"name": "x", "uid": "u"}});
        let pods = pods.iter().cloned();
        let pods = pods.map(|pod| serde_json::from_value(pod).unwrap());
        Snapshot::new(
            Workload::read(WorkloadKind::Job, "batch/v1", &job).unwrap(),
            Readable::Known(pods.collect()),
            Default::default(),
        )
    }

    #[test]
    fn a_session_ends_with_its_container_or_its_pod() {
        let pod = |state: Value, more: Value| {
            let mut pod = json!({"metadata": {"name": "x-a", "uid": "a"}, "status": {
                "phase": "Running", "containerStatuses": [{"name": "workload", "state": state}]}});
            for (key, value) in more.as_object().unwrap() {
                pod["status"][key] = value.clone();
            }
            pod
        };
        let ended =
            |code: i64, reason: &str| json!({"terminated": {"exitCode": code, "reason": reason}});
        let disrupted = json!({"conditions": [{"type": "DisruptionTarget", "status": "True",
            "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting"}]});
        let exited = |code, reason: &str| SessionEnd::Exited {
            code,
            reason: reason.to_owned(),
        };
        for (pod, expected) in [
            (pod(json!({"running": {}}), json!({})), None),
            (pod(ended(0, "Completed"), json!({})), Some(exited(0, ""))),
            (pod(ended(42, "Error"), json!({})), Some(exited(42, ""))),
            (
                pod(ended(137, "OOMKilled"), json!({})),
                Some(exited(137, "OOMKilled")),
            ),
            (
                pod(ended(143, "Error"), disrupted),
                Some(SessionEnd::Taken("Eviction API: evicting".to_owned())),
            ),
            (
                pod(
                    json!({}),
                    json!({"phase": "Failed", "message": "The node was low on memory"}),
                ),
                Some(SessionEnd::Taken("The node was low on memory".to_owned())),
            ),
        ] {
            assert_eq!(
                snapshot(std::slice::from_ref(&pod)).session_end("a"),
                expected,
                "{pod}"
            );
        }
        let gone = SessionEnd::Taken("its pod was deleted".to_owned());
        assert_eq!(snapshot(&[]).session_end("a"), Some(gone));
    }
}
