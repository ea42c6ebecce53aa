//! Reads what a diagnosis is made from: only what the present state of a
//! workload makes worth asking for, and what may not be read is noted.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::api_versions::Served;
use super::facts;
use super::kueue::{queues, workloads};
use super::lookup::Found;
use super::{autoscaler, endpoint, snapshot};
use crate::api::Readable;
use crate::api::claim::{self, Sharing};
use crate::api::kueue_workload::KueueWorkload;
use crate::api::kueue_workload::{PendingWorkload, QueueState};
use crate::api::metadata::Named;
use crate::api::resource::Resource;
use crate::cluster::client::request::readable;
use crate::cluster::{Cluster, ClusterError};
use crate::observe::Snapshot;
use crate::observe::status::farthest;
use crate::observe::upstream::output;
use crate::observe::why::{ClaimState, Evidence, EvidenceReads, Log};
use crate::plan::PlanReads;

/// Lines of a log that are read, and of them those that are shown at most.
const LAST_LINES: usize = 50;
const SHOWN_LINES: usize = 4;

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
    let questions = EvidenceReads::about(&snapshot);
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
        claims: BTreeMap::new(),
        removed_nodes: BTreeSet::new(),
        pending_addresses: Vec::new(),
        last_words: Vec::new(),
        unseen: BTreeSet::new(),
        snapshot,
    };
    if questions.queues || questions.classes || questions.nodes {
        let namespace = evidence.namespace();
        let more = PlanReads {
            nodes: questions.nodes,
            topologies: questions.topologies && served.kueue.is_some(),
            ..PlanReads::default()
        };
        let facts = facts::around(cluster, served, namespace, questions.classes, more);
        evidence.facts = Some(facts.await?);
    }
    note_unseen(&mut evidence, &questions);
    if questions.queues {
        evidence.waiting = waiting(cluster, served, &evidence).await;
        let (neighbours, all_seen) = neighbours(cluster, served, evidence.namespace()).await?;
        evidence.neighbours = neighbours;
        match all_seen {
            true => recount(&mut evidence),
            false => _ = evidence.unseen.insert("other namespaces"),
        }
    }
    if questions.configuration {
        evidence.kueue = queues::configuration(cluster).await?;
    }
    if questions.nodes {
        match facts::occupation(cluster).await? {
            Readable::Known(occupation) => evidence.occupation = Some(occupation),
            Readable::Forbidden => _ = evidence.unseen.insert("pods of other namespaces"),
        }
    }
    read_claims(cluster, questions.claims, &mut evidence).await?;
    read_lost_nodes(cluster, questions.lost_nodes, &mut evidence).await?;
    if questions.addresses {
        evidence.pending_addresses = pending_addresses(cluster, &evidence).await;
    }
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
fn note_unseen(evidence: &mut Evidence, questions: &EvidenceReads) {
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
    note(snapshot.events == Readable::Forbidden, "events");
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
    if questions.topologies {
        note(facts.topologies == Some(Readable::Forbidden), "Topologies");
    }
}

/// Has what the queues hold counted from the Workloads themselves.
fn recount(evidence: &mut Evidence) {
    let queues = evidence
        .facts
        .as_mut()
        .map(|facts| &mut facts.cluster_queues);
    if let Some(Readable::Known(queues)) = queues {
        for queue in queues {
            queue.recount(&evidence.neighbours);
        }
    }
}

/// Reads which addresses nobody has given yet. Whoever may not read Services does
/// without.
async fn pending_addresses(cluster: &Cluster, evidence: &Evidence) -> Vec<String> {
    let endpoint = endpoint::endpoint_of(cluster, &evidence.snapshot.workload).await;
    endpoint.map_or(Vec::new(), |endpoint| endpoint.pending)
}

/// Reads how the claims stand that the pods mount.
async fn read_claims(
    cluster: &Cluster,
    names: BTreeSet<String>,
    evidence: &mut Evidence,
) -> Result<(), ClusterError> {
    let resource = Resource::known("v1", "PersistentVolumeClaim");
    for name in names {
        let found = cluster.find::<claim::Claim>(&resource, evidence.namespace(), &name);
        let Readable::Known(found) = readable(found.await)? else {
            evidence.unseen.insert("PersistentVolumeClaims");
            continue;
        };
        let claim = match found {
            Some(found) => Some(ClaimState {
                is_of_one_pod: found.sharing() == Sharing::OnePod,
                is_bound: found.status.phase == "Bound",
                lacks_class: found.status.phase != "Bound"
                    && lacks_class(cluster, found.spec.storage_class_name.as_deref()).await?,
                class: found
                    .spec
                    .storage_class_name
                    .filter(|class| !class.is_empty()),
            }),
            None => None,
        };
        evidence.claims.insert(name, claim);
    }
    Ok(())
}

/// Reads which of these nodes were removed from the cluster.
async fn read_lost_nodes(
    cluster: &Cluster,
    names: BTreeSet<String>,
    evidence: &mut Evidence,
) -> Result<(), ClusterError> {
    let resource = Resource::known("v1", "Node");
    for name in names {
        let found = cluster.find::<Named>(&resource, "", &name);
        match readable(found.await)? {
            Readable::Known(Some(_)) => {}
            Readable::Known(None) => _ = evidence.removed_nodes.insert(name),
            Readable::Forbidden => _ = evidence.unseen.insert("nodes"),
        }
    }
    Ok(())
}

/// Returns whether a StorageClass is known to be missing.
async fn lacks_class(cluster: &Cluster, class: Option<&str>) -> Result<bool, ClusterError> {
    let Some(class) = class.filter(|class| !class.is_empty()) else {
        return Ok(false);
    };
    let resource = Resource::known("storage.k8s.io/v1", "StorageClass");
    let found = cluster.find::<Named>(&resource, "", class).await;
    Ok(readable(found)? == Readable::Known(None))
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

/// Reads the Workloads that have not ended, in all namespaces where that is allowed,
/// else in this one, and whether it is.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn neighbours(
    cluster: &Cluster,
    served: &Served,
    namespace: &str,
) -> Result<(Vec<KueueWorkload>, bool), ClusterError> {
    let Some(kueue) = &served.kueue else {
        return Ok((Vec::new(), true));
    };
    for (namespace, is_all) in [("", true), (namespace, false)] {
        let mut found = Vec::new();
        let mut pages = workloads::all(cluster, kueue, namespace);
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
        "/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}&tailLines={LAST_LINES}&limitBytes=65536&previous={previous}"
    );
    let text = cluster.get_text(&path).await?;
    Ok(output::telling(&text, SHOWN_LINES))
}
