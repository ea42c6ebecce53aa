//! The variables of a container, as kubelet and the runtime set them
//! (`makeEnvironmentVariables` in kubernetes v1.36 `kubelet_pods.go`).

use std::collections::BTreeMap;

use serde_json::Value;

use super::expansion::expand;
use super::{Objects, PodError, array, bytes_of, name_of, text};

/// What every pod is told of the API server's Service. Values may name these
/// variables in `$(…)`, so a pod without them would hide a wrong escape.
const API_SERVER: [(&str, &str); 7] = [
    ("KUBERNETES_SERVICE_HOST", "10.96.0.1"),
    ("KUBERNETES_SERVICE_PORT", "443"),
    ("KUBERNETES_SERVICE_PORT_HTTPS", "443"),
    ("KUBERNETES_PORT", "tcp://10.96.0.1:443"),
    ("KUBERNETES_PORT_443_TCP", "tcp://10.96.0.1:443"),
    ("KUBERNETES_PORT_443_TCP_PROTO", "tcp"),
    ("KUBERNETES_PORT_443_TCP_PORT", "443"),
];

/// Returns the variables that the container's first process has.
pub fn of_container(
    pod: &Value,
    container: &Value,
    objects: Objects<'_>,
    path: &str,
) -> Result<BTreeMap<String, String>, PodError> {
    let declared = declared(pod, container, objects)?;
    // Image and runtime come first: whatever the pod declares replaces it.
    let mut environment: BTreeMap<String, String> = [
        ("PATH", path.to_owned()),
        ("HOME", "/root".to_owned()),
        ("HOSTNAME", hostname(pod)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    environment.extend(api_server());
    environment.extend(declared);
    if let Some((name, _)) = environment.iter().find(|(_, value)| value.contains('\0')) {
        return Err(PodError(format!(
            "variable {name} holds a NUL, which no process can be given"
        )));
    }
    Ok(environment)
}

/// Returns the host name that kubelet gives the pod.
pub fn hostname(pod: &Value) -> String {
    let chosen = pod["spec"]["hostname"].as_str();
    let name = chosen.unwrap_or_else(|| name_of(pod));
    name[..name.len().min(63)]
        .trim_end_matches(['-', '.'])
        .to_owned()
}

/// Returns the container's `command` and `args`, expanded.
pub fn command_line(
    container: &Value,
    environment: &BTreeMap<String, String>,
) -> Result<Vec<String>, PodError> {
    let words: Vec<String> = ["command", "args"]
        .iter()
        .flat_map(|field| array(&container[*field]))
        .map(|word| expand(text(word), environment))
        .collect();
    if array(&container["command"]).is_empty() {
        return Err(PodError(
            "the container has no command: it runs its image's, which the pod runner does not have"
                .to_owned(),
        ));
    }
    Ok(words)
}

fn api_server() -> impl Iterator<Item = (String, String)> {
    API_SERVER
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
}

fn declared(
    pod: &Value,
    container: &Value,
    objects: Objects<'_>,
) -> Result<BTreeMap<String, String>, PodError> {
    if !container["envFrom"].is_null() {
        return Err(PodError("the pod runner knows no envFrom".to_owned()));
    }
    let mut declared: BTreeMap<String, String> = BTreeMap::new();
    for variable in array(&container["env"]) {
        let name = text(&variable["name"]);
        let value = text(&variable["value"]);
        let value = if !value.is_empty() {
            // Only what was declared above can be referred to.
            let mut known: BTreeMap<String, String> = api_server().collect();
            known.extend(declared.clone());
            Some(expand(value, &known))
        } else if variable["valueFrom"].is_object() {
            from_elsewhere(pod, &variable["valueFrom"], objects)
                .map_err(|error| PodError(format!("variable {name}: {error}")))?
        } else {
            Some(String::new())
        };
        if let Some(value) = value {
            declared.insert(name.to_owned(), value);
        }
    }
    Ok(declared)
}

/// Resolves `valueFrom`; nothing for an optional key that is missing.
fn from_elsewhere(
    pod: &Value,
    source: &Value,
    objects: Objects<'_>,
) -> Result<Option<String>, PodError> {
    if source["fieldRef"].is_object() {
        return field(pod, text(&source["fieldRef"]["fieldPath"])).map(Some);
    }
    for (reference, kind) in [("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")] {
        let selector = &source[reference];
        if !selector.is_object() {
            continue;
        }
        let (name, key) = (text(&selector["name"]), text(&selector["key"]));
        let object = objects(kind, name);
        // Of a ConfigMap, kubelet reads data only.
        let value = match (&object, kind) {
            (Some(object), "ConfigMap") => {
                object["data"][key].as_str().map(|v| v.as_bytes().to_vec())
            }
            (Some(object), _) => bytes_of(object, key)?,
            (None, _) => None,
        };
        return match value {
            Some(bytes) => String::from_utf8(bytes)
                .map(Some)
                .map_err(|_| PodError(format!("{kind} {name}: {key} is not UTF-8"))),
            None if selector["optional"] == true => Ok(None),
            None if object.is_none() => Err(PodError(format!("{kind} {name:?} not found"))),
            None => Err(PodError(format!(
                "couldn't find key {key} in {kind} {name}"
            ))),
        };
    }
    Err(PodError(format!("the pod runner knows no {source}")))
}

/// Reads a field of the pod as the downward API does: absent labels and
/// annotations are empty.
pub fn field(pod: &Value, path: &str) -> Result<String, PodError> {
    if let Some((map, key)) = path
        .strip_suffix("']")
        .and_then(|path| path.split_once("['"))
        && let "metadata.labels" | "metadata.annotations" = map
    {
        let map = &pod["metadata"][&map["metadata.".len()..]];
        return Ok(text(&map[key]).to_owned());
    }
    let value = match path {
        "metadata.name" => name_of(pod),
        "metadata.namespace" | "metadata.uid" => text(&pod["metadata"][&path["metadata.".len()..]]),
        "spec.nodeName" => text(&pod["spec"]["nodeName"]),
        "spec.serviceAccountName" => text(&pod["spec"]["serviceAccountName"]),
        "status.podIP" => text(&pod["status"]["podIP"]),
        "status.hostIP" => text(&pod["status"]["hostIP"]),
        _ => return Err(PodError(format!("unsupported fieldPath: {path}"))),
    };
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod() -> Value {
        json!({
            "metadata": {
                "name": "job-0-abcde", "namespace": "team",
                "labels": {"ray.io/group": "workers", "a[b]c": "odd"},
                "annotations": {"batch.kubernetes.io/job-completion-index": "1"},
            },
            "spec": {"hostname": "job-0", "nodeName": "amd-3"},
            "status": {"podIP": "10.1.0.7"},
        })
    }

    fn objects(kind: &str, name: &str) -> Option<Value> {
        match (kind, name) {
            ("Secret", "token") => {
                Some(json!({"data": {"hf": "aGZfJChOVU0p", "raw": "/w=="}, "kind": "Secret"}))
            }
            ("ConfigMap", "settings") => {
                Some(json!({"data": {"a": "1"}, "binaryData": {"b": "AA=="}, "kind": "ConfigMap"}))
            }
            _ => None,
        }
    }

    fn resolve(env: Value) -> Result<BTreeMap<String, String>, PodError> {
        of_container(&pod(), &json!({"env": env}), &objects, "/bin")
    }

    #[test]
    fn fields_of_the_pod_are_read() {
        for (path, expected) in [
            ("metadata.name", "job-0-abcde"),
            ("metadata.namespace", "team"),
            ("metadata.labels['ray.io/group']", "workers"),
            ("metadata.labels['a[b]c']", "odd"),
            ("metadata.labels['absent']", ""),
            (
                "metadata.annotations['batch.kubernetes.io/job-completion-index']",
                "1",
            ),
            ("spec.nodeName", "amd-3"),
            ("status.podIP", "10.1.0.7"),
        ] {
            assert_eq!(field(&pod(), path).unwrap(), expected, "{path}");
        }
        for path in ["spec.hostname", "metadata.labels[x]", "status.labels['x']"] {
            assert!(field(&pod(), path).is_err(), "{path}");
        }
    }

    #[test]
    fn variables_see_those_above_them_only() {
        let environment = resolve(json!([
            {"name": "EARLY", "value": "$(LATE)"},
            {"name": "LATE", "value": "x"},
            {"name": "BOTH", "value": "$(LATE)$$(LATE)$(KUBERNETES_SERVICE_PORT)$(HOSTNAME)"},
            {"name": "LATE", "value": "y"},
            {"name": "EMPTY", "value": ""},
            {"name": "HOME", "value": "/home/ray"},
        ]))
        .unwrap();
        for (name, expected) in [
            ("EARLY", "$(LATE)"),
            ("BOTH", "x$(LATE)443$(HOSTNAME)"),
            ("LATE", "y"),
            ("EMPTY", ""),
            ("HOME", "/home/ray"),
            ("HOSTNAME", "job-0"),
            ("PATH", "/bin"),
        ] {
            assert_eq!(environment[name], expected, "{name}");
        }
    }

    #[test]
    fn references_are_resolved_and_not_expanded() {
        let secret = |key: &str, optional: bool| {
            resolve(json!([{"name": "X", "valueFrom": {"secretKeyRef":
                {"name": "token", "key": key, "optional": optional}}}]))
        };
        assert_eq!(secret("hf", false).unwrap()["X"], "hf_$(NUM)");
        assert!(!secret("gone", true).unwrap().contains_key("X"));
        assert_eq!(
            secret("gone", false).unwrap_err().to_string(),
            "variable X: couldn't find key gone in Secret token"
        );
        assert!(secret("raw", false).is_err());
        let config = |name: &str, key: &str| {
            resolve(
                json!([{"name": "X", "valueFrom": {"configMapKeyRef": {"name": name, "key": key}}}]),
            )
        };
        assert_eq!(config("settings", "a").unwrap()["X"], "1");
        assert!(config("settings", "b").is_err());
        assert_eq!(
            config("gone", "a").unwrap_err().to_string(),
            "variable X: ConfigMap \"gone\" not found"
        );
    }

    #[test]
    fn commands_are_expanded_too() {
        let environment = BTreeMap::from([("A".to_owned(), "1 2".to_owned())]);
        let container = json!({"command": ["sh", "-c"], "args": ["echo $(A) $$(A)", ""]});
        assert_eq!(
            command_line(&container, &environment).unwrap(),
            ["sh", "-c", "echo 1 2 $(A)", ""]
        );
        assert!(command_line(&json!({"args": ["x"]}), &environment).is_err());
    }
}
