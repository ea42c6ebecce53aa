//! Checks a request as a whole, before and after the cluster has answered.

use super::facts::ClusterFacts;
use super::gpu::GpuLayout;
use super::kueue::placement::PodSet;
use super::request::WorkloadRequest;
use super::request::preload::{PreloadTarget, is_at_or_below, place};
use super::sizes::PodSizes;
use super::{Plan, Refusal};
use crate::api::Readable;
use crate::api::claim::{Claim, Sharing};
use crate::kind::WorkloadKind;
use crate::names::nearest;
use crate::quantity::Quantity;
use crate::suggestion::kubectl;
use crate::workload::serve_config::{self, demands};

/// Checks that everything can be loaded to where it shall be.
///
/// # Errors
/// [`Refusal`] about what is in the way.
pub fn preloads(request: &WorkloadRequest) -> Result<(), Refusal> {
    for preload in &request.serving.preloads {
        let path = &preload.path;
        if let PreloadTarget::Claim(mount) = place(path, &request.pods.volumes)
            && mount.read_only
        {
            return Err(Refusal::new(format!(
                "cannot preload into {path}: claim {} is mounted there read-only",
                mount.claim
            ))
            .hint(format!(
                "mount it writable: --volume {}:{}",
                mount.claim, mount.path
            )));
        }
        let mut secrets = request.environment.mounts.iter();
        if let Some(secret) = secrets.find(|secret| is_at_or_below(path, &secret.path)) {
            return Err(Refusal::new(format!(
                "cannot preload into {path}: secret {} is mounted there as the file {}",
                secret.secret, secret.path
            ))
            .hint("preload into another directory"));
        }
    }
    Ok(())
}

/// Checks that `/dev/shm` is no larger than the memory that it is part of.
///
/// # Errors
/// [`Refusal`] with memory that holds it.
pub fn shared_memory(sizes: &PodSizes) -> Result<(), Refusal> {
    let (Some(shm), memory) = (sizes.shm, sizes.worker.memory) else {
        return Ok(());
    };
    if shm <= memory.total() {
        return Ok(());
    }
    let hint = match memory.gpus {
        0 => format!("give it more: --memory {}", shm * 2),
        gpus => {
            let each = (shm * 2).holds(Quantity::gib(gpus)) + 1;
            format!("give it more: --memory-per-gpu {each}Gi")
        }
    };
    Err(Refusal::new(format!(
        "--shm {shm} is larger than the memory of the pod, {}, which it is part of",
        memory.total()
    ))
    .hint(hint))
}

/// Checks that pods have the GPUs that a `serveconfig` asks of one: Ray places no
/// actor beyond a node. Returns what is likely to be too much.
///
/// # Errors
/// [`Refusal`] about what no pod can hold.
pub fn serve_config(request: &WorkloadRequest, layout: GpuLayout) -> Result<Vec<String>, Refusal> {
    let text = request.serving.serve_config.as_deref();
    // A template of the user's own may have other pods.
    let text = text.filter(|_| request.template.is_none());
    let mut warnings = Vec::new();
    for demand in text.map(demands).unwrap_or_default() {
        let (has, whose) = match demand.may_span {
            true => (layout.total(), "all pods have"),
            false => (layout.gpus_per_replica, "a pod has"),
        };
        let place = format!("serveconfig:{}", demand.line);
        let said = |whose: &str, has: i64| {
            format!(
                "{place}: {} of {} is {}, and {whose} {has} GPUs",
                demand.what, demand.deployment, demand.gpus
            )
        };
        if demand.gpus <= layout.gpus_per_replica as f64 {
            continue;
        }
        if demand.gpus <= has as f64 || request.force {
            warnings.push(said("a pod has", layout.gpus_per_replica));
            continue;
        }
        return Err(Refusal::new(said(whose, has))
            .about(place)
            .hint(format!("use at most {has}, or request more GPUs with -g"))
            .hint(serve_config::FORCE));
    }
    Ok(warnings)
}

