//! Decides in what order an update replaces the pods of a Deployment: the new
//! pod first where a node has GPUs left for it, else the old one has to go
//! first.

use super::facts::{ClusterFacts, NodeFacts, RunningDeployment};
use super::gpu::GpuLayout;
use super::kueue::placement::PodSet;
use super::occupation::Occupation;
use super::request::WorkloadRequest;
use super::request::toleration::untolerated;
use super::{Plan, Refusal};
use crate::api::Readable;
use crate::api::node::Node;
use crate::api::vendor::is_gpu_resource;
use crate::kind::WorkloadKind;
use serde_json::Value;

/// How many pods may be too many, and too few, while a Deployment is updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rollout {
    /// Pods beyond the replicas.
    pub max_surge: i64,
    /// Replicas that need not be there.
    pub max_unavailable: i64,
    /// Why nothing serves meanwhile, if that is so.
    pub pause: Option<Pause>,
}

/// Why the only pod has to go before the next one comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// No node has its GPUs.
    NoGpus,
    /// It holds a claim that one pod mounts at a time.
    Claim,
}

/// What a rollout depends on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Conditions {
    /// Pods of the new version.
    pub replicas: i64,
    pub needs_gpus: bool,
    /// Whether a claim goes from one pod to the next.
    pub has_claim: bool,
    /// What is there already, if something is.
    pub running: Option<RunningDeployment>,
    /// Further pods that the nodes have room for, as far as GPUs go; `None` if
    /// that is not known.
    pub room: Option<i64>,
    /// Whether it may stop serving.
    pub may_pause: bool,
}

impl Rollout {
    /// The new pods first, a quarter of them at once.
    fn ahead(replicas: i64, room: i64) -> Self {
        Self {
            max_surge: room.min((replicas / 4).max(1)),
            max_unavailable: 0,
            pause: None,
        }
    }

    /// Each old pod goes before its successor comes.
    fn behind(pause: Option<Pause>) -> Self {
        Self {
            max_surge: 0,
            max_unavailable: 1,
            pause,
        }
    }

    /// Chooses for a Deployment that is not there yet: what holds for whoever
    /// changes it by other means.
    pub fn first(request: &WorkloadRequest, layout: GpuLayout) -> Self {
        Self::choose(Conditions {
            replicas: layout.replicas,
            needs_gpus: layout.gpus_per_replica > 0,
            has_claim: request.serving.keep_storage,
            ..Conditions::default()
        })
    }

    /// Chooses how the Deployment that is there, if it is one, becomes the one
    /// that is planned.
    pub fn of_update(plan: &Plan, facts: &ClusterFacts) -> Self {
        let request = &plan.request;
        let (Some(running), WorkloadKind::Deployment) = (facts.running, request.kind) else {
            return plan.rollout;
        };
        let room = plan.gpu_resource.as_deref().and_then(|resource| {
            let (nodes, occupation) = (facts.nodes.as_ref(), facts.occupation.as_ref());
            let room = room(nodes, occupation, resource, plan.pods.first()?)?;
            // What Kueue does not admit takes no node, free or not.
            let quota = plan.forecast.as_ref().map_or(i64::MAX, |forecast| {
                forecast.free.whole() / plan.layout.gpus_per_replica.max(1)
            });
            Some(room.min(quota))
        });
        Self::choose(Conditions {
            // Whatever scales it has the last word about its pods.
            replicas: match request.serving.autoscale {
                Some(scale) => running.replicas.clamp(scale.min, scale.max),
                None => plan.layout.replicas,
            },
            needs_gpus: plan.layout.gpus_per_replica > 0,
            has_claim: request.serving.keep_storage,
            running: Some(running),
            room,
            may_pause: request.allow_downtime,
        })
    }

