//! Parses what Kueue says about a Workload that has no quota.
//!
//! Sources: the messages of Kueue v0.18 and v0.19 (`scheduler/flavorassigner`,
//! `scheduler/scheduler.go`, `core/workload_controller.go`). Their reasons are just `Pending` and `Inadmissible`,
//! unless the gate `UnadmittedWorkloadsObservability` is on (v0.19, off by
//! default; KEP-10852): the message is read first, the reason where it says no
//! more.

use crate::quantity::Quantity;

/// What keeps a Workload from getting quota.
#[derive(Debug, Clone, PartialEq)]
pub enum QuotaBlocker {
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
    /// Somebody has to lift these gates first (v0.19).
    Gated(Vec<String>),
    /// Kueue has not got to it.
    NotEvaluated,
    /// Anything else, in Kueue's words.
    Other(String),
}

/// Reads `reason` and `message` of a condition `QuotaReserved=False`.
pub fn quota_blockers(reason: &str, message: &str) -> Vec<QuotaBlocker> {
    let (message, preempting) = without_preemption(message.trim());
    let mut found: Vec<QuotaBlocker> = match message.contains(POD_SET) {
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
        found.insert(0, QuotaBlocker::Preempting(count));
    }
    // Words that are new to kaiwo still have their reason since v0.19.
    if let [QuotaBlocker::Other(words)] = &found[..]
        && let Some(known) = of_reason(reason, words)
    {
        return vec![known];
    }
    found
}

/// Returns whether a message only says that another Workload which asks for the
/// same could not be admitted, as it does with the gate.
pub fn is_of_twin(message: &str) -> bool {
    message.starts_with("Bypassed scheduling evaluation because an equivalent workload")
}

