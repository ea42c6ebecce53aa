//! Decides, from a request and what is known of the cluster, exactly what
//! will be submitted. Pure: no I/O, no clock, no randomness, so every rule
//! can be tried in a unit test.

pub mod capacity;
pub mod facts;
pub mod flavor;
pub mod gpu;
pub mod image;
pub mod name;
pub mod pod;
pub mod queue;
pub mod request;
pub mod resources;

use std::collections::BTreeMap;
use std::fmt;

use crate::error::{Classified, ErrorClass};
use crate::k8s;
use crate::names::nearest;
use crate::plan::capacity::Forecast;
use crate::plan::facts::{ClusterFacts, Facts, Readable};
use crate::plan::flavor::{Offer, Shape, Vendor};
use crate::plan::gpu::GpuLayout;
use crate::plan::name::WorkloadKind;
use crate::plan::queue::QueueChoice;
use crate::plan::request::WorkloadRequest;
use crate::plan::resources::PodResources;

/// Kueue's API version where no cluster was asked: the one Kueue stores.
const ASSUMED_KUEUE: &str = "kueue.x-k8s.io/v1beta2";
/// GPUs of a node where no cluster was asked.
const ASSUMED_GPUS_PER_NODE: i64 = 8;

/// A submission that cannot be, with what can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub message: String,
    /// What the user can do, best first.
    pub hints: Vec<String>,
    /// The object it is about.
    pub object: Option<String>,
}

impl Refusal {
    /// Creates a refusal that says `message`.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hints: Vec::new(),
            object: None,
        }
    }

    /// Adds a hint after those it has.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Names the object it is about.
    #[must_use]
    pub fn about(mut self, object: impl Into<String>) -> Self {
        self.object = Some(object.into());
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl Classified for Refusal {
    fn class(&self) -> ErrorClass {
        ErrorClass::Refused
    }

    fn hints(&self) -> Vec<String> {
        self.hints.clone()
    }

    fn object(&self) -> Option<String> {
        self.object.clone()
    }
}

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
    /// LocalQueue of the workload.
    pub local_queue: String,
    /// The LocalQueue, if it has to be made first.
    pub new_local_queue: Option<NewLocalQueue>,
    /// Whether the namespace has to be made first.
    pub new_namespace: bool,
    /// How the queue stands; `None` where the user may not see it.
    pub forecast: Option<Forecast>,
    /// What was assumed because no cluster was asked.
    pub assumptions: Vec<String>,
}

impl Plan {
    /// Fills in what follows from the shape alone.
    fn of(
        request: WorkloadRequest,
        shape: Shape,
        resource: Option<String>,
        local_queue: String,
    ) -> Result<Self, Refusal> {
        let Shape {
            layout,
            node_selector,
            ..
        } = shape;
        name::check_length(&request.name, request.kind, layout.replicas)?;
        request.lifetime.check(request.kind)?;
        let vendor = resource.as_deref().map(Vendor::of);
        let image = image::choose(&request, vendor, layout.total() > 0)?;
        Ok(Self {
            image,
            layout,
            worker: resources::worker(layout.gpus_per_replica, &request.pods),
            gpu_resource: resource.filter(|_| layout.total() > 0),
            node_selector,
            local_queue,
            new_local_queue: None,
            new_namespace: false,
            forecast: None,
            assumptions: Vec::new(),
            request,
        })
    }

    /// Returns whether the workload is a Job of several pods, which find one
    /// another through an index and a headless Service.
    pub fn indexed(&self) -> bool {
        self.request.kind != WorkloadKind::RayJob && self.layout.replicas > 1
    }
}

