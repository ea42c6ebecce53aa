//! Objects of Kubernetes as they are sent and printed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::api::resource::Resource;
use crate::plan::rollout::Rollout;
use crate::secrecy::Confidential;

/// One object: a mapping with `apiVersion`, `kind` and `metadata.name`.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    object: Confidential<Value>,
    resource: Option<Resource>,
}

impl Manifest {
    /// Takes a document, or returns the field it lacks.
    ///
    /// # Errors
    /// The name of the missing field.
    pub fn new(document: Value) -> Result<Self, &'static str> {
        for (pointer, field) in [
            ("/apiVersion", "apiVersion"),
            ("/kind", "kind"),
            ("/metadata/name", "metadata.name"),
        ] {
            if document.pointer(pointer).and_then(Value::as_str).is_none() {
                return Err(field);
            }
        }
        let mut manifest = Self {
            object: Confidential::new(document),
            resource: None,
        };
        manifest.resource = Resource::find(manifest.api_version(), manifest.kind());
        Ok(manifest)
    }

    /// Returns what the API server made of this object, which it serves at the
    /// same place; nothing if that is no object.
    pub fn answered(&self, answer: Value) -> Option<Self> {
        let answered = Self::new(answer).ok()?;
        Some(Self {
            resource: self.resource.clone(),
            ..answered
        })
    }

    fn text(&self, pointer: &str) -> &str {
        self.value()
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Returns `apiVersion`.
    pub fn api_version(&self) -> &str {
        self.text("/apiVersion")
    }

    /// Returns `kind`.
    pub fn kind(&self) -> &str {
        self.text("/kind")
    }

    /// Returns `metadata.name`.
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// Returns `metadata.namespace`, empty for cluster-wide objects.
    pub fn namespace(&self) -> &str {
        self.text("/metadata/namespace")
    }

    /// Returns an annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.value()
            .get("metadata")?
            .get("annotations")?
            .get(key)?
            .as_str()
    }

    /// Puts the object into a namespace.
    pub fn set_namespace(&mut self, namespace: &str) {
        self.object.expose_mut()["metadata"]["namespace"] = Value::from(namespace);
    }

    /// Lays labels over those of the metadata at `path`, in which `*` stands
    /// for every item of a list. What the object does not have is not made,
    /// but for the metadata itself.
    pub fn label(&mut self, path: &[&str], labels: &BTreeMap<String, String>) {
        lay_over(self.object.expose_mut(), path, "labels", labels);
    }

    /// Lays annotations over those of the object.
    pub fn annotate(&mut self, annotations: &BTreeMap<String, String>) {
        lay_over(
            self.object.expose_mut(),
            &["metadata"],
            "annotations",
            annotations,
        );
    }

    /// Returns what refers to this object, whose UID is known, as an owner.
    pub fn as_owner(&self, uid: &str) -> Value {
        json!({
            "apiVersion": self.api_version(),
            "kind": self.kind(),
            "name": self.name(),
            "uid": uid,
        })
    }

    /// Has an owner that it goes with.
    pub fn set_owner(&mut self, owner: &Value) {
        self.object.expose_mut()["metadata"]["ownerReferences"] = json!([owner]);
    }

    /// Takes the order in which a Deployment's pods change from another.
    pub fn keep_rollout(&mut self, other: &Value) {
        let strategy = other.pointer("/spec/strategy");
        if let (Some(strategy), false) = (strategy, self.value()["spec"]["strategy"].is_null()) {
            self.object.expose_mut()["spec"]["strategy"] = strategy.clone();
        }
    }

    /// Says how a Deployment gets to this version.
    pub fn set_rollout(&mut self, rollout: Rollout) {
        self.object.expose_mut()["spec"]["strategy"] = json!({
            "type": "RollingUpdate",
            "rollingUpdate": {
                "maxSurge": rollout.max_surge,
                "maxUnavailable": rollout.max_unavailable,
            },
        });
    }

    /// Returns the object.
    pub fn value(&self) -> &Value {
        self.object.expose()
    }

    /// Returns whether another manifest is of the same object: of its kind and
    /// name, in whatever version of the API.
    pub fn is_about(&self, other: &Self) -> bool {
        let group = |version: &str| version.rsplit_once('/').map(|(group, _)| group.to_owned());
        self.kind() == other.kind()
            && self.name() == other.name()
            && group(self.api_version()) == group(other.api_version())
    }

    /// Returns whether it is never printed, because it holds values that are secret.
    pub fn is_secret(&self) -> bool {
        self.kind() == "Secret"
    }

    /// Returns the object as the JSON that is sent.
    pub fn to_json(&self) -> Vec<u8> {
        // A tree of JSON values always serialises.
        serde_json::to_vec(self.value()).unwrap_or_default()
    }

    /// Returns the same object under another name.
    #[must_use]
    pub fn renamed(&self, name: &str) -> Self {
        let mut renamed = self.clone();
        renamed.object.expose_mut()["metadata"]["name"] = Value::from(name);
        renamed
    }

    /// Returns where the API server serves objects of this kind, as far as
    /// that is known.
    pub fn resource(&self) -> Option<&Resource> {
        self.resource.as_ref()
    }

    /// Tells where the API server serves objects of this kind.
    pub fn set_resource(&mut self, resource: Resource) {
        self.resource = Some(resource);
    }

    /// Returns `kind/name`, as kaiwo names objects to people.
    pub fn display_name(&self) -> String {
        format!("{}/{}", self.kind().to_lowercase(), self.name())
    }

    /// Returns `kind.group/name`, as kubectl names objects under `-o name`.
    pub fn qualified_name(&self) -> String {
        self.resource.as_ref().map_or_else(
            || self.display_name(),
            |resource| resource.qualified_name(self.name()),
        )
    }
}

