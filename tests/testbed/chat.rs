//! `kaiwo chat` and `kaiwo endpoint` with servers of three APIs, reached through
//! the API server: by the proxy of their Service, and by ports of their pods.

mod conversation;

use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use serde_json::{Value, json};

use super::cluster::{Testbed, has_condition};
use super::lacks;
use super::reach::{Running, pretend, running};
use super::rights::{bind, roles};
use super::serve;
use crate::common::{HANG, Outcome, binary};

/// Serves something on a port, such as one of the testbed's models, and waits
/// until it is available.
pub fn serve(testbed: &Testbed, name: &str, port: &str) {
    let arguments = ["-i", "testbed/forever", "--name", name, "--port", port];
    _ = serve::serve(testbed, &arguments).exits(0);
    testbed.wait(&format!("deployment {name} to be available"), || {
        let deployment = testbed.find("Deployment", name)?;
        has_condition(&deployment, "Available").then_some(())
    });
}

pub fn chat(testbed: &Testbed, arguments: &[&str]) -> Outcome {
    testbed
        .sandbox
        .kaiwo(&[&["chat", "-n", &testbed.name], arguments].concat())
}

/// Asks until rights count and endpoints have reached the API server's proxy.
pub fn answered(testbed: &Testbed, arguments: &[&str]) -> Outcome {
    testbed.wait("an answer", || {
        let outcome = chat(testbed, arguments);
        (outcome.code == 0).then_some(outcome)
    })
}

/// Who may find everything, and what else?
fn user(testbed: &Testbed, name: &str, more: &[Value]) -> String {
    let find = json!([
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]},
        {"apiGroups": ["ray.io"], "resources": ["rayservices"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["services"], "verbs": ["get"]},
    ]);
    testbed.user(name, &[find.as_array().unwrap(), more].concat())
}

/// Who may use the Services' proxy only.
fn proxy_user(testbed: &Testbed) -> String {
    let verbs = ["get", "create"];
    let proxy = json!({"apiGroups": [""], "resources": ["services/proxy"], "verbs": verbs});
    user(testbed, "proxy", &[proxy])
}

/// Who may use ports of pods only.
fn port_user(testbed: &Testbed) -> String {
    let verbs = ["get", "create"];
    let rules = [
        json!({"apiGroups": [""], "resources": ["pods/portforward"], "verbs": verbs}),
        json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}),
    ];
    user(testbed, "port", &rules)
}

