//! A cause, with what shows it and who mends it.

use serde::{Serialize, Serializer};

use crate::api::workload::Workload;
use crate::suggestion::Command;

macro_rules! causes {
    ($( $cause:ident = $word:literal, )*) => {
        /// A cause, as a word for programs; `docs/why.md` says what each means.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Cause {
            $( $cause, )*
        }

        impl Cause {
            /// All of them.
            pub const ALL: &[Self] = &[$( Self::$cause, )*];

            /// Returns the word for programs.
            pub fn name(self) -> &'static str {
                match self {
                    $( Self::$cause => $word, )*
                }
            }
        }
    };
}

causes! {
    WaitingForQuota = "waitingForQuota",
    BehindOthers = "behindOthers",
    WaitingForPreempted = "waitingForPreempted",
    ExceedsMaximum = "exceedsMaximum",
    NoMatchingFlavor = "noMatchingFlavor",
    TopologyPlacement = "topologyPlacement",
    TopologyTooSmall = "topologyTooSmall",
    NamespaceNotSelected = "namespaceNotSelected",
    QueueStopped = "queueStopped",
    LocalQueueMissing = "localQueueMissing",
    ClusterQueueMissing = "clusterQueueMissing",
    ClusterQueueInactive = "clusterQueueInactive",
    AdmissionCheckPending = "admissionCheckPending",
    AdmissionCheckRejected = "admissionCheckRejected",
    OthersNotReady = "othersNotReady",
    AdmissionGated = "admissionGated",
    InvalidRequests = "invalidRequests",
    NotEvaluated = "notEvaluated",
    NotAdmitted = "notAdmitted",
    Deactivated = "deactivated",
    RequeuingLimit = "requeuingLimit",
    MaximumExecutionTime = "maximumExecutionTime",
    Preempted = "preempted",
    PodsReadyTimeout = "podsReadyTimeout",
    Evicted = "evicted",
    KueueMissing = "kueueMissing",
    UnknownPriorityClass = "unknownPriorityClass",
    KindNotManaged = "kindNotManaged",
    NamespaceNotManaged = "namespaceNotManaged",
    NoWorkload = "noWorkload",
    Suspended = "suspended",
    BeingDeleted = "beingDeleted",
    Fragmented = "fragmented",
    NodesTooSmall = "nodesTooSmall",
    NodesTooFew = "nodesTooFew",
    NodesFull = "nodesFull",
    FlavorNodesAbsent = "flavorNodesAbsent",
    NodeSelector = "nodeSelector",
    Taints = "taints",
    Unschedulable = "unschedulable",
    GangPartlyPlaced = "gangPartlyPlaced",
    ImageNotFound = "imageNotFound",
    ImageDenied = "imageDenied",
    ImagePull = "imagePull",
    ConfigurationMissing = "configurationMissing",
    ClaimMissing = "claimMissing",
    ClaimInUse = "claimInUse",
    ClaimUnbound = "claimUnbound",
    NoAddress = "noAddress",
    VolumeMount = "volumeMount",
    PodsRefused = "podsRefused",
    ControllerMissing = "controllerMissing",
    ContainerStart = "containerStart",
    InitContainer = "initContainer",
    OutOfMemory = "outOfMemory",
    CrashLoop = "crashLoop",
    ExitCode = "exitCode",
    NotReady = "notReady",
    Disrupted = "disrupted",
    NodeLost = "nodeLost",
    DeadlineExceeded = "deadlineExceeded",
    DriverFailed = "driverFailed",
    ApplicationFailed = "applicationFailed",
    Workspace = "workspace",
    RolloutStuck = "rolloutStuck",
    NotScaled = "notScaled",
    Failed = "failed",
    Starting = "starting",
}

#[cfg(test)]
impl schemars::JsonSchema for Cause {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cause".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let words: Vec<&str> = Self::ALL.iter().map(|cause| cause.name()).collect();
        schemars::json_schema!({"type": "string", "enum": words})
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Who mends something.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Who {
    /// Whoever asks.
    You,
    /// An admin of the cluster or the queue.
    Admin,
    /// Nobody has to.
    Nobody,
}

/// What mends something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remedy {
    /// Who does it.
    pub who: Who,
    /// What is done.
    pub text: String,
    pub command: Option<Command>,
    /// That `text` only says what is to be asked for instead, until it is known how
    /// that is done.
    pub(super) anew: Option<Anew>,
}

