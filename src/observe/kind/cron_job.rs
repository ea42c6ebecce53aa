//! Judges a CronJob by the Jobs that it starts (batch/v1, Kubernetes v1.36).

use super::{
    Evidence, Finding, KindRules, Metadata, Pod, PodLabels, Standing, Status, WorkloadContext, job,
    lifecycle, newest, with_pods,
};
use crate::api::keys::CONTROLLER_UID_LABEL;
use crate::api::workload::job::{CronJobSpec, CronJobStatus};
use crate::names::counted;

fn runs_at(spec: &CronJobSpec) -> String {
    match spec.time_zone.as_str() {
        "" => format!("runs at {}", spec.schedule),
        zone => format!("runs at {} ({zone})", spec.schedule),
    }
}

impl KindRules for (&CronJobSpec, &CronJobStatus) {
    fn standing(&self, _known: &WorkloadContext) -> Standing {
        let (spec, status) = self;
        match (spec.suspend, status.active.len()) {
            (true, _) => Standing::new(Status::Suspended, "starts no Jobs"),
            (false, 0) => Standing::new(Status::Ready, runs_at(spec)),
            (false, jobs) => Standing::new(Status::Running, counted(jobs, "Job")),
        }
    }

    /// Its controller has nothing to do before its time.
    fn is_untouched(&self) -> bool {
        false
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
        with_pods(own, evidence)
    }
}
