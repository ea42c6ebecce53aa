//! Takes out of a manifest what counts as secret, so that the rest can be kept where
//! many may read it, and puts it back.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Confidential, looks_secret, names_a_secret, secret_in};

/// Values by the JSON pointers of their places.
pub type Taken = BTreeMap<String, Confidential<String>>;

/// What stands in a manifest for a value that was taken out: a reference to a Secret
/// takes its place as well, so that nobody takes it for the value.
pub const TAKEN: &str = "(in a Secret)";

/// What `kubectl apply` writes down of an object: all of it, once more.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Returns whether the value of a variable counts as secret: by the name of the
/// variable, or by what it looks like, a URL with a password among that.
pub fn is_secret(name: &str, value: &str) -> bool {
    let has_password = value.contains("://") && value.contains('@');
    let is_one = names_a_secret(name) || looks_secret(value) || has_password;
    !value.is_empty() && (is_one || holds_a_secret(value))
}

/// Returns whether a text of several settings, such as YAML or JSON in a field of a
/// manifest, gives one a value that counts as secret.
fn holds_a_secret(text: &str) -> bool {
    let is_open = |c: char| c.is_whitespace() || "\"'-".contains(c);
    let settings = text.split(['\n', '{', ',']);
    let mut pairs = settings.filter_map(|setting| setting.split_once(':'));
    text.contains(['\n', '{'])
        && pairs.any(|(name, value)| {
            let value = value.trim_matches(|c: char| is_open(c) || c == '}');
            let has_password = value.contains("://") && value.contains('@');
            let is_one = names_a_secret(name.trim_matches(is_open)) || looks_secret(value);
            !value.is_empty() && (is_one || has_password)
        })
}

/// Replaces by [`TAKEN`] what counts as secret in manifests: values of variables, of
/// other fields with such a name and of Secrets, words of commands, and texts that hold
/// settings. Returns the values by their JSON pointers (RFC 6901).
pub fn take(manifests: &mut Value) -> Taken {
    let mut taken = Taken::new();
    take_below(manifests, "", &mut taken);
    taken
}

/// Puts values back to where they were taken from; returns whether each had its
/// place.
pub fn put_back(manifest: &mut Value, taken: &Taken) -> bool {
    let mut places = taken.iter();
    places.all(|(pointer, value)| match manifest.pointer_mut(pointer) {
        Some(place) if place == TAKEN => {
            *place = Value::from(value.expose().as_str());
            true
        }
        _ => false,
    })
}

/// Returns what people call a value that was taken: the name of its variable, or else
/// of its field.
pub fn called(manifest: &Value, pointer: &str) -> String {
    let parent = pointer.strip_suffix("/value").unwrap_or_default();
    let variable = manifest.pointer(&format!("{parent}/name"));
    let is_index = |part: &&str| part.bytes().all(|b| b.is_ascii_digit());
    match variable.and_then(Value::as_str) {
        Some(variable) if !parent.is_empty() => variable.to_owned(),
        _ => {
            let field = pointer.rsplit('/').find(|part| !is_index(part));
            field.unwrap_or_default().replace("~1", "/")
        }
    }
}

fn take_below(value: &mut Value, at: &str, taken: &mut Taken) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                take_below(item, &format!("{at}/{index}"), taken);
            }
        }
        Value::Object(fields) => {
            let is_secret_object = fields.get("kind").is_some_and(|kind| kind == "Secret");
            let variable = fields
                .get("name")
                .and_then(Value::as_str)
                .map(str::to_owned);
            for (name, field) in fields {
                let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                match (name.as_str(), field) {
                    ("command" | "args", Value::Array(words)) => take_words(words, &at, taken),
                    ("data" | "stringData", Value::Object(values)) if is_secret_object => {
                        for (key, value) in values {
                            let key = key.replace('~', "~0").replace('/', "~1");
                            take_text(value, format!("{at}/{key}"), taken, |_| true);
                        }
                    }
                    ("value", field @ Value::String(_)) if variable.is_some() => {
                        let name = variable.as_deref().unwrap_or_default();
                        take_text(field, at, taken, |value| is_secret(name, value));
                    }
                    (_, field @ Value::String(_)) => take_text(field, at, taken, |value| {
                        names_a_secret(name) || holds_a_secret(value)
                    }),
                    (_, field) => take_below(field, &at, taken),
                }
            }
        }
        _ => {}
    }
}

