//! Finds the addresses of a workload that serves.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use crate::api::metadata::Metadata;
use crate::api::pod::Pod;
use crate::api::pod_template::TemplateContainer;
use crate::kind::WorkloadKind;

/// Ways to what a workload serves, both through the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// Its Service's proxy (`services/proxy` of v1), which leads to any of the
    /// pods, and passes on no `Authorization`: the API server takes it for its
    /// own (apiserver `WithAuthentication`).
    Service,
    /// A forwarded port of one of its pods (`pods/portforward`), over which
    /// everything goes as it is.
    Pod,
}

impl Via {
    const ALL: [Self; 2] = [Self::Service, Self::Pod];

    fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Pod => "pod",
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Via {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|via| via.name() == text);
        known.ok_or_else(|| "expected service or pod".to_owned())
    }
}

/// `v1` Service.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Service {
    /// Name, labels and so on.
    pub metadata: Metadata,
    /// How it is reached.
    pub spec: ServiceSpec,
    /// What was made for it.
    pub status: ServiceStatus,
}

/// `spec` of a Service.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceSpec {
    /// `ClusterIP`, `NodePort` or `LoadBalancer`.
    #[serde(rename = "type")]
    pub kind: String,
    pub ports: Vec<ServicePort>,
    /// Labels of the pods behind it.
    pub selector: BTreeMap<String, String>,
}

/// A port of a Service.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServicePort {
    /// Name; may be empty if there is one only.
    pub name: String,
    /// Number.
    pub port: i64,
    /// `TCP` unless it says otherwise.
    pub protocol: String,
    /// The pods' port; the same number unless it says otherwise.
    pub target_port: Option<TargetPort>,
}

impl ServicePort {
    /// Returns the port of pods with these containers that it leads to.
    pub fn of_pod<'a>(
        &self,
        containers: impl IntoIterator<Item = &'a TemplateContainer>,
    ) -> Option<u16> {
        let target = match &self.target_port {
            None => self.port,
            Some(TargetPort::Number(number)) => *number,
            Some(TargetPort::Name(name)) => {
                let mut ports = containers
                    .into_iter()
                    .flat_map(|container| &container.ports);
                ports.find(|port| port.name == *name)?.container_port
            }
        };
        u16::try_from(target).ok().filter(|port| *port > 0)
    }
}

/// A port of the pods behind a Service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum TargetPort {
    Number(i64),
    /// By its name in the pods' containers.
    Name(String),
}

/// `status` of a Service, or of an Ingress.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceStatus {
    pub load_balancer: LoadBalancer,
}

/// A load balancer.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct LoadBalancer {
    /// Its addresses.
    pub ingress: Vec<PublicAddress>,
}

/// An address of a load balancer.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PublicAddress {
    /// IP address, or empty.
    pub ip: String,
    /// Name, or empty.
    pub hostname: String,
}

/// `networking.k8s.io/v1` Ingress.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Ingress {
    /// Name.
    pub metadata: Metadata,
    /// Which hosts it answers for.
    pub spec: IngressSpec,
    /// What was made for it.
    pub status: ServiceStatus,
}

/// `spec` of an Ingress.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[serde(rename_all = "camelCase")]
pub struct IngressSpec {
    /// Who is to take it; the cluster's default if absent.
    pub ingress_class_name: Option<String>,
    /// Hosts.
    pub rules: Vec<IngressRule>,
    /// Hosts that are reached by TLS.
    pub tls: Vec<IngressTls>,
}

/// A rule of an Ingress.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct IngressRule {
    pub host: String,
}

/// Hosts that are reached by TLS.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct IngressTls {
    pub hosts: Vec<String>,
}

/// Returns the Service through which a workload is asked, and the name of the
/// port. `None` for what does not serve, or has none.
pub fn service_name(kind: WorkloadKind, name: &str) -> Option<(String, &'static str)> {
    let (suffix, port) = kind.descriptor().service?;
    Some((format!("{name}{suffix}"), port))
}

/// Where a workload is reached: a port of a Service, and what leads there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Endpoint {
    /// The Workspace of an InferenceSet that is meant, as `kind/name`.
    pub part: Option<String>,
    pub namespace: String,
    /// Name of the Service.
    pub service: String,
    /// Port of the Service.
    pub port: ServicePort,
    /// Labels of the pods behind the Service.
    pub selector: BTreeMap<String, String>,
    /// URLs from outside of the cluster.
    pub public: Vec<String>,
    /// Why there are not more of these yet: `no address yet: …`.
    pub pending: Vec<String>,
}

