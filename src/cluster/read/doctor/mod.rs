//! Reads what shows whether kaiwo would work for a user: in three rounds of requests,
//! each at once. What may not be read is left unknown.

pub mod rights;

use futures_util::TryStreamExt as _;
use futures_util::future::join_all;
use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::api_versions::{Groups, Served};
use super::facts;
use super::kueue::queues;
use super::listing::{Listing, ListingPart};
use super::prometheus::{self, PrometheusError};
use crate::api::Readable;
use crate::api::keys::SERVICE_NAME_LABEL;
use crate::api::operator::{Controller, EndpointSlice, WebhookConfiguration};
use crate::api::resource::Resource;
use crate::api::workload::Workload;
use crate::cluster::client::pages::Selection;
use crate::cluster::client::request::readable;
use crate::cluster::{Cluster, ClusterError};
use crate::kind::{Operator, WorkloadKind};
use crate::observe::doctor::webhooks::{self, Webhooks};
use crate::observe::doctor::{Component, DoctorEvidence, Prometheus, operators};
use crate::plan::PlanReads;

/// Answer of `/version`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    #[serde(default)]
    git_version: String,
}

/// Asks the API server for its release, which nearly every user may; `None` if it
/// does not say.
///
/// # Errors
/// [`ClusterError`] if it does not answer, or not to this user.
pub async fn release(cluster: &Cluster) -> Result<Option<String>, ClusterError> {
    match cluster.get::<Version>("/version").await {
        Ok(version) => Ok(Some(version.git_version).filter(|release| !release.is_empty())),
        Err(error) if error.is_forbidden() || error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads the versions of Kubernetes and the operators, as far as the user may.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn components(cluster: &Cluster) -> Result<Vec<Component>, ClusterError> {
    let (kubernetes, groups, controllers) = tokio::join!(
        release(cluster),
        Groups::read(cluster),
        controllers(cluster)
    );
    Ok(operators::components(&operators::VersionEvidence {
        kubernetes: kubernetes?.as_deref(),
        groups: &groups?.all(),
        controllers: &controllers?,
    }))
}

/// Lists the Deployments of operators.
async fn controllers(cluster: &Cluster) -> Result<Readable<Vec<Controller>>, ClusterError> {
    list(cluster, "apps/v1", "Deployment", operators::selector()).await
}

/// Reads everything but the release of Kubernetes.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn evidence(
    cluster: &Cluster,
    namespace: &str,
    kubernetes: Option<String>,
) -> Result<DoctorEvidence, ClusterError> {
    let (groups, user, rules) = tokio::join!(
        Groups::read(cluster),
        rights::user(cluster),
        rights::rules(cluster, namespace),
    );
    let groups = groups?;
    let served = Served::among(cluster, &groups).await?;
    let groups = groups.all();
    let more = PlanReads {
        nodes: true,
        ..PlanReads::default()
    };
    let (granted, facts, controllers, webhooks, workloads, kueue, prometheus) = tokio::join!(
        rights::granted(cluster, namespace, rules?, &groups),
        facts::around(cluster, &served, namespace, false, more),
        controllers(cluster),
        webhooks(cluster),
        workloads(cluster, &served, namespace),
        queues::configuration(cluster),
        prometheus(cluster, namespace),
    );
    let mut facts = facts?;
    cluster
        .context_namespace()
        .clone_into(&mut facts.context_namespace);
    Ok(DoctorEvidence {
        now: Timestamp::now(),
        namespace: namespace.to_owned(),
        user: user?,
        kubernetes,
        groups,
        facts,
        granted: granted?,
        controllers: controllers?,
        webhooks: webhooks?,
        workloads: workloads?,
        kueue: kueue?,
        prometheus: prometheus?,
    })
}

/// Lists objects in all namespaces, those with these labels.
async fn list<T: DeserializeOwned>(
    cluster: &Cluster,
    api_version: &str,
    kind: &str,
    labels: String,
) -> Result<Readable<Vec<T>>, ClusterError> {
    let resource = Resource::known(api_version, kind);
    let selection = Selection::labels(labels);
    match cluster.list_selected(&resource, "", &selection).await {
        // Nothing at that path says nothing.
        Err(error) if error.is_not_found() => Ok(Readable::Forbidden),
        listed => readable(listed),
    }
}

/// Reads the webhooks, and what is behind the Services of those that matter.
async fn webhooks(cluster: &Cluster) -> Result<Readable<Webhooks>, ClusterError> {
    const GROUP: &str = "admissionregistration.k8s.io/v1";
    let kinds = [
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
    ];
    let listed =
        kinds.map(|kind| list::<WebhookConfiguration>(cluster, GROUP, kind, String::new()));
    let mut configurations = Vec::new();
    for listed in join_all(listed).await {
        match listed? {
            Readable::Known(listed) => configurations.extend(listed),
            Readable::Forbidden => return Ok(Readable::Forbidden),
        }
    }
    let services = webhooks::services(&configurations);
    let slices = match services.is_empty() {
        true => Readable::Known(Vec::new()),
        false => {
            let names: Vec<&str> = services.iter().map(|it| it.name.as_str()).collect();
            let labels = format!("{SERVICE_NAME_LABEL} in ({})", names.join(","));
            list::<EndpointSlice>(cluster, "discovery.k8s.io/v1", "EndpointSlice", labels).await?
        }
    };
    Ok(match slices {
        Readable::Known(slices) => Readable::Known(Webhooks {
            configurations,
            slices,
        }),
        Readable::Forbidden => Readable::Forbidden,
    })
}

/// Reads the workloads in the namespace that operators run.
async fn workloads(
    cluster: &Cluster,
    served: &Served,
    namespace: &str,
) -> Result<Vec<Workload>, ClusterError> {
    let is_run = |kind: &WorkloadKind| kind.descriptor().operator != Operator::Kubernetes;
    let kinds: Vec<WorkloadKind> = WorkloadKind::ALL.into_iter().filter(is_run).collect();
    let everything = Selection::default();
    let listing = Listing::begin(cluster, served, namespace, &kinds, &everything).await;
    let mut found = listing.found();
    let mut workloads = Vec::new();
    while let Some(found) = found.try_next().await? {
        if let ListingPart::Page(page) = found {
            workloads.extend(page);
        }
    }
    Ok(workloads)
}

async fn prometheus(cluster: &Cluster, namespace: &str) -> Result<Prometheus, ClusterError> {
    Ok(match prometheus::place(cluster, namespace).await {
        Ok(place) => Prometheus::Answers(place),
        Err(PrometheusError::NotFound) => Prometheus::NotFound,
        Err(PrometheusError::NotAllowed) => Prometheus::NotAllowed,
        Err(PrometheusError::Cluster(error)) if error.is_not_found() => Prometheus::NotAllowed,
        Err(PrometheusError::Cluster(error)) => return Err(error),
        Err(error) => Prometheus::Broken(error.to_string()),
    })
}
