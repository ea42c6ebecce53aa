//! Decides, from a request and what is known of the cluster, exactly what
//! will be submitted. Pure: no I/O, no clock, no randomness, so every rule
//! can be tried in a unit test.

mod checks;
pub mod facts;
pub mod gpu;
pub mod image;
pub mod kaito;
pub mod kueue;
pub mod name;
pub mod namesake;
mod refusal;
pub mod request;
pub mod resources;
pub mod rollout;
#[cfg(test)]
mod testing;
pub mod unqueued;
pub mod vendor;

use kueue::flavor;
use kueue::multikueue;
use kueue::queue;
use std::collections::BTreeMap;

pub use refusal::Refusal;

use crate::api::Readable;
use crate::api::keys;
use crate::kind::WorkloadKind;
use crate::names::nearest;
use facts::{ClusterFacts, Facts};
use gpu::GpuLayout;
use kueue::capacity::Room;
use kueue::flavor::{Offer, Shape};
use kueue::forecast::Forecast;
use kueue::queue::QueueChoice;
use request::WorkloadRequest;
use resources::PodResources;
use rollout::Rollout;
use vendor::Vendor;

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
    fn of(
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
        let vendor = resource.as_deref().map(Vendor::of);
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
        Some(queue) => needs_of_queue(request, queue, facts),
    };
    Needs {
        nodes: needs.nodes || rolls,
        pods: rolls,
        ..needs
    }
}

fn needs_of_queue(request: &WorkloadRequest, queue: &str, facts: &ClusterFacts) -> Needs {
    let Ok(choice) = queue::choose(queue, facts, &request.namespace, true) else {
        return Needs::default();
    };
    let spec = choice.cluster_queue.as_ref().map(|queue| &queue.spec);
    let nodes = || {
        let resource = gpu_resource(request, &choice, facts).ok().flatten()?;
        let offers = offers(request, facts, &choice, &resource).ok()?;
        Some(offers.is_empty() || offers.iter().any(|offer| offer.per_node.is_none()))
    };
    let size_matters = request.gpus_per_node.is_none() && request.gpus.needs_node_size();
    Needs {
        nodes: size_matters && nodes() == Some(true),
        cohorts: spec.is_some_and(|spec| spec.cohort_name.is_some()),
        admission_checks: spec.is_some_and(|spec| spec.admission_checks().next().is_some()),
        pods: false,
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
    let mut plan = Plan::of(request, shape, Some(resource), queue.clone())?;
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
        Some(queue) => plan_queued(request, &queue, facts),
        None => unqueued::plan(request, facts),
    }?;
    Ok(Plan {
        new_namespace,
        rollout: Rollout::of_update(&plan, facts),
        ..plan
    })
}

