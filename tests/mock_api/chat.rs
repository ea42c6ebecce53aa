//! `kaiwo chat` and `kaiwo endpoint`, in JSON.

use std::net::TcpStream;

use serde_json::json;
use tokio_tungstenite::tungstenite::protocol::WebSocket;

use super::exec::say;
use super::json::is_golden;
use super::server::{Answer, MockApi, Request, groups, list};
use super::trouble::is;
use crate::common::{Outcome, before_a_limit};

mod ports;

/// A Deployment with a Service; what its model answers is `said`.
fn model(said: fn(&Request) -> Answer) -> MockApi {
    MockApi::new(script(move |request| {
        match request.path.ends_with("/v1/models") {
            true => Answer::Json(200, json!({"data": [{"id": "phi-4"}]})),
            false => said(request),
        }
    }))
}

/// The same; behind the Service's proxy is `proxied`.
fn script(proxied: impl Fn(&Request) -> Answer) -> impl Fn(&Request) -> Option<Answer> {
    move |request| {
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
                    "spec": {
                        "selector": {"app": "llm"},
                        "ports": [{"name": "http", "port": 8000, "targetPort": 80}],
                    },
                    "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
                }),
            ));
        }
        if request.path.contains("/services/llm:8000/proxy/") {
            return Some(proxied(request));
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
    }
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
    let thinks = |_: &Request| {
        let message = json!({"content": "Hello.", "reasoning": "They greet."});
        let choice = json!({"message": message, "finish_reason": "stop"});
        Answer::Json(200, json!({"choices": [choice]}))
    };
    let thought = chat(&model(thinks), &["--json"]);
    is_golden("chat_answer_reasoning", &thought.exits(0));
    let refuses = |_: &Request| {
        let function = json!({"name": "weather", "arguments": "{\"city\":\"Oslo\"}"});
        let call = json!({"id": "1", "type": "function", "function": function});
        let message = json!({"content": null, "refusal": "No.", "tool_calls": [call]});
        let choice = json!({"message": message, "finish_reason": "tool_calls"});
        Answer::Json(200, json!({"choices": [choice]}))
    };
    let refused = chat(&model(refuses), &["--json"]);
    is_golden("chat_answer_refusal", &refused.exits(0));
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
        "kubectl get --raw /api/v1/namespaces/kaiwo/services/llm:8000/proxy/\n",
        "local    kaiwo port-forward deployment/llm -n kaiwo\n",
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
            "rejected the request (400): too long a context",
        ),
        (
            |_| Answer::Json(422, json!({"detail": "no such field"})),
            3,
            "(422): no such field",
        ),
        // It is not the cluster that wants to know who it is.
        (
            |_| Answer::Json(401, json!({"error": "Unauthorized"})),
            4,
            "rejected your credentials (401): Unauthorized",
        ),
        (loading, 8, "is not answering: the model is loading"),
        (
            |_| Answer::Json(500, json!({"error": "CUDA out of memory"})),
            1,
            "failed (500): CUDA out of memory",
        ),
    ] {
        _ = chat(&model(said), &[]).exits(exit).says(words);
    }
}

/// A body as it is, after which the connection ends.
fn body(text: &str) -> Answer {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n";
    let length = text.len();
    Answer::Raw(format!("{head}content-length: {length}\r\n\r\n{text}").into_bytes())
}

