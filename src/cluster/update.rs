//! Brings a service that is there up to date, in place: its pods are replaced
//! by the controller, in the order that keeps it answering.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::Value;

use super::companion::{annotation_of, owners, uid_of};
use super::existing::Existing;
use super::request::Write;
use super::submission::{Submission, SubmissionError, failed};
use crate::k8s::{self, Resource};
use crate::render::manifest::Manifest;

/// Attempts at an update that others get ahead of: controllers write to the
/// object, too.
const ATTEMPTS: usize = 5;

impl<'a> Submission<'a> {
    /// Makes the workload what the manifests say, with the uploads it now
    /// needs, and removes those that nothing refers to any more.
    ///
    /// # Errors
    /// [`SubmissionError`] for the first object that could not be made or
    /// changed.
    pub async fn update(&self, old: &Existing) -> Result<(), SubmissionError> {
        let set = self.manifests;
        let first = set.local_queue.iter().chain(&set.uploads);
        for made in join_all(first.map(|manifest| self.create_companion(manifest))).await {
            made?;
        }
        for companion in &set.companions {
            self.apply_companion(companion, old).await?;
        }
        // From here on the workload may refer to what this run has made, even
        // if no answer says so.
        let attempts = self.attempts.take();
        if let Err(error) = self.replace(old).await {
            if error.was_answered() {
                *self.attempts.borrow_mut() = attempts;
            }
            return Err(error);
        }
        for owned in join_all(set.owned().map(|owned| self.give_owner(owned, old.uid()))).await {
            owned?;
        }
        self.remove_stale(old).await
    }

    /// Creates what goes with the workload, or changes it.
    async fn apply_companion(
        &self,
        companion: &'a Manifest,
        old: &Existing,
    ) -> Result<(), SubmissionError> {
        let Some(found) = self.find(companion).await? else {
            return self.create_companion(companion).await;
        };
        let label = |key: &str| found["metadata"]["labels"][key].as_str();
        let own = owners(&found).any(|uid| uid == old.uid())
            || (owners(&found).next().is_none()
                && label(k8s::APP_MANAGED_BY_LABEL) == Some(k8s::MANAGER)
                && label(k8s::APP_INSTANCE_LABEL) == Some(self.manifests.workload.name()));
        if !own {
            return Err(SubmissionError::Occupied {
                object: companion.display_name(),
                namespace: companion.namespace().to_owned(),
            });
        }
        match self.cluster.patch(companion, companion.value()).await {
            Ok(_) => Ok(()),
            Err(source) => Err(failed("change", companion, source)),
        }
    }

    /// Puts the new specification into the object there is.
    async fn replace(&self, old: &Existing) -> Result<(), SubmissionError> {
        let workload = &self.manifests.workload;
        let mut live = old.object().clone();
        for attempt in 1.. {
            let body = merged(workload, live);
            match self.cluster.replace(workload, &body, Write::Real).await {
                Ok(_) => break,
                Err(error) if error.is_conflict() && attempt < ATTEMPTS => {}
                Err(source) => return Err(failed("change", workload, source)),
            }
            live = match self.find(workload).await? {
                Some(found) if uid_of(&found) == Some(old.uid()) => found,
                // It went while it was looked at; the next run makes it anew.
                _ => {
                    return Err(SubmissionError::Vanished {
                        object: workload.display_name(),
                    });
                }
            };
        }
        Ok(())
    }

