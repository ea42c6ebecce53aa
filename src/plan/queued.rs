//! Plans of workloads that a queue admits: on which of its flavors they fit, and
//! how it stands.

use std::collections::BTreeMap;

use super::facts::ClusterFacts;
use super::gpu::GpuLayout;
use super::kueue::capacity::QueueCapacity;
use super::kueue::flavor::{self, FlavorOption, FlavorSplit};
use super::kueue::multikueue;
use super::kueue::queue::{self, QueueChoice};
use super::kueue::sizing::{Pods, Sizing};
use super::kueue::topology;
use super::request::WorkloadRequest;
use super::{NewLocalQueue, Plan, PlanReads, Refusal, resources};
use crate::api::Readable;
use crate::names::nearest;

/// Returns what has to be read before [`plan`] knows all it can.
pub fn needs(request: &WorkloadRequest, queue: &str, facts: &ClusterFacts) -> PlanReads {
    let Ok(choice) = queue::choose(queue, facts, &request.namespace, true) else {
        return PlanReads::default();
    };
    let spec = choice.cluster_queue.as_ref().map(|queue| &queue.spec);
    PlanReads {
        cohorts: spec.is_some_and(|spec| spec.cohort_name.is_some()),
        admission_checks: spec.is_some_and(|spec| spec.admission_checks().next().is_some()),
        topologies: request.pods.topology.is_some(),
        ..PlanReads::default()
    }
}

/// Decides what is submitted to a queue.
///
/// # Errors
/// [`Refusal`] if it cannot run, or can never be admitted.
pub fn plan(request: WorkloadRequest, queue: &str, facts: &ClusterFacts) -> Result<Plan, Refusal> {
    let kueue = facts.kueue.clone().ok_or_else(|| {
        Refusal::new(
            "Kueue is not installed: the cluster does not serve kueue.x-k8s.io/v1beta1 or v1beta2",
        )
        .hint("ask an admin to install it: https://kueue.sigs.k8s.io/docs/installation/")
    })?;
    check_priority_class(&request, facts)?;
    let choice = queue::choose(queue, facts, &request.namespace, request.force)?;
    let planner = QueuedPlanner::new(&request, &choice, facts);
    let resource = planner.resource()?;
    let offers = planner.offers(resource.as_deref())?;
    let shape = planner.shape(resource.as_deref(), &offers)?;
    let gpus = resource.as_deref().filter(|_| request.gpus.wants_gpus());
    let level = topology::of_queue(&request, &choice, gpus, facts)?;

    let sizing = planner.sizing(&shape, resource.as_deref());
    let local_queue = choice.local_queue.clone();
    let mut plan = Plan::from_shape(request, shape, resource, Some(local_queue.clone()), sizing)?;
    plan.topology = level;
    if choice.sends_away(facts) {
        multikueue::send_away(&mut plan)?;
    }
    plan.new_local_queue = choice.create_for.map(|cluster_queue| NewLocalQueue {
        api_version: kueue,
        name: local_queue,
        cluster_queue,
    });
    Ok(plan)
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
    let refusal = Refusal::new(format!("WorkloadPriorityClass {wanted:?} does not exist"))
        .about(format!("workloadpriorityclass/{wanted}"));
    let refusal = match nearest(wanted, known.clone()) {
        Some(near) => refusal.hint(format!("did you mean --priority-class {near}?")),
        None => refusal,
    };
    Err(match known[..] {
        [] => refusal.hint("the cluster has none; remove --priority-class"),
        _ => refusal.hint(format!("priority classes: {}", known.join(", "))),
    })
}

/// Asks a queue about a request.
struct QueuedPlanner<'a> {
    request: &'a WorkloadRequest,
    choice: &'a QueueChoice,
    facts: &'a ClusterFacts,
    /// What the ClusterQueue has, where it can be read.
    room: Option<QueueCapacity<'a>>,
}

impl<'a> QueuedPlanner<'a> {
    fn new(request: &'a WorkloadRequest, choice: &'a QueueChoice, facts: &'a ClusterFacts) -> Self {
        let queue = choice.cluster_queue.as_ref();
        Self {
            request,
            choice,
            facts,
            room: queue.map(|queue| QueueCapacity::new(queue, facts).sized(request.pods.sizes)),
        }
    }

    /// Returns the extended resource of the GPUs.
    fn resource(&self) -> Result<Option<String>, Refusal> {
        if let Some(resource) = &self.request.gpu_resource {
            return Ok(Some(resource.clone()));
        }
        let detected = flavor::detect_resource(self.choice, self.facts);
        match self.request.gpus.wants_gpus() {
            true => detected,
            // Without GPUs the resource only serves to guess an image.
            false => Ok(detected.unwrap_or_default()),
        }
    }

