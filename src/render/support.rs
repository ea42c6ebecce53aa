//! Objects that go with a workload and need no template: namespace, queue,
//! uploads.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::manifest::Manifest;
use crate::api::keys;
use crate::kind::WorkloadKind;
use crate::names::label_value;
use crate::plan::kaito;
use crate::plan::request::array::Parameters;
use crate::plan::{NewLocalQueue, Plan};
use crate::workload::upload::{Upload, UploadPart, VolumeFile};

/// Returns the labels that every object of a workload carries.
pub fn labels(plan: &Plan) -> BTreeMap<String, String> {
    let request = &plan.request;
    let mut labels = request.pods.labels.clone();
    let own = [
        (keys::APP_NAME_LABEL, Some(label_value(&request.app))),
        (keys::APP_INSTANCE_LABEL, Some(request.name.clone())),
        (keys::APP_MANAGED_BY_LABEL, Some(keys::MANAGER.to_owned())),
        (keys::USERNAME_LABEL, Some(label_value(&request.user))),
        (
            keys::APP_VERSION_LABEL,
            request.version.as_deref().map(label_value),
        ),
    ];
    labels.extend(
        own.into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?))),
    );
    labels
}

/// Returns the labels that the workload's pods carry.
pub fn pod_labels(plan: &Plan) -> BTreeMap<String, String> {
    let mut labels = labels(plan);
    // KubeRay's Service in front of a RayService's head selects the pods that
    // have KubeRay's own value of this label (v1.6).
    if plan.request.kind == WorkloadKind::RayService {
        labels.remove(keys::APP_NAME_LABEL);
    }
    if plan.request.array.is_some() {
        labels.insert(keys::ARRAY_LABEL.to_owned(), "task".to_owned());
    }
    if plan.request.kind == WorkloadKind::Deployment {
        let kind = plan.request.kind.name().to_owned();
        labels.insert(keys::KIND_LABEL.to_owned(), kind);
    }
    labels
}

/// Returns kaiwo's own annotations of everything that belongs to the workload.
pub fn own_annotations(plan: &Plan, submission: Option<&str>) -> BTreeMap<String, String> {
    let mut annotations = submission_annotation(submission);
    annotations.insert(keys::DIGEST_ANNOTATION.to_owned(), plan.request.digest());
    if submission.is_some() {
        let kind = plan.request.kind.name().to_owned();
        annotations.insert(keys::KIND_ANNOTATION.to_owned(), kind);
    }
    annotations
}

/// Returns the annotations by which a session is found, and returned to.
pub fn session_annotations(plan: &Plan) -> BTreeMap<String, String> {
    let Some(session) = &plan.request.session else {
        return BTreeMap::new();
    };
    let how = match session.tty {
        true => keys::TERMINAL,
        false => keys::STREAMS,
    };
    let own = (keys::SESSION_ANNOTATION.to_owned(), how.to_owned());
    let idle = session.idle.map(|idle| idle.to_string());
    let idle = idle.map(|idle| (keys::IDLE_ANNOTATION.to_owned(), idle));
    [own].into_iter().chain(idle).collect()
}

/// Returns the annotations by which Kueue is told how an array may run, and kaiwo which
/// its tasks are.
pub fn array_annotations(plan: &Plan) -> BTreeMap<String, String> {
    let Some(array) = &plan.request.array else {
        return BTreeMap::new();
    };
    let record = array.record(rows_name(plan).as_deref());
    // Plain data always serialises.
    let record = serde_json::to_string(&record).unwrap_or_default();
    let least = array.min_parallelism().map(|least| least.to_string());
    let grows = array.grow.then(|| "true".to_owned());
    [
        (keys::ARRAY_ANNOTATION, Some(record)),
        (keys::MIN_PARALLELISM_ANNOTATION, least),
        (keys::ELASTIC_ANNOTATION, grows),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key.to_owned(), value?)))
    .collect()
}

/// Returns the name of the ConfigMap with the table of an array's parameters, if it has
/// one.
pub fn rows_name(plan: &Plan) -> Option<String> {
    match &plan.request.array.as_ref()?.parameters {
        Parameters::Rows(rows) => Some(upload_name(plan, &rows.digest)),
        _ => None,
    }
}

