//! Reads what a plan needs to know, all at once. What the user may not read
//! is left unknown; only a failed connection is an error.

use futures_util::future::OptionFuture;
use serde::de::DeserializeOwned;

use super::api_versions::{Groups, Served};
use super::kaito;
use crate::api::Readable;
use crate::api::claim::Claim;
use crate::api::kueue_workload::KueueWorkload;
use crate::api::metadata::{Named, Namespace};
use crate::api::pod::Pod;
use crate::api::queue::{ClusterQueue, LocalQueue, ResourceFlavor};
use crate::api::resource::{KUEUE_GROUP, KUEUE_VERSIONS, Resource};
use crate::change::existing::{self, Existing};
use crate::cluster::client::pages::{Pages, Selection};
use crate::cluster::client::request::readable;
use crate::cluster::submission::namesake;
use crate::cluster::{Cluster, ClusterError};
use crate::kind::{KAITO_VERSIONS, WorkloadKind};
use crate::plan::PlanReads;
use crate::plan::facts::{ClusterFacts, NodeFacts};
use crate::plan::kaito::KaitoFacts;
use crate::plan::namesake::{Claimant, Namesake};
use crate::plan::occupation::Occupation;
use crate::plan::request::WorkloadRequest;

/// Facts for a submission, and the workload of that name if there is one.
#[derive(Debug)]
pub struct Gathered {
    /// What the plan builds on.
    pub facts: ClusterFacts,
    /// The workload that has the name already.
    pub existing: Option<Existing>,
    /// Why that may not be seen.
    pub unseen: Option<ClusterError>,
    /// Objects of other kinds that may be in its way.
    pub namesakes: Vec<Namesake>,
}

/// Reads the facts for submitting `request`.
///
/// All requests leave at once, on connections of their own, so they take as
/// long as the slowest one.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked at all.
pub async fn gather(
    cluster: &Cluster,
    request: &WorkloadRequest,
) -> Result<Gathered, ClusterError> {
    let WorkloadRequest {
        kind,
        namespace,
        name,
        ..
    } = request;
    let with_classes = request.priority_class.is_some();
    // The newest version is asked for before it is known to be served: on a
    // cluster that lacks it, one more round of requests finds out.
    let usual = existing::resource(*kind, kind.api_version());
    let newest = format!("{KUEUE_GROUP}/{}", KUEUE_VERSIONS[0]);
    let of_kaito = async {
        match kind.is_kaito() {
            true => kaito::read(cluster, &request.serving.kaito, namespace).await,
            false => Ok(KaitoFacts::default()),
        }
    };
    let claimant = Claimant::from_request(request);
    let (groups, found, existing, queues, claims, kaito_facts, namesakes) = tokio::join!(
        Groups::read(cluster),
        find_namespace(cluster, namespace),
        cluster.find::<Existing>(&usual, namespace, name),
        Queues::read(cluster, &newest, namespace, with_classes),
        claims(cluster, request),
        of_kaito,
        namesake::read(cluster, namespace, &claimant),
    );
    let (groups, kaito_facts) = (groups?, kaito_facts?);
    let (kueue, kaito) = (groups.kueue(), groups.version(WorkloadKind::Workspace));
    let queues = match &kueue {
        None => Queues::none(),
        Some(version) if *version == newest => queues?,
        Some(version) => Queues::read(cluster, version, namespace, with_classes).await?,
    };
    let written = kaito_facts
        .version(*kind, &request.serving.kaito)
        .or(kaito)
        .filter(|version| kind.is_kaito() && *version != kind.api_version());
    let existing = match written {
        // As with Kueue: an older KAITO costs one more request.
        Some(version) => {
            let older = existing::resource(*kind, version);
            cluster.find::<Existing>(&older, namespace, name).await
        }
        None => existing,
    };
    let mut namesakes = namesakes?;
    if let Some(version) = kaito.filter(|version| *version != KAITO_VERSIONS[0]) {
        namesakes.extend(namesake::older_workspace(cluster, namespace, &claimant, version).await?);
    }
    let (existing, unseen) = match existing {
        // A user who may not read workloads may still create them; the API server then
        // tells of one that exists.
        Err(error) if error.is_forbidden() => (None, Some(error)),
        existing => (known(existing)?, None),
    };
    Ok(Gathered {
        facts: ClusterFacts {
            kaito_facts,
            claims: claims?,
            context_namespace: cluster.context_namespace().to_owned(),
            ..queues.facts(kueue, |kind| groups.version(kind), found?)
        },
        existing,
        unseen,
        namesakes,
    })
}

