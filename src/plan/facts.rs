//! The facts about a cluster, as plain data. `cluster::read::facts` reads them;
//! planning only ever sees these types, so it can be tried without one.
//!
//! The views hold the few fields that decide something.

use super::kaito::KaitoFacts;
use super::occupation::Occupation;
use crate::api::Readable;
use crate::api::claim::Claim;
use crate::api::metadata::Namespace;
use crate::api::node::Node;
use crate::api::queue::{AdmissionCheck, ClusterQueue, Cohort, LocalQueue, ResourceFlavor};
use crate::api::topology::Topology;

/// What the plan may build on.
#[derive(Debug, Clone, PartialEq)]
pub enum Facts {
    /// Nothing was asked: a client dry run, which opens no connection.
    Assumed,
    /// The answers of a cluster.
    Live(Box<ClusterFacts>),
}

/// Answers of a cluster about what a submission needs.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterFacts {
    /// `kueue.x-k8s.io/<version>`, the newest served that kaiwo knows; `None`
    /// where Kueue is not installed.
    pub kueue: Option<String>,
    /// Whether KubeRay's `ray.io/v1` is served.
    pub ray: bool,
    /// Group and version of KAITO's API that is served, the best that kaiwo
    /// writes; `None` where KAITO is not installed.
    pub kaito: Option<String>,
    /// What is served of KAITO, and what is there of what a Workspace refers
    /// to; nothing unless KAITO is asked for.
    pub kaito_facts: KaitoFacts,
    /// Namespace of the context; empty where it names none.
    pub context_namespace: String,
    /// The target namespace; `Known(None)` if it does not exist.
    pub namespace: Readable<Option<Namespace>>,
    /// LocalQueues of the namespace.
    pub local_queues: Readable<Vec<LocalQueue>>,
    pub cluster_queues: Readable<Vec<ClusterQueue>>,
    /// ResourceFlavors.
    pub flavors: Readable<Vec<ResourceFlavor>>,
    /// Names of the WorkloadPriorityClasses; `None` unless one is asked for.
    pub priority_classes: Option<Readable<Vec<String>>>,
    /// Nodes; `None` until a plan needs them, because they are many.
    pub nodes: Option<Readable<Vec<Node>>>,
    /// Cohorts; `None` until a plan needs them, because few queues share one.
    pub cohorts: Option<Readable<Vec<Cohort>>>,
    /// Whether the cluster has said that the workload is sent to another one, which its
    /// AdmissionChecks may not be read for.
    pub is_sent_away: bool,
    /// AdmissionChecks; `None` until a plan needs them.
    pub admission_checks: Option<Readable<Vec<AdmissionCheck>>>,
    /// Topologies of Kueue; `None` unless one is asked for.
    pub topologies: Option<Readable<Vec<Topology>>>,
    /// What pods have taken of the nodes; `None` until a plan needs it.
    pub occupation: Option<Readable<Occupation>>,
    /// Claims of the namespace; `None` unless one is mounted.
    pub claims: Option<Readable<Vec<Claim>>>,
    /// The Deployment that is about to be changed, if it is one.
    pub running: Option<RunningDeployment>,
}

/// The nodes, and the pods on them; `None` where nobody asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NodeFacts {
    pub nodes: Option<Readable<Vec<Node>>>,
    /// What pods have taken of them.
    pub occupation: Option<Readable<Occupation>>,
}

/// What the Deployment of this name is doing before it is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunningDeployment {
    /// Pods it shall have.
    pub replicas: i64,
    /// Pods that serve.
    pub available: i64,
}
