//! The versions of a service: what makes one up, without what the cluster has put
//! there, and which of them a rollback returns to.

use serde_json::{Map, Value, json};

use super::existing::Existing;
use super::metadata::annotation_of;
use crate::api::keys;
use crate::secrecy::redaction::LAST_APPLIED;

/// How many versions are kept, with the present one.
const KEPT: usize = 5;
/// Digits of a digest that tell versions apart.
const DIGITS: usize = 10;

/// Returns the name of the ConfigMap that holds the version of this digest.
pub fn record_name(workload: &str, digest: &str) -> String {
    let digits = digest.get(..DIGITS).unwrap_or(digest);
    format!("{workload}-{digits}")
}

/// Shows every object within a value.
pub(super) fn collect(value: &Value, look: &mut impl FnMut(&Map<String, Value>) -> Option<()>) {
    match value {
        Value::Object(fields) => {
            look(fields);
            fields.values().for_each(|value| collect(value, look));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, look)),
        _ => {}
    }
}

/// The versions of a service, in the order in which they were served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    workload: String,
    /// Names of the records.
    names: Vec<String>,
    present: String,
}

/// What a rollback is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Return {
    /// It returns to this one.
    To(String),
    /// It is at this one already, and this one was served last.
    Done(String, String),
}

impl History {
    /// Reads what the workload says of its versions.
    pub fn read(existing: &Existing, workload: &str) -> Self {
        let annotation = |key| annotation_of(existing.object(), key).unwrap_or_default();
        Self::new(
            workload,
            annotation(keys::DIGEST_ANNOTATION),
            annotation(keys::VERSIONS_ANNOTATION),
            annotation(keys::PREVIOUS_ANNOTATION),
        )
    }

    /// Takes the annotations of a workload that tell of its versions.
    pub fn new(workload: &str, digest: &str, versions: &str, previous: &str) -> Self {
        let present = record_name(workload, digest);
        let listed = match versions {
            // 0.1.0 knew of one.
            "" => previous,
            versions => versions,
        };
        let mut names: Vec<String> = listed.split_whitespace().map(str::to_owned).collect();
        if !names.contains(&present) {
            names.push(present.clone());
        }
        Self {
            workload: workload.to_owned(),
            names,
            present,
        }
    }

    /// Returns the names of the records.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns the name of the record of what is served.
    pub fn present(&self) -> &str {
        &self.present
    }

    /// Has a record another name, by which it stays where it is in the order.
    pub fn rename(&mut self, from: &str, to: &str) {
        if from == to || !self.names.iter().any(|name| name == from) {
            return;
        }
        self.names.retain(|name| name != to);
        for name in self.names.iter_mut().filter(|name| *name == from) {
            to.clone_into(name);
        }
    }

    /// Returns what people call the version of a record.
    pub fn version<'n>(&self, name: &'n str) -> &'n str {
        let rest = name.strip_prefix(self.workload.as_str());
        rest.and_then(|rest| rest.strip_prefix('-')).unwrap_or(name)
    }

    /// Returns the record of the version whose name is, or begins with, `version`.
    pub fn named(&self, version: &str) -> Option<&str> {
        let mut found = self.names.iter().filter(|name| {
            let own = self.version(name);
            own.starts_with(version) || version.starts_with(own) && own.len() == DIGITS
        });
        match (found.next(), found.next()) {
            (Some(name), None) if !version.is_empty() => Some(name),
            _ => None,
        }
    }

    /// Returns where a rollback without a word about that leads: to the version
    /// before the one that was served last. Once it is there, it is done.
    pub fn back(&self) -> Option<Return> {
        let (last, earlier) = self.names.split_last()?;
        match *last == self.present {
            true => earlier.last().map(|name| Return::To(name.clone())),
            false => Some(Return::Done(self.present.clone(), last.clone())),
        }
    }

    /// Returns the annotations of the workload once the version of `record` is
    /// served, for a rollback or for the first time.
    pub fn annotations(&self, record: &str, is_rollback: bool) -> [(String, String); 2] {
        let mut names = self.names.clone();
        if !is_rollback {
            for name in [self.present.as_str(), record] {
                names.retain(|other| other != name);
                names.push(name.to_owned());
            }
            names.dedup();
        }
        let first = names.len().saturating_sub(KEPT);
        let previous = names.iter().rev().find(|name| *name != record);
        let previous = match is_rollback {
            true => self.present.clone(),
            false => previous.cloned().unwrap_or_default(),
        };
        [
            (
                keys::VERSIONS_ANNOTATION.to_owned(),
                names[first..].join(" "),
            ),
            (keys::PREVIOUS_ANNOTATION.to_owned(), previous),
        ]
    }
}

/// Returns the names of the ConfigMaps with files of the workload that pods of
/// `object` mount.
pub fn uploads(object: &Value, workload: &str) -> Vec<String> {
    let mut found = Vec::new();
    let prefix = format!("{workload}-");
    collect(object, &mut |fields| {
        let name = fields.get("configMap")?.get("name")?.as_str()?;
        name.starts_with(&prefix)
            .then(|| found.push(name.to_owned()))
    });
    found.sort();
    found.dedup();
    found
}

/// Annotations that say something of one moment, and not of a version.
const PASSING: [&str; 5] = [
    keys::PREVIOUS_ANNOTATION,
    keys::SUBMISSION_ANNOTATION,
    keys::VERSIONS_ANNOTATION,
    "deployment.kubernetes.io/revision",
    // All of the object once more, its values among that.
    LAST_APPLIED,
];
/// Fields of a Service that the cluster gives out.
pub const GIVEN: [&str; 5] = [
    "clusterIP",
    "clusterIPs",
    "healthCheckNodePort",
    "ipFamilies",
    "ipFamilyPolicy",
];

