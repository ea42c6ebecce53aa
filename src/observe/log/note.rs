//! What is to be known about a workload's logs beside their lines.

use std::collections::HashSet;
use std::fmt;

use super::super::kind::rules;
use super::super::snapshot::Snapshot;
use super::super::trouble::TroubleKind;
use crate::api::pod::Pod;
use crate::api::workload::Details;
use crate::kind::WorkloadKind;

/// Something that is told beside the lines, never among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogNote {
    /// The kubelet's own words, which it sends where the log would be.
    Node { pod: String, words: String },
    /// A log cannot be read at the moment.
    Stalled { pod: String, why: String },
    /// The pod's node does not answer.
    NodeLost { pod: String, node: String },
    /// It can be read again.
    Resumed { pod: String },
    /// A container was started again; for so many times now.
    Restarted {
        pod: String,
        /// How often.
        times: i64,
    },
    /// Another pod does the same work from now on.
    Replaced {
        pod: String,
        /// Which attempt it is, and of how many, if one before it has failed.
        attempt: Option<(i64, i64)>,
    },
    /// A container has no line.
    Silent {
        pod: String,
        container: String,
        /// Why.
        silence: Silence,
    },
    /// The index of an Indexed Job whose pods are gone.
    Lost { index: u64 },
}

/// Why there is no line of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Silence {
    /// The runtime could not start it, in these words.
    NeverStarted(String),
    /// It runs.
    SoFar,
    /// It has ended.
    Ended,
}

impl fmt::Display for LogNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node { pod, words } => write!(f, "pod {pod}: its node reports: {words}"),
            Self::Stalled { pod, why } => {
                write!(f, "pod {pod}: cannot read its log: {why}; retrying")
            }
            Self::NodeLost { pod, node } => write!(
                f,
                "pod {pod}: its node {node} is not responding; the log continues when it is back"
            ),
            Self::Resumed { pod } => write!(f, "pod {pod}: its log can be read again"),
            Self::Restarted { pod, times } => {
                write!(f, "pod {pod}: the container was restarted ({times})")
            }
            Self::Replaced {
                pod,
                attempt: Some((attempt, of)),
            } => write!(f, "attempt {attempt} of {of}, pod {pod}"),
            Self::Replaced { pod, attempt: None } => write!(f, "continues with pod {pod}"),
            Self::Silent {
                pod,
                container,
                silence,
            } => match silence {
                Silence::NeverStarted(why) => {
                    write!(f, "pod {pod}: container {container} never started: {why}")
                }
                Silence::SoFar => write!(f, "pod {pod}: no output yet"),
                Silence::Ended => write!(
                    f,
                    "pod {pod}: its log is empty: it printed nothing, or its node rotated the log and kept only the newest file"
                ),
            },
            Self::Lost { index } => {
                write!(f, "the pod with index {index} and its log are gone")
            }
        }
    }
}

impl LogNote {
    /// Says why a container has written nothing.
    pub fn silent(pod: &Pod, container: &str) -> Self {
        let ended = pod.container_status(container).and_then(|status| {
            // One that is to be started again waits for that.
            let before = status.last_state.terminated.as_ref();
            let before = before.filter(|_| status.state.running.is_none());
            status.state.terminated.as_ref().or(before)
        });
        let never_started = |reason: &str| matches!(reason, "StartError" | "ContainerCannotRun");
        let silence = match ended {
            Some(ended) if never_started(&ended.reason) => {
                Silence::NeverStarted(match ended.message.as_str() {
                    "" => format!("{}, exit code {}", ended.reason, ended.exit_code),
                    message => cause_of_start(message).to_owned(),
                })
            }
            Some(_) => Silence::Ended,
            None => Silence::SoFar,
        };
        Self::Silent {
            pod: pod.name().to_owned(),
            container: container.to_owned(),
            silence,
        }
    }
}

