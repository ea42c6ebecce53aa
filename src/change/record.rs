//! How a version is recorded: its objects in a ConfigMap, and what of them counts as
//! secret in a Secret of the same name.

use serde_json::{Value, json};

use super::companions::AUTOSCALER;
use super::metadata::annotation_of;
use super::values::RecordedValues;
use super::version::{collect, essence, record_name};
use crate::api::keys;
use crate::render::manifest::{Manifest, ManifestSet};
use crate::secrecy::Confidential;
use crate::secrecy::redaction::{Taken, called, put_back, take};

/// Key in the ConfigMap that holds a version.
const KEY: &str = "objects.json";
/// Key beside it with the places whose values are in a Secret.
const TAKEN_KEY: &str = "taken.json";
/// Most bytes of a version that is kept: a ConfigMap takes 1 MiB.
const LARGEST: usize = 1_000_000;
/// A version, as a ConfigMap holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Name of the ConfigMap, and of the Secret beside it.
    pub name: String,
    /// Digest of the request.
    pub digest: String,
    objects: Value,
    /// Places in the objects whose values are in the Secret.
    taken: Vec<String>,
}

impl Record {
    /// Reads a ConfigMap, if it holds a version.
    pub fn read(object: &Value) -> Option<Self> {
        let data = &object["data"];
        let objects: Vec<Value> = serde_json::from_str(data[KEY].as_str()?).ok()?;
        let taken = data[TAKEN_KEY].as_str().map(serde_json::from_str);
        Some(Self {
            name: object["metadata"]["name"].as_str()?.to_owned(),
            digest: annotation_of(object, keys::DIGEST_ANNOTATION)
                .unwrap_or_default()
                .to_owned(),
            objects: json!(objects),
            taken: taken.transpose().ok()?.unwrap_or_default(),
        })
    }

    /// Returns what the values are called that are kept apart.
    pub fn kept_apart(&self) -> Vec<String> {
        let names = self.taken.iter();
        let mut names: Vec<String> = names.map(|at| called(&self.objects, at)).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Returns the whole record, with the values that a Secret holds.
    pub fn with(&self, values: &RecordedValues) -> Option<Self> {
        let mut whole = self.clone();
        whole.taken.clear();
        let has_all = self.taken.iter().all(|at| values.0.contains_key(at));
        (has_all && put_back(&mut whole.objects, &values.0)).then_some(whole)
    }

    /// Returns the values that are kept apart, as a set of the same digest has them.
    pub fn values_of(&self, set: &ManifestSet) -> Option<RecordedValues> {
        let same = |object: &Value| {
            let all = set.companions.iter().chain([&set.workload]);
            let mut all = all.filter(|it| it.kind() == object["kind"]);
            all.find(|it| it.name() == object["metadata"]["name"])
        };
        let value = |at: &String| {
            let (index, pointer) = at.strip_prefix('/')?.split_once('/')?;
            let manifest = same(&self.objects[index.parse::<usize>().ok()?])?;
            let pointer = format!("/{pointer}");
            let value = manifest.value().pointer(&pointer)?.as_str()?;
            let is_same = called(manifest.value(), &pointer) == called(&self.objects, at);
            is_same.then(|| (at.clone(), Confidential::new(value.to_owned())))
        };
        let values: Option<Taken> = self.taken.iter().map(value).collect();
        values.map(RecordedValues)
    }

    /// Returns the Secret that holds the values which are kept apart.
    pub fn secret(
        &self,
        values: &RecordedValues,
        workload: &Manifest,
        submission: &str,
    ) -> Option<Manifest> {
        let metadata = metadata(workload, &self.name, &self.digest, submission);
        Manifest::new(values.secret(metadata)).ok()
    }

    /// Returns what it consists of, if the workload is among it and nothing of it is
    /// kept apart.
    pub fn manifests(&self, present: &Manifest) -> Option<ManifestSet> {
        let objects = self.objects.as_array().filter(|_| self.taken.is_empty())?;
        let objects = objects.iter().cloned();
        let mut companions: Vec<Manifest> = objects
            .filter_map(|object| Manifest::new(object).ok())
            .collect();
        let mut own = companions.iter();
        let own = own.position(|manifest| manifest.is_about(present))?;
        let workload = companions.remove(own);
        Some(ManifestSet {
            namespace: None,
            local_queue: None,
            kept_claim: None,
            uploads: Vec::new(),
            companions,
            records: Vec::new(),
            workload,
        })
    }
}

/// Returns the record of a version that consists of a workload and its
/// companions, after the Secret with what of it counts as secret; nothing if it is too
/// large to be kept.
pub fn record<'m>(
    workload: &'m Manifest,
    companions: impl Iterator<Item = &'m Manifest>,
    submission: &str,
) -> Vec<Manifest> {
    let Some(digest) = workload.annotation(keys::DIGEST_ANNOTATION) else {
        return Vec::new();
    };
    let objects: Vec<Value> = companions
        .chain([workload])
        .map(|manifest| essence(manifest.api_version(), manifest.kind(), manifest.value()))
        .collect();
    let mut objects = json!(objects);
    let values = RecordedValues(take(&mut objects));
    let text = objects.to_string();
    if text.len() > LARGEST || values.len() > LARGEST {
        return Vec::new();
    }
    let name = record_name(workload.name(), digest);
    let metadata = metadata(workload, &name, digest, submission);
    let mut data = json!({KEY: text});
    let mut made = Vec::new();
    if !values.0.is_empty() {
        let places: Vec<&String> = values.0.keys().collect();
        data[TAKEN_KEY] = json!(json!(places).to_string());
        made.push(values.secret(metadata.clone()));
    }
    made.push(json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "immutable": true,
        "data": data,
    }));
    let made = made.into_iter().map(Manifest::new);
    made.collect::<Result<_, _>>().unwrap_or_default()
}

