//! A server that keeps what it is given.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::server::{Answer, Request, list};

/// The objects, by path.
#[derive(Clone, Default)]
pub struct Store(Arc<Mutex<BTreeMap<String, Value>>>);

impl Store {
    /// Returns the objects that are there, by `plural/name`.
    pub fn names(&self) -> Vec<String> {
        let objects = self.0.lock().unwrap();
        let names = objects.keys().map(|path| {
            let mut words = path.rsplitn(3, '/');
            let (name, plural) = (words.next().unwrap(), words.next().unwrap());
            format!("{plural}/{name}")
        });
        names.collect()
    }

    /// Returns another one that holds the same.
    pub fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().unwrap().clone())))
    }

    /// Holds from now on what another one does.
    pub fn become_(&self, other: &Self) {
        let other = other.0.lock().unwrap().clone();
        *self.0.lock().unwrap() = other;
    }

    /// Returns an object by its `plural/name`.
    pub fn object(&self, end: &str) -> Value {
        let objects = self.0.lock().unwrap();
        let found = objects.iter().find(|(path, _)| path.ends_with(end));
        found.map_or(Value::Null, |(_, object)| object.clone())
    }

    /// Changes an object by its `plural/name`, as somebody else would.
    pub fn edit(&self, end: &str, patch: &Value) {
        let mut objects = self.0.lock().unwrap();
        let found = objects.iter_mut().find(|(path, _)| path.ends_with(end));
        let (_, object) = found.unwrap_or_else(|| panic!("there is no {end}"));
        merge(object, patch);
        object["metadata"]["resourceVersion"] = json!(uid());
    }

    /// Removes an object by its `plural/name`, and nothing else.
    pub fn remove(&self, end: &str) {
        self.0
            .lock()
            .unwrap()
            .retain(|path, _| !path.ends_with(end));
    }

    /// Puts an object where it is served: `/api/v1/namespaces/kaiwo/services`.
    pub fn put(&self, collection: &str, mut object: Value) {
        let name = object["metadata"]["name"].as_str().unwrap();
        let path = format!("{collection}/{name}");
        object["metadata"]["resourceVersion"] = json!(uid());
        self.0.lock().unwrap().insert(path, object);
    }

    /// Returns everything without what no two runs have in common.
    pub fn essence(&self) -> BTreeMap<String, Value> {
        let objects = self.0.lock().unwrap();
        let all = objects.iter().map(|(path, object)| {
            let mut object = object.clone();
            let uid_of = |owner: &Value| {
                let mut all = objects.values();
                let found = all.find(|it| it["metadata"]["uid"] == owner["uid"]);
                found.map_or(Value::Null, |found| found["metadata"]["name"].clone())
            };
            let owners = object["metadata"]["ownerReferences"].as_array_mut();
            for owner in owners.into_iter().flatten() {
                owner["uid"] = uid_of(owner);
            }
            let metadata = object["metadata"].as_object_mut().unwrap();
            metadata.remove("uid");
            metadata.remove("resourceVersion");
            if let Some(annotations) = metadata["annotations"].as_object_mut() {
                annotations.remove("kaiwo-cli/submission");
            }
            (path.clone(), object)
        });
        all.collect()
    }

    /// Answers what is about objects of the namespace, but LocalQueues.
    pub fn answer(&self, request: &Request) -> Option<Answer> {
        let (_, place) = request.path.split_once("/namespaces/kaiwo/")?;
        let is_creation = request.method == "POST";
        if request.is_dry_run() && is_creation || place.starts_with("localqueues") {
            return None;
        }
        if request.is_dry_run() {
            // Nothing of it is kept.
            let mut request = request.clone();
            request.query = request.query.replace("dryRun=All", "");
            return self.copy().answer(&request);
        }
        let mut objects = self.0.lock().unwrap();
        let version = uid();
        let there = objects.get(&request.path).cloned();
        let not_found = || Some(Answer::Refuse(404, "not found"));
        match (request.method.as_str(), there) {
            ("GET", None) if !place.contains('/') => {
                let wanted = selector(&request.query);
                let prefix = format!("{}/", request.path);
                let found = objects.iter().filter(|(path, object)| {
                    let labels = &object["metadata"]["labels"];
                    let mut wanted = wanted.iter();
                    path.starts_with(&prefix) && wanted.all(|(key, value)| labels[key] == **value)
                });
                let found: Vec<Value> = found.map(|(_, object)| object.clone()).collect();
                Some(Answer::Json(200, list(&found)))
            }
            ("GET", Some(object)) => Some(Answer::Json(200, object)),
            ("POST", _) => {
                let mut object = request.body.clone();
                let name = object["metadata"]["name"].as_str()?;
                let path = format!("{}/{name}", request.path);
                if objects.contains_key(&path) {
                    return Some(Answer::Refuse(409, "already exists"));
                }
                object["metadata"]["uid"] = json!(uid());
                object["metadata"]["resourceVersion"] = json!(version);
                objects.insert(path, object.clone());
                Some(Answer::Json(201, object))
            }
            ("PUT", Some(there)) => {
                let mut object = request.body.clone();
                let version_of = |object: &Value| object["metadata"]["resourceVersion"].clone();
                if version_of(&object) != version_of(&there) {
                    return Some(Answer::Refuse(409, "the object has been modified"));
                }
                object["metadata"]["resourceVersion"] = json!(version);
                objects.insert(request.path.clone(), object.clone());
                Some(Answer::Json(200, object))
            }
            ("PATCH", Some(mut object)) => {
                let as_read = &request.body["metadata"]["resourceVersion"];
                if !as_read.is_null() && *as_read != object["metadata"]["resourceVersion"] {
                    return Some(Answer::Refuse(409, "the object has been modified"));
                }
                merge(&mut object, &request.body);
                object["metadata"]["resourceVersion"] = json!(version);
                objects.insert(request.path.clone(), object.clone());
                Some(Answer::Json(200, object))
            }
            ("DELETE", Some(there)) => {
                let uid = &there["metadata"]["uid"];
                let wanted = &request.body["preconditions"];
                let version = &there["metadata"]["resourceVersion"];
                let differs = |wanted: &Value, is: &Value| !wanted.is_null() && wanted != is;
                if differs(&wanted["uid"], uid) || differs(&wanted["resourceVersion"], version) {
                    return Some(Answer::Refuse(409, "the object has been modified"));
                }
                objects.remove(&request.path);
                // As the garbage collector would.
                objects.retain(|_, object| object["metadata"]["ownerReferences"][0]["uid"] != *uid);
                Some(Answer::Json(
                    200,
                    json!({"kind": "Status", "status": "Success"}),
                ))
            }
            _ => not_found(),
        }
    }
}

fn uid() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    format!("uid-{:x}", RandomState::new().hash_one(()))
}

/// Returns the labels that a query selects by.
fn selector(query: &str) -> Vec<(String, String)> {
    let query = query.replace("%3D", "=").replace("%2F", "/");
    let query = query.replace("%2C", ",");
    let selector = query
        .split('&')
        .find_map(|word| word.strip_prefix("labelSelector="));
    let pairs = selector.into_iter().flat_map(|text| text.split(','));
    pairs
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// Merges a patch, as RFC 7386 has it.
fn merge(object: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        object.clone_from(patch);
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (name, value) in fields {
        match value {
            Value::Null => drop(object.as_object_mut().unwrap().remove(name)),
            value => merge(&mut object[name], value),
        }
    }
}
