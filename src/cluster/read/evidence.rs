//! Reads what a diagnosis is made from: only what the present state of a
//! workload makes worth asking for, and what may not be read is noted.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::api_versions::Served;
use super::facts;
use super::lookup::Found;
use super::{autoscaler, snapshot};
use crate::api::Readable;
use crate::api::kueue_workload::KueueWorkload;
use crate::api::kueue_workload::{PendingWorkload, QueueState};
use crate::api::resource::Resource;
use crate::api::selector::LabelSelector;
use crate::cluster::client::pages::{Pages, Selection};
use crate::cluster::client::request::readable;
use crate::cluster::{Cluster, ClusterError};
use crate::observe::Snapshot;
use crate::observe::status::farthest;
use crate::observe::why::{Evidence, KueueConfiguration, Log, Questions};

/// Where Kueue keeps its configuration, as its manifests and chart have it.
const KUEUE_NAMESPACE: &str = "kueue-system";
const KUEUE_CONFIGURATION: &str = "kueue-manager-config";
/// The key of that ConfigMap.
const KUEUE_CONFIGURATION_KEY: &str = "controller_manager_config.yaml";
/// Lines of a log that are read.
const LAST_LINES: usize = 4;

#[derive(Deserialize)]
struct Claim {
    #[serde(default)]
    status: ClaimStatus,
}

#[derive(Default, Deserialize)]
struct ClaimStatus {
    #[serde(default)]
    phase: String,
}

#[derive(Deserialize)]
struct ConfigMap {
    #[serde(default)]
    data: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    #[serde(default)]
    integrations: Integrations,
    managed_jobs_namespace_selector: Option<LabelSelector>,
}

#[derive(Default, Deserialize)]
struct Integrations {
    #[serde(default)]
    frameworks: Vec<String>,
}

/// Reads around a workload whatever tells why it stands as it does.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked. What may not be read is
/// left out.
pub async fn evidence(
    cluster: &Cluster,
    served: &Served,
    found: &Found,
    snapshot: Snapshot,
) -> Result<Evidence, ClusterError> {
    let questions = Questions::about(&snapshot);
    let finalizers = &found.object["metadata"]["finalizers"];
    let finalizers = finalizers.as_array().into_iter().flatten();
    let finalizers = finalizers
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    let mut evidence = Evidence {
        autoscaler: autoscaler::autoscaler_of(cluster, &snapshot.workload).await?,
        finalizers,
        now: Timestamp::now(),
        has_kueue: served.kueue.is_some(),
        facts: None,
        kueue: None,
        waiting: Vec::new(),
        neighbours: Vec::new(),
        occupation: None,
        events: Vec::new(),
        claims: BTreeMap::new(),
        last_words: Vec::new(),
        unseen: BTreeSet::new(),
        snapshot,
    };
    if questions.queues || questions.classes || questions.nodes {
        let namespace = evidence.namespace();
        let (classes, nodes) = (questions.classes, questions.nodes);
        let facts = facts::around(cluster, served, namespace, classes, nodes);
        evidence.facts = Some(facts.await?);
    }
    note_unseen(&mut evidence, &questions);
    if questions.queues {
        evidence.waiting = waiting(cluster, served, &evidence).await;
        let (neighbours, all_seen) = neighbours(cluster, served, &evidence).await?;
        evidence.neighbours = neighbours;
        if !all_seen {
            evidence.unseen.insert("other namespaces");
        }
    }
    if questions.classes {
        evidence.kueue = configuration(cluster).await?;
    }
    if questions.nodes {
        match facts::occupation(cluster).await? {
            Readable::Known(occupation) => evidence.occupation = Some(occupation),
            Readable::Forbidden => _ = evidence.unseen.insert("pods of other namespaces"),
        }
    }
    if questions.events {
        match snapshot::events(cluster, &evidence.snapshot, None).await? {
            Readable::Known(events) => evidence.events = events,
            Readable::Forbidden => _ = evidence.unseen.insert("events"),
        }
    }
    read_claims(cluster, questions.claims, &mut evidence).await?;
    if let Some(log) = questions.log {
        match last_words(cluster, evidence.namespace(), &log).await {
            Ok(lines) => evidence.last_words = lines,
            Err(error) if error.is_forbidden() => _ = evidence.unseen.insert("logs"),
            // A pod's log goes with its node.
            Err(_) => {}
        }
    }
    Ok(evidence)
}

/// Notes what may not be read of the workload and of what is around it.
fn note_unseen(evidence: &mut Evidence, questions: &Questions) {
    let Evidence {
        snapshot,
        facts,
        unseen,
        ..
    } = evidence;
    let mut note = |is_forbidden: bool, what| {
        if is_forbidden {
            unseen.insert(what);
        }
    };
    note(snapshot.pods == Readable::Forbidden, "pods");
    note(snapshot.queued == Readable::Forbidden, "Workloads");
    let Some(facts) = facts else {
        return;
    };
    if questions.queues {
        note(facts.local_queues == Readable::Forbidden, "LocalQueues");
        note(facts.cluster_queues == Readable::Forbidden, "ClusterQueues");
    }
    if questions.classes {
        let classes = facts.priority_classes.as_ref();
        note(
            classes == Some(&Readable::Forbidden),
            "WorkloadPriorityClasses",
        );
    }
    if questions.nodes {
        note(facts.nodes == Some(Readable::Forbidden), "nodes");
    }
}

