//! Finds the level of a topology that is meant, and checks whether its domains can
//! hold the pods.
//!
//! Kueue v0.19 says only that pods do not fit, with the same words for "not now" and
//! "never" (`tas_flavor_snapshot.go`); `domains` counts what the nodes can hold.

pub mod domains;

use super::queue::{self, QueueChoice};
use crate::api::Readable;
use crate::api::queue::ResourceFlavor;
use crate::api::topology::Topology;
use crate::names::nearest;
use crate::plan::facts::ClusterFacts;
use crate::plan::request::WorkloadRequest;
use crate::plan::request::topology::TopologyWish;
use crate::plan::{Plan, Refusal};
use crate::secrecy::named;

use domains::{Domains, with_topology, word};

/// A level that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// Label of the nodes.
    pub label: String,
    /// Whether all pods must be in one domain.
    pub required: bool,
    /// Why the pods will wait, or will be spread, as the nodes are today.
    pub warning: Option<String>,
}

/// Returns whether a label is what the level of a wish means.
fn is_meant(wanted: &str, label: &str) -> bool {
    let name = label.rsplit_once('/').map_or(label, |(_, name)| name);
    label == wanted || name == wanted || word(label) == wanted
}

/// Finds the level without a cluster, or where it may not be read: a label as it is,
/// else among those of the settings.
///
/// # Errors
/// [`Refusal`] if only a word is known.
pub fn from_settings(request: &WorkloadRequest, why: &str) -> Result<Option<Level>, Refusal> {
    let Some(wish) = &request.pods.topology else {
        return Ok(None);
    };
    if wish.is_label() {
        return Ok(Some(level(wish, &wish.level)));
    }
    let known = &request.pods.topology_levels;
    let found = known.iter().find(|label| is_meant(&wish.level, label));
    if let Some(label) = found {
        return Ok(Some(level(wish, label)));
    }
    let refusal = Refusal::new(format!(
        "--topology: cannot find the node label of level {}: {why}",
        named(&wish.level)
    ))
    .hint("use the label itself: --topology cloud.example.com/topology-rack");
    let labels: Vec<String> = known.iter().map(|label| named(label)).collect();
    Err(match known[..] {
        [] => refusal.hint(
            "or set topologyLevels in ~/.config/kaiwo/config.yaml to the labels, widest first",
        ),
        _ => refusal.hint(format!(
            "topologyLevels in your settings: {}",
            labels.join(", ")
        )),
    })
}

fn level(wish: &TopologyWish, label: &str) -> Level {
    Level {
        label: label.to_owned(),
        required: wish.required,
        warning: None,
    }
}

/// Finds the level in the topologies of a queue's flavors. `gpu_resource` is what the
/// working pods ask for.
///
/// # Errors
/// [`Refusal`] if no flavor has a topology, or none has the level; it passes with
/// `force`, if the level is given as a label.
pub fn of_queue(
    request: &WorkloadRequest,
    choice: &QueueChoice,
    gpu_resource: Option<&str>,
    facts: &ClusterFacts,
) -> Result<Option<Level>, Refusal> {
    let Some(wish) = &request.pods.topology else {
        return Ok(None);
    };
    let (Some(queue), Some(flavors)) = (&choice.cluster_queue, facts.flavors.known()) else {
        return from_settings(
            request,
            "you may not list ClusterQueues and ResourceFlavors (role kaiwo-queues)",
        );
    };
    let with_topology = with_topology(queue, gpu_resource, flavors);
    let name = &queue.metadata.name;
    if with_topology.is_empty() {
        if request.force && wish.is_label() {
            return Ok(Some(level(wish, &wish.level)));
        }
        return Err(Refusal::new(format!(
            "--topology: no flavor of ClusterQueue {name:?} has a topology, so Kueue would never admit the workload"
        ))
        .about(format!("clusterqueue/{name}"))
        .hint("remove --topology, or choose another queue with -q")
        .hint("ask its admin to set topologyName in the ResourceFlavor"));
    }
    let Some(Readable::Known(topologies)) = &facts.topologies else {
        return from_settings(request, "you may not list Topologies (role kaiwo-queues)");
    };
    let topology_of = |flavor: &&ResourceFlavor| {
        let mut known = topologies.iter();
        known.find(|it| Some(&it.metadata.name) == flavor.spec.topology_name.as_ref())
    };
    let labels: Vec<&str> = with_topology
        .iter()
        .filter_map(topology_of)
        .flat_map(Topology::labels)
        .collect();
    if let Some(label) = labels.iter().find(|label| is_meant(&wish.level, label)) {
        return Ok(Some(level(wish, label)));
    }
    if request.force && wish.is_label() {
        return Ok(Some(level(wish, &wish.level)));
    }
    let refusal = Refusal::new(format!(
        "--topology: no topology of ClusterQueue {name:?} has the level {}",
        named(&wish.level)
    ))
    .about(format!("clusterqueue/{name}"));
    let words = || labels.iter().map(|label| word(label).to_owned());
    let refusal = match nearest(&wish.level.to_lowercase(), words()) {
        Some(level) => {
            let near = TopologyWish {
                level,
                ..wish.clone()
            };
            refusal.hint(format!("did you mean --topology {near}?"))
        }
        None => refusal,
    };
    let known: Vec<String> = labels
        .iter()
        .map(|label| format!("{} ({label})", word(label)))
        .collect();
    Err(match known.is_empty() {
        true => refusal.hint("its flavors name a Topology that does not exist: ask an admin"),
        false => refusal.hint(format!("levels, widest first: {}", known.join(", "))),
    })
}

/// Returns why the pods of a plan will wait, or be spread, on the nodes of today; nothing
/// if a domain can hold all of them, or that cannot be seen.
pub fn warning(plan: &Plan, facts: &ClusterFacts) -> Option<String> {
    let level = plan.topology.as_ref()?;
    let choice = queue::choose(
        plan.local_queue.as_deref()?,
        facts,
        &plan.request.namespace,
        true,
    );
    let queue = choice.ok()?.cluster_queue?;
    let workers = plan.pods.first()?;
    let domains = domains::of_queue(
        &queue,
        plan.gpu_resource.as_deref(),
        workers,
        &level.label,
        facts,
    );
    // Kueue takes whichever flavor holds them.
    let best = domains.into_iter().max_by_key(Domains::most)?;
    if best.most() >= workers.count {
        return None;
    }
    let place = word(&level.label);
    let then = match (level.required, best.total() >= workers.count) {
        (false, true) => "they will be spread over several".to_owned(),
        (false, false) => "they will wait until nodes are added".to_owned(),
        (true, _) => format!(
            "they will wait until nodes are added; without :required they can be spread, --topology {}",
            word(&level.label)
        ),
    };
    let largest = match best.largest() {
        Some(largest) => format!(
            "the largest, {}, holds {} when it is empty",
            largest.name, largest.empty
        ),
        None => format!("no node of the queue's flavors has a {place}"),
    };
    Some(format!(
        "no {place} holds all {} pods ({largest}): {then}",
        workers.count
    ))
}

#[cfg(test)]
mod tests;
