//! A cause, with what shows it and who mends it.

use serde::{Serialize, Serializer};

use crate::api::workload::Workload;
use crate::suggestion::Command;

macro_rules! causes {
    ($( $(#[$meta:meta])* $cause:ident = $word:literal, )*) => {
        /// A cause, as word for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Cause {
            $( $(#[$meta])* $cause, )*
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
    /// Too little quota is free.
    WaitingForQuota = "waitingForQuota",
    /// Others that came first have to be admitted first.
    BehindOthers = "behindOthers",
    /// Others are leaving for it.
    WaitingForPreempted = "waitingForPreempted",
    /// More is asked for than the queue can ever give.
    ExceedsMaximum = "exceedsMaximum",
    /// No flavor of the queue takes the pods.
    NoMatchingFlavor = "noMatchingFlavor",
    /// The pods cannot be placed as closely together as they ask to be.
    TopologyPlacement = "topologyPlacement",
    /// No domain of the topology is large enough for the pods.
    TopologyTooSmall = "topologyTooSmall",
    /// The ClusterQueue does not take the namespace.
    NamespaceNotSelected = "namespaceNotSelected",
    /// Somebody has stopped the queue.
    QueueStopped = "queueStopped",
    /// There is no such LocalQueue.
    LocalQueueMissing = "localQueueMissing",
    /// The LocalQueue leads nowhere.
    ClusterQueueMissing = "clusterQueueMissing",
    /// The ClusterQueue is stopped or broken.
    ClusterQueueInactive = "clusterQueueInactive",
    /// An admission check has not passed yet.
    AdmissionCheckPending = "admissionCheckPending",
    /// An admission check has refused.
    AdmissionCheckRejected = "admissionCheckRejected",
    /// The pods of workloads admitted before have to be ready first.
    OthersNotReady = "othersNotReady",
    /// Somebody has to lift a gate first.
    AdmissionGated = "admissionGated",
    /// A LimitRange or the like refuses the requests.
    InvalidRequests = "invalidRequests",
    /// Kueue has not got to it.
    NotEvaluated = "notEvaluated",
    /// Kueue says something that kaiwo does not know.
    NotAdmitted = "notAdmitted",
    /// Somebody has deactivated it in Kueue.
    Deactivated = "deactivated",
    /// Its pods did not get ready in time too often.
    RequeuingLimit = "requeuingLimit",
    /// It ran for longer than it may.
    MaximumExecutionTime = "maximumExecutionTime",
    /// It made room for another one.
    Preempted = "preempted",
    /// Its pods did not get ready in time.
    PodsReadyTimeout = "podsReadyTimeout",
    /// It was taken off for another reason.
    Evicted = "evicted",
    /// There is no Kueue.
    KueueMissing = "kueueMissing",
    /// It names a priority class that does not exist.
    UnknownPriorityClass = "unknownPriorityClass",
    /// Kueue is not told to manage the kind.
    KindNotManaged = "kindNotManaged",
    /// Kueue is told to leave the namespace alone.
    NamespaceNotManaged = "namespaceNotManaged",
    /// Kueue has made no Workload for it, and it does not show why.
    NoWorkload = "noWorkload",
    /// Somebody has suspended it.
    Suspended = "suspended",
    /// It is being deleted.
    BeingDeleted = "beingDeleted",
    /// GPUs are free, but not enough of them on one node.
    Fragmented = "fragmented",
    /// No node is large enough for a pod.
    NodesTooSmall = "nodesTooSmall",
    /// All nodes together are too few for the pods.
    NodesTooFew = "nodesTooFew",
    /// Other pods hold what the nodes have.
    NodesFull = "nodesFull",
    /// No node has the labels of the flavor.
    FlavorNodesAbsent = "flavorNodesAbsent",
    /// No node has the labels that the pods ask for.
    NodeSelector = "nodeSelector",
    /// Nodes have taints that the pods do not tolerate.
    Taints = "taints",
    /// No node takes a pod, for another reason.
    Unschedulable = "unschedulable",
    /// Only some pods of a gang have found a place.
    GangPartlyPlaced = "gangPartlyPlaced",
    /// The registry has no such image.
    ImageNotFound = "imageNotFound",
    /// The registry does not give the image to strangers.
    ImageDenied = "imageDenied",
    /// The image cannot be pulled, for another reason.
    ImagePull = "imagePull",
    /// A Secret or ConfigMap, or a key of it, is missing.
    ConfigurationMissing = "configurationMissing",
    /// A claim is missing.
    ClaimMissing = "claimMissing",
    /// Another pod has a claim that one may mount at a time.
    ClaimInUse = "claimInUse",
    /// A claim has no volume.
    ClaimUnbound = "claimUnbound",
    /// An address that was asked for is not there yet.
    NoAddress = "noAddress",
    /// A volume cannot be mounted.
    VolumeMount = "volumeMount",
    /// The API server refuses the pods.
    PodsRefused = "podsRefused",
    /// No controller has looked at it.
    ControllerMissing = "controllerMissing",
    /// A container cannot be started.
    ContainerStart = "containerStart",
    /// A container that runs before the others fails.
    InitContainer = "initContainer",
    /// A container had more memory than its limit.
    OutOfMemory = "outOfMemory",
    /// A container ends again and again.
    CrashLoop = "crashLoop",
    /// A container failed.
    ExitCode = "exitCode",
    /// The pods run and do not get ready.
    NotReady = "notReady",
    /// The pods were taken off their nodes.
    Disrupted = "disrupted",
    /// A node with pods of it does not answer.
    NodeLost = "nodeLost",
    /// It ran for longer than its deadline.
    DeadlineExceeded = "deadlineExceeded",
    /// The driver of a RayJob failed.
    DriverFailed = "driverFailed",
    /// An application of a RayService is unwell.
    ApplicationFailed = "applicationFailed",
    /// KAITO says what is missing.
    Workspace = "workspace",
    /// A rollout has made no progress for too long.
    RolloutStuck = "rolloutStuck",
    /// Its autoscaler does not scale it.
    NotScaled = "notScaled",
    /// It failed, and no more is known.
    Failed = "failed",
    /// It is on its way, and nothing is wrong.
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
    /// How, as a command.
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
            let text = &self.text;
            self.text = format!("change what it asks for, and create it again (kaiwo: {text})");
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
