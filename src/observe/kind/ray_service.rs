//! Conditions of a RayService (KubeRay v1.6, `RayServiceConditionType`), and what
//! Ray Serve says of the applications on its clusters: of the one that serves,
//! and during an upgrade of the one that shall.

use super::{
    Duration, Evidence, Finding, KueueWorkload, Meaning, Metadata, Pod, PodLabels, Standing,
    Status, Timestamp, Workload, first_line, lifecycle, suspended, troubles, turned, waits,
};
use crate::api::condition::{condition, holds};
use crate::api::keys::RAY_CLUSTER_LABEL;
use crate::api::workload::ray::{
    RayServiceCluster, RayServiceSpec, RayServiceStatus, ServeApplication,
};
use crate::observe::why::finding::Cause;

/// Time after which what a RayService says of its applications is about their
/// new configuration: KubeRay asks Ray Serve every two seconds, and reads the
/// answer that it reports first before it hands the configuration over (v1.6,
/// `reconcileServe`).
const SETTLES: Duration = Duration::from_secs(5);

impl Meaning for (&Workload, &RayServiceSpec, &RayServiceStatus) {
    fn standing(&self, queued: &[KueueWorkload], pods: &[Pod]) -> Standing {
        let (workload, spec, status) = self;
        if holds(&status.conditions, "Ready").is_some() {
            return serving(status, pods);
        }
        let mut unwell = status.clusters().into_iter();
        let unwell = unwell.find_map(RayServiceCluster::unwell);
        match unwell {
            _ if spec.ray_cluster_config.suspend => suspended(workload, queued),
            Some(words) => Standing::new(Status::Failed, words),
            None if waits(queued) => suspended(workload, queued),
            None => {
                let reason = match troubles(pods) {
                    trouble if !trouble.is_empty() => trouble,
                    _ => condition(&status.conditions, "Ready")
                        .map_or(String::new(), |ready| first_line(ready.words()).to_owned()),
                };
                Standing::new(Status::Starting, reason)
            }
        }
    }

    fn pod_labels(&self, _parts: &[Metadata]) -> Vec<PodLabels> {
        let names = self.2.clusters().map(|cluster| &cluster.ray_cluster_name);
        let names: Vec<String> = names
            .into_iter()
            .filter(|name| !name.is_empty())
            .cloned()
            .collect();
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

    fn findings(&self, evidence: &Evidence, _standing: &Standing) -> Vec<Finding> {
        let own = applications(evidence, self.2);
        lifecycle::with_pods(own, evidence, evidence.created())
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
            "" => application.status.as_str(),
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
    /// Returns whether something is wrong (Ray Serve v2.50, `ApplicationStatus`).
    pub fn is_unwell(&self) -> bool {
        matches!(
            self.status.as_str(),
            "DEPLOY_FAILED" | "UNHEALTHY" | "DELETING"
        )
    }

    /// Returns the line of its message that says most: of a traceback the last
    /// one, after a heading (`Runtime env setup for app 'x' failed:`) the next.
    pub fn words(&self) -> &str {
        let mut lines = self.message.lines().map(str::trim);
        let mut lines = lines.by_ref().filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or_default();
        let said = match first.ends_with(':') {
            true if self.message.contains("Traceback (most recent call last)") => lines.last(),
            true => lines.next(),
            false => None,
        };
        said.unwrap_or(first)
    }
}

/// A RayService that answers. During an upgrade the cluster that serves goes on
/// until the applications of the next one are up.
fn serving(status: &RayServiceStatus, pods: &[Pod]) -> Standing {
    let active = &status.active_service_status;
    if let Some(words) = active.unwell() {
        return Standing::new(Status::Degraded, words);
    }
    let Some(upcoming) = status.upcoming() else {
        let unfinished = active.unfinished();
        return Standing::new(Status::Ready, unfinished.unwrap_or_default());
    };
    let hangs = upcoming
        .unwell()
        .unwrap_or_else(|| troubles(&upcoming.own_pods(pods)));
    let reason = match hangs.as_str() {
        "" => "rolling out a new cluster".to_owned(),
        words => format!("rollout hangs: {words}"),
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
                "on cluster {}, which was to take over; {} serves on",
                upcoming.ray_cluster_name, status.active_service_status.ray_cluster_name
            ));
        }
        finding
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_message_the_line_counts_that_says_something() {
        for (message, words) in [
            ("", ""),
            (
                "The deployments ['llm'] are UNHEALTHY.",
                "The deployments ['llm'] are UNHEALTHY.",
            ),
            (
                "Deploying app 'llm' failed with exception:\nTraceback (most recent call last):\n  File \"a.py\", line 1\nModuleNotFoundError: No module named 'vllm'\n\n",
                "ModuleNotFoundError: No module named 'vllm'",
            ),
            (
                "Runtime env setup for app 'llm' failed:\npip is not there\nmore",
                "pip is not there",
            ),
            ("failed:", "failed:"),
        ] {
            let application = ServeApplication {
                message: message.to_owned(),
                ..ServeApplication::default()
            };
            assert_eq!(application.words(), words);
        }
    }
}
