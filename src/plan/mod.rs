//! Decides, from a request and what is known of the cluster, exactly what
//! will be submitted. Pure: no I/O, no clock, no randomness, so every rule
//! can be tried in a unit test.

pub mod action;
mod checks;
pub mod facts;
pub mod gang;
pub mod gpu;
pub mod image;
pub mod kaito;
pub mod kueue;
pub mod name;
pub mod namesake;
pub mod occupation;
pub mod pod_reference;
mod queued;
pub mod readiness;
mod refusal;
pub mod request;
pub mod resources;
pub mod rollout;
pub mod sizes;
#[cfg(test)]
pub mod testing;
pub mod unqueued;

use std::collections::BTreeMap;

pub use refusal::Refusal;

use crate::api::Readable;
use crate::api::claim::Sharing;
use crate::api::keys;
use crate::api::vendor::Vendor;
use crate::kind::WorkloadKind;
use crate::workload::packed::PackedFiles;
use facts::{ClusterFacts, Facts};
use gang::GangShortfall;
use gpu::GpuLayout;
use kaito::Releases;
use kueue::flavor::{self, FlavorSplit};
use kueue::forecast::Forecast;
use kueue::placement::PodSet;
use kueue::sizing::Sizing;
use kueue::topology::{self, Level};
use request::WorkloadRequest;
use rollout::Rollout;
use sizes::PodSizes;

/// Kueue's API version where no cluster was asked: the one Kueue stores.
const ASSUMED_KUEUE: &str = "kueue.x-k8s.io/v1beta2";
/// GPUs of a node where no cluster was asked.
const ASSUMED_GPUS_PER_NODE: i64 = 8;

/// A LocalQueue that has to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLocalQueue {
    /// Its API version, one that the cluster serves.
    pub api_version: String,
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
    /// Sizes of its pods, which a template of the user's own need not use.
    pub sizes: PodSizes,
    /// All pods, those that do the work first: what the flags make, and once it is
    /// rendered, what the manifests ask for. None where an operator makes them.
    pub pods: Vec<PodSet>,
    /// Flavors of the queue that can hold one of the working pods; empty where
    /// that is not known.
    pub flavors: Vec<String>,
    /// Labels that the working pods' nodes must have.
    pub node_selector: BTreeMap<String, String>,
    /// How a Deployment gets from one version to the next.
    pub rollout: Rollout,
    /// LocalQueue of the workload; `None` if it is not queued.
    pub local_queue: Option<String>,
    /// Group and version of the workload's kind, one that the cluster serves.
    pub api_version: String,
    /// Releases of KAITO that the cluster may run.
    pub kaito_releases: Releases,
    /// Whether its queue sends it to another cluster (MultiKueue).
    pub is_sent_away: bool,
    /// The files that then travel inside of it, in place of the uploads.
    pub packed: Option<PackedFiles>,
    /// The LocalQueue, if it has to be made first.
    pub new_local_queue: Option<NewLocalQueue>,
    /// Whether the namespace has to be made first.
    pub new_namespace: bool,
    /// How the queue stands; `None` where the user may not see it.
    pub forecast: Option<Forecast>,
    /// Why today's nodes do not hold all of the pods at once; `None` if they do,
    /// or if it is not known.
    pub misfit: Option<GangShortfall>,
    /// Whether its pods may not fit beside those that stay on their nodes, which were not
    /// read.
    pub is_tight: bool,
    /// How many must be able to mount the claim that is kept.
    pub kept_for: Sharing,
    /// Whether that claim is there already.
    pub kept_is_there: bool,
    /// What keeps several of the pods from mounting the same claims at once.
    pub shared: Vec<String>,
    /// How close together the working pods are placed.
    pub topology: Option<Level>,
    /// What was assumed because no cluster was asked.
    pub assumptions: Vec<String>,
    /// What the user should know, and nobody could make sure of.
    pub notes: Vec<String>,
}

