//! Stands in for a metrics server and for an adapter of custom metrics: `metrics.k8s.io` and `custom.metrics.k8s.io`
//! for pods, which is what a HorizontalPodAutoscaler asks for. The API server aggregates both.
//!
//! Nothing is measured. A Deployment says with annotations what its running pods use together, each an equal part:
//! `testbed.kaiwo/cpu: 2100m`, or `testbed.kaiwo/queue_length: "40"` for the metric `queue_length`. Of what no
//! annotation tells there are no metrics.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::{Context, Result};
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use k8s_openapi::jiff::Timestamp;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::spawn_local;
use tokio_rustls::TlsAcceptor;

use super::http::{self, Answer};
use crate::testbed::certificates::{Certificates, METRICS};
use crate::testbed::cluster::Cluster;

/// What the names of annotations begin with; the name of the metric follows.
const ANNOTATION: &str = "testbed.kaiwo/";
const RESOURCES: &str = "/apis/metrics.k8s.io/v1beta1";
const CUSTOM: &str = "/apis/custom.metrics.k8s.io/v1beta2";

/// A server that listens; whoever asks must show a certificate of the testbed's, as the API server does.
pub struct Server {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    cluster: Cluster,
}

impl Server {
    pub async fn start(port: u16, certificates: &Certificates, cluster: &Cluster) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .with_context(|| format!("failed to listen on port {port}"))?;
        Ok(Self {
            listener,
            acceptor: TlsAcceptor::from(Arc::new(tls(certificates)?)),
            cluster: cluster.clone(),
        })
    }

    /// Answers until the future is dropped.
    pub async fn serve(self) {
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                continue;
            };
            let (acceptor, cluster) = (self.acceptor.clone(), self.cluster.clone());
            spawn_local(async move {
                // A client that leaves, or is a stranger, is no concern of ours.
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                http::converse(stream, async |request| answer(&cluster, &request).await).await;
            });
        }
    }
}

fn tls(certificates: &Certificates) -> Result<ServerConfig> {
    let chain = |path| CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    let mut authority = RootCertStore::empty();
    for certificate in chain(certificates.ca())? {
        authority.add(certificate)?;
    }
    let provider = Arc::new(ring::default_provider());
    let clients =
        WebPkiClientVerifier::builder_with_provider(Arc::new(authority), Arc::clone(&provider))
            .build()?;
    Ok(ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients)
        .with_single_cert(
            chain(certificates.certificate(METRICS))?,
            PrivateKeyDer::from_pem_file(certificates.key(METRICS))?,
        )?)
}

async fn answer(cluster: &Cluster, request: &Request<Incoming>) -> Answer {
    let question = match request.method() {
        &Method::GET => Question::parse(request.uri().path()),
        _ => None,
    };
    match question {
        Some(question) => match question.answer(cluster, request.uri().query()).await {
            Ok(Some(answer)) => (StatusCode::OK, answer),
            Ok(None) => failure(StatusCode::NOT_FOUND, "there are no metrics of it"),
            Err(error) => failure(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error:#}")),
        },
        None => failure(
            StatusCode::NOT_FOUND,
            "the stand-in knows metrics of pods only",
        ),
    }
}

fn failure(code: StatusCode, message: &str) -> Answer {
    let reason = match code {
        StatusCode::NOT_FOUND => "NotFound",
        _ => "InternalError",
    };
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code.as_u16(),
    });
    (code, status)
}

/// What is asked of the two APIs.
#[derive(Debug, PartialEq, Eq)]
enum Question {
    /// What `metrics.k8s.io` has.
    Resources,
    /// What `custom.metrics.k8s.io` has. It names no metrics: any may be asked for.
    Custom,
    /// Of a namespace's pods, or all pods.
    Pods {
        namespace: Option<String>,
    },
    Pod {
        namespace: String,
        name: String,
    },
    /// A metric of a namespace's pods, or of one.
    Metric {
        namespace: String,
        pod: Option<String>,
        metric: String,
    },
}

impl Question {
    fn parse(path: &str) -> Option<Self> {
        let words = |path: &str| -> Vec<String> {
            let words = path.split('/').filter(|word| !word.is_empty());
            words.map(str::to_owned).collect()
        };
        if let Some(rest) = path.strip_prefix(RESOURCES) {
            return match words(rest).as_slice() {
                [] => Some(Self::Resources),
                [pods] if pods == "pods" => Some(Self::Pods { namespace: None }),
                [collection, namespace, pods, name @ ..]
                    if (collection.as_str(), pods.as_str()) == ("namespaces", "pods") =>
                {
                    let namespace = namespace.clone();
                    match name {
                        [] => Some(Self::Pods {
                            namespace: Some(namespace),
                        }),
                        [name] => Some(Self::Pod {
                            namespace,
                            name: name.clone(),
                        }),
                        _ => None,
                    }
                }
                _ => None,
            };
        }
        match words(path.strip_prefix(CUSTOM)?).as_slice() {
            [] => Some(Self::Custom),
            [collection, namespace, pods, pod, metric]
                if (collection.as_str(), pods.as_str()) == ("namespaces", "pods") =>
            {
                Some(Self::Metric {
                    namespace: namespace.clone(),
                    pod: Some(pod.clone()).filter(|pod| !["*", "%2A"].contains(&pod.as_str())),
                    metric: metric.clone(),
                })
            }
            _ => None,
        }
    }

