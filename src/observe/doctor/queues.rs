//! Judges the queues: whether they admit, whether nodes are behind their quota, and
//! whether a submission with the user's own defaults would be accepted.

use std::collections::{BTreeMap, BTreeSet};

use super::DoctorEvidence;
use super::check::{Check, State, Subject};
use crate::api::Readable;
use crate::api::condition::condition;
use crate::api::node::Node;
use crate::api::queue::{ClusterQueue, ResourceFlavor, StopPolicy};
use crate::api::vendor::is_gpu_resource;
use crate::observe::why::Who;
use crate::plan::facts::ClusterFacts;
use crate::plan::gpu::GpuRequest;
use crate::plan::kueue::{flavor, queue};
use crate::plan::request::WorkloadRequest;
use crate::plan::{self, Plan, Refusal};
use crate::quantity::Quantity;
use crate::suggestion::{kaiwo, kubectl};

/// Labels of nodes that belong to a pool, which may grow: of Karpenter, EKS, GKE
/// and AKS.
const POOLS: [&str; 4] = [
    "karpenter.sh/nodepool",
    "eks.amazonaws.com/nodegroup",
    "cloud.google.com/gke-nodepool",
    "kubernetes.azure.com/agentpool",
];

/// Judges the namespace.
pub fn namespace(evidence: &DoctorEvidence) -> Check {
    let name = &evidence.namespace;
    match &evidence.facts.namespace {
        Readable::Forbidden => Check::new(
            Subject::Namespace,
            State::Unknown,
            format!("you may not see whether namespace {name} exists"),
        ),
        Readable::Known(Some(found)) if found.metadata.deletion_timestamp.is_some() => Check::new(
            Subject::Namespace,
            State::Problem,
            format!("namespace {name} is being deleted"),
        )
        .remedy(Who::You, "use another one: -n NAMESPACE", None),
        Readable::Known(Some(_)) => Check::new(Subject::Namespace, State::Ok, name),
        Readable::Known(None) => {
            let check = Check::new(
                Subject::Namespace,
                State::Problem,
                format!("namespace {name} does not exist"),
            );
            let check = match evidence.facts.context_namespace.as_str() {
                "" => check,
                other => check.remedy(
                    Who::You,
                    "use the context's namespace",
                    kaiwo("doctor -n {}", &[other]),
                ),
            };
            check.remedy(
                Who::Admin,
                "create it; kaiwo submit --create-namespace also does so, if you may create namespaces",
                kubectl("create namespace {}", &[name]),
            )
        }
    }
}

/// Judges whether the queues admit anything.
pub fn admitting(evidence: &DoctorEvidence) -> Vec<Check> {
    let facts = &evidence.facts;
    let mut checks = Vec::new();
    let cluster = facts.cluster_queues.known();
    for queue in cluster.into_iter().flatten() {
        let conditions = &queue.status.conditions;
        checks.extend(closed(
            "ClusterQueue",
            &queue.metadata.name,
            queue.spec.stop_policy,
            conditions,
        ));
    }
    // Those that lead to a ClusterQueue which is told of anyway say nothing new.
    let told = checks.len();
    let local = facts.local_queues.known();
    for queue in local.into_iter().flatten().filter(|_| told == 0) {
        let conditions = &queue.status.conditions;
        checks.extend(closed(
            "LocalQueue",
            &queue.metadata.name,
            queue.spec.stop_policy,
            conditions,
        ));
    }
    if checks.is_empty() {
        let names = |of: &mut dyn Iterator<Item = &str>| of.collect::<Vec<_>>().join(", ");
        let mut of_cluster = cluster
            .into_iter()
            .flatten()
            .map(|it| it.metadata.name.as_str());
        let mut of_namespace = local
            .into_iter()
            .flatten()
            .map(|it| it.metadata.name.as_str());
        let summary = match (names(&mut of_cluster), names(&mut of_namespace)) {
            (cluster, local) if cluster.is_empty() && local.is_empty() => return checks,
            (cluster, local) if cluster.is_empty() => format!("LocalQueues: {local}"),
            (cluster, local) if local.is_empty() => format!("ClusterQueues: {cluster}"),
            (cluster, local) => format!("ClusterQueues: {cluster}; LocalQueues: {local}"),
        };
        checks.push(Check::new(Subject::Queues, State::Ok, summary));
    }
    checks
}

fn closed(
    kind: &str,
    name: &str,
    stop: StopPolicy,
    conditions: &[crate::api::condition::Condition],
) -> Option<Check> {
    let warning = |words: String| Check::new(Subject::Queues, State::Warning, words);
    let plural = format!("{}s", kind.to_lowercase());
    if stop != StopPolicy::None {
        let check = warning(format!("{kind} {name} is stopped and admits nothing"));
        return Some(check.remedy(
            Who::Admin,
            "resume it",
            match kind {
                "ClusterQueue" => Some(kubectl(
                    "patch clusterqueues {} --type merge -p {}",
                    &[name, r#"{"spec":{"stopPolicy":"None"}}"#],
                )),
                _ => None,
            },
        ));
    }
    let inactive = condition(conditions, "Active").filter(|it| it.status == "False")?;
    let check = warning(format!("{kind} {name} is inactive: {}", inactive.words()));
    Some(check.remedy(
        Who::Admin,
        "fix it",
        match kind {
            "ClusterQueue" => Some(kubectl("describe {} {}", &[&plural, name])),
            _ => None,
        },
    ))
}

/// Quota of a resource in a flavor, of all queues.
#[derive(Default)]
struct Promise<'a> {
    total: Quantity,
    queues: BTreeSet<&'a str>,
}

