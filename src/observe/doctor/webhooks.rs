//! Finds webhooks that nothing answers for, and that the API server asks about
//! everything that kaiwo creates.

use super::DoctorEvidence;
use super::check::{Check, State, Subject};
use crate::api::Readable;
use crate::api::operator::{EndpointSlice, ServiceReference, Webhook, WebhookConfiguration};
use crate::api::resource::{KUEUE_GROUP, RAY_GROUP};
use crate::kind::WorkloadKind;
use crate::observe::why::Who;
use crate::suggestion::kubectl;

/// Groups and resources that kaiwo creates, or has created, beside its workloads.
const COMPANIONS: [(&str, &str); 6] = [
    ("", "pods"),
    ("", "configmaps"),
    ("", "services"),
    (RAY_GROUP, "rayclusters"),
    (KUEUE_GROUP, "localqueues"),
    (KUEUE_GROUP, "workloads"),
];

/// The webhooks of the cluster, and what is behind their Services.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Webhooks {
    /// Configurations, of both kinds.
    pub configurations: Vec<WebhookConfiguration>,
    /// EndpointSlices of the Services in [`services`].
    pub slices: Vec<EndpointSlice>,
}

/// Returns the Services of webhooks without whose answer something of kaiwo's is refused.
pub fn services(configurations: &[WebhookConfiguration]) -> Vec<ServiceReference> {
    let webhooks = configurations.iter().flat_map(|it| &it.webhooks);
    let stopping = webhooks.filter(|webhook| !stops(webhook).is_empty());
    let mut services: Vec<ServiceReference> = stopping
        .filter_map(|webhook| webhook.client_config.service.clone())
        .collect();
    services.sort();
    services.dedup();
    services
}

/// Returns what cannot be created while a webhook does not answer.
fn stops(webhook: &Webhook) -> Vec<&'static str> {
    let of_some = webhook.object_selector.as_ref();
    // By labels that nothing of kaiwo's has.
    let is_spared = of_some.is_some_and(|it| !it.matches(&[].into()));
    if webhook.failure_policy.as_deref() == Some("Ignore")
        || is_spared
        || !webhook.match_conditions.is_empty()
    {
        return Vec::new();
    }
    let asked = |(group, resource): &(&str, &str)| {
        let mut rules = webhook.rules.iter();
        rules.any(|rule| rule.is_about_new(group, resource))
    };
    let kinds = WorkloadKind::ALL.into_iter();
    let workloads = kinds.filter(|kind| kind.is_created());
    let workloads = workloads.map(|kind| (kind.group(), kind.descriptor().plural));
    let created = workloads.chain(COMPANIONS).filter(asked);
    created.map(|(_, resource)| resource).collect()
}

/// Judges the webhooks; nothing where they may not be read.
pub fn check(evidence: &DoctorEvidence) -> Option<Check> {
    let webhooks = evidence.webhooks.known()?;
    let labels = match &evidence.facts.namespace {
        Readable::Known(Some(namespace)) => Some(&namespace.metadata.labels),
        _ => None,
    };
    let concerns = |webhook: &Webhook| match (&webhook.namespace_selector, labels) {
        (Some(selector), Some(labels)) => selector.matches(labels),
        // Whether it selects the namespace cannot be told.
        (Some(selector), None) => selector.matches(&[].into()),
        (None, _) => true,
    };
    let mut lines = Vec::new();
    let mut first = None;
    for configuration in &webhooks.configurations {
        for webhook in configuration.webhooks.iter().filter(|it| concerns(it)) {
            let Some(service) = &webhook.client_config.service else {
                continue;
            };
            let stopped = stops(webhook);
            let answers = webhooks.slices.iter().any(|slice| slice.serves(service));
            if stopped.is_empty() || answers {
                continue;
            }
            first.get_or_insert(service);
            lines.push(format!(
                "webhook {} (Service {}/{}) is called for new {}",
                webhook.name,
                service.namespace,
                service.name,
                stopped.join(", ")
            ));
        }
    }
    let Some(service) = first else {
        return Some(Check::new(
            Subject::Webhooks,
            State::Ok,
            "those called for kaiwo's objects respond",
        ));
    };
    let check = Check::new(
        Subject::Webhooks,
        State::Problem,
        "a webhook does not respond: the API server rejects the objects it is called for",
    );
    let check = lines.into_iter().fold(check, Check::shows);
    Some(check.remedy(
        Who::Admin,
        "check why its pods are not ready",
        kubectl("-n {} get pods,endpointslices", &[&service.namespace]),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::observe::doctor::testing::evidence;

    fn judged(webhook: Value, slices: Value) -> Check {
        let mut evidence = evidence();
        let mut whole = json!({
            "name": "jobs.example.org",
            "clientConfig": {"service": {"namespace": "ops", "name": "hook"}},
            "rules": [{"apiGroups": ["batch"], "resources": ["jobs"], "operations": ["CREATE"]}],
        });
        whole
            .as_object_mut()
            .unwrap()
            .extend(webhook.as_object().unwrap().clone());
        evidence.webhooks = Readable::Known(Webhooks {
            configurations: serde_json::from_value(
                json!([{"metadata": {"name": "c"}, "webhooks": [whole]}]),
            )
            .unwrap(),
            slices: serde_json::from_value(slices).unwrap(),
        });
        check(&evidence).unwrap()
    }

    #[test]
    fn a_webhook_without_endpoints_stops_what_it_is_asked_about() {
        let slice = |ready: bool| {
            json!([{
                "metadata": {"namespace": "ops", "labels": {"kubernetes.io/service-name": "hook"}},
                "endpoints": [{"conditions": {"ready": ready}}],
            }])
        };
        assert_eq!(judged(json!({}), slice(true)).state, State::Ok);
        for slices in [slice(false), json!([])] {
            let stopped = judged(json!({}), slices);
            assert_eq!(stopped.state, State::Problem);
            assert_eq!(
                stopped.evidence,
                ["webhook jobs.example.org (Service ops/hook) is called for new jobs"]
            );
        }
        let all = json!({"rules": [{"apiGroups": ["*"], "resources": ["*"], "operations": ["*"]}]});
        let line = &judged(all, json!([])).evidence[0];
        let mut kinds = WorkloadKind::ALL.into_iter().map(WorkloadKind::descriptor);
        assert!(kinds.all(|kind| line.contains(kind.plural)), "{line}");
        for harmless in [
            json!({"failurePolicy": "Ignore"}),
            json!({"clientConfig": {"url": "https://example.org"}}),
            json!({"namespaceSelector": {"matchLabels": {"other": "yes"}}}),
            json!({"objectSelector": {"matchLabels": {"other": "yes"}}}),
            json!({"rules": [{"apiGroups": ["batch"], "resources": ["jobs/status"], "operations": ["UPDATE"]}]}),
        ] {
            assert_eq!(
                judged(harmless.clone(), json!([])).state,
                State::Ok,
                "{harmless}"
            );
        }
    }
}