/// Returns the ConfigMap with that table.
fn rows(plan: &Plan, submission: Option<&str>) -> Option<Manifest> {
    let name = rows_name(plan)?;
    let Parameters::Rows(rows) = &plan.request.array.as_ref()?.parameters else {
        return None;
    };
    Some(object(json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": upload_metadata(plan, &name, submission),
        "immutable": true,
        "data": {keys::ROWS_FILE: rows.text.expose()},
    })))
}

/// Returns the annotations by which KAITO is told what was chosen.
pub fn kaito_annotations(plan: &Plan) -> BTreeMap<String, String> {
    let serving = &plan.request.serving;
    let public = (plan.request.kind.is_kaito() && serving.public).then(kaito::annotation::public);
    serving
        .kaito
        .annotations()
        .into_iter()
        .chain(public)
        .collect()
}

fn submission_annotation(submission: Option<&str>) -> BTreeMap<String, String> {
    submission
        .map(|id| (keys::SUBMISSION_ANNOTATION.to_owned(), id.to_owned()))
        .into_iter()
        .collect()
}

/// Returns the namespace of the workload.
pub fn namespace(plan: &Plan) -> Manifest {
    object(json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": plan.request.namespace},
    }))
}

/// Returns a LocalQueue that points at its ClusterQueue.
pub fn local_queue(plan: &Plan, queue: &NewLocalQueue, submission: Option<&str>) -> Manifest {
    let mut local_queue = json!({
        "apiVersion": queue.api_version,
        "kind": "LocalQueue",
        "metadata": {
            "name": queue.name,
            "namespace": plan.request.namespace,
            "labels": {keys::APP_MANAGED_BY_LABEL: keys::MANAGER},
        },
        "spec": {"clusterQueue": queue.cluster_queue},
    });
    let annotations = submission_annotation(submission);
    if !annotations.is_empty() {
        local_queue["metadata"]["annotations"] = json!(annotations);
    }
    object(local_queue)
}

/// Returns the name of the ConfigMap that carries the part with this digest.
/// It depends on the kind as well: a Job and a RayJob of one name must not
/// share an upload, which goes with the first of them that goes.
pub fn upload_name(plan: &Plan, digest: &str) -> String {
    let kind = plan.request.kind.name();
    let hash = crate::digest::short(format!("{kind}:{digest}").as_bytes(), 10);
    format!("{}-{hash}", plan.request.name)
}

/// Gives the uploads of a plan the names by which a workload that is there knows them.
pub fn recognise_uploads(plan: &mut Plan, workload: &Value) {
    let text = workload.to_string();
    let mut upload = std::mem::replace(&mut plan.request.upload, Upload::new(Vec::new()));
    upload.recognise(|digest| text.contains(&upload_name(plan, digest)));
    plan.request.upload = upload;
}

/// Returns the claim that is kept, if there is one. Nothing owns it, so that it stays
/// when the workload goes.
pub fn kept_claim(plan: &Plan, submission: Option<&str>) -> Option<Manifest> {
    let request = &plan.request;
    let storage = request.pods.storage.as_ref()?;
    let name = request.kept_claim()?;
    let mut claim = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": name,
            "namespace": request.namespace,
            "labels": labels(plan),
        },
        "spec": {
            "accessModes": [plan.kept_for.access_mode()],
            "resources": {"requests": {"storage": storage.size.to_string()}},
        },
    });
    if let Some(class) = &storage.class {
        claim["spec"]["storageClassName"] = json!(class);
    }
    let annotations = submission_annotation(submission);
    if !annotations.is_empty() {
        claim["metadata"]["annotations"] = json!(annotations);
    }
    Some(object(claim))
}

/// Returns the name of the ConfigMap with the file that configures what KAITO
/// runs, if there is such a file.
pub fn config_name(plan: &Plan) -> Option<String> {
    let choices = &plan.request.serving.kaito;
    let text = choices.config.as_ref()?;
    let digest = crate::digest::sha256(format!("{}:{text}", choices.config_key()).as_bytes());
    Some(upload_name(plan, &digest))
}