/// Returns the workload that an answer shows.
fn known(answer: Result<Option<Existing>, ClusterError>) -> Result<Option<Existing>, ClusterError> {
    match answer {
        // A kind that is not served has none; the plan refuses it.
        Err(ClusterError::NotServed { .. }) => Ok(None),
        answer => answer,
    }
}

/// Reads what [`gather`] leaves out because few plans need it.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn complete(
    cluster: &Cluster,
    facts: &mut ClusterFacts,
    needs: PlanReads,
) -> Result<(), ClusterError> {
    let kueue = facts.kueue.clone().unwrap_or_default();
    let (nodes, cohorts, checks, topologies, occupation) = tokio::join!(
        list_if(needs.nodes, cluster, "v1", "Node"),
        list_if(needs.cohorts, cluster, &kueue, "Cohort"),
        list_if(needs.admission_checks, cluster, &kueue, "AdmissionCheck"),
        list_if(needs.topologies, cluster, &kueue, "Topology"),
        OptionFuture::from(needs.pods.then(|| occupation(cluster))),
    );
    facts.nodes = nodes?;
    facts.cohorts = cohorts?;
    facts.admission_checks = checks?;
    facts.topologies = topologies?;
    facts.occupation = occupation.transpose()?;
    Ok(())
}

/// Reads the queues around a workload of `namespace`; the priority classes and
/// `more`, too, if they are asked for. Nothing is an error that may just not be read.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn around(
    cluster: &Cluster,
    served: &Served,
    namespace: &str,
    with_classes: bool,
    more: PlanReads,
) -> Result<ClusterFacts, ClusterError> {
    let (found, queues) = tokio::join!(find_namespace(cluster, namespace), async {
        match &served.kueue {
            Some(version) => Queues::read(cluster, version, namespace, with_classes).await,
            None => Ok(Queues::none()),
        }
    });
    let queues = queues?;
    let kueue = served.kueue.clone();
    let mut facts = queues.facts(kueue, |kind| served.version(kind), found?);
    let needs = PlanReads {
        cohorts: served.kueue.is_some(),
        ..more
    };
    complete(cluster, &mut facts, needs).await?;
    Ok(facts)
}

async fn list_if<T: DeserializeOwned>(
    needed: bool,
    cluster: &Cluster,
    api_version: &str,
    kind: &str,
) -> Result<Option<Readable<Vec<T>>>, ClusterError> {
    if !needed {
        return Ok(None);
    }
    match cluster
        .list(&Resource::known(api_version, kind), "", "")
        .await
    {
        // An older Kueue serves Cohorts in another version, or none.
        Err(error) if error.is_not_found() => Ok(None),
        listed => readable(listed).map(Some),
    }
}

/// Pods that hold something of a node.
const ON_NODES: &str = "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed";

/// Reads what the pods of the cluster have taken of its nodes, page by page.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn occupation(cluster: &Cluster) -> Result<Readable<Occupation>, ClusterError> {
    let resource = Resource::known("v1", "Pod");
    let mut pages = Pages::new(cluster, &resource, "", &Selection::fields(ON_NODES));
    let mut occupation = Occupation::default();
    loop {
        match readable(pages.next::<Pod>().await)? {
            Readable::Known(Some(page)) => page.iter().for_each(|pod| occupation.add(pod)),
            Readable::Known(None) => return Ok(Readable::Known(occupation)),
            Readable::Forbidden => return Ok(Readable::Forbidden),
        }
    }
}

/// Reads which claims there are, if one is to be mounted that may be there.
async fn claims(
    cluster: &Cluster,
    request: &WorkloadRequest,
) -> Result<Option<Readable<Vec<Claim>>>, ClusterError> {
    if request.pods.volumes.is_empty() && request.kept_claim().is_none() {
        return Ok(None);
    }
    let resource = Resource::known("v1", "PersistentVolumeClaim");
    let listed = cluster.list(&resource, &request.namespace, "").await;
    readable(listed).map(Some)
}