/// Asks all three APIs as a user, and has them fail in every way there is.
fn three_apis(test: &str, user: fn(&Testbed) -> String, through: &str) {
    if lacks("pod-addresses") {
        return;
    }
    let testbed = Testbed::with_namespace(test);
    let user = user(&testbed);
    let ask = |name: &str, question: &str, more: &[&str]| {
        chat(
            &testbed,
            &[&[name, question, "--as", &user][..], more].concat(),
        )
    };
    for (name, port) in [("openai", "8000"), ("tgi", "8080"), ("kaito", "5000")] {
        serve(&testbed, name, port);
    }
    for (name, api, answer) in [
        (
            "openai",
            "model testbed (OpenAI)",
            "1 messages, last: What is Kueue?\n",
        ),
        ("tgi", "model testbed/model (TGI)", "What is Kueue?\n"),
        ("kaito", "(KAITO /chat)", "What is Kueue?\n"),
    ] {
        let outcome = answered(&testbed, &[name, "What is Kueue?", "--as", &user]);
        assert_eq!(outcome.stdout, answer, "{name}");
        let outcome = outcome.says(&format!("{api}{through}"));
        let is_told = outcome.stderr.contains("through a port of pod");
        assert_eq!(is_told, !through.is_empty(), "{}", outcome.stderr);
    }

    // A full queue passes, or it does not.
    _ = ask(
        "openai",
        &format!("are you busier, {}?", testbed.name),
        &["-v"],
    )
    .exits(0)
    .says("POST /v1/chat/completions 429");
    _ = ask("openai", "are you busy?", &[])
        .exits(8)
        .says("deployment/openai is busy: the queue is full");

    // What came before it broke is not lost.
    for (name, said) in [("openai", "1"), ("tgi", "a"), ("kaito", "")] {
        let broken = ask(name, "a broken answer", &[]).exits(1);
        let count = if said.is_empty() { 0 } else { 2 };
        let broken = broken.says(&format!("the answer broke off after {count} characters"));
        assert_eq!(broken.stdout.trim(), said);
    }
    for name in ["openai", "tgi", "kaito"] {
        _ = ask(name, "say nothing", &[])
            .exits(8)
            .says(&format!("deployment/{name} is not answering: "))
            .says(&format!(
                "help: see why: kaiwo why --as {user} deployment/{name}"
            ));
        _ = ask(name, "answer slowly", &[]).exits(0);
        _ = ask(name, "answer slowly", &["--timeout", "1"])
            .exits(124)
            .says("sent nothing for 1 s");
    }

    // Nobody listens; no pod is ready.
    let closed = json!({"ports": [9999], "target": {"address": "127.0.0.1", "port": 1}});
    pretend(&testbed, "ClusterPortForward", "forwards", &closed);
    serve(&testbed, "deaf", "9999");
    testbed.wait("nobody to listen", || {
        let outcome = ask("deaf", "hello", &[]).exits(8);
        let outcome = outcome.says("deployment/deaf is not answering: ");
        outcome.stderr.contains("connection refused").then_some(())
    });
    let pulls = [
        "-i",
        "testbed/pull-fails",
        "--name",
        "pulls",
        "--port",
        "8000",
    ];
    _ = serve::serve(&testbed, &pulls).exits(0);
    _ = ask("pulls", "hello", &[])
        .exits(8)
        .says("deployment/pulls is not answering: no ")
        .says("deployment/pulls -n");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn three_apis_answer_through_the_proxy_of_a_service() {
    three_apis("chat-proxy", proxy_user, "");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn three_apis_answer_through_a_port_of_a_pod() {
    three_apis("chat-port", port_user, ", through a port of pod ");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn who_may_do_neither_is_told_what_to_ask_for() {
    if lacks("pod-addresses") {
        return;
    }
    let testbed = Testbed::with_namespace("chat-neither");
    serve(&testbed, "llm", "8000");
    let nobody = user(&testbed, "nobody", &[]);
    let ask = |more: &[&str]| {
        let question = ["llm", "hello", "--as", &nobody];
        testbed.wait("the role to count", || {
            let outcome = chat(&testbed, &[&question, more].concat()).exits(4);
            (!outcome.stderr.contains("\"deployments\"")).then_some(outcome)
        })
    };
    _ = ask(&[])
        .says("neither the proxy of Service llm nor a port of its pods")
        .says("cannot get resource \"services/proxy\"")
        .says("cannot list resource \"pods\"")
        .says("list on pods with get and create on pods/portforward");
    _ = ask(&["--via", "service"]).says("\"services/proxy\"");
    _ = ask(&["--via", "pod"]).says("cannot list resource \"pods\"");

    // Who may do both is asked through the Service, unless told otherwise.
    roles(&testbed);
    bind(&testbed, &["kaiwo-submit"]);
    let both = ["llm", "hello", "--as", &testbed.name];
    let outcome = answered(&testbed, &both);
    assert!(!outcome.stderr.contains("of pod"), "{}", outcome.stderr);
    let outcome = answered(&testbed, &[&both[..], &["--via", "pod", "--json"]].concat());
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(
        report["pod"],
        testbed.list("Pod")[0]["metadata"]["name"],
        "{report}"
    );
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_key_goes_through_a_port_only() {
    if lacks("pod-addresses") {
        return;
    }
    let testbed = Testbed::with_namespace("chat-key");
    serve(&testbed, "locked", "8001");
    testbed.create(json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "llm"},
        "stringData": {"key": "testbed\n", "wrong": "sesame", "empty": ""},
    }));
    let ask = |more: &[&str]| chat(&testbed, &[&["locked", "hello"], more].concat());
    let outcome = testbed.wait("the server to say no", || {
        let outcome = ask(&[]);
        (outcome.code != 8).then_some(outcome)
    });
    _ = outcome
        .exits(4)
        .says("deployment/locked rejected your credentials (401): Unauthorized")
        .says("--api-key-secret");
    let outcome = ask(&["--api-key-secret", "llm/key"]).exits(0);
    let outcome = outcome.says("through a port of pod locked-");
    assert_eq!(outcome.stdout, "1 messages, last: hello\n");
    _ = ask(&["--api-key-secret", "llm/wrong"])
        .exits(4)
        .says("check the API key");
    for (place, said) in [
        ("llm/none", "Secret llm has no key none"),
        ("llm/empty", "is empty"),
        ("none/key", "has no Secret none"),
    ] {
        _ = ask(&["--api-key-secret", place]).exits(3).says(said);
    }
    _ = ask(&["--api-key-secret", "llm/key", "--via", "service"])
        .exits(2)
        .says("--via pod");
    _ = ask(&["--api-key-env", "NO_SUCH_KEY"])
        .exits(3)
        .says("not set");
    let line = format!(
        "KEY=testbed {} chat -v -n {} locked hello --api-key-env KEY",
        binary(),
        testbed.name
    );
    let outcome = Outcome::of(testbed.sandbox.shell(&line).output().unwrap()).exits(0);
    assert!(!outcome.stderr.contains("Bearer"), "{}", outcome.stderr);
    // Secrets are not everybody's to read.
    let user = port_user(&testbed);
    testbed.wait("the role to count", || {
        let outcome = ask(&["--api-key-secret", "llm/key", "--as", &user]).exits(4);
        outcome.stderr.contains("\"secrets\"").then_some(())
    });
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_rayservice_is_asked_both_ways() {
    if lacks("pod-addresses") {
        return;
    }
    let testbed = serve::testbed("chat-ray");
    _ = serve::llm(&testbed, &[]).exits(0);
    let (proxy, port) = (proxy_user(&testbed), port_user(&testbed));
    for user in [proxy, port] {
        let outcome = answered(&testbed, &["alice-llm", "hello", "--as", &user]);
        assert_eq!(outcome.stdout, "1 messages, last: hello\n");
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_is_asked_is_as_the_flags_say() {
    if lacks("pod-addresses") {
        return;
    }
    let testbed = Testbed::with_namespace("chat-flags");
    serve(&testbed, "openai", "8000");
    _ = answered(&testbed, &["openai", "hello"]);
    let cut = chat(
        &testbed,
        &[
            "openai",
            "x",
            "--json",
            "--max-tokens",
            "2",
            "--system",
            "be nice",
        ],
    );
    let cut = cut.exits(0).says("the token limit");
    let report: Value = serde_json::from_str(&cut.stdout).unwrap();
    assert_eq!(
        report,
        json!({
            "apiVersion": "kaiwo/v1", "kind": "ChatAnswer",
            "workload": "deployment/openai", "namespace": testbed.name,
            "api": "openai", "model": "testbed", "prompt": "x", "answer": "2 messages, ",
            "finishReason": "length", "promptTokens": 3, "answerTokens": 2,
        })
    );

    _ = chat(&testbed, &["openai", "x", "--model", "y"])
        .exits(3)
        .says("does not serve model \"y\"")
        .says("it serves: testbed");
    _ = chat(&testbed, &["openai", "x", "--base-path", "/llm"])
        .exits(3)
        .says("--base-path");
    _ = chat(&testbed, &["openai", "x", "--api", "tgi"])
        .exits(3)
        .says("rejected the request (404)");

    let endpoint = testbed
        .sandbox
        .kaiwo(&["endpoint", "-n", &testbed.name, "openai", "-o", "json"])
        .exits(0);
    let endpoint: Value = serde_json::from_str(&endpoint.stdout).unwrap();
    assert_eq!(
        endpoint["cluster"],
        format!("http://openai.{}.svc:8000", testbed.name)
    );
    let proxy = endpoint["proxy"].as_str().unwrap();
    let path = &proxy[proxy.find("/api/").unwrap()..];
    let models = testbed.get(&format!("{path}v1/models"));
    assert_eq!(models["data"][0]["id"], "testbed");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_does_not_serve_says_so() {
    let testbed = Testbed::with_namespace("chat-not");
    _ = serve::serve(&testbed, &["-i", "testbed/forever", "--name", "portless"]).exits(0);
    testbed.create(json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job"},
        "spec": {"suspend": true, "template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}],
        }}},
    }));
    _ = chat(&testbed, &["portless", "hello"])
        .exits(3)
        .says("deployment/portless has no Service portless")
        .says("--port");
    _ = chat(&testbed, &["job", "hello"])
        .exits(3)
        .says("job/job is a batch job, not a service");
    _ = chat(&testbed, &["nobody", "hello"]).exits(3);
    _ = chat(&testbed, &["portless", "  "]).exits(2);
}