/// What servers send, the exit code, the answer and what is said beside it.
#[test]
fn answers_are_read_with_tolerance() {
    const HELLO: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hello.\"}}]}\n\n";
    const STOP: &str = "data: {\"choices\":[{\"delta\":null,\"finish_reason\":\"stop\"}]}\n\n";
    for (said, exit, stdout, stderr) in [
        (
            |_: &Request| {
                body(&format!(
                    "data: {{\"choices\":[{{\"delta\":{{\"reasoning\":\"hm\",\"reasoning_content\":\"hm\"}}}}]}}\n\n\
                     data: {{\"choices\":[{{\"delta\":{{\"reasoning\":null,\"reasoning_content\":null,\"content\":null}}}}]}}\n\n\
                     data:\n\ndata: null\n\n{HELLO}{STOP}data: {{\"choices\":null,\"usage\":{{\"prompt_tokens\":1}}}}\n\n\
                     data: [DONE]\n\n"
                ))
            },
            0,
            "Hello.\n",
            "hm\n",
        ),
        // Text Generation Inference ends so.
        (|_| body(&format!("{HELLO}{STOP}")), 0, "Hello.\n", ""),
        (
            |_| {
                body(
                    "{\n  \"choices\": [{\n    \"message\": {\"content\": \"Hello.\"},\n    \"finish_reason\": \"stop\"}]\n}\n",
                )
            },
            0,
            "Hello.\n",
            "",
        ),
        (
            |_| body("error: {\"code\":500,\"message\":\"no slot\"}\n\ndata: [DONE]\n\n"),
            1,
            "",
            "deployment/llm failed: no slot",
        ),
        (
            |_| body("<html>\n<body>Please sign in.</body>\n"),
            1,
            "",
            "invalid answer: <html> <body>Please sign in.</body>",
        ),
        (
            |_| body(HELLO),
            1,
            "Hello.\n",
            "the answer broke off after 6 characters",
        ),
        (
            |_| {
                body(
                    "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"weather\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n",
                )
            },
            0,
            "",
            "warning: the model wants to call a function, which kaiwo does not support: weather",
        ),
        (
            |_| body(&format!("{STOP}data: [DONE]\n")),
            0,
            "",
            "warning: the answer is empty",
        ),
    ] as [(fn(&Request) -> Answer, i32, &str, &str); 8]
    {
        let outcome = chat(&model(said), &[]).exits(exit).says(stderr);
        assert_eq!(outcome.stdout, stdout, "{}", outcome.stderr);
        assert!(
            outcome.stderr.matches("hm").count() <= 1,
            "{}",
            outcome.stderr
        );
    }
    let thoughtful = |_: &Request| {
        body(&format!(
            "data: {{\"choices\":[{{\"delta\":{{\"reasoning\":\"hm\"}}}}]}}\n\n{HELLO}{STOP}"
        ))
    };
    let told = chat(&model(thoughtful), &["--json"]).exits(0);
    let report: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(report["reasoning"], "hm");
    assert_eq!(report["answer"], "Hello.");
}

/// The same, with a first pod whose port says `first`.
fn behind(proxy: fn(&Request) -> Answer, first: &Answer) -> MockApi {
    let rest = script(proxy);
    let first = first.clone();
    MockApi::new(move |request| {
        let pod = |name: &str, ready: &str| {
            json!({
                "metadata": {"name": name, "namespace": "kaiwo", "uid": name},
                "spec": {"containers": [{"name": "main"}]},
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]},
            })
        };
        let ports = "/api/v1/namespaces/kaiwo/pods";
        match request.path.strip_prefix(ports) {
            Some("") if request.query.contains("labelSelector=app%3Dllm") => {
                let pods = [
                    pod("llm-a", "True"),
                    pod("llm-0", "False"),
                    pod("llm-b", "True"),
                ];
                Some(Answer::Json(200, list(&pods)))
            }
            Some("/llm-a/portforward") => Some(first.clone()),
            Some("/llm-b/portforward") if request.query == "ports=80" => {
                Some(Answer::Socket(server))
            }
            Some(_) => Some(Answer::Refuse(404, "not found")),
            None => rest(request),
        }
    })
}

/// As the kubelet begins: each channel with the port.
fn begin(socket: &mut WebSocket<TcpStream>) {
    say(socket, 0, "P\0");
    say(socket, 1, "P\0");
}

fn nobody(socket: &mut WebSocket<TcpStream>) {
    begin(socket);
    say(
        socket,
        1,
        "dial tcp4 127.0.0.1:80: connect: connection refused",
    );
    while socket.read().is_ok() {}
}

/// Reads a request to its end.
fn asked(socket: &mut WebSocket<TcpStream>) -> Option<String> {
    let mut asked = String::new();
    loop {
        let bytes = socket.read().ok()?.into_data();
        if let Some((0, bytes)) = bytes.split_first().map(|(channel, rest)| (*channel, rest)) {
            asked += std::str::from_utf8(bytes).unwrap();
        }
        let is_whole = match asked.split_once("\r\n\r\n") {
            Some((head, body)) => head.starts_with("GET ") || body.ends_with('}'),
            None => false,
        };
        if is_whole {
            assert!(asked.contains("host: llm.kaiwo.svc\r\n"), "{asked}");
            return Some(asked);
        }
    }
}

