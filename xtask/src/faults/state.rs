//! What a namespace holds, told so that two namespaces can be compared in which the same was done.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::Value;

use super::lab::Space;

/// Where everything is listed that kaiwo makes.
const COLLECTIONS: [(&str, &str); 14] = [
    ("Job", "/apis/batch/v1/namespaces/{}/jobs"),
    ("CronJob", "/apis/batch/v1/namespaces/{}/cronjobs"),
    ("RayJob", "/apis/ray.io/v1/namespaces/{}/rayjobs"),
    ("RayService", "/apis/ray.io/v1/namespaces/{}/rayservices"),
    ("Deployment", "/apis/apps/v1/namespaces/{}/deployments"),
    (
        "Workspace",
        "/apis/kaito.sh/v1beta1/namespaces/{}/workspaces",
    ),
    (
        "InferenceSet",
        "/apis/kaito.sh/v1alpha1/namespaces/{}/inferencesets",
    ),
    ("ConfigMap", "/api/v1/namespaces/{}/configmaps"),
    ("Secret", "/api/v1/namespaces/{}/secrets"),
    ("Service", "/api/v1/namespaces/{}/services"),
    (
        "PersistentVolumeClaim",
        "/api/v1/namespaces/{}/persistentvolumeclaims",
    ),
    (
        "LocalQueue",
        "/apis/kueue.x-k8s.io/v1beta2/namespaces/{}/localqueues",
    ),
    (
        "HorizontalPodAutoscaler",
        "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers",
    ),
    (
        "PodDisruptionBudget",
        "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    ),
];
/// What stands for the UID of an owner that is there.
const ALIVE: &str = "of what is there";
/// How many of those are workloads.
const WORKLOADS: usize = 7;

/// Fields that say nothing about what was asked for.
const PASSING: [&str; 24] = [
    "/status",
    "/metadata/uid",
    "/metadata/resourceVersion",
    "/metadata/creationTimestamp",
    "/metadata/generation",
    "/metadata/managedFields",
    "/metadata/selfLink",
    "/metadata/finalizers",
    "/metadata/annotations/kaiwo-cli~1submission",
    "/metadata/annotations/deployment.kubernetes.io~1revision",
    "/metadata/annotations/pv.kubernetes.io~1bind-completed",
    "/metadata/annotations/pv.kubernetes.io~1bound-by-controller",
    "/metadata/labels/batch.kubernetes.io~1controller-uid",
    "/metadata/labels/controller-uid",
    // Chosen for each change, by what nodes have free then.
    "/spec/strategy",
    // Kueue's, while a Job waits and after.
    "/spec/suspend",
    "/spec/selector/matchLabels/batch.kubernetes.io~1controller-uid",
    "/spec/template/metadata/labels/batch.kubernetes.io~1controller-uid",
    "/spec/template/metadata/labels/controller-uid",
    "/spec/clusterIP",
    "/spec/clusterIPs",
    "/spec/volumeName",
    "/spec/jobId",
    "/spec/rayClusterName",
];
/// Likewise, in a Job's and a Ray cluster's pods: what Kueue adds of the flavor, once it has admitted them.
const OF_FLAVORS: [&str; 3] = ["nodeSelector", "tolerations", "schedulingGates"];
/// Kueue's keys that a request decides.
const OF_REQUESTS: [&str; 2] = ["kueue.x-k8s.io/queue-name", "kueue.x-k8s.io/priority-class"];

/// The objects of a namespace that kaiwo made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// By kind and name; names may be equal once what only digests tell apart is left out.
    objects: BTreeMap<String, Vec<Value>>,
}

impl State {
    pub fn read(space: &Space<'_>) -> Result<Self> {
        let mut found = Vec::new();
        for (kind, path) in COLLECTIONS {
            let list = space.lab().get(&path.replace("{}", &space.name))?;
            let items = list.map(|mut list| list["items"].take());
            for mut object in items
                .iter()
                .flat_map(|items| items.as_array())
                .flatten()
                .cloned()
            {
                object["kind"] = kind.into();
                found.push(object);
            }
        }
        Ok(Self::of_objects(found, &space.name))
    }

    /// Takes objects of a namespace for what they are.
    fn of_objects(found: Vec<Value>, namespace: &str) -> Self {
        let uids: Vec<String> = found
            .iter()
            .filter_map(|object| object["metadata"]["uid"].as_str().map(str::to_owned))
            .collect();
        // Then the autoscaler chooses the number of pods.
        let is_scaled = found
            .iter()
            .any(|object| object["kind"] == "HorizontalPodAutoscaler");
        let mut objects: Vec<Value> = found.into_iter().filter(is_kaiwos).collect();
        for object in &mut objects {
            tidy(object, &uids, is_scaled);
        }
        let texts: Vec<String> = objects
            .iter()
            .map(|object| object.to_string().replace(namespace, "NS"))
            .collect();
        let mut state = Self::default();
        for text in texts {
            let object: Value = serde_json::from_str(&masked(&text)).unwrap_or_default();
            let place = place(&object);
            state.objects.entry(place).or_default().push(object);
        }
        for alike in state.objects.values_mut() {
            alike.sort_by_key(Value::to_string);
        }
        state
    }