/// Reads the nodes with these labels, all if none is named, and the pods on nodes, as
/// far as the user may.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn of_nodes(cluster: &Cluster, selector: &str) -> Result<NodeFacts, ClusterError> {
    let resource = Resource::known("v1", "Node");
    let nodes = cluster.list(&resource, "", selector);
    let (nodes, occupation) = tokio::join!(nodes, occupation(cluster));
    Ok(NodeFacts {
        nodes: match nodes {
            Err(error) if error.is_not_found() => None,
            listed => readable(listed).map(Some)?,
        },
        occupation: occupation.map(Some)?,
    })
}

async fn find_namespace(
    cluster: &Cluster,
    namespace: &str,
) -> Result<Readable<Option<Namespace>>, ClusterError> {
    readable(
        cluster
            .find(&Resource::known("v1", "Namespace"), "", namespace)
            .await,
    )
}

async fn priority_classes(
    cluster: &Cluster,
    api_version: &str,
) -> Result<Readable<Vec<String>>, ClusterError> {
    let listed = cluster
        .list::<Named>(
            &Resource::known(api_version, "WorkloadPriorityClass"),
            "",
            "",
        )
        .await;
    Ok(match readable(listed)? {
        Readable::Known(classes) => Readable::Known(
            classes
                .into_iter()
                .map(|class| class.metadata.name)
                .collect(),
        ),
        Readable::Forbidden => Readable::Forbidden,
    })
}

struct Queues {
    local: Readable<Vec<LocalQueue>>,
    cluster: Readable<Vec<ClusterQueue>>,
    flavors: Readable<Vec<ResourceFlavor>>,
    priority_classes: Option<Readable<Vec<String>>>,
}

impl Queues {
    /// Returns the facts that begin with these, and with what is served.
    fn facts(
        self,
        kueue: Option<String>,
        version: impl Fn(WorkloadKind) -> Option<&'static str>,
        namespace: Readable<Option<Namespace>>,
    ) -> ClusterFacts {
        ClusterFacts {
            ray: version(WorkloadKind::RayJob).is_some(),
            kaito: version(WorkloadKind::Workspace).map(str::to_owned),
            kaito_facts: KaitoFacts::default(),
            context_namespace: String::new(),
            kueue,
            namespace,
            local_queues: self.local,
            cluster_queues: self.cluster,
            flavors: self.flavors,
            priority_classes: self.priority_classes,
            nodes: None,
            cohorts: None,
            is_sent_away: false,
            admission_checks: None,
            topologies: None,
            occupation: None,
            claims: None,
            running: None,
        }
    }

    async fn read(
        cluster: &Cluster,
        api_version: &str,
        namespace: &str,
        with_classes: bool,
    ) -> Result<Self, ClusterError> {
        let (local_queue, cluster_queue, flavor, workload) = (
            Resource::known(api_version, "LocalQueue"),
            Resource::known(api_version, "ClusterQueue"),
            Resource::known(api_version, "ResourceFlavor"),
            Resource::known(api_version, "Workload"),
        );
        let (local, queues, flavors, workloads, classes) = tokio::join!(
            cluster.list(&local_queue, namespace, ""),
            cluster.list(&cluster_queue, "", ""),
            cluster.list(&flavor, "", ""),
            cluster.list::<KueueWorkload>(&workload, namespace, ""),
            async {
                match with_classes {
                    true => Some(priority_classes(cluster, api_version).await),
                    false => None,
                }
            },
        );
        let mut queues: Readable<Vec<ClusterQueue>> = readable(queues)?;
        // What was admitted a moment ago, the queue does not tell yet.
        if let (Readable::Known(queues), Ok(workloads)) = (&mut queues, workloads) {
            for queue in queues {
                queue.recount_with_some(&workloads);
            }
        }
        Ok(Self {
            local: readable(local)?,
            cluster: queues,
            flavors: readable(flavors)?,
            priority_classes: classes.transpose()?,
        })
    }

    fn none() -> Self {
        Self {
            local: Readable::Known(Vec::new()),
            cluster: Readable::Known(Vec::new()),
            flavors: Readable::Known(Vec::new()),
            priority_classes: None,
        }
    }
}
