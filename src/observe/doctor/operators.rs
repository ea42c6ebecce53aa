//! Judges the operators that kaiwo relies on: whether the cluster serves an API that
//! kaiwo speaks, and whether a controller answers behind it.

use super::DoctorEvidence;
use super::check::{Check, Component, State, Subject};
use crate::api::Readable;
use crate::api::operator::Controller;
use crate::api::queue::{ClusterQueue, LocalQueue};
use crate::api::resource::{KUEUE_GROUP, KUEUE_VERSIONS, RAY_GROUP};
use crate::kind::{Operator, WorkloadKind};
use crate::observe::kind::{ATTENTION, rules};
use crate::observe::why::Who;
use crate::suggestion::{Command, kubectl};

/// The release of Kubernetes that kaiwo's knowledge was read from.
const KUBERNETES_RELEASE: &str = "v1.36";

/// What shows the versions of a cluster's programs.
#[derive(Debug, Clone, Copy)]
pub struct VersionEvidence<'a> {
    /// Release of Kubernetes; `None` if the API server does not say.
    pub kubernetes: Option<&'a str>,
    /// API groups and their versions that the cluster serves.
    pub groups: &'a [(String, Vec<String>)],
    /// Deployments of operators, in all namespaces.
    pub controllers: &'a Readable<Vec<Controller>>,
}

/// Returns Kubernetes and the operators, as far as they are found.
pub fn components(found: &VersionEvidence) -> Vec<Component> {
    let kubernetes = Component {
        name: "Kubernetes",
        release: found.kubernetes.map(str::to_owned),
        known_release: KUBERNETES_RELEASE,
        served: Vec::new(),
        known: Vec::new(),
    };
    let operators = PRODUCTS.iter().map(|product| product.component(found));
    std::iter::once(kubernetes).chain(operators).collect()
}

/// An operator.
#[derive(Debug, Clone, Copy)]
pub struct Product {
    subject: Subject,
    name: &'static str,
    group: &'static str,
    /// Versions of its API that kaiwo speaks, best first.
    versions: &'static [&'static str],
    /// Release that kaiwo's knowledge was read from.
    release: &'static str,
    /// `app.kubernetes.io/name` of its Deployment, in its manifests and its chart.
    label: &'static str,
    /// How the name of its image ends.
    image: &'static str,
    /// What does not work without it, and whether that is most of kaiwo.
    lost: (&'static str, State),
    /// Where its installation is described.
    guide: &'static str,
}

/// Kueue, KubeRay and KAITO. The labels and images are those of Kueue v0.19's
/// manifests and chart, of the chart kuberay-operator v1.6, and of KAITO v0.12's
/// chart `workspace`.
pub const PRODUCTS: [Product; 3] = [
    Product {
        subject: Subject::Kueue,
        name: "Kueue",
        group: KUEUE_GROUP,
        versions: &KUEUE_VERSIONS,
        release: "v0.19",
        label: "kueue",
        image: "kueue",
        lost: ("kaiwo submit does not work", State::Problem),
        guide: "https://kueue.sigs.k8s.io/docs/installation/",
    },
    Product {
        subject: Subject::KubeRay,
        name: "KubeRay",
        group: RAY_GROUP,
        versions: &["v1"],
        release: "v1.6",
        label: "kuberay-operator",
        image: "operator",
        lost: ("--ray does not work", State::Absent),
        guide: "https://docs.ray.io/en/latest/cluster/kubernetes/getting-started/kuberay-operator-installation.html",
    },
    Product {
        subject: Subject::Kaito,
        name: "KAITO",
        group: "kaito.sh",
        versions: &["v1beta1", "v1alpha1"],
        release: "v0.12",
        label: "workspace",
        image: "workspace",
        lost: ("kaiwo serve --model does not work", State::Absent),
        guide: "https://kaito-project.github.io/kaito/docs/installation",
    },
];

/// Returns the selector of the Deployments of all of them.
pub fn selector() -> String {
    let labels = PRODUCTS.map(|product| product.label).join(",");
    format!("app.kubernetes.io/name in ({labels})")
}