/// Answers requests until one is not `known`, and keeps the connection.
fn answers(socket: &mut WebSocket<TcpStream>, known: &str) -> Option<()> {
    begin(socket);
    loop {
        let asked = asked(socket)?;
        if !asked.starts_with(known) {
            return Some(());
        }
        let body = match asked.starts_with("GET /v1/models ") {
            true => json!({"data": [{"id": "phi-4"}]}),
            false => {
                json!({"choices": [{"message": {"content": "Hello."}, "finish_reason": "stop"}]})
            }
        };
        let body = body.to_string();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        // Not in one piece.
        say(socket, 0, &head[..9]);
        say(socket, 0, &head[9..]);
        say(socket, 0, &body);
    }
}

fn server(socket: &mut WebSocket<TcpStream>) {
    _ = answers(socket, "");
}

/// Is gone whatever it is asked.
fn gone(socket: &mut WebSocket<TcpStream>) {
    _ = answers(socket, "nothing");
}

/// An InferenceSet `set` with a Workspace that is ready.
fn inference_set() -> MockApi {
    set_behind(|request| match request.path.ends_with("/v1/models") {
        true => Answer::Json(200, json!({"data": [{"id": "phi-4"}]})),
        false => whole(request),
    })
}

/// The same; behind the proxy of its Service is `proxied`.
fn set_behind(proxied: fn(&Request) -> Answer) -> MockApi {
    MockApi::new(move |request| {
        let metadata = |name: &str| json!({"name": name, "namespace": "kaiwo", "uid": name});
        let conditions = ["ResourceReady", "InferenceReady", "WorkspaceSucceeded"]
            .map(|kind| json!({"type": kind, "status": "True"}));
        let json = match request.path.as_str() {
            "/apis" => {
                let mut groups = groups(&[], &[]);
                let versions = json!([{"groupVersion": "kaito.sh/v1beta1", "version": "v1beta1"}]);
                let served = groups["groups"].as_array_mut().unwrap();
                served.push(json!({"name": "kaito.sh", "versions": versions}));
                groups
            }
            "/apis/kaito.sh/v1beta1" => json!({"resources": [
                {"name": "inferencesets", "kind": "InferenceSet", "namespaced": true}]}),
            "/apis/kaito.sh/v1beta1/namespaces/kaiwo/inferencesets/set" => {
                json!({"metadata": metadata("set")})
            }
            "/apis/kaito.sh/v1beta1/namespaces/kaiwo/workspaces"
                if request.query.contains("created-by%3Dset") =>
            {
                list(&[
                    json!({"metadata": metadata("set-a")}),
                    json!({"metadata": metadata("set-b"), "status": {"conditions": conditions}}),
                ])
            }
            "/api/v1/namespaces/kaiwo/services/set-b" => json!({
                "metadata": metadata("set-b"),
                "spec": {"ports": [{"port": 80, "targetPort": 5000}]},
            }),
            path if path.contains("/services/set-b:80/proxy/") => return Some(proxied(request)),
            _ => return None,
        };
        Some(Answer::Json(200, json))
    })
}

#[test]
fn a_set_is_asked_at_one_of_its_workspaces() {
    let api = inference_set();
    let asked = api.sandbox.kaiwo(&["chat", "set", "hi", "--json"]).exits(0);
    let asked = asked.says("inferenceset/set at its workspace/set-b, model phi-4");
    is_golden("chat_answer_part", &asked);
    let told = api
        .sandbox
        .kaiwo(&["endpoint", "set", "-o", "json"])
        .exits(0);
    is_golden(
        "endpoint_part",
        &told.says("→ workspace/set-b of inferenceset/set"),
    );
    // Nobody knows the pods of a Service without a selector.
    _ = api
        .sandbox
        .kaiwo(&["chat", "set", "hi", "--via", "pod"])
        .exits(3)
        .says("Service set-b has no pod selector")
        .says("--via service");
}
