//! `JobDeploymentStatus` of a RayJob (KubeRay v1.6), which is what the operator
//! does, and `JobStatus`, which is what Ray says.

use super::{
    ENDING, Evidence, Finding, KindRules, Metadata, Pod, PodLabels, Standing, Status, Timestamp,
    Workload, WorkloadContext, first_to_fail, is_taken_off, lifecycle, newest, refused, suspended,
    trouble_of, with_pods,
};
use crate::api::keys::{CONTROLLER_UID_LABEL, RAY_CLUSTER_LABEL};
use crate::api::workload::ray::{RayJobSpec, RayJobStatus};
use crate::observe::upstream::output;
use crate::observe::upstream::ray::DriverFailure;
use crate::observe::why::finding::Cause;
use crate::printable;

impl KindRules for (&Workload, &RayJobSpec, &RayJobStatus) {
    fn standing(&self, known: &WorkloadContext) -> Standing {
        let (workload, spec, status) = self;
        let trouble = || trouble_of(known.pods, known);
        match (
            status.job_deployment_status.as_str(),
            status.job_status.as_str(),
        ) {
            ("Complete", "SUCCEEDED") => Standing::new(Status::Succeeded, ""),
            // Ray has stopped it or it failed; since v1.2 the latter is `Failed`.
            ("Complete" | "Failed" | "ValidationFailed", _) => {
                Standing::new(Status::Failed, reason(status))
            }
            ("Suspended" | "Suspending", _) => suspended(workload, known),
            _ if spec.suspend || is_taken_off(known) => suspended(workload, known),
            ("Running", "RUNNING") => {
                let again = || tries_again(spec, status);
                Standing::new(
                    Status::Running,
                    trouble().or_else(again).unwrap_or_default(),
                )
            }
            ("Running", "SUCCEEDED") => Standing::new(Status::Running, ENDING),
            ("Running", "FAILED" | "STOPPED") => {
                Standing::new(Status::Running, format!("{ENDING}: {}", reason(status)))
            }
            ("Retrying", _) => {
                let again = tries_again(spec, status);
                let words = again.unwrap_or_else(|| "retrying".to_owned());
                Standing::new(Status::Starting, words)
            }
            _ => {
                let pods = known.pods;
                let ready = pods.iter().filter(|pod| pod.is_ready()).count();
                let counts = || match pods.len() {
                    0 => String::new(),
                    all => format!("{ready} of {all} pods ready"),
                };
                let reason = trouble()
                    .or_else(|| refused(workload, known))
                    .or_else(|| tries_again(spec, status))
                    .unwrap_or_else(counts);
                Standing::new(Status::Starting, reason)
            }
        }
    }

    fn is_untouched(&self) -> bool {
        let (_, spec, status) = self;
        !spec.suspend && status.job_deployment_status.is_empty()
    }

    fn wanted_pods(&self) -> Option<i64> {
        Some(self.1.ray_cluster_spec.pods())
    }

    /// KubeRay may have started its driver again.
    fn pods_tell(&self, status: Status) -> bool {
        status == Status::Running
    }

    fn cluster_names(&self) -> Vec<&str> {
        let name = self.2.ray_cluster_name.as_str();
        Some(name)
            .filter(|name| !name.is_empty())
            .into_iter()
            .collect()
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
        let driver = DriverFailure::read(&status.message);
        let driver = driver.map(|failure| failure.exit_code);
        driver.or_else(|| Some(first_to_fail(submitters)?.1))
    }

    fn findings(&self, evidence: &Evidence, standing: &Standing) -> Vec<Finding> {
        let (_, spec, status) = self;
        if standing.status == Status::Failed {
            return vec![failure(evidence, status)];
        }
        if spec.suspend && standing.status == Status::Suspended {
            return vec![lifecycle::suspended(evidence)];
        }
        with_pods(Vec::new(), evidence)
    }
}

/// Returns why it failed: what its driver did, or what the operator says.
fn reason(status: &RayJobStatus) -> String {
    if status.reason == "DeadlineExceeded" {
        return lifecycle::PAST_DEADLINE.to_owned();
    }
    if let Some(driver) = DriverFailure::read(&status.message) {
        return driver.words();
    }
    let words = [&status.message, &status.reason, &status.job_status];
    let words = words.into_iter().find(|words| !words.is_empty());
    output::gist(words.map_or("", |words| words))
}

/// Returns that it has failed and is tried again.
fn tries_again(spec: &RayJobSpec, status: &RayJobStatus) -> Option<String> {
    let (failed, tries) = (status.failed, spec.backoff_limit + 1);
    let again = format!("retrying ({} of {tries})", failed + 1);
    let driver = DriverFailure::read(&status.message);
    let driver = driver.map_or(String::new(), |driver| format!(": {}", driver.words()));
    (failed > 0 && failed < tries).then(|| again + &driver)
}

/// Says why it failed, with what its driver printed last.
fn failure(evidence: &Evidence, status: &RayJobStatus) -> Finding {
    let first = status.message.lines().next().unwrap_or_default();
    if status.reason == "DeadlineExceeded" {
        return lifecycle::deadline_exceeded(first);
    }
    let driver = DriverFailure::read(&status.message);
    let (finding, printed) = match (driver, status.reason.as_str()) {
        (Some(driver), _) => {
            let code = driver.exit_code;
            let summary = format!("its driver ended with exit code {code}");
            (Finding::new(Cause::DriverFailed, summary), driver.output)
        }
        (None, reason) => {
            let summary = match reason {
                "" => "its driver failed".to_owned(),
                reason => format!("its driver failed: {reason}"),
            };
            let finding = Finding::new(Cause::DriverFailed, summary);
            let rest = status.message.split_once('\n').map_or("", |(_, rest)| rest);
            (finding.shows(printable::text(first)), rest)
        }
    };
    lifecycle::last_lines(finding, printed, evidence)
}