/// Checks that the claims which are mounted exist, as far as that can be seen:
/// pods that mount another would wait for it, and hold up an update.
///
/// # Errors
/// [`Refusal`] with those there are.
pub fn claims(request: &WorkloadRequest, facts: &ClusterFacts) -> Result<(), Refusal> {
    let Some(known) = facts.claims.as_ref().and_then(Readable::known) else {
        return Ok(());
    };
    let known: Vec<String> = known
        .iter()
        .map(|claim| claim.metadata.name.clone())
        .collect();
    let mut wanted = request.pods.volumes.iter().map(|mount| &mount.claim);
    let Some(missing) = wanted.find(|claim| !known.contains(claim)) else {
        return Ok(());
    };
    if request.force {
        return Ok(());
    }
    let namespace = &request.namespace;
    let refusal = Refusal::new(format!(
        "PersistentVolumeClaim {missing:?} does not exist in namespace {namespace:?}"
    ))
    .about(format!("persistentvolumeclaim/{missing}"));
    let refusal = match nearest(missing, known.clone()) {
        Some(near) => refusal.hint(format!("did you mean --volume {near}:/path?")),
        None => refusal,
    };
    let refusal = match known[..] {
        [] => refusal.hint(
            kubectl("-n {} apply -f -", &[namespace])
                .before(format!("echo '{}' | ", claim(missing)))
                .to("create it, with a suitable size"),
        ),
        _ => refusal.hint(format!("claims: {}", known.join(", "))),
    };
    Err(refusal.hint("--force submits anyway, if it will be created later"))
}

/// Returns the manifest of a claim that every pod may mount.
fn claim(name: &str) -> serde_json::Value {
    serde_json::json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "100Gi"}},
        },
    })
}

/// Returns how many pods mount the claims of a workload at once: KubeRay's submitter
/// mounts none.
pub fn mounting(kind: WorkloadKind, pods: &[PodSet]) -> i64 {
    let submitter = i64::from(kind == WorkloadKind::RayJob);
    pods.iter().map(|set| set.count).sum::<i64>() - submitter
}

/// Returns how many must be able to mount the claim that is kept: all pods, and a node
/// if it is the only one.
pub fn kept_for(pods: i64, nodes: Option<usize>) -> Sharing {
    match pods > 1 && nodes != Some(1) {
        true => Sharing::Many,
        false => Sharing::OneNode,
    }
}

/// Returns what keeps several pods from mounting the same claims at once, as far as
/// that can be seen.
pub fn shared_claims(plan: &Plan, facts: &ClusterFacts) -> Vec<String> {
    let known = facts.claims.as_ref().and_then(Readable::known);
    let pods = mounting(plan.request.kind, &plan.pods);
    if pods < 2 {
        return Vec::new();
    }
    let mounts = plan.request.pods.volumes.iter();
    let claims = mounts.filter_map(|mount| {
        let mut known = known.into_iter().flatten();
        known.find(|claim| claim.metadata.name == mount.claim)
    });
    claims.filter_map(|claim| too_few(claim, pods)).collect()
}

/// Returns what keeps so many pods from mounting a claim.
fn too_few(claim: &Claim, pods: i64) -> Option<String> {
    let name = &claim.metadata.name;
    match claim.sharing() {
        Sharing::OnePod => Some(format!(
            "only one pod at a time can mount claim {name} (ReadWriteOncePod): all but one of the {pods} pods will wait for it"
        )),
        Sharing::OneNode => Some(format!(
            "only one node at a time can mount claim {name} (ReadWriteOnce): all {pods} pods must fit on the same node"
        )),
        Sharing::Many => None,
    }
}

/// Returns whether the claim that is kept is there already, as far as that can be seen.
pub fn kept_is_there(request: &WorkloadRequest, facts: &ClusterFacts) -> bool {
    let claims = facts.claims.as_ref().and_then(Readable::known);
    let mut claims = claims.into_iter().flatten();
    let kept = request.kept_claim();
    claims.any(|claim| Some(&claim.metadata.name) == kept.as_ref())
}

