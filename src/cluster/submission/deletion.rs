//! Deletes workloads, with what was made for them.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use serde_json::Value;

use super::kept_claim::KeptClaim;
use super::leftover::{self, Leftover};
use crate::api::Readable;
use crate::api::keys;
use crate::api::kueue_workload::QueuedObject;
use crate::api::metadata::Metadata;
use crate::api::pod::Pod;
use crate::api::resource::Resource;
use crate::api::workload::Workload;
use crate::change::companions::COMPANIONS;
use crate::change::existing::resource;
use crate::change::metadata::{annotation_of, owners, uid_of};
use crate::cluster::client::pages::{Pages, Selection};
use crate::cluster::client::request::readable;
use crate::cluster::objects::in_turns;
use crate::cluster::read::api_versions::Served;
use crate::cluster::read::dependents;
use crate::cluster::read::lookup::{self, Found};
use crate::cluster::{Cluster, ClusterError};
use crate::kind::WorkloadKind;
use crate::observe::kind::rules;

/// Pods of an array that are read to tell whether some are left.
const FEW: usize = 20;

/// A workload that is to go, and what concerns.
#[derive(Debug, Clone)]
pub struct Doomed {
    pub workload: Workload,
    /// What goes with it, because it was made for it.
    pub with: Vec<Companion>,
    /// `kind/name` of what was made for it and stays.
    pub kept: Vec<String>,
    /// Claims that are kept otherwise, and go as well.
    pub storage: Vec<KeptClaim>,
    /// Whether its pods have claims that go with them.
    pub has_scratch_claims: bool,
    /// What stands between it and its pods, by which these are told when it is
    /// gone: the Jobs of a CronJob. Known when it is deleted.
    parts: Vec<Metadata>,
}

/// An object that was made for a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Companion {
    /// Its kind.
    pub resource: Resource,
    pub name: String,
    uid: String,
    /// Whether the workload owns it, so that it goes by itself. Otherwise the
    /// run that made it died before it was done.
    is_owned: bool,
}

impl Doomed {
    /// Returns `job.batch/x`, as kubectl prints it.
    pub fn qualified_name(&self) -> String {
        self.workload.qualified_name()
    }

    /// Has a claim that was made for it go as well, in the place of staying.
    pub fn take(&mut self, claim: KeptClaim) {
        self.kept.retain(|kept| *kept != claim.display_name());
        self.storage.push(claim);
    }

    fn resource(&self) -> Resource {
        resource(self.workload.kind, &self.workload.api_version)
    }
}

/// Lists the workloads of kaiwo that `selector` selects, all if it is empty, and
/// the kinds that may not be listed.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn selected(
    cluster: &Cluster,
    served: &Served,
    namespace: &str,
    selector: &str,
) -> Result<(Vec<Found>, Vec<WorkloadKind>), ClusterError> {
    let mut labels = format!("{}={}", keys::APP_MANAGED_BY_LABEL, keys::MANAGER);
    if !selector.is_empty() {
        labels += &format!(",{selector}");
    }
    let selection = Selection::labels(labels);
    let (mut found, mut hidden) = (Vec::new(), Vec::new());
    for kind in WorkloadKind::ALL {
        let Some(version) = served.version(kind) else {
            continue;
        };
        let resource = resource(kind, version);
        let mut pages = Pages::new(cluster, &resource, namespace, &selection);
        loop {
            let page: Vec<Value> = match pages.next().await {
                Ok(Some(page)) => page,
                Ok(None) => break,
                // It was served a moment ago.
                Err(error) if error.is_not_found() => break,
                Err(error) if error.is_forbidden() => {
                    hidden.push(kind);
                    break;
                }
                Err(error) => return Err(error),
            };
            for object in page {
                let workload = Workload::read(kind, version, &object).map_err(|error| {
                    ClusterError::Answer {
                        request: format!("GET {}", resource.collection_path(namespace)),
                        source: kube::Error::SerdeError(error),
                    }
                })?;
                // Jobs of a CronJob, for instance, go with it.
                if workload.metadata.owner_references.is_empty() {
                    found.push(Found { workload, object });
                }
            }
        }
    }
    Ok((found, hidden))
}

