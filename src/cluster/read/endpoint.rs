//! Finds out where a workload is reached.

use super::api_versions::Served;
use crate::api::keys::INFERENCE_SET_LABEL;
use crate::api::metadata::Metadata;
use crate::api::resource::Resource;
use crate::api::workload::Workload;
use crate::cluster::client::pages::{Pages, Selection};
use crate::cluster::objects::next_workloads;
use crate::cluster::{Cluster, ClusterError};
use crate::error::{Classified, ErrorClass};
use crate::kind::WorkloadKind;
use crate::observe::Status;
use crate::observe::endpoint::{Endpoint, Ingress, Service, service_name};
use crate::observe::kind::standing;
use crate::observe::snapshot::WorkloadContext;
use crate::suggestion::{Suggestion, kaiwo};

/// Why there is nothing to reach.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// Its kind does not serve.
    #[error("{workload} is a batch job, not a service")]
    ServesNothing {
        /// `kind/name`.
        workload: String,
    },
    /// None of an InferenceSet's Workspaces is ready.
    #[error("no Workspace of {workload} is ready; it has {count}")]
    NoPart {
        /// `kind/name`.
        workload: String,
        /// How many there are.
        count: usize,
    },
    /// There is no Service.
    #[error("{workload} has no Service {service}")]
    NoService {
        /// `kind/name`.
        workload: String,
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
            Self::ServesNothing { .. } => ErrorClass::Refused,
            Self::NoPart { .. } => ErrorClass::NotReady,
            // Operators make theirs when the workload is about to be ready.
            Self::NoService { kind, .. } if *kind != WorkloadKind::Deployment => {
                ErrorClass::NotReady
            }
            Self::NoService { .. } => ErrorClass::Refused,
            Self::Cluster(source) => source.class(),
        }
    }

    fn hints(&self) -> Vec<Suggestion> {
        match self {
            Self::NoPart { workload, .. } => {
                vec![kaiwo("status {}", &[workload]).to("check its status")]
            }
            Self::ServesNothing { .. } => {
                vec!["use kaiwo serve to create a service".into()]
            }
            Self::NoService { kind, workload, .. } => match kind {
                WorkloadKind::Deployment => {
                    vec!["add --port, which creates a Service".into()]
                }
                _ => vec![kaiwo("status {}", &[workload]).to("check whether it is ready")],
            },
            Self::Cluster(source) => source.hints(),
        }
    }

    fn object(&self) -> Option<String> {
        match self {
            Self::ServesNothing { workload }
            | Self::NoPart { workload, .. }
            | Self::NoService { workload, .. } => Some(workload.clone()),
            Self::Cluster(source) => source.object(),
        }
    }
}

/// Finds out where a workload is asked: of an InferenceSet, which has no
/// Service, at one of its Workspaces that is ready.
///
/// # Errors
/// [`EndpointError`] if it is not.
pub async fn to_ask(
    cluster: &Cluster,
    served: &Served,
    workload: &Workload,
) -> Result<Endpoint, EndpointError> {
    if workload.kind != WorkloadKind::InferenceSet {
        return endpoint_of(cluster, workload).await;
    }
    let mut parts = workspaces(cluster, served, workload).await?;
    let count = parts.len();
    parts.retain(|part| standing(part, &WorkloadContext::default()).status == Status::Ready);
    parts.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    let Some(part) = parts.first() else {
        return Err(EndpointError::NoPart {
            workload: workload.display_name(),
            count,
        });
    };
    Ok(Endpoint {
        part: Some(part.display_name()),
        ..endpoint_of(cluster, part).await?
    })
}

/// Lists the Workspaces that KAITO has made for an InferenceSet.
async fn workspaces(
    cluster: &Cluster,
    served: &Served,
    set: &Workload,
) -> Result<Vec<Workload>, ClusterError> {
    let kind = WorkloadKind::Workspace;
    let Some(version) = served.version(kind) else {
        return Ok(Vec::new());
    };
    let Metadata {
        namespace, name, ..
    } = &set.metadata;
    let selection = Selection::labels(format!("{INFERENCE_SET_LABEL}={name}"));
    let resource = Resource::known(version, kind.name());
    let mut pages = Pages::new(cluster, &resource, namespace, &selection);
    let mut parts = Vec::new();
    while let Some(page) = next_workloads(&mut pages, kind, version).await? {
        parts.extend(page);
    }
    Ok(parts)
}

/// Finds out where a workload is reached by its own Service.
///
/// # Errors
/// [`EndpointError`] if it is not.
pub async fn endpoint_of(
    cluster: &Cluster,
    workload: &Workload,
) -> Result<Endpoint, EndpointError> {
    let metadata = &workload.metadata;
    let Some((service, port)) = service_name(workload.kind, &metadata.name) else {
        return Err(EndpointError::ServesNothing {
            workload: workload.display_name(),
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
        .and_then(|found| Endpoint::from_service(&found, port, ingress.as_ref()))
        .ok_or_else(|| EndpointError::NoService {
            workload: workload.display_name(),
            kind: workload.kind,
            service,
        })
}