/// Returns the ConfigMap with that file.
fn config(plan: &Plan, submission: Option<&str>) -> Option<Manifest> {
    let choices = &plan.request.serving.kaito;
    let text = choices.config.as_ref()?;
    Some(object(json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": upload_metadata(plan, &config_name(plan)?, submission),
        "immutable": true,
        "data": {choices.config_key(): text},
    })))
}

/// Returns the name of the Secret with values of the machine that submits. It depends
/// on these, so that pods of one version never start with those of another.
pub fn secret_name(plan: &Plan) -> String {
    let values = plan.request.environment.local();
    let marks: Vec<String> = values
        .map(|(name, value)| format!("{name}={}", value.mark()))
        .collect();
    upload_name(plan, &marks.join("\n"))
}

/// Returns that Secret, if there are such values.
fn secret(plan: &Plan, submission: Option<&str>) -> Option<Manifest> {
    let values = plan.request.environment.local();
    let data: serde_json::Map<String, Value> = values
        .map(|(name, value)| (name.to_owned(), base64(value.expose().as_bytes()).into()))
        .collect();
    (!data.is_empty()).then(|| {
        object(json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": upload_metadata(plan, &secret_name(plan), submission),
            "type": "Opaque",
            "immutable": true,
            "data": data,
        }))
    })
}

fn upload_metadata(plan: &Plan, name: &str, submission: Option<&str>) -> Value {
    let mut labels = labels(plan);
    labels.insert(keys::APP_COMPONENT_LABEL.to_owned(), "upload".to_owned());
    json!({
        "name": name,
        "namespace": plan.request.namespace,
        "labels": labels,
        "annotations": own_annotations(plan, submission),
    })
}

/// Returns the ConfigMaps that carry the files of the directory, the one that
/// configures what KAITO runs, and the Secret with values of this machine.
pub fn uploads(plan: &Plan, parts: &[UploadPart<'_>], submission: Option<&str>) -> Vec<Manifest> {
    parts
        .iter()
        .map(|part| {
            let mut data = serde_json::Map::new();
            let mut binary_data = serde_json::Map::new();
            for VolumeFile { key, content, .. } in &part.entries {
                match std::str::from_utf8(content) {
                    Ok(text) if is_text(text) => data.insert(key.clone(), Value::from(text)),
                    _ => binary_data.insert(key.clone(), Value::from(base64(content))),
                };
            }
            let mut config_map = json!({
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": upload_metadata(plan, &upload_name(plan, &part.digest), submission),
                "immutable": true,
            });
            let bytes: usize = part.entries.iter().map(|entry| entry.content.len()).sum();
            config_map["metadata"]["annotations"][keys::BYTES_ANNOTATION] =
                Value::from(bytes.to_string());
            for (field, entries) in [("data", data), ("binaryData", binary_data)] {
                if !entries.is_empty() {
                    config_map[field] = Value::Object(entries);
                }
            }
            object(config_map)
        })
        .chain(config(plan, submission))
        .chain(rows(plan, submission))
        .chain(secret(plan, submission))
        .collect()
}

/// Returns whether a file travels well as text. Many control characters do not:
/// JSON writes each in six, and the API server takes 3 MiB in one request. Nor
/// does what YAML forbids or changes, which is how the API server reads a
/// manifest that is applied.
fn is_text(content: &str) -> bool {
    let escaped = content
        .bytes()
        .filter(|b| *b < 0x20 && !b"\t\n\r".contains(b))
        .count();
    let forbidden = |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
    (content.len() < 10_000 || escaped * 8 <= content.len()) && !content.contains(forbidden)
}

/// Every object here has the three fields by construction.
fn object(document: Value) -> Manifest {
    match Manifest::new(document) {
        Ok(manifest) => manifest,
        Err(missing) => unreachable!("an object of kaiwo's own lacks {missing}"),
    }
}

fn base64(bytes: &[u8]) -> String {
    // k8s-openapi's type for such fields writes them as the API takes them.
    match serde_json::to_value(k8s_openapi::ByteString(bytes.to_vec())) {
        Ok(Value::String(text)) => text,
        _ => unreachable!("a ByteString serialises as a string"),
    }
}