/// Finds out what goes with workloads of one namespace; of what other runs have
/// left under their names, what `takes` says.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked. What may not be listed is
/// left out.
pub async fn with_companions(
    cluster: &Cluster,
    found: Vec<Found>,
    takes: impl Fn(&Leftover) -> bool,
) -> Result<Vec<Doomed>, ClusterError> {
    let Some(first) = found.first() else {
        return Ok(Vec::new());
    };
    let namespace = first.workload.metadata.namespace.clone();
    let mut labels = format!("{}={}", keys::APP_MANAGED_BY_LABEL, keys::MANAGER);
    if let [only] = &found[..] {
        let name = &only.workload.metadata.name;
        labels += &format!(",{}={name}", keys::APP_INSTANCE_LABEL);
    }
    let kinds = COMPANIONS
        .into_iter()
        .chain([("v1", "ConfigMap"), ("v1", "PersistentVolumeClaim")])
        .map(|(api_version, kind)| Resource::known(api_version, kind));
    let listed = join_all(kinds.map(async |resource| {
        let listed = cluster.list_metadata::<Value>(&resource, &namespace, &labels);
        readable(listed.await).map(|listed| (resource, listed))
    }));
    let secrets = join_all(found.iter().map(|one| own_secrets(cluster, &one.object)));
    let (mut listed, secrets) = tokio::join!(listed, secrets);
    let secrets: Result<Vec<_>, ClusterError> = secrets.into_iter().collect();
    let secrets = secrets?.into_iter().flatten().collect();
    listed.push(Ok((
        Resource::known("v1", "Secret"),
        Readable::Known(secrets),
    )));
    let mut by_instance: BTreeMap<String, Vec<(Resource, Value)>> = BTreeMap::new();
    for listed in listed {
        let (resource, Readable::Known(objects)) = listed? else {
            continue;
        };
        for object in objects {
            let instance = object["metadata"]["labels"][keys::APP_INSTANCE_LABEL].as_str();
            let instance = instance.unwrap_or_default().to_owned();
            let all = by_instance.entry(instance).or_default();
            all.push((resource.clone(), object));
        }
    }
    let mut left = Vec::new();
    for one in &found {
        let objects = by_instance.get(&one.workload.metadata.name);
        let of_others = |leftover: &Leftover| Some(leftover.run()) != run(&one.object);
        let objects = objects.into_iter().flatten();
        let all = objects.filter_map(|(resource, object)| Leftover::new(resource, object));
        left.extend(all.filter(|leftover| of_others(leftover) && takes(leftover)));
    }
    if !left.is_empty() {
        left = leftover::without_living(cluster, &namespace, left).await?;
    }
    let doom = |found: Found| {
        let all = by_instance.get(&found.workload.metadata.name);
        doomed(found, all.map_or(&[], Vec::as_slice), &left)
    };
    Ok(found.into_iter().map(doom).collect())
}

/// Reads the metadata of the Secrets that a workload's pods name and kaiwo made for it.
/// Only these are asked for: who may not read Secrets has none.
async fn own_secrets(cluster: &Cluster, object: &Value) -> Result<Vec<Value>, ClusterError> {
    let text = |place: &str| object["metadata"][place].as_str().unwrap_or_default();
    let prefix = format!("{}-", text("name"));
    let names = secret_names(object).into_iter();
    let names = names.filter(|name| name.starts_with(&prefix));
    let resource = Resource::known("v1", "Secret");
    let read = names.map(async |name| {
        let read = cluster.find_metadata::<Value>(&resource, text("namespace"), &name);
        Ok::<_, ClusterError>(readable(read.await)?.known().cloned().flatten())
    });
    let read: Result<Vec<_>, ClusterError> = join_all(read).await.into_iter().collect();
    let of_kaiwo =
        |secret: &Value| secret["metadata"]["labels"][keys::APP_MANAGED_BY_LABEL] == keys::MANAGER;
    Ok(read?.into_iter().flatten().filter(of_kaiwo).collect())
}

/// Returns the Secrets whose keys are variables of pods.
fn secret_names(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("secretKeyRef");
            let own = own.and_then(|it| it["name"].as_str()).map(str::to_owned);
            let below = fields.values().flat_map(secret_names);
            own.into_iter().chain(below).collect()
        }
        Value::Array(items) => items.iter().flat_map(secret_names).collect(),
        _ => BTreeSet::new(),
    }
}

