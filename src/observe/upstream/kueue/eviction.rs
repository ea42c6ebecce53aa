//! Parses what Kueue says about a Workload that lost its quota (v0.18 and v0.19:
//! `core/workload_controller.go`, `scheduler/preemption`).

/// Why Kueue took a Workload off its quota: condition `Evicted`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Eviction {
    /// Another one took its quota.
    Preempted,
    /// Its pods were not ready in time.
    PodsReadyTimeout,
    /// An admission check wants to look at it again.
    AdmissionCheck,
    /// Its queue was stopped.
    QueueStopped,
    /// A node of it failed.
    NodeFailure,
    /// It is considered no more.
    Deactivated(Deactivation),
    /// Something else.
    Other,
}

/// Why Kueue considers a Workload no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deactivation {
    /// Somebody has set `spec.active`.
    ByHand,
    /// This admission check has rejected it; empty if Kueue does not name it.
    Rejected(String),
    /// Its pods were not ready in time too often.
    RequeuingLimit,
    /// It ran for longer than it may.
    MaximumExecutionTime,
}

/// Reads reason and message of a condition `Evicted`.
pub fn eviction(reason: &str, message: &str) -> Eviction {
    // `Deactivated`, with what led to it appended.
    if let Some(cause) = reason.strip_prefix("Deactivated") {
        return Eviction::Deactivated(match cause.strip_prefix("DueTo") {
            Some("AdmissionCheck") => {
                let check = message.split_once("Rejected state: ");
                Deactivation::Rejected(check.map_or("", |(_, check)| check).to_owned())
            }
            Some("RequeuingLimitExceeded") => Deactivation::RequeuingLimit,
            Some("MaximumExecutionTimeExceeded") => Deactivation::MaximumExecutionTime,
            _ => Deactivation::ByHand,
        });
    }
    match reason {
        "Preempted" => Eviction::Preempted,
        "PodsReadyTimeout" => Eviction::PodsReadyTimeout,
        "AdmissionCheck" => Eviction::AdmissionCheck,
        "ClusterQueueStopped" | "LocalQueueStopped" => Eviction::QueueStopped,
        "NodeFailures" => Eviction::NodeFailure,
        _ => Eviction::Other,
    }
}

/// Who took the quota of a Workload, and why, from the message of its
/// condition `Preempted` (`preemption.go`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preemptor {
    /// UID of the Workload that took it.
    pub uid: String,
    /// UID of what that stands for.
    pub job_uid: String,
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

    #[test]
    fn an_eviction_says_what_led_to_it() {
        let rejected = "Admission check(s): gpu-budget, were rejected; Rejected state: gpu-budget";
        for (reason, message, expected) in [
            ("Preempted", "", Eviction::Preempted),
            ("PodsReadyTimeout", "", Eviction::PodsReadyTimeout),
            ("LocalQueueStopped", "", Eviction::QueueStopped),
            ("NodeFailures", "", Eviction::NodeFailure),
            ("FlavorMigration", "", Eviction::Other),
            (
                "Deactivated",
                "The workload is deactivated",
                Eviction::Deactivated(Deactivation::ByHand),
            ),
            (
                "DeactivatedDueToRequeuingLimitExceeded",
                "",
                Eviction::Deactivated(Deactivation::RequeuingLimit),
            ),
            (
                "DeactivatedDueToAdmissionCheck",
                rejected,
                Eviction::Deactivated(Deactivation::Rejected("gpu-budget".into())),
            ),
        ] {
            assert_eq!(eviction(reason, message), expected, "{reason}");
        }
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