/// Returns whether planning needs the list of nodes, which is worth a
/// request only if the flavors leave the GPUs of a node open.
pub fn needs_nodes(request: &WorkloadRequest, facts: &ClusterFacts) -> bool {
    if facts.nodes.is_some() || request.gpus_per_node.is_some() || !request.gpus.needs_node_size() {
        return false;
    }
    let Ok(choice) = queue::choose(&request.queue, facts, &request.namespace, true) else {
        return false;
    };
    let Ok(Some(resource)) = gpu_resource(request, &choice) else {
        return false;
    };
    let offers = offers(request, facts, &choice, &resource);
    offers.is_empty() || offers.iter().any(|offer| offer.per_node.is_none())
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
    let resource = request.gpu_resource.clone().unwrap_or_else(|| {
        if request.gpus.wants_gpus() {
            assumptions.push(format!("{} (--gpu-resource)", k8s::AMD_GPU));
        }
        k8s::AMD_GPU.to_owned()
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
    plan.new_local_queue = Some(NewLocalQueue {
        api_version: ASSUMED_KUEUE.to_owned(),
        name: queue.clone(),
        cluster_queue: queue,
    });
    plan.assumptions = assumptions;
    Ok(plan)
}

fn plan_live(request: WorkloadRequest, facts: &ClusterFacts) -> Result<Plan, Refusal> {
    let kueue = operators(&request, facts)?;
    let missing = facts.namespace == Readable::Known(None);
    if missing && !request.create_namespace {
        return Err(
            Refusal::new(format!("namespace {:?} does not exist", request.namespace))
                .about(format!("namespace/{}", request.namespace))
                .hint("--create-namespace makes it, -n names another"),
        );
    }
    check_priority_class(&request, facts)?;
    let choice = queue::choose(&request.queue, facts, &request.namespace, request.force)?;
    let resource = gpu_resource(&request, &choice)?;
    let offers = match &resource {
        Some(resource) if request.gpus.wants_gpus() => offers(&request, facts, &choice, resource),
        None if request.gpus.wants_gpus() => return Err(no_gpus(&choice, None)),
        _ => Vec::new(),
    };
    if offers.is_empty()
        && request.gpus.wants_gpus()
        && choice.cluster_queue.is_some()
        && !request.force
    {
        return Err(no_gpus(&choice, resource.as_deref()));
    }

    let cluster_queue = choice.cluster_queue.as_ref();
    let queue_name = cluster_queue.map_or("", |queue| queue.metadata.name.as_str());
    // Without flavors to go by, the nodes themselves tell.
    let largest_node = resource
        .as_ref()
        .filter(|_| offers.is_empty())
        .and_then(|resource| flavor::on_nodes(facts, resource, &BTreeMap::new()));
    let shape = flavor::shape(
        &request.gpus,
        request.gpus_per_node,
        &offers,
        largest_node,
        request.force,
        |layout, offer| {
            let set = resources::working_set(layout, resource.as_deref(), &request.pods);
            capacity::fits(&set, offer, queue_name)
        },
    )?;

    let flavors = shape.flavors.clone();
    let mut plan = Plan::of(request, shape, resource, choice.local_queue.clone())?;
    plan.new_namespace = missing;
    plan.new_local_queue = choice
        .create_for
        .clone()
        .map(|cluster_queue| NewLocalQueue {
            api_version: kueue,
            name: choice.local_queue.clone(),
            cluster_queue,
        });
    if let Some(queue) = cluster_queue {
        if !plan.request.force {
            capacity::fits_queue(&resources::pod_sets(&plan), queue)?;
        }
        let set = resources::working_set(
            plan.layout,
            plan.gpu_resource.as_deref(),
            &plan.request.pods,
        );
        let counted = plan.gpu_resource.as_deref().unwrap_or("cpu");
        plan.forecast = Forecast::new(queue, &flavors, counted, &set).map(|forecast| Forecast {
            obstacle: choice.obstacle.clone(),
            ..forecast
        });
    }
    Ok(plan)
}

/// Returns Kueue's API version, once every operator that is needed is there.
fn operators(request: &WorkloadRequest, facts: &ClusterFacts) -> Result<String, Refusal> {
    if request.kind == WorkloadKind::RayJob && !facts.ray {
        return Err(Refusal::new("KubeRay is not installed: the cluster does not serve ray.io/v1")
            .hint("without --ray the workload runs as a Job")
            .hint("an admin installs it: https://docs.ray.io/en/latest/cluster/kubernetes/getting-started/kuberay-operator-installation.html"));
    }
    facts.kueue.clone().ok_or_else(|| {
        Refusal::new(
            "Kueue is not installed: the cluster does not serve kueue.x-k8s.io/v1beta1 or v1beta2",
        )
        .hint("an admin installs it: https://kueue.sigs.k8s.io/docs/installation/")
    })
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
) -> Result<Option<String>, Refusal> {
    match &request.gpu_resource {
        Some(resource) => Ok(Some(resource.clone())),
        None if request.gpus.wants_gpus() => flavor::detect_resource(choice),
        // Without GPUs the resource only serves to guess an image.
        None => Ok(flavor::detect_resource(choice).unwrap_or_default()),
    }
}

fn offers(
    request: &WorkloadRequest,
    facts: &ClusterFacts,
    choice: &QueueChoice,
    resource: &str,
) -> Vec<Offer> {
    let label_key = request.gpu_node_label_key.as_deref();
    choice
        .cluster_queue
        .as_ref()
        .map(|queue| flavor::offers(queue, facts, resource, label_key))
        .unwrap_or_default()
}

/// Refuses because the queue has no GPUs, or none of the named resource.
fn no_gpus(choice: &QueueChoice, resource: Option<&str>) -> Refusal {
    let Some(queue) = &choice.cluster_queue else {
        return Refusal::new(format!(
            "cannot tell which GPUs queue {:?} hands out",
            choice.local_queue
        ))
        .hint("name the resource: --gpu-resource amd.com/gpu or --gpu-resource nvidia.com/gpu");
    };
    let covered: Vec<&str> = queue
        .spec
        .resource_groups
        .iter()
        .flat_map(|group| group.covered_resources.iter().map(String::as_str))
        .collect();
    Refusal::new(format!(
        "ClusterQueue {:?} hands out no {}, only {}",
        queue.metadata.name,
        resource.unwrap_or("GPUs"),
        covered.join(", ")
    ))
    .about(format!("clusterqueue/{}", queue.metadata.name))
    .hint("choose another queue with -q, or another resource with --gpu-resource")
}
