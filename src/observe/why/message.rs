//! Parses what Kueue says about a Workload that has no quota, and about one that
//! lost it.
//!
//! Sources: the messages of Kueue v0.18 (`scheduler/flavorassigner`,
//! `scheduler/scheduler.go`, `core/workload_controller.go`,
//! `scheduler/preemption`), whose reasons are just `Pending` and
//! `Inadmissible`; and the reasons of v0.19 (KEP-10852), which has most of the
//! messages still.

use crate::quantity::Quantity;

/// What keeps a Workload from getting quota.
#[derive(Debug, Clone, PartialEq)]
pub enum Obstacle {
    /// Too little of a flavor is free now.
    Short {
        /// Of what.
        resource: String,
        /// Where.
        flavor: String,
        /// How much more has to be free.
        missing: Quantity,
    },
    /// It asks for more than there can ever be.
    Exceeds {
        /// Of what.
        resource: String,
        /// Where.
        flavor: String,
        /// What it asks for there.
        demand: Quantity,
        /// The most there is.
        most: Quantity,
    },
    /// A flavor does not take its pods: why, in Kueue's words.
    Closed(String),
    /// The queue has no quota for something it asks for.
    Uncovered(String),
    /// Its pods cannot be placed as closely together as they ask to be.
    Topology(String),
    /// So many others make room for it.
    Preempting(i64),
    /// The queue does not take workloads of its namespace.
    NamespaceNotSelected,
    /// There is no such LocalQueue.
    LocalQueueMissing(String),
    /// The LocalQueue is stopped.
    LocalQueueStopped(String),
    /// There is no such ClusterQueue.
    ClusterQueueMissing(String),
    /// The ClusterQueue is stopped, or something that it names is missing.
    ClusterQueueInactive(String),
    /// What it asks for is refused: a LimitRange, a limit below a request.
    Invalid(String),
    /// The pods of others that were admitted are to be ready first.
    OthersNotReady,
    /// Kueue has not got to it.
    NotEvaluated,
    /// Anything else, in Kueue's words.
    Other(String),
}

/// Reads `reason` and `message` of a condition `QuotaReserved=False`.
pub fn obstacles(reason: &str, message: &str) -> Vec<Obstacle> {
    let (message, preempting) = without_preemption(message.trim());
    let mut found: Vec<Obstacle> = match message.contains(POD_SET) {
        true => message
            .split("; ")
            .map(|part| match part.split_once(POD_SET) {
                Some((_, part)) => part.split_once(": ").map_or(part, |(_, why)| why),
                None => part,
            })
            .flat_map(flavor_reasons)
            .collect(),
        false => vec![whole(message)],
    };
    found.dedup();
    if let Some(count) = preempting {
        found.insert(0, Obstacle::Preempting(count));
    }
    // Words that are new to kaiwo still have their reason since v0.19.
    if let [Obstacle::Other(words)] = &found[..]
        && let Some(known) = of_reason(reason, words)
    {
        return vec![known];
    }
    found
}

const POD_SET: &str = "couldn't assign flavors to pod set ";

/// Cuts off what the scheduler appends when it has begun to preempt.
fn without_preemption(message: &str) -> (&str, Option<i64>) {
    for mark in [". Pending the preemption of ", ". Preempting "] {
        if let Some((rest, tail)) = message.split_once(mark) {
            let count = tail.split(' ').next().and_then(|count| count.parse().ok());
            return (rest, count);
        }
    }
    (message, None)
}

/// Splits the reasons of a pod set, which commas separate and also contain.
fn flavor_reasons(text: &str) -> Vec<Obstacle> {
    let mut reasons: Vec<String> = Vec::new();
    for piece in text.split(", ") {
        let continues = piece.starts_with("previously considered")
            || (piece.ends_with("more needed") && !piece.contains(' '))
            || piece
                .split_once(" more needed")
                .is_some_and(|(amount, _)| amount.parse::<Quantity>().is_ok());
        match reasons.last_mut().filter(|_| continues) {
            Some(last) => *last = format!("{last}, {piece}"),
            None => reasons.push(piece.to_owned()),
        }
    }
    reasons.iter().map(|reason| flavor_reason(reason)).collect()
}

