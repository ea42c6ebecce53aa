//! What of an object is not as it was asked for, and what writing it changes.

use serde_json::{Map, Value};

use super::comparison::{self, Change};
use crate::api::keys;
use crate::render::manifest::Manifest;

/// Where what is wanted is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// It is a new version: whatever a write changes is told.
    Asked,
    /// The record of the version, as the run that served it wanted it.
    Recorded,
    /// Rendered again, from a cluster and templates that may be others by now: only
    /// values that differ count.
    Rendered,
}

/// Fields that are no part of what an object is.
const ABOUT: [&str; 4] = ["apiVersion", "kind", "metadata", "status"];
/// Annotations that tell of a run or of the order of versions, or are proof enough
/// by themselves.
const PASSING: [&str; 5] = [
    keys::DIGEST_ANNOTATION,
    keys::KIND_ANNOTATION,
    keys::PREVIOUS_ANNOTATION,
    keys::SUBMISSION_ANNOTATION,
    keys::VERSIONS_ANNOTATION,
];
/// How a Deployment replaces its pods: chosen for each change.
const ROLLOUT: &str = "spec.strategy";
/// Fields whose values the request alone decides: neither the cluster nor the template
/// of another release has a say.
const ASKED: [&str; 14] = [
    "activeDeadlineSeconds",
    "averageUtilization",
    "averageValue",
    "backoffLimit",
    "containerPort",
    "entrypoint",
    "host",
    "image",
    "minAvailable",
    "port",
    "schedule",
    "serveConfigV2",
    "timeZone",
    "ttlSecondsAfterFinished",
];

/// Returns what of `live` is not as kaiwo wrote it; `answer` is what the API server
/// makes of the manifest.
pub fn drift(manifest: &Manifest, answer: &Value, live: &Value, basis: Basis) -> Vec<Change> {
    let value = manifest.value();
    let mut found = Vec::new();
    for (field, written) in value.as_object().into_iter().flatten() {
        if !ABOUT.contains(&field.as_str()) {
            let (answer, live) = (&answer[field], &live[field]);
            found.extend(comparison::rendered(written, answer, live, field));
        }
    }
    for field in ["labels", "annotations"] {
        let written = pairs(value, field);
        let (answer, live) = (&answer["metadata"][field], &live["metadata"][field]);
        let path = format!("metadata.{field}");
        found.extend(comparison::rendered(&written, answer, live, &path));
    }
    found.retain(|change| !change.path.starts_with(ROLLOUT));
    if basis == Basis::Rendered {
        let is_stopped = live["spec"]["replicas"] == 0;
        found.retain(|change| is_value(change) || is_stopped && change.path == "spec.replicas");
    }
    found
}

fn pairs(value: &Value, field: &str) -> Value {
    let mut pairs: Map<String, Value> = value["metadata"][field]
        .as_object()
        .cloned()
        .unwrap_or_default();
    pairs.retain(|key, _| !PASSING.contains(&key.as_str()) && key != keys::USERNAME_LABEL);
    Value::Object(pairs)
}

/// Returns whether a value is another that the request alone decides.
fn is_value(change: &Change) -> bool {
    let field = change.path.rsplit('.').next().unwrap_or_default();
    ASKED.contains(&field) && !["added", "removed"].contains(&change.what.as_str())
}