    /// Removes what an earlier version had and this one has not: Services, and
    /// uploads unless a pod, or what makes pods, still refers to them. Who may
    /// not look does without.
    async fn remove_stale(&self, old: &Existing) -> Result<(), SubmissionError> {
        let workload = &self.manifests.workload;
        let current: BTreeSet<&str> = self.manifests.owned().map(Manifest::name).collect();
        let instance = format!("{}={}", k8s::APP_INSTANCE_LABEL, workload.name());
        let mut referring: Option<Vec<String>> = None;
        for (kind, selector) in [
            ("Service", instance.clone()),
            (
                "ConfigMap",
                format!("{instance},{}=upload", k8s::APP_COMPONENT_LABEL),
            ),
        ] {
            let resource = known("v1", kind);
            let Some(found) = self.list_if_allowed(&resource, &selector).await? else {
                continue;
            };
            for object in found {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                let stale = !current.contains(name)
                    && owners(&object).any(|uid| uid == old.uid())
                    && annotation_of(&object, k8s::DIGEST_ANNOTATION).is_some();
                if !stale {
                    continue;
                }
                if kind == "ConfigMap" {
                    if referring.is_none() {
                        referring = Some(self.referring(&instance).await?);
                    }
                    let name = format!("\"{name}\"");
                    if referring.iter().flatten().any(|text| text.contains(&name)) {
                        continue;
                    }
                }
                let uid = uid_of(&object).unwrap_or_default();
                let deleted = self
                    .cluster
                    .delete(&resource, workload.namespace(), name, uid)
                    .await;
                match deleted {
                    Err(source) if !source.is_forbidden() => {
                        return Err(failed("remove what is left of", workload, source));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Returns, as text, everything that may refer to an upload of the
    /// workload: its pods, the ReplicaSets that a rollback would return to, and
    /// the clusters of Ray.
    async fn referring(&self, instance: &str) -> Result<Vec<String>, SubmissionError> {
        let workload = &self.manifests.workload;
        let ray = format!("ray.io/originated-from-cr-name={}", workload.name());
        let mut texts = Vec::new();
        for (resource, selector) in [
            (known("v1", "Pod"), instance),
            (known("apps/v1", "ReplicaSet"), instance),
            (known("ray.io/v1", "RayCluster"), ray.as_str()),
        ] {
            let ray = resource.kind == "RayCluster";
            if ray && workload.kind() != "RayService" {
                continue;
            }
            match self.list_if_allowed(&resource, selector).await? {
                Some(found) => texts.extend(found.iter().map(Value::to_string)),
                // Without looking, everything may be in use.
                None => texts.extend(self.all_uploads(instance).await?),
            }
        }
        Ok(texts)
    }

    async fn all_uploads(&self, instance: &str) -> Result<Vec<String>, SubmissionError> {
        let found = self
            .list_if_allowed(&known("v1", "ConfigMap"), instance)
            .await?;
        Ok(found
            .into_iter()
            .flatten()
            .map(|map| map.to_string())
            .collect())
    }

    async fn list_if_allowed(
        &self,
        resource: &Resource,
        selector: &str,
    ) -> Result<Option<Vec<Value>>, SubmissionError> {
        let workload = &self.manifests.workload;
        let listed = self
            .cluster
            .list::<Value>(resource, workload.namespace(), selector)
            .await;
        match listed {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_forbidden() || error.is_not_found() => Ok(None),
            Err(source) => Err(failed("see what belongs to", workload, source)),
        }
    }
}

/// Returns the object as it shall be: what kaiwo writes, in what the cluster
/// has. Labels and annotations of others stay, and so does what Kueue has
/// written into a RayService (`spec.rayClusterConfig.suspend`, v0.18).
fn merged(manifest: &Manifest, mut live: Value) -> Value {
    const SUSPEND: &str = "/spec/rayClusterConfig/suspend";
    let new = manifest.value();
    let suspend = live.pointer(SUSPEND).cloned();
    live["spec"] = new["spec"].clone();
    if let (Some(suspend), Some(Value::Object(cluster))) =
        (suspend, live.pointer_mut("/spec/rayClusterConfig"))
    {
        cluster.insert("suspend".to_owned(), suspend);
    }
    for field in ["labels", "annotations"] {
        let Some(pairs) = new["metadata"][field].as_object() else {
            continue;
        };
        match &mut live["metadata"][field] {
            Value::Object(there) => there.extend(pairs.clone()),
            missing => *missing = Value::Object(pairs.clone()),
        }
    }
    if let Some(metadata) = live["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    if let Some(object) = live.as_object_mut() {
        object.remove("status");
    }
    live
}

/// Every kind asked for here is in the table of [`Resource::of`].
fn known(api_version: &str, kind: &str) -> Resource {
    Resource::of(api_version, kind).unwrap_or_else(|| unreachable!("no paths are known for {kind}"))
}

/// Fields that the API server never fills in by itself: where kaiwo no longer
/// writes one of these, it goes.
const WRITTEN_BY_USERS: [&str; 9] = [
    "command",
    "imagePullSecrets",
    "livenessProbe",
    "nodeSelector",
    "ports",
    "readinessProbe",
    "serviceAccountName",
    "startupProbe",
    "workingDir",
];

/// What an update changes in one place of the specification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The place, as a path.
    pub path: String,
    /// What happens there: `1 → 2`, `added`, `removed`, `changed`.
    pub what: String,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

/// Compares what kaiwo would write with what is there. Fields that the API
/// server has filled in by itself do not count; values of variables are not
/// shown, because some of them are secrets.
pub fn changes(manifest: &Manifest, live: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare(&manifest.value()["spec"], &live["spec"], "spec", &mut found);
    found
}

fn compare(new: &Value, old: &Value, path: &str, found: &mut Vec<Change>) {
    let mut say = |path: &str, what: String| {
        found.push(Change {
            path: path.to_owned(),
            what,
        });
    };
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            for key in WRITTEN_BY_USERS {
                if old.contains_key(key) && !new.contains_key(key) {
                    say(&format!("{path}.{key}"), "removed".to_owned());
                }
            }
            for (key, new) in new {
                let path = format!("{path}.{key}");
                match old.get(key) {
                    Some(old) => compare(new, old, &path, found),
                    None if is_empty(new) => {}
                    None => found.push(Change {
                        path,
                        what: "added".to_owned(),
                    }),
                }
            }
        }
        (Value::Array(new), Value::Array(old)) if named(new) && named(old) => {
            let name = |item: &Value| item["name"].as_str().unwrap_or_default().to_owned();
            for item in new {
                let path = format!("{path}[{}]", name(item));
                match old.iter().find(|other| name(other) == name(item)) {
                    Some(other) => compare(item, other, &path, found),
                    None => found.push(Change {
                        path,
                        what: "added".to_owned(),
                    }),
                }
            }
            for item in old {
                if !new.iter().any(|other| name(other) == name(item)) {
                    found.push(Change {
                        path: format!("{path}[{}]", name(item)),
                        what: "removed".to_owned(),
                    });
                }
            }
        }
        (Value::Array(new), Value::Array(old)) if new.len() == old.len() => {
            for (index, (new, old)) in new.iter().zip(old).enumerate() {
                compare(new, old, &format!("{path}[{index}]"), found);
            }
        }
        (new, old) if text(new) == text(old) => {}
        (Value::Array(_) | Value::Object(_), _) => say(path, "changed".to_owned()),
        _ if path.contains(".env[") || path.ends_with("serveConfigV2") => {
            say(path.trim_end_matches(".value"), "changed".to_owned());
        }
        (new, old) => say(path, format!("{} → {}", text(old), text(new))),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn named(items: &[Value]) -> bool {
    items.iter().all(|item| item["name"].is_string())
}

/// A quantity may be written as a number, and comes back as a text.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn manifest(spec: Value) -> Manifest {
        Manifest::new(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "a", "labels": {"team": "ml"}},
            "spec": spec,
        }))
        .unwrap()
    }