fn flavor_reason(text: &str) -> Obstacle {
    let other = || Obstacle::Other(text.to_owned());
    let place = |rest: &str| {
        let (resource, rest) = rest.split_once(" in flavor ")?;
        let (flavor, rest) = rest.split_once(", ")?;
        Some((resource.to_owned(), flavor.to_owned(), rest.to_owned()))
    };
    if let Some(rest) = text.strip_prefix("insufficient unused quota for ") {
        return place(rest)
            .and_then(|(resource, flavor, rest)| {
                let missing = rest.split_once(" more needed")?.0.parse().ok()?;
                Some(Obstacle::Short {
                    resource,
                    flavor,
                    missing,
                })
            })
            .unwrap_or_else(other);
    }
    if let Some(rest) = text.strip_prefix("insufficient quota for ") {
        return place(rest)
            .and_then(|(resource, flavor, rest)| {
                // previously considered podsets requests (0) + current podset
                // request (40) > maximum capacity (32)
                let mut amounts = rest.split('(').skip(1).map(|part| {
                    part.split(')')
                        .next()
                        .unwrap_or_default()
                        .parse::<Quantity>()
                });
                let before = amounts.next()?.ok()?;
                let own = amounts.next()?.ok()?;
                let most = amounts.next()?.ok()?;
                Some(Obstacle::Exceeds {
                    resource,
                    flavor,
                    demand: before + own,
                    most,
                })
            })
            .unwrap_or_else(other);
    }
    if let Some(rest) = text.strip_prefix("resource ")
        && let Some(resource) = rest.strip_suffix(" unavailable in ClusterQueue")
    {
        return Obstacle::Uncovered(resource.to_owned());
    }
    if text.starts_with("topology ") {
        return Obstacle::Topology(text.to_owned());
    }
    let closed = [
        "untolerated taint ",
        "does not provide resource",
        "doesn't match node affinity",
        "TopologyAwareScheduling",
        "does not contain the requested level",
        "annotation",
        "original workload is assigned",
    ];
    let flavor_is_missing = text.starts_with("flavor ") && text.ends_with(" not found");
    match flavor_is_missing || closed.iter().any(|words| text.contains(words)) {
        true => Obstacle::Closed(text.to_owned()),
        false => other(),
    }
}

/// Reads a message that is about the Workload as a whole.
fn whole(text: &str) -> Obstacle {
    let mut words = text.splitn(3, ' ');
    if let (Some(kind), Some(name), Some(rest)) = (words.next(), words.next(), words.next()) {
        let name = name.to_owned();
        match (kind, rest.trim_end_matches('.')) {
            ("LocalQueue", "doesn't exist" | "is terminating or missing") => {
                return Obstacle::LocalQueueMissing(name);
            }
            ("LocalQueue", "is inactive" | "is stopped") => {
                return Obstacle::LocalQueueStopped(name);
            }
            ("ClusterQueue", "doesn't exist" | "is terminating or missing" | "not found") => {
                return Obstacle::ClusterQueueMissing(name);
            }
            ("ClusterQueue", "is inactive" | "is stopped") => {
                return Obstacle::ClusterQueueInactive(name);
            }
            _ => {}
        }
    }
    match text {
        "" => Obstacle::NotEvaluated,
        "The LocalQueue is stopped" => Obstacle::LocalQueueStopped(String::new()),
        "The ClusterQueue is stopped" => Obstacle::ClusterQueueInactive(String::new()),
        "Workload namespace doesn't match ClusterQueue selector" => Obstacle::NamespaceNotSelected,
        text if text.contains("pending evaluation") => Obstacle::NotEvaluated,
        text if text.starts_with("waiting for all admitted workloads to be in PodsReady") => {
            Obstacle::OthersNotReady
        }
        text if text.starts_with("resources validation failed")
            || text.starts_with("resources didn't satisfy LimitRange constraints") =>
        {
            Obstacle::Invalid(text.to_owned())
        }
        text => flavor_reasons(text)
            .into_iter()
            .next()
            .filter(|obstacle| !matches!(obstacle, Obstacle::Other(_)))
            .unwrap_or_else(|| Obstacle::Other(text.to_owned())),
    }
}

