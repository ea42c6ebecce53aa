//! Decides, from a request and what is known of the cluster, exactly what
//! will be submitted. Pure: no I/O, no clock, no randomness, so every rule
//! can be tried in a unit test.

pub mod action;
mod checks;
pub mod facts;
pub mod gpu;
pub mod image;
pub mod kaito;
pub mod kueue;
pub mod name;
pub mod namesake;
pub mod occupation;
mod queued;
mod refusal;
pub mod request;
pub mod resources;
pub mod rollout;
#[cfg(test)]
mod testing;
pub mod unqueued;

use std::collections::BTreeMap;

pub use refusal::Refusal;

use crate::api::Readable;
use crate::api::keys;
use crate::api::vendor::Vendor;
use crate::kind::WorkloadKind;
use facts::{ClusterFacts, Facts};
use gpu::GpuLayout;
use kueue::flavor::{self, Shape};
use kueue::forecast::Forecast;
use request::WorkloadRequest;
use resources::PodResources;
use rollout::Rollout;

/// Kueue's API version where no cluster was asked: the one Kueue stores.
const ASSUMED_KUEUE: &str = "kueue.x-k8s.io/v1beta2";
/// GPUs of a node where no cluster was asked.
const ASSUMED_GPUS_PER_NODE: i64 = 8;

/// A LocalQueue that has to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLocalQueue {
    /// Its API version, one that the cluster serves.
    pub api_version: String,
    /// Its name.
    pub name: String,
    /// The ClusterQueue it points at.
    pub cluster_queue: String,
}

/// A submission, decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What the user asked for.
    pub request: WorkloadRequest,
    /// Image of every container.
    pub image: String,
    /// Pods and GPUs of each.
    pub layout: GpuLayout,
    /// Extended resource of the GPUs; `None` without GPUs.
    pub gpu_resource: Option<String>,
    /// Requests and limits of one pod that does the work.
    pub worker: PodResources,
    /// Labels that the working pods' nodes must have.
    pub node_selector: BTreeMap<String, String>,
    /// How a Deployment gets from one version to the next.
    pub rollout: Rollout,
    /// LocalQueue of the workload; `None` if it is not queued.
    pub local_queue: Option<String>,
    /// Group and version of the workload's kind, one that the cluster serves.
    pub api_version: String,
    /// The LocalQueue, if it has to be made first.
    pub new_local_queue: Option<NewLocalQueue>,
    /// Whether the namespace has to be made first.
    pub new_namespace: bool,
    /// How the queue stands; `None` where the user may not see it.
    pub forecast: Option<Forecast>,
    /// What was assumed because no cluster was asked.
    pub assumptions: Vec<String>,
    /// What the user should know, and nobody could make sure of.
    pub notes: Vec<String>,
}

impl Plan {
    /// Fills in what follows from the shape alone.
    fn from_shape(
        request: WorkloadRequest,
        shape: Shape,
        resource: Option<String>,
        local_queue: Option<String>,
    ) -> Result<Self, Refusal> {
        let Shape {
            layout,
            node_selector,
            ..
        } = shape;
        name::check_length(&request.name, request.kind, layout.replicas)?;
        request.lifetime.check(request.kind)?;
        request.serving.check_replicas(layout.replicas)?;
        checks::preloads(&request)?;
        let vendor = resource.as_deref().map(Vendor::from_resource);
        let image = image::choose(&request, vendor, layout.total() > 0)?;
        Ok(Self {
            api_version: request.kind.api_version().to_owned(),
            image,
            layout,
            worker: resources::worker(layout.gpus_per_replica, &request.pods),
            gpu_resource: resource.filter(|_| layout.total() > 0),
            node_selector,
            rollout: Rollout::first(&request, layout),
            local_queue,
            new_local_queue: None,
            new_namespace: false,
            forecast: None,
            assumptions: Vec::new(),
            notes: Vec::new(),
            request,
        })
    }

    /// Returns what is likely not meant, and can be all the same.
    pub fn warnings(&self) -> Vec<String> {
        let budget = self.request.serving.drains_blocked(self.layout.replicas);
        budget.into_iter().chain(self.notes.clone()).collect()
    }

    /// Returns whether the workload is a Job of several pods, which find one
    /// another through an index and a headless Service.
    pub fn indexed(&self) -> bool {
        matches!(self.request.kind, WorkloadKind::Job | WorkloadKind::CronJob)
            && self.layout.replicas > 1
    }
}

