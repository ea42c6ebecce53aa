//! What `kaiwo status` reports about one workload, for people and programs alike.

mod address;
mod application;
mod attempts;
mod gpu_groups;
mod kept;
mod next;

pub use address::Address;
pub use application::{Application, ServeDeployment};
pub use attempts::{Attempts, EndedPod, EvictionLine};
pub use gpu_groups::GpuGroup;
pub use kept::{ServedVersion, Uploads};

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::endpoint::Endpoint;
use super::gpu_metrics::{self, PodUsage};
use super::kind::tasks::{ArrayDetails, Tasks};
use super::log::progress::Progress;
use super::scaling::{Autoscaler, Scaling};
use super::snapshot::{Position, Snapshot};
use super::status::Status;
use crate::api::condition::Condition;
use crate::api::event::Event;
use crate::api::kueue_workload::KueueWorkload;
use crate::api::vendor::is_gpu_resource;
use crate::suggestion::Command;

/// Events that are told at most, the latest.
const EVENTS: usize = 8;

/// What was read around a workload, beside its snapshot. What may not be read,
/// or is not there, is empty.
#[derive(Debug, Default)]
pub struct WorkloadDetails {
    /// The ClusterQueue behind its LocalQueue.
    pub cluster_queue: Option<String>,
    /// Bytes of each upload.
    pub uploads: Vec<u64>,
    /// Where it is reached.
    pub endpoint: Option<Endpoint>,
    /// What happened around the objects that are there now.
    pub events: Vec<Event>,
    /// What scales it.
    pub autoscaler: Option<Autoscaler>,
    /// What GPUs do, by pod; nothing where nobody can tell.
    pub usage: Vec<PodUsage>,
    /// Its versions, the last one last.
    pub versions: Vec<ServedVersion>,
    /// The tasks, if it is an array.
    pub array: Option<ArrayDetails>,
    /// How far it is, as its log says.
    pub progress: Option<Progress>,
}

/// A workload in full.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// Itself.
    pub workload: Identification,
    /// How it stands.
    pub status: Status,
    /// Why; may be empty.
    pub reason: String,
    /// How far it is, as its log says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// Who submitted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The version its user gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// When it was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// Images of its containers.
    pub images: Vec<String>,
    /// Model that KAITO serves or tunes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Virtual machines that KAITO makes for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<String>,
    /// How its GPUs are split.
    pub gpus: Vec<GpuGroup>,
    /// How it is scaled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,
    /// Its place in Kueue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<Queue>,
    /// How often it was started, if it was ever evicted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<Attempts>,
    /// The tasks of an array.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tasks: Option<Tasks>,
    /// Nodes that its pods are on.
    pub nodes: Vec<String>,
    pub pods: Vec<PodLine>,
    /// That its GPUs idle, in words, if they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_use: Option<String>,
    /// Conditions of the workload, of what scales it, then of Kueue's Workload.
    pub conditions: Vec<ConditionLine>,
    /// Applications of Ray Serve.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub applications: Vec<Application>,
    /// What was uploaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uploads: Option<Uploads>,
    /// Its versions, in the order in which they were served.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<ServedVersion>,
    /// Addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Address>,
    /// What happened last, latest last.
    pub events: Vec<EventLine>,
    /// Commands that go on from here.
    #[serde(skip)]
    pub next: Vec<Command>,
}

/// Which object it is.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Identification {
    /// Such as `batch/v1`.
    pub api_version: String,
    pub kind: String,
    pub namespace: String,
    pub name: String,
}

/// A place in Kueue.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    /// LocalQueue.
    pub name: String,
    /// ClusterQueue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_queue: Option<String>,
    /// Flavors of its GPUs, or of all it has without GPUs.
    pub flavors: Vec<String>,
    /// Where it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// The cluster that MultiKueue sent it to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
}

/// A pod.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodLine {
    pub name: String,
    /// The word that `kubectl get pods` shows.
    pub state: String,
    /// Whether all its containers are ready.
    pub ready: bool,
    /// Where it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// How often its containers were started again.
    pub restarts: i64,
    pub gpus: i64,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// What its GPUs do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<PodUsage>,
}

/// A condition.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConditionLine {
    /// Kind of the object.
    pub of: &'static str,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Word for programs.
    pub reason: String,
    /// Words for people.
    pub message: String,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// Something that happened.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventLine {
    /// When, the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// How often.
    pub times: i64,
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    pub kind: String,
    /// To whom: `pod/x`.
    pub object: String,
    /// Word for programs.
    pub reason: String,
    /// Words for people.
    pub message: String,
}