/// What something else is asked for with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::observe) enum Anew {
    /// Flags.
    With,
    /// Flags that name another queue.
    Queue,
    /// As the words say, if there are any.
    Said,
}

impl Remedy {
    pub(in crate::observe) fn new(
        who: Who,
        text: impl Into<String>,
        command: impl Into<Option<Command>>,
    ) -> Self {
        Self {
            who,
            text: text.into(),
            command: command.into(),
            anew: None,
        }
    }

    /// Says how something else is asked for: a Deployment or RayService changes
    /// in place unless a queue is in the way, everything else is made anew.
    pub(super) fn worded(mut self, workload: &Workload) -> Self {
        let Some(anew) = self.anew.take() else {
            return self;
        };
        if workload.stands_for.is_some() {
            self.text = match self.text.as_str() {
                "" => "create it again".to_owned(),
                text => format!("change its request, and create it again (in kaiwo: {text})"),
            };
            return self;
        }
        let verb = match workload.kind.is_batch() {
            true => "submit it again",
            false => "serve it again",
        };
        let moves = workload.queue().is_some() || anew == Anew::Queue;
        let changes = workload.kind.keeps_versions() && !moves;
        let text = &self.text;
        self.text = match (anew, changes) {
            (Anew::With | Anew::Queue, true) => format!("{verb} with {text}"),
            (Anew::With | Anew::Queue, false) => format!("{verb} with --replace and {text}"),
            (Anew::Said, _) => {
                let how = if changes { "" } else { " with --replace" };
                let comma = if text.is_empty() { "" } else { ", " };
                format!("{verb}{how}{comma}{text}")
            }
        };
        self
    }
}

/// A cause, with what shows it and what mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub cause: Cause,
    /// It in one sentence.
    pub summary: String,
    /// What shows it, a line each.
    pub evidence: Vec<String>,
    /// What mends it, best first.
    pub remedies: Vec<Remedy>,
}

impl Finding {
    pub(in crate::observe) fn new(cause: Cause, summary: impl Into<String>) -> Self {
        Self {
            cause,
            summary: summary.into(),
            evidence: Vec::new(),
            remedies: Vec::new(),
        }
    }

    #[must_use]
    pub(in crate::observe) fn shows(mut self, line: impl Into<String>) -> Self {
        let line = line.into();
        if !line.is_empty() {
            self.evidence.push(line);
        }
        self
    }

    #[must_use]
    pub(in crate::observe) fn remedy(
        mut self,
        who: Who,
        text: impl Into<String>,
        command: impl Into<Option<Command>>,
    ) -> Self {
        self.remedies.push(Remedy::new(who, text, command));
        self
    }

    /// Something else is to be asked for, by `text`.
    #[must_use]
    pub(in crate::observe) fn resubmit(mut self, anew: Anew, text: impl Into<String>) -> Self {
        self.remedies.push(Remedy {
            who: Who::You,
            text: text.into(),
            command: None,
            anew: Some(anew),
        });
        self
    }

    #[must_use]
    pub(in crate::observe) fn you(self, text: impl Into<String>) -> Self {
        self.remedy(Who::You, text, None)
    }

    #[must_use]
    pub(in crate::observe) fn admin(self, text: impl Into<String>) -> Self {
        self.remedy(Who::Admin, text, None)
    }

    #[must_use]
    pub(in crate::observe) fn nobody(self, text: impl Into<String>) -> Self {
        self.remedy(Who::Nobody, text, None)
    }
}

/// Returns a span of time in words.
pub(super) fn span(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kind::WorkloadKind;

    #[test]
    fn what_kaiwo_did_not_create_is_changed_by_whoever_did() {
        let (kind, object) = (
            WorkloadKind::Queued,
            json!({"metadata": {"name": "jobset-x"}}),
        );
        let workload = Workload::read(kind, kind.api_version(), &object).unwrap();
        let text = |anew, text: &str| {
            let mut finding = Finding::new(Cause::Deactivated, "").resubmit(anew, text);
            finding.remedies.remove(0).worded(&workload).text
        };
        assert_eq!(text(Anew::Said, ""), "create it again");
        let smaller = "change its request, and create it again (in kaiwo: -g 4 or less)";
        assert_eq!(text(Anew::With, "-g 4 or less"), smaller);
    }
}
