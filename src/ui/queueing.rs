//! Reports what changing the queue, the priority or the activity of a workload did.

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::report::API_VERSION;
use super::span;
use crate::api::kueue_workload::{KueueWorkload, QueueState};
use crate::names::counted;
use crate::observe::Snapshot;
use crate::observe::snapshot::Position;
use crate::observe::status::Status;

/// Workloads that are named; the others are counted.
const NAMED: usize = 8;

/// Where a workload is in Kueue's queues.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The LocalQueue.
    pub queue: String,
    /// Its priority class, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_class: Option<String>,
    pub priority: i64,
    /// Whether Kueue may admit it.
    pub active: bool,
    pub status: Status,
    /// Where it waits, if it does and that can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

impl Place {
    /// Reads it from a snapshot, for the Workload that counts.
    pub fn new(snapshot: &Snapshot, queued: &KueueWorkload) -> Self {
        let active = queued.spec.active.unwrap_or(true);
        let holds_quota = matches!(
            queued.state(),
            QueueState::Admitted | QueueState::Reserved | QueueState::Finished
        );
        Self {
            queue: queued.spec.queue_name.clone(),
            priority_class: queued.spec.priority_class().map(str::to_owned),
            priority: queued.spec.priority,
            active,
            status: snapshot.standing().status,
            position: snapshot.position.filter(|_| active && !holds_quota),
        }
    }

    /// Returns `place 2 of 5`, or why it has none.
    pub fn text(&self) -> String {
        match self.position {
            Some(Position { place, of }) => format!("place {place} of {of}"),
            None if !self.active => "paused".to_owned(),
            None => match self.status {
                Status::Pending | Status::Preempted | Status::Suspended => {
                    "place unknown".to_owned()
                }
                status => status.name().to_owned(),
            },
        }
    }

    /// Returns the priority with its class.
    pub fn priority_text(&self) -> String {
        match &self.priority_class {
            Some(class) => format!("{} ({class})", self.priority),
            None => self.priority.to_string(),
        }
    }
}

/// How a change ended.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ChangeOutcome {
    /// Kueue has done it.
    Changed,
    /// It was so already.
    Unchanged,
    /// It was only checked.
    DryRun,
}

/// A workload that has to make room.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preempted {
    /// `kind/name`.
    pub workload: String,
    pub namespace: String,
    /// Who submitted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    pub gpus: i64,
    pub priority: i64,
    /// The ClusterQueue whose quota it holds.
    pub cluster_queue: String,
}

impl Preempted {
    /// Reads it from Kueue's Workload.
    pub fn new(queued: &KueueWorkload) -> Self {
        let admission = queued.status.admission.as_ref();
        Self {
            workload: queued.display_name(),
            namespace: queued.metadata.namespace.clone(),
            user: queued.user().map(str::to_owned),
            gpus: queued.gpus(),
            priority: queued.spec.priority,
            cluster_queue: admission.map_or_else(String::new, |it| it.cluster_queue.clone()),
        }
    }

    fn line(&self) -> String {
        let gpus = counted(self.gpus, "GPU");
        let user = self.user.as_ref().map(|user| format!(" of {user}"));
        format!(
            "    {} in namespace {}: {gpus}{}, priority {}, ClusterQueue {}",
            self.workload,
            self.namespace,
            user.unwrap_or_default(),
            self.priority,
            self.cluster_queue
        )
    }
}

/// Returns the lines about those who would be preempted.
pub fn preempted_lines(preempted: &[Preempted]) -> Vec<String> {
    let head = match preempted.len() {
        0 => return Vec::new(),
        1 => "  this workload would be preempted and requeued:".to_owned(),
        count => format!("  these {count} workloads would be preempted and requeued:"),
    };
    let mut lines = vec![head];
    lines.extend(preempted.iter().take(NAMED).map(Preempted::line));
    if preempted.len() > NAMED {
        lines.push(format!("    and {} more", preempted.len() - NAMED));
    }
    lines
}