impl Product {
    /// Returns the versions of its API that the cluster serves.
    fn served<'a>(&self, groups: &'a [(String, Vec<String>)]) -> &'a [String] {
        let mut own = groups.iter().filter(|(group, _)| group == self.group);
        own.next().map_or(&[], |(_, versions)| versions)
    }

    /// Returns its Deployments; `None` where they may not be read.
    fn controllers<'a>(
        &self,
        controllers: &'a Readable<Vec<Controller>>,
    ) -> Option<Vec<&'a Controller>> {
        let label = |it: &&Controller| {
            let name = it.metadata.labels.get("app.kubernetes.io/name");
            name.is_some_and(|name| name == self.label) && it.release(self.image).is_some()
        };
        Some(controllers.known()?.iter().filter(label).collect())
    }

    /// Returns what kaiwo knows of it, and what the cluster has.
    pub fn component(&self, found: &VersionEvidence) -> Component {
        let controllers = self.controllers(found.controllers).unwrap_or_default();
        let mut releases = controllers.iter().filter_map(|it| it.release(self.image));
        Component {
            name: self.name,
            release: releases.next().map(str::to_owned),
            known_release: self.release,
            served: self.served(found.groups).to_vec(),
            known: self.versions.to_vec(),
        }
    }

    /// Judges it.
    pub fn check(&self, evidence: &DoctorEvidence) -> Check {
        let served = self.served(&evidence.groups);
        let known = self.versions.join(" and ");
        let (lost, state) = self.lost;
        if served.is_empty() {
            let check = Check::new(self.subject, state, format!("it is not installed: {lost}"));
            return check.remedy(Who::Admin, format!("install it: {}", self.guide), None);
        }
        let speaks = |version: &&&str| served.iter().any(|it| it == **version);
        let Some(version) = self.versions.iter().find(speaks) else {
            return Check::new(
                self.subject,
                State::Problem,
                format!(
                    "the cluster serves {} in {}, but kaiwo supports {known}: {lost}",
                    self.group,
                    served.join(" and ")
                ),
            )
            .remedy(
                Who::Admin,
                format!(
                    "install a release close to {}: {}",
                    self.release, self.guide
                ),
                None,
            );
        };
        self.answering(evidence)
            .unwrap_or_else(|| self.well(evidence, version))
    }

    fn well(&self, evidence: &DoctorEvidence, version: &str) -> Check {
        let component = self.component(&evidence.found());
        let release = component.release.map(|release| format!("{release}, "));
        let summary = format!(
            "{}{}/{version}; kaiwo knows {}",
            release.unwrap_or_default(),
            self.group,
            self.release
        );
        Check::new(self.subject, State::Ok, summary)
    }

    /// Says why its controller does not answer; nothing if it does, or if nothing
    /// speaks against it.
    fn answering(&self, evidence: &DoctorEvidence) -> Option<Check> {
        let ignored = self.ignored(evidence);
        let problem = |summary: String| {
            let check = Check::new(self.subject, State::Problem, summary);
            let lines = ignored.iter().take(3);
            lines.fold(check, |check, line| check.shows(line))
        };
        let look = || {
            kubectl(
                "get deployments -A -l {}",
                &[&format!("app.kubernetes.io/name={}", self.label)],
            )
        };
        let controllers = self.controllers(&evidence.controllers);
        if let Some(down) = controllers.as_deref().and_then(not_ready) {
            return Some(self.down(down, problem));
        }
        let is_there = controllers.as_ref().is_some_and(|it| !it.is_empty());
        if !ignored.is_empty() {
            let check = problem(format!("no {} controller is responding", self.name));
            return Some(match (is_there, &controllers) {
                (false, Some(_)) => check.shows("the cluster has no Deployment of it").remedy(
                    Who::Admin,
                    format!("install it: {}", self.guide),
                    look(),
                ),
                _ => check.remedy(
                    Who::Admin,
                    "check that it is running and watches this namespace",
                    look(),
                ),
            });
        }
        let is_absent = controllers.is_some() && !is_there && !self.has_answered(evidence);
        is_absent.then(|| {
            Check::new(
                self.subject,
                State::Warning,
                format!(
                    "its API is served, but no Deployment of its controller was found; unless it runs elsewhere, {}",
                    self.lost.0
                ),
            )
            .remedy(Who::Admin, format!("install it: {}", self.guide), look())
        })
    }

    fn down(&self, down: &Controller, problem: impl Fn(String) -> Check) -> Check {
        let (namespace, name) = (&down.metadata.namespace, &down.metadata.name);
        let wanted = down.wanted();
        let check = problem(format!(
            "its controller is not ready: Deployment {namespace}/{name} has 0 of {wanted} pods ready"
        ));
        let (text, command): (_, Command) = match wanted {
            0 => (
                "scale it up",
                kubectl("-n {} scale deployment {} --replicas 1", &[namespace, name]),
            ),
            _ => (
                "check why its pods do not start",
                kubectl("-n {} describe deployment {}", &[namespace, name]),
            ),
        };
        check.remedy(Who::Admin, text, command)
    }

    /// Returns what has waited for the controller for too long, a line each.
    fn ignored(&self, evidence: &DoctorEvidence) -> Vec<String> {
        let now = evidence.now.as_second();
        let old = |created: Option<k8s_openapi::jiff::Timestamp>| {
            created
                .map(|created| now - created.as_second())
                .filter(|age| *age >= ATTENTION)
        };
        let line = |what: String, age: i64| {
            format!("{what} was created {age} s ago, and no controller has processed it")
        };
        if self.subject == Subject::Kueue {
            let (cluster, local) = queues(evidence);
            if self.has_answered(evidence) {
                return Vec::new();
            }
            let cluster = cluster.iter().map(|it| ("clusterqueue", &it.metadata));
            let local = local.iter().map(|it| ("localqueue", &it.metadata));
            return cluster
                .chain(local)
                .filter_map(|(kind, it)| {
                    let age = old(it.creation_timestamp)?;
                    Some(line(format!("{kind}/{}", it.name), age))
                })
                .collect();
        }
        let own = evidence.workloads.iter();
        own.filter(|workload| self.is_of(workload.kind))
            .filter(|workload| rules(workload).is_untouched())
            .filter_map(|workload| {
                let age = old(workload.metadata.creation_timestamp)?;
                Some(line(workload.display_name(), age))
            })
            .collect()
    }

    /// Returns whether something shows that a controller has worked here.
    fn has_answered(&self, evidence: &DoctorEvidence) -> bool {
        if self.subject == Subject::Kueue {
            let (cluster, local) = queues(evidence);
            return cluster.iter().any(|it| !it.status.conditions.is_empty())
                || local.iter().any(|it| !it.status.conditions.is_empty());
        }
        let mut own = evidence.workloads.iter();
        own.any(|workload| self.is_of(workload.kind) && !rules(workload).is_untouched())
    }

    fn is_of(&self, kind: WorkloadKind) -> bool {
        match kind.descriptor().operator {
            Operator::Kubernetes => false,
            Operator::KubeRay => self.subject == Subject::KubeRay,
            Operator::Kaito => self.subject == Subject::Kaito,
        }
    }
}