    /// Returns whether such an object is there, `kind/name`, as kaiwo writes it.
    pub fn has(&self, object: &str) -> bool {
        self.objects.contains_key(&masked(object))
    }

    /// Returns how many workloads there are.
    pub fn workloads(&self) -> usize {
        let kinds: Vec<String> = COLLECTIONS[..WORKLOADS]
            .iter()
            .map(|(kind, _)| format!("{}/", kind.to_lowercase()))
            .collect();
        let of_workloads = |place: &&String| kinds.iter().any(|kind| place.starts_with(kind));
        let places = self.objects.keys().filter(of_workloads);
        places.map(|place| self.objects[place].len()).sum()
    }

    /// Returns this without what may stay for others: the LocalQueue.
    pub fn without_queue(mut self) -> Self {
        self.objects
            .retain(|place, _| !place.starts_with("localqueue/"));
        self
    }

    /// Returns what is served by this name: the workload and what stands around it, without what is kept of versions.
    pub fn of_service(&self, name: &str) -> Self {
        let mut state = self.clone();
        let is_its = |place: &str| place.split_once('/').is_some_and(|(_, its)| its == name);
        state
            .objects
            .retain(|place, _| is_its(place) && !place.starts_with("localqueue/"));
        for object in state.objects.values_mut().flatten() {
            if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
                annotations.remove("kaiwo-cli/versions");
                annotations.remove("kaiwo-cli/previous");
            }
        }
        state
    }

    /// Returns what goes with a workload, by kind and name, and belongs to none that is there.
    pub fn ownerless(&self) -> Vec<String> {
        let owned = |object: &Value| object["metadata"]["ownerReferences"][0]["uid"] == ALIVE;
        let goes = |place: &str| place.starts_with("configmap/");
        let objects = self.objects.iter().filter(|(place, _)| goes(place));
        let lost = objects.flat_map(|(place, objects)| {
            let lost = objects.iter().filter(|object| !owned(object));
            lost.map(move |_| place.clone())
        });
        lost.collect()
    }

    /// Returns what is here and not there, by kind and name.
    pub fn beyond(&self, other: &Self) -> Vec<String> {
        let count = |state: &Self, place: &String| state.objects.get(place).map_or(0, Vec::len);
        let places = self.objects.keys();
        places
            .filter(|place| count(self, place) > count(other, place))
            .cloned()
            .collect()
    }

    /// Tells in words what differs from what was expected.
    pub fn differences(&self, expected: &Self) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        words.extend(
            expected
                .beyond(self)
                .iter()
                .map(|place| format!("{place} is missing")),
        );
        words.extend(
            self.beyond(expected)
                .iter()
                .map(|place| format!("{place} is too much")),
        );
        for (place, objects) in &self.objects {
            let Some(wanted) = expected.objects.get(place) else {
                continue;
            };
            for (is, should) in objects.iter().zip(wanted) {
                let mut fields = Vec::new();
                compare(is, should, "", &mut fields);
                if !fields.is_empty() {
                    words.push(format!("{place} {}", fields.join(", ")));
                }
            }
        }
        words
    }
}

fn place(object: &Value) -> String {
    let text = |field: &Value| field.as_str().unwrap_or_default().to_owned();
    format!(
        "{}/{}",
        text(&object["kind"]).to_lowercase(),
        text(&object["metadata"]["name"])
    )
}

/// Returns whether kaiwo made an object, rather than an operator or the API server.
fn is_kaiwos(object: &Value) -> bool {
    let metadata = &object["metadata"];
    let made = metadata["labels"]["app.kubernetes.io/managed-by"] == "kaiwo";
    let owners = metadata["ownerReferences"].as_array().into_iter().flatten();
    let is_operators = owners.into_iter().any(|owner| owner["controller"] == true);
    (made || object["kind"] == "LocalQueue") && !is_operators
}

/// Leaves out what differs between two namespaces in which the same was done.
fn tidy(object: &mut Value, uids: &[String], is_scaled: bool) {
    for pointer in PASSING {
        if let Some((parent, key)) = pointer.rsplit_once('/')
            && let Some(Value::Object(parent)) = object.pointer_mut(parent)
        {
            parent.remove(&key.replace("~1", "/"));
        }
    }
    for owner in object["metadata"]["ownerReferences"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        let alive = uids.iter().any(|uid| owner["uid"] == uid.as_str());
        owner["uid"] = if alive { ALIVE } else { "of nothing" }.into();
    }
    if is_scaled
        && object["kind"] == "Deployment"
        && let Some(spec) = object["spec"].as_object_mut()
    {
        spec.remove("replicas");
    }
    if matches!(
        object["kind"].as_str(),
        Some("Job" | "RayJob" | "CronJob" | "RayService")
    ) {
        drop_flavors(object);
    }
    if let Some(ports) = object["spec"]["ports"].as_array_mut() {
        for port in ports.iter_mut().filter_map(Value::as_object_mut) {
            port.remove("nodePort");
        }
    }
}