impl LoadBalancer {
    fn has_address(&self) -> bool {
        let mut addresses = self.ingress.iter();
        addresses.any(|address| !address.ip.is_empty() || !address.hostname.is_empty())
    }
}

/// Says which addresses were asked for, and nobody has given yet.
fn pending(service: &Service, ingress: Option<&Ingress>) -> Vec<String> {
    let name = &service.metadata.name;
    let waits = service.spec.kind == "LoadBalancer" && !service.status.load_balancer.has_address();
    let balanced = waits.then(|| {
        format!("no address yet: no load balancer has assigned one to Service {name} (--public)")
    });
    let waits = |ingress: &&Ingress| !ingress.status.load_balancer.has_address();
    let ruled = ingress.filter(waits).map(|ingress| {
        let class = match &ingress.spec.ingress_class_name {
            Some(class) => format!("of class {class}"),
            None => "of the cluster's default class".to_owned(),
        };
        let hosts: Vec<&str> = ingress
            .spec
            .rules
            .iter()
            .map(|rule| rule.host.as_str())
            .filter(|host| !host.is_empty())
            .collect();
        let hosts = match hosts.is_empty() {
            true => String::new(),
            false => format!(" for {}", hosts.join(", ")),
        };
        format!(
            "no address yet: no ingress controller {class} serves Ingress {}{hosts}",
            ingress.metadata.name
        )
    });
    ruled.into_iter().chain(balanced).collect()
}

impl Endpoint {
    /// Finds the port of a Service that is called so, else its first, and the
    /// addresses of its load balancer and of the Ingress in front of it.
    pub fn from_service(
        service: &Service,
        port_name: &str,
        ingress: Option<&Ingress>,
    ) -> Option<Self> {
        let ports = &service.spec.ports;
        let port = ports
            .iter()
            .find(|port| port.name == port_name)
            .or_else(|| ports.first())?;
        let addresses = service.status.load_balancer.ingress.iter();
        let balanced = addresses.filter_map(|address| {
            let host = match address.hostname.as_str() {
                "" => address.ip.as_str(),
                hostname => hostname,
            };
            (!host.is_empty()).then(|| url("http", host, port.port))
        });
        let is_taken = |ingress: &&Ingress| ingress.status.load_balancer.has_address();
        let ruled = ingress.filter(is_taken).into_iter().flat_map(|ingress| {
            ingress
                .spec
                .rules
                .iter()
                .filter(|rule| !rule.host.is_empty())
                .map(|rule| {
                    let tls = ingress.spec.tls.iter().flat_map(|tls| &tls.hosts);
                    let is_secure = tls.into_iter().any(|host| *host == rule.host);
                    let scheme = if is_secure { "https" } else { "http" };
                    format!("{scheme}://{}", rule.host)
                })
        });
        Some(Self {
            part: None,
            namespace: service.metadata.namespace.clone(),
            service: service.metadata.name.clone(),
            port: port.clone(),
            selector: service.spec.selector.clone(),
            public: ruled.chain(balanced).collect(),
            pending: pending(service, ingress),
        })
    }

    /// Returns the URL that pods in the cluster reach it by.
    pub fn cluster_url(&self) -> String {
        url("http", &self.host(), self.port.port)
    }

    /// Returns its name in the cluster's DNS.
    pub fn host(&self) -> String {
        format!("{}.{}.svc", self.service, self.namespace)
    }

    /// Returns the label selector of the pods behind it; `None` if somebody
    /// else says which they are.
    pub fn pod_selector(&self) -> Option<String> {
        let labels = self.selector.iter();
        let labels: Vec<String> = labels
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        (!labels.is_empty()).then(|| labels.join(","))
    }

    /// Returns the pod to ask, and its port: one that is ready, `before` as
    /// long as it is, because it may remember what was said; never `but`.
    pub fn pod<'a>(
        &self,
        pods: &'a [Pod],
        before: Option<&str>,
        but: Option<&str>,
    ) -> Option<(&'a str, u16)> {
        let ready = pods.iter().filter(|pod| pod.runs() && pod.is_ready());
        ready
            .filter(|pod| but != Some(pod.name()))
            .filter_map(|pod| Some((pod.name(), self.port.of_pod(pod.spec.all())?)))
            .min_by_key(|(name, _)| (before != Some(*name), *name))
    }

    /// Returns the path at the API server that leads to `path` of it
    /// (`services/proxy` of v1).
    pub fn proxy_path(&self, path: &str) -> String {
        format!(
            "/api/v1/namespaces/{}/services/{}:{}/proxy{path}",
            self.namespace, self.service, self.port.port
        )
    }
}

