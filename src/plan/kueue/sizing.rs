//! Decides how large pods are whose size the user leaves to kaiwo: as usual, or where the
//! nodes or the queue have less, what fits.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::capacity::QueueCapacity;
use super::placement::PodSet;
use super::places::{self, FlavorNodes};
use crate::api::Readable;
use crate::api::node::Node;
use crate::api::vendor::is_gpu_resource;
use crate::plan::facts::ClusterFacts;
use crate::plan::gang::{self, GangShortfall, Group, USABLE};
use crate::plan::gpu::GpuLayout;
use crate::plan::request::WorkloadRequest;
use crate::plan::resources;
use crate::plan::sizes::{Dimension, PodSizes, Share};
use crate::quantity::Quantity;

/// Percent of a node that pods of other kinds leave on any cluster that is not small.
const SURE: i64 = 50;

/// The sizes of a workload's pods.
#[derive(Debug, Clone, Copy)]
pub struct Sizing {
    pub sizes: PodSizes,
    /// Whether they may depend on the pods that stay on the nodes, which were not read.
    pub is_tight: bool,
}

impl Sizing {
    /// Returns the sizes that are stated, and the usual ones.
    pub fn usual(request: &WorkloadRequest, layout: GpuLayout) -> Self {
        Self {
            sizes: PodSizes::usual(&request.pods, layout.gpus_per_replica),
            is_tight: false,
        }
    }
}

/// The pods that are sized.
#[derive(Debug, Clone, Copy)]
pub struct Pods<'a> {
    /// What was asked for.
    pub request: &'a WorkloadRequest,
    /// How many, with how many GPUs.
    pub layout: GpuLayout,
    pub gpu_resource: Option<&'a str>,
    /// Labels that only those which work must find on their nodes.
    pub pin: &'a BTreeMap<String, String>,
}

impl Pods<'_> {
    /// Sizes them for these flavors of a queue, or for any node: what fits all of them,
    /// because it is Kueue that chooses.
    pub fn sized(
        self,
        facts: &ClusterFacts,
        queue: Option<&QueueCapacity>,
        flavors: &[String],
    ) -> Sizing {
        let usual = Sizing::usual(self.request, self.layout);
        // KAITO chooses the nodes, or makes them.
        if self.request.kind.is_kaito() {
            return usual;
        }
        // A node that is down or drained at the moment has the size of its kind.
        let nodes: Option<Vec<Node>> =
            places::nodes(facts).map(|nodes| nodes.iter().map(Node::while_healthy).collect());
        let (known, residents) = (nodes.as_deref(), facts.occupation.as_ref());
        let residents = residents.and_then(Readable::known);
        let usable = match (known, residents) {
            (Some(nodes), None) => Some(portions(nodes, USABLE)),
            (Some(nodes), Some(_)) => Some(Cow::Borrowed(nodes)),
            (None, _) => None,
        };
        let sure = known
            .filter(|_| facts.occupation.is_none())
            .map(|nodes| portions(nodes, SURE));
        let mut sizing = usual;
        for place in FlavorNodes::list(flavors, queue.map(|room| room.queue), facts) {
            let room = |nodes| Room {
                pods: self,
                place: &place,
                queue,
                nodes,
            };
            let fitting = room(usable.as_deref()).fitting(usual.sizes);
            sizing.sizes = sizing.sizes.least(&fitting);
            if let Some(sure) = &sure {
                sizing.is_tight |= !room(Some(sure)).holds(&usual.sizes);
            }
        }
        sizing
    }

    fn sets(&self, sizes: &PodSizes) -> Vec<PodSet> {
        resources::pod_sets(
            self.request,
            self.layout,
            self.gpu_resource,
            self.pin,
            sizes,
        )
    }
}

/// What the pods have to fit into.
struct Room<'a> {
    pods: Pods<'a>,
    place: &'a FlavorNodes<'a>,
    queue: Option<&'a QueueCapacity<'a>>,
    nodes: Option<&'a [Node]>,
}

