//! Finds the workload that a user means by a name.

pub mod queued_objects;

use futures_util::future::join_all;
use serde_json::Value;

use super::api_versions::Served;
use crate::api::keys::{APP_MANAGED_BY_LABEL, MANAGER};
use crate::api::metadata::Named;
use crate::api::workload::Workload;
use crate::change::existing::resource;
use crate::cluster::{Cluster, ClusterError};
use crate::error::{Classified, ErrorClass};
use crate::kind::WorkloadKind;
use crate::names::likeness;
use crate::observe::WorkloadRef;
use crate::observe::pod_selection::PodChoiceError;
use crate::suggestion::{Suggestion, kaiwo};

/// Why there is no one workload of that name.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// There is none.
    #[error("workload {wanted} does not exist in namespace {namespace}")]
    NotFound {
        /// What was asked for.
        wanted: WorkloadRef,
        /// Where.
        namespace: String,
        /// `kind/name` of what was perhaps meant.
        near: Option<String>,
        /// Namespace of the context, if it is another.
        elsewhere: Option<String>,
    },
    /// Several kinds have the name.
    #[error("{name} is ambiguous: {}", .found.join(" or "))]
    Ambiguous {
        name: String,
        /// `kind/name` of each.
        found: Vec<String>,
    },
    /// The cluster does not serve the kind.
    #[error("the cluster does not serve {}, so {wanted} does not exist", .kind.name())]
    NotServed {
        /// What was asked for.
        wanted: WorkloadRef,
        kind: WorkloadKind,
    },
    /// The cluster cannot be asked.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

impl Classified for LookupError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::NotFound { .. } | Self::NotServed { .. } => ErrorClass::Refused,
            Self::Ambiguous { .. } => ErrorClass::Usage,
            Self::Cluster(source) => source.class(),
        }
    }

    fn hints(&self) -> Vec<Suggestion> {
        match self {
            Self::NotFound {
                near: Some(near), ..
            } => vec![format!("did you mean {near}?").into()],
            Self::NotFound {
                namespace,
                elsewhere,
                ..
            } => {
                let list = |namespace: &str| kaiwo("list -n {}", &[namespace]);
                let mut hints = vec![list(namespace).to("list workloads")];
                hints.extend(
                    elsewhere
                        .as_ref()
                        .map(|other| list(other).to("try the namespace of the context")),
                );
                hints
            }
            Self::Ambiguous { found, .. } => {
                let each = found.iter().map(|name| format!("use {name}").into());
                each.collect()
            }
            Self::NotServed { kind, .. } => {
                let way = kind.descriptor().is_served_by.into_iter();
                way.map(|way| format!("an admin can {way}").into())
                    .collect()
            }
            Self::Cluster(source) => source.hints(),
        }
    }

    fn object(&self) -> Option<String> {
        match self {
            Self::NotFound { wanted, .. } | Self::NotServed { wanted, .. } => {
                Some(wanted.to_string())
            }
            Self::Ambiguous { .. } => None,
            Self::Cluster(source) => source.object(),
        }
    }
}

impl Classified for PodChoiceError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Refused
    }

    fn hints(&self) -> Vec<Suggestion> {
        match self {
            Self::NoPod { known, .. } if known.is_empty() => Vec::new(),
            Self::NoPod { known, .. } | Self::NoContainer { known, .. } => {
                vec![format!("available: {}", known.join(", ")).into()]
            }
            Self::Elsewhere { is_over: true, .. } => {
                vec!["next time, have it write what you need to a claim or a bucket".into()]
            }
            Self::Elsewhere {
                workload,
                namespace,
                ..
            } => vec![
                kaiwo("logs {} -n {} --context {CONTEXT}", &[workload, namespace])
                    .to("read them there, with a context for that cluster"),
            ],
            Self::NotRunning {
                workload,
                state: standing,
                ..
            }
            | Self::NoneRuns { workload, standing } => vec![
                format!("its status is {standing}").into(),
                kaiwo("why {}", &[workload]).to("see why"),
            ],
        }
    }

    fn object(&self) -> Option<String> {
        match self {
            Self::NoPod { workload, .. }
            | Self::NoneRuns { workload, .. }
            | Self::Elsewhere { workload, .. } => Some(workload.clone()),
            Self::NoContainer { pod, .. } | Self::NotRunning { pod, .. } => {
                Some(format!("pod/{pod}"))
            }
        }
    }
}

/// A workload, and the object as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// What matters of it.
    pub workload: Workload,
    /// All of it.
    pub object: Value,
}

impl From<(Workload, Value)> for Found {
    fn from((workload, object): (Workload, Value)) -> Self {
        Self { workload, object }
    }
}