    async fn answer(&self, cluster: &Cluster, query: Option<&str>) -> Result<Option<Value>> {
        Ok(match self {
            Self::Resources => Some(json!({
                "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "metrics.k8s.io/v1beta1",
                "resources": [{
                    "name": "pods", "singularName": "", "namespaced": true, "kind": "PodMetrics",
                    "verbs": ["get", "list"],
                }],
            })),
            Self::Custom => Some(json!({
                "kind": "APIResourceList", "apiVersion": "v1",
                "groupVersion": "custom.metrics.k8s.io/v1beta2", "resources": [],
            })),
            Self::Pods { namespace } => {
                let loads = loads(cluster, namespace.as_deref(), query).await?;
                Some(json!({
                    "kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {},
                    "items": loads.iter().filter_map(Load::pod_metrics).collect::<Vec<_>>(),
                }))
            }
            Self::Pod { namespace, name } => {
                let loads = loads(cluster, Some(namespace), None).await?;
                let load = loads.iter().find(|load| load.name() == name);
                load.and_then(Load::pod_metrics)
            }
            Self::Metric {
                namespace,
                pod,
                metric,
            } => {
                let loads = loads(cluster, Some(namespace), query).await?;
                let own = loads
                    .iter()
                    .filter(|load| pod.as_ref().is_none_or(|pod| load.name() == pod));
                Some(json!({
                    "kind": "MetricValueList", "apiVersion": "custom.metrics.k8s.io/v1beta2", "metadata": {},
                    "items": own.filter_map(|load| load.metric_value(metric)).collect::<Vec<_>>(),
                }))
            }
        })
    }
}

/// Returns what the running pods of a namespace use, of those that a query selects.
async fn loads(
    cluster: &Cluster,
    namespace: Option<&str>,
    query: Option<&str>,
) -> Result<Vec<Load>> {
    let place = namespace.map_or_else(String::new, |name| format!("namespaces/{name}/"));
    let pods = cluster.get(&format!("/api/v1/{place}pods")).await?;
    let deployments = format!("/apis/apps/v1/{place}deployments");
    let mut loads = shared(&pods, &cluster.get(&deployments).await?)?;
    let parameters = query.into_iter().flat_map(|query| query.split('&'));
    let mut selectors = parameters.filter(|part| part.starts_with("labelSelector="));
    if let Some(selector) = selectors.next() {
        // The API server knows best what a selector selects.
        let selected = cluster
            .get(&format!("/api/v1/{place}pods?{selector}"))
            .await?;
        let uids: Vec<&Value> = items(&selected)
            .map(|pod| &pod["metadata"]["uid"])
            .collect();
        loads.retain(|load| uids.contains(&&load.pod["metadata"]["uid"]));
    }
    Ok(loads)
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list["items"].as_array().into_iter().flatten()
}

/// A running pod, and what it uses of each metric, in thousandths.
#[derive(Debug)]
struct Load {
    pod: Value,
    uses: BTreeMap<String, i64>,
}

impl Load {
    fn name(&self) -> &str {
        self.pod["metadata"]["name"].as_str().unwrap_or_default()
    }

    fn pod_metrics(&self) -> Option<Value> {
        let cpu = self.uses.get("cpu")?;
        let memory = self.uses.get("memory").map_or(0, |memory| memory / 1000);
        let metadata = &self.pod["metadata"];
        Some(json!({
            "kind": "PodMetrics", "apiVersion": "metrics.k8s.io/v1beta1",
            "metadata": {
                "name": metadata["name"], "namespace": metadata["namespace"], "labels": metadata["labels"],
            },
            "timestamp": now(), "window": "1s",
            "containers": [{
                "name": self.pod["spec"]["containers"][0]["name"],
                "usage": { "cpu": format!("{cpu}m"), "memory": memory.to_string() },
            }],
        }))
    }

    fn metric_value(&self, metric: &str) -> Option<Value> {
        let metadata = &self.pod["metadata"];
        Some(json!({
            "describedObject": {
                "apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "namespace": metadata["namespace"],
            },
            "metric": { "name": metric }, "timestamp": now(), "windowSeconds": 1,
            "value": format!("{}m", self.uses.get(metric)?),
        }))
    }
}

/// Returns the time as Kubernetes writes it, in whole seconds.
fn now() -> String {
    let now = Timestamp::now().as_second();
    Timestamp::from_second(now)
        .map(|now| now.to_string())
        .unwrap_or_default()
}

