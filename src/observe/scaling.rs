//! The autoscaler of a workload: a HorizontalPodAutoscaler of `autoscaling/v2`,
//! kaiwo's own or one that somebody else has put there.

use serde::{Deserialize, Serialize};

use super::upstream::output;
use crate::api::condition::{Condition, condition, holds};
use crate::api::metadata::Metadata;
use crate::api::workload::Workload;

/// A HorizontalPodAutoscaler, as far as it is told of.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Autoscaler {
    pub metadata: Metadata,
    /// What it is told.
    pub spec: AutoscalerSpec,
    /// What it does.
    pub status: AutoscalerStatus,
}

/// `spec` of a HorizontalPodAutoscaler.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AutoscalerSpec {
    pub scale_target_ref: ScaleTargetRef,
    /// Fewest pods; 1 unless it says otherwise.
    pub min_replicas: Option<i64>,
    /// Most pods.
    pub max_replicas: i64,
    /// By what it scales, with the targets.
    pub metrics: Vec<Metric>,
}

/// `spec.scaleTargetRef` of a HorizontalPodAutoscaler.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ScaleTargetRef {
    pub kind: String,
    pub name: String,
}

/// `status` of a HorizontalPodAutoscaler.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AutoscalerStatus {
    /// Pods that there are.
    pub current_replicas: i64,
    /// Pods that there shall be.
    pub desired_replicas: i64,
    /// What it has measured; entries without a type where it could not.
    #[serde(deserialize_with = "null_is_empty")]
    pub current_metrics: Vec<Metric>,
    pub conditions: Vec<Condition>,
}

/// Entry of `spec.metrics` or of `status.currentMetrics`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metric {
    resource: Option<MetricSource>,
    container_resource: Option<MetricSource>,
    pods: Option<MetricSource>,
    object: Option<MetricSource>,
    external: Option<MetricSource>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct MetricSource {
    /// Of resources.
    name: String,
    /// Of all others.
    metric: MetricName,
    target: Amount,
    current: Amount,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct MetricName {
    name: String,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Amount {
    average_utilization: Option<i64>,
    average_value: Option<String>,
    value: Option<String>,
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Vec<Metric>, D::Error> {
    Ok(Option::deserialize(source)?.unwrap_or_default())
}

impl Metric {
    fn source(&self) -> Option<&MetricSource> {
        let sources = [
            &self.resource,
            &self.container_resource,
            &self.pods,
            &self.object,
            &self.external,
        ];
        sources.into_iter().find_map(Option::as_ref)
    }

    fn name(&self) -> &str {
        self.source().map_or("", |source| match &*source.name {
            "" => &source.metric.name,
            name => name,
        })
    }
}

/// How a workload is scaled.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scaling {
    /// Name of the HorizontalPodAutoscaler.
    pub autoscaler: String,
    /// Fewest pods.
    pub min: i64,
    /// Most pods.
    pub max: i64,
    /// Pods that it counts.
    pub current: i64,
    /// Pods that it wants, within the bounds; nothing before it knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted: Option<i64>,
    /// Whether the metrics ask for more pods than the most.
    pub beyond_max: bool,
    /// Why it does not scale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// By what it scales.
    pub metrics: Vec<Measure>,
}

/// A metric by which a workload is scaled.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measure {
    /// Such as `cpu`.
    pub name: String,
    /// What was measured last: `66%`, or an amount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// What it shall be.
    pub target: String,
}

/// Why an autoscaler does not scale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScalingBlocker {
    /// Nothing answers for the API that has the metrics.
    Unserved {
        /// `metrics.k8s.io` and the like.
        api: &'static str,
    },
    /// The API has nothing about these pods.
    Unmeasured {
        /// `metrics.k8s.io` and the like.
        api: &'static str,
        metric: String,
    },
    /// A share of what the pods request, and they request nothing.
    NoRequest {
        /// Such as `cpu`.
        resource: String,
    },
    /// In the words of the controller.
    Other(String),
}

impl ScalingBlocker {
    /// Returns it in a few words.
    pub fn words(&self) -> String {
        match self {
            Self::Unserved { api } => format!("nothing in the cluster serves {api}"),
            Self::Unmeasured { api, metric } => {
                format!("{api} has no {metric} for its pods")
            }
            Self::NoRequest { resource } => {
                format!("its pods have no {resource} request to compare the target with")
            }
            Self::Other(message) => message.clone(),
        }
    }
}

impl Autoscaler {
    /// Returns whether it scales this workload.
    pub fn is_of(&self, workload: &Workload) -> bool {
        let target = &self.spec.scale_target_ref;
        target.kind == workload.kind.name() && target.name == workload.metadata.name
    }

