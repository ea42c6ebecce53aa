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
use crate::suggestion::{Suggestion, kaiwo, kubectl};

/// What to do with the name of a pod.
const POD_OF_WORKLOAD: &str = "if it belongs to a workload, name that, and the pod with --pod";

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
        /// Why what Kueue queues could not be looked through, if it could not.
        unseen: Option<&'static str>,
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
                wanted,
                near: Some(near),
                unseen,
                ..
            } => {
                let near = format!("did you mean {near}?").into();
                let pod = wanted.is_pod().then_some(POD_OF_WORKLOAD);
                let others = pod.into_iter().chain(*unseen).map(Suggestion::from);
                [near].into_iter().chain(others).collect()
            }
            Self::NotFound {
                wanted,
                namespace,
                elsewhere,
                unseen,
                ..
            } => {
                let list = |namespace: &str| match &wanted.other {
                    Some(_) => kaiwo("list --any -n {}", &[namespace]),
                    None => kaiwo("list -n {}", &[namespace]),
                };
                let mut hints = vec![list(namespace).to("list workloads")];
                hints.extend(
                    elsewhere
                        .as_ref()
                        .map(|other| list(other).to("try the context's namespace")),
                );
                hints.extend(unseen.map(Suggestion::from));
                if wanted.is_pod() {
                    hints.push(POD_OF_WORKLOAD.into());
                } else if let Some(kind) = &wanted.other {
                    let get = kubectl("-n {} get {} {}", &[namespace, kind, &wanted.name]);
                    hints.push(get.to(
                        "look for it with kubectl (kaiwo finds this kind only if Kueue queues it)",
                    ));
                }
                hints
            }
            Self::Ambiguous { found, .. } => {
                let each = found.iter().map(|name| format!("use {name}").into());
                each.collect()
            }
            Self::NotServed { kind, .. } => {
                let way = kind.descriptor().is_served_by.into_iter();
                way.map(|way| format!("ask an admin to {way}").into())
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
            Self::NoPod {
                known, workload, ..
            } if known.is_empty() => {
                vec![kaiwo("status {}", &[workload]).to("check its status")]
            }
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
            Self::NotRunning { workload, .. } | Self::NoneRuns { workload, .. } => {
                vec![kaiwo("why {}", &[workload]).to("see why")]
            }
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
/// [`LookupError`] if there is none or more than one.
pub async fn find(
    cluster: &Cluster,
    served: &Served,
    namespace: &str,
    wanted: &WorkloadRef,
) -> Result<Found, LookupError> {
    let mut found = all(cluster, served, namespace, wanted).await?;
    match found.len() {
        1 => Ok(found.swap_remove(0)),
        _ => Err(ambiguous(wanted, &found)),
    }
}

/// Finds the workload of this name, or the groups of the one object of this name, each of
/// which Kueue queues by itself.
///
/// # Errors
/// [`LookupError`] if there is none or more than one.
pub async fn find_whole(
    cluster: &Cluster,
    served: &Served,
    namespace: &str,
    wanted: &WorkloadRef,
) -> Result<Vec<Found>, LookupError> {
    let found = all(cluster, served, namespace, wanted).await?;
    let object = |found: &Found| found.workload.stands_for.as_ref()?.whole().cloned();
    let first = found.first().and_then(object);
    let is_one = first.is_some() && found.iter().all(|one| object(one) == first);
    match found.len() == 1 || is_one {
        true => Ok(found),
        false => Err(ambiguous(wanted, &found)),
    }
}

/// Finds all that may be meant: at least one.
async fn all(
    cluster: &Cluster,
    served: &Served,
    namespace: &str,
    wanted: &WorkloadRef,
) -> Result<Vec<Found>, LookupError> {
    if let Some(kind) = wanted.kind
        && served.version(kind).is_none()
    {
        return Err(LookupError::NotServed {
            wanted: wanted.clone(),
            kind,
        });
    }
    let (mut found, denied) = match wanted.other {
        Some(_) => (Vec::new(), None),
        None => of_known_kinds(cluster, served, namespace, wanted).await?,
    };
    let mut unseen = None;
    if found.is_empty() && wanted.kind.is_none() {
        match queued_objects::find(cluster, served, namespace, wanted).await {
            Ok(others) => found.extend(others.into_iter().map(Found::from)),
            Err(error) if error.is_forbidden() && wanted.other.is_none() => {
                unseen = Some(
                    "ask for the right to list Kueue's Workloads: kaiwo finds some kinds only through them",
                );
            }
            Err(error) => return Err(error.into()),
        }
    }
    if found.is_empty() && wanted.other.is_some() {
        if served.version(WorkloadKind::Queued).is_none() {
            unseen = Some("ask an admin to install Kueue: kaiwo finds other kinds only through it");
        }
        for (kind, name) in queued_objects::owned_by(cluster, served, namespace, wanted).await? {
            found.extend(read(cluster, served, namespace, kind, &name).await?);
        }
    }
    match (found.is_empty(), denied) {
        (false, _) => Ok(found),
        (true, Some(error)) => Err(error.into()),
        (true, None) => Err(not_found(cluster, served, namespace, wanted, unseen).await),
    }
}

/// Finds those of this name whose kinds kaiwo knows, and why some could not be looked for.
async fn of_known_kinds(
    cluster: &Cluster,
    served: &Served,
    namespace: &str,
    wanted: &WorkloadRef,
) -> Result<(Vec<Found>, Option<ClusterError>), ClusterError> {
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
            Err(error) => return Err(error),
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
    Ok((found, denied))
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
    unseen: Option<&'static str>,
) -> LookupError {
    LookupError::NotFound {
        wanted: wanted.clone(),
        namespace: namespace.to_owned(),
        near: near(cluster, served, namespace, wanted).await,
        elsewhere: Some(cluster.context_namespace())
            .filter(|other| !other.is_empty() && *other != namespace)
            .map(str::to_owned),
        unseen,
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
