//! Conditions of a RayService (KubeRay v1.6, `RayServiceConditionType`), and what
//! Ray Serve says of the applications on its clusters: of the one that serves,
//! and during an upgrade of the one that shall.

use super::{
    Duration, Evidence, Finding, KindRules, Metadata, Pod, PodLabels, Standing, Status, Timestamp,
    Workload, WorkloadContext, lifecycle, refused, suspended, trouble_of, turned, waits, with_pods,
};
use crate::api::condition::{condition, holds};
use crate::api::keys::RAY_CLUSTER_LABEL;
use crate::api::workload::ray::{
    RayServiceCluster, RayServiceSpec, RayServiceStatus, ServeApplication,
};
use crate::observe::upstream::{output, ray};
use crate::observe::why::finding::Cause;
use crate::observe::why::pods as of_pods;

/// Time after which what a RayService says of its applications is about their
/// new configuration: KubeRay asks Ray Serve every two seconds, and reads the
/// answer that it reports first before it hands the configuration over (v1.6,
/// `reconcileServe`).
const SETTLES: Duration = Duration::from_secs(5);

impl KindRules for (&Workload, &RayServiceSpec, &RayServiceStatus) {
    fn standing(&self, known: &WorkloadContext) -> Standing {
        let (workload, spec, status) = self;
        if holds(&status.conditions, "Ready").is_some() {
            return serving(status, known);
        }
        let mut unwell = status.clusters().into_iter();
        let unwell = unwell.find_map(RayServiceCluster::unwell);
        match unwell {
            _ if spec.ray_cluster_config.suspend => suspended(workload, known),
            Some(words) => Standing::new(Status::Failed, words),
            None if waits(known.queued) => suspended(workload, known),
            None => {
                let told = || {
                    let ready = condition(&status.conditions, "Ready");
                    ready.map_or(String::new(), |ready| output::gist(ready.words()))
                };
                let reason = trouble_of(known.pods, known)
                    .or_else(|| refused(workload, known))
                    .unwrap_or_else(told);
                Standing::new(Status::Starting, reason)
            }
        }
    }

    fn is_untouched(&self) -> bool {
        let (_, spec, status) = self;
        !spec.ray_cluster_config.suspend
            && status.conditions.is_empty()
            && self.cluster_names().is_empty()
    }

    fn wanted_pods(&self) -> Option<i64> {
        Some(self.1.ray_cluster_config.pods())
    }

    fn cluster_names(&self) -> Vec<&str> {
        let names = self.2.clusters().into_iter();
        let names = names.map(|cluster| cluster.ray_cluster_name.as_str());
        names.filter(|name| !name.is_empty()).collect()
    }

    fn pod_labels(&self, _parts: &[Metadata]) -> Vec<PodLabels> {
        let names = self.cluster_names().into_iter();
        let names: Vec<String> = names.map(str::to_owned).collect();
        let labels = (!names.is_empty()).then(|| PodLabels::any(RAY_CLUSTER_LABEL, names));
        labels.into_iter().collect()
    }

    fn running_since(&self) -> Option<Timestamp> {
        turned(&self.2.conditions, &["Ready"])
    }

    fn observed_generation(&self) -> Option<i64> {
        Some(self.2.observed_generation)
    }

    fn is_rolled_out(&self) -> bool {
        let (_, _, status) = self;
        status.upcoming().is_none() && status.active_service_status.unfinished().is_none()
    }

    fn settles_in(&self) -> Duration {
        SETTLES
    }

    fn hangs(&self, standing: &Standing) -> Option<String> {
        let hangs = standing.status != Status::Failed && self.2.newest().cannot_be_deployed();
        hangs.then(|| standing.reason.clone())
    }

    fn findings(&self, evidence: &Evidence, standing: &Standing) -> Vec<Finding> {
        let mut findings = applications(evidence, self.2);
        match (standing.status, self.2.upcoming()) {
            // A worker without a replica answers its readiness probe with "no" by
            // KubeRay's design (v1.6, `…/-/healthz` of Serve's proxy).
            (Status::Ready, None) => findings.extend(of_pods::in_trouble(evidence)),
            _ => return with_pods(findings, evidence),
        }
        findings
    }
}

impl RayServiceStatus {
    /// Returns the cluster that serves, and the one of an upgrade.
    pub fn clusters(&self) -> [&RayServiceCluster; 2] {
        [&self.active_service_status, &self.pending_service_status]
    }