/// Judges whether nodes are behind the quota of each flavor.
pub fn flavors(evidence: &DoctorEvidence) -> Vec<Check> {
    let facts = &evidence.facts;
    let nodes = facts.nodes.as_ref().and_then(Readable::known);
    let (Some(queues), Some(flavors), Some(nodes)) =
        (facts.cluster_queues.known(), facts.flavors.known(), nodes)
    else {
        return Vec::new();
    };
    let promises = promises(queues);
    let used = |flavor: &&ResourceFlavor| {
        promises
            .keys()
            .any(|(name, _)| *name == flavor.metadata.name)
    };
    let used: Vec<&ResourceFlavor> = flavors.iter().filter(used).collect();
    let mut checks: Vec<Check> = used
        .iter()
        .filter_map(|flavor| flavor_check(flavor, &promises, nodes))
        .collect();
    if checks.is_empty() && !used.is_empty() {
        let names: Vec<&str> = used.iter().map(|it| it.metadata.name.as_str()).collect();
        let summary = format!("the nodes have enough GPUs for {}", names.join(", "));
        checks.push(Check::new(Subject::Flavors, State::Ok, summary));
    }
    checks
}

/// Adds up what the queues promise. Those with AdmissionChecks may get nodes when
/// they need them, or run elsewhere.
fn promises(queues: &[ClusterQueue]) -> BTreeMap<(&str, &str), Promise<'_>> {
    let mut promises = BTreeMap::<(&str, &str), Promise>::new();
    let here = queues
        .iter()
        .filter(|it| it.spec.admission_checks().next().is_none());
    for queue in here {
        for quotas in queue
            .spec
            .resource_groups
            .iter()
            .flat_map(|group| &group.flavors)
        {
            for quota in &quotas.resources {
                if quota.nominal_quota == Quantity::default() {
                    continue;
                }
                let promise = promises.entry((&quotas.name, &quota.name)).or_default();
                promise.total = promise.total + quota.nominal_quota;
                promise.queues.insert(&queue.metadata.name);
            }
        }
    }
    promises
}

fn flavor_check(
    flavor: &ResourceFlavor,
    promises: &BTreeMap<(&str, &str), Promise<'_>>,
    nodes: &[Node],
) -> Option<Check> {
    let (name, labels) = (&flavor.metadata.name, &flavor.spec.node_labels);
    let own = promises.iter().filter(|((of, _), _)| *of == name);
    let own: Vec<(&str, &Promise)> = own.map(|((_, resource), it)| (*resource, it)).collect();
    let queues: BTreeSet<&str> = own.iter().flat_map(|(_, it)| &it.queues).copied().collect();
    let queues: Vec<&str> = queues.into_iter().collect();
    let queues = queues.join(", ");
    let lacking = match may_grow(nodes) {
        true => State::Warning,
        false => State::Problem,
    };
    let edit = kubectl("describe resourceflavors {}", &[name]);
    let matching: Vec<&Node> = nodes
        .iter()
        .filter(|node| node.has_labels(labels))
        .collect();
    if matching.is_empty() {
        return Some(without_nodes(flavor, &queues, lacking));
    }
    let gpus = own.iter().filter(|(resource, _)| is_gpu_resource(resource));
    gpus.filter_map(|(resource, promise)| {
        let has = matching.iter().map(|node| node.allocatable(resource));
        let has = has.fold(Quantity::default(), |sum, has| sum + has);
        let (total, count) = (promise.total.shown(resource), matching.len());
        let nodes = match count {
            1 => "its only node has".to_owned(),
            count => format!("its {count} nodes have"),
        };
        let (state, summary) = match has {
            has if has >= promise.total => return None,
            has if has == Quantity::default() => (
                lacking,
                format!("ResourceFlavor {name} has quota for {total} {resource}, but {nodes} none"),
            ),
            has => (
                State::Warning,
                format!(
                    "ResourceFlavor {name} has quota for {total} {resource}, but {nodes} only {}",
                    has.shown(resource)
                ),
            ),
        };
        let check = Check::new(Subject::Flavors, state, summary).shows(format!(
            "quota in ClusterQueues: {queues}; Kueue admits by quota, whatever the nodes have"
        ));
        Some(check.remedy(Who::Admin, "lower the quota, or add nodes", edit.clone()))
    })
    .max_by_key(|check| check.state)
}

