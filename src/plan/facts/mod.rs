//! What is known about the cluster, as plain data. `cluster::read::facts` reads
//! it; planning only ever sees these types, so it can be tried without one.
//!
//! The views hold the few fields that decide something.

mod condition;
mod node;
mod queue;
mod selector;

use std::collections::BTreeMap;

use serde::Deserialize;

pub use condition::{Condition, condition, holds};
pub use node::{
    Container, ContainerResources, FlavorToleration, Node, NodeFacts, NodeSpec, NodeStatus, Pod,
    PodSpec, Taint, set_aside,
};
pub use queue::{
    AdmissionCheck, AdmissionCheckRule, AdmissionCheckSpec, AdmissionChecksStrategy, ClusterQueue,
    ClusterQueueSpec, ClusterQueueStatus, Cohort, CohortSpec, FlavorQuotas, FlavorUsage,
    LocalQueue, LocalQueueSpec, LocalQueueStatus, Preemption, PreemptionPolicy, QueueingStrategy,
    ResourceFlavor, ResourceFlavorSpec, ResourceGroup, ResourceQuota, ResourceUsage, StopPolicy,
};
pub use selector::{LabelExpression, LabelSelector};

use super::kaito::KaitoFacts;
use super::rollout::Running;

/// What the plan may build on.
#[derive(Debug, Clone, PartialEq)]
pub enum Facts {
    /// Nothing was asked: a client dry run, which opens no connection.
    Assumed,
    /// The answers of a cluster.
    Live(Box<ClusterFacts>),
}

/// An answer, or the reason why there is none.
#[derive(Debug, Clone, PartialEq)]
pub enum Readable<T> {
    /// The API server answered.
    Known(T),
    /// The user may not read this.
    Forbidden,
}

impl<T> Readable<T> {
    /// Returns the answer, if there is one.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Forbidden => None,
        }
    }
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
    /// The target namespace; `Known(None)` if it does not exist.
    pub namespace: Readable<Option<Namespace>>,
    /// LocalQueues of the namespace.
    pub local_queues: Readable<Vec<LocalQueue>>,
    /// ClusterQueues.
    pub cluster_queues: Readable<Vec<ClusterQueue>>,
    /// ResourceFlavors.
    pub flavors: Readable<Vec<ResourceFlavor>>,
    /// Names of the WorkloadPriorityClasses; `None` unless one is asked for.
    pub priority_classes: Option<Readable<Vec<String>>>,
    /// Nodes; `None` until a plan needs them, because they are many.
    pub nodes: Option<Readable<Vec<Node>>>,
    /// Cohorts; `None` until a plan needs them, because few queues share one.
    pub cohorts: Option<Readable<Vec<Cohort>>>,
    /// AdmissionChecks; `None` until a plan needs them.
    pub admission_checks: Option<Readable<Vec<AdmissionCheck>>>,
    /// Pods of all namespaces that have not ended; `None` until a plan needs
    /// them.
    pub pods: Option<Readable<Vec<Pod>>>,
    /// Names of the claims in the namespace; `None` unless one is mounted.
    pub claims: Option<Readable<Vec<String>>>,
    /// The Deployment that is about to be changed, if it is one.
    pub running: Option<Running>,
}

/// Name, namespace and labels of any object.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Metadata {
    /// Name.
    pub name: String,
    /// Namespace; empty for what is in none.
    #[serde(default)]
    pub namespace: String,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// `v1` Namespace.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Namespace {
    /// Name and labels.
    pub metadata: Metadata,
}

/// Any object, of which only the name matters.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Named {
    /// Name and labels.
    pub metadata: Metadata,
}
