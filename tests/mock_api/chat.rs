//! `kaiwo chat` and `kaiwo endpoint`, in JSON.

use serde_json::json;

use super::json::is_golden;
use super::server::{Answer, MockApi, Request};
use super::trouble::is;
use crate::common::Outcome;

/// A Deployment with a Service; what its model answers is `said`.
fn model(said: fn(&Request) -> Answer) -> MockApi {
    MockApi::new(move |request| {
        let metadata = json!({"name": "llm", "namespace": "kaiwo", "uid": "u"});
        if is(request, "GET", "/deployments/llm") {
            return Some(Answer::Json(
                200,
                json!({"metadata": metadata, "spec": {"replicas": 1}}),
            ));
        }
        if is(request, "GET", "/services/llm") {
            return Some(Answer::Json(
                200,
                json!({
                    "metadata": metadata,
                    "spec": {"ports": [{"name": "http", "port": 8000}]},
                    "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
                }),
            ));
        }
        if request.path.contains("/services/llm:8000/proxy/") {
            return Some(match request.path.ends_with("/v1/models") {
                true => Answer::Json(200, json!({"data": [{"id": "phi-4"}]})),
                false => said(request),
            });
        }
        let any = [
            "jobs",
            "cronjobs",
            "rayjobs",
            "rayservices",
            "workspaces",
            "ingresses",
        ];
        any.iter()
            .any(|kind| request.path.ends_with(&format!("/{kind}/llm")))
            .then_some(Answer::Refuse(404, "not found"))
    })
}

fn whole(_: &Request) -> Answer {
    // Some servers stream nothing, whatever is asked of them.
    Answer::Json(
        200,
        json!({
            "choices": [{"message": {"content": "Hello."}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 2, "completion_tokens": 1},
        }),
    )
}

fn loading(_: &Request) -> Answer {
    Answer::Json(503, json!({"error": {"message": "the model is loading"}}))
}

fn chat(api: &MockApi, arguments: &[&str]) -> Outcome {
    api.sandbox
        .kaiwo(&[&["chat", "llm", "hi"], arguments].concat())
}

/// A model that is not ready.
pub fn not_ready() -> (MockApi, Outcome) {
    let api = model(loading);
    let outcome = chat(&api, &["--json"]);
    (api, outcome)
}

#[test]
fn an_answer_has_its_golden() {
    let api = model(whole);
    is_golden("chat_answer", &chat(&api, &["--json"]).exits(0));
    let result = |_: &Request| Answer::Json(200, json!({"Result": "Hello."}));
    let terse = chat(&model(result), &["--json", "--api", "kaito"]);
    is_golden("chat_answer_kaito", &terse.exits(0));
    let plain = chat(&api, &[]).exits(0);
    assert_eq!(plain.stdout, "Hello.\n");
    let plain = plain.says("deployment/llm, model phi-4 (OpenAI)");
    assert!(!plain.stderr.contains("warning"), "{}", plain.stderr);
}

#[test]
fn an_endpoint_has_its_golden() {
    let api = model(whole);
    let asked = api.sandbox.kaiwo(&["endpoint", "llm", "-o", "json"]);
    is_golden("endpoint", &asked.exits(0));
    let told = api.sandbox.kaiwo(&["endpoint", "llm"]).exits(0);
    for line in [
        "public   http://192.0.2.1:8000",
        "cluster  http://llm.kaiwo.svc:8000",
        "kubectl get --raw /api/v1/namespaces/kaiwo/services/llm:8000/proxy/v1/models",
        "here     kaiwo port-forward deployment/llm -n kaiwo",
    ] {
        assert!(told.stdout.contains(line), "{line}: {}", told.stdout);
    }
}

/// Their bodies are no `Status`, whatever the code.
#[test]
fn refusals_are_told_in_the_models_words() {
    for (said, exit, words) in [
        (
            (|_| Answer::Json(400, json!({"error": {"message": "too long a context"}})))
                as fn(&Request) -> Answer,
            3,
            "refuses the question (400): too long a context",
        ),
        (
            |_| Answer::Json(422, json!({"detail": "no such field"})),
            3,
            "(422): no such field",
        ),
        (loading, 8, "does not answer: the model is loading"),
        (
            |_| Answer::Json(500, json!({"error": "CUDA out of memory"})),
            1,
            "failed (500): CUDA out of memory",
        ),
    ] {
        _ = chat(&model(said), &[]).exits(exit).says(words);
    }
}