/// Returns the metadata of what records a version.
fn metadata(workload: &Manifest, name: &str, digest: &str, submission: &str) -> Value {
    let mut labels = workload.value()["metadata"]["labels"].clone();
    labels[keys::APP_COMPONENT_LABEL] = json!(keys::REVISION);
    labels[keys::APP_INSTANCE_LABEL] = json!(workload.name());
    labels[keys::APP_MANAGED_BY_LABEL] = json!(keys::MANAGER);
    json!({
        "name": name,
        "namespace": workload.namespace(),
        "labels": labels,
        "annotations": {
            keys::DIGEST_ANNOTATION: digest,
            keys::SUBMISSION_ANNOTATION: submission,
            keys::KIND_ANNOTATION: workload.kind(),
            keys::IMAGES_ANNOTATION: images(workload.value()).join(" "),
        },
    })
}

/// Adds to what is served for the first time the record of its version.
pub fn record_first(manifests: &mut ManifestSet, submission: &str) {
    let companions = manifests.companions.iter();
    let records = record(&manifests.workload, companions, submission);
    let Some(record) = records.last() else {
        return;
    };
    let versions = (
        keys::VERSIONS_ANNOTATION.to_owned(),
        record.name().to_owned(),
    );
    manifests.workload.annotate(&[versions].into());
    manifests.records = records;
}

/// Returns the version that is there, as what makes it: for one that was served
/// before versions were recorded.
pub fn as_found(present: &Manifest, companions: &[Manifest]) -> Manifest {
    let kind = present.kind();
    let mut own = essence(present.api_version(), kind, present.value());
    let is_scaled = companions.iter().any(|it| it.kind() == AUTOSCALER);
    if is_scaled && let Some(spec) = own["spec"].as_object_mut() {
        spec.remove("replicas");
    }
    Manifest::new(own).unwrap_or_else(|_| present.clone())
}

/// Returns the images of the pods of an object.
fn images(object: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(object, &mut |fields| {
        for container in fields.get("containers")?.as_array()? {
            let image = container["image"].as_str()?.to_owned();
            if !found.contains(&image) {
                found.push(image);
            }
        }
        None::<()>
    });
    found
}