/// Returns the run that made an object.
fn run(object: &Value) -> Option<&str> {
    annotation_of(object, keys::SUBMISSION_ANNOTATION)
}

/// Sorts what has a workload's name by what becomes of it.
fn doomed(found: Found, objects: &[(Resource, Value)], left: &[Leftover]) -> Doomed {
    let Found { workload, object } = found;
    let submission = run(&object);
    let (mut with, mut kept) = (Vec::new(), Vec::new());
    for (resource, object) in objects {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let is_owned = owners(object).any(|uid| uid == workload.metadata.uid);
        let is_of_its_run =
            submission.is_some() && run(object) == submission && owners(object).next().is_none();
        let is_left = left
            .iter()
            .any(|leftover| Some(leftover.uid()) == uid_of(object));
        if resource.kind == "PersistentVolumeClaim" && !is_owned {
            kept.push(format!("persistentvolumeclaim/{name}"));
        } else if is_owned || is_of_its_run || is_left {
            with.push(Companion {
                resource: resource.clone(),
                name: name.to_owned(),
                uid: uid_of(object).unwrap_or_default().to_owned(),
                is_owned,
            });
        }
    }
    Doomed {
        has_scratch_claims: has_ephemeral_volumes(&object),
        parts: Vec::new(),
        storage: Vec::new(),
        workload,
        with,
        kept,
    }
}

/// Returns whether pods of this object have claims that live as long as they.
fn has_ephemeral_volumes(object: &Value) -> bool {
    match object {
        Value::Object(fields) => fields.iter().any(|(name, value)| {
            let is_one = |volume: &Value| volume.get("ephemeral").is_some();
            let here = name == "volumes" && value.as_array().is_some_and(|v| v.iter().any(is_one));
            here || has_ephemeral_volumes(value)
        }),
        Value::Array(items) => items.iter().any(has_ephemeral_volumes),
        _ => false,
    }
}

/// Deletes a workload and what it does not own of its own. Gone already is as
/// good.
///
/// # Errors
/// [`ClusterError`]; a conflict if another workload has the name now.
pub async fn delete(
    cluster: &Cluster,
    served: &Served,
    doomed: &mut Doomed,
) -> Result<(), ClusterError> {
    let parts = dependents::dependents_of(cluster, served, &doomed.workload).await;
    // Who may not see them waits for less.
    doomed.parts = parts.unwrap_or_default().metadata;
    let metadata = &doomed.workload.metadata;
    let namespace = &metadata.namespace;
    let stands_for = doomed.workload.stands_for.as_ref();
    if let Some(object) = stands_for {
        delete_queued(cluster, namespace, object).await?;
    }
    // Kueue keeps the deleted pods of a group, for others to replace them, as long as
    // their Workload exists (v0.19).
    if stands_for.is_none_or(|object| object.whole().is_none()) {
        let resource = doomed.resource();
        cluster
            .delete(&resource, namespace, &metadata.name, &metadata.uid)
            .await?;
    }
    let orphans = doomed.with.iter().filter(|companion| !companion.is_owned);
    let deleted = join_all(orphans.map(async |orphan| {
        cluster
            .delete(&orphan.resource, namespace, &orphan.name, &orphan.uid)
            .await
    }));
    deleted.await.into_iter().collect::<Result<(), _>>()?;
    let claims = doomed.storage.iter();
    let deleted = join_all(claims.map(|claim| claim.delete(cluster, namespace)));
    deleted.await.into_iter().collect()
}

/// Deletes the object that a Workload of Kueue's stands for, with which the Workload
/// goes, or the pods of a group.
async fn delete_queued(
    cluster: &Cluster,
    namespace: &str,
    object: &QueuedObject,
) -> Result<(), ClusterError> {
    let Some(first) = object.objects.first() else {
        return Ok(());
    };
    let served = cluster.served_kind(&first.api_version, &first.kind).await?;
    let Some(served) = served else {
        let kind = first.kind.clone();
        return Err(ClusterError::NotServed { kind });
    };
    let resource = Resource {
        api_version: first.api_version.clone(),
        kind: first.kind.clone(),
        plural: served.name,
        namespaced: served.namespaced,
    };
    // All are of one kind.
    let deleted = in_turns(object.objects.iter().map(async |part| {
        cluster
            .delete(&resource, namespace, &part.name, &part.uid)
            .await
    }));
    deleted.await.into_iter().collect()
}