/// Returns an object without what the cluster has put there. Whether Kueue holds
/// the cluster of a RayService back is no part of a version.
pub fn essence(api_version: &str, kind: &str, object: &Value) -> Value {
    let metadata = &object["metadata"];
    let mut annotations: Map<String, Value> = metadata["annotations"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    annotations.retain(|key, _| !PASSING.contains(&key.as_str()));
    let mut reduced = Map::new();
    for (field, content) in object.as_object().into_iter().flatten() {
        if field != "status" {
            reduced.insert(field.clone(), content.clone());
        }
    }
    let mut reduced = Value::Object(reduced);
    reduced["apiVersion"] = json!(api_version);
    reduced["kind"] = json!(kind);
    reduced["metadata"] = json!({
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "labels": metadata["labels"],
        "annotations": annotations,
    });
    let spec = reduced.get_mut("spec").and_then(Value::as_object_mut);
    if let Some(spec) = spec {
        reduce(kind, spec);
    }
    reduced
}

fn reduce(kind: &str, spec: &mut Map<String, Value>) {
    let cluster = spec.get_mut("rayClusterConfig");
    if let Some(cluster) = cluster.and_then(Value::as_object_mut) {
        cluster.remove("suspend");
    }
    if kind != "Service" {
        return;
    }
    let headless = spec.get("clusterIP") == Some(&json!("None"));
    spec.retain(|field, _| !GIVEN.contains(&field.as_str()));
    if headless {
        spec.insert("clusterIP".to_owned(), json!("None"));
    }
    let ports = spec.get_mut("ports").and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten() {
        if let Some(port) = port.as_object_mut() {
            port.remove("nodePort");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_what_was_written_and_not_where_it_was() {
        let service = json!({
            "metadata": {"name": "a", "namespace": "ml", "uid": "u", "labels": {"x": "y"}, "resourceVersion": "7",
                         "annotations": {keys::DIGEST_ANNOTATION: "d", keys::SUBMISSION_ANNOTATION: "s"}},
            "spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"],
                     "ports": [{"port": 80, "nodePort": 30000}]},
            "status": {"loadBalancer": {}},
        });
        assert_eq!(
            essence("v1", "Service", &service),
            json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": {"name": "a", "namespace": "ml", "labels": {"x": "y"},
                             "annotations": {keys::DIGEST_ANNOTATION: "d"}},
                "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
            })
        );
    }

    #[test]
    fn a_version_was_not_held_back_by_a_queue() {
        let cluster = json!({"suspend": true, "rayVersion": "2.46.0"});
        let service = json!({"metadata": {"name": "a"}, "spec": {"rayClusterConfig": cluster}});
        assert_eq!(
            essence("ray.io/v1", "RayService", &service)["spec"],
            json!({"rayClusterConfig": {"rayVersion": "2.46.0"}})
        );
        let deployment = json!({"metadata": {"name": "a"}, "spec": {"replicas": 1}});
        assert_eq!(
            essence("apps/v1", "Deployment", &deployment)["spec"],
            json!({"replicas": 1})
        );
    }

    fn history(annotations: Value) -> History {
        let object = json!({"metadata": {"uid": "u", "annotations": annotations}});
        History::read(&serde_json::from_value(object).unwrap(), "w")
    }

    #[test]
    fn serving_adds_to_the_order_and_a_rollback_moves_within_it() {
        let at = |digest: &str, versions: &str| {
            history(json!({keys::DIGEST_ANNOTATION: digest, keys::VERSIONS_ANNOTATION: versions}))
        };
        let second = at("2", "w-1 w-2");
        assert_eq!(second.back(), Some(Return::To("w-1".to_owned())));
        let order =
            |history: &History, name: &str, back| history.annotations(name, back)[0].1.clone();
        assert_eq!(order(&second, "w-1", true), "w-1 w-2");
        assert_eq!(order(&second, "w-3", false), "w-1 w-2 w-3");
        assert_eq!(order(&second, "w-1", false), "w-2 w-1");
        // It was rolled back: a second time changes nothing.
        let back = at("1", "w-1 w-2");
        let done = Return::Done("w-1".to_owned(), "w-2".to_owned());
        assert_eq!(back.back(), Some(done));
        assert_eq!(order(&back, "w-3", false), "w-2 w-1 w-3");
        assert_eq!(at("1", "w-1").back(), None);
        let many = at("5", "w-1 w-2 w-3 w-4 w-5");
        assert_eq!(order(&many, "w-6", false), "w-2 w-3 w-4 w-5 w-6");
        assert_eq!(second.named("1"), Some("w-1"));
        assert_eq!(second.named(""), None);
        assert_eq!(second.named("7"), None);
    }

    #[test]
    fn versions_of_0_1_0_are_the_present_one_and_the_one_before() {
        let old = history(
            json!({keys::DIGEST_ANNOTATION: "2222222222f", keys::PREVIOUS_ANNOTATION: "w-abc"}),
        );
        assert_eq!(old.names(), ["w-abc", "w-2222222222"]);
        assert_eq!(old.back(), Some(Return::To("w-abc".to_owned())));
        let only = history(json!({keys::DIGEST_ANNOTATION: "2", keys::PREVIOUS_ANNOTATION: ""}));
        assert_eq!(only.back(), None);
    }

    #[test]
    fn uploads_of_a_version_are_found() {
        let source = |name: &str| json!({"configMap": {"name": name}});
        let pod = json!({"volumes": [{"projected": {"sources": [source("chat-1"), source("chat-2")]}},
                                     source("chat-1"), source("certificates")]});
        assert_eq!(uploads(&json!({"spec": pod}), "chat"), ["chat-1", "chat-2"]);
    }
}
