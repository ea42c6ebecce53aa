//! `kaiwo run` against a scripted API server: the rights it needs, a session that runs
//! to its end, and one that is lost.

use std::net::TcpStream;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocket;

use super::exec::say;
use super::server::{Answer, MockApi, list};
use super::store::Store;

const RUN: [&str; 8] = ["run", "-p", "w", "--name", "x", "--", "train", "--lr"];

/// The pod of a Job, with this state of its container.
fn pod(job: &Value, state: &Value) -> Value {
    json!({
        "metadata": {
            "name": "x-a", "namespace": "kaiwo", "uid": "a",
            "labels": {"batch.kubernetes.io/controller-uid": job["metadata"]["uid"]},
            "ownerReferences": [{"kind": "Job", "name": "x", "uid": job["metadata"]["uid"], "controller": true}],
        },
        "spec": {"containers": [{"name": "workload"}], "restartPolicy": "Never"},
        "status": {
            "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "workload", "ready": true, "state": state}],
        },
    })
}

/// A cluster whose pod runs at once, and ends with 42 after a beat if it `ends`.
fn cluster(attach: fn(&mut WebSocket<TcpStream>), ends: bool) -> (MockApi, Store) {
    let store = Store::default();
    let kept = store.clone();
    let mut beats = 0;
    let api = MockApi::new(move |request| {
        let job = kept.object("jobs/x");
        match request.path.as_str() {
            "/api/v1/namespaces/kaiwo/pods" if !job.is_null() => {
                let state = match ends && beats > 0 {
                    true => json!({"terminated": {"exitCode": 42, "reason": "Error"}}),
                    false => json!({"running": {}}),
                };
                Some(Answer::Json(200, list(&[pod(&job, &state)])))
            }
            "/api/v1/namespaces/kaiwo/pods/x-a/attach" => Some(Answer::Socket(attach)),
            "/api/v1/namespaces/kaiwo/pods/x-a/exec" => {
                beats += 1;
                Some(Answer::Socket(echo))
            }
            _ => kept.answer(request),
        }
    });
    (api, store)
}

/// Answers every beat.
fn echo(socket: &mut WebSocket<TcpStream>) {
    while let Ok(message) = socket.read() {
        if let Message::Binary(bytes) = message
            && let Some((0, beat)) = bytes.split_first()
        {
            say(socket, 1, &String::from_utf8_lossy(beat));
        }
    }
}

#[test]
fn the_exit_code_is_the_containers_and_the_job_is_deleted() {
    let attach = |socket: &mut WebSocket<TcpStream>| {
        say(socket, 1, "out\n");
        say(socket, 2, "err\n");
        say(socket, 3, r#"{"status": "Success"}"#);
        _ = socket.close(None);
        while socket.read().is_ok() {}
    };
    let (api, store) = cluster(attach, true);
    let outcome = api
        .sandbox
        .kaiwo(&RUN)
        .exits(42)
        .says("job/x created, with ")
        .says("→ pod x-a\n")
        .says("err\n");
    assert_eq!(outcome.stdout, "out\n");
    assert!(store.object("jobs/x").is_null());
    let attached = api
        .requests()
        .into_iter()
        .find(|it| it.path.ends_with("/attach"));
    // No terminal, and what is on stdin.
    assert_eq!(
        attached.unwrap().query,
        "container=workload&stdin=true&stdout=true&stderr=true&tty=false"
    );
}

#[test]
fn what_is_lost_continues_and_can_be_returned_to() {
    let (api, store) = cluster(|socket| say(socket, 1, "begun\n"), false);
    let outcome = api
        .sandbox
        .kaiwo(&RUN)
        .exits(125)
        .says("error: the connection to job/x was lost")
        .says("note: it continues to its end")
        .says("help: come back: kaiwo run --attach job/x -n kaiwo")
        .says("help: end it: kaiwo delete job/x -n kaiwo");
    assert_eq!(outcome.stdout, "begun\n");
    assert!(!store.object("jobs/x").is_null());
    // Another one does not take its place.
    _ = api
        .sandbox
        .kaiwo(&RUN)
        .exits(5)
        .says("kaiwo run --attach job/x -n kaiwo");
}

#[test]
fn who_may_not_attach_creates_nothing() {
    let store = Store::default();
    let kept = store.clone();
    let api = MockApi::new(move |request| {
        let status = match request.path.rsplit('/').next()? {
            "selfsubjectaccessreviews" => {
                let asked = &request.body["spec"]["resourceAttributes"];
                json!({"allowed": asked["subresource"] != "attach"})
            }
            "selfsubjectreviews" => json!({"userInfo": {"username": "alice"}}),
            _ => return kept.answer(request),
        };
        Some(Answer::Json(201, json!({"status": status})))
    });
    _ = api
        .sandbox
        .kaiwo(&RUN)
        .exits(4)
        .says("not allowed: create pods/attach in namespace kaiwo, which kaiwo run needs")
        .says("name: alice")
        .says("- pods/attach");
    assert!(store.names().is_empty(), "{:?}", store.names());
}