/// Divides the load of every Deployment among its running pods.
fn shared(pods: &Value, deployments: &Value) -> Result<Vec<Load>> {
    let mut loads = Vec::new();
    for deployment in items(deployments) {
        let uses = uses(deployment)?;
        let selector = deployment["spec"]["selector"]["matchLabels"].as_object();
        let (false, Some(selector)) = (uses.is_empty(), selector) else {
            continue;
        };
        let own: Vec<&Value> = items(pods)
            .filter(|pod| {
                let metadata = &pod["metadata"];
                pod["status"]["phase"] == "Running"
                    && metadata["deletionTimestamp"].is_null()
                    && metadata["namespace"] == deployment["metadata"]["namespace"]
                    && selector
                        .iter()
                        .all(|(key, value)| metadata["labels"][key] == *value)
            })
            .collect();
        let count = own.len() as i64;
        loads.extend(own.into_iter().map(|pod| {
            Load {
                pod: pod.clone(),
                uses: uses
                    .iter()
                    .map(|(metric, total)| (metric.clone(), total / count))
                    .collect(),
            }
        }));
    }
    Ok(loads)
}

/// Returns what the pods of a Deployment use together.
fn uses(deployment: &Value) -> Result<BTreeMap<String, i64>> {
    let metadata = &deployment["metadata"];
    let annotations = metadata["annotations"].as_object().into_iter().flatten();
    annotations
        .filter_map(|(key, value)| Some((key.strip_prefix(ANNOTATION)?, value.as_str()?)))
        .map(|(metric, text)| {
            let amount = thousandths(text).with_context(|| {
                format!("{ANNOTATION}{metric}: {text} of deployment {} is no whole number, nor one of thousandths, such as 2100m", metadata["name"])
            })?;
            Ok((metric.to_owned(), amount))
        })
        .collect()
}

fn thousandths(text: &str) -> Option<i64> {
    match text.strip_suffix('m') {
        Some(number) => number.parse().ok(),
        None => text.parse::<i64>().ok()?.checked_mul(1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, app: &str, phase: &str) -> Value {
        json!({
            "metadata": { "name": name, "namespace": "ml", "labels": { "app": app, "hash": name } },
            "spec": { "containers": [{ "name": "main" }] },
            "status": { "phase": phase },
        })
    }

    fn deployment(app: &str, annotations: Value) -> Value {
        json!({
            "metadata": { "name": app, "namespace": "ml", "annotations": annotations },
            "spec": { "selector": { "matchLabels": { "app": app } } },
        })
    }

    #[test]
    fn running_pods_share_the_load_of_their_deployment() {
        let pods = json!({ "items": [
            pod("a", "chat", "Running"),
            pod("b", "chat", "Running"),
            pod("c", "chat", "Pending"),
            pod("d", "other", "Running"),
        ] });
        let loaded = json!({ "testbed.kaiwo/cpu": "2100m", "testbed.kaiwo/queue_length": "40", "x/cpu": "1" });
        let deployments =
            json!({ "items": [deployment("chat", loaded), deployment("other", json!({}))] });
        let loads = shared(&pods, &deployments).unwrap();
        let names: Vec<&str> = loads.iter().map(Load::name).collect();
        assert_eq!(names, ["a", "b"]);
        let usage = &loads[0].pod_metrics().unwrap()["containers"][0]["usage"];
        assert_eq!(usage["cpu"], "1050m");
        assert_eq!(
            loads[1].metric_value("queue_length").unwrap()["value"],
            "20000m"
        );
        assert_eq!(loads[1].metric_value("else"), None);

        let wrong =
            json!({ "items": [deployment("chat", json!({ "testbed.kaiwo/cpu": "much" }))] });
        let error = shared(&pods, &wrong).unwrap_err().to_string();
        assert!(
            error.contains("testbed.kaiwo/cpu: much of deployment \"chat\""),
            "{error}"
        );
    }

    #[test]
    fn questions_are_those_of_the_two_apis() {
        let ask = |path: &str| Question::parse(path);
        assert_eq!(
            ask("/apis/metrics.k8s.io/v1beta1"),
            Some(Question::Resources)
        );
        assert_eq!(
            ask("/apis/metrics.k8s.io/v1beta1/pods"),
            Some(Question::Pods { namespace: None })
        );
        assert_eq!(
            ask("/apis/metrics.k8s.io/v1beta1/namespaces/ml/pods/x"),
            Some(Question::Pod {
                namespace: "ml".to_owned(),
                name: "x".to_owned()
            })
        );
        assert_eq!(ask("/apis/metrics.k8s.io/v1beta1/nodes"), None);
        let metric = |pod: Option<&str>| Question::Metric {
            namespace: "ml".to_owned(),
            pod: pod.map(str::to_owned),
            metric: "queue_length".to_owned(),
        };
        let path = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/ml/pods";
        assert_eq!(ask(&format!("{path}/*/queue_length")), Some(metric(None)));
        assert_eq!(
            ask(&format!("{path}/x/queue_length")),
            Some(metric(Some("x")))
        );
        assert_eq!(ask("/apis"), None);
        assert_eq!(ask("/openapi/v2"), None);
    }
}
