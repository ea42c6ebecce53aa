//! Lists what an update changes in an object, place by place.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::secrecy::{self, secret_in};

/// Fields that the API server never fills in by itself: where kaiwo no longer
/// writes one of these, it goes.
const WRITTEN_BY_USERS: [&str; 13] = [
    "behavior",
    "command",
    "imagePullSecrets",
    "ingressClassName",
    "initContainers",
    "lifecycle",
    "livenessProbe",
    "nodeSelector",
    "ports",
    "readinessProbe",
    "serviceAccountName",
    "startupProbe",
    "workingDir",
];

/// What an update changes in one place of the specification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The place, as a path.
    pub path: String,
    /// What happens there: `1 → 2`, `added`, `removed`, `changed`.
    pub what: String,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

/// Compares two values at `path`, and says what becomes of the old one. Fields
/// that the API server has filled in by itself do not count; values of variables
/// are not shown, because some of them are secrets.
pub fn between(new: &Value, old: &Value, path: &str) -> Vec<Change> {
    let mut found = Vec::new();
    compare(new, old, path, &mut found);
    found
}

/// Compares what the API server would store with what it has, so that nothing is
/// filled in on one side only: whatever is missing in `new` goes.
pub fn stored(new: &Value, old: &Value, path: &str) -> Vec<Change> {
    let mut found = Vec::new();
    if let (Value::Object(new), Value::Object(old)) = (new, old) {
        for key in new
            .keys()
            .chain(old.keys().filter(|key| !new.contains_key(*key)))
        {
            let path = format!("{path}.{key}");
            match (new.get(key), old.get(key)) {
                (Some(new), Some(old)) => found.extend(stored(new, old, &path)),
                (None, Some(old)) if !is_empty(old) => found.push(whole(path, "removed")),
                (Some(new), None) if !is_empty(new) => found.push(whole(path, "added")),
                _ => {}
            }
        }
        return found;
    }
    let each = |_: &str, new: &Value, old: &Value, path: &str, found: &mut Vec<Change>| {
        found.extend(stored(new, old, path));
    };
    if !by_name(new, old, path, &mut found, each) {
        compare(new, old, path, &mut found);
    }
    found
}

/// Compares lists whose items have names, in whatever order: `each` those that both
/// have. Returns whether they are such lists.
fn by_name(
    new: &Value,
    old: &Value,
    path: &str,
    found: &mut Vec<Change>,
    mut each: impl FnMut(&str, &Value, &Value, &str, &mut Vec<Change>),
) -> bool {
    let (Some(new), Some(old)) = (items(new), items(old)) else {
        return false;
    };
    for (name, item) in &new {
        let path = format!("{path}[{name}]");
        match old.iter().find(|(other, _)| other == name) {
            Some((_, old)) => each(name, item, old, &path, found),
            None => found.push(whole(path, "added")),
        }
    }
    let gone = old
        .iter()
        .filter(|(name, _)| !new.iter().any(|it| it.0 == *name));
    found.extend(gone.map(|(name, _)| whole(format!("{path}[{name}]"), "removed")));
    true
}

/// Returns the items of a list whose items have names of their own, which two
/// mounts of one volume have not.
fn items(list: &Value) -> Option<Vec<(&str, &Value)>> {
    let items = list.as_array()?.iter();
    let items: Option<Vec<_>> = items
        .map(|item| Some((item["name"].as_str()?, item)))
        .collect();
    let items = items?;
    let names: BTreeSet<&str> = items.iter().map(|(name, _)| *name).collect();
    (names.len() == items.len()).then_some(items)
}

/// Compares, of what is there, that which kaiwo has written: `answer` is what the
/// API server makes of `manifest`.
pub fn rendered(manifest: &Value, answer: &Value, live: &Value, path: &str) -> Vec<Change> {
    match (manifest, answer, live) {
        (Value::Object(fields), _, _) => {
            let mut found = Vec::new();
            for (key, manifest) in fields.iter().filter(|(_, value)| !is_empty(value)) {
                let path = format!("{path}.{key}");
                let is_there = |value: &&Value| !value.is_null();
                match (answer.get(key), live.get(key).filter(is_there)) {
                    (Some(answer), Some(live)) => {
                        found.extend(rendered(manifest, answer, live, &path));
                    }
                    (Some(answer), None) if !is_empty(answer) => found.push(whole(path, "added")),
                    // The API server does not keep it.
                    _ => {}
                }
            }
            found
        }
        (Value::Array(written), Value::Array(new), Value::Array(old)) => {
            rendered_items(written, (answer, new), (live, old), path)
        }
        _ => between(answer, live, path),
    }
}

