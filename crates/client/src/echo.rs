//! Removes values of variables from refusals, in which the API server and its
//! webhooks repeat parts of the request: some print the whole object.

use kube::core::Status;
use serde_json::Value;

use kaiwo_base::secrecy::HIDDEN;

/// Shortest value that is looked for: shorter ones, such as `true`, stand in
/// many a message for other reasons.
const SHORTEST: usize = 6;

/// Takes the values of variables out of a refusal. `body` is what was sent.
pub fn silence(status: &mut Status, body: &[u8]) {
    let Ok(object) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    let (mut values, mut others) = (Vec::new(), Vec::new());
    sort(&object, false, &mut values, &mut others);
    values.retain(|value| {
        value.len() >= SHORTEST && !others.iter().any(|other| other.contains(value))
    });
    // One may be part of another.
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    for value in values {
        let quoted = Value::from(value).to_string();
        let escaped = &quoted[1..quoted.len() - 1];
        let without = |text: &str| text.replace(value, HIDDEN).replace(escaped, HIDDEN);
        status.message = without(&status.message);
        for cause in status.details.iter_mut().flat_map(|it| &mut it.causes) {
            cause.message = without(&cause.message);
        }
    }
}

/// Sorts the texts of an object into the values of variables and all others.
fn sort<'a>(value: &'a Value, in_env: bool, values: &mut Vec<&'a str>, others: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => others.push(text),
        Value::Array(items) => {
            for item in items {
                sort(item, in_env, values, others);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if in_env && name == "value" => values.push(text),
                    field => sort(field, name == "env", values, others),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_of_variables_are_not_repeated() {
        let body = json!({"spec": {"containers": [{
            "name": "main", "args": ["--model", "llama-3"],
            "env": [
                {"name": "HF_TOKEN", "value": "canary"},
                {"name": "LONGER", "value": "canary \"and more\""},
                {"name": "MODEL", "value": "llama-3"},
                {"name": "ON", "value": "true"},
            ],
        }]}});
        let said = "value: \"canary\", value: \"canary \\\"and more\\\"\", llama-3: true";
        let mut status = Status::failure(said, "Invalid");
        silence(&mut status, body.to_string().as_bytes());
        assert_eq!(status.message, "value: \"…\", value: \"…\", llama-3: true");
    }
}
