//! `kaiwo logs` against a log endpoint with the kubelet's semantics: whole
//! seconds of `sinceTime`, and everything that is not older.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::server::{Answer, MockApi, Request, list};

mod follow;

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

/// What a kubelet (v1.36) sends in place of the log of a container that is being
/// cleared away, after it has answered with 200.
#[test]
fn the_nodes_own_words_are_no_output() {
    const GONE: [&str; 2] = [
        "unable to retrieve container logs for containerd://17a5d9c1b3",
        "failed to try resolving symlinks in path \"/var/log/pods/kaiwo_x-a_a/main/0.log\": \
         lstat /var/log/pods/kaiwo_x-a_a/main/0.log: no such file or directory",
    ];
    for words in GONE {
        for end in ["", "\n"] {
            let api = one_pod(
                || true,
                move |_| stream(&format!("{}{words}{end}", line(0)), End::Whole),
            );
            for arguments in [&["logs", "x"][..], &["logs", "-f", "x"]] {
                let outcome = api.sandbox.kaiwo(arguments).exits(0);
                assert_eq!(outcome.stdout, text(0));
                let note = format!("→ pod x-a: its node reports: {words}\n");
                assert_eq!(outcome.stderr.matches(&note).count(), 1, "{outcome:?}");
            }
        }
    }
}