    /// Returns which flavors offer the GPUs that are asked for; none where the
    /// ClusterQueue cannot be read.
    fn offers(&self, resource: Option<&str>) -> Result<Vec<FlavorOption>, Refusal> {
        let request = self.request;
        if !request.gpus.wants_gpus() {
            return Ok(Vec::new());
        }
        let resource = resource.ok_or_else(|| self.no_gpus(None))?;
        let Some(room) = &self.room else {
            return Ok(Vec::new());
        };
        let one = GpuLayout {
            replicas: 1,
            gpus_per_replica: 1,
        };
        let usual = Sizing::usual(request, one).sizes;
        let sets = resources::pod_sets(request, one, Some(resource), &BTreeMap::new(), &usual);
        let label_key = request.gpu_node_label_key.as_deref();
        let mut offers = flavor::offers(room, resource, label_key, &sets[0], request.force)?;
        for offer in offers.iter_mut().filter(|offer| offer.is_seen) {
            let size = offer.per_node.map(|seen| request.gpus.size_of_nodes(seen));
            offer.per_node = size;
        }
        match offers.is_empty() && !request.force {
            true => Err(self.no_gpus(Some(resource))),
            false => Ok(offers),
        }
    }

    /// Splits the request over the flavors that offer its GPUs, where the queue
    /// could ever have room for it.
    fn shape(
        &self,
        resource: Option<&str>,
        offers: &[FlavorOption],
    ) -> Result<FlavorSplit, Refusal> {
        let request = self.request;
        let fits = |layout: GpuLayout, flavor: Option<&str>| match &self.room {
            Some(room) => {
                let pin = BTreeMap::new();
                let flavors: Vec<String> = flavor.into_iter().map(str::to_owned).collect();
                let pods = self.pods(layout, resource, &pin);
                let sizes = pods.sized(self.facts, Some(room), &flavors).sizes;
                let sets = resources::pod_sets(request, layout, resource, &pin, &sizes);
                room.check(&sets, flavor)
            }
            None => Ok(()),
        };
        // Without flavors to go by, the nodes themselves tell.
        let largest_node = resource
            .filter(|_| offers.is_empty())
            .and_then(|resource| flavor::on_nodes(self.facts, resource, &BTreeMap::new()))
            .map(|seen| request.gpus.size_of_nodes(seen));
        let shape = flavor::shape(
            &request.gpus,
            request.gpus_per_node,
            offers,
            largest_node,
            request.force,
            |layout, offer| fits(layout, Some(&offer.flavor)),
        )?;
        if offers.is_empty() && !request.force {
            fits(shape.layout, None)?;
        }
        Ok(shape)
    }

    /// Sizes the pods of a shape for the flavors on which they may be.
    fn sizing(&self, shape: &FlavorSplit, resource: Option<&str>) -> Sizing {
        let pods = self.pods(shape.layout, resource, &shape.node_selector);
        pods.sized(self.facts, self.room.as_ref(), &shape.flavors)
    }

    fn pods<'p>(
        &'p self,
        layout: GpuLayout,
        gpu_resource: Option<&'p str>,
        pin: &'p BTreeMap<String, String>,
    ) -> Pods<'p> {
        Pods {
            request: self.request,
            layout,
            gpu_resource,
            pin,
        }
    }

    /// Refuses because the queue has no GPUs, or none of the named resource.
    fn no_gpus(&self, resource: Option<&str>) -> Refusal {
        let Some(room) = &self.room else {
            let refusal = Refusal::new(format!(
                "cannot determine which GPUs queue {:?} provides",
                self.choice.local_queue
            ))
            .hint("name the resource: --gpu-resource amd.com/gpu or --gpu-resource nvidia.com/gpu");
            return match self.facts.local_queues {
                Readable::Known(_) => refusal,
                Readable::Forbidden => refusal.hint(format!(
                    "you may not list localqueues in namespace {:?}, which would show it: ask its admin for that right",
                    self.request.namespace
                )),
            };
        };
        let name = &room.queue.metadata.name;
        let groups = room.queue.spec.resource_groups.iter();
        let covered: Vec<&str> = groups
            .flat_map(|group| group.covered_resources.iter().map(String::as_str))
            .collect();
        let refusal = match resource.filter(|resource| covered.contains(resource)) {
            Some(resource) => Refusal::new(format!(
                "ClusterQueue {name:?} covers {resource} but has no quota for it in any flavor"
            )),
            None => Refusal::new(format!(
                "ClusterQueue {name:?} has no quota for {} (it has {})",
                resource.unwrap_or("GPUs"),
                covered.join(", ")
            )),
        };
        refusal
            .about(format!("clusterqueue/{name}"))
            .hint("choose another queue with -q, or another resource with --gpu-resource")
    }
}
