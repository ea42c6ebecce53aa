//! Judges, before anything is submitted, whether kaiwo would work for a user on a
//! cluster: the operators, the user's rights, the queues and the nodes behind them.
//! What may not be read is unknown and no failure.

pub mod check;
mod kueue;
pub mod operators;
mod queues;
pub mod rights;
#[cfg(test)]
mod testing;
pub mod webhooks;

pub use check::{Check, CommandRights, Component, State, Subject};

use k8s_openapi::jiff::Timestamp;

use crate::api::Readable;
use crate::api::kueue_configuration::KueueConfiguration;
use crate::api::operator::Controller;
use crate::api::workload::Workload;
use crate::plan::facts::ClusterFacts;
use crate::plan::request::WorkloadRequest;
use crate::suggestion::kaiwo;
use operators::PRODUCTS;
use rights::Granted;
use webhooks::Webhooks;

use super::why::Who;

/// What was read of a cluster, as far as the user may.
#[derive(Debug, Clone, PartialEq)]
pub struct DoctorEvidence {
    /// The time.
    pub now: Timestamp,
    /// The namespace that is meant.
    pub namespace: String,
    /// As whom the API server knows the user.
    pub user: Option<String>,
    /// Release of Kubernetes; `None` if the API server does not say.
    pub kubernetes: Option<String>,
    /// API groups and their versions that the cluster serves.
    pub groups: Vec<(String, Vec<String>)>,
    /// Namespace, queues, flavors, nodes.
    pub facts: ClusterFacts,
    /// What the user may do; `None` if the API server does not say.
    pub granted: Option<Granted>,
    /// Deployments of operators, in all namespaces.
    pub controllers: Readable<Vec<Controller>>,
    /// Webhooks of the cluster.
    pub webhooks: Readable<Webhooks>,
    /// Workloads of operators in the namespace.
    pub workloads: Vec<Workload>,
    /// What Kueue is told to do; `None` where that may not be read.
    pub kueue: Option<KueueConfiguration>,
    pub prometheus: Prometheus,
}

impl DoctorEvidence {
    /// Returns what shows the versions of the cluster's programs.
    pub fn found(&self) -> operators::VersionEvidence<'_> {
        operators::VersionEvidence {
            kubernetes: self.kubernetes.as_deref(),
            groups: &self.groups,
            controllers: &self.controllers,
        }
    }
}

/// What was found of Prometheus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prometheus {
    /// It answers; where it is.
    Answers(String),
    /// None was found.
    NotFound,
    /// The user may not look for it.
    NotAllowed,
    /// It does not answer as it should; why.
    Broken(String),
}

/// All results.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The checks, in the order in which they depend on one another.
    pub checks: Vec<Check>,
    /// What kaiwo knows of the programs on the cluster.
    pub components: Vec<Component>,
    /// What each command is allowed.
    pub rights: Vec<CommandRights>,
    /// What may not be read and would have helped.
    pub unseen: Vec<&'static str>,
}

impl Report {
    /// Returns whether all works, as far as can be seen.
    pub fn works(&self) -> bool {
        self.checks.iter().all(|check| check.state < State::Problem)
    }
}

/// Judges a cluster. `request` is what the user's settings make of a submission.
pub fn judge(evidence: &DoctorEvidence, request: &WorkloadRequest) -> Report {
    let has_kueue = evidence.facts.kueue.is_some();
    let mut checks: Vec<Check> = PRODUCTS.iter().map(|it| it.check(evidence)).collect();
    checks.extend(webhooks::check(evidence));
    let (rights, check) = rights::by_command(evidence);
    checks.push(check);
    checks.push(queues::namespace(evidence));
    if has_kueue {
        checks.extend(queues::admitting(evidence));
        checks.extend(queues::flavors(evidence));
        checks.push(queues::submission(evidence, request));
        checks.extend(kueue::checks(evidence));
    }
    checks.push(prometheus(&evidence.prometheus));
    Report {
        checks,
        components: operators::components(&evidence.found()),
        rights,
        unseen: unseen(evidence, has_kueue),
    }
}

/// Says what the API server is.
pub fn reached(server: &str, kubernetes: Option<&str>) -> Check {
    let release = kubernetes.map(|release| format!("Kubernetes {release} "));
    let summary = format!("{}at {server}", release.unwrap_or_default());
    Check::new(Subject::Cluster, State::Ok, summary)
}

fn prometheus(found: &Prometheus) -> Check {
    let lost = "kaiwo top shows no GPU utilization";
    let named = || Some(kaiwo("top --prometheus {NAMESPACE/SERVICE:PORT}", &[]));
    let check = |state, summary: String| Check::new(Subject::Prometheus, state, summary);
    match found {
        Prometheus::Answers(place) => check(State::Ok, place.clone()),
        Prometheus::NotFound => check(
            State::Absent,
            format!("no Service in the cluster looks like Prometheus: {lost}"),
        )
        .remedy(Who::You, "specify its Service, if there is one", named()),
        Prometheus::NotAllowed => check(
            State::Unknown,
            "you may not list the Services of all namespaces to find it".to_owned(),
        )
        .remedy(Who::You, "specify its Service", named()),
        Prometheus::Broken(why) => check(State::Warning, format!("{why}: {lost}")).remedy(
            Who::Admin,
            "check why it does not respond",
            None,
        ),
    }
}

fn unseen(evidence: &DoctorEvidence, has_kueue: bool) -> Vec<&'static str> {
    let facts = &evidence.facts;
    let nodes = facts.nodes.as_ref().and_then(Readable::known);
    let all = [
        (nodes.is_none(), "nodes"),
        (
            has_kueue && facts.cluster_queues.known().is_none(),
            "ClusterQueues",
        ),
        (
            has_kueue && facts.flavors.known().is_none(),
            "ResourceFlavors",
        ),
        (
            has_kueue && evidence.kueue.is_none(),
            "Kueue's configuration",
        ),
        (
            evidence.controllers.known().is_none(),
            "Deployments of operators",
        ),
        (evidence.webhooks.known().is_none(), "webhooks"),
    ];
    let hidden = all.into_iter().filter(|(is_hidden, _)| *is_hidden);
    hidden.map(|(_, what)| what).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_be_read_is_unseen_and_no_failure() {
        let evidence = testing::evidence();
        assert_eq!(
            unseen(&evidence, true),
            [
                "nodes",
                "ResourceFlavors",
                "Kueue's configuration",
                "Deployments of operators",
                "webhooks"
            ]
        );
        assert!(!unseen(&evidence, false).contains(&"ResourceFlavors"));
        for (found, state) in [
            (
                Prometheus::Answers("monitoring/prometheus:9090".to_owned()),
                State::Ok,
            ),
            (Prometheus::NotFound, State::Absent),
            (Prometheus::NotAllowed, State::Unknown),
            (Prometheus::Broken("it is slow".to_owned()), State::Warning),
        ] {
            assert_eq!(prometheus(&found).state, state);
        }
    }
}
