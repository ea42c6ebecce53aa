//! `kaiwo chat` and `kaiwo endpoint` with servers of three APIs behind the
//! API server's proxy.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use super::cluster::{Testbed, has_condition};
use super::rights::{bind, roles};
use super::{kaito, lacks};
use crate::common::Outcome;

/// Serves something on the port of one of the testbed's models.
fn serve(testbed: &Testbed, name: &str, port: &str) {
    let served = testbed.sandbox.kaiwo(&[
        "serve",
        "-n",
        &testbed.name,
        "-i",
        "testbed/forever",
        "--name",
        name,
        "--port",
        port,
    ]);
    _ = served.exits(0);
    testbed.wait(&format!("deployment {name} to be available"), || {
        let deployment = testbed.find("Deployment", name)?;
        has_condition(&deployment, "Available").then_some(())
    });
}

fn chat(testbed: &Testbed, arguments: &[&str]) -> Outcome {
    testbed
        .sandbox
        .kaiwo(&[&["chat", "-n", &testbed.name], arguments].concat())
}

/// Asks until the endpoints have reached the API server's proxy.
fn answered(testbed: &Testbed, arguments: &[&str]) -> Outcome {
    testbed.wait("an answer", || {
        let outcome = chat(testbed, arguments);
        (outcome.code != 8).then_some(outcome)
    })
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn three_apis_answer() {
    if lacks("pod-addresses") {
        return;
    }
    let testbed = Testbed::new("chat");
    testbed.namespace();
    serve(&testbed, "openai", "8000");
    serve(&testbed, "tgi", "8080");
    serve(&testbed, "kaito", "5000");
    for (name, api, answer) in [
        (
            "openai",
            "model testbed (OpenAI)",
            "1 messages, last: What is Kueue?\n",
        ),
        ("tgi", "model testbed/model (TGI)", "What is Kueue?\n"),
        ("kaito", "(KAITO /chat)", "What is Kueue?\n"),
    ] {
        let outcome = answered(&testbed, &[name, "What is Kueue?"]);
        let outcome = outcome.exits(0).says(api);
        assert_eq!(outcome.stdout, answer, "{name}");
    }

    // A full queue passes, or it does not.
    _ = chat(&testbed, &["openai", "are you busier?"]).exits(0);
    _ = chat(&testbed, &["openai", "are you busy?"])
        .exits(8)
        .says("deployment/openai is busy: the queue is full");

    // What came before it broke is not lost.
    for name in ["openai", "tgi"] {
        let broken = chat(&testbed, &[name, "a broken answer"]).exits(1);
        let broken = broken.says("the answer broke off after 2 characters");
        assert_eq!(broken.stdout.trim(), if name == "tgi" { "a" } else { "1" });
    }

    _ = chat(&testbed, &["openai", "answer slowly"]).exits(0);
    for name in ["openai", "kaito"] {
        let late = chat(&testbed, &[name, "answer slowly", "--timeout", "1"]);
        _ = late.exits(124).says("said nothing for 1 s");
    }

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
    let cut = cut.exits(0).says("as many tokens as it may");
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
        .says("serves no model \"y\"")
        .says("it serves: testbed");
    _ = chat(&testbed, &["openai", "x", "--base-path", "/llm"])
        .exits(3)
        .says("--base-path");
    _ = chat(&testbed, &["openai", "x", "--api", "tgi"])
        .exits(3)
        .says("refuses the question (404)");

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
fn a_conversation_is_remembered_and_forgotten() {
    if lacks("pod-addresses") {
        return;
    }
    let testbed = Testbed::new("converse");
    testbed.namespace();
    serve(&testbed, "llm", "8000");
    _ = answered(&testbed, &["llm", "hello"]).exits(0);

    // From a pipe, all of it is one question.
    let mut command = testbed
        .sandbox
        .command(&["chat", "-n", &testbed.name, "llm"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"one\ntwo\n").unwrap();
    drop(stdin);
    let outcome = Outcome::of(child.wait_with_output().unwrap()).exits(0);
    assert_eq!(outcome.stdout, "1 messages, last: one\ntwo\n");

    // On a terminal it goes on.
    let line = format!(
        "{} chat -n {} llm",
        env!("CARGO_BIN_EXE_kaiwo"),
        testbed.name
    );
    let mut child = testbed
        .sandbox
        .shell(&format!("exec script -qec '{line}' /dev/null"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(b"first\nsecond\n/clear\nthird\n/quit\n")
        .unwrap();
    let outcome = Outcome::of(child.wait_with_output().unwrap());
    for answer in [
        "1 messages, last: first",
        "3 messages, last: second",
        "1 messages, last: third",
    ] {
        assert!(
            outcome.stdout.contains(answer),
            "{answer}: {}",
            outcome.stdout
        );
    }
    drop(stdin);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_does_not_serve_says_so() {
    let testbed = Testbed::new("chat-not");
    testbed.namespace();
    let serve = |arguments: &[&str]| {
        testbed
            .sandbox
            .kaiwo(&[&["serve", "-n", &testbed.name], arguments].concat())
            .exits(0)
    };
    _ = serve(&[
        "-i",
        "testbed/pull-fails",
        "--name",
        "pulls",
        "--port",
        "8000",
    ]);
    _ = serve(&["-i", "testbed/forever", "--name", "portless"]);
    testbed.create(json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job"},
        "spec": {"suspend": true, "template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}],
        }}},
    }));
    _ = chat(&testbed, &["pulls", "hello"])
        .exits(8)
        .says("no endpoints available")
        .says("kaiwo why deployment/pulls");
    _ = chat(&testbed, &["portless", "hello"])
        .exits(3)
        .says("deployment/portless has no Service portless")
        .says("--port");
    _ = chat(&testbed, &["job", "hello"])
        .exits(3)
        .says("job/job runs to an end and serves nothing");
    _ = chat(&testbed, &["nobody", "hello"]).exits(3);
    _ = chat(&testbed, &["pulls", "  "]).exits(2);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_researcher_may_chat() {
    if lacks("pod-addresses") {
        return;
    }
    let testbed = Testbed::new("chat-rights");
    testbed.namespace();
    serve(&testbed, "llm", "8000");
    roles(&testbed);
    let ask = |user: &str| chat(&testbed, &["llm", "hello", "--as", user]);
    _ = ask(&testbed.name).exits(4);
    bind(&testbed, &["kaiwo-submit"]);
    testbed.wait("the role to count", || {
        (ask(&testbed.name).code != 4).then_some(())
    });
    testbed.wait("an answer", || (ask(&testbed.name).code == 0).then_some(()));
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_workspace_is_asked_through_its_service() {
    if lacks("pod-addresses") {
        return;
    }
    let testbed = Testbed::new("chat-kaito");
    testbed.namespace();
    kaito::install(&testbed);
    let served = testbed.sandbox.kaiwo(&[
        "serve",
        "-n",
        &testbed.name,
        "-i",
        "testbed/forever",
        "--kaito",
        "--name",
        "own",
        "--node-selector",
        "kubernetes.io/hostname=cpu-0",
    ]);
    _ = served.exits(0);
    _ = chat(&testbed, &["own", "hello"])
        .exits(8)
        .says("workspace/own has no Service own")
        .says("kaiwo status workspace/own");
    // As KAITO makes them.
    let labels = json!({"kaito.sh/workspace": "own"});
    testbed.create(json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "own"},
        "spec": {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": 5000}]},
    }));
    testbed.create(json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "own-0", "labels": labels},
        "spec": {"containers": [{"name": "own", "image": "testbed/forever"}]},
    }));
    let outcome = answered(&testbed, &["own", "What sport should I play?"]).exits(0);
    assert_eq!(outcome.stdout, "What sport should I play?\n");
}