/// Finds the workload of this name.
///
/// # Errors
/// [`LookupError`] if there is none, or several.
pub async fn find(
    cluster: &Cluster,
    served: &Served,
    namespace: &str,
    wanted: &WorkloadRef,
) -> Result<Found, LookupError> {
    if let Some(kind) = wanted.kind
        && served.version(kind).is_none()
    {
        return Err(LookupError::NotServed {
            wanted: wanted.clone(),
            kind,
        });
    }
    if wanted.other.is_some() {
        return find_other(cluster, served, namespace, wanted).await;
    }
    let kinds = WorkloadKind::ALL
        .into_iter()
        .filter(|kind| wanted.kind.is_none_or(|wanted| wanted == *kind))
        .filter(|kind| served.version(*kind).is_some());
    let answers = join_all(kinds.map(|kind| read(cluster, served, namespace, kind, &wanted.name)));
    let mut found = Vec::new();
    let mut denied = None;
    for answer in answers.await {
        match answer {
            Ok(workload) => found.extend(workload),
            // Of the other kinds it may still be one.
            Err(ClusterError::NotServed { .. }) if wanted.kind.is_none() => {}
            Err(error) if error.is_forbidden() => denied = denied.or(Some(error)),
            Err(error) => return Err(error.into()),
        }
    }
    // The Job that a RayJob's operator makes to submit it has its name.
    let uids: Vec<String> = found
        .iter()
        .map(|found| found.workload.metadata.uid.clone())
        .collect();
    found.retain(|found| {
        let mut owners = found.workload.metadata.owner_references.iter();
        !owners.any(|owner| uids.contains(&owner.uid))
    });
    let is_alone = |found: &Found| found.workload.metadata.owner_references.is_empty();
    if found.iter().any(is_alone) {
        found.retain(is_alone);
    }
    match (found.len(), denied) {
        (1, _) => Ok(found.swap_remove(0)),
        (0, Some(error)) => Err(error.into()),
        (0, None) => {
            if wanted.kind.is_none() {
                let others = queued_objects::find(cluster, served, namespace, wanted).await?;
                found.extend(others.into_iter().map(Found::from));
            }
            match found.len() {
                0 => Err(not_found(cluster, served, namespace, wanted).await),
                1 => Ok(found.swap_remove(0)),
                _ => Err(ambiguous(wanted, &found)),
            }
        }
        _ => Err(ambiguous(wanted, &found)),
    }
}

/// Finds what Kueue queues of a kind that kaiwo does not know by itself, or the one
/// workload that belongs to such an object.
async fn find_other(
    cluster: &Cluster,
    served: &Served,
    namespace: &str,
    wanted: &WorkloadRef,
) -> Result<Found, LookupError> {
    let others = queued_objects::find(cluster, served, namespace, wanted).await?;
    let mut found: Vec<Found> = others.into_iter().map(Found::from).collect();
    if found.is_empty() {
        let parts = queued_objects::owned_by(cluster, served, namespace, wanted).await?;
        for (kind, name) in parts {
            found.extend(read(cluster, served, namespace, kind, &name).await?);
        }
    }
    match found.len() {
        0 => Err(not_found(cluster, served, namespace, wanted).await),
        1 => Ok(found.swap_remove(0)),
        _ => Err(ambiguous(wanted, &found)),
    }
}

fn ambiguous(wanted: &WorkloadRef, found: &[Found]) -> LookupError {
    let names = found.iter().map(|found| found.workload.display_name());
    LookupError::Ambiguous {
        name: wanted.name.clone(),
        found: names.collect(),
    }
}

async fn not_found(
    cluster: &Cluster,
    served: &Served,
    namespace: &str,
    wanted: &WorkloadRef,
) -> LookupError {
    LookupError::NotFound {
        wanted: wanted.clone(),
        namespace: namespace.to_owned(),
        near: near(cluster, served, namespace, wanted).await,
        elsewhere: Some(cluster.context_namespace())
            .filter(|other| !other.is_empty() && *other != namespace)
            .map(str::to_owned),
    }
}

/// Reads the workload of this kind and name again, whichever it is now.
///
/// # Errors
/// Any [`ClusterError`] but "not found"; [`ClusterError::NotServed`] where the
/// cluster does not know the kind, which says nothing about the workload.
pub async fn read(
    cluster: &Cluster,
    served: &Served,
    namespace: &str,
    kind: WorkloadKind,
    name: &str,
) -> Result<Option<Found>, ClusterError> {
    let version = served
        .version(kind)
        .ok_or_else(|| ClusterError::NotServed {
            kind: kind.name().to_owned(),
        })?;
    let resource = resource(kind, version);
    let Some(object) = cluster.find::<Value>(&resource, namespace, name).await? else {
        return Ok(None);
    };
    let workload =
        Workload::read_as(kind, version, &object, cluster.reading()).map_err(|error| {
            ClusterError::Answer {
                request: format!("GET {}", resource.object_path(namespace, name)),
                source: kube::Error::SerdeError(error),
            }
        })?;
    Ok(Some(Found { workload, object }))
}

/// Returns the workload of kaiwo's whose name is nearest, if one is near.
async fn near(
    cluster: &Cluster,
    served: &Served,
    namespace: &str,
    wanted: &WorkloadRef,
) -> Option<String> {
    let made_here = format!("{APP_MANAGED_BY_LABEL}={MANAGER}");
    let listed = join_all(WorkloadKind::ALL.into_iter().map(async |kind| {
        let Some(version) = served.version(kind) else {
            return Vec::new();
        };
        let named: Vec<Named> = cluster
            .list(&resource(kind, version), namespace, &made_here)
            .await
            .unwrap_or_default();
        let name = |named: Named| (kind, named.metadata.name);
        named.into_iter().map(name).collect()
    }));
    let all = listed.await.into_iter().flatten();
    all.map(|(kind, name)| {
        // Users remember what they called it; kaiwo put their name in front.
        let without_user = name.strip_suffix(&wanted.name);
        let likeness = match without_user.is_some_and(|user| user.ends_with('-')) {
            true => 1.0,
            false => {
                let (_, bare) = name.split_once('-').unwrap_or(("", &name));
                likeness(&name, &wanted.name).max(likeness(bare, &wanted.name))
            }
        };
        (likeness, kind, name)
    })
    .filter(|(likeness, ..)| *likeness > 0.85)
    .max_by(|a, b| a.0.total_cmp(&b.0))
    .map(|(_, kind, name)| format!("{}/{name}", kind.word()))
}