    #[test]
    fn changes_are_told_by_their_paths() {
        let container = |image: &str, gpus: Value, token: &str| {
            json!({"name": "main", "image": image, "env": [{"name": "T", "value": token}],
                   "resources": {"limits": {"amd.com/gpu": gpus}}})
        };
        let live = json!({"spec": {"replicas": 1, "revisionHistoryLimit": 10, "template": {"spec": {
            "containers": [container("a:1", json!("1"), "x"), {"name": "old"}], "dnsPolicy": "ClusterFirst",
            "serviceAccountName": "robot",
        }}}});
        let new = manifest(json!({"replicas": 2, "template": {"spec": {
            "containers": [container("a:2", json!(1), "y")], "nodeSelector": {"a": "b"}, "tolerations": [],
        }}}));
        let told: Vec<String> = changes(&new, &live).iter().map(Change::to_string).collect();
        assert_eq!(
            told,
            [
                "spec.replicas: 1 → 2",
                "spec.template.spec.serviceAccountName: removed",
                "spec.template.spec.containers[main].env[T]: changed",
                "spec.template.spec.containers[main].image: a:1 → a:2",
                "spec.template.spec.containers[old]: removed",
                "spec.template.spec.nodeSelector: added",
            ]
        );
        assert_eq!(changes(&new, new.value()), []);
    }

    #[test]
    fn what_others_wrote_stays() {
        let live = json!({
            "metadata": {"uid": "u", "resourceVersion": "7", "labels": {"team": "x", "kueue.x-k8s.io/x": "y"},
                         "annotations": {"deployment.kubernetes.io/revision": "3"}, "managedFields": []},
            "spec": {"replicas": 1, "paused": true, "rayClusterConfig": {"suspend": false}}, "status": {"replicas": 1},
        });
        let spec = json!({"replicas": 2, "rayClusterConfig": {"rayVersion": "2"}});
        assert_eq!(
            merged(&manifest(spec), live),
            json!({
                "metadata": {"uid": "u", "resourceVersion": "7", "labels": {"team": "ml", "kueue.x-k8s.io/x": "y"},
                             "annotations": {"deployment.kubernetes.io/revision": "3"}},
                "spec": {"replicas": 2, "rayClusterConfig": {"rayVersion": "2", "suspend": false}},
            })
        );
    }
}