fn take_text(field: &mut Value, at: String, taken: &mut Taken, is_secret: impl Fn(&str) -> bool) {
    if let Value::String(value) = field
        && !value.is_empty()
        && is_secret(value)
    {
        let value = std::mem::replace(value, TAKEN.to_owned());
        taken.insert(at, Confidential::new(value));
    }
}

fn take_words(words: &mut [Value], at: &str, taken: &mut Taken) {
    let mut before = String::new();
    for (index, word) in words.iter_mut().enumerate() {
        let Value::String(word) = word else { continue };
        let own = word.clone();
        if secret_in(&before, word).is_some() {
            taken.insert(format!("{at}/{index}"), Confidential::new(own.clone()));
            TAKEN.clone_into(word);
        }
        before = own;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_taken_comes_back() {
        let container = json!({
            "command": ["serve", "--api-key", "canary", "--port", "8080"],
            "args": ["--token=canary", "x"],
            "env": [
                {"name": "HF_TOKEN", "value": "canary"},
                {"name": "EMPTY_TOKEN", "value": ""},
                {"name": "MODEL", "value": "llama"},
                {"name": "URL", "value": "https://me:canary@host"},
                {"name": "OTHER", "value": "hf_canarycanary"},
                {"name": "GOOGLE", "value": "{\"private_key\": \"canary\"}"},
                {"name": "API_KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            ],
            "livenessProbe": {"httpGet": {"httpHeaders": [{"name": "X-Api-Key", "value": "canary"}]}},
        });
        let before = json!([
            {"kind": "Deployment", "spec": {"a/b~c": {"containers": [container]}}},
            {"kind": "RayService", "spec": {
                "serveConfigV2": "applications:\n- name: a\n  runtime_env:\n    env_vars: {A: b, HF_TOKEN: canary}\n",
                "rayClusterConfig": {"headGroupSpec": {"rayStartParams": {"redis-password": "canary"}}}}},
            {"kind": "Secret", "metadata": {"name": "s"}, "data": {"a.b/c": "Y2FuYXJ5", "empty": ""}},
        ]);
        let mut kept = before.clone();
        let taken = take(&mut kept);
        let text = kept.to_string();
        assert!(!text.contains("canary") && !text.contains("Y2Fu"), "{text}");
        let called: Vec<String> = taken.keys().map(|at| called(&kept, at)).collect();
        assert_eq!(
            called,
            [
                "args",
                "command",
                "HF_TOKEN",
                "URL",
                "OTHER",
                "GOOGLE",
                "X-Api-Key",
                "redis-password",
                "serveConfigV2",
                "a.b/c"
            ]
        );
        let mut back = kept.clone();
        assert!(put_back(&mut back, &taken));
        assert_eq!(back, before);
        // What was changed meanwhile is not overwritten.
        kept[0]["spec"]["a/b~c"]["containers"][0]["env"][0]["value"] = json!("new");
        assert!(!put_back(&mut kept, &taken));
    }

    #[test]
    fn what_nobody_calls_secret_stays() {
        let plain = json!({
            "metadata": {"name": "w", "annotations": {"kaiwo-cli/digest": "0123456789abcdef0123456789abcdef"}},
            "spec": {"serveConfigV2": "applications:\n- name: a\n  import_path: app:main\n",
                     "secretName": "s", "automountServiceAccountToken": false,
                     "env": [{"name": "MAX_TOKENS", "value": "8"}, {"name": "B", "value": "a: b"}],
                     "args": ["--model", "m"]},
        });
        let mut kept = plain.clone();
        assert_eq!(take(&mut kept), Taken::new());
        assert_eq!(kept, plain);
    }
}
