//! How far jobs are, as their logs tell.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::json::is_golden;
use super::server::{Answer, MockApi, Request, list};
use super::trouble::is;
use crate::common::Outcome;

/// Nine Jobs that run, each with a pod.
fn running() -> (Vec<Value>, Vec<Value>) {
    let labels = json!({"app.kubernetes.io/managed-by": "kaiwo"});
    let job = |index: usize| {
        json!({
            "metadata": {"name": format!("j{index}"), "namespace": "kaiwo", "uid": format!("u{index}"), "labels": labels},
            "spec": {}, "status": {"active": 1, "ready": 1},
        })
    };
    let pod = |index: usize| {
        json!({
            "metadata": {
                "name": format!("p{index}"), "namespace": "kaiwo", "uid": format!("p{index}"),
                "labels": {"batch.kubernetes.io/controller-uid": format!("u{index}")},
            },
            "spec": {"nodeName": "n", "containers": [{"name": "workload"}]},
            "status": {
                "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{"name": "workload", "ready": true, "state": {"running": {}}}],
            },
        })
    };
    ((0..9).map(job).collect(), (0..9).map(pod).collect())
}

/// Returns a log in which a program tells how far it is.
fn log() -> Answer {
    let text = "step\n::kaiwo progress=42 eta=2h loss=1.2\n";
    let length = text.len();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close";
    Answer::Raw(format!("{head}\r\ncontent-length: {length}\r\n\r\n{text}").into_bytes())
}

/// Answers about the nine Jobs.
fn training(request: &Request) -> Option<Answer> {
    let (jobs, pods) = running();
    let path = request.path.as_str();
    Some(match path {
        _ if path.ends_with("/log") => log(),
        _ if path.ends_with("/jobs") => Answer::Json(200, list(&jobs)),
        _ if path.ends_with("/jobs/j0") => Answer::Json(200, jobs[0].clone()),
        _ if path.ends_with("/pods") && request.query.contains("controller-uid") => {
            Answer::Json(200, list(&pods[..1]))
        }
        _ if path.ends_with("/pods") => Answer::Json(200, list(&pods)),
        _ if path.ends_with("/events") || path.ends_with("/configmaps") => {
            Answer::Json(200, list(&[]))
        }
        _ => return None,
    })
}

fn logs(api: &MockApi) -> usize {
    let requests = api.requests();
    let logs = requests
        .iter()
        .filter(|request| request.path.ends_with("/log"));
    logs.count()
}

#[test]
fn logs_are_read_only_if_asked_for_and_of_what_is_shown() {
    let plain = MockApi::new(training);
    let _ = plain.sandbox.kaiwo(&["list"]).exits(0);
    // What is served, and the first page of each of five kinds.
    assert_eq!(plain.requests().len(), 6, "{:?}", plain.requests());
    let api = MockApi::new(training);
    let outcome = api.sandbox.kaiwo(&["list", "--progress"]).exits(0);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert!(lines[0].contains("PROGRESS"), "{}", lines[0]);
    let told = lines
        .iter()
        .filter(|line| line.contains("42% eta 2h loss=1.2"));
    assert_eq!((told.count(), logs(&api)), (9, 9));
    let none = ["list", "--progress", "--status", "failed"];
    let _ = api.sandbox.kaiwo(&none).exits(0);
    assert_eq!(logs(&api), 9);
    let json = api
        .sandbox
        .kaiwo(&["list", "--progress", "-o", "json"])
        .exits(0);
    is_golden("list_progress", &json);
    let denied = MockApi::new(|request| match request.path.ends_with("/log") {
        true => Some(Answer::Refuse(403, "may not")),
        false => training(request),
    });
    let outcome = denied.sandbox.kaiwo(&["list", "--progress"]).exits(0);
    let words = "progress is unknown: you may not read the logs of pods";
    assert!(outcome.stderr.contains(words), "{outcome:?}");
}

#[test]
fn status_and_wait_tell_how_far_a_job_is() {
    let api = MockApi::new(training);
    let outcome = api.sandbox.kaiwo(&["status", "j0", "-o", "json"]).exits(0);
    is_golden("status_progress", &outcome);
    let text = api.sandbox.kaiwo(&["status", "j0"]).exits(0).stdout;
    assert!(text.contains("Progress    42% eta 2h loss=1.2"), "{text}");
    let looks = AtomicUsize::new(0);
    let api = MockApi::new(move |request| {
        if is(request, "GET", "/jobs/j0") && looks.fetch_add(1, Ordering::SeqCst) > 1 {
            let (jobs, _) = running();
            let mut job = jobs[0].clone();
            job["status"] = json!({"conditions": [{"type": "Complete", "status": "True"}]});
            return Some(Answer::Json(200, job));
        }
        training(request)
    });
    let outcome = api.sandbox.kaiwo(&["wait", "j0", "-o", "json"]).exits(0);
    let first = outcome.stdout.lines().next().unwrap();
    let mut event: Value = serde_json::from_str(first).unwrap();
    event["time"] = "TIME".into();
    let outcome = Outcome {
        stdout: event.to_string(),
        ..outcome.clone()
    };
    is_golden("wait_progress", &outcome);
}
