//! Judges a CronJob by the Jobs that it starts (batch/v1, Kubernetes v1.36).

use super::{
    Evidence, Finding, KueueWorkload, Meaning, Metadata, Pod, PodLabels, Standing, Status, job,
    lifecycle, newest,
};
use crate::api::keys::CONTROLLER_UID_LABEL;
use crate::api::workload::job::{CronJobSpec, CronJobStatus};

impl Meaning for (&CronJobSpec, &CronJobStatus) {
    fn standing(&self, _queued: &[KueueWorkload], _pods: &[Pod]) -> Standing {
        let (spec, status) = self;
        match (spec.suspend, status.active.len()) {
            (true, _) => Standing::new(Status::Suspended, "starts no Jobs"),
            (false, 0) => Standing::new(Status::Ready, format!("runs at {}", spec.schedule)),
            (false, 1) => Standing::new(Status::Running, "1 Job"),
            (false, jobs) => Standing::new(Status::Running, format!("{jobs} Jobs")),
        }
    }

    fn pod_labels(&self, jobs: &[Metadata]) -> Vec<PodLabels> {
        PodLabels::of_each(CONTROLLER_UID_LABEL, jobs, |job| &job.uid)
    }

    /// Those of the Jobs that run, or of the last one.
    fn present_pods<'p>(&self, pods: Vec<&'p Pod>) -> Vec<&'p Pod> {
        let (spec, status) = self;
        let of = |uids: &[&str]| {
            let mut pods = pods.clone();
            pods.retain(|pod| uids.contains(&pod.job()));
            job::attempt(&spec.job_template.spec, pods)
        };
        let active: Vec<&str> = status.active.iter().map(|job| job.uid.as_str()).collect();
        match (of(&active), newest(&pods)) {
            (chosen, Some(last)) if chosen.is_empty() => of(&[last.job()]),
            (chosen, _) => chosen,
        }
    }

    fn findings(&self, evidence: &Evidence, _standing: &Standing) -> Vec<Finding> {
        let suspended = self.0.suspend.then(|| lifecycle::suspended(evidence));
        let own = suspended.into_iter().collect();
        lifecycle::with_pods(own, evidence, evidence.created())
    }
}