fn drop_flavors(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let is_kueues =
                |key: &str| key.starts_with("kueue.x-k8s.io/") && !OF_REQUESTS.contains(&key);
            fields.retain(|key, _| !OF_FLAVORS.contains(&key.as_str()) && !is_kueues(key));
            fields.values_mut().for_each(drop_flavors);
            // Where there is nothing else, a run that Kueue has not come to yet has none at all.
            let none = |value: &Value| value.as_object().is_some_and(serde_json::Map::is_empty);
            fields.retain(|key, value| {
                !(matches!(key.as_str(), "annotations" | "labels") && none(value))
            });
        }
        Value::Array(items) => items.iter_mut().for_each(drop_flavors),
        _ => {}
    }
}

/// Replaces what may be a digest or a part of one: they differ from namespace to namespace.
fn masked(text: &str) -> String {
    const LEAST: usize = 8;
    let mut masked = String::with_capacity(text.len());
    let mut word = String::new();
    let end = |word: &mut String, masked: &mut String| {
        let is_digest = word.len() >= LEAST
            && word
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        masked.push_str(if is_digest { "#" } else { word });
        word.clear();
    };
    for character in text.chars() {
        if character.is_ascii_alphanumeric() {
            word.push(character);
        } else {
            end(&mut word, &mut masked);
            masked.push(character);
        }
    }
    end(&mut word, &mut masked);
    masked
}

fn compare(is: &Value, should: &Value, path: &str, fields: &mut Vec<String>) {
    const SHOWN: usize = 4;
    match (is, should) {
        _ if is == should || fields.len() >= SHOWN => {}
        (Value::Object(left), Value::Object(right)) => {
            let mut keys: Vec<&String> = left.keys().chain(right.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                compare(&is[key], &should[key], &format!("{path}.{key}"), fields);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (at, (left, right)) in left.iter().zip(right).enumerate() {
                compare(left, right, &format!("{path}[{at}]"), fields);
            }
        }
        _ => {
            let short = |value: &Value| {
                let text = value.to_string();
                text.chars().take(120).collect::<String>()
            };
            fields.push(format!("{path} is {} and not {}", short(is), short(should)));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config_map(namespace: &str, digest: &str, text: &str, owner: &str) -> Value {
        json!({
            "kind": "ConfigMap",
            "metadata": {
                "name": format!("w-{digest}"), "namespace": namespace, "uid": digest,
                "labels": {"app.kubernetes.io/managed-by": "kaiwo"},
                "ownerReferences": [{"kind": "Job", "name": "w", "uid": owner}],
            },
            "data": {"a": text},
        })
    }

    #[test]
    fn namespaces_and_digests_make_no_difference_but_owners_do() {
        let one = State::of_objects(
            vec![config_map("ns-1", "0123456789", "x", "0123456789")],
            "ns-1",
        );
        let same = State::of_objects(
            vec![config_map("ns-2", "abcdef0123", "x", "abcdef0123")],
            "ns-2",
        );
        assert_eq!(one, same);
        assert!(one.has("configmap/w-fedcba9876"));
        let orphan = State::of_objects(vec![config_map("ns-2", "abcdef0123", "x", "gone")], "ns-2");
        assert_eq!(
            orphan.differences(&one),
            [
                "configmap/w-# .metadata.ownerReferences[0].uid is \"of nothing\" and not \"of what is there\""
            ]
        );
    }

    #[test]
    fn what_is_too_much_or_missing_is_named() {
        let one = State::of_objects(
            vec![config_map("ns", "0123456789", "x", "0123456789")],
            "ns",
        );
        let none = State::default();
        assert_eq!(none.differences(&one), ["configmap/w-# is missing"]);
        assert_eq!(one.differences(&none), ["configmap/w-# is too much"]);
        assert_eq!(one.beyond(&none), ["configmap/w-#"]);
    }

    #[test]
    fn what_others_make_is_not_looked_at() {
        let mut operators = config_map("ns", "0123456789", "x", "u");
        operators["metadata"]["ownerReferences"][0]["controller"] = true.into();
        let mut certificates = config_map("ns", "0123456789", "x", "u");
        certificates["metadata"]["labels"] = json!({});
        let none = State::of_objects(vec![operators, certificates], "ns");
        assert_eq!(none, State::default());
    }
}
