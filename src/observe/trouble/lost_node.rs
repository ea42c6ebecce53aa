//! Nodes that do not answer any more, as their pods show it: whoever may not read
//! nodes learns of them, too.

use core::time::Duration;

use super::{Trouble, TroubleKind};
use crate::api::condition::{condition, holds};
use crate::api::pod::Pod;

/// Taint of a node that does not answer (`k8s.io/api` v1.36).
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

impl Pod {
    /// Returns the node that it is on, if that does not answer any more. Then the
    /// node controller says that its pods are not ready, and of their containers
    /// nothing; the kubelet says both at once (v1.36, `MarkPodsNotReady` and
    /// `GeneratePodReadyCondition`).
    pub fn lost_node(&self) -> Option<&str> {
        let conditions = &self.status.conditions;
        let is_ready = condition(conditions, "Ready").is_none_or(|ready| ready.status != "False");
        let is_by_node = holds(conditions, "ContainersReady").is_some()
            && self.spec.readiness_gates.is_empty()
            && !self.has_ended();
        self.node().filter(|_| is_by_node && !is_ready)
    }

    /// Returns for how long it is left on a node that does not answer, before it is
    /// deleted; `None`, if for ever.
    pub fn stays_for(&self) -> Option<Duration> {
        let tolerations = self.spec.tolerations.iter();
        let mut tolerated = tolerations
            .filter(|it| it.key == UNREACHABLE || it.key.is_empty())
            .filter(|it| it.effect == "NoExecute" || it.effect.is_empty())
            .map(|it| it.toleration_seconds)
            .peekable();
        if tolerated.peek().is_none() {
            return Some(Duration::ZERO);
        }
        let least = tolerated.flatten().min()?;
        Some(Duration::from_secs(
            u64::try_from(least).unwrap_or_default(),
        ))
    }

    /// Says that it was deleted and stays, because nobody ends it on its node.
    pub fn held(&self) -> Option<String> {
        let node = self.lost_node().filter(|_| self.is_terminating())?;
        let name = self.name();
        Some(format!(
            "pod {name} was deleted, and its node {node} is not responding"
        ))
    }

    /// Returns that its node does not answer.
    pub(super) fn on_lost_node(&self) -> Option<Trouble> {
        let node = self.lost_node()?;
        Some(Trouble {
            message: node.to_owned(),
            ..self.told(TroubleKind::NodeLost, "NodeNotReady", "")
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::observe::snapshot::WorkloadContext;

    fn pod(ready: &str, containers: &str) -> Value {
        json!({
            "metadata": {"name": "p"},
            "spec": {"nodeName": "n"},
            "status": {"phase": "Running", "conditions": [
                {"type": "Ready", "status": ready}, {"type": "ContainersReady", "status": containers},
            ]},
        })
    }

    fn read(pod: Value) -> Pod {
        serde_json::from_value(pod).unwrap()
    }

    #[test]
    fn only_the_node_controller_takes_readiness_from_pods_alone() {
        let lost = read(pod("False", "True"));
        assert_eq!(lost.lost_node(), Some("n"));
        let words = lost
            .trouble(&WorkloadContext::default())
            .unwrap()
            .to_string();
        assert_eq!(words, "pod p is on node n, which is not responding");
        // It loads, it serves.
        for (ready, containers) in [("False", "False"), ("True", "True")] {
            assert_eq!(read(pod(ready, containers)).lost_node(), None);
        }
        // A load balancer has not taken it on.
        let mut gated = pod("False", "True");
        gated["spec"]["readinessGates"] = json!([{"conditionType": "lb"}]);
        assert_eq!(read(gated).lost_node(), None);
        let mut ended = pod("False", "True");
        ended["status"]["phase"] = json!("Failed");
        assert_eq!(read(ended).lost_node(), None);
    }

    #[test]
    fn a_deleted_one_is_held() {
        let mut pod = pod("False", "True");
        assert_eq!(read(pod.clone()).held(), None);
        pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let words = "pod p was deleted, and its node n is not responding";
        assert_eq!(read(pod).held().as_deref(), Some(words));
    }

    #[test]
    fn the_shortest_toleration_counts() {
        let stays = |tolerations: Value| {
            let stays = read(json!({"spec": {"tolerations": tolerations}})).stays_for();
            stays.map(|stays| stays.as_secs())
        };
        let unreachable = |seconds: Value| json!({"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds});
        let all = json!({"operator": "Exists"});
        assert_eq!(stays(json!([])), Some(0));
        assert_eq!(
            stays(json!([{"key": "gpu", "operator": "Exists"}])),
            Some(0)
        );
        assert_eq!(stays(json!([unreachable(json!(300))])), Some(300));
        assert_eq!(stays(json!([all, unreachable(json!(300))])), Some(300));
        assert_eq!(stays(json!([unreachable(Value::Null)])), None);
        assert_eq!(stays(json!([all])), None);
    }
}