/// Returns what is left of a workload that was deleted: itself, or its pods,
/// which hold their GPUs until they have ended. Pods that may not be listed
/// count as gone.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn left(
    cluster: &Cluster,
    served: &Served,
    doomed: &Doomed,
) -> Result<Option<String>, ClusterError> {
    let workload = &doomed.workload;
    let metadata = &workload.metadata;
    let now = lookup::read(
        cluster,
        served,
        &metadata.namespace,
        workload.kind,
        &metadata.name,
    );
    let is_it = |found: &Found| found.workload.metadata.uid == metadata.uid;
    if now.await?.as_ref().is_some_and(is_it) {
        return Ok(Some(workload.object_name()));
    }
    if let Some(part) = dependents::dependents_of(cluster, served, workload)
        .await?
        .metadata
        .first()
    {
        let kind = match workload.kind {
            WorkloadKind::InferenceSet => "workspace",
            _ => "job",
        };
        return Ok(Some(format!("{kind}/{}", part.name)));
    }
    if let Some(pod) = pods(cluster, doomed).await?.first() {
        return Ok(Some(format!("pod/{}", pod.metadata.name)));
    }
    for claim in &doomed.storage {
        if claim.is_there(cluster, &metadata.namespace).await? {
            return Ok(Some(claim.display_name()));
        }
    }
    Ok(None)
}

/// Returns the pods that are left of a workload, as far as they may be listed.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn pods(cluster: &Cluster, doomed: &Doomed) -> Result<Vec<Pod>, ClusterError> {
    let workload = &doomed.workload;
    let namespace = &workload.metadata.namespace;
    let resource = Resource::known("v1", "Pod");
    let mut found = Vec::new();
    for labels in rules(workload).pod_labels(&doomed.parts) {
        let selection = Selection::labels(labels.selector());
        // Of those of an array a few tell that some are left.
        let listed = async {
            match workload.is_array() {
                true => {
                    let mut pages =
                        Pages::with_size(FEW, cluster, &resource, namespace, &selection);
                    Ok(pages.next::<Pod>().await?.unwrap_or_default())
                }
                false => {
                    cluster
                        .list_selected::<Pod>(&resource, namespace, &selection)
                        .await
                }
            }
        };
        if let Readable::Known(pods) = readable(listed.await)? {
            found.extend(pods.into_iter().filter(|pod| rules(workload).owns(pod)));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_made_for_it_goes_and_what_others_made_stays() {
        let object = json!({
            "metadata": {"name": "x", "uid": "u", "annotations": {keys::SUBMISSION_ANNOTATION: "run"}},
            "spec": {"template": {"spec": {"volumes": [{"name": "scratch", "ephemeral": {}}]}}},
        });
        let workload = Workload::read(WorkloadKind::Job, "batch/v1", &object).unwrap();
        let of = |kind: &str, metadata: Value| {
            (Resource::known("v1", kind), json!({"metadata": metadata}))
        };
        let run = |run: &str| json!({keys::SUBMISSION_ANNOTATION: run});
        let objects = [
            of(
                "ConfigMap",
                json!({"name": "owned", "ownerReferences": [{"uid": "u"}]}),
            ),
            of(
                "ConfigMap",
                json!({"name": "orphan", "annotations": run("run")}),
            ),
            of(
                "ConfigMap",
                json!({"name": "another-run", "annotations": run("other")}),
            ),
            of(
                "Service",
                json!({"name": "anothers", "annotations": run("run"), "ownerReferences": [{"uid": "v"}]}),
            ),
            of(
                "PersistentVolumeClaim",
                json!({"name": "x-scratch", "annotations": run("run")}),
            ),
        ];
        let doomed = doomed(Found { workload, object }, &objects, &[]);
        let with: Vec<(&str, bool)> = doomed
            .with
            .iter()
            .map(|companion| (companion.name.as_str(), companion.is_owned))
            .collect();
        assert_eq!(with, [("owned", true), ("orphan", false)]);
        assert_eq!(doomed.kept, ["persistentvolumeclaim/x-scratch"]);
        assert!(doomed.has_scratch_claims);
        assert!(!has_ephemeral_volumes(
            &json!({"volumes": [{"name": "a", "emptyDir": {}}]})
        ));
    }
}
