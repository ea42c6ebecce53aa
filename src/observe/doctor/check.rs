//! What was checked, with the result and what fixes it.

use serde::Serialize;

use crate::observe::why::{Remedy, Who};
use crate::suggestion::{Command, Suggestion};

/// What a check is about.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Subject {
    /// The files that say which cluster is meant.
    Kubeconfig,
    /// What the user is authenticated with, an exec plugin among them.
    Credentials,
    /// Whether the API server answers.
    Cluster,
    /// Kueue: its API and its controller.
    Kueue,
    /// KubeRay, likewise.
    KubeRay,
    /// KAITO, likewise.
    Kaito,
    /// Webhooks that are asked about everything that kaiwo creates.
    Webhooks,
    /// What the user may do.
    Rights,
    /// The namespace.
    Namespace,
    /// Whether a submission with defaults would be accepted.
    Submission,
    /// ClusterQueues and LocalQueues.
    Queues,
    /// ResourceFlavors and the nodes behind them.
    Flavors,
    /// How long Kueue waits for pods.
    Readiness,
    /// Prometheus.
    Prometheus,
}

impl Subject {
    /// Returns what people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Kubeconfig => "kubeconfig",
            Self::Credentials => "credentials",
            Self::Cluster => "cluster",
            Self::Kueue => "Kueue",
            Self::KubeRay => "KubeRay",
            Self::Kaito => "KAITO",
            Self::Webhooks => "webhooks",
            Self::Rights => "rights",
            Self::Namespace => "namespace",
            Self::Submission => "submission",
            Self::Queues => "queues",
            Self::Flavors => "flavors",
            Self::Readiness => "readiness",
            Self::Prometheus => "Prometheus",
        }
    }
}

/// The result of a check.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// Nothing is wrong.
    Ok,
    /// It is not there, and only what needs it does without.
    Absent,
    /// The user may not see enough to tell.
    Unknown,
    /// It works, but not as one would expect.
    Warning,
    /// Something will not work.
    Problem,
}

impl State {
    /// Returns the word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Absent => "absent",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// A check, with what shows its result and what fixes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What it is about.
    pub subject: Subject,
    /// Its result.
    pub state: State,
    /// The result in one sentence.
    pub summary: String,
    /// What shows it, a line each.
    pub evidence: Vec<String>,
    /// What fixes it, best first.
    pub remedies: Vec<Remedy>,
}

impl Check {
    /// Creates a check with its result.
    pub fn new(subject: Subject, state: State, summary: impl Into<String>) -> Self {
        Self {
            subject,
            state,
            summary: summary.into(),
            evidence: Vec::new(),
            remedies: Vec::new(),
        }
    }

    /// Adds a line that shows it.
    #[must_use]
    pub fn shows(mut self, line: impl Into<String>) -> Self {
        self.evidence.push(line.into());
        self
    }

    /// Adds what fixes it.
    #[must_use]
    pub fn remedy(
        mut self,
        who: Who,
        text: impl Into<String>,
        command: impl Into<Option<Command>>,
    ) -> Self {
        self.remedies.push(Remedy::new(who, text, command));
        self
    }

    /// Adds hints of an error, which are for whoever ran the command.
    #[must_use]
    pub fn hints<'a>(self, hints: impl IntoIterator<Item = &'a Suggestion>) -> Self {
        hints.into_iter().fold(self, |check, hint| {
            let text = match (hint.aim(), hint.command()) {
                ("", Some(_)) => "run",
                (aim, _) => aim,
            };
            check.remedy(Who::You, text, hint.command().cloned())
        })
    }
}

/// A program on the cluster, and what kaiwo knows of it.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    pub name: &'static str,
    /// Its release, where that can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The release that kaiwo's knowledge of it was read from.
    pub known_release: &'static str,
    /// Versions of its API that the cluster serves.
    pub served: Vec<String>,
    /// Versions of its API that kaiwo speaks, best first.
    pub known: Vec<&'static str>,
}

/// What a command needs, and what of that is missing.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CommandRights {
    /// The command, with the flags that need more: `submit --ray`.
    pub command: &'static str,
    /// Whether it is allowed all that it needs.
    pub allowed: bool,
    /// What is missing: `create pods/exec`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}
