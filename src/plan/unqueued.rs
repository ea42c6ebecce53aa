//! Plans of services that no queue admits: where their GPUs are is told by the
//! nodes, and to those who may not read them by the queues, as far as these agree.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::ClusterFacts;
use super::kueue::capacity::QueueCapacity;
use super::kueue::flavor;
use super::kueue::queue;
use super::kueue::sizing::Pods;
use super::request::WorkloadRequest;
use super::{Plan, Refusal};
use crate::api::Readable;
use crate::api::keys;
use crate::api::vendor::is_gpu_resource;
use crate::kind::WorkloadKind;

/// Decides what is served for `request`, at once.
///
/// # Errors
/// [`Refusal`] if it cannot run.
pub fn plan(request: WorkloadRequest, facts: &ClusterFacts) -> Result<Plan, Refusal> {
    let resource = resource(&request, facts)?;
    let largest_node = resource
        .as_deref()
        .and_then(|resource| flavor::on_nodes(facts, resource, &request.pods.node_selector));
    let seen = largest_node.or_else(|| {
        let label_key = request.gpu_node_label_key.as_deref();
        let labels = &request.pods.node_selector;
        flavor::on_flavors(facts, resource.as_deref()?, label_key, labels)
    });
    let per_node = request.gpus_per_node;
    let force = request.force;
    let seen = seen.map(|seen| request.gpus.size_of_nodes(seen));
    let shape = flavor::shape(&request.gpus, per_node, &[], seen, force, |_, _| Ok(()))?;
    let pods = Pods {
        request: &request,
        layout: shape.layout,
        gpu_resource: resource.as_deref(),
        pin: &shape.node_selector,
    };
    let sizing = pods.sized(facts, None, &[]);
    let mut plan = Plan::from_shape(request, shape, resource, None, sizing)?;
    if plan.request.kind.is_kaito() {
        of_kaito(&mut plan, facts)?;
    }
    Ok(plan)
}

/// Decides in which version of its API KAITO is asked, and checks that it has
/// what is asked for.
fn of_kaito(plan: &mut Plan, facts: &ClusterFacts) -> Result<(), Refusal> {
    let request = &plan.request;
    let (kind, choices) = (request.kind, &request.serving.kaito);
    let seen = &facts.kaito_facts;
    let version = match (seen.version(kind, choices), kind) {
        (Some(version), _) => version,
        (None, WorkloadKind::InferenceSet) => return Err(no_inference_set()),
        // Nothing can be read but the names of the versions.
        (None, _) => facts.kaito.as_deref().unwrap_or(kind.api_version()),
    };
    seen.check_fields(kind, version, choices)?;
    plan.notes
        .extend(seen.check_references(choices, &request.namespace)?);
    if request.serving.instance_type.is_none()
        && let Some(default) = seen.default_instance_type(kind, version)
    {
        plan.notes.push(format!(
            "this cluster's KAITO uses the instance type {default} for every Workspace that names none ({version}): nodes of other types are not used"
        ));
    }
    plan.api_version = version.to_owned();
    plan.kaito_releases = seen.releases(facts.kaito.as_deref());
    Ok(())
}

fn no_inference_set() -> Refusal {
    Refusal::new(
        "replicas of a model need an InferenceSet, and this cluster's KAITO does not serve that kind",
    )
    .hint("without --replicas, a Workspace serves it once")
    .hint("KAITO v0.8 and later can serve it, by default from v0.11 on: ask an admin")
}

