//! Reads what the scheduler says about a pod that no node takes (kube-scheduler
//! v1.36, `framework.FitError`).

/// What the scheduler says of the nodes: how many, and why not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchedulerMessage {
    /// How many nodes it looked at; 0 if it says something else.
    pub nodes: i64,
    /// What keeps the pod from how many of them.
    pub reasons: Vec<(i64, String)>,
}

impl SchedulerMessage {
    /// Reads `0/11 nodes are available: 4 Insufficient amd.com/gpu, 7 node(s)
    /// didn't match Pod's node affinity/selector. preemption: …`.
    pub fn read(message: &str) -> Self {
        let Some((nodes, rest)) = message.split_once(" nodes are available: ") else {
            return Self::default();
        };
        let nodes = nodes.rsplit('/').next().and_then(|all| all.parse().ok());
        let rest = ["preemption: ", "no new claims"]
            .iter()
            .filter_map(|tail| rest.find(tail))
            .min()
            .map_or(rest, |end| &rest[..end]);
        let reasons = rest
            .trim()
            .trim_end_matches(['.', ','])
            .split(", ")
            .filter_map(|part| {
                let (count, why) = part.trim().split_once(' ')?;
                Some((count.parse().ok()?, why.to_owned()))
            });
        Self {
            nodes: nodes.unwrap_or_default(),
            reasons: reasons.collect(),
        }
    }

    /// Returns from how many nodes a reason with these words keeps it.
    pub fn nodes_with(&self, words: &str) -> i64 {
        let matching = self.reasons.iter().filter(|(_, why)| why.contains(words));
        matching.map(|(count, _)| count).sum()
    }

    /// Returns the resources of which too little is free.
    pub fn insufficient(&self) -> Vec<&str> {
        let reasons = self.reasons.iter();
        reasons
            .filter_map(|(_, why)| why.strip_prefix("Insufficient "))
            .collect()
    }
}

/// Nodes that could not take a pod, however empty they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Useless {
    /// None has the labels that the pod asks for.
    NoneSuch,
    /// Taints, claims of another zone, more than any node has.
    NoneFits,
    /// As before, but one of them is only away: it is drained, or does not answer.
    Away,
}

/// What is said of nodes that come back (kube-scheduler's `node_unschedulable.go`;
/// `taint_toleration.go` names taints before v1.36).
const AWAY: [&str; 4] = [
    "node(s) were unschedulable",
    "taint {node.kubernetes.io/unschedulable",
    "taint {node.kubernetes.io/unreachable",
    "taint {node.kubernetes.io/not-ready",
];

impl Useless {
    /// Reads `0/11 nodes are available: 11 node(s) didn't match Pod's node
    /// affinity/selector. preemption: 0/11 nodes are available: 11 Preemption is
    /// not helpful for scheduling.`; nothing if an emptier node would help.
    pub fn read(message: &str) -> Option<Self> {
        let (fit, preemption) = message.split_once("preemption: ")?;
        let all: u64 = fit.strip_prefix("0/")?.split_once(' ')?.0.parse().ok()?;
        let (_, reasons) = fit.split_once("nodes are available: ")?;
        let useless = format!("{all} Preemption is not helpful");
        if all > 0 && !preemption.contains(&useless) {
            return None;
        }
        let by_labels = format!("{all} node(s) didn't match Pod's node affinity/selector");
        Some(match reasons.starts_with(&by_labels) {
            true => Self::NoneSuch,
            false if AWAY.iter().any(|words| reasons.contains(words)) => Self::Away,
            false => Self::NoneFits,
        })
    }
}

/// Returns the claim that does not exist, if the scheduler says that of one.
pub fn missing_claim(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("persistentvolumeclaim \"")?;
    Some(rest.split_once("\" not found")?.0)
}

/// Returns whether the pod has claims that got no volume yet, though they do not
/// wait for a pod.
pub fn has_unbound_claims(message: &str) -> bool {
    message.contains("unbound immediate PersistentVolumeClaims")
}

/// Returns the message without what the scheduler says of preemption.
pub fn without_preemption(message: &str) -> &str {
    let ends = ["preemption: ", "no new claims"].iter();
    let end = ends.filter_map(|end| message.find(end)).min();
    end.map_or(message, |end| message[..end].trim_end_matches([' ', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheduler_is_understood() {
        let verdict = SchedulerMessage::read(
            "0/11 nodes are available: 4 Insufficient amd.com/gpu, 7 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/11 nodes are available: 4 No preemption victims found for incoming pod, 7 Preemption is not helpful for scheduling.",
        );
        assert_eq!(verdict.nodes, 11);
        assert_eq!(verdict.nodes_with("node affinity/selector"), 7);
        assert_eq!(verdict.insufficient(), ["amd.com/gpu"]);
        let verdict = SchedulerMessage::read(
            "0/3 nodes are available: 1 node(s) had untolerated taint {dedicated: team}, 2 Insufficient cpu, 2 Insufficient memory. preemption: not eligible",
        );
        assert_eq!(verdict.nodes_with("untolerated taint"), 1);
        assert_eq!(verdict.insufficient(), ["cpu", "memory"]);
        assert_eq!(
            SchedulerMessage::read("anything else"),
            SchedulerMessage::default()
        );
    }
}