/// Returns what a reason of v0.19 means where its message says no more.
fn of_reason(reason: &str, words: &str) -> Option<Obstacle> {
    let words = words.to_owned();
    Some(match reason {
        "NoMatchingFlavor" => Obstacle::Closed(words),
        "TopologyPlacementFailed" => Obstacle::Topology(words),
        "WaitingForPreemptedWorkloads" => Obstacle::Preempting(0),
        "WaitingForQuota" => Obstacle::Short {
            resource: String::new(),
            flavor: String::new(),
            missing: Quantity::default(),
        },
        "ExceedsMaxQuota" => Obstacle::Exceeds {
            resource: String::new(),
            flavor: String::new(),
            demand: Quantity::default(),
            most: Quantity::default(),
        },
        "Suspended" => Obstacle::ClusterQueueInactive(String::new()),
        "WaitingForPodsReady" | "Waiting" => Obstacle::OthersNotReady,
        "PendingEvaluation" => Obstacle::NotEvaluated,
        _ => return None,
    })
}

/// Who took the quota of a Workload, and why, from the message of its
/// condition `Preempted` (`preemption.go`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preemptor {
    /// UID of the Workload that took it.
    pub uid: String,
    /// UID of what that stands for.
    pub job_uid: String,
    /// By which rule.
    pub rule: String,
    /// The ClusterQueue of that Workload, if it is another one.
    pub cluster_queue: Option<String>,
}

