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

    /// Returns an object by its `plural/name`.
    pub fn object(&self, end: &str) -> Value {
        let objects = self.0.lock().unwrap();
        let found = objects.iter().find(|(path, _)| path.ends_with(end));
        found.map_or(Value::Null, |(_, object)| object.clone())
    }

    /// Answers what is about objects of the namespace, but LocalQueues.
    pub fn answer(&self, request: &Request) -> Option<Answer> {
        let (_, place) = request.path.split_once("/namespaces/kaiwo/")?;
        if request.is_dry_run() || place.starts_with("localqueues") {
            return None;
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
                merge(&mut object, &request.body);
                objects.insert(request.path.clone(), object.clone());
                Some(Answer::Json(200, object))
            }
            ("DELETE", Some(there)) => {
                let uid = &there["metadata"]["uid"];
                let wanted = &request.body["preconditions"]["uid"];
                if !wanted.is_null() && wanted != uid {
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