/// Returns the resource of the GPUs: what the user says, what the nodes have, or,
/// where these are hidden, what the queues hand out.
fn resource(request: &WorkloadRequest, facts: &ClusterFacts) -> Result<Option<String>, Refusal> {
    if let Some(resource) = &request.gpu_resource {
        return Ok(Some(resource.clone()));
    }
    // KAITO provisions NVIDIA's GPUs only.
    if request.kind.is_kaito() {
        return Ok(Some(keys::NVIDIA_GPU.to_owned()));
    }
    if !request.gpus.wants_gpus() {
        return Ok(None);
    }
    let (owners, found) = match &facts.nodes {
        Some(Readable::Forbidden) => ("queues provide", in_queues(facts)),
        _ => ("nodes have", on_nodes(facts, &request.pods.node_selector)),
    };
    match found.iter().collect::<Vec<_>>()[..] {
        [resource] => Ok(Some(resource.clone())),
        [] => Err(match facts.nodes {
            Some(Readable::Known(_)) => Refusal::new("no node has GPUs")
                .hint("without -g, it is served on CPUs")
                .hint("if nodes with GPUs are created on demand, name their resource: --gpu-resource nvidia.com/gpu"),
            _ => Refusal::new("cannot determine which GPUs the cluster has: you may not read its nodes, and no queue shows it")
                .hint("name their resource: --gpu-resource amd.com/gpu or --gpu-resource nvidia.com/gpu"),
        }),
        _ => Err(Refusal::new(format!(
            "the {owners} several kinds of GPUs: {}",
            found.into_iter().collect::<Vec<_>>().join(", ")
        ))
        .hint("choose one: --gpu-resource NAME")),
    }
}

/// Returns the kinds of GPUs that the queues hand out: the cluster's, or as far
/// as they have given any, those of the namespace.
fn in_queues(facts: &ClusterFacts) -> BTreeSet<String> {
    let of_cluster = facts.cluster_queues.known().into_iter().flatten();
    let of_cluster = of_cluster.flat_map(|queue| {
        let room = QueueCapacity::new(queue, facts);
        flavor::handed_out(&room).cloned().collect::<Vec<_>>()
    });
    let of_namespace = facts.local_queues.known().into_iter().flatten();
    let of_namespace = of_namespace.flat_map(queue::reserved_resources);
    of_cluster
        .chain(of_namespace)
        .filter(|resource| is_gpu_resource(resource))
        .collect()
}

/// Returns the kinds of GPUs that nodes with these labels have.
fn on_nodes(facts: &ClusterFacts, labels: &BTreeMap<String, String>) -> BTreeSet<String> {
    let nodes = facts.nodes.as_ref().and_then(Readable::known);
    nodes
        .into_iter()
        .flatten()
        .filter(|node| node.has_labels(labels))
        .flat_map(|node| &node.status.allocatable)
        .filter(|(resource, count)| is_gpu_resource(resource) && count.whole() > 0)
        .map(|(resource, _)| resource.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::queue::ClusterQueue;
    use crate::plan::testing::{cluster_queue, facts, flavor};

    fn queue_of(resource: &str) -> ClusterQueue {
        let quotas = json!([{"name": resource, "nominalQuota": 32}]);
        let flavors = json!([{"name": "all", "resources": quotas}]);
        let groups = json!([{"coveredResources": [resource], "flavors": flavors}]);
        cluster_queue(resource, json!({"resourceGroups": groups}), json!({}))
    }

    #[test]
    fn who_may_not_read_nodes_goes_by_the_queues() {
        let key = "beta.amd.com/gpu.family.AI";
        let of_nodes = |count: &str| flavor(count, json!({"nodeLabels": {key: count}}));
        let mut facts = facts(
            vec![queue_of("amd.com/gpu"), queue_of("cpu")],
            vec![of_nodes("4"), of_nodes("8")],
        );
        assert_eq!(in_queues(&facts), ["amd.com/gpu".to_owned()].into());
        let largest = |labels: &[(&str, &str)]| {
            let labels = labels
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            flavor::on_flavors(&facts, "amd.com/gpu", None, &labels.collect())
        };
        assert_eq!(largest(&[]), Some(8));
        assert_eq!(largest(&[(key, "4")]), Some(4));
        assert_eq!(largest(&[("zone", "a")]), Some(8));
        facts.cluster_queues = Readable::Forbidden;
        facts.flavors = Readable::Forbidden;
        assert!(in_queues(&facts).is_empty());
        let none = BTreeMap::new();
        assert_eq!(flavor::on_flavors(&facts, "amd.com/gpu", None, &none), None);
    }
}