impl Plan {
    /// Fills in what follows from the shape alone.
    fn from_shape(
        request: WorkloadRequest,
        shape: FlavorSplit,
        resource: Option<String>,
        local_queue: Option<String>,
        sizing: Sizing,
    ) -> Result<Self, Refusal> {
        let Sizing { sizes, is_tight } = sizing;
        let FlavorSplit {
            layout,
            node_selector,
            flavors,
        } = shape;
        let indexed = request.array.as_ref();
        let indexed = indexed.map_or(layout.replicas, |array| array.tasks.count());
        name::check_length(&request.name, request.kind, indexed)?;
        request.lifetime.check(request.kind)?;
        if !request.kind.is_batch() {
            request.serving.check_replicas(layout.replicas)?;
        }
        if let Some(session) = &request.session {
            session.check(layout)?;
        }
        if let Some(array) = &request.array {
            array.check(layout)?;
        }
        checks::preloads(&request)?;
        checks::shared_memory(&sizes)?;
        let notes = checks::serve_config(&request, layout)?;
        let vendor = resource.as_deref().map(Vendor::from_resource);
        let image = image::choose(&request, vendor, layout.total() > 0)?;
        let gpu = resource.as_deref();
        let pods = resources::pod_sets(&request, layout, gpu, &node_selector, &sizes);
        Ok(Self {
            kept_is_there: false,
            kept_for: checks::kept_for(checks::mounting(request.kind, &pods), None),
            pods,
            flavors,
            api_version: request.kind.api_version().to_owned(),
            image,
            layout,
            sizes,
            gpu_resource: resource.filter(|_| layout.total() > 0),
            node_selector,
            rollout: Rollout::first(&request, layout),
            local_queue,
            kaito_releases: Releases::ANY,
            is_sent_away: false,
            packed: None,
            new_local_queue: None,
            new_namespace: false,
            forecast: None,
            misfit: None,
            is_tight,
            shared: Vec::new(),
            topology: None,
            assumptions: Vec::new(),
            notes,
            request,
        })
    }

    /// Returns whether the pods have the sizes of the plan: a template of the user's own may
    /// say other ones.
    pub fn has_sizes(&self) -> bool {
        let own = self.sizes.worker.resources();
        let (cpu, memory) = (Some(&own.cpu), Some(&own.memory));
        self.pods
            .iter()
            .any(|set| set.requests.get("cpu") == cpu && set.requests.get("memory") == memory)
    }

    /// Returns the flags that state the sizes which were chosen for this cluster; none if
    /// these are the usual ones, or the pods have others.
    pub fn adapted_sizes(&self) -> Vec<String> {
        let gpus = self.layout.gpus_per_replica;
        match self.has_sizes() {
            true => self.sizes.flags(&PodSizes::usual(&self.request.pods, gpus)),
            false => Vec::new(),
        }
    }

    /// Returns what is likely not meant, and can be all the same.
    pub fn warnings(&self) -> Vec<String> {
        let budget = self.request.serving.drains_blocked(self.layout.replicas);
        let misfit = self.misfit.as_ref().map(|misfit| {
            let less = misfit.flags();
            let less = less.map_or(String::new(), |flags| format!("; now {flags} would fit"));
            format!("{misfit}: it will wait until nodes are added{less}")
        });
        let spread = self.topology.as_ref().and_then(|it| it.warning.clone());
        let notes = budget.into_iter().chain(misfit).chain(spread);
        let shared = self.shared.iter().chain(&self.notes);
        notes.chain(shared.cloned()).collect()
    }

    /// Returns how many tasks of an array run at once at most, as far as the quota of its
    /// queue is known.
    pub fn most_slots(&self) -> Option<i64> {
        let array = self.request.array.as_ref()?;
        let of_quota = self
            .forecast
            .as_ref()
            .and_then(|forecast| forecast.most_slots);
        Some(of_quota.map_or(array.slots, |most| most.min(array.slots)))
    }