fn url(scheme: &str, host: &str, port: i64) -> String {
    let host = match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    };
    match port {
        80 => format!("{scheme}://{host}"),
        port => format!("{scheme}://{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn addresses_are_those_of_service_and_ingress() {
        let service: Service = serde_json::from_value(json!({
            "metadata": {"name": "llm", "namespace": "ml"},
            "spec": {"type": "LoadBalancer", "ports": [{"name": "metrics", "port": 9}, {"name": "http", "port": 8000}]},
            "status": {"loadBalancer": {"ingress": [{"ip": "2001:db8::1"}, {"hostname": "lb.example.com"}]}},
        }))
        .unwrap();
        let ingress: Ingress = serde_json::from_value(json!({"spec": {
            "rules": [{"host": "llm.example.com"}, {"host": "plain.example.com"}, {}],
            "tls": [{"hosts": ["llm.example.com"]}],
        }, "status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}}))
        .unwrap();
        let endpoint = Endpoint::from_service(&service, "http", Some(&ingress)).unwrap();
        assert_eq!(endpoint.cluster_url(), "http://llm.ml.svc:8000");
        assert_eq!(
            endpoint.proxy_path("/v1/models"),
            "/api/v1/namespaces/ml/services/llm:8000/proxy/v1/models"
        );
        assert_eq!(
            endpoint.public,
            [
                "https://llm.example.com",
                "http://plain.example.com",
                "http://[2001:db8::1]:8000",
                "http://lb.example.com:8000",
            ]
        );
        assert_eq!(
            Endpoint::from_service(&Service::default(), "http", None),
            None
        );
    }

    #[test]
    fn an_address_that_nobody_gave_is_none() {
        let service: Service = serde_json::from_value(json!({
            "metadata": {"name": "llm", "namespace": "ml"},
            "spec": {"type": "LoadBalancer", "ports": [{"name": "http", "port": 8000}]},
        }))
        .unwrap();
        let ingress: Ingress = serde_json::from_value(json!({
            "metadata": {"name": "llm"},
            "spec": {"ingressClassName": "traefik", "rules": [{"host": "llm.example.com"}]},
        }))
        .unwrap();
        let endpoint = Endpoint::from_service(&service, "http", Some(&ingress)).unwrap();
        assert!(endpoint.public.is_empty());
        assert_eq!(
            endpoint.pending,
            [
                "no address yet: no ingress controller of class traefik serves Ingress llm for llm.example.com",
                "no address yet: no load balancer has assigned one to Service llm (--public)",
            ]
        );
    }

    #[test]
    fn the_pod_that_answered_is_asked_again_while_it_is_ready() {
        let service: Service = serde_json::from_value(json!({
            "metadata": {"name": "llm", "namespace": "ml"},
            "spec": {"selector": {"a": "b", "c": "d"}, "ports": [{"port": 80, "targetPort": "http"}]},
        }))
        .unwrap();
        let pod = |name: &str, ready: &str| -> Pod {
            serde_json::from_value(json!({
                "metadata": {"name": name},
                "spec": {"containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 8000}]}]},
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]},
            }))
            .unwrap()
        };
        let mut pods = [pod("c", "True"), pod("b", "True"), pod("a", "False")];
        let endpoint = Endpoint::from_service(&service, "http", None).unwrap();
        assert_eq!(endpoint.pod_selector().as_deref(), Some("a=b,c=d"));
        assert_eq!(endpoint.pod(&pods, None, None), Some(("b", 8000)));
        assert_eq!(endpoint.pod(&pods, Some("c"), None), Some(("c", 8000)));
        assert_eq!(endpoint.pod(&pods, Some("a"), None), Some(("b", 8000)));
        assert_eq!(endpoint.pod(&pods, Some("b"), Some("b")), Some(("c", 8000)));
        pods[0].metadata.deletion_timestamp = Some(k8s_openapi::jiff::Timestamp::UNIX_EPOCH);
        assert_eq!(endpoint.pod(&pods, None, Some("b")), None);
        // A port that no container has leads nowhere.
        let mut elsewhere = endpoint.clone();
        elsewhere.port.target_port = Some(TargetPort::Name("grpc".to_owned()));
        assert_eq!(elsewhere.pod(&pods, None, None), None);
        assert_eq!(Endpoint::default().pod_selector(), None);
    }
}
