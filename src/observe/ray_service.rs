//! What the applications of a RayService say of its clusters: of the one that
//! serves, and during an upgrade of the one that shall.

use super::pod_labels::RAY_CLUSTER_LABEL;
use crate::api::condition::holds;
use crate::api::pod::Pod;
use crate::api::ray::{RayServiceCluster, RayServiceStatus, ServeApplication};

impl RayServiceStatus {
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