impl Room<'_> {
    /// Returns whether nodes and queue hold pods of such sizes.
    fn holds(&self, sizes: &PodSizes) -> bool {
        let count = self.count();
        let mut both = Dimension::ALL.into_iter();
        both.all(|dimension| self.fits(dimension, sizes, count))
    }

    /// Returns the sizes, and instead of those that kaiwo chooses the largest that fit; as
    /// they are where none does.
    fn fitting(&self, mut sizes: PodSizes) -> PodSizes {
        let count = self.count();
        for dimension in Dimension::ALL {
            let found = self.reduced(dimension, sizes, count);
            // What the queue gives is a fact where nodes may come.
            let found = found.or_else(|| self.reduced(dimension, sizes, None));
            sizes = found.unwrap_or(sizes);
        }
        sizes
    }

    /// Returns the largest sizes of one resource that fit: those which work come first, and
    /// the head of a Ray cluster gets what they leave.
    fn reduced(
        &self,
        dimension: Dimension,
        usual: PodSizes,
        count: Option<i64>,
    ) -> Option<PodSizes> {
        if self.fits(dimension, &usual, count) {
            return Some(usual);
        }
        let is_ray = self.pods.request.kind.is_ray();
        let choices = |share: Share, least: Quantity| -> Vec<Quantity> {
            match share.is_chosen {
                true => {
                    let steps = dimension.steps(share.each);
                    steps.filter(|step| *step >= least).collect()
                }
                false => vec![share.each],
            }
        };
        let (of_worker, of_head) = (usual.worker.share(dimension), usual.head.share(dimension));
        let workers = choices(of_worker, least(dimension, false, is_ray));
        let heads = choices(of_head, least(dimension, true, is_ray));
        let with = |worker: Quantity, head: Quantity| {
            let mut sizes = usual;
            sizes.worker.set(dimension, worker);
            sizes.head.set(dimension, head);
            sizes
        };
        let smallest = *heads.last()?;
        let fits = |sizes: &PodSizes| self.fits(dimension, sizes, count);
        let worker = workers.into_iter().find(|it| fits(&with(*it, smallest)))?;
        let mut with_head = heads.into_iter().map(|head| with(worker, head));
        with_head.find(fits)
    }

    /// Returns how many of the pods that work have to fit the nodes at once: all of those
    /// for whose GPUs there is room today, for more nodes would have more of everything;
    /// nothing if the nodes say nothing.
    fn count(&self) -> Option<i64> {
        let request = self.pods.request;
        let most = match request.serving.autoscale {
            Some(scale) => scale.min,
            None => self.pods.layout.replicas,
        };
        let sizes = PodSizes::usual(&request.pods, self.pods.layout.gpus_per_replica);
        let has_gpus = self.pods.layout.gpus_per_replica > 0;
        let room = |count: i64| {
            let mut groups = self.groups(None, &sizes, count)?;
            groups.truncate(1);
            gang::misfit(&groups).map_or(Some(count), |misfit| match misfit {
                GangShortfall::TooMany { placed, .. } if placed > 0 => Some(placed),
                _ => None,
            })
        };
        // Pods without GPUs share no node's size: more of them need more nodes.
        room(if has_gpus { most } else { 1 })
    }

    /// Returns whether the pods fit in one resource, beside their GPUs; `count` of those
    /// that work on the nodes.
    fn fits(&self, dimension: Dimension, sizes: &PodSizes, count: Option<i64>) -> bool {
        if let Some(queue) = self.queue {
            let sets = only(self.pods.sets(sizes), Some(dimension));
            let on = self
                .place
                .flavor
                .filter(|_| self.pods.layout.gpus_per_replica > 0);
            if queue.place(&sets, on, |of| queue.quotas.most(of)).is_err() {
                return false;
            }
        }
        let Some(count) = count else {
            return true;
        };
        let groups = self.groups(Some(dimension), sizes, count);
        groups.is_none_or(|groups| gang::misfit(&groups).is_none())
    }

    /// Returns the pods with the nodes that they may use: of those that work, where each
    /// GPU is to have its share, the nodes that have as much for each of theirs.
    fn groups(
        &self,
        of: Option<Dimension>,
        sizes: &PodSizes,
        count: i64,
    ) -> Option<Vec<Group<'_>>> {
        let nodes = self.nodes?;
        let sets = only(self.pods.sets(sizes), of);
        let mut groups = self.place.groups(&sets, &[], nodes);
        let workers = groups.first_mut()?;
        workers.count = count;
        let Some(dimension) = of else {
            return Some(groups);
        };
        let (share, resource) = (sizes.worker.share(dimension), dimension.resource());
        if let Some(gpus) = self
            .pods
            .gpu_resource
            .filter(|_| share.is_chosen && share.gpus > 0)
        {
            let has_share = |node: &&Node| {
                let all = node.allocatable(gpus).whole();
                node.allocatable(resource) >= share.each * all
            };
            workers
                .nodes
                .retain(|node| !says(node, resource) || has_share(node));
        }
        for group in &mut groups {
            if !group.nodes.is_empty() && !group.nodes.iter().any(|node| says(node, resource)) {
                group.requests.remove(resource);
            }
        }
        Some(groups)
    }
}

/// Returns whether a node says how much it has of a resource.
fn says(node: &Node, resource: &str) -> bool {
    node.status.allocatable.contains_key(resource)
}

/// Returns pods that request nothing but GPUs and one resource.
fn only(mut sets: Vec<PodSet>, of: Option<Dimension>) -> Vec<PodSet> {
    let resource = of.map(Dimension::resource);
    for set in &mut sets {
        set.requests
            .retain(|name, _| Some(name.as_str()) == resource || is_gpu_resource(name));
    }
    sets
}

/// Returns the least that kaiwo chooses: what a shell needs, or Ray's own processes.
fn least(dimension: Dimension, is_head: bool, is_ray: bool) -> Quantity {
    match (dimension, is_head, is_ray) {
        (Dimension::Cpu, true, _) => Quantity::milli(500),
        (Dimension::Cpu, ..) => Quantity::milli(250),
        (Dimension::Memory, true, _) => Quantity::gib(2),
        (Dimension::Memory, _, true) => Quantity::gib(1),
        (Dimension::Memory, ..) => Quantity::units(256 << 20),
    }
}

/// Returns nodes with so many percent of their CPUs and memory.
fn portions(nodes: &[Node], percent: i64) -> Cow<'_, [Node]> {
    let portion = |node: &Node| {
        let mut node = node.clone();
        for dimension in Dimension::ALL {
            if let Some(amount) = node.status.allocatable.get_mut(dimension.resource()) {
                *amount = amount.percent(percent);
            }
        }
        node
    };
    nodes.iter().map(portion).collect()
}

#[cfg(test)]
mod tests;