/// What a change did, for programs.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueingReport<'a> {
    api_version: &'static str,
    kind: &'static str,
    /// The command.
    pub change: &'static str,
    /// How it ended.
    pub outcome: ChangeOutcome,
    /// Context of the cluster.
    pub context: &'a str,
    /// Namespace of the workload.
    pub namespace: &'a str,
    /// `kind/name`.
    pub workload: String,
    /// Since when it waits: Kueue orders equal priorities by that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued_at: Option<Timestamp>,
    /// Where it was.
    pub before: Place,
    /// Where it is; nothing after a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Place>,
    /// Who makes room for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub preempted: Vec<Preempted>,
    /// What could not be checked, and what the API server has warned of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl<'a> QueueingReport<'a> {
    /// Begins a report.
    pub fn new(
        change: &'static str,
        (context, namespace): (&'a str, &'a str),
        workload: String,
        before: Place,
    ) -> Self {
        Self {
            api_version: API_VERSION,
            kind: "QueueingReport",
            change,
            outcome: ChangeOutcome::Unchanged,
            context,
            namespace,
            workload,
            queued_at: None,
            before,
            after: None,
            preempted: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Returns the line with which it begins: how the workload is now.
    pub fn head(&self, gpus: i64, user: Option<&str>, now: Timestamp) -> String {
        let before = &self.before;
        let mut about = vec![before.status.name().to_owned()];
        about.extend((gpus != 0).then(|| counted(gpus, "GPU")));
        about.extend(user.map(|user| format!("of {user}")));
        about.push(format!("queue {}", before.queue));
        about.push(format!("priority {}", before.priority_text()));
        if before.position.is_some() {
            about.push(before.text());
        }
        about.extend(self.age(now).map(|age| format!("queued {age} ago")));
        format!("  {}: {}", self.workload, about.join(", "))
    }

    /// Returns the lines with which it ends.
    pub fn lines(&self, now: Timestamp) -> Vec<String> {
        let (name, before) = (&self.workload, &self.before);
        let Some(after) = &self.after else {
            return match self.outcome {
                ChangeOutcome::DryRun => vec!["  nothing changed (dry run)".to_owned()],
                _ => vec![format!("{name} unchanged: {}", self.as_is())],
            };
        };
        let was = match before.text() == after.text() {
            true => String::new(),
            false => format!(", was {}", before.text().trim_start_matches("place ")),
        };
        let place = format!("{}{was}", after.text());
        let first = match self.change {
            "move" => format!(
                "{name} moved from queue {} to {}: {place}",
                before.queue, after.queue
            ),
            "priority" => format!(
                "{name} has priority {}, was {}: {place}",
                after.priority_text(),
                before.priority_text()
            ),
            "pause" => match before.position {
                Some(Position { place, of }) => format!(
                    "{name} paused: removed from queue {}, was {place} of {of}",
                    before.queue
                ),
                None => format!("{name} paused in queue {}", before.queue),
            },
            _ => format!("{name} resumed in queue {}: {}", after.queue, after.text()),
        };
        let age = self.age(now).map_or_else(
            || "  its age is kept".to_owned(),
            |age| format!("  its age is kept: queued {age} ago"),
        );
        vec![first, age]
    }

    fn as_is(&self) -> String {
        match self.change {
            "move" => format!("it is already in queue {}", self.before.queue),
            "priority" => format!("it already has priority {}", self.before.priority_text()),
            "pause" => "it is already paused".to_owned(),
            _ => "it is not paused".to_owned(),
        }
    }

    fn age(&self, now: Timestamp) -> Option<String> {
        let seconds = now.as_second() - self.queued_at?.as_second();
        Some(span::human(seconds))
    }
}

#[cfg(test)]
crate::schema::testing::report_schemas!(QueueingReport<'static> => "QueueingReport");

#[cfg(test)]
mod tests {
    use super::*;

    fn place(queue: &str, at: Option<(i64, i64)>) -> Place {
        Place {
            queue: queue.to_owned(),
            priority_class: None,
            priority: 0,
            active: true,
            status: Status::Pending,
            position: at.map(|(place, of)| Position { place, of }),
        }
    }

    fn lines(change: &'static str, before: Place, after: Option<Place>) -> Vec<String> {
        let mut report = QueueingReport::new(change, ("c", "ml"), "job/x".into(), before);
        report.after = after;
        report.queued_at = Timestamp::from_second(0).ok();
        report.lines(Timestamp::from_second(7_200).unwrap())
    }

    #[test]
    fn the_place_before_and_after_is_told_with_the_age() {
        assert_eq!(
            lines(
                "move",
                place("a", Some((3, 5))),
                Some(place("b", Some((1, 2))))
            ),
            [
                "job/x moved from queue a to b: place 1 of 2, was 3 of 5",
                "  its age is kept: queued 120m ago",
            ]
        );
        let high = Place {
            priority_class: Some("high".into()),
            priority: 1000,
            ..place("a", Some((1, 5)))
        };
        assert_eq!(
            lines("priority", place("a", Some((3, 5))), Some(high))[0],
            "job/x has priority 1000 (high), was 0: place 1 of 5, was 3 of 5"
        );
        let paused = Place {
            active: false,
            ..place("a", None)
        };
        assert_eq!(
            lines("pause", place("a", Some((3, 5))), Some(paused.clone()))[0],
            "job/x paused: removed from queue a, was 3 of 5"
        );
        assert_eq!(
            lines("resume", paused, Some(place("a", Some((3, 5)))))[0],
            "job/x resumed in queue a: place 3 of 5"
        );
        assert_eq!(
            lines("resume", place("a", None), None),
            ["job/x unchanged: it is not paused"]
        );
    }
}
