//! Reads the names that shell completion offers. What cannot be read in time, or
//! at all, is left out: an offer need not be complete.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use futures_util::future::join_all;
use tokio::time::timeout_at;

use crate::api::keys::{APP_INSTANCE_LABEL, APP_MANAGED_BY_LABEL, MANAGER, USERNAME_LABEL};
use crate::api::metadata::{Metadata, Named};
use crate::api::resource::{KUEUE_GROUP, KUEUE_VERSIONS, Resource};
use crate::cluster::client::connection::kubeconfig;
use crate::cluster::client::kubeconfig::{Context, FromFile};
use crate::cluster::client::request::percent_encoded;
use crate::cluster::{Cluster, Target};
use crate::kind::WorkloadKind;

/// Objects of one page; a page has to come within the deadline.
const PAGE: usize = 200;

/// What there is to choose from. Those that live in a namespace hold its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CandidateSource<'a> {
    /// Contexts of the kubeconfig. No cluster is asked.
    Contexts,
    /// Namespaces; if they may not be listed, those that the kubeconfig names
    /// for this cluster.
    Namespaces,
    /// LocalQueues, then ClusterQueues.
    Queues(&'a str),
    /// WorkloadPriorityClasses.
    PriorityClasses,
    /// Workloads that kaiwo made.
    Workloads(&'a str),
    Secrets(&'a str),
    ServiceAccounts(&'a str),
    /// Workloads that kaiwo made and that serve.
    Services(&'a str),
    /// PersistentVolumeClaims.
    Claims(&'a str),
    /// Pods of the workload of this name, which follows the namespace.
    Pods(&'a str, &'a str),
    Nodes,
}

/// Something to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedObject {
    pub name: String,
    /// What it is, on one line; may be empty.
    pub description: String,
}

/// How a listing ended, beside what it brought.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// All is there, or all that came in time.
    Reached,
    /// The user may not list this.
    Forbidden,
    /// The server does not serve this kind.
    NotServed,
    /// The server cannot be asked.
    Failed,
}

/// Returns what there is to choose from, as far as it is known at `deadline`.
pub async fn entries(
    target: &Target,
    choice: CandidateSource<'_>,
    deadline: Instant,
) -> Vec<NamedObject> {
    let deadline = tokio::time::Instant::from_std(deadline);
    if choice == CandidateSource::Contexts {
        return contexts(target);
    }
    let Ok(Ok(cluster)) = timeout_at(deadline, Cluster::connect(target)).await else {
        return Vec::new();
    };
    let catalogue = Catalogue {
        cluster: &cluster,
        deadline,
    };
    match choice {
        CandidateSource::Contexts => Vec::new(),
        CandidateSource::Namespaces => match catalogue.list("v1", "Namespace", "", "").await {
            (_, End::Forbidden) => namespaces_of_contexts(target, &cluster),
            (items, _) => described(items, ""),
        },
        CandidateSource::Queues(namespace) => catalogue.queues(namespace).await,
        CandidateSource::PriorityClasses => {
            let items = catalogue.list_kueue("WorkloadPriorityClass", "").await;
            described(items, "")
        }
        CandidateSource::Workloads(namespace) => catalogue.workloads(namespace, |_| true).await,
        CandidateSource::Services(namespace) => {
            let serves = |kind: WorkloadKind| !kind.is_batch();
            catalogue.workloads(namespace, serves).await
        }
        CandidateSource::Claims(namespace) => {
            let kind = "PersistentVolumeClaim";
            let (items, _) = catalogue.list("v1", kind, namespace, "").await;
            described(items, "")
        }
        CandidateSource::Nodes => described(catalogue.list("v1", "Node", "", "").await.0, ""),
        CandidateSource::Pods(namespace, name) => {
            let made_here = format!("{APP_MANAGED_BY_LABEL}%3D{MANAGER}");
            let (mut items, _) = catalogue.list("v1", "Pod", namespace, &made_here).await;
            items.retain(|pod| name.is_empty() || pod.label(APP_INSTANCE_LABEL) == Some(name));
            described(items, "")
        }
        CandidateSource::Secrets(namespace) => {
            let (items, _) = catalogue.list("v1", "Secret", namespace, "").await;
            described(items, "")
        }
        CandidateSource::ServiceAccounts(namespace) => {
            let (items, _) = catalogue.list("v1", "ServiceAccount", namespace, "").await;
            described(items, "")
        }
    }
}

fn contexts(target: &Target) -> Vec<NamedObject> {
    let Ok(kubeconfig) = kubeconfig(target) else {
        return Vec::new();
    };
    let entry = |context: &FromFile<Context>| NamedObject {
        name: context.name.clone(),
        description: match context.entry.cluster.as_str() {
            "" => String::new(),
            cluster => format!("cluster {cluster}"),
        },
    };
    kubeconfig.contexts().map(entry).collect()
}

fn namespaces_of_contexts(target: &Target, cluster: &Cluster) -> Vec<NamedObject> {
    let Ok(kubeconfig) = kubeconfig(target) else {
        return Vec::new();
    };
    let chosen = kubeconfig
        .contexts()
        .find(|context| context.name == cluster.context())
        .map(|context| context.entry.cluster.as_str());
    let names: BTreeSet<&str> = kubeconfig
        .contexts()
        .filter(|context| Some(context.entry.cluster.as_str()) == chosen)
        .map(|context| context.entry.namespace.as_str())
        .filter(|namespace| !namespace.is_empty())
        .collect();
    let entry = |name: &str| NamedObject {
        name: name.to_owned(),
        description: String::new(),
    };
    names.into_iter().map(entry).collect()
}

/// A cluster that is asked until the deadline.
struct Catalogue<'a> {
    cluster: &'a Cluster,
    deadline: tokio::time::Instant,
}

impl Catalogue<'_> {
    async fn queues(&self, namespace: &str) -> Vec<NamedObject> {
        let (local, cluster) = tokio::join!(
            self.list_kueue("LocalQueue", namespace),
            self.list_kueue("ClusterQueue", ""),
        );
        let mut queues = described(local, "LocalQueue");
        for queue in described(cluster, "ClusterQueue") {
            // -q takes the LocalQueue of a name before the ClusterQueue.
            if !queues.iter().any(|known| known.name == queue.name) {
                queues.push(queue);
            }
        }
        queues
    }

    async fn workloads(
        &self,
        namespace: &str,
        is_wanted: impl Fn(WorkloadKind) -> bool,
    ) -> Vec<NamedObject> {
        let made_here = format!("{APP_MANAGED_BY_LABEL}%3D{MANAGER}");
        let kinds = WorkloadKind::ALL
            .into_iter()
            .filter(|kind| is_wanted(*kind));
        let listed = join_all(kinds.map(async |kind| {
            for version in kind.descriptor().api_versions {
                let (items, end) = self.list(version, kind.name(), namespace, &made_here).await;
                if end != End::NotServed {
                    return (kind.name(), items);
                }
            }
            (kind.name(), Vec::new())
        }));
        let mut workloads = BTreeMap::<String, Vec<String>>::new();
        for (kind, items) in listed.await {
            // What has an owner is a part of another workload: the Jobs of a
            // CronJob, the submitter of a RayJob.
            for Metadata { name, labels, .. } in items
                .into_iter()
                .filter(|item| item.owner_references.is_empty())
            {
                let description = match labels.get(USERNAME_LABEL) {
                    Some(user) => format!("{kind} of {user}"),
                    None => kind.to_owned(),
                };
                workloads.entry(name).or_default().push(description);
            }
        }
        let entry = |(name, kinds): (String, Vec<String>)| NamedObject {
            name,
            description: kinds.join(", "),
        };
        workloads.into_iter().map(entry).collect()
    }

    /// Lists a kind of Kueue in the best version that is served.
    async fn list_kueue(&self, kind: &str, namespace: &str) -> Vec<Metadata> {
        for version in KUEUE_VERSIONS {
            let api_version = format!("{KUEUE_GROUP}/{version}");
            let (items, end) = self.list(&api_version, kind, namespace, "").await;
            if end != End::NotServed {
                return items;
            }
        }
        Vec::new()
    }

    /// Lists a kind page by page until all is there or the time is over.
    /// `selector` is encoded for a URL.
    async fn list(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        selector: &str,
    ) -> (Vec<Metadata>, End) {
        let Some(resource) = Resource::find(api_version, kind) else {
            return (Vec::new(), End::NotServed);
        };
        let mut path = format!("{}?limit={PAGE}", resource.collection_path(namespace));
        if !selector.is_empty() {
            path += &format!("&labelSelector={selector}");
        }
        let mut items = Vec::new();
        let mut next = String::new();
        loop {
            let address = format!("{path}{next}");
            let page = match timeout_at(
                self.deadline,
                self.cluster.metadata_page::<Named>(&address),
            )
            .await
            {
                Err(_) => return (items, End::Reached),
                Ok(Err(error)) => {
                    let end = match error.code() {
                        Some(403) => End::Forbidden,
                        Some(404) => End::NotServed,
                        _ => End::Failed,
                    };
                    return (items, end);
                }
                Ok(Ok(page)) => page,
            };
            items.extend(page.items.into_iter().map(|item| item.metadata));
            if page.metadata.next.is_empty() {
                return (items, End::Reached);
            }
            next = format!("&continue={}", percent_encoded(&page.metadata.next));
        }
    }
}

fn described(items: Vec<Metadata>, description: &str) -> Vec<NamedObject> {
    let entry = |item: Metadata| NamedObject {
        name: item.name,
        description: description.to_owned(),
    };
    items.into_iter().map(entry).collect()
}