/// A Job of one pod that ended like this, with what its log endpoint answers.
fn ended_like(status: Value, answer: fn(&Request) -> Answer) -> MockApi {
    let mut failed = job("x");
    failed["status"] = json!({"failed": 1, "conditions": [
        {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]});
    let mut pod = pod("x-a", "a", json!({}));
    pod["spec"]["initContainers"] = json!([{"name": "checkout"}]);
    pod["status"] = status;
    MockApi::new(move |request| match request.path.strip_prefix(PODS) {
        None if request.path.ends_with("/jobs/x") => Some(Answer::Json(200, failed.clone())),
        Some("") => Some(Answer::Json(200, list(&[pod.clone()]))),
        Some("/x-a") => Some(Answer::Json(200, pod.clone())),
        Some("/x-a/log") => Some(answer(request)),
        _ => None,
    })
}

/// Words of runc (1.3) and the kubelet.
#[test]
fn silence_is_explained() {
    let nothing = |_: &Request| stream("", End::Whole);
    let terminated = |reason: &str, code: i64, message: &str| {
        let ended = json!({"exitCode": code, "reason": reason, "message": message});
        json!({"phase": "Failed", "containerStatuses": [
            {"name": "main", "state": {"terminated": ended}}]})
    };
    let never = terminated(
        "StartError",
        128,
        "failed to create containerd task: failed to create shim task: OCI runtime create \
         failed: runc create failed: unable to start container process: error during container \
         init: exec: \"nosuchprog\": executable file not found in $PATH: unknown",
    );
    for (status, said) in [
        (
            never,
            "→ pod x-a: container main never started: exec: \"nosuchprog\": executable file \
             not found in $PATH\n",
        ),
        (
            terminated("Error", 1, ""),
            "→ pod x-a: its log is empty: it printed nothing, or its node rotated the log and kept only the newest file\n",
        ),
    ] {
        let api = ended_like(status, nothing);
        for arguments in [&["logs", "x"][..], &["logs", "-f", "x"]] {
            let outcome = api.sandbox.kaiwo(arguments).exits(0).says(said);
            assert_eq!(outcome.stdout, "");
        }
        // Who asks for a part of it may get nothing of it.
        let part = api.sandbox.kaiwo(&["logs", "x", "--since", "1m"]).exits(0);
        assert_eq!(part.stderr, "");
    }
    let status = json!({"phase": "Failed", "initContainerStatuses": [
        {"name": "checkout", "state": {"terminated": {"exitCode": 128, "reason": "Error"}}}],
        "containerStatuses": [
            {"name": "main", "state": {"waiting": {"reason": "PodInitializing"}}}]});
    let api = ended_like(status, nothing);
    for arguments in [&["logs", "x"][..], &["logs", "-f", "x"]] {
        let outcome = api.sandbox.kaiwo(arguments).exits(0).says(
            "→ pod x-a: init container checkout has its own log: kaiwo logs job/x -n kaiwo -c checkout\n",
        );
        assert!(!outcome.stderr.contains("wait for it"), "{outcome:?}");
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

#[test]
fn an_index_whose_pod_was_deleted_is_named() {
    let api = MockApi::new(|request| {
        let mut job = job("x");
        job["spec"]["parallelism"] = json!(2);
        job["spec"]["completions"] = json!(2);
        job["status"] = json!({"failed": 2, "conditions": [
            {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]});
        let index = json!({"labels": {"batch.kubernetes.io/job-completion-index": "0"}});
        let mut pod = succeeded(pod("x-0-a", "a", index));
        pod["status"]["phase"] = json!("Failed");
        match request.path.strip_prefix(PODS) {
            None if request.path.ends_with("/jobs/x") => Some(Answer::Json(200, job)),
            Some("") => Some(Answer::Json(200, list(&[pod]))),
            Some("/x-0-a") => Some(Answer::Json(200, pod)),
            Some("/x-0-a/log") => Some(stream(&line(0), End::Whole)),
            _ => None,
        }
    });
    for arguments in [&["logs", "x"][..], &["logs", "-f", "x"]] {
        let outcome = api.sandbox.kaiwo(arguments).exits(0);
        let outcome = outcome.says("→ the pod of index 1 and its log are gone\n");
        assert_eq!(outcome.stdout, text(0));
    }
}

/// One that kaiwo 0.1.0 has made has no hook that passes it on.
#[test]
fn where_the_applications_of_ray_print_is_said() {
    let hook = json!({"postStart": {"exec": {"command": ["sh"]}}});
    for (lifecycle, is_said) in [(json!({}), true), (hook, false)] {
        let api = MockApi::new(move |request| {
            let service = json!({"apiVersion": "ray.io/v1", "kind": "RayService",
                "metadata": {"name": "x", "namespace": "kaiwo", "uid": "service"},
                "status": {"activeServiceStatus": {"rayClusterName": "x-1"}}});
            let of = |name: &str, node: &str| {
                let labels = json!({"labels":
                    {"ray.io/cluster": "x-1", "ray.io/node-type": node}});
                let mut pod = pod(name, name, labels);
                pod["spec"]["containers"][0]["lifecycle"] = lifecycle.clone();
                pod
            };
            let pods = [of("x-1-head-a", "head"), of("x-1-worker-b", "worker")];
            match request.path.strip_prefix(PODS) {
                None if request.path.ends_with("/rayservices/x") => {
                    Some(Answer::Json(200, service))
                }
                Some("") => Some(Answer::Json(200, list(&pods))),
                Some(path) if path.ends_with("/log") => Some(stream(&line(0), End::Whole)),
                _ => None,
            }
        });
        let outcome = api.sandbox.kaiwo(&["logs", "rayservice/x"]).exits(0);
        let said = "→ the output of its applications is in Ray's log files: kaiwo exec rayservice/x -n kaiwo --pod worker-b -- sh -c 'tail -n 100 /tmp/ray/session_latest/logs/worker-*'\n";
        assert_eq!(outcome.stderr.contains(said), is_said, "{outcome:?}");
        assert_eq!(outcome.stdout.lines().count(), 2, "{outcome:?}");
    }
}

#[test]
fn nothing_is_written_yet() {
    let api = MockApi::new(|request| {
        let mut job = job("x");
        job["spec"]["suspend"] = json!(true);
        job["metadata"]["labels"] = json!({"kueue.x-k8s.io/queue-name": "kaiwo"});
        job["status"] = json!({});
        let queued = json!({
            "metadata": {"name": "w", "namespace": "kaiwo"},
            "spec": {"queueName": "kaiwo"},
            "status": {"conditions": [{"type": "QuotaReserved", "status": "False",
                "reason": "Pending", "message": "insufficient quota"}]},
        });
        match request.path.as_str() {
            path if path.ends_with("/jobs/x") => Some(Answer::Json(200, job)),
            path if path.ends_with("/workloads") => Some(Answer::Json(200, list(&[queued]))),
            _ => None,
        }
    });
    let outcome = api
        .sandbox
        .kaiwo(&["logs", "x"])
        .exits(0)
        .says("→ job/x: queued: insufficient quota")
        .says("wait for it: kaiwo logs -f job/x -n kaiwo");
    assert_eq!(outcome.stdout, "");
    _ = api
        .sandbox
        .kaiwo(&["logs", "x", "--pod", "x-b"])
        .exits(3)
        .says("job/x has no pod x-b");
}
