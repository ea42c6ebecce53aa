//! Objects of Kubernetes as they are sent and printed.

use serde::Serialize;
use serde_json::Value;

use crate::k8s::Resource;

/// One object: a mapping with `apiVersion`, `kind` and `metadata.name`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Manifest(Value);

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
        Ok(Self(document))
    }

    fn text(&self, pointer: &str) -> &str {
        self.0
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
        self.0
            .get("metadata")?
            .get("annotations")?
            .get(key)?
            .as_str()
    }

    /// Returns the object.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// Returns the object as the JSON that is sent.
    pub fn to_json(&self) -> Vec<u8> {
        // A tree of JSON values always serialises.
        serde_json::to_vec(&self.0).unwrap_or_default()
    }

    /// Returns the same object under another name.
    #[must_use]
    pub fn renamed(&self, name: &str) -> Self {
        let mut renamed = self.0.clone();
        renamed["metadata"]["name"] = Value::from(name);
        Self(renamed)
    }

    /// Returns where the API server serves objects of this kind, if kaiwo
    /// knows the kind.
    pub fn resource(&self) -> Option<Resource> {
        Resource::of(self.api_version(), self.kind())
    }

    /// Returns `kind/name`, as kaiwo names objects to people.
    pub fn display_name(&self) -> String {
        format!("{}/{}", self.kind().to_lowercase(), self.name())
    }

    /// Returns `kind.group/name`, as kubectl names objects under `-o name`.
    pub fn qualified_name(&self) -> String {
        self.resource().map_or_else(
            || self.display_name(),
            |resource| resource.qualified_name(self.name()),
        )
    }
}

/// Everything one submission creates.
#[derive(Debug, Clone, PartialEq)]
pub struct ManifestSet {
    /// The namespace, if it has to be made.
    pub namespace: Option<Manifest>,
    /// The LocalQueue, if it has to be made.
    pub local_queue: Option<Manifest>,
    /// ConfigMaps with the files of the directory.
    pub uploads: Vec<Manifest>,
    /// What the template made besides the workload, such as its Service.
    pub companions: Vec<Manifest>,
    /// The workload.
    pub workload: Manifest,
}

impl ManifestSet {
    /// Returns the objects in the order in which they are created.
    pub fn iter(&self) -> impl Iterator<Item = &Manifest> {
        self.namespace
            .iter()
            .chain(&self.local_queue)
            .chain(&self.uploads)
            .chain(&self.companions)
            .chain(std::iter::once(&self.workload))
    }

    /// Returns what the workload owns, so that it goes when the workload
    /// goes.
    pub fn owned(&self) -> impl Iterator<Item = &Manifest> {
        self.uploads.iter().chain(&self.companions)
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

    /// Returns the same set with its workload, and what carries the
    /// workload's name, under another name: for a rehearsal beside a workload
    /// that still exists.
    #[must_use]
    pub fn renamed(&self, name: &str) -> Self {
        let old = self.workload.name();
        let rename = |manifest: &Manifest| match manifest.name() == old {
            true => manifest.renamed(name),
            false => manifest.clone(),
        };
        Self {
            companions: self.companions.iter().map(rename).collect(),
            workload: rename(&self.workload),
            ..self.clone()
        }
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