/// Checks that all pods can mount the claim that is kept. Returns what is likely to keep
/// them from it: a claim that is there says who can, a StorageClass does not.
///
/// # Errors
/// [`Refusal`] if the claim is there, for a single pod.
pub fn kept_claim(plan: &Plan, facts: &ClusterFacts) -> Result<Option<String>, Refusal> {
    let request = &plan.request;
    let pods = mounting(request.kind, &plan.pods);
    let Some(name) = request.kept_claim().filter(|_| pods > 1) else {
        return Ok(None);
    };
    let claims = facts.claims.as_ref().and_then(Readable::known);
    let mut claims = claims.into_iter().flatten();
    let Some(claim) = claims.find(|claim| claim.metadata.name == name) else {
        return Ok((plan.kept_for == Sharing::Many).then(|| {
            format!(
                "{pods} pods share claim {name}, which is created with ReadWriteMany: if its StorageClass does not support that, they wait for it"
            )
        }));
    };
    let too_few = too_few(claim, pods);
    match (too_few, claim.sharing()) {
        (Some(why), Sharing::OnePod) if !request.force => Err(Refusal::new(why)
            .about(format!("persistentvolumeclaim/{name}"))
            .hint("choose another name, which has a claim of its own: --name")
            .hint(
                kubectl("-n {} delete pvc {}", &[&request.namespace, &name])
                    .to("create it again, without its data"),
            )),
        (why, _) => Ok(why),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::facts::Facts;
    use crate::plan::testing::{cluster_queue, facts, node, request};

    fn planned(replicas: i64, mode: Option<&str>, nodes: usize) -> Result<Plan, Refusal> {
        let quota = |name: &str, most: &str| json!({"name": name, "nominalQuota": most});
        let resources = [quota("cpu", "100"), quota("memory", "1Ti")];
        let groups = json!([{"coveredResources": ["cpu", "memory"],
            "flavors": [{"name": "a", "resources": resources}]}]);
        let queue = cluster_queue("q", json!({"resourceGroups": groups}), json!({}));
        let mut facts = facts(vec![queue], vec![]);
        let nodes = (0..nodes)
            .map(|index| node(&format!("n{index}"), &[("cpu", "64"), ("memory", "256Gi")]));
        facts.nodes = Some(Readable::Known(nodes.collect()));
        let claim = |mode| {
            let spec = json!({"accessModes": [mode]});
            serde_json::from_value(json!({"metadata": {"name": "w-scratch"}, "spec": spec}))
                .unwrap()
        };
        facts.claims = Some(Readable::Known(mode.into_iter().map(claim).collect()));
        let mut request = request(WorkloadKind::Job, 0);
        request.queue = Some("q".to_owned());
        request.gpus.replicas = Some(replicas);
        request.pods.storage = Some("1Gi".parse().unwrap());
        request.serving.keep_storage = true;
        crate::plan::plan(request, &Facts::Live(Box::new(facts)))
    }

    #[test]
    fn one_pod_keeps_a_claim_for_itself() {
        let plan = planned(1, None, 2).unwrap();
        assert_eq!((plan.kept_for, &*plan.shared), (Sharing::OneNode, &[][..]));
    }

    #[test]
    fn several_pods_share_a_claim_that_they_can_mount() {
        let plan = planned(2, None, 2).unwrap();
        assert_eq!(plan.kept_for, Sharing::Many);
        assert_eq!(
            plan.shared,
            [
                "2 pods share claim w-scratch, which is created with ReadWriteMany: if its StorageClass does not support that, they wait for it"
            ]
        );
        // All of them are on the only node.
        let plan = planned(2, None, 1).unwrap();
        assert_eq!((plan.kept_for, &*plan.shared), (Sharing::OneNode, &[][..]));
        assert_eq!(
            planned(2, Some("ReadWriteMany"), 2).unwrap().shared,
            [""; 0]
        );
    }

    #[test]
    fn a_claim_that_is_there_says_who_can_mount_it() {
        let plan = planned(2, Some("ReadWriteOnce"), 2).unwrap();
        assert!(plan.shared[0].contains("all 2 pods must fit on the same node"));
        let refusal = planned(2, Some("ReadWriteOncePod"), 2).unwrap_err();
        assert!(
            refusal
                .message
                .contains("only one pod at a time can mount claim w-scratch")
        );
        assert_eq!(
            planned(1, Some("ReadWriteOncePod"), 2).unwrap().shared,
            [""; 0]
        );
    }
}
