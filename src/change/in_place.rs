//! Decides whether a workload becomes in place what is wanted, and what of it
//! changes then.

use serde_json::{Map, Value};

use super::comparison::{self, Change};
use super::metadata::owners;
use super::version::GIVEN;
use crate::api::keys;
use crate::kind::WorkloadKind;
use crate::plan::action::Relation;
use crate::render::manifest::Manifest;

/// Returns the merge patch that makes `to` of `from`, if they differ, on the
/// condition that nobody has written to it since it was read.
pub fn patch(from: &Value, to: &Value) -> Option<Value> {
    let mut patch = difference(from, to)?;
    for field in ["uid", "resourceVersion"] {
        patch["metadata"][field] = from["metadata"][field].clone();
    }
    Some(patch)
}

/// Returns a merge patch (RFC 7386).
fn difference(from: &Value, to: &Value) -> Option<Value> {
    let (Value::Object(from), Value::Object(to)) = (from, to) else {
        return (from != to).then(|| to.clone());
    };
    let mut patch = Map::new();
    for key in from.keys().filter(|key| !to.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, to) in to {
        let changed = match from.get(key) {
            Some(from) => difference(from, to),
            None => Some(to.clone()),
        };
        patch.extend(changed.map(|changed| (key.clone(), changed)));
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// Returns why the service would not become what `manifest` says in place: Kueue
/// does not let it, or KAITO would take it and not do it. A LocalQueue named
/// `default` takes what names none.
pub fn in_place_block(manifest: &Manifest, live: &Value) -> Option<Relation> {
    if manifest.kind() == WorkloadKind::InferenceSet.name() {
        let scales = |change: &Change| change.path == "spec.replicas";
        let only_scaled = changes(manifest, live).iter().all(scales);
        return (!only_scaled).then_some(Relation::KeptByKaito);
    }
    let queue = |object: &Value| {
        let label = object["metadata"]["labels"][keys::QUEUE_NAME_LABEL].as_str();
        label.unwrap_or_default().to_owned()
    };
    let (wanted, there) = (queue(manifest.value()), queue(live));
    if wanted != there && !(wanted.is_empty() && there == keys::DEFAULT_LOCAL_QUEUE) {
        return Some(Relation::OtherwiseQueued);
    }
    // A rehearsal, which has a name of its own, does not trip over it, and what
    // goes with the workload would be changed before it.
    let selector = "/spec/selector";
    if manifest.kind() == WorkloadKind::Deployment.name()
        && manifest.value().pointer(selector) != live.pointer(selector)
    {
        return Some(Relation::OtherwiseSelected);
    }
    (is_queued_ray(live) && !cluster_changes(manifest.value(), live).is_empty())
        .then_some(Relation::HeldByQueue)
}

/// Where Kueue suspends the cluster of a RayService (v0.18).
const SUSPEND: &str = "/spec/rayClusterConfig/suspend";

fn is_queued_ray(live: &Value) -> bool {
    live.pointer(SUSPEND).is_some()
}

/// Compares the clusters of two RayServices, without what Kueue adds to the
/// pods that it admits: labels and tolerations of the flavor.
fn cluster_changes(new: &Value, live: &Value) -> Vec<Change> {
    let place = "rayClusterConfig";
    let mut found = comparison::between(&new["spec"][place], &live["spec"][place], place);
    found.retain(|change| {
        let of_pods = |field: &str| change.path.ends_with(&format!(".template.spec.{field}"));
        !(of_pods("nodeSelector") && change.what == "removed" || of_pods("tolerations"))
    });
    found
}

/// Returns the object as it shall be: what kaiwo writes, in what the cluster
/// has. Labels and annotations of others stay, and so does the cluster of a
/// RayService that Kueue has admitted, with what it has written there.
pub fn merged_object(manifest: &Manifest, live: &Value) -> Value {
    let (new, mut merged) = (manifest.value(), live.clone());
    if let Some(object) = merged.as_object_mut() {
        object.remove("status");
    }
    for (field, content) in new.as_object().into_iter().flatten() {
        match field.as_str() {
            "metadata" | "status" => {}
            "spec" => merged["spec"] = merged_spec(manifest.kind(), new, live),
            _ => merged[field] = content.clone(),
        }
    }
    // Of what is data alone, nothing else is there.
    for field in ["data", "binaryData"] {
        if manifest.kind() == "ConfigMap"
            && new.get(field).is_none()
            && let Some(object) = merged.as_object_mut()
        {
            object.remove(field);
        }
    }
    for field in ["labels", "annotations"] {
        let Some(pairs) = new["metadata"][field].as_object() else {
            continue;
        };
        match &mut merged["metadata"][field] {
            Value::Object(there) => there.extend(pairs.clone()),
            missing => *missing = Value::Object(pairs.clone()),
        }
    }
    if !new["metadata"]["ownerReferences"].is_null() && owners(live).next().is_none() {
        merged["metadata"]["ownerReferences"] = new["metadata"]["ownerReferences"].clone();
    }
    if let Some(metadata) = merged["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    merged
}

fn merged_spec(kind: &str, new: &Value, live: &Value) -> Value {
    let mut spec = new["spec"].clone();
    let keep = |spec: &mut Value, field: &str| {
        if spec[field].is_null() && !live["spec"][field].is_null() {
            spec[field] = live["spec"][field].clone();
        }
    };
    match kind {
        "Service" => GIVEN.iter().for_each(|field| keep(&mut spec, field)),
        "Ingress" | "HorizontalPodAutoscaler" | "PodDisruptionBudget" => {}
        kind if WorkloadKind::named(kind).is_some() => {
            // Left out, they are those of whatever scales the workload.
            keep(&mut spec, "replicas");
            if is_queued_ray(live) && cluster_changes(new, live).is_empty() {
                spec["rayClusterConfig"] = live["spec"]["rayClusterConfig"].clone();
            }
        }
        // Of a kind that nobody here knows, what it has been given stays.
        _ => {
            let mut given = live["spec"].clone();
            lay_over(&mut given, spec);
            return given;
        }
    }
    spec
}

fn lay_over(there: &mut Value, new: Value) {
    match (there, new) {
        (Value::Object(there), Value::Object(new)) => {
            for (key, value) in new {
                lay_over(there.entry(key).or_insert(Value::Null), value);
            }
        }
        (there, new) => *there = new,
    }
}

/// Compares what kaiwo would write with what is there, without what an update
/// leaves to Kueue.
fn changes(manifest: &Manifest, live: &Value) -> Vec<Change> {
    let mut found = comparison::between(&manifest.value()["spec"], &live["spec"], "spec");
    let labels = |object: &Value| match &object["metadata"]["labels"] {
        Value::Null => Value::Object(Map::new()),
        labels => labels.clone(),
    };
    let (new, old) = (labels(manifest.value()), labels(live));
    found.extend(
        comparison::between(&new, &old, "metadata.labels")
            .into_iter()
            // What kaiwo does not write there is somebody else's.
            .filter(|change| change.what != "removed"),
    );
    if is_queued_ray(live) && cluster_changes(manifest.value(), live).is_empty() {
        found.retain(|change| !change.path.starts_with("spec.rayClusterConfig"));
    }
    found
}

/// Returns whether changes of a Deployment have its pods replaced.
pub fn replaces_pods(changes: &[Change]) -> bool {
    changes
        .iter()
        .any(|change| change.path.starts_with("spec.template"))
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
    fn what_others_wrote_stays() {
        let live = json!({
            "metadata": {"uid": "u", "resourceVersion": "7", "labels": {"team": "x", "kueue.x-k8s.io/x": "y"},
                         "annotations": {"deployment.kubernetes.io/revision": "3"}, "managedFields": []},
            "spec": {"replicas": 1, "paused": true}, "status": {"replicas": 1},
        });
        let spec = json!({"replicas": 2});
        assert_eq!(
            merged_object(&manifest(spec), &live),
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"uid": "u", "resourceVersion": "7", "labels": {"team": "ml", "kueue.x-k8s.io/x": "y"},
                             "annotations": {"deployment.kubernetes.io/revision": "3"}},
                "spec": {"replicas": 2},
            })
        );
    }

    #[test]
    fn replicas_that_are_left_out_stay() {
        let live = json!({"metadata": {"uid": "u"}, "spec": {"replicas": 3, "paused": true}});
        let after = merged_object(&manifest(json!({"minReadySeconds": 1})), &live);
        assert_eq!(
            after["spec"],
            json!({"replicas": 3, "minReadySeconds": 1}),
            "a default of 1 would end the other pods"
        );
        assert_eq!(
            changes(
                &manifest(json!({})),
                &json!({"metadata": {"labels": {"team": "ml"}}, "spec": {"replicas": 3}})
            ),
            []
        );
    }

    #[test]
    fn what_a_companion_no_longer_has_goes() {
        let becomes = |kind: &str, new: Value, live: Value| {
            let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "a"}});
            object
                .as_object_mut()
                .unwrap()
                .extend(new.as_object().unwrap().clone());
            let live = {
                let mut whole = json!({"apiVersion": "v1", "kind": kind,
                    "metadata": {"name": "a", "uid": "u", "resourceVersion": "7"}});
                whole
                    .as_object_mut()
                    .unwrap()
                    .extend(live.as_object().unwrap().clone());
                whole
            };
            patch(
                &live,
                &merged_object(&Manifest::new(object).unwrap(), &live),
            )
        };
        let as_read = json!({"uid": "u", "resourceVersion": "7"});
        assert_eq!(
            becomes(
                "Ingress",
                json!({"spec": {"rules": []}}),
                json!({"spec": {"ingressClassName": "nginx", "rules": [1]}}),
            ),
            Some(json!({"metadata": as_read, "spec": {"ingressClassName": null, "rules": []}}))
        );
        // What the API server has given out stays.
        assert_eq!(
            becomes(
                "Service",
                json!({"spec": {"ports": []}}),
                json!({"spec": {"clusterIP": "10.0.0.1", "ports": []}}),
            ),
            None
        );
        assert_eq!(
            becomes(
                "ConfigMap",
                json!({"data": {"a": "1"}}),
                json!({"data": {"a": "1", "b": "2"}})
            ),
            Some(json!({"metadata": as_read, "data": {"b": null}}))
        );
        assert_eq!(
            becomes(
                "Gadget",
                json!({"spec": {"size": 2}}),
                json!({"spec": {"size": 1, "volumeName": "v"}}),
            ),
            Some(json!({"metadata": as_read, "spec": {"size": 2}}))
        );
    }

    /// A RayService whose workers have this image, as Kueue has admitted it.
    fn admitted(image: &str) -> (Value, Value) {
        let spec = |selector: Value, tolerations: Value, image: &str| {
            json!({"spec": {"nodeSelector": selector, "tolerations": tolerations,
                            "containers": [{"name": "ray-worker", "image": image}]}})
        };
        let cluster = |template| json!({"workerGroupSpecs": [{"groupName": "workers", "template": template}]});
        let mut plain = cluster(spec(json!({}), json!([]), image));
        let template = &mut plain["workerGroupSpecs"][0]["template"]["spec"];
        template.as_object_mut().unwrap().remove("nodeSelector");
        let mut live = cluster(spec(
            json!({"gpu": "mi300x"}),
            json!([{"key": "gpu"}]),
            "a:1",
        ));
        live["suspend"] = json!(false);
        (plain, live)
    }

    #[test]
    fn of_a_queued_rayservice_only_the_applications_change_in_place() {
        let queued = |cluster: Value, config: &str| {
            json!({"apiVersion": "ray.io/v1", "kind": "RayService",
                   "metadata": {"name": "a", "labels": {"kueue.x-k8s.io/queue-name": "q"}},
                   "spec": {"serveConfigV2": config, "rayClusterConfig": cluster}})
        };
        let (same, live) = admitted("a:1");
        let live = queued(live, "one");
        let new = Manifest::new(queued(same, "two")).unwrap();
        assert_eq!(in_place_block(&new, &live), None);
        let told: Vec<String> = changes(&new, &live).iter().map(Change::to_string).collect();
        assert_eq!(told, ["spec.serveConfigV2: changed"]);
        let after = merged_object(&new, &live);
        assert_eq!(after["spec"]["serveConfigV2"], "two");
        assert_eq!(
            after["spec"]["rayClusterConfig"], live["spec"]["rayClusterConfig"],
            "another cluster would have to be admitted anew"
        );

        let (other, _) = admitted("a:2");
        let new = Manifest::new(queued(other, "one")).unwrap();
        assert_eq!(in_place_block(&new, &live), Some(Relation::HeldByQueue));
    }

    #[test]
    fn a_deployment_keeps_its_selector() {
        let selecting = |labels: Value| {
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"},
                   "spec": {"selector": {"matchLabels": labels}}})
        };
        let live = selecting(json!({"a": "1"}));
        let new = |labels| Manifest::new(selecting(labels)).unwrap();
        assert_eq!(in_place_block(&new(json!({"a": "1"})), &live), None);
        assert_eq!(
            in_place_block(&new(json!({"a": "1", "b": "2"})), &live),
            Some(Relation::OtherwiseSelected)
        );
    }

    #[test]
    fn of_an_inference_set_the_number_of_replicas_changes_in_place() {
        let set = |replicas: i64, image: &str| {
            json!({"apiVersion": "kaito.sh/v1beta1", "kind": "InferenceSet",
                   "metadata": {"name": "a"},
                   "spec": {"replicas": replicas, "template": {
                       "inference": {"adapters": [{"source": {"name": "a", "image": image}}],
                                     "preset": {"name": "phi-4"}}}}})
        };
        let mut live = set(1, "x:1");
        live["spec"]["updateStrategy"] = json!({"type": "RollingUpdate"});
        let new = |replicas, image| Manifest::new(set(replicas, image)).unwrap();
        assert_eq!(in_place_block(&new(3, "x:1"), &live), None);
        assert_eq!(
            in_place_block(&new(1, "x:2"), &live),
            Some(Relation::KeptByKaito)
        );
        assert_eq!(merged_object(&new(3, "x:1"), &live)["spec"]["replicas"], 3);
    }

    #[test]
    fn a_service_stays_in_its_queue() {
        let labelled = |queue: Option<&str>| {
            let mut object = manifest(json!({})).value().clone();
            if let Some(queue) = queue {
                object["metadata"]["labels"][keys::QUEUE_NAME_LABEL] = json!(queue);
            }
            object
        };
        for (wanted, there, expected) in [
            (None, None, None),
            (Some("q"), Some("q"), None),
            (None, Some("default"), None),
            (None, Some("q"), Some(Relation::OtherwiseQueued)),
            (Some("q"), None, Some(Relation::OtherwiseQueued)),
            (Some("q"), Some("default"), Some(Relation::OtherwiseQueued)),
        ] {
            let new = Manifest::new(labelled(wanted)).unwrap();
            assert_eq!(
                in_place_block(&new, &labelled(there)),
                expected,
                "{wanted:?} {there:?}"
            );
        }
    }
}