/// Reads the message of a preemption.
pub fn preemptor(message: &str) -> Option<Preemptor> {
    let rest = message.strip_prefix("Preempted to accommodate a workload (UID: ")?;
    let (ids, rest) = rest.split_once(") due to ")?;
    let (uid, job_uid) = ids.split_once(", JobUID: ")?;
    let (rule, paths) = rest.split_once(';').unwrap_or((rest, ""));
    // The last step of a path through the cohorts is the ClusterQueue.
    let queue = |whose: &str| {
        let (_, path) = paths.split_once(whose)?;
        let path = path.split(';').next()?.trim();
        path.rsplit('/').next().filter(|queue| !queue.is_empty())
    };
    let cluster_queue = queue("preemptor path: ")
        .filter(|queue_of| *queue_of != "UNKNOWN" && Some(*queue_of) != queue("preemptee path: "));
    Some(Preemptor {
        uid: uid.to_owned(),
        job_uid: job_uid.to_owned(),
        rule: rule.trim().to_owned(),
        cluster_queue: cluster_queue.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(resource: &str, flavor: &str, missing: i64) -> Obstacle {
        Obstacle::Short {
            resource: resource.into(),
            flavor: flavor.into(),
            missing: Quantity::units(missing),
        }
    }

    #[test]
    fn messages_of_v0_18_are_understood() {
        let closed = |text: &str| Obstacle::Closed(text.into());
        for (message, expected) in [
            ("", vec![Obstacle::NotEvaluated]),
            (
                "couldn't assign flavors to pod set main: insufficient unused quota for amd.com/gpu in flavor amd-8, 8 more needed",
                vec![short("amd.com/gpu", "amd-8", 8)],
            ),
            (
                "couldn't assign flavors to pod set main: insufficient quota for amd.com/gpu in flavor amd-8, previously considered podsets requests (0) + current podset request (40) > maximum capacity (32)",
                vec![Obstacle::Exceeds {
                    resource: "amd.com/gpu".into(),
                    flavor: "amd-8".into(),
                    demand: Quantity::units(40),
                    most: Quantity::units(32),
                }],
            ),
            (
                "couldn't assign flavors to pod set head: insufficient unused quota for memory in flavor a, 16Gi more needed; couldn't assign flavors to pod set workers: flavor b doesn't match node affinity, insufficient unused quota for amd.com/gpu in flavor a, 8 more needed, untolerated taint {dedicated team NoSchedule <nil>} in flavor c. Pending the preemption of 2 workload(s)",
                vec![
                    Obstacle::Preempting(2),
                    Obstacle::Short {
                        resource: "memory".into(),
                        flavor: "a".into(),
                        missing: Quantity::gib(16),
                    },
                    closed("flavor b doesn't match node affinity"),
                    short("amd.com/gpu", "a", 8),
                    closed("untolerated taint {dedicated team NoSchedule <nil>} in flavor c"),
                ],
            ),
            (
                "couldn't assign flavors to pod set main: resource example.com/fpga unavailable in ClusterQueue",
                vec![Obstacle::Uncovered("example.com/fpga".into())],
            ),
            (
                "couldn't assign flavors to pod set main: topology \"default\" allows to fit only 1 out of 2 pod(s)",
                vec![Obstacle::Topology(
                    "topology \"default\" allows to fit only 1 out of 2 pod(s)".into(),
                )],
            ),
            (
                "couldn't assign flavors to pod set main: flavor gone not found",
                vec![closed("flavor gone not found")],
            ),
            (
                "Workload namespace doesn't match ClusterQueue selector",
                vec![Obstacle::NamespaceNotSelected],
            ),
            (
                "LocalQueue q doesn't exist",
                vec![Obstacle::LocalQueueMissing("q".into())],
            ),
            (
                "LocalQueue q is inactive",
                vec![Obstacle::LocalQueueStopped("q".into())],
            ),
            (
                "ClusterQueue c is inactive",
                vec![Obstacle::ClusterQueueInactive("c".into())],
            ),
            (
                "ClusterQueue c is stopped",
                vec![Obstacle::ClusterQueueInactive("c".into())],
            ),
            (
                "ClusterQueue c is terminating or missing",
                vec![Obstacle::ClusterQueueMissing("c".into())],
            ),
            (
                "resources didn't satisfy LimitRange constraints: [spec.podSets[0]: Invalid value]",
                vec![Obstacle::Invalid("resources didn't satisfy LimitRange constraints: [spec.podSets[0]: Invalid value]".into())],
            ),
            (
                "Workload requires preemption, but it's gated",
                vec![Obstacle::Other("Workload requires preemption, but it's gated".into())],
            ),
        ] {
            assert_eq!(obstacles("Pending", message), expected, "{message}");
        }
    }

    #[test]
    fn reasons_of_v0_19_speak_where_their_message_is_new() {
        for (reason, expected) in [
            ("NoMatchingFlavor", Obstacle::Closed("new words".into())),
            (
                "TopologyPlacementFailed",
                Obstacle::Topology("new words".into()),
            ),
            ("WaitingForPreemptedWorkloads", Obstacle::Preempting(0)),
            ("WaitingForPodsReady", Obstacle::OthersNotReady),
            ("PendingEvaluation", Obstacle::NotEvaluated),
            ("Suspended", Obstacle::ClusterQueueInactive(String::new())),
            ("Misconfigured", Obstacle::Other("new words".into())),
            ("Pending", Obstacle::Other("new words".into())),
            ("WaitingForQuota", short("", "", 0)),
        ] {
            assert_eq!(obstacles(reason, "new words"), [expected], "{reason}");
        }
        // The message says more than the reason.
        assert_eq!(
            obstacles("Misconfigured", "LocalQueue q doesn't exist"),
            [Obstacle::LocalQueueMissing("q".into())]
        );
        assert_eq!(
            obstacles("Suspended", "LocalQueue q is inactive"),
            [Obstacle::LocalQueueStopped("q".into())]
        );
        assert_eq!(
            obstacles(
                "WaitingForQuota",
                "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu in flavor n, 4 more needed"
            ),
            [short("nvidia.com/gpu", "n", 4)]
        );
    }

    #[test]
    fn a_preemption_names_who_and_why() {
        assert_eq!(
            preemptor(
                "Preempted to accommodate a workload (UID: 4af8, JobUID: 5dbb) due to prioritization in the ClusterQueue; preemptor path: /all/pre; preemptee path: /all/low"
            ),
            Some(Preemptor {
                uid: "4af8".into(),
                job_uid: "5dbb".into(),
                rule: "prioritization in the ClusterQueue".into(),
                cluster_queue: Some("pre".into()),
            })
        );
        let older = "Preempted to accommodate a workload (UID: a, JobUID: UNKNOWN) due to reclamation within the cohort";
        assert_eq!(
            preemptor(older).unwrap().rule,
            "reclamation within the cohort"
        );
        assert_eq!(preemptor("no message of its"), None);
    }
}