fn queues(evidence: &DoctorEvidence) -> (&[ClusterQueue], &[LocalQueue]) {
    fn known<T>(of: &Readable<Vec<T>>) -> &[T] {
        of.known().map_or(&[], Vec::as_slice)
    }
    let facts = &evidence.facts;
    (known(&facts.cluster_queues), known(&facts.local_queues))
}

/// Returns a Deployment without a ready pod, if none has one.
fn not_ready<'a>(controllers: &[&'a Controller]) -> Option<&'a Controller> {
    let is_up = |it: &&&Controller| it.status.ready_replicas > 0;
    match controllers.iter().find(is_up) {
        Some(_) => None,
        None => controllers.first().copied(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::workload::Workload;
    use crate::kind::KAITO_VERSIONS;
    use crate::observe::doctor::testing::evidence;

    fn controller(label: &str, image: &str, ready: i64) -> Controller {
        serde_json::from_value(json!({
            "metadata": {"name": label, "namespace": "ops", "labels": {"app.kubernetes.io/name": label}},
            "spec": {"template": {"spec": {"containers": [{"image": image}]}}},
            "status": {"readyReplicas": ready},
        }))
        .unwrap()
    }

    fn check(subject: Subject, evidence: &DoctorEvidence) -> Check {
        let product = PRODUCTS.iter().find(|it| it.subject == subject).unwrap();
        product.check(evidence)
    }

    #[test]
    fn versions_are_those_that_kaiwo_writes() {
        let kaito = KAITO_VERSIONS.map(|version| version.rsplit('/').next().unwrap());
        assert_eq!(PRODUCTS[2].versions, kaito);
        let ray = WorkloadKind::RayJob.descriptor().api_versions;
        assert_eq!(ray, ["ray.io/v1"]);
        assert_eq!(PRODUCTS[1].versions, ["v1"]);
    }

    #[test]
    fn without_kueue_nothing_is_submitted_and_the_others_are_optional() {
        let mut evidence = evidence();
        evidence.groups.clear();
        assert_eq!(check(Subject::Kueue, &evidence).state, State::Problem);
        assert_eq!(check(Subject::KubeRay, &evidence).state, State::Absent);
        assert_eq!(check(Subject::Kaito, &evidence).state, State::Absent);
        evidence.groups = vec![("kueue.x-k8s.io".to_owned(), vec!["v1alpha1".to_owned()])];
        let old = check(Subject::Kueue, &evidence);
        assert!(
            old.summary
                .contains("in v1alpha1, but kaiwo supports v1beta2 and v1beta1"),
            "{old:?}"
        );
        assert_eq!(old.state, State::Problem);
    }

    #[test]
    fn a_controller_that_is_not_ready_is_a_problem() {
        let mut evidence = evidence();
        let kueue = |ready| controller("kueue", "registry.k8s.io/kueue/kueue:v0.19.2", ready);
        evidence.controllers = Readable::Known(vec![kueue(1)]);
        let well = check(Subject::Kueue, &evidence);
        assert_eq!(well.state, State::Ok);
        assert_eq!(
            well.summary,
            "v0.19.2, kueue.x-k8s.io/v1beta2; kaiwo knows v0.19"
        );
        evidence.controllers = Readable::Known(vec![kueue(0)]);
        let down = check(Subject::Kueue, &evidence);
        assert_eq!(down.state, State::Problem);
        let command = down.remedies[0].command.as_ref().unwrap();
        assert_eq!(*command, "kubectl -n ops describe deployment kueue");
        let mut none = kueue(0);
        none.spec.replicas = Some(0);
        evidence.controllers = Readable::Known(vec![none]);
        let scaled = check(Subject::Kueue, &evidence);
        let command = scaled.remedies[0].command.as_ref().unwrap();
        assert_eq!(
            *command,
            "kubectl -n ops scale deployment kueue --replicas 1"
        );
        evidence.controllers = Readable::Known(vec![kueue(0), kueue(1)]);
        assert_eq!(check(Subject::Kueue, &evidence).state, State::Ok);
    }

    #[test]
    fn without_a_deployment_what_it_did_or_did_not_do_tells() {
        let mut evidence = evidence();
        evidence
            .groups
            .push(("kaito.sh".to_owned(), vec!["v1beta1".to_owned()]));
        assert_eq!(
            check(Subject::Kaito, &evidence).state,
            State::Ok,
            "nobody knows"
        );
        evidence.controllers = Readable::Known(Vec::new());
        let silent = check(Subject::Kaito, &evidence);
        assert_eq!(silent.state, State::Warning);
        assert!(
            silent.summary.contains("no Deployment of its controller"),
            "{silent:?}"
        );
        let workspace = |created: &str, status: Value| {
            let object = json!({"metadata": {"name": "phi", "namespace": "ml", "creationTimestamp": created}, "status": status});
            Workload::read(WorkloadKind::Workspace, "kaito.sh/v1beta1", &object).unwrap()
        };
        evidence.workloads = vec![workspace("2026-01-01T00:00:00Z", json!({}))];
        let ignored = check(Subject::Kaito, &evidence);
        assert_eq!(ignored.state, State::Problem);
        assert_eq!(
            ignored.evidence,
            [
                "workspace/phi was created 86400 s ago, and no controller has processed it",
                "the cluster has no Deployment of it"
            ]
        );
        let status = json!({"conditions": [{"type": "ResourceReady", "status": "True"}]});
        evidence.workloads = vec![workspace("2026-01-01T00:00:00Z", status)];
        assert_eq!(check(Subject::Kaito, &evidence).state, State::Ok);
        evidence.workloads = vec![workspace("2026-01-01T23:59:30Z", json!({}))];
        assert_eq!(
            check(Subject::Kaito, &evidence).state,
            State::Warning,
            "too early to tell"
        );
    }

    #[test]
    fn queues_that_nothing_has_looked_at_show_that_kueue_is_silent() {
        let mut evidence = evidence();
        let queue = |status: Value| {
            serde_json::from_value(json!({
                "metadata": {"name": "kaiwo", "creationTimestamp": "2026-01-01T00:00:00Z"},
                "spec": {"clusterQueue": "kaiwo"}, "status": status,
            }))
            .unwrap()
        };
        evidence.facts.local_queues = Readable::Known(vec![queue(json!({}))]);
        let silent = check(Subject::Kueue, &evidence);
        assert_eq!(silent.state, State::Problem);
        assert!(
            silent.summary.contains("no Kueue controller is responding"),
            "{silent:?}"
        );
        let active = json!({"conditions": [{"type": "Active", "status": "True"}]});
        evidence.facts.local_queues = Readable::Known(vec![queue(active)]);
        evidence.controllers = Readable::Known(Vec::new());
        assert_eq!(check(Subject::Kueue, &evidence).state, State::Ok);
    }
}