/// Reads how the claims stand that the pods mount.
async fn read_claims(
    cluster: &Cluster,
    names: BTreeSet<String>,
    evidence: &mut Evidence,
) -> Result<(), ClusterError> {
    let resource = Resource::known("v1", "PersistentVolumeClaim");
    for name in names {
        let found = cluster.find::<Claim>(&resource, evidence.namespace(), &name);
        match readable(found.await)? {
            Readable::Known(claim) => {
                let phase = claim.map(|claim| claim.status.phase);
                evidence.claims.insert(name, phase);
            }
            Readable::Forbidden => _ = evidence.unseen.insert("PersistentVolumeClaims"),
        }
    }
    Ok(())
}

/// Reads who waits for the ClusterQueue, else who waits in the LocalQueue,
/// which is what Kueue's `batch-user` may see.
async fn waiting(cluster: &Cluster, served: &Served, evidence: &Evidence) -> Vec<PendingWorkload> {
    let Some(own) = farthest(evidence.snapshot.queued()) else {
        return Vec::new();
    };
    let local_queue = &own.spec.queue_name;
    let target = evidence
        .fact(|facts| Some(&facts.local_queues))
        .into_iter()
        .flatten()
        .find(|local| local.metadata.name == *local_queue)
        .map(|local| &local.spec.cluster_queue);
    if let Some(target) = target
        && let Some(all) = snapshot::pending_in_cluster_queue(cluster, served, target).await
    {
        return all;
    }
    let namespace = evidence.namespace();
    let own = snapshot::pending(cluster, served, namespace, local_queue).await;
    own.unwrap_or_default()
}

/// Reads the Workloads that compete with this one, in all namespaces where
/// that is allowed, and whether it is.
async fn neighbours(
    cluster: &Cluster,
    served: &Served,
    evidence: &Evidence,
) -> Result<(Vec<KueueWorkload>, bool), ClusterError> {
    let Some(kueue) = &served.kueue else {
        return Ok((Vec::new(), true));
    };
    let resource = Resource::known(kueue, "Workload");
    for (namespace, is_all) in [("", true), (evidence.namespace(), false)] {
        let mut found = Vec::new();
        let mut pages = Pages::new(cluster, &resource, namespace, &Selection::default());
        loop {
            match readable(pages.next::<KueueWorkload>().await)? {
                Readable::Known(Some(page)) => {
                    // What has ended stays for long and tells nothing.
                    let competes = |queued: &KueueWorkload| queued.state() != QueueState::Finished;
                    found.extend(page.into_iter().filter(competes));
                }
                Readable::Known(None) => return Ok((found, is_all)),
                Readable::Forbidden => break,
            }
        }
    }
    Ok((Vec::new(), false))
}

/// Reads what Kueue is told to manage; nothing where that cannot be read or
/// is kept elsewhere.
async fn configuration(cluster: &Cluster) -> Result<Option<KueueConfiguration>, ClusterError> {
    let resource = Resource::known("v1", "ConfigMap");
    let found = cluster
        .find::<ConfigMap>(&resource, KUEUE_NAMESPACE, KUEUE_CONFIGURATION)
        .await;
    let Readable::Known(Some(found)) = readable(found)? else {
        return Ok(None);
    };
    let text = found.data.get(KUEUE_CONFIGURATION_KEY);
    Ok(text.and_then(|text| parse_configuration(text)))
}

fn parse_configuration(text: &str) -> Option<KueueConfiguration> {
    let path = std::path::Path::new(KUEUE_CONFIGURATION_KEY);
    let documents = crate::yaml::parse_documents(path, text).ok()?;
    let read = Configuration::deserialize(documents.first()?).ok()?;
    Some(KueueConfiguration {
        frameworks: read.integrations.frameworks,
        namespaces: read.managed_jobs_namespace_selector,
    })
}

/// Reads the end of a container's log.
async fn last_words(
    cluster: &Cluster,
    namespace: &str,
    log: &Log,
) -> Result<Vec<String>, ClusterError> {
    let Log {
        pod,
        container,
        previous,
    } = log;
    let path = format!(
        "/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}&tailLines={LAST_LINES}&limitBytes=4096&previous={previous}"
    );
    let text = cluster.get_text(&path).await?;
    Ok(text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kueues_configuration_is_read() {
        let text = "apiVersion: config.kueue.x-k8s.io/v1beta2\nkind: Configuration\nintegrations:\n  frameworks:\n  - batch/job\nmanagedJobsNamespaceSelector:\n  matchLabels: {team: ml}\n";
        let read = parse_configuration(text).unwrap();
        assert_eq!(read.frameworks, ["batch/job"]);
        let labels = BTreeMap::from([("team".to_owned(), "ml".to_owned())]);
        assert!(read.namespaces.unwrap().matches(&labels));
        assert_eq!(parse_configuration(": ["), None);
    }
}