/// Returns all that becomes different where the API server puts `answer` in the
/// place of `live`. What others have written beside kaiwo's labels stays anyway.
pub fn changes(manifest: &Manifest, answer: &Value, live: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    let fields = answer.as_object().into_iter().chain(live.as_object());
    let mut seen: Vec<&String> = Vec::new();
    for field in fields.flat_map(|fields| fields.keys()) {
        if !ABOUT.contains(&field.as_str()) && !seen.contains(&field) {
            seen.push(field);
            let (answer, live) = (&answer[field], &live[field]);
            found.extend(comparison::stored(answer, live, field));
        }
    }
    let written = pairs(manifest.value(), "labels");
    let of = |object: &Value| object["metadata"]["labels"].clone();
    let labels = comparison::rendered(&written, &of(answer), &of(live), "metadata.labels");
    found.extend(labels);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(replicas: &Value, image: &str, extra: &Value) -> Value {
        let mut container = json!({"name": "main", "image": image,
            "resources": {"limits": {"cpu": "4"}}, "env": [{"name": "A", "value": "1"}]});
        container
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
               "metadata": {"name": "w", "labels": {"team": "ml"}, "annotations": {keys::SUBMISSION_ANNOTATION: image}},
               "spec": {"replicas": replicas, "strategy": {"type": image},
                        "template": {"spec": {"containers": [container]}}}})
    }

    fn found(manifest: &Value, answer: &Value, live: &Value, basis: Basis) -> Vec<String> {
        let manifest = Manifest::new(manifest.clone()).unwrap();
        let found = drift(&manifest, answer, live, basis);
        found.iter().map(Change::to_string).collect()
    }

    #[test]
    fn what_kaiwo_wrote_is_compared_and_nothing_else() {
        let written = deployment(&json!(2), "a:1", &json!({}));
        // The API server fills in, and writes quantities in its own way.
        let defaults = json!({"imagePullPolicy": "IfNotPresent"});
        let answer = deployment(&json!(2), "a:1", &defaults);
        let image = "spec.template.spec.containers[main].image: a:2 → a:1";
        for (live, expected) in [
            (answer.clone(), vec![]),
            (
                deployment(&json!(0), "a:1", &defaults),
                vec!["spec.replicas: 0 → 2"],
            ),
            (deployment(&json!(2), "a:2", &defaults), vec![image]),
            (
                deployment(&json!(2), "a:1", &json!({"stdin": true})),
                vec![],
            ),
            (
                deployment(
                    &json!(2),
                    "a:1",
                    &json!({"env": [{"name": "A", "value": "1"}, {"name": "B"}]}),
                ),
                vec!["spec.template.spec.containers[main].env[B]: removed"],
            ),
            (
                deployment(&json!(2), "a:1", &json!({"env": null})),
                vec!["spec.template.spec.containers[main].env: added"],
            ),
        ] {
            assert_eq!(found(&written, &answer, &live, Basis::Recorded), expected);
        }
        // Scaled by something else, it is not kaiwo's number.
        let mut scaled = written.clone();
        scaled["spec"].as_object_mut().unwrap().remove("replicas");
        let live = deployment(&json!(7), "a:1", &json!({}));
        assert_eq!(
            found(&scaled, &live, &live, Basis::Recorded),
            [] as [&str; 0]
        );
    }

    #[test]
    fn what_is_rendered_anew_may_have_other_sizes() {
        let written = deployment(&json!(2), "a:1", &json!({"tty": true}));
        let sized = json!({"resources": {"limits": {"cpu": "8"}}});
        let live = deployment(&json!(4), "a:1", &sized);
        assert_eq!(
            found(&written, &written, &live, Basis::Rendered),
            [] as [&str; 0]
        );
        let live = deployment(&json!(0), "a:2", &sized);
        assert_eq!(
            found(&written, &written, &live, Basis::Rendered),
            [
                "spec.replicas: 0 → 2",
                "spec.template.spec.containers[main].image: a:2 → a:1"
            ]
        );
    }

    #[test]
    fn what_webhooks_change_is_no_drift() {
        let written = deployment(&json!(2), "a:1", &json!({}));
        let mut answer = deployment(&json!(2), "mirror/a:1", &json!({}));
        let injected = json!({"name": "sidecar", "image": "s:1"});
        let containers = &mut answer["spec"]["template"]["spec"]["containers"];
        containers.as_array_mut().unwrap().push(injected);
        assert_eq!(
            found(&written, &answer, &answer, Basis::Recorded),
            [] as [&str; 0]
        );
    }
}