impl Description {
    /// Puts together what is known.
    pub fn new(snapshot: &Snapshot, surroundings: WorkloadDetails) -> Self {
        let workload = &snapshot.workload;
        let metadata = &workload.metadata;
        let standing = snapshot.standing();
        let WorkloadDetails {
            cluster_queue,
            uploads,
            endpoint,
            events,
            autoscaler,
            usage,
            versions,
            array,
            progress,
        } = surroundings;
        let mut nodes: Vec<String> = snapshot
            .pods()
            .iter()
            .filter(|pod| !pod.has_ended())
            .filter_map(|pod| pod.node().map(str::to_owned))
            .collect();
        nodes.sort_unstable();
        nodes.dedup();
        Self {
            workload: Identification {
                api_version: workload.object_version().to_owned(),
                kind: workload.kind_name().to_owned(),
                namespace: metadata.namespace.clone(),
                name: workload.name().to_owned(),
            },
            status: standing.status,
            reason: standing.reason,
            progress,
            user: workload.user().map(str::to_owned),
            version: workload.version().map(str::to_owned),
            created_at: metadata.creation_timestamp,
            images: images(snapshot),
            model: workload.model.clone(),
            instance_type: workload.machine().map(str::to_owned),
            gpus: gpu_groups::all(workload),
            scaling: autoscaler.as_ref().map(Autoscaler::scaling),
            queue: queue(snapshot, cluster_queue),
            attempts: Attempts::new(snapshot, &events),
            tasks: array.and_then(|details| Tasks::new(snapshot, &details)),
            nodes,
            pods: pods(snapshot, &usage),
            gpu_use: {
                let own = |pod: &PodUsage| {
                    let mut pods = snapshot.pods().iter();
                    pods.any(|own| own.metadata.name == pod.pod)
                };
                gpu_metrics::verdict(
                    &usage
                        .iter()
                        .filter(|pod| own(pod))
                        .cloned()
                        .collect::<Vec<_>>(),
                )
            },
            conditions: conditions(snapshot, autoscaler.as_ref()),
            applications: application::all(workload),
            uploads: (!uploads.is_empty()).then(|| Uploads {
                count: uploads.len(),
                bytes: uploads.iter().sum(),
            }),
            versions,
            endpoints: address::all(workload, endpoint),
            events: last(events),
            next: next::next(workload, standing.status, snapshot.cluster_name().is_some()),
        }
    }
}

fn images(snapshot: &Snapshot) -> Vec<String> {
    let templates = snapshot.workload.pod_groups();
    let of_templates = templates
        .iter()
        .flat_map(|(_, template)| &template.spec.containers);
    // KAITO writes the pods of its own.
    let of_pods = snapshot.pods().iter().flat_map(|pod| &pod.spec.containers);
    let all: Vec<&String> = match templates.is_empty() {
        true => of_pods.map(|container| &container.image).collect(),
        false => of_templates.map(|container| &container.image).collect(),
    };
    let mut images: Vec<String> = Vec::new();
    for image in all {
        if !image.is_empty() && !images.contains(image) {
            images.push(image.clone());
        }
    }
    images
}

fn queue(snapshot: &Snapshot, cluster_queue: Option<String>) -> Option<Queue> {
    let queued = snapshot.queued();
    let name = snapshot.workload.queue().or_else(|| {
        let mut names = queued.iter().map(|queued| queued.spec.queue_name.as_str());
        names.find(|name| !name.is_empty())
    })?;
    let mut flavors: Vec<String> = queued.iter().flat_map(flavors).collect();
    flavors.sort_unstable();
    flavors.dedup();
    Some(Queue {
        name: name.to_owned(),
        cluster_queue,
        flavors,
        position: snapshot.position,
        cluster: snapshot.cluster_name().map(str::to_owned),
    })
}

/// Returns the flavors that matter: those of GPUs where there are some.
fn flavors(queued: &KueueWorkload) -> Vec<String> {
    let admission = queued.status.admission.iter();
    let given: Vec<(&String, &String)> = admission
        .flat_map(|admission| &admission.pod_set_assignments)
        .flat_map(|set| &set.flavors)
        .collect();
    let of_gpus: Vec<String> = given
        .iter()
        .filter(|(resource, _)| is_gpu_resource(resource))
        .map(|(_, flavor)| (*flavor).clone())
        .collect();
    match of_gpus.is_empty() {
        true => given.iter().map(|(_, flavor)| (*flavor).clone()).collect(),
        false => of_gpus,
    }
}

fn pods(snapshot: &Snapshot, usage: &[PodUsage]) -> Vec<PodLine> {
    let mut lines: Vec<PodLine> = snapshot
        .pods()
        .iter()
        .map(|pod| PodLine {
            name: pod.metadata.name.clone(),
            state: pod.state(),
            ready: pod.is_ready(),
            node: pod.node().map(str::to_owned),
            restarts: pod.restarts(),
            gpus: pod.gpus(),
            reason: pod
                .trouble(&snapshot.known())
                .map(|trouble| trouble.in_its_pod()),
            created_at: pod.metadata.creation_timestamp,
            usage: usage
                .iter()
                .find(|usage| usage.pod == pod.metadata.name)
                .cloned(),
        })
        .collect();
    lines.sort_by(|a, b| a.name.cmp(&b.name));
    lines
}

fn conditions(snapshot: &Snapshot, autoscaler: Option<&Autoscaler>) -> Vec<ConditionLine> {
    let line = |of: &'static str, condition: &Condition| ConditionLine {
        of,
        kind: condition.kind.clone(),
        status: condition.status.clone(),
        reason: condition.reason.clone(),
        message: condition.message.clone(),
        since: condition.last_transition_time,
    };
    let workload = &snapshot.workload;
    // What is read by Kueue's Workload has those of it alone.
    let own = workload.conditions().iter();
    let own = own.filter(|_| workload.stands_for.is_none());
    let own = own.map(|condition| line(workload.kind.name(), condition));
    let scaled = autoscaler
        .iter()
        .flat_map(|autoscaler| &autoscaler.status.conditions)
        .map(|condition| line("HorizontalPodAutoscaler", condition));
    let queued = snapshot
        .queued()
        .iter()
        .flat_map(|queued| &queued.status.conditions)
        .map(|condition| line("Workload", condition));
    own.chain(scaled).chain(queued).collect()
}

fn last(mut events: Vec<Event>) -> Vec<EventLine> {
    let older = events.len().saturating_sub(EVENTS);
    events.drain(..older);
    events
        .into_iter()
        .map(|event| EventLine {
            last: event.last(),
            times: event.times(),
            object: format!(
                "{}/{}",
                event.involved_object.kind.to_lowercase(),
                event.involved_object.name
            ),
            kind: event.kind,
            reason: event.reason,
            message: event.message,
        })
        .collect()
}

#[cfg(test)]
mod tests;