/// Returns what went wrong of a runtime's words about a start (containerd and
/// runc): `failed to create containerd task: failed to create shim task: OCI
/// runtime create failed: runc create failed: unable to start container
/// process: error during container init: exec: "x": executable file not found
/// in $PATH: unknown`.
fn cause_of_start(message: &str) -> &str {
    let message = message.trim();
    let begins = message.find("exec: \"").or_else(|| message.find("exec "));
    let cause = begins.map_or(message, |begins| &message[begins..]);
    cause.strip_suffix(": unknown").unwrap_or(cause)
}

impl Snapshot {
    /// Returns the indexes of an Indexed Job that has ended whose pods are gone,
    /// but for those of `read`: when one pod fails the Job, the others are
    /// deleted, and perhaps the one that made it fail among them.
    pub fn lost_indexes(&self, read: &HashSet<u64>) -> Vec<LogNote> {
        let Details::Job(spec, _) = &self.workload.details else {
            return Vec::new();
        };
        // Of the others no pod is read then.
        if self.index.is_some() {
            return Vec::new();
        }
        let present: HashSet<u64> = self.pods().iter().filter_map(Pod::index).collect();
        let all = spec.pods();
        let has_begun_all = spec.completions == Some(all);
        let is_over = rules(&self.workload).is_over(self.standing().status);
        if present.is_empty() || !has_begun_all || !is_over {
            return Vec::new();
        }
        (0..u64::try_from(all).unwrap_or_default())
            .filter(|index| !present.contains(index) && !read.contains(index))
            .map(|index| LogNote::Lost { index })
            .collect()
    }

    /// Returns which attempt at a Job of one pod its present pod is, and how
    /// many there may be; `None` if none has failed yet.
    pub fn attempt(&self) -> Option<(i64, i64)> {
        let Details::Job(spec, status) = &self.workload.details else {
            return None;
        };
        let failed = self
            .pods()
            .iter()
            .filter(|pod| pod.status.phase == "Failed");
        let failed = i64::try_from(failed.count()).ok()?.max(status.failed);
        // 6 is what the API server puts there (batch/v1, `backoffLimit`).
        let of = spec.backoff_limit.unwrap_or(6) + 1;
        (failed > 0 && failed < of && spec.pods() == 1).then_some((failed + 1, of))
    }