    /// Chooses how a Deployment becomes the one that `manifest` describes, of
    /// which nothing else is known.
    pub fn of_manifest(
        manifest: &Value,
        running: RunningDeployment,
        facts: &NodeFacts,
        may_pause: bool,
    ) -> Self {
        let spec = &manifest["spec"];
        let template = &spec["template"]["spec"];
        let pods = PodSet::of_template(template);
        let resource = pods.requests.keys().find(|name| is_gpu_resource(name));
        let volumes = template["volumes"].as_array().into_iter().flatten();
        let kept = format!(
            "{}-scratch",
            manifest["metadata"]["name"].as_str().unwrap_or("")
        );
        Self::choose(Conditions {
            replicas: spec["replicas"].as_i64().unwrap_or(running.replicas),
            needs_gpus: resource.is_some(),
            has_claim: volumes
                .filter_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str())
                .any(|claim| claim == kept),
            running: Some(running),
            room: resource.and_then(|resource| {
                room(
                    facts.nodes.as_ref(),
                    facts.occupation.as_ref(),
                    resource,
                    &pods,
                )
            }),
            may_pause,
        })
    }

    /// Chooses an order that comes to its end, whatever else the nodes hold.
    pub fn choose(conditions: Conditions) -> Self {
        let Conditions {
            replicas,
            needs_gpus,
            has_claim,
            running,
            room,
            may_pause,
        } = conditions;
        let only = replicas <= 1;
        let serves = running.is_some_and(|running| running.available > 0);
        // Pods that are to go anyway make room for others like them.
        let spare = running.map_or(0, |running| (running.available - replicas).max(0));
        let room = match spare {
            0 => room,
            spare => Some(room.unwrap_or(0).saturating_add(spare)),
        };
        match (running, room) {
            _ if has_claim => Self::behind(Some(Pause::Claim).filter(|_| only && serves)),
            _ if !needs_gpus => Self::ahead(replicas, i64::MAX),
            // What does not serve has nothing to lose, and holds GPUs.
            (Some(_), _) if !serves => Self::behind(None),
            (Some(_), Some(1..)) => Self::ahead(replicas, room.unwrap_or(1)),
            (Some(_), Some(_)) => Self::behind(Some(Pause::NoGpus).filter(|_| only)),
            // Nobody knows what the nodes will have. One pod serves on until
            // another can start; of several, one can be done without.
            (_, None) | (None, _) if only && !may_pause => Self::ahead(1, 1),
            _ => Self::behind(None),
        }
    }
}

/// Refuses to stop what serves, unless that was allowed.
///
/// # Errors
/// [`Refusal`] with the ways out.
pub fn check_pause(rollout: Rollout, name: &str, may_pause: bool) -> Result<(), Refusal> {
    let (Some(pause), false) = (rollout.pause, may_pause) else {
        return Ok(());
    };
    let why = match pause {
        Pause::NoGpus => "no node has GPUs for a second one",
        Pause::Claim => "its claim can only be mounted by one pod at a time",
    };
    Err(Refusal::new(format!(
        "deployment/{name} has one pod, and {why}: nothing would serve while it is updated"
    ))
    .about(format!("deployment/{name}"))
    .hint("--allow-downtime stops it before the new one starts")
    .hint("--generate-name serves the new one beside it, once GPUs are free"))
}

/// Returns how many more pods like `pods` the nodes have room for, as far as
/// `resource` goes; `None` if nodes or pods are not known.
pub fn room(
    nodes: Option<&Readable<Vec<Node>>>,
    occupation: Option<&Readable<Occupation>>,
    resource: &str,
    pods: &PodSet,
) -> Option<i64> {
    let nodes = nodes.and_then(Readable::known)?;
    let occupation = occupation.and_then(Readable::known)?;
    let each = pods.requests.get(resource)?.whole().max(1);
    let open = nodes.iter().filter(|node| takes(node, pods));
    Some(
        open.map(|node| occupation.free(node, resource).whole() / each)
            .sum(),
    )
}

