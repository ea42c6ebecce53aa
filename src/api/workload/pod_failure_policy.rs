//! Which failures of a pod end a Job at once (`podFailurePolicy`, Kubernetes v1.36).

use serde::Deserialize;

use crate::api::pod::{ContainerStatus, Pod};

/// `spec.podFailurePolicy` of a Job: the first rule that matches a failed pod decides.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PodFailurePolicy {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Rule {
    /// `FailJob`, `FailIndex`, `Ignore` or `Count`.
    action: String,
    on_exit_codes: Option<OnExitCodes>,
    on_pod_conditions: Vec<OnPodCondition>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct OnExitCodes {
    /// Any container unless it says otherwise.
    container_name: Option<String>,
    /// `In` or `NotIn`.
    operator: String,
    values: Vec<i64>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct OnPodCondition {
    #[serde(rename = "type")]
    kind: String,
    /// The API server says `True` by itself.
    status: String,
}

impl PodFailurePolicy {
    /// Returns whether the failure of this pod is that of its Job.
    pub fn fails_job(&self, pod: &Pod) -> bool {
        let rule = self.rules.iter().find(|rule| rule.matches(pod));
        rule.is_some_and(|rule| rule.action == "FailJob")
    }
}

impl Rule {
    fn matches(&self, pod: &Pod) -> bool {
        let status = &pod.status;
        let mut containers = status
            .container_statuses
            .iter()
            .chain(&status.init_container_statuses);
        let codes = self.on_exit_codes.as_ref();
        let mut conditions = self.on_pod_conditions.iter();
        codes.is_some_and(|codes| containers.any(|container| codes.matches(container)))
            || conditions.any(|wanted| {
                let mut held = status.conditions.iter();
                held.any(|held| held.kind == wanted.kind && held.status == wanted.status)
            })
    }
}

impl OnExitCodes {
    /// The code 0 is of no rule.
    fn matches(&self, container: &ContainerStatus) -> bool {
        let code = match &container.state.terminated {
            Some(ended) if ended.exit_code != 0 => ended.exit_code,
            _ => return false,
        };
        let name = self.container_name.as_deref();
        name.is_none_or(|name| name == container.name)
            && match self.operator.as_str() {
                "In" => self.values.contains(&code),
                "NotIn" => !self.values.contains(&code),
                _ => false,
            }
    }
}
