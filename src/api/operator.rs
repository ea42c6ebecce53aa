//! What an operator runs as: its Deployment, and the webhooks that call it.

use serde::Deserialize;

use super::keys::SERVICE_NAME_LABEL;
use super::metadata::Metadata;
use super::selector::LabelSelector;

/// `apps/v1` Deployment of a controller.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Controller {
    /// Name and labels.
    pub metadata: Metadata,
    /// How many pods it should have.
    pub spec: ControllerSpec,
    /// How many it has.
    pub status: ControllerStatus,
}

/// `spec` of a [`Controller`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ControllerSpec {
    /// Pods; 1 unless it says otherwise.
    pub replicas: Option<i64>,
    /// What they are.
    pub template: Template,
}

/// `spec.template` of a [`Controller`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Template {
    /// What they run.
    pub spec: TemplateSpec,
}

/// `spec.template.spec` of a [`Controller`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct TemplateSpec {
    pub containers: Vec<OperatorContainer>,
}

/// A container of a [`Controller`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct OperatorContainer {
    pub image: String,
}

/// `status` of a [`Controller`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ControllerStatus {
    /// Pods that are ready.
    pub ready_replicas: i64,
}

impl Controller {
    /// Returns how many pods it should have.
    pub fn wanted(&self) -> i64 {
        self.spec.replicas.unwrap_or(1)
    }

    /// Returns the tag of an image whose name ends with `name`: `v0.19.2`.
    pub fn release(&self, name: &str) -> Option<&str> {
        let images = self.spec.template.spec.containers.iter();
        images.map(|it| it.image.as_str()).find_map(|image| {
            let (repository, tag) = image.split('@').next()?.rsplit_once(':')?;
            let is_it = repository == name || repository.ends_with(&format!("/{name}"));
            (is_it && !tag.contains('/')).then_some(tag)
        })
    }
}

/// `admissionregistration.k8s.io/v1` MutatingWebhookConfiguration or
/// ValidatingWebhookConfiguration.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct WebhookConfiguration {
    /// Name and labels.
    pub metadata: Metadata,
    pub webhooks: Vec<Webhook>,
}

/// A webhook of a [`WebhookConfiguration`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Webhook {
    pub name: String,
    /// Where it is.
    pub client_config: ClientConfig,
    /// Which requests it is asked about.
    pub rules: Vec<WebhookRule>,
    /// `Ignore`, or `Fail` unless it says otherwise.
    pub failure_policy: Option<String>,
    /// Which namespaces; all if absent.
    pub namespace_selector: Option<LabelSelector>,
    /// Which objects; all if absent.
    pub object_selector: Option<LabelSelector>,
    /// Further conditions.
    pub match_conditions: Vec<serde::de::IgnoredAny>,
}

/// `clientConfig` of a [`Webhook`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ClientConfig {
    /// Its Service, unless it has a URL.
    pub service: Option<ServiceReference>,
}

/// The Service of a [`Webhook`].
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(default)]
pub struct ServiceReference {
    pub namespace: String,
    pub name: String,
}

/// Requests that a [`Webhook`] is asked about.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WebhookRule {
    /// API groups; `*` for all.
    pub api_groups: Vec<String>,
    /// Resources; `*` for all.
    pub resources: Vec<String>,
    /// `CREATE` and others; `*` for all.
    pub operations: Vec<String>,
}

impl WebhookRule {
    /// Returns whether it is asked about new objects of a kind.
    pub fn is_about_new(&self, group: &str, resource: &str) -> bool {
        let any = |listed: &[String], wanted: &str| {
            listed.iter().any(|entry| entry == "*" || entry == wanted)
        };
        any(&self.operations, "CREATE")
            && any(&self.api_groups, group)
            && (any(&self.resources, resource) || self.resources.iter().any(|it| it == "*/*"))
    }
}

/// `discovery.k8s.io/v1` EndpointSlice.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct EndpointSlice {
    /// Name and labels.
    pub metadata: Metadata,
    /// What is behind the Service.
    pub endpoints: Vec<SliceEndpoint>,
}

/// An endpoint of an [`EndpointSlice`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SliceEndpoint {
    /// Its state.
    pub conditions: SliceConditions,
}

/// `conditions` of a [`SliceEndpoint`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SliceConditions {
    /// Whether it takes requests; unknown counts as yes, as the API has it.
    pub ready: Option<bool>,
}

impl EndpointSlice {
    /// Returns whether it has a ready endpoint of this Service.
    pub fn serves(&self, service: &ServiceReference) -> bool {
        self.metadata.namespace == service.namespace
            && self.metadata.label(SERVICE_NAME_LABEL) == Some(&service.name)
            && self
                .endpoints
                .iter()
                .any(|endpoint| endpoint.conditions.ready != Some(false))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_release_is_the_tag_of_the_image() {
        let controller = |image: &str| -> Controller {
            serde_json::from_value(
                json!({"spec": {"template": {"spec": {"containers": [{"image": image}]}}}}),
            )
            .unwrap()
        };
        for (image, release) in [
            ("registry.k8s.io/kueue/kueue:v0.19.2", Some("v0.19.2")),
            ("localhost:5000/kueue:main@sha256:abc", Some("main")),
            ("localhost:5000/kueue", None),
            ("example.org/not-kueue:v1", None),
        ] {
            assert_eq!(controller(image).release("kueue"), release, "{image}");
        }
    }
}