/// Returns whether the scheduler puts such pods on a node.
fn takes(node: &Node, pods: &PodSet) -> bool {
    let labels = &node.metadata.labels;
    !node.spec.unschedulable
        && pods
            .node_selector
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
        && untolerated(&node.spec.taints, &pods.tolerations, &[]).is_none()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::pod::Pod;
    use crate::plan::testing;

    fn choose(replicas: i64, running: Option<(i64, i64)>, room: Option<i64>) -> Rollout {
        Rollout::choose(Conditions {
            replicas,
            needs_gpus: true,
            running: running.map(|(replicas, available)| RunningDeployment {
                replicas,
                available,
            }),
            room,
            ..Conditions::default()
        })
    }

    fn steps(rollout: Rollout) -> (i64, i64, Option<Pause>) {
        (rollout.max_surge, rollout.max_unavailable, rollout.pause)
    }

    #[test]
    fn new_pods_come_first_where_there_is_room() {
        for (replicas, room, surge) in [(1, 1, 1), (2, 5, 1), (8, 5, 2), (8, 1, 1), (40, 3, 3)] {
            let rollout = choose(replicas, Some((replicas, replicas)), Some(room));
            assert_eq!(steps(rollout), (surge, 0, None), "{replicas} with {room}");
        }
    }

    #[test]
    fn on_full_nodes_old_pods_go_first() {
        assert_eq!(steps(choose(2, Some((2, 2)), Some(0))), (0, 1, None));
        let only = choose(1, Some((1, 1)), Some(0));
        assert_eq!(steps(only), (0, 1, Some(Pause::NoGpus)));
        let refusal = check_pause(only, "chat", false).unwrap_err();
        assert_eq!(
            refusal.message,
            "deployment/chat has one pod, and no node has GPUs for a second one: nothing would serve while it is updated"
        );
        assert_eq!(check_pause(only, "chat", true), Ok(()));
    }

    #[test]
    fn pods_that_go_anyway_make_room() {
        assert_eq!(steps(choose(1, Some((2, 2)), Some(0))), (1, 0, None));
        assert_eq!(
            steps(choose(1, Some((2, 1)), Some(0))).2,
            Some(Pause::NoGpus)
        );
    }

    #[test]
    fn what_does_not_serve_makes_room_at_once() {
        assert_eq!(steps(choose(1, Some((1, 0)), Some(0))), (0, 1, None));
        assert_eq!(steps(choose(3, Some((3, 0)), None)), (0, 1, None));
    }

    #[test]
    fn who_may_not_see_the_nodes_loses_nothing() {
        assert_eq!(steps(choose(1, Some((1, 1)), None)), (1, 0, None));
        assert_eq!(steps(choose(2, Some((2, 2)), None)), (0, 1, None));
        // The same for the next update by other hands.
        assert_eq!(steps(choose(1, None, None)), (1, 0, None));
        assert_eq!(steps(choose(4, None, Some(9))), (0, 1, None));
        let allowed = Rollout::choose(Conditions {
            replicas: 1,
            needs_gpus: true,
            running: Some(RunningDeployment {
                replicas: 1,
                available: 1,
            }),
            may_pause: true,
            ..Conditions::default()
        });
        assert_eq!(steps(allowed), (0, 1, None));
    }

    #[test]
    fn without_gpus_there_is_room_but_not_for_a_claim() {
        let plain = Conditions {
            replicas: 1,
            running: Some(RunningDeployment {
                replicas: 1,
                available: 1,
            }),
            ..Conditions::default()
        };
        assert_eq!(steps(Rollout::choose(plain)), (1, 0, None));
        let claim = Conditions {
            has_claim: true,
            ..plain
        };
        let rollout = Rollout::choose(claim);
        assert_eq!(steps(rollout), (0, 1, Some(Pause::Claim)));
        let refusal = check_pause(rollout, "chat", false).unwrap_err();
        assert!(
            refusal
                .message
                .contains("only be mounted by one pod at a time")
        );
        let first = Conditions {
            running: None,
            ..claim
        };
        assert_eq!(steps(Rollout::choose(first)), (0, 1, None));
    }

    #[test]
    fn room_is_what_open_nodes_have_left() {
        let node = |name: &str, spec: serde_json::Value| {
            let metadata = json!({"name": name, "labels": {"pool": name}});
            let status = json!({"allocatable": {"amd.com/gpu": "8"}});
            serde_json::from_value(json!({"metadata": metadata, "spec": spec, "status": status}))
                .unwrap()
        };
        let taint = |key: &str| json!({"taints": [{"key": key, "effect": "NoSchedule"}]});
        let pod = |node: &str, gpus: i64| {
            let requests = json!({"requests": {"amd.com/gpu": gpus.to_string()}});
            serde_json::from_value(json!({"spec": {"nodeName": node, "containers": [
                {"resources": requests}, {"resources": {}}]}}))
            .unwrap()
        };
        let look = |nodes: Vec<Node>, pods: Vec<Pod>, wanted: &PodSet| {
            let mut occupation = Occupation::default();
            pods.iter().for_each(|pod| occupation.add(pod));
            let (nodes, occupation) = (Readable::Known(nodes), Readable::Known(occupation));
            room(Some(&nodes), Some(&occupation), "amd.com/gpu", wanted)
        };
        let mut wanted = testing::pods(1, &[("amd.com/gpu", 4)]);
        let open = vec![node("a", json!({})), node("b", json!({}))];
        let busy = vec![pod("a", 5), pod("b", 1), pod("elsewhere", 8)];
        assert_eq!(look(open.clone(), busy, &wanted), Some(1));
        let closed = vec![
            node("a", json!({"unschedulable": true})),
            node("b", taint("broken")),
            node("c", taint("amd.com/gpu")),
        ];
        assert_eq!(look(closed.clone(), vec![], &wanted), Some(0));
        wanted.tolerations = vec!["amd.com/gpu".parse().unwrap()];
        assert_eq!(look(closed, vec![], &wanted), Some(2));
        wanted.node_selector = [("pool".to_owned(), "b".to_owned())].into();
        assert_eq!(look(open, vec![], &wanted), Some(2));
        assert_eq!(room(None, None, "amd.com/gpu", &wanted), None);
    }
}
