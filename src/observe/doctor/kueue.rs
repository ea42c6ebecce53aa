//! Judges what Kueue is told to do: which kinds and namespaces it manages, and how
//! long it waits for pods.

use super::DoctorEvidence;
use super::check::{Check, State, Subject};
use crate::api::Readable;
use crate::kind::WorkloadKind;
use crate::observe::why::Who;
use crate::plan::readiness::{self, STARTUP_SECONDS};
use crate::suggestion::{Command, kubectl};

/// Returns the command with which an admin changes Kueue's configuration.
fn edit() -> Command {
    kubectl("-n kueue-system edit configmaps kueue-manager-config", &[])
}

/// Judges the configuration; nothing where it may not be read.
pub fn checks(evidence: &DoctorEvidence) -> Vec<Check> {
    let Some(configuration) = &evidence.kueue else {
        return Vec::new();
    };
    let mut checks = Vec::new();
    let frameworks = &configuration.integrations.frameworks;
    let lacking: Vec<(WorkloadKind, &str)> = [WorkloadKind::Job, WorkloadKind::RayJob]
        .into_iter()
        .filter(|kind| !kind.is_ray() || evidence.facts.ray)
        .filter_map(|kind| Some((kind, kind.descriptor().kueue_framework?)))
        .filter(|(_, framework)| !frameworks.iter().any(|it| it == framework))
        .collect();
    if !frameworks.is_empty() && !lacking.is_empty() {
        let kinds: Vec<&str> = lacking.iter().map(|(kind, _)| kind.name()).collect();
        let names: Vec<&str> = lacking.iter().map(|(_, framework)| *framework).collect();
        checks.push(
            Check::new(
                Subject::Queues,
                State::Problem,
                format!("Kueue does not manage {}s here", kinds.join("s and ")),
            )
            .shows(format!(
                "its integrations.frameworks lacks {}",
                names.join(", ")
            ))
            .remedy(Who::Admin, "add it, and restart Kueue", edit()),
        );
    }
    if let (Some(selector), Readable::Known(Some(namespace))) = (
        &configuration.managed_jobs_namespace_selector,
        &evidence.facts.namespace,
    ) && !selector.matches(&namespace.metadata.labels)
    {
        checks.push(
            Check::new(
                Subject::Queues,
                State::Problem,
                format!(
                    "Kueue is configured to ignore namespace {}",
                    evidence.namespace
                ),
            )
            .shows("its managedJobsNamespaceSelector does not select the namespace")
            .remedy(
                Who::Admin,
                "label the namespace, or change the selector",
                edit(),
            )
            .remedy(Who::You, "use another namespace with -n", None),
        );
    }
    let window = configuration.readiness();
    let warning = window.and_then(|window| readiness::warning(STARTUP_SECONDS, window));
    checks.push(match warning {
        Some(warning) => Check::new(Subject::Readiness, State::Warning, warning).remedy(
            Who::Admin,
            "raise it, and restart Kueue",
            edit(),
        ),
        None => Check::new(
            Subject::Readiness,
            State::Ok,
            "Kueue allows pods as much time as their probes do",
        ),
    });
    checks
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::observe::doctor::testing::evidence;

    fn judged(configuration: Value) -> Vec<Check> {
        let mut evidence = evidence();
        evidence.kueue = Some(serde_json::from_value(configuration).unwrap());
        checks(&evidence)
    }

    #[test]
    fn the_configuration_of_kueue_is_compared_with_what_kaiwo_submits() {
        let well = json!({
            "integrations": {"frameworks": ["batch/job", "ray.io/rayjob"]},
            "waitForPodsReady": {"timeout": "2h", "recoveryTimeout": "2h"},
        });
        let [readiness] = &judged(well.clone())[..] else {
            panic!("{:?}", judged(well));
        };
        assert_eq!(readiness.state, State::Ok);
        let found = judged(json!({
            "integrations": {"frameworks": ["pod"]},
            "managedJobsNamespaceSelector": {"matchLabels": {"team": "ml"}},
            "waitForPodsReady": {"timeout": "5m"},
        }));
        let [kinds, namespace, readiness] = &found[..] else {
            panic!("{found:?}");
        };
        assert_eq!(kinds.summary, "Kueue does not manage Jobs and RayJobs here");
        assert_eq!(kinds.state, State::Problem);
        assert_eq!(namespace.state, State::Problem);
        assert_eq!(readiness.state, State::Warning);
        assert!(
            readiness.summary.contains("not ready after 5 min"),
            "{readiness:?}"
        );
    }
}
