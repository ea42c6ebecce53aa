//! `JobDeploymentStatus` of a RayJob (KubeRay v1.6), which is what the operator
//! does, and `JobStatus`, which is what Ray says.

use super::{
    Evidence, Finding, KueueWorkload, Meaning, Metadata, Pod, PodLabels, Standing, Status,
    Timestamp, Workload, first_exit_code, first_line, lifecycle, newest, suspended, troubles,
};
use crate::api::keys::{CONTROLLER_UID_LABEL, RAY_CLUSTER_LABEL};
use crate::api::workload::ray::{RayJobSpec, RayJobStatus};
use crate::observe::why::finding::Cause;

impl Meaning for (&Workload, &RayJobSpec, &RayJobStatus) {
    fn standing(&self, queued: &[KueueWorkload], pods: &[Pod]) -> Standing {
        let (workload, spec, status) = self;
        let failed = || {
            let words = [&status.message, &status.reason, &status.job_status];
            let words = words.into_iter().find(|words| !words.is_empty());
            Standing::new(Status::Failed, first_line(words.map_or("", |words| words)))
        };
        match (
            status.job_deployment_status.as_str(),
            status.job_status.as_str(),
        ) {
            ("Complete", "SUCCEEDED") => Standing::new(Status::Succeeded, ""),
            // Ray has stopped it or it failed; since v1.2 the latter is `Failed`.
            ("Complete" | "Failed" | "ValidationFailed", _) => failed(),
            ("Suspended" | "Suspending", _) => suspended(workload, queued),
            _ if spec.suspend => suspended(workload, queued),
            ("Running", "RUNNING") => Standing::new(Status::Running, troubles(pods)),
            ("Running", "SUCCEEDED" | "FAILED" | "STOPPED") => {
                Standing::new(Status::Running, "is ending")
            }
            ("Retrying", _) => Standing::new(Status::Starting, "tries again"),
            _ => {
                let ready = pods.iter().filter(|pod| pod.is_ready()).count();
                let reason = match (troubles(pods), pods.len()) {
                    (trouble, _) if !trouble.is_empty() => trouble,
                    (_, 0) => String::new(),
                    (_, all) => format!("{ready} of {all} pods ready"),
                };
                Standing::new(Status::Starting, reason)
            }
        }
    }

    /// The driver's output is in the pod of the Job that submits it, which has
    /// its name, as another Job may.
    fn pod_labels(&self, jobs: &[Metadata]) -> Vec<PodLabels> {
        let cluster = &self.2.ray_cluster_name;
        let mut labels = PodLabels::of_each(CONTROLLER_UID_LABEL, jobs, |job| &job.uid);
        labels.extend((!cluster.is_empty()).then(|| PodLabels::one(RAY_CLUSTER_LABEL, cluster)));
        labels
    }

    fn has_driver(&self) -> bool {
        true
    }

    fn present_pods<'p>(&self, pods: Vec<&'p Pod>) -> Vec<&'p Pod> {
        newest(&pods).into_iter().collect()
    }

    fn is_over(&self, status: Status) -> bool {
        status.is_final()
    }

    fn running_since(&self) -> Option<Timestamp> {
        self.2.start_time
    }

    fn ended_at(&self) -> Option<Timestamp> {
        self.2.end_time
    }

    /// `JobFailedReason` of KubeRay v1.6: the others are the operator's.
    fn exit_code(&self, pods: &[Pod]) -> Option<i64> {
        let (_, _, status) = self;
        if !matches!(
            status.reason.as_str(),
            "" | "AppFailed" | "SubmissionFailed"
        ) {
            return None;
        }
        let submitters = pods
            .iter()
            .filter(|pod| !pod.metadata.labels.contains_key(RAY_CLUSTER_LABEL));
        drivers_exit_code(&status.message).or_else(|| first_exit_code(submitters))
    }

    fn findings(&self, evidence: &Evidence, standing: &Standing) -> Vec<Finding> {
        let (_, spec, status) = self;
        if standing.status == Status::Failed {
            return vec![failure(evidence, status)];
        }
        if spec.suspend && standing.status == Status::Suspended {
            return vec![lifecycle::suspended(evidence)];
        }
        lifecycle::with_pods(Vec::new(), evidence, status.start_time)
    }
}

/// Returns the exit code in Ray's words for a driver that failed (Ray v2.50,
/// `JobSupervisor.run`): `Job entrypoint command failed with exit code 42, …`.
/// A negative one is the signal that ended it, which a shell would show as 128
/// and more.
fn drivers_exit_code(message: &str) -> Option<i64> {
    let (_, rest) = message.split_once("exit code ")?;
    let end = rest
        .char_indices()
        .find(|(at, c)| !(c.is_ascii_digit() || (*at == 0 && *c == '-')))
        .map_or(rest.len(), |(at, _)| at);
    let code: i64 = rest[..end].parse().ok()?;
    Some(if code < 0 { 128 - code } else { code })
}

/// Reads the exit code and the last lines of a driver (KubeRay v1.6 and Ray
/// v2.50: `Job entrypoint command failed with exit code 1, last available logs
/// (truncated to 20,000 chars):`).
fn failure(evidence: &Evidence, status: &RayJobStatus) -> Finding {
    let first = first_line(&status.message);
    let rest = status.message.split_once('\n');
    let rest = rest.map_or("", |(_, rest)| rest);
    let code = first
        .split_once("exit code ")
        .map(|(_, rest)| {
            let end = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            &rest[..end]
        })
        .filter(|code| !code.is_empty());
    let finding = match (code, status.reason.as_str()) {
        (_, "DeadlineExceeded") => return lifecycle::deadline_exceeded(first),
        (Some(code), _) => Finding::new(
            Cause::DriverFailed,
            format!("its driver ended with exit code {code}"),
        ),
        (None, "") => Finding::new(Cause::DriverFailed, "its driver failed").shows(first),
        (None, reason) => {
            Finding::new(Cause::DriverFailed, format!("its driver failed: {reason}")).shows(first)
        }
    };
    lifecycle::last_lines(finding, rest, evidence)
}