    /// Returns the first of these pods that does not get past a container that
    /// runs before the others, and that one.
    pub fn failing_init<'p>(&self, pods: &[&'p Pod]) -> Option<(&'p Pod, String)> {
        pods.iter().find_map(|pod| {
            let trouble = pod.trouble(&self.known())?;
            (trouble.kind == TroubleKind::Init).then_some((*pod, trouble.container?))
        })
    }

    /// Returns one of these pods whose container does not pass on what the
    /// applications of a RayService print: Ray writes that to files, and kaiwo's
    /// template, since 0.1.0, has a hook that reads them.
    pub fn keeps_own_log<'p>(&self, pods: &[&'p Pod]) -> Option<&'p Pod> {
        let is_service = self.workload.kind == WorkloadKind::RayService;
        let keeps = |pod: &&&Pod| {
            let container = pod.spec.containers.first();
            container.is_some_and(|container| container.lifecycle.post_start.is_none())
        };
        let mut own = pods.iter().filter(keeps).filter(|_| is_service);
        // Replicas are on the workers, as far as there are any.
        let worker = own.clone().find(|pod| !pod.is_head());
        worker.or_else(|| own.next()).copied()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::Readable;
    use crate::api::workload::Workload;

    fn job(spec: Value, status: Value, pods: Vec<Value>) -> Snapshot {
        let object = json!({"metadata": {"name": "x"}, "spec": spec, "status": status});
        let pods = pods
            .into_iter()
            .map(|pod| serde_json::from_value(pod).unwrap());
        Snapshot::new(
            Workload::read(WorkloadKind::Job, "batch/v1", &object).unwrap(),
            Readable::Known(pods.collect()),
            Default::default(),
        )
    }

    fn pod(phase: &str, index: Option<u64>) -> Value {
        let mut pod = json!({"metadata": {"name": "x-0"}, "status": {"phase": phase}});
        if let Some(index) = index {
            pod["metadata"]["labels"] =
                json!({"batch.kubernetes.io/job-completion-index": index.to_string()});
        }
        pod
    }

    #[test]
    fn an_index_whose_pod_was_deleted_is_named() {
        let spec = json!({"completions": 3, "parallelism": 3, "completionMode": "Indexed"});
        let failed = json!({"conditions": [{"type": "Failed", "status": "True"}]});
        let pods = || vec![pod("Failed", Some(0)), pod("Failed", Some(2))];
        let lost = |spec: &Value, status: &Value, pods, read: &[u64]| {
            let snapshot = job(spec.clone(), status.clone(), pods);
            let read = read.iter().copied().collect();
            let lost = snapshot.lost_indexes(&read).into_iter();
            lost.map(|note| note.to_string()).collect::<Vec<String>>()
        };
        assert_eq!(
            lost(&spec, &failed, pods(), &[]),
            ["the pod with index 1 and its log are gone"]
        );
        // Only the pods of one task were read.
        let mut one = job(spec.clone(), failed.clone(), pods());
        one.index = Some(0);
        assert!(one.lost_indexes(&HashSet::new()).is_empty());
        // Who has followed it has read it.
        assert!(lost(&spec, &failed, pods(), &[1]).is_empty());
        // Its pod may have yet to come.
        assert!(lost(&spec, &json!({"active": 2}), pods(), &[]).is_empty());
        let in_turn = json!({"completions": 3, "parallelism": 2});
        assert!(lost(&in_turn, &failed, pods(), &[]).is_empty());
        // Of a Job without indexes all pods are alike.
        let plain = vec![pod("Failed", None)];
        assert!(lost(&spec, &failed, plain, &[]).is_empty());
    }

    #[test]
    fn attempts_are_counted_from_the_failed_ones() {
        let attempt = |limit: Value, failed: i64, pods: Vec<Value>| {
            let mut spec = json!({"completions": 1, "parallelism": 1});
            spec["backoffLimit"] = limit;
            job(spec, json!({"failed": failed}), pods).attempt()
        };
        assert_eq!(attempt(json!(2), 0, vec![pod("Running", None)]), None);
        assert_eq!(attempt(json!(2), 1, vec![]), Some((2, 3)));
        // The pod may be seen before it is counted.
        let pods = || vec![pod("Failed", None), pod("Pending", None)];
        assert_eq!(attempt(json!(2), 0, pods()), Some((2, 3)));
        assert_eq!(attempt(Value::Null, 0, pods()), Some((2, 7)));
        assert_eq!(attempt(json!(1), 2, pods()), None);
    }

    #[test]
    fn what_never_started_is_told_from_what_printed_nothing() {
        let silence = |state: Value| {
            let pod = json!({
                "metadata": {"name": "x-0"},
                "status": {"containerStatuses": [{"name": "main", "state": state}]},
            });
            let pod: Pod = serde_json::from_value(pod).unwrap();
            LogNote::silent(&pod, "main").to_string()
        };
        let message = "failed to create containerd task: failed to create shim task: OCI runtime \
                       create failed: runc create failed: unable to start container process: \
                       error during container init: exec: \"nosuchprog\": executable file not \
                       found in $PATH: unknown";
        let ended = json!({"exitCode": 128, "reason": "StartError", "message": message});
        assert_eq!(
            silence(json!({"terminated": ended})),
            "pod x-0: container main never started: exec: \"nosuchprog\": executable file not \
             found in $PATH"
        );
        let ended = silence(json!({"terminated": {"exitCode": 0, "reason": "Completed"}}));
        assert!(ended.starts_with("pod x-0: its log is empty: "), "{ended}");
        let runs = silence(json!({"running": {}}));
        let loops = json!({"metadata": {"name": "x-0"}, "status": {"containerStatuses": [{
            "name": "main", "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 128, "reason": "StartError"}}}]}});
        let loops: Pod = serde_json::from_value(loops).unwrap();
        assert_eq!(
            LogNote::silent(&loops, "main").to_string(),
            "pod x-0: container main never started: StartError, exit code 128"
        );
        assert_eq!(runs, "pod x-0: no output yet");
    }
}