/// Decides what is submitted to a queue.
fn plan_queued(
    request: WorkloadRequest,
    queue: &str,
    facts: &ClusterFacts,
) -> Result<Plan, Refusal> {
    let kueue = facts.kueue.clone().ok_or_else(|| {
        Refusal::new(
            "Kueue is not installed: the cluster does not serve kueue.x-k8s.io/v1beta1 or v1beta2",
        )
        .hint("an admin installs it: https://kueue.sigs.k8s.io/docs/installation/")
    })?;
    check_priority_class(&request, facts)?;
    let choice = queue::choose(queue, facts, &request.namespace, request.force)?;
    let resource = gpu_resource(&request, &choice, facts)?;
    let offers = match &resource {
        Some(resource) if request.gpus.wants_gpus() => offers(&request, facts, &choice, resource)?,
        None if request.gpus.wants_gpus() => {
            return Err(no_gpus(&choice, facts, &request.namespace, None));
        }
        _ => Vec::new(),
    };
    let room = choice
        .cluster_queue
        .as_ref()
        .map(|queue| Room::new(queue, facts));
    let wants_gpus = request.gpus.wants_gpus();
    if offers.is_empty() && wants_gpus && room.is_some() && !request.force {
        return Err(no_gpus(
            &choice,
            facts,
            &request.namespace,
            resource.as_deref(),
        ));
    }

    // Without flavors to go by, the nodes themselves tell.
    let largest_node = resource
        .as_ref()
        .filter(|_| offers.is_empty())
        .and_then(|resource| flavor::on_nodes(facts, resource, &BTreeMap::new()));
    let pod_sets = |layout: GpuLayout, pin: &BTreeMap<String, String>| {
        resources::pod_sets(&request, layout, resource.as_deref(), pin)
    };
    let shape = flavor::shape(
        &request.gpus,
        request.gpus_per_node,
        &offers,
        largest_node,
        request.force,
        |layout, offer| match &room {
            Some(room) => room.check(&pod_sets(layout, &BTreeMap::new()), Some(&offer.flavor)),
            None => Ok(()),
        },
    )?;
    let sets = pod_sets(shape.layout, &shape.node_selector);
    let mut forecast = None;
    if let Some(room) = &room {
        if offers.is_empty() && !request.force {
            room.check(&sets, None)?;
        }
        let counted = resource.as_deref().filter(|_| shape.layout.total() > 0);
        forecast = Forecast::new(room, &shape.flavors, counted.unwrap_or("cpu"), &sets);
    }

    let local_queue = Some(choice.local_queue.clone());
    let mut plan = Plan::of(request, shape, resource, local_queue)?;
    if choice.sends_away(facts) {
        multikueue::check(&plan)?;
    }
    plan.new_local_queue = choice
        .create_for
        .clone()
        .map(|cluster_queue| NewLocalQueue {
            api_version: kueue,
            name: choice.local_queue.clone(),
            cluster_queue,
        });
    plan.forecast = forecast.map(|forecast| Forecast {
        obstacle: choice.obstacle,
        ..forecast
    });
    Ok(plan)
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

/// Kueue makes no Workload for a Job whose priority class it does not know, and
/// its webhook does not say so.
fn check_priority_class(request: &WorkloadRequest, facts: &ClusterFacts) -> Result<(), Refusal> {
    let known = facts.priority_classes.as_ref().and_then(Readable::known);
    let (Some(wanted), Some(known)) = (&request.priority_class, known) else {
        return Ok(());
    };
    if known.contains(wanted) {
        return Ok(());
    }
    let refusal = Refusal::new(format!("no WorkloadPriorityClass {wanted:?}"))
        .about(format!("workloadpriorityclass/{wanted}"));
    let refusal = match nearest(wanted, known.clone()) {
        Some(near) => refusal.hint(format!("did you mean --priority-class {near}?")),
        None => refusal,
    };
    Err(match known[..] {
        [] => refusal.hint("the cluster has none; leave --priority-class away"),
        _ => refusal.hint(format!("priority classes: {}", known.join(", "))),
    })
}

fn gpu_resource(
    request: &WorkloadRequest,
    choice: &QueueChoice,
    facts: &ClusterFacts,
) -> Result<Option<String>, Refusal> {
    match &request.gpu_resource {
        Some(resource) => Ok(Some(resource.clone())),
        None if request.gpus.wants_gpus() => flavor::detect_resource(choice, facts),
        // Without GPUs the resource only serves to guess an image.
        None => Ok(flavor::detect_resource(choice, facts).unwrap_or_default()),
    }
}

fn offers(
    request: &WorkloadRequest,
    facts: &ClusterFacts,
    choice: &QueueChoice,
    resource: &str,
) -> Result<Vec<Offer>, Refusal> {
    let Some(queue) = &choice.cluster_queue else {
        return Ok(Vec::new());
    };
    let one = GpuLayout {
        replicas: 1,
        gpus_per_replica: 1,
    };
    let sets = resources::pod_sets(request, one, Some(resource), &BTreeMap::new());
    let label_key = request.gpu_node_label_key.as_deref();
    let room = Room::new(queue, facts);
    flavor::offers(&room, resource, label_key, &sets[0], request.force)
}

/// Refuses because the queue has no GPUs, or none of the named resource.
fn no_gpus(
    choice: &QueueChoice,
    facts: &ClusterFacts,
    namespace: &str,
    resource: Option<&str>,
) -> Refusal {
    let Some(queue) = &choice.cluster_queue else {
        let refusal = Refusal::new(format!(
            "cannot tell which GPUs queue {:?} hands out",
            choice.local_queue
        ))
        .hint("name the resource: --gpu-resource amd.com/gpu or --gpu-resource nvidia.com/gpu");
        return match facts.local_queues {
            Readable::Known(_) => refusal,
            Readable::Forbidden => refusal.hint(format!(
                "the LocalQueue would tell, but you may not list localqueues in namespace {namespace:?}: ask its admin for that right"
            )),
        };
    };
    let groups = queue.spec.resource_groups.iter();
    let mut covered: Vec<&str> = groups
        .flat_map(|group| group.covered_resources.iter().map(String::as_str))
        .collect();
    let mut refusal = None;
    if let Some(resource) = resource.filter(|resource| covered.contains(resource)) {
        refusal = Some(Refusal::new(format!(
            "ClusterQueue {:?} covers {resource} and has none of it, in no flavor",
            queue.metadata.name
        )));
        covered.clear();
    }
    refusal
        .unwrap_or_else(|| {
            Refusal::new(format!(
                "ClusterQueue {:?} hands out no {}, only {}",
                queue.metadata.name,
                resource.unwrap_or("GPUs"),
                covered.join(", ")
            ))
        })
        .about(format!("clusterqueue/{}", queue.metadata.name))
        .hint("choose another queue with -q, or another resource with --gpu-resource")
}