fn lay_over(value: &mut Value, path: &[&str], field: &str, pairs: &BTreeMap<String, String>) {
    match (path, value) {
        (["*", rest @ ..], Value::Array(items)) => {
            for item in items {
                lay_over(item, rest, field, pairs);
            }
        }
        ([metadata], Value::Object(object)) => {
            let metadata = object.entry(*metadata).or_insert_with(|| json!({}));
            if let Some(metadata) = metadata.as_object_mut() {
                let field = metadata.entry(field).or_insert_with(|| json!({}));
                if let Some(field) = field.as_object_mut() {
                    let pairs = pairs.iter();
                    field.extend(
                        pairs.map(|(key, value)| (key.clone(), Value::from(value.as_str()))),
                    );
                }
            }
        }
        ([key, rest @ ..], Value::Object(object)) => {
            if let Some(next) = object.get_mut(*key) {
                lay_over(next, rest, field, pairs);
            }
        }
        _ => {}
    }
}

/// Everything one submission creates.
#[derive(Debug, Clone, PartialEq)]
pub struct ManifestSet {
    /// The namespace, if it has to be made.
    pub namespace: Option<Manifest>,
    /// The LocalQueue, if it has to be made.
    pub local_queue: Option<Manifest>,
    /// A claim that stays when the workload goes, and is found again.
    pub kept_claim: Option<Manifest>,
    /// ConfigMaps with the files of the directory, and a Secret with values of the
    /// machine that submits.
    pub uploads: Vec<Manifest>,
    /// What the template made besides the workload, such as its Service.
    pub companions: Vec<Manifest>,
    /// Records of versions: its own, and that of the one it takes the place of.
    pub records: Vec<Manifest>,
    pub workload: Manifest,
}

impl ManifestSet {
    /// Returns the objects in the order in which they are created.
    pub fn iter(&self) -> impl Iterator<Item = &Manifest> {
        self.namespace
            .iter()
            .chain(&self.local_queue)
            .chain(&self.kept_claim)
            .chain(&self.uploads)
            .chain(&self.companions)
            .chain(std::iter::once(&self.workload))
    }

    /// Returns what the workload needs, and what others may need after it.
    pub fn shared(&self) -> impl Iterator<Item = &Manifest> {
        self.local_queue.iter().chain(&self.kept_claim)
    }

    /// Returns what the workload owns, so that it goes when the workload
    /// goes.
    pub fn owned(&self) -> impl Iterator<Item = &Manifest> {
        self.uploads
            .iter()
            .chain(&self.companions)
            .chain(&self.records)
    }