    /// Returns why it does not scale. With no pods at all it has nothing to do,
    /// and before it has looked for the first time it says nothing.
    pub fn blocker(&self) -> Option<ScalingBlocker> {
        let fails = |kind: &str| {
            let condition = condition(&self.status.conditions, kind)?;
            (condition.status == "False" && condition.reason != "ScalingDisabled")
                .then_some(condition)
        };
        let failed = fails("AbleToScale").or_else(|| fails("ScalingActive"))?;
        Some(self.blocker_of(&failed.reason, failed.words()))
    }

    /// Reads the words of the controller and of its clients (Kubernetes v1.36,
    /// `podautoscaler/metrics/client.go`, `replica_calculator.go`,
    /// `custom_metrics/discovery.go`).
    fn blocker_of(&self, reason: &str, message: &str) -> ScalingBlocker {
        let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
        let metric = || {
            let mut names = self.spec.metrics.iter().map(Metric::name);
            let named = names.find(|name| !name.is_empty() && message.contains(name));
            named.unwrap_or("metrics").to_owned()
        };
        if says(&["missing request for", "missing pod-level request for"]) {
            return ScalingBlocker::NoRequest { resource: metric() };
        }
        let apis = [
            ("resource metrics API", "metrics.k8s.io"),
            ("custom metrics API", "custom.metrics.k8s.io"),
            ("external metrics API", "external.metrics.k8s.io"),
        ];
        let named = apis.into_iter().find(|(words, _)| message.contains(words));
        let api = match named {
            Some((_, api)) => api,
            None if [
                "FailedGetResourceMetric",
                "FailedGetContainerResourceMetric",
            ]
            .contains(&reason) =>
            {
                "metrics.k8s.io"
            }
            None => "custom.metrics.k8s.io",
        };
        if says(&[
            ") registered",
            "could not find the requested resource",
            "unable to handle the request",
        ]) {
            ScalingBlocker::Unserved { api }
        } else if says(&[
            "no metrics returned",
            "could not find the metric",
            "did not receive metrics for targeted pods",
        ]) {
            let metric = metric();
            ScalingBlocker::Unmeasured { api, metric }
        } else {
            let rest = message.strip_prefix("the HPA was unable to compute the replica count: ");
            ScalingBlocker::Other(output::gist(rest.unwrap_or(message)))
        }
    }

    /// Returns how it scales.
    pub fn scaling(&self) -> Scaling {
        let Self {
            metadata,
            spec,
            status,
        } = self;
        let is_active = holds(&status.conditions, "ScalingActive").is_some();
        let limited = holds(&status.conditions, "ScalingLimited");
        let measure = |metric: &Metric| {
            let source = metric.source()?;
            let measured = status.current_metrics.iter().filter_map(|measured| {
                (measured.name() == metric.name()).then_some(measured.source()?)
            });
            let current = measured.map(|measured| &measured.current).next();
            Some(Measure {
                name: metric.name().to_owned(),
                current: current.and_then(|current| source.target.like(current)),
                target: source.target.like(&source.target)?,
            })
        };
        Scaling {
            autoscaler: metadata.name.clone(),
            min: spec.min_replicas.unwrap_or(1),
            max: spec.max_replicas,
            current: status.current_replicas,
            wanted: (status.desired_replicas > 0 || is_active).then_some(status.desired_replicas),
            beyond_max: limited.is_some_and(|limited| limited.reason == "TooManyReplicas"),
            problem: self.blocker().map(|blocker| blocker.words()),
            metrics: spec.metrics.iter().filter_map(measure).collect(),
        }
    }
}

impl Amount {
    /// Returns, of `other`, the number that this one has.
    fn like(&self, other: &Self) -> Option<String> {
        if self.average_utilization.is_some() {
            return Some(format!("{}%", other.average_utilization?));
        }
        match self.average_value {
            Some(_) => other.average_value.as_deref().map(decimal),
            None => other.value.as_deref().map(decimal),
        }
    }
}