    /// Returns the cluster that shall take the place of the one that serves
    /// (KubeRay v1.6, `UpgradeInProgress`).
    pub fn upcoming(&self) -> Option<&RayServiceCluster> {
        holds(&self.conditions, "UpgradeInProgress").map(|_| &self.pending_service_status)
    }

    /// Returns the cluster of the newest version.
    pub fn newest(&self) -> &RayServiceCluster {
        match self.pending_service_status.ray_cluster_name.as_str() {
            "" => &self.active_service_status,
            _ => &self.pending_service_status,
        }
    }
}

impl RayServiceCluster {
    /// Returns the first application that is unwell, and what it says.
    pub fn unwell(&self) -> Option<String> {
        let mut all = self.application_statuses.iter();
        let (name, application) = all.find(|(_, application)| application.is_unwell())?;
        let words = match application.words() {
            words if words.is_empty() => application.status.clone(),
            words => words,
        };
        Some(format!("application {name}: {words}"))
    }

    /// Returns the first application that is not up yet, and its state.
    pub fn unfinished(&self) -> Option<String> {
        let mut all = self.application_statuses.iter();
        all.find(|(_, application)| application.status != "RUNNING")
            .map(|(name, application)| format!("application {name}: {}", application.status))
    }

    /// Returns whether an application stays down until it is served anew.
    pub fn cannot_be_deployed(&self) -> bool {
        let mut all = self.application_statuses.values();
        all.any(|application| application.status == "DEPLOY_FAILED")
    }

    /// Returns those of `pods` that are this cluster's.
    pub fn own_pods(&self, pods: &[Pod]) -> Vec<Pod> {
        let own = |pod: &&Pod| {
            pod.metadata.label(RAY_CLUSTER_LABEL) == Some(self.ray_cluster_name.as_str())
        };
        pods.iter().filter(own).cloned().collect()
    }
}

impl ServeApplication {
    /// Returns whether something is wrong.
    pub fn is_unwell(&self) -> bool {
        ray::is_unwell(&self.status)
    }

    /// Returns the line of its message that says most.
    pub fn words(&self) -> String {
        output::gist(&self.message)
    }
}

/// A RayService that answers. During an upgrade the cluster that serves goes on
/// until the applications of the next one are up.
fn serving(status: &RayServiceStatus, known: &WorkloadContext) -> Standing {
    let active = &status.active_service_status;
    if let Some(words) = active.unwell() {
        return Standing::new(Status::Degraded, words);
    }
    let Some(upcoming) = status.upcoming() else {
        let unfinished = active.unfinished();
        return Standing::new(Status::Ready, unfinished.unwrap_or_default());
    };
    let hangs = upcoming.unwell();
    let hangs = hangs.or_else(|| trouble_of(&upcoming.own_pods(known.pods), known));
    let reason = match hangs {
        None => "rolling out a new cluster".to_owned(),
        Some(words) => format!("rollout is stuck: {words}"),
    };
    Standing::new(Status::Ready, reason)
}

/// Says which applications of Ray Serve are unwell (`ApplicationStatus` of Ray
/// v2.50).
fn applications(evidence: &Evidence, status: &RayServiceStatus) -> Vec<Finding> {
    let active = &status.active_service_status.application_statuses;
    let upcoming = &status.pending_service_status.application_statuses;
    let active = active.iter().map(|application| (application, None));
    // The cluster that serves goes on meanwhile.
    let upcoming = upcoming
        .iter()
        .map(|application| (application, status.upcoming()));
    let all = active.chain(upcoming);
    all.filter(|((_, application), _)| {
        matches!(application.status.as_str(), "DEPLOY_FAILED" | "UNHEALTHY")
    })
    .map(|((name, application), upcoming)| {
        let finding = Finding::new(
            Cause::ApplicationFailed,
            match application.status.as_str() {
                "UNHEALTHY" => format!("application {name} is unhealthy"),
                _ => format!("application {name} could not be deployed"),
            },
        );
        let mut finding = lifecycle::last_lines(finding, &application.message, evidence);
        if let Some(upcoming) = upcoming {
            finding = finding.shows(format!(
                "on cluster {}, which should take over; {} keeps serving",
                upcoming.ray_cluster_name, status.active_service_status.ray_cluster_name
            ));
        }
        finding
    })
    .collect()
}
