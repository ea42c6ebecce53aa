//! Reports the state of a workload that is waited for: a line for people, an
//! event for programs.

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::report::API_VERSION;
use crate::api::event;
use crate::api::pod::Pod;
use crate::observe::kind::ENDING;
use crate::observe::log::progress::Progress;
use crate::observe::{Snapshot, Standing, Status};

/// Returns the line that says how a workload fares: `queued at 3 of 7`,
/// `pulling the image on gpu-2`, `running, 2 of 2 pods`, `ending`.
pub fn line(snapshot: &Snapshot, standing: &Standing) -> String {
    let because = |words: &str| match standing.reason.as_str() {
        "" => words.to_owned(),
        reason => format!("{words}: {reason}"),
    };
    if snapshot.workload.metadata.deletion_timestamp.is_some() {
        return standing.reason.clone();
    }
    let pods: Vec<&Pod> = snapshot
        .pods()
        .iter()
        .filter(|pod| !pod.is_terminating() && !pod.has_ended())
        .collect();
    match standing.status {
        Status::Pending | Status::Preempted => {
            let place = match snapshot.position {
                Some(position) => format!("queued at {} of {}", position.place, position.of),
                None => "queued".to_owned(),
            };
            match standing.status {
                Status::Preempted => format!("{}, {place}", standing.reason),
                _ => because(&place),
            }
        }
        Status::Starting => match pulling_on(snapshot, &pods) {
            Some(node) => format!("pulling the image on {node}"),
            None => because("starting"),
        },
        Status::Running if standing.reason.starts_with(ENDING) => {
            standing.reason.replacen(ENDING, "ending", 1)
        }
        Status::Running if !pods.is_empty() && !snapshot.workload.is_array() => {
            let ready = pods.iter().filter(|pod| pod.is_ready()).count();
            because(&format!("running, {ready} of {} pods", pods.len()))
        }
        status => because(&status.name().to_lowercase()),
    }
}

/// Returns the node of the first pod that waits for its image.
fn pulling_on<'a>(snapshot: &Snapshot, pods: &[&'a Pod]) -> Option<&'a str> {
    let (known, events) = (snapshot.known(), snapshot.events());
    pods.iter()
        .filter(|pod| pod.trouble(&known).is_none() && !pod.is_ready())
        .filter(|pod| event::is_pulling(&pod.metadata.uid, events))
        .find_map(|pod| pod.node())
}

/// One state of a workload that is waited for (`-o json`), on one line.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitEvent<'a> {
    api_version: &'static str,
    kind: &'static str,
    time: String,
    /// `kind/name`.
    object: String,
    namespace: &'a str,
    status: Status,
    /// Why it is in this state; may be empty.
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<PositionReport>,
    /// How far it is, as its log says.
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<&'a Progress>,
    pods: Vec<PodReport<'a>>,
    #[serde(flatten)]
    end: Option<End>,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, PartialEq, Serialize)]
struct PositionReport {
    place: i64,
    of: i64,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct PodReport<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a str>,
    state: String,
    ready: bool,
    restarts: i64,
}

/// How waiting ended well.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct End {
    code: u8,
    class: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_exit_code: Option<u8>,
}

impl<'a> WaitEvent<'a> {
    /// Reports a state that was seen at a time.
    pub fn new(snapshot: &'a Snapshot, standing: &Standing, now: Timestamp) -> Self {
        let metadata = &snapshot.workload.metadata;
        let pod = |pod: &'a Pod| PodReport {
            name: &pod.metadata.name,
            node: pod.node(),
            state: pod.state(),
            ready: pod.is_ready(),
            restarts: pod.restarts(),
        };
        Self {
            api_version: API_VERSION,
            kind: "WaitEvent",
            time: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            object: snapshot.workload.display_name(),
            namespace: &metadata.namespace,
            status: standing.status,
            reason: standing.reason.clone(),
            position: snapshot
                .position
                .filter(|_| standing.status.is_waiting())
                .map(|position| PositionReport {
                    place: position.place,
                    of: position.of,
                }),
            progress: None,
            pods: snapshot.pods().iter().map(pod).collect(),
            end: None,
        }
    }

    /// Adds how far it is.
    #[must_use]
    pub fn at(mut self, progress: Option<&'a Progress>) -> Self {
        self.progress = progress;
        self
    }

    /// Makes it the last one: what was waited for has come.
    #[must_use]
    pub fn last(mut self) -> Self {
        self.end = Some(End {
            code: 0,
            class: "done",
            container_exit_code: (self.status == Status::Succeeded).then_some(0),
        });
        self
    }

    /// Returns everything but the time, to tell whether two are the same.
    pub fn state(&self) -> String {
        format!(
            "{} {} {:?} {:?} {:?}",
            self.status, self.reason, self.position, self.progress, self.pods
        )
    }
}

#[cfg(test)]
crate::schema::testing::report_schemas!(WaitEvent<'static> => "WaitEvent");