fn rendered_items(
    written: &[Value],
    (answer, new): (&Value, &[Value]),
    (live, old): (&Value, &[Value]),
    path: &str,
) -> Vec<Change> {
    let mut found = Vec::new();
    let each = |name: &str, answer: &Value, live: &Value, path: &str, found: &mut Vec<Change>| {
        // What kaiwo has not written, a webhook has put there.
        if let Some(manifest) = written.iter().find(|item| item["name"] == *name) {
            found.extend(rendered(manifest, answer, live, path));
        }
    };
    if by_name(answer, live, path, &mut found, each) {
        return found;
    }
    // Kueue adds those of the flavor, in whatever place.
    if path.ends_with(".tolerations") {
        let missing = new.iter().any(|item| !old.contains(item));
        return missing
            .then(|| whole(path.to_owned(), "changed"))
            .into_iter()
            .collect();
    }
    let is_deep = |items: &[Value]| items.iter().all(Value::is_object);
    if written.len() == new.len() && new.len() == old.len() && is_deep(new) && is_deep(old) {
        let items = written.iter().zip(new).zip(old).enumerate();
        let items = items.map(|(index, ((manifest, new), old))| {
            rendered(manifest, new, old, &format!("{path}[{index}]"))
        });
        return items.flatten().collect();
    }
    between(answer, live, path)
}

fn whole(path: String, what: &str) -> Change {
    Change {
        path,
        what: what.to_owned(),
    }
}

fn compare(new: &Value, old: &Value, path: &str, found: &mut Vec<Change>) {
    if by_name(new, old, path, found, |_, new, old, path, found| {
        compare(new, old, path, found);
    }) {
        return;
    }
    let mut say = |path: &str, what: String| {
        found.push(Change {
            path: path.to_owned(),
            what,
        });
    };
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            for key in WRITTEN_BY_USERS {
                if old.contains_key(key) && !new.contains_key(key) {
                    say(&format!("{path}.{key}"), "removed".to_owned());
                }
            }
            for (key, new) in new {
                let path = format!("{path}.{key}");
                match old.get(key) {
                    Some(old) => compare(new, old, &path, found),
                    None if is_empty(new) => {}
                    None => found.push(Change {
                        path,
                        what: "added".to_owned(),
                    }),
                }
            }
        }
        (Value::Array(new), Value::Array(old)) if new.len() == old.len() => {
            let mut before = String::new();
            for (index, (new, old)) in new.iter().zip(old).enumerate() {
                let path = format!("{path}[{index}]");
                // Words of a command may be secret, too.
                let is_secret = |value: &Value| secret_in(&before, &text(value)).is_some();
                match new != old && (is_secret(new) || is_secret(old)) {
                    true => found.push(Change {
                        path,
                        what: "changed".to_owned(),
                    }),
                    false => compare(new, old, &path, found),
                }
                before = text(new);
            }
        }
        (new, old) if text(new) == text(old) => {}
        (Value::Array(_) | Value::Object(_), _) => say(path, "changed".to_owned()),
        _ if path.contains(".env[") || path.ends_with("serveConfigV2") => {
            say(path.trim_end_matches(".value"), "changed".to_owned());
        }
        (new, old) => {
            let what = format!("{} → {}", text(old), text(new));
            say(path, secrecy::message(&what));
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// A quantity may be written as a number, and comes back as a text.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changes_are_told_by_their_paths() {
        let container = |image: &str, gpus: Value, token: &str| {
            json!({"name": "main", "image": image, "env": [{"name": "T", "value": token}],
                   "resources": {"limits": {"amd.com/gpu": gpus}}})
        };
        let command = |token: &str, rate: &str| {
            between(
                &json!(["run", "--token", token, "--lr", rate]),
                &json!(["run", "--token", "a", "--lr", "1"]),
                "args",
            )
        };
        assert_eq!(
            command("b", "2")
                .iter()
                .map(Change::to_string)
                .collect::<Vec<_>>(),
            ["args[2]: changed", "args[4]: 1 → 2"]
        );
        let live = json!({"spec": {"replicas": 1, "revisionHistoryLimit": 10, "template": {"spec": {
            "containers": [container("a:1", json!("1"), "x"), {"name": "old"}], "dnsPolicy": "ClusterFirst",
            "serviceAccountName": "robot",
        }}}});
        let new = json!({"spec": {"replicas": 2, "template": {"spec": {
            "containers": [container("a:2", json!(1), "y")], "nodeSelector": {"a": "b"}, "tolerations": [],
        }}}});
        let told: Vec<String> = between(&new["spec"], &live["spec"], "spec")
            .iter()
            .map(Change::to_string)
            .collect();
        assert_eq!(
            told,
            [
                "spec.replicas: 1 → 2",
                "spec.template.spec.serviceAccountName: removed",
                "spec.template.spec.containers[main].env[T]: changed",
                "spec.template.spec.containers[main].image: a:1 → a:2",
                "spec.template.spec.containers[old]: removed",
                "spec.template.spec.nodeSelector: added",
            ]
        );
        assert_eq!(between(&new, &new, ""), []);
    }
}