    /// Has everything that the workload owns say so from the beginning, where it is
    /// there already. Without `blockOwnerDeletion`, which would need a right on the
    /// workload's finalizers that users rarely have.
    pub fn give_owner(&mut self, uid: &str) {
        let owner = self.workload.as_owner(uid);
        let owned = self.uploads.iter_mut().chain(&mut self.companions);
        for manifest in owned.chain(&mut self.records) {
            manifest.set_owner(&owner);
        }
    }

    /// Returns a Job as the set's CronJob will start them, for finding out
    /// what the cluster makes of it.
    pub fn scheduled_job(&self) -> Option<Manifest> {
        let cron_job = &self.workload;
        let template = cron_job
            .value()
            .pointer("/spec/jobTemplate")
            .filter(|_| cron_job.kind() == "CronJob")?;
        let mut job = template.clone();
        job["apiVersion"] = Value::from("batch/v1");
        job["kind"] = Value::from("Job");
        job["metadata"]["name"] = Value::from(format!("{}-preflight", cron_job.name()));
        job["metadata"]["namespace"] = Value::from(cron_job.namespace());
        Manifest::new(job).ok()
    }

    /// Returns the workload as it is rehearsed: without the ConfigMap of its own
    /// set that KAITO's webhook looks for, and that a rehearsal does not store;
    /// and where it stood.
    pub fn rehearsed_workload(&self) -> Option<(Manifest, &'static str)> {
        const PLACES: [&str; 3] = [
            "/inference/config",
            "/tuning/config",
            "/spec/template/inference/config",
        ];
        let (place, name) = PLACES
            .into_iter()
            .filter(|_| self.workload.api_version().starts_with("kaito.sh/"))
            .find_map(|place| Some((place, self.workload.value().pointer(place)?.as_str()?)))?;
        let is_own = |upload: &Manifest| upload.name() == name;
        let (parent, field) = place.rsplit_once('/')?;
        let mut workload = self.workload.clone();
        workload
            .object
            .expose_mut()
            .pointer_mut(parent)
            .filter(|_| self.uploads.iter().any(is_own))?
            .as_object_mut()?
            .remove(field);
        Some((workload, place))
    }

    /// Returns the same set with its workload, and what carries the
    /// workload's name, under another name: for a rehearsal beside a workload
    /// that still exists.
    #[must_use]
    pub fn renamed(&self, name: &str) -> Self {
        let old = self.workload.name();
        let rename = |manifest: &Manifest| {
            let mut renamed = match manifest.name() == old {
                true => manifest.renamed(name),
                false => manifest.clone(),
            };
            // Controllers refuse a second Ingress for the host of the first.
            if renamed.kind() == "Ingress" {
                let rules = renamed.object.expose_mut()["spec"]["rules"].as_array_mut();
                for rule in rules.into_iter().flatten() {
                    if let Some(host) = rule["host"].as_str() {
                        rule["host"] = json!(format!("{name}.{}", host.trim_start_matches("*.")));
                    }
                }
            }
            renamed
        };
        Self {
            companions: self.companions.iter().map(rename).collect(),
            workload: rename(&self.workload),
            ..self.clone()
        }
    }

    /// Gives what was rehearsed under `temporary`, a name found nowhere else,
    /// the name that it will have.
    #[must_use]
    pub fn named_back(&self, mut named: Manifest, temporary: &str) -> Manifest {
        let text = named.value().to_string();
        let text = text.replace(temporary, self.workload.name());
        // What was JSON is JSON: names need no quoting.
        *named.object.expose_mut() = serde_json::from_str(&text).unwrap_or_default();
        if named.kind() == "Ingress"
            && let Some(own) = self.iter().find(|own| own.kind() == "Ingress")
        {
            let rules = own.value()["spec"]["rules"].clone();
            named.object.expose_mut()["spec"]["rules"] = rules;
        }
        named
    }
}

/// Returns objects as a stream of YAML documents.
pub fn to_yaml<'a>(objects: impl IntoIterator<Item = &'a Manifest>) -> String {
    let documents: Vec<String> = objects
        .into_iter()
        .map(|object| crate::yaml::to_string(object.value()))
        .collect();
    documents.join("---\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_has_none_of_its_values() {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "canary"},
        });
        let manifest = Manifest::new(secret).unwrap();
        let debug = format!("{manifest:?}");
        assert!(debug.starts_with("Manifest { object: …, "), "{debug}");
        assert!(!debug.contains("canary"), "{debug}");
    }
}
