//! The example conversation of `kaiwo help agents`, typed as it is printed.

use serde_json::{Value, json};

use super::server::MockApi;
use super::store::Store;
use crate::common::commands;

/// An exchange of the guide: what is typed, and the exit code, the kind, a field and its
/// value that it promises.
fn conversation(guide: &str) -> Vec<(Vec<String>, i32, String, String, String)> {
    let lines: Vec<&str> = guide.lines().collect();
    let pairs = lines.windows(2).filter_map(|pair| {
        let typed = pair[0].trim().strip_prefix("$ kaiwo ")?;
        let words: Vec<&str> = pair[1].split_whitespace().collect();
        let [code, kind, field, "=", value] = words[..] else {
            panic!("not an answer: {}", pair[1]);
        };
        // From a path of jq to a JSON Pointer.
        let pointer = field.replace(['.', '['], "/").replace(']', "");
        Some((
            commands::words(typed),
            code.parse().unwrap(),
            kind.to_owned(),
            pointer,
            value.to_owned(),
        ))
    });
    pairs.collect()
}

#[test]
fn the_conversation_of_the_guide_is_true() {
    let store = Store::default();
    let kept = store.clone();
    let api = MockApi::new(move |request| kept.answer(request));
    api.sandbox.write("train/entrypoint", "echo\n");
    let guide = api.sandbox.kaiwo(&["help", "agents"]).exits(0).stdout;
    let exchanges = conversation(&guide);
    assert!(exchanges.len() > 5, "{guide}");
    for (words, code, kind, pointer, value) in exchanges {
        // As Kueue and the Job's controller would.
        if words[0] == "status" && !store.names().is_empty() {
            store.edit("jobs/train", &json!({"spec": {"suspend": true}}));
        }
        if words[0] == "wait" {
            let ended = json!([{"type": "Complete", "status": "True"}]);
            let ended = json!({"succeeded": 1, "conditions": ended});
            let admitted = json!({"spec": {"suspend": false}, "status": ended});
            store.edit("jobs/train", &admitted);
        }
        let typed: Vec<&str> = words.iter().map(String::as_str).collect();
        let outcome = api.sandbox.kaiwo(&typed).exits(code);
        // A document is one line where several are written, and many where it is one.
        let last = outcome.stdout.lines().last().unwrap_or_default();
        let answer: Value = serde_json::from_str(&outcome.stdout)
            .or_else(|_| serde_json::from_str(last))
            .unwrap_or_else(|error| panic!("{words:?}: {error}: {outcome:?}"));
        assert_eq!(answer["kind"], *kind, "{words:?}: {outcome:?}");
        let found = answer.pointer(&pointer).and_then(Value::as_str);
        assert_eq!(found, Some(value.as_str()), "{words:?}: {outcome:?}");
    }
    assert_eq!(store.names(), [""; 0]);
}
