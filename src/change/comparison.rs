//! Lists what an update changes in an object, place by place.

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

fn compare(new: &Value, old: &Value, path: &str, found: &mut Vec<Change>) {
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
        (Value::Array(new), Value::Array(old)) if named(new) && named(old) => {
            let name = |item: &Value| item["name"].as_str().unwrap_or_default().to_owned();
            for item in new {
                let path = format!("{path}[{}]", name(item));
                match old.iter().find(|other| name(other) == name(item)) {
                    Some(other) => compare(item, other, &path, found),
                    None => found.push(Change {
                        path,
                        what: "added".to_owned(),
                    }),
                }
            }
            for item in old {
                if !new.iter().any(|other| name(other) == name(item)) {
                    found.push(Change {
                        path: format!("{path}[{}]", name(item)),
                        what: "removed".to_owned(),
                    });
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

fn named(items: &[Value]) -> bool {
    items.iter().all(|item| item["name"].is_string())
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