/// Writes `12500m` as `12.5`.
fn decimal(quantity: &str) -> String {
    let thousandths = quantity.strip_suffix('m').and_then(|it| it.parse().ok());
    match thousandths {
        Some(thousandths) => {
            let thousandths: i64 = thousandths;
            (thousandths as f64 / 1000.0).to_string()
        }
        None => quantity.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::kind::WorkloadKind;

    fn autoscaler(status: Value) -> Autoscaler {
        serde_json::from_value(json!({
            "metadata": {"name": "a"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"},
                "minReplicas": 2, "maxReplicas": 4,
                "metrics": [
                    {"type": "Resource", "resource": {
                        "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}},
                    {"type": "Pods", "pods": {
                        "metric": {"name": "queue_length"},
                        "target": {"type": "AverageValue", "averageValue": "10"}}},
                ],
            },
            "status": status,
        }))
        .unwrap()
    }

    fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
        json!({"type": kind, "status": status, "reason": reason, "message": message})
    }

    #[test]
    fn what_is_measured_stands_beside_what_is_wanted() {
        let scaling = autoscaler(json!({
            "currentReplicas": 3, "desiredReplicas": 4,
            "currentMetrics": [
                {"type": ""},
                {"type": "Pods", "pods": {
                    "metric": {"name": "queue_length"}, "current": {"averageValue": "12500m"}}},
            ],
            "conditions": [condition("ScalingLimited", "True", "TooManyReplicas", "")],
        }))
        .scaling();
        assert_eq!((scaling.min, scaling.max), (2, 4));
        assert_eq!((scaling.current, scaling.wanted), (3, Some(4)));
        assert!(scaling.beyond_max);
        assert_eq!(scaling.problem, None);
        let measure = |name: &str, current: Option<&str>, target: &str| Measure {
            name: name.to_owned(),
            current: current.map(str::to_owned),
            target: target.to_owned(),
        };
        assert_eq!(
            scaling.metrics,
            [
                measure("cpu", None, "70%"),
                measure("queue_length", Some("12.5"), "10"),
            ]
        );
        // As it is before the first look.
        let scaling = autoscaler(json!({"desiredReplicas": 0, "currentMetrics": null})).scaling();
        assert_eq!((scaling.problem, scaling.beyond_max), (None, false));
        assert_eq!(scaling.wanted, None);
    }

    /// The messages are those of a cluster (v1.36).
    #[test]
    fn why_it_does_not_scale() {
        let cpu = "the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for resource cpu: ";
        let pods = "the HPA was unable to compute the replica count: unable to get metric queue_length: unable to fetch metrics from custom metrics API: ";
        let unmeasured = |api, metric: &str| ScalingBlocker::Unmeasured {
            api,
            metric: metric.to_owned(),
        };
        for (reason, message, expected) in [
            (
                "FailedGetResourceMetric",
                format!("{cpu}unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)"),
                ScalingBlocker::Unserved { api: "metrics.k8s.io" },
            ),
            (
                "FailedGetResourceMetric",
                format!("{cpu}unable to fetch metrics from resource metrics API: the server is currently unable to handle the request (get pods.metrics.k8s.io)"),
                ScalingBlocker::Unserved { api: "metrics.k8s.io" },
            ),
            (
                "FailedGetResourceMetric",
                format!("{cpu}no metrics returned from resource metrics API"),
                unmeasured("metrics.k8s.io", "cpu"),
            ),
            (
                "FailedGetResourceMetric",
                "the HPA was unable to compute the replica count: failed to get cpu utilization: did not receive metrics for targeted pods (pods might be unready)".to_owned(),
                unmeasured("metrics.k8s.io", "cpu"),
            ),
            (
                "FailedGetResourceMetric",
                "the HPA was unable to compute the replica count: failed to get cpu utilization: missing request for cpu in container main of Pod a-1".to_owned(),
                ScalingBlocker::NoRequest { resource: "cpu".to_owned() },
            ),
            (
                "FailedGetPodsMetric",
                format!("{pods}no custom metrics API (custom.metrics.k8s.io) registered"),
                ScalingBlocker::Unserved { api: "custom.metrics.k8s.io" },
            ),
            (
                "FailedGetPodsMetric",
                format!("{pods}the server could not find the metric queue_length for pods"),
                unmeasured("custom.metrics.k8s.io", "queue_length"),
            ),
            (
                "FailedGetContainerResourceMetric",
                "the HPA was unable to compute the replica count: failed to get cpu utilization: did not receive metrics for targeted pods (pods might be unready)".to_owned(),
                unmeasured("metrics.k8s.io", "cpu"),
            ),
            (
                "AmbiguousSelector",
                "pods by selector a=b are controlled by multiple HPAs: [x y]".to_owned(),
                ScalingBlocker::Other("pods by selector a=b are controlled by multiple HPAs: [x y]".to_owned()),
            ),
        ] {
            let active = condition("ScalingActive", "False", reason, &message);
            let autoscaler = autoscaler(json!({"conditions": [active]}));
            assert_eq!(autoscaler.blocker(), Some(expected), "{message}");
        }
        let stopped = condition("ScalingActive", "False", "ScalingDisabled", "zero");
        assert_eq!(autoscaler(json!({"conditions": [stopped]})).blocker(), None);
    }

    #[test]
    fn an_autoscaler_is_of_what_it_names() {
        let workload = |kind: WorkloadKind, name: &str| {
            let object = json!({"metadata": {"name": name}, "spec": {}});
            Workload::read(kind, kind.api_version(), &object).unwrap()
        };
        let autoscaler = autoscaler(json!({}));
        assert!(autoscaler.is_of(&workload(WorkloadKind::Deployment, "a")));
        assert!(!autoscaler.is_of(&workload(WorkloadKind::Deployment, "b")));
        assert!(!autoscaler.is_of(&workload(WorkloadKind::RayService, "a")));
    }
}
