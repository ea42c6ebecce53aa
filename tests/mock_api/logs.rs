//! `kaiwo logs` against a log endpoint with the kubelet's semantics: whole
//! seconds of `sinceTime`, and everything that is not older.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::server::{Answer, MockApi, Request, list};

mod follow;
mod notes;

const PODS: &str = "/api/v1/namespaces/kaiwo/pods";

/// Returns a Job of one pod that runs.
pub fn job(name: &str) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": name, "namespace": "kaiwo", "uid": "job"},
        "spec": {"parallelism": 1, "completions": 1, "template": {"spec": {"containers": [{"name": "main"}]}}},
        "status": {"active": 1, "ready": 1},
    })
}

fn ended() -> Value {
    let mut job = job("x");
    job["status"] = json!({"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]});
    job
}

/// Returns a pod that runs; `more` is merged into its metadata.
pub fn pod(name: &str, uid: &str, more: Value) -> Value {
    let mut pod = json!({
        "metadata": {"name": name, "namespace": "kaiwo", "uid": uid},
        "spec": {"nodeName": "n", "containers": [{"name": "main"}]},
        "status": {"phase": "Running", "containerStatuses": [
            {"name": "main", "restartCount": 0, "state": {"running": {}}}]},
    });
    for (key, value) in more.as_object().unwrap() {
        pod["metadata"][key] = value.clone();
    }
    pod
}

fn succeeded(mut pod: Value) -> Value {
    pod["status"]["phase"] = json!("Succeeded");
    pod["status"]["containerStatuses"][0]["state"] = json!({"terminated": {"exitCode": 0}});
    pod
}

fn parameter<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let mut pairs = request
        .query
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Line `index` of a log of 200 lines a second, from one o'clock on; every tenth
/// has the time and the text of the one before.
fn line(index: u32) -> String {
    let index = if index % 10 == 9 { index - 1 } else { index };
    let (seconds, part) = (3600 + index / 200, index % 200);
    format!(
        "2026-01-01T{:02}:{:02}:{:02}.{:09}Z step {index}\n",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        part * 5_000_000
    )
}

fn text(index: u32) -> String {
    line(index).split_once(' ').unwrap().1.to_owned()
}

/// Returns the first line that is to be given for a request.
fn first(request: &Request, count: u32) -> u32 {
    if let Some(since) = parameter(request, "sinceTime") {
        let (_, time) = since.trim_end_matches('Z').split_once('T').unwrap();
        let mut parts = time.split(':').map(|part| part.parse::<u32>().unwrap());
        let mut part = || parts.next().unwrap();
        let seconds = part() * 3600 + part() * 60 + part();
        return seconds.saturating_sub(3600) * 200;
    }
    let tail = parameter(request, "tailLines").map(|tail| tail.parse::<u32>().unwrap());
    tail.map_or(0, |tail| count.saturating_sub(tail))
}

/// How a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// As it should.
    Whole,
    /// The connection is lost in the middle of a line.
    Torn,
}

/// An answer of the log endpoint.
fn stream(text: &str, end: End) -> Answer {
    let mut body = String::from("HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n");
    let torn = match end {
        End::Whole => "",
        End::Torn => "2026-01-01T00:00",
    };
    let chunk = format!("{text}{torn}");
    if !chunk.is_empty() {
        body += &format!("{:x}\r\n{chunk}\r\n", chunk.len());
    }
    if end == End::Whole {
        body += "0\r\n\r\n";
    }
    Answer::Raw(body.into_bytes())
}

/// Serves a Job with its only pod, and what `log` makes of requests for logs.
/// `is_over` says whether the Job has ended.
fn one_pod(
    is_over: impl Fn() -> bool + Send + 'static,
    log: impl Fn(&Request) -> Answer + Send + 'static,
) -> MockApi {
    MockApi::new(move |request| {
        let (job, pod) = match is_over() {
            true => (ended(), succeeded(pod("x-a", "a", json!({})))),
            false => (job("x"), pod("x-a", "a", json!({}))),
        };
        match request.path.strip_prefix(PODS) {
            None if request.path.ends_with("/jobs/x") => Some(Answer::Json(200, job)),
            Some("") => Some(Answer::Json(200, list(&[pod]))),
            Some("/x-a") => Some(Answer::Json(200, pod)),
            Some("/x-a/log") => Some(log(request)),
            _ => None,
        }
    })
}

fn of(answered: &'static AtomicU32) -> impl Fn() -> u32 {
    || answered.load(Ordering::Relaxed)
}

#[test]
fn what_cannot_be_had_is_said() {
    // The node began a new file while the stream was broken.
    static ROTATED: AtomicU32 = AtomicU32::new(0);
    let asked = of(&ROTATED);
    let api = one_pod(
        move || asked() > 1,
        |request| match ROTATED.fetch_add(1, Ordering::Relaxed) {
            0 => stream(&(0..100).map(line).collect::<String>(), End::Torn),
            _ => {
                let from = first(request, 0).max(5000);
                stream(&(from..5100).map(line).collect::<String>(), End::Whole)
            }
        },
    );
    let outcome = api
        .sandbox
        .kaiwo(&["logs", "-f", "x"])
        .exits(0)
        .says("warning: lines of pod x-a may be missing: its node rotated the log and kept only the new file");
    let expected: String = (0..100).chain(5000..5100).map(text).collect();
    assert_eq!(outcome.stdout, expected);

    // The pod was deleted before anything of it was read.
    static LOOKS: AtomicU32 = AtomicU32::new(0);
    let api = MockApi::new(|request| {
        let looks = LOOKS.load(Ordering::Relaxed);
        match request.path.strip_prefix(PODS) {
            None if request.path.ends_with("/jobs/x") => Some(Answer::Json(
                200,
                if looks > 1 { ended() } else { job("x") },
            )),
            Some("") if LOOKS.fetch_add(1, Ordering::Relaxed) == 0 => {
                Some(Answer::Json(200, list(&[pod("x-a", "a", json!({}))])))
            }
            _ => None,
        }
    });
    let outcome = api
        .sandbox
        .kaiwo(&["logs", "-f", "x"])
        .exits(0)
        .says("lines of pod x-a may be missing: it was deleted before its log was read")
        .says("→ job/x: succeeded");
    assert_eq!(outcome.stdout, "");
}

fn two_pods() -> MockApi {
    MockApi::new(|request| {
        let index = |index: u8| json!({"labels": {"batch.kubernetes.io/job-completion-index": index.to_string()}});
        let pods = [
            succeeded(pod("x-0-a", "a", index(0))),
            succeeded(pod("x-1-b", "b", index(1))),
        ];
        let log = |part: u32| {
            let from = first(request, 6);
            let lines = (from..6).filter(|index| index % 2 == part).map(line);
            stream(&lines.collect::<String>(), End::Whole)
        };
        match request.path.strip_prefix(PODS) {
            None if request.path.ends_with("/jobs/x") => Some(Answer::Json(200, ended())),
            Some("") => Some(Answer::Json(200, list(&pods))),
            Some("/x-0-a") => Some(Answer::Json(200, pods[0].clone())),
            Some("/x-1-b") => Some(Answer::Json(200, pods[1].clone())),
            Some("/x-0-a/log") => Some(log(0)),
            Some("/x-1-b/log") => Some(log(1)),
            _ => None,
        }
    })
}

#[test]
fn several_pods_are_shown_in_the_order_of_time() {
    let api = two_pods();
    let logs = |arguments: &[&str]| {
        let outcome = api.sandbox.kaiwo(&[&["logs", "x"], arguments].concat());
        outcome.exits(0).stdout
    };
    let labels = ["[0-a] ", "[1-b] "];
    let expected: String = (0..6)
        .map(|index| format!("{}{}", labels[index as usize % 2], text(index)))
        .collect();
    assert_eq!(logs(&[]), expected);
    assert_eq!(
        logs(&["--pod", "1-b"]),
        (0..3).map(|i| text(2 * i + 1)).collect::<String>()
    );
    assert_eq!(
        logs(&["--pod", "x-0-a", "--timestamps", "--tail", "2"]),
        line(4)
    );
    let painted = logs(&["--color", "always"]);
    assert!(painted.starts_with("\x1b[36m[0-a]\x1b[0m step 0\n\x1b[35m[1-b]\x1b[0m step 1\n"));
    // Followed, each is in its own order.
    let followed = logs(&["-f"]);
    for (part, label) in labels.into_iter().enumerate() {
        let own: Vec<&str> = followed
            .lines()
            .filter_map(|line| line.strip_prefix(label))
            .collect();
        let expected: Vec<String> = (0..3).map(|i| text(2 * i + part as u32)).collect();
        assert_eq!(own.join("\n") + "\n", expected.concat());
    }
}

#[test]
fn what_is_asked_for_reaches_the_kubelet() {
    let api = one_pod(|| true, |_| stream("", End::Whole));
    _ = api
        .sandbox
        .kaiwo(&["logs", "x", "--since", "1h30m", "--tail", "7", "--previous"])
        .exits(0);
    let asked = api.requests();
    let asked = asked.iter().find(|request| request.path.ends_with("/log"));
    assert_eq!(
        asked.unwrap().query,
        "container=main&timestamps=true&tailLines=7&sinceSeconds=5400&previous=true"
    );
}

#[test]
fn who_may_not_read_is_told_so() {
    for (path, what) in [
        ("/x-a/log", "cannot get resource \"pods/log\""),
        ("", "cannot list resource \"pods\""),
    ] {
        let api = MockApi::new(move |request| {
            if request.path.ends_with("/jobs/x") {
                return Some(Answer::Json(200, job("x")));
            }
            let rest = request.path.strip_prefix(PODS)?;
            if rest == path {
                return Some(Answer::Refuse(
                    403,
                    match path {
                        "" => {
                            "pods is forbidden: User \"alice\" cannot list resource \"pods\" in API group \"\""
                        }
                        _ => {
                            "pods \"x-a\" is forbidden: User \"alice\" cannot get resource \"pods/log\" in API group \"\""
                        }
                    },
                ));
            }
            match rest {
                "" => Some(Answer::Json(200, list(&[pod("x-a", "a", json!({}))]))),
                _ => Some(Answer::Json(200, pod("x-a", "a", json!({})))),
            }
        });
        for arguments in [&["logs", "x"][..], &["logs", "-f", "x"]] {
            _ = api
                .sandbox
                .kaiwo(arguments)
                .exits(4)
                .says(what)
                .says("help: ask an admin of the namespace for this right");
        }
    }
}

#[test]
fn earlier_attempts_are_pods_of_their_own() {
    let api = MockApi::new(|request| {
        let mut job = job("x");
        job["spec"]["backoffLimit"] = json!(2);
        job["status"]["failed"] = json!(1);
        let mut first = pod("x-a", "a", json!({}));
        first["status"]["phase"] = json!("Failed");
        let second = pod(
            "x-b",
            "b",
            json!({"creationTimestamp": "2026-01-01T00:00:00Z"}),
        );
        match request.path.strip_prefix(PODS) {
            None if request.path.ends_with("/jobs/x") => Some(Answer::Json(200, job)),
            Some("") => Some(Answer::Json(200, list(&[first, second]))),
            Some("/x-b/log") => Some(Answer::Refuse(
                400,
                "previous terminated container \"main\" in pod \"x-b\" not found",
            )),
            _ => None,
        }
    });
    _ = api
        .sandbox
        .kaiwo(&["logs", "x", "--previous"])
        .exits(3)
        .says("previous terminated container \"main\" in pod \"x-b\" not found")
        .says("help: show earlier attempts: kaiwo logs job/x -n kaiwo --all-pods");
}