/// What a plan needs besides, and few plans do: worth a second round of
/// requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// The nodes: the flavors leave the GPUs of a node open.
    pub nodes: bool,
    /// The cohorts: the queue may borrow.
    pub cohorts: bool,
    /// The AdmissionChecks: the queue has some.
    pub admission_checks: bool,
    /// The pods of all namespaces: an update asks for the GPUs that are left.
    pub pods: bool,
}

/// Returns what has to be read before [`plan`] knows all it can.
pub fn needs(request: &WorkloadRequest, facts: &ClusterFacts) -> Needs {
    let rolls = facts.running.is_some() && request.gpus.wants_gpus();
    let needs = match &request.queue {
        None => unqueued::needs(request),
        Some(queue) => queued::needs(request, queue, facts),
    };
    Needs {
        nodes: needs.nodes || rolls,
        pods: rolls,
        ..needs
    }
}

/// Decides what is submitted for `request`.
///
/// # Errors
/// [`Refusal`] if it cannot run, or can never be admitted.
pub fn plan(request: WorkloadRequest, facts: &Facts) -> Result<Plan, Refusal> {
    match facts {
        Facts::Assumed => plan_assumed(request),
        Facts::Live(facts) => plan_live(request, facts),
    }
}

fn plan_assumed(request: WorkloadRequest) -> Result<Plan, Refusal> {
    let mut assumptions = Vec::new();
    // KAITO knows NVIDIA's GPUs only.
    let usual = match request.kind {
        kind if kind.is_kaito() => keys::NVIDIA_GPU,
        _ => keys::AMD_GPU,
    };
    let resource = request.gpu_resource.clone().unwrap_or_else(|| {
        if request.gpus.wants_gpus() {
            assumptions.push(format!("{usual} (--gpu-resource)"));
        }
        usual.to_owned()
    });
    let per_node = request.gpus_per_node.unwrap_or_else(|| {
        if request.gpus.needs_node_size() {
            assumptions.push(format!(
                "nodes of {ASSUMED_GPUS_PER_NODE} GPUs (--gpus-per-node)"
            ));
        }
        ASSUMED_GPUS_PER_NODE
    });
    let shape = flavor::shape(&request.gpus, Some(per_node), &[], None, false, |_, _| {
        Ok(())
    })?;
    let queue = request.queue.clone();
    let mut plan = Plan::from_shape(request, shape, Some(resource), queue.clone())?;
    plan.new_namespace = plan.request.create_namespace;
    plan.new_local_queue = queue.map(|queue| NewLocalQueue {
        api_version: ASSUMED_KUEUE.to_owned(),
        name: queue.clone(),
        cluster_queue: queue,
    });
    plan.assumptions = assumptions;
    Ok(plan)
}

fn plan_live(request: WorkloadRequest, facts: &ClusterFacts) -> Result<Plan, Refusal> {
    operators(&request, facts)?;
    let new_namespace = facts.namespace == Readable::Known(None);
    if new_namespace && !request.create_namespace {
        return Err(
            Refusal::new(format!("namespace {:?} does not exist", request.namespace))
                .about(format!("namespace/{}", request.namespace))
                .hint("--create-namespace makes it, -n names another"),
        );
    }
    checks::claims(&request, facts)?;
    let plan = match request.queue.clone() {
        Some(queue) => queued::plan(request, &queue, facts),
        None => unqueued::plan(request, facts),
    }?;
    Ok(Plan {
        new_namespace,
        rollout: Rollout::of_update(&plan, facts),
        ..plan
    })
}

/// Checks that the operator of the kind is there.
fn operators(request: &WorkloadRequest, facts: &ClusterFacts) -> Result<(), Refusal> {
    if request.kind.is_ray() && !facts.ray {
        return Err(Refusal::new("KubeRay is not installed: the cluster does not serve ray.io/v1")
            .hint(match request.kind.is_batch() {
                true => "without --ray the workload runs as a Job",
                false => "without --ray it is served by a Deployment",
            })
            .hint("an admin installs it: https://docs.ray.io/en/latest/cluster/kubernetes/getting-started/kuberay-operator-installation.html"));
    }
    if request.kind.is_kaito() && facts.kaito.is_none() {
        return Err(Refusal::new(
            "KAITO is not installed: the cluster does not serve kaito.sh/v1beta1 or v1alpha1",
        )
        .hint("an admin installs it: https://kaito-project.github.io/kaito/docs/installation"));
    }
    Ok(())
}