/// Says that no node has the labels of a flavor.
fn without_nodes(flavor: &ResourceFlavor, queues: &str, state: State) -> Check {
    let (name, labels) = (&flavor.metadata.name, &flavor.spec.node_labels);
    let wanted = labels.iter().map(|(key, value)| format!("{key}={value}"));
    let wanted: Vec<String> = wanted.collect();
    let summary = match &wanted[..] {
        [] => "the cluster has no nodes".to_owned(),
        wanted => format!(
            "no node has the labels of ResourceFlavor {name}: {}",
            wanted.join(", ")
        ),
    };
    let keys: Vec<&str> = labels.keys().map(String::as_str).collect();
    let see = kubectl("get nodes -L {}", &[&keys.join(",")]);
    Check::new(Subject::Flavors, state, summary)
        .shows(format!(
            "quota in ClusterQueues: {queues}; what Kueue admits there waits for such nodes"
        ))
        .remedy(
            Who::Admin,
            "label the nodes, add some, or correct the flavor's nodeLabels",
            (!keys.is_empty()).then_some(see),
        )
}

fn may_grow(nodes: &[Node]) -> bool {
    let is_pooled = |node: &Node| {
        POOLS
            .iter()
            .any(|label| node.metadata.labels.contains_key(*label))
    };
    nodes.iter().any(is_pooled)
}

/// Judges whether the request that the user's settings make would be accepted, without
/// GPUs, with one, and with all of a node.
pub fn submission(evidence: &DoctorEvidence, request: &WorkloadRequest) -> Check {
    let facts = &evidence.facts;
    if facts.local_queues.known().is_none() && facts.cluster_queues.known().is_none() {
        let summary = "you may not see the queues";
        return Check::new(Subject::Submission, State::Unknown, summary);
    }
    let wanted = request.queue.clone().unwrap_or_default();
    let mut plans = Vec::new();
    let sizes = match sizes(request, &wanted, facts) {
        Ok(sizes) => sizes,
        Err(refusal) => return refused(&refusal, "-g 1"),
    };
    for gpus in sizes {
        let asked = format!("-g {gpus}");
        let plan = match trial(request, &wanted, gpus, facts) {
            Ok(plan) => plan,
            Err(refusal) => return refused(&refusal, &asked),
        };
        if let Some(misfit) = &plan.misfit {
            let nodes = facts.nodes.as_ref().and_then(Readable::known);
            let state = match nodes.is_some_and(|nodes| may_grow(nodes)) {
                true => State::Warning,
                false => State::Problem,
            };
            let check = Check::new(
                Subject::Submission,
                state,
                format!("kaiwo submit {asked} would wait for nodes: {misfit}"),
            );
            return match misfit.flags() {
                Some(flags) => check.remedy(Who::You, format!("submit with {flags}"), None),
                None => check,
            }
            .remedy(
                Who::Admin,
                "add nodes that are large enough",
                kubectl("get nodes", &[]),
            );
        }
        plans.push((asked, plan));
    }
    let Some((asked, plan)) = plans.pop() else {
        return Check::new(
            Subject::Submission,
            State::Unknown,
            "nothing could be planned",
        );
    };
    let queue = plan.local_queue.as_deref().unwrap_or(&wanted);
    let new = match plan.new_local_queue {
        Some(_) => ", which it would create",
        None => "",
    };
    Check::new(
        Subject::Submission,
        State::Ok,
        format!("kaiwo submit {asked} would go to LocalQueue {queue}{new}"),
    )
}

fn refused(refusal: &Refusal, asked: &str) -> Check {
    let summary = format!("kaiwo submit {asked} would be refused: {}", refusal.message);
    Check::new(Subject::Submission, State::Problem, summary).hints(&refusal.hints)
}

/// Returns how many GPUs to try: none, and if the queue has some, one and all of a node.
fn sizes(
    request: &WorkloadRequest,
    queue: &str,
    facts: &ClusterFacts,
) -> Result<Vec<i64>, Refusal> {
    let mut sizes = vec![0];
    let choice = queue::choose(queue, facts, &request.namespace, true)?;
    let resource = match &request.gpu_resource {
        Some(resource) => Some(resource.clone()),
        None => flavor::detect_resource(&choice, facts)?,
    };
    let Some(resource) = resource else {
        return Ok(sizes);
    };
    sizes.push(1);
    let labels = trial(request, queue, 1, facts)
        .ok()
        .into_iter()
        .flat_map(|plan| plan.flavors);
    let known = facts.flavors.known();
    let of = |name: String| known?.iter().find(|flavor| flavor.metadata.name == name);
    let flavors = labels.filter_map(of);
    let whole = flavors.filter_map(|it| flavor::on_nodes(facts, &resource, &it.spec.node_labels));
    sizes.extend(whole.max().filter(|gpus| *gpus > 1));
    Ok(sizes)
}

fn trial(
    request: &WorkloadRequest,
    queue: &str,
    gpus: i64,
    facts: &ClusterFacts,
) -> Result<Plan, Refusal> {
    let request = WorkloadRequest {
        gpus: GpuRequest {
            total: Some(gpus),
            ..GpuRequest::default()
        },
        // Whether it is there is judged elsewhere.
        create_namespace: true,
        ..request.clone()
    };
    plan::plan_in(request, Some(queue), facts)
}
