//! Parses what the scheduler says about a pod that no node takes.

/// What the scheduler says of the nodes: how many, and why not (kube-scheduler
/// v1.36, `FitError`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SchedulerMessage {
    /// How many nodes it looked at; 0 if it says something else.
    pub(super) nodes: i64,
    /// What keeps the pod from how many of them.
    pub(super) reasons: Vec<(i64, String)>,
}

impl SchedulerMessage {
    /// Reads `0/11 nodes are available: 4 Insufficient amd.com/gpu, 7 node(s)
    /// didn't match Pod's node affinity/selector. preemption: …`.
    pub(super) fn read(message: &str) -> Self {
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
    pub(super) fn nodes_with(&self, words: &str) -> i64 {
        let matching = self.reasons.iter().filter(|(_, why)| why.contains(words));
        matching.map(|(count, _)| count).sum()
    }

    /// Returns the resources of which too little is free.
    pub(super) fn insufficient(&self) -> Vec<&str> {
        let reasons = self.reasons.iter();
        reasons
            .filter_map(|(_, why)| why.strip_prefix("Insufficient "))
            .collect()
    }
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