    /// Returns the plan with the pods that its manifests ask for, and what follows
    /// from them.
    ///
    /// # Errors
    /// [`Refusal`] if the queue can never admit these.
    pub fn rendered(
        mut self,
        pods: Vec<PodSet>,
        facts: Option<&ClusterFacts>,
    ) -> Result<Self, Refusal> {
        if pods == self.pods {
            return Ok(self);
        }
        self.pods = pods;
        if let (Some(scale), Some(workers)) =
            (self.request.serving.autoscale, self.pods.first_mut())
        {
            workers.count = scale.max;
        }
        if let (Some(array), Some(workers)) = (&self.request.array, self.pods.first_mut()) {
            workers.count = array.at_least;
        }
        match facts {
            None => Ok(self),
            Some(facts) => kueue::fitting::judged(self, facts, true),
        }
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
pub struct PlanReads {
    /// The nodes: how large they are, and whether all pods have a place on them.
    pub nodes: bool,
    /// The cohorts: the queue may borrow.
    pub cohorts: bool,
    /// The AdmissionChecks: the queue has some.
    pub admission_checks: bool,
    /// The topologies: the pods are to be close together.
    pub topologies: bool,
    /// The pods of all namespaces: an update asks for the GPUs that are left.
    pub pods: bool,
}

/// Returns what has to be read before [`plan_in`] `queue` knows all it can.
pub fn needs(request: &WorkloadRequest, queue: Option<&str>, facts: &ClusterFacts) -> PlanReads {
    let rolls = facts.running.is_some() && request.gpus.wants_gpus();
    let needs = match queue {
        None => PlanReads::default(),
        Some(queue) => queued::needs(request, queue, facts),
    };
    PlanReads {
        // KAITO makes those that it needs.
        nodes: !request.kind.is_kaito(),
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
        Facts::Live(facts) => {
            let queue = request.queue.clone();
            plan_in(request, queue.as_deref(), facts)
        }
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
    let sizing = Sizing::usual(&request, shape.layout);
    let level = topology::from_settings(&request, "a client dry run contacts no cluster")?;
    let mut plan = Plan::from_shape(request, shape, Some(resource), queue.clone(), sizing)?;
    plan.topology = level;
    plan.new_namespace = plan.request.create_namespace;
    plan.new_local_queue = queue.map(|queue| NewLocalQueue {
        api_version: ASSUMED_KUEUE.to_owned(),
        name: queue.clone(),
        cluster_queue: queue,
    });
    plan.assumptions = assumptions;
    Ok(plan)
}

/// Decides what is submitted for `request` where it gets into `queue`, whatever
/// the request says.
///
/// # Errors
/// [`Refusal`] if it cannot run, or can never be admitted.
pub fn plan_in(
    request: WorkloadRequest,
    queue: Option<&str>,
    facts: &ClusterFacts,
) -> Result<Plan, Refusal> {
    operators(&request, facts)?;
    let new_namespace = facts.namespace == Readable::Known(None);
    if new_namespace && !request.create_namespace {
        let refusal = Refusal::new(format!("namespace {:?} does not exist", request.namespace))
            .about(format!("namespace/{}", request.namespace));
        return Err(match facts.context_namespace.as_str() {
            "" => refusal,
            other => refusal.hint(format!(
                "to use the context's namespace {other}: -n {other}, or namespace: context in ~/.config/kaiwo/config.yaml"
            )),
        }
        .hint("create it with --create-namespace, or choose another with -n"));
    }
    // Those of another cluster are not seen.
    let choice = queue.map(|queue| kueue::queue::choose(queue, facts, &request.namespace, true));
    let is_sent_away = choice.is_some_and(|choice| choice.is_ok_and(|it| it.sends_away(facts)));
    if !is_sent_away {
        checks::claims(&request, facts)?;
    }
    let plan = match queue {
        Some(queue) => queued::plan(request, queue, facts),
        None => unqueued::plan(request, facts),
    }?;
    let plan = kueue::fitting::judged(plan, facts, false)?;
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
            .hint("ask an admin to install it: https://docs.ray.io/en/latest/cluster/kubernetes/getting-started/kuberay-operator-installation.html"));
    }
    if request.kind.is_kaito() && facts.kaito.is_none() {
        return Err(Refusal::new(
            "KAITO is not installed: the cluster does not serve kaito.sh/v1beta1 or v1alpha1",
        )
        .hint(
            "ask an admin to install it: https://kaito-project.github.io/kaito/docs/installation",
        ));
    }
    Ok(())
}