const POD_SET: &str = "couldn't assign flavors to pod set ";
const GATED: &str = "Admission is gated by: ";

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
fn flavor_reasons(text: &str) -> Vec<QuotaBlocker> {
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

fn flavor_reason(text: &str) -> QuotaBlocker {
    let other = || QuotaBlocker::Other(text.to_owned());
    let place = |rest: &str| {
        let (resource, rest) = rest.split_once(" in flavor ")?;
        let (flavor, rest) = rest.split_once(", ")?;
        Some((resource.to_owned(), flavor.to_owned(), rest.to_owned()))
    };
    if let Some(rest) = text.strip_prefix("insufficient unused quota for ") {
        return place(rest)
            .and_then(|(resource, flavor, rest)| {
                let missing = rest.split_once(" more needed")?.0.parse().ok()?;
                Some(QuotaBlocker::Short {
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
                Some(QuotaBlocker::Exceeds {
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
        return QuotaBlocker::Uncovered(resource.to_owned());
    }
    if text.starts_with("topology ") {
        return QuotaBlocker::Topology(text.to_owned());
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
        true => QuotaBlocker::Closed(text.to_owned()),
        false => other(),
    }
}

/// Reads a message that is about the Workload as a whole.
fn whole(text: &str) -> QuotaBlocker {
    let mut words = text.splitn(3, ' ');
    if let (Some(kind), Some(name), Some(rest)) = (words.next(), words.next(), words.next()) {
        let name = name.to_owned();
        match (kind, rest.trim_end_matches('.')) {
            ("LocalQueue", "doesn't exist" | "is terminating or missing") => {
                return QuotaBlocker::LocalQueueMissing(name);
            }
            ("LocalQueue", "is inactive" | "is stopped") => {
                return QuotaBlocker::LocalQueueStopped(name);
            }
            ("ClusterQueue", "doesn't exist" | "is terminating or missing" | "not found") => {
                return QuotaBlocker::ClusterQueueMissing(name);
            }
            ("ClusterQueue", "is inactive" | "is stopped") => {
                return QuotaBlocker::ClusterQueueInactive(name);
            }
            _ => {}
        }
    }
    match text {
        "" => QuotaBlocker::NotEvaluated,
        "The LocalQueue is stopped" => QuotaBlocker::LocalQueueStopped(String::new()),
        "The ClusterQueue is stopped" => QuotaBlocker::ClusterQueueInactive(String::new()),
        // With a capital up to v0.18.
        text if text.ends_with("orkload namespace doesn't match ClusterQueue selector") => {
            QuotaBlocker::NamespaceNotSelected
        }
        text if text.contains("pending evaluation") => QuotaBlocker::NotEvaluated,
        text if text.starts_with("waiting for all admitted workloads to be in PodsReady") => {
            QuotaBlocker::OthersNotReady
        }
        // The gates are gone, and Kueue is about to look at it.
        text if text.starts_with("AdmissionGatedBy cleared") => QuotaBlocker::NotEvaluated,
        text if text.starts_with(GATED) => {
            let gates = text[GATED.len()..].split(',').map(str::trim);
            QuotaBlocker::Gated(gates.map(str::to_owned).collect())
        }
        text if text.starts_with("resources validation failed")
            || text.starts_with("resources didn't satisfy LimitRange constraints") =>
        {
            QuotaBlocker::Invalid(text.to_owned())
        }
        text => flavor_reasons(text)
            .into_iter()
            .next()
            .filter(|quota_blocker| !matches!(quota_blocker, QuotaBlocker::Other(_)))
            .unwrap_or_else(|| QuotaBlocker::Other(text.to_owned())),
    }
}

/// Returns what a reason of v0.19 means where its message says no more.
fn of_reason(reason: &str, words: &str) -> Option<QuotaBlocker> {
    let words = words.to_owned();
    Some(match reason {
        "NoMatchingFlavor" => QuotaBlocker::Closed(words),
        "TopologyPlacementFailed" => QuotaBlocker::Topology(words),
        "WaitingForPreemptedWorkloads" => QuotaBlocker::Preempting(0),
        "WaitingForQuota" => QuotaBlocker::Short {
            resource: String::new(),
            flavor: String::new(),
            missing: Quantity::default(),
        },
        "ExceedsMaxQuota" => QuotaBlocker::Exceeds {
            resource: String::new(),
            flavor: String::new(),
            demand: Quantity::default(),
            most: Quantity::default(),
        },
        "Suspended" => QuotaBlocker::ClusterQueueInactive(String::new()),
        "WaitingForPodsReady" | "Waiting" => QuotaBlocker::OthersNotReady,
        "PendingEvaluation" => QuotaBlocker::NotEvaluated,
        "AdmissionGated" => QuotaBlocker::Gated(Vec::new()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(resource: &str, flavor: &str, missing: i64) -> QuotaBlocker {
        QuotaBlocker::Short {
            resource: resource.into(),
            flavor: flavor.into(),
            missing: Quantity::units(missing),
        }
    }

    #[test]
    fn messages_are_understood() {
        let closed = |text: &str| QuotaBlocker::Closed(text.into());
        for (message, expected) in [
            ("", vec![QuotaBlocker::NotEvaluated]),
            (
                "couldn't assign flavors to pod set main: insufficient unused quota for amd.com/gpu in flavor amd-8, 8 more needed",
                vec![short("amd.com/gpu", "amd-8", 8)],
            ),
            (
                "couldn't assign flavors to pod set main: insufficient quota for amd.com/gpu in flavor amd-8, previously considered podsets requests (0) + current podset request (40) > maximum capacity (32)",
                vec![QuotaBlocker::Exceeds {
                    resource: "amd.com/gpu".into(),
                    flavor: "amd-8".into(),
                    demand: Quantity::units(40),
                    most: Quantity::units(32),
                }],
            ),
            (
                "couldn't assign flavors to pod set head: insufficient unused quota for memory in flavor a, 16Gi more needed; couldn't assign flavors to pod set workers: flavor b doesn't match node affinity, insufficient unused quota for amd.com/gpu in flavor a, 8 more needed, untolerated taint {dedicated team NoSchedule <nil>} in flavor c. Pending the preemption of 2 workload(s)",
                vec![
                    QuotaBlocker::Preempting(2),
                    QuotaBlocker::Short {
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
                vec![QuotaBlocker::Uncovered("example.com/fpga".into())],
            ),
            (
                "couldn't assign flavors to pod set main: topology \"default\" allows to fit only 1 out of 2 pod(s)",
                vec![QuotaBlocker::Topology(
                    "topology \"default\" allows to fit only 1 out of 2 pod(s)".into(),
                )],
            ),
            (
                "couldn't assign flavors to pod set main: flavor gone not found",
                vec![closed("flavor gone not found")],
            ),
            (
                "Workload namespace doesn't match ClusterQueue selector",
                vec![QuotaBlocker::NamespaceNotSelected],
            ),
            (
                "workload namespace doesn't match ClusterQueue selector",
                vec![QuotaBlocker::NamespaceNotSelected],
            ),
            (
                "LocalQueue q doesn't exist",
                vec![QuotaBlocker::LocalQueueMissing("q".into())],
            ),
            (
                "LocalQueue q is inactive",
                vec![QuotaBlocker::LocalQueueStopped("q".into())],
            ),
            (
                "ClusterQueue c is inactive",
                vec![QuotaBlocker::ClusterQueueInactive("c".into())],
            ),
            (
                "ClusterQueue c is stopped",
                vec![QuotaBlocker::ClusterQueueInactive("c".into())],
            ),
            (
                "ClusterQueue c is terminating or missing",
                vec![QuotaBlocker::ClusterQueueMissing("c".into())],
            ),
            (
                "resources didn't satisfy LimitRange constraints: [spec.podSets[0]: Invalid value]",
                vec![QuotaBlocker::Invalid("resources didn't satisfy LimitRange constraints: [spec.podSets[0]: Invalid value]".into())],
            ),
            (
                "Admission is gated by: ex.com/a,ex.com/b",
                vec![QuotaBlocker::Gated(vec!["ex.com/a".into(), "ex.com/b".into()])],
            ),
            (
                "AdmissionGatedBy cleared, waiting for quota reservation",
                vec![QuotaBlocker::NotEvaluated],
            ),
            (
                "Workload requires preemption, but it's gated",
                vec![QuotaBlocker::Other("Workload requires preemption, but it's gated".into())],
            ),
        ] {
            assert_eq!(quota_blockers("Pending", message), expected, "{message}");
        }
    }

    #[test]
    fn reasons_of_v0_19_speak_where_their_message_is_new() {
        for (reason, expected) in [
            ("NoMatchingFlavor", QuotaBlocker::Closed("new words".into())),
            (
                "TopologyPlacementFailed",
                QuotaBlocker::Topology("new words".into()),
            ),
            ("WaitingForPreemptedWorkloads", QuotaBlocker::Preempting(0)),
            ("WaitingForPodsReady", QuotaBlocker::OthersNotReady),
            ("PendingEvaluation", QuotaBlocker::NotEvaluated),
            (
                "Suspended",
                QuotaBlocker::ClusterQueueInactive(String::new()),
            ),
            ("AdmissionGated", QuotaBlocker::Gated(Vec::new())),
            ("Misconfigured", QuotaBlocker::Other("new words".into())),
            ("Pending", QuotaBlocker::Other("new words".into())),
            ("WaitingForQuota", short("", "", 0)),
        ] {
            assert_eq!(quota_blockers(reason, "new words"), [expected], "{reason}");
        }
        // The message says more than the reason.
        assert_eq!(
            quota_blockers("Misconfigured", "LocalQueue q doesn't exist"),
            [QuotaBlocker::LocalQueueMissing("q".into())]
        );
        assert_eq!(
            quota_blockers("Suspended", "LocalQueue q is inactive"),
            [QuotaBlocker::LocalQueueStopped("q".into())]
        );
        assert_eq!(
            quota_blockers(
                "WaitingForQuota",
                "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu in flavor n, 4 more needed"
            ),
            [short("nvidia.com/gpu", "n", 4)]
        );
    }
}
