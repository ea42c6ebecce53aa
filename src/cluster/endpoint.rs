//! Reaches what a workload serves, through the API server.

use std::time::Duration;

use futures_util::{AsyncBufRead, TryStreamExt};
use http::Method;
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use kube::core::Status;
use serde_json::Value;

use super::exchange::{Outgoing, Repeat};
use super::{Cluster, ClusterError};
use crate::error::{Classified, ErrorClass};
use crate::k8s::Resource;
use crate::observe::Workload;
use crate::observe::endpoint::{Endpoint, Ingress, Service, service_name};
use crate::observe::object::Metadata;
use crate::plan::name::WorkloadKind;

/// Why there is nothing to reach.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// Its kind does not serve.
    #[error("{workload} runs to an end and serves nothing")]
    ServesNothing {
        /// `kind/name`.
        workload: String,
    },
    /// Each of its parts serves by itself.
    #[error("{workload} has no Service: each of its Workspaces has one")]
    ServesApart {
        /// `kind/name`.
        workload: String,
        /// What leads to the parts.
        hint: String,
    },
    /// There is no Service.
    #[error("{workload} has no Service {service}")]
    NoService {
        /// `kind/name`.
        workload: String,
        /// Its kind.
        kind: WorkloadKind,
        /// The Service that it should have.
        service: String,
    },
    /// The cluster cannot be asked.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

/// Reads the Service through which a workload is asked; `None` if there is
/// none, or it may not be read.
///
/// # Errors
/// Any [`ClusterError`].
pub async fn service(
    cluster: &Cluster,
    workload: &Workload,
) -> Result<Option<Service>, ClusterError> {
    let Metadata {
        namespace, name, ..
    } = &workload.metadata;
    let Some((service, _)) = service_name(workload.kind, name) else {
        return Ok(None);
    };
    let services = Resource::known("v1", "Service");
    match cluster.find(&services, namespace, &service).await {
        Err(error) if error.is_forbidden() => Ok(None),
        found => found,
    }
}

impl Classified for EndpointError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::ServesNothing { .. } | Self::ServesApart { .. } => ErrorClass::Refused,
            // Operators make theirs when the workload is about to be ready.
            Self::NoService { kind, .. } if *kind != WorkloadKind::Deployment => {
                ErrorClass::NotReady
            }
            Self::NoService { .. } => ErrorClass::Refused,
            Self::Cluster(source) => source.class(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::ServesApart { hint, .. } => vec![hint.clone()],
            Self::ServesNothing { .. } => {
                vec!["kaiwo serve makes what can be reached".to_owned()]
            }
            Self::NoService { kind, workload, .. } => match kind {
                WorkloadKind::Deployment => {
                    vec!["serve it with --port, which makes a Service".to_owned()]
                }
                _ => vec![format!(
                    "see whether it is ready with: kaiwo status {workload}"
                )],
            },
            Self::Cluster(source) => source.hints(),
        }
    }

    fn object(&self) -> Option<String> {
        match self {
            Self::ServesNothing { workload }
            | Self::ServesApart { workload, .. }
            | Self::NoService { workload, .. } => Some(workload.clone()),
            Self::Cluster(source) => source.object(),
        }
    }
}

/// Finds out where a workload is reached.
///
/// # Errors
/// [`EndpointError`] if it is not.
pub async fn of(cluster: &Cluster, workload: &Workload) -> Result<Endpoint, EndpointError> {
    let metadata = &workload.metadata;
    let Some((service, port)) = service_name(workload.kind, &metadata.name) else {
        let Metadata {
            namespace, name, ..
        } = metadata;
        let workload_name = workload.display_name();
        return Err(match workload.kind {
            // KAITO's own label, under which it finds them (v0.12).
            WorkloadKind::InferenceSet => EndpointError::ServesApart {
                workload: workload_name,
                hint: format!(
                    "find them with: kubectl -n {namespace} get workspaces \
                     -l inferenceset.kaito.sh/created-by={name}"
                ),
            },
            _ => EndpointError::ServesNothing {
                workload: workload_name,
            },
        });
    };
    let namespace = &metadata.namespace;
    let services = Resource::known("v1", "Service");
    let ingresses = Resource::known("networking.k8s.io/v1", "Ingress");
    let (found, ingress) = tokio::join!(
        cluster.find::<Service>(&services, namespace, &service),
        cluster.find::<Ingress>(&ingresses, namespace, &metadata.name),
    );
    // Whoever may not read Ingresses can still reach the Service.
    let ingress = ingress.ok().flatten();
    found?
        .and_then(|found| Endpoint::of(&found, port, ingress.as_ref()))
        .ok_or_else(|| EndpointError::NoService {
            workload: workload.display_name(),
            kind: workload.kind,
            service,
        })
}

/// Reads JSON that a workload serves under a path.
///
/// # Errors
/// Any [`ClusterError`]; refusals may be the workload's own.
pub async fn read(
    cluster: &Cluster,
    endpoint: &Endpoint,
    path: &str,
) -> Result<Value, ClusterError> {
    let path = endpoint.proxy_path(path);
    let take = async |client: Client, request| {
        let answer = answered(&client, request).await?;
        let bytes = answer.into_body().collect().await?.to_bytes();
        serde_json::from_slice(&bytes).map_err(kube::Error::SerdeError)
    };
    let outgoing = Outgoing {
        repeat: Repeat::Never,
        ..Outgoing::get(&path)
    };
    cluster.exchange(&outgoing, take).await
}

/// Sends JSON to a workload, and opens the answer, which has to begin within
/// `patience`.
///
/// # Errors
/// Any [`ClusterError`]; refusals may be the workload's own.
pub async fn ask(
    cluster: &Cluster,
    endpoint: &Endpoint,
    path: &str,
    body: &Value,
    patience: Duration,
) -> Result<impl AsyncBufRead + use<>, ClusterError> {
    let path = endpoint.proxy_path(path);
    let outgoing = Outgoing {
        method: Method::POST,
        body: Some(("application/json", body.to_string().into_bytes())),
        patience: Some(patience),
        repeat: Repeat::Never,
        ..Outgoing::get(&path)
    };
    let open = async |client: Client, request| {
        let answer = answered(&client, request).await?;
        let bytes = answer.into_body().into_data_stream();
        Ok(bytes.map_err(std::io::Error::other).into_async_read())
    };
    cluster.exchange(&outgoing, open).await
}

/// Sends a request that somebody behind the API server may answer. kube takes
/// the body of every refusal for a `Status`, which theirs is not.
async fn answered(
    client: &Client,
    request: http::Request<Vec<u8>>,
) -> kube::Result<http::Response<Body>> {
    let answer = client.send(request.map(Body::from)).await?;
    let code = answer.status();
    if code.is_success() {
        return Ok(answer);
    }
    let bytes = answer.into_body().collect().await?.to_bytes();
    let status = serde_json::from_slice::<Status>(&bytes)
        .ok()
        .filter(|status| status.code != 0)
        .unwrap_or_else(|| {
            let mut status = Status::failure(&String::from_utf8_lossy(&bytes), "");
            status.code = code.as_u16();
            status
        });
    Err(kube::Error::Api(status.boxed()))
}
