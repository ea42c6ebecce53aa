//! What Kueue queues and kaiwo does not know by itself: `list --any`, `status`,
//! `why` and `delete`, by its Workload. And how far jobs are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::history::is_empty;
use super::json::is_golden;
use super::server::{Answer, MockApi, Request, list, status};
use super::trouble::is;
use crate::common::Outcome;

fn owner(kind: &str, version: &str, name: &str) -> Value {
    json!({"apiVersion": version, "kind": kind, "name": name, "uid": format!("u-{name}")})
}

/// A Workload with two sets of pods and 8 GPUs.
fn workload(name: &str, owners: Value, annotations: Value, conditions: Value) -> Value {
    json!({
        "metadata": {
            "name": name, "namespace": "kaiwo", "uid": format!("w-{name}"),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "ownerReferences": owners, "annotations": annotations,
        },
        "spec": {"queueName": "kaiwo", "podSets": [
            {"name": "driver", "count": 1, "template": {"spec": {"containers": [{"name": "a"}]}}},
            {"name": "workers", "count": 4, "template": {
                "metadata": {"labels": {"kaiwo-cli/username": "alice"}},
                "spec": {"containers": [{"name": "a", "resources": {"requests": {"amd.com/gpu": "2"}}}]},
            }},
        ]},
        "status": {"conditions": conditions},
    })
}

fn waits() -> Value {
    json!([{
        "type": "QuotaReserved", "status": "False", "reason": "Pending",
        "message": "couldn't assign flavors to pod set workers: insufficient unused quota for amd.com/gpu in flavor mi300x, 8 more needed",
    }])
}

fn admitted() -> Value {
    json!([
        {"type": "QuotaReserved", "status": "True"},
        {"type": "Admitted", "status": "True", "lastTransitionTime": "2026-01-01T00:01:00Z"},
        {"type": "PodsReady", "status": "True"},
    ])
}

/// A JobSet and a group of pods, a LeaderWorkerSet of two groups, the Job of a
/// KaiwoJob, and what is not to be listed: a Job of kaiwo's own by its Workload, a pod
/// of a Deployment, a Job of the JobSet.
fn queued() -> Vec<Value> {
    let group = json!({"kueue.x-k8s.io/is-group-workload": "true"});
    let component = |index: &str| {
        json!({
            "kueue.x-k8s.io/is-group-workload": "true",
            "kueue.x-k8s.io/component-workload-index": index,
        })
    };
    let set = json!([owner("JobSet", "jobset.x-k8s.io/v1alpha2", "set1")]);
    let lws = |pod: &str| {
        json!([
            owner("Pod", "v1", pod),
            owner("LeaderWorkerSet", "leaderworkerset.x-k8s.io/v1", "lw1"),
        ])
    };
    let pods = json!([owner("Pod", "v1", "p-0"), owner("Pod", "v1", "p-1")]);
    vec![
        workload("jobset-set1", set, json!({}), waits()),
        workload("lw1-0", lws("lw1-0"), component("0"), admitted()),
        workload("lw1-1", lws("lw1-1"), component("1"), waits()),
        workload("group", pods, group, waits()),
        workload(
            "job-x",
            json!([owner("Job", "batch/v1", "x")]),
            json!({}),
            waits(),
        ),
        workload(
            "pod-d",
            json!([owner("Pod", "v1", "d")]),
            json!({}),
            admitted(),
        ),
    ]
}

fn job(name: &str, owner: Value, queue: &str) -> Value {
    json!({
        "metadata": {
            "name": name, "namespace": "kaiwo", "uid": format!("j-{name}"),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"kueue.x-k8s.io/queue-name": queue}, "ownerReferences": [owner],
        },
        "spec": {"suspend": true}, "status": {},
    })
}

fn cluster(request: &Request) -> Option<Answer> {
    let path = request.path.as_str();
    let items = match path {
        _ if path.ends_with("/workloads") && request.query.contains("labelSelector") => Vec::new(),
        _ if path.ends_with("/workloads") => queued(),
        _ if path.ends_with("/jobs") => vec![
            job(
                "set1-workers-0",
                owner("JobSet", "jobset.x-k8s.io/v1alpha2", "set1"),
                "",
            ),
            job(
                "k",
                owner("KaiwoJob", "kaiwo.silogen.ai/v1alpha1", "k"),
                "kaiwo",
            ),
        ],
        _ if is(request, "GET", "/jobs/k") => {
            let job = job(
                "k",
                owner("KaiwoJob", "kaiwo.silogen.ai/v1alpha1", "k"),
                "kaiwo",
            );
            return Some(Answer::Json(200, job));
        }
        _ if path.ends_with("/pods") && request.query.contains("managed") => vec![json!({
            "metadata": {"name": "d", "uid": "u-d", "ownerReferences": [owner("ReplicaSet", "apps/v1", "d")]},
        })],
        _ if path.ends_with("/workloads/jobset-set1") => {
            return Some(Answer::Json(200, queued().swap_remove(0)));
        }
        _ if path.ends_with("/events") || path.ends_with("/pods") => Vec::new(),
        _ if is_empty(path) => Vec::new(),
        _ => return None,
    };
    Some(Answer::Json(200, list(&items)))
}

#[test]
fn whatever_is_queued_is_listed() {
    let api = MockApi::new(cluster);
    let outcome = api.sandbox.kaiwo(&["list", "--any", "-o", "json"]).exits(0);
    is_golden("list_any", &outcome);
    let table = api.sandbox.kaiwo(&["list", "--any"]).exits(0).stdout;
    let rows: Vec<Vec<&str>> = table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().take(3).collect())
        .collect();
    let expected = [
        ["k", "Job", "Pending"],
        ["set1", "JobSet", "Pending"],
        ["lw1-0", "LeaderWorkerSet", "Running"],
        ["lw1-1", "LeaderWorkerSet", "Pending"],
        ["group", "PodGroup", "Pending"],
    ];
    assert_eq!(rows, expected, "{table}");
    assert!(table.contains("8 more needed"), "{table}");
    let names = api
        .sandbox
        .kaiwo(&["list", "--any", "-o", "name"])
        .exits(0)
        .stdout;
    assert!(names.contains("jobset.jobset.x-k8s.io/set1\n"), "{names}");
    // Without --any no Workload is read.
    let plain = MockApi::new(cluster);
    let _ = plain.sandbox.kaiwo(&["list"]).exits(0);
    let paths: Vec<String> = plain.requests().iter().map(Request::line).collect();
    assert!(
        !paths.iter().any(|path| path.ends_with("/workloads")),
        "{paths:?}"
    );
}

#[test]
fn it_is_found_by_its_own_kind_and_name() {
    let api = MockApi::new(cluster);
    for name in [
        "set1",
        "jobset/set1",
        "jobsets.jobset.x-k8s.io/set1",
        "group",
        "podgroup/group",
    ] {
        let outcome = api.sandbox.kaiwo(&["status", name, "-o", "json"]).exits(0);
        let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert_eq!(
            report["gpus"][0],
            json!({"pods": 4, "perPod": 2, "resource": "amd.com/gpu"})
        );
        assert_eq!(report["status"], "Pending", "{name}");
        let outcome = api.sandbox.kaiwo(&["why", name]).exits(0);
        assert!(outcome.stdout.contains("8"), "{outcome:?}");
    }
    let outcome = api.sandbox.kaiwo(&["status", "set1"]).exits(0);
    for words in [
        "Kind        JobSet",
        "GPUs        8",
        "kaiwo why jobset/set1 -n kaiwo",
    ] {
        assert!(
            outcome.stdout.contains(words),
            "{words}: {}",
            outcome.stdout
        );
    }
    // The Job of an object that is in no queue itself.
    let outcome = api
        .sandbox
        .kaiwo(&["status", "kaiwojob/k", "-o", "json"])
        .exits(0);
    assert!(outcome.stdout.contains("\"kind\": \"Job\""), "{outcome:?}");
    let outcome = api.sandbox.kaiwo(&["status", "lw1"]).exits(2);
    let words = "lw1 is ambiguous: leaderworkerset/lw1-0 or leaderworkerset/lw1-1";
    assert!(outcome.stderr.contains(words), "{outcome:?}");
    let outcome = api.sandbox.kaiwo(&["status", "jobset/none"]).exits(3);
    assert!(
        outcome
            .stderr
            .contains("workload jobset/none does not exist"),
        "{outcome:?}"
    );
}

#[test]
fn its_object_is_deleted_if_that_is_forced() {
    let gone = Arc::new(AtomicUsize::new(0));
    let seen = gone.clone();
    let api = MockApi::new(move |request| {
        let path = request.path.as_str();
        if path == "/apis/jobset.x-k8s.io/v1alpha2" {
            let served = json!({"resources": [
                {"name": "jobsets/status", "kind": "JobSet", "namespaced": true},
                {"name": "jobsets", "kind": "JobSet", "namespaced": true},
            ]});
            return Some(Answer::Json(200, served));
        }
        if request.method == "DELETE" {
            seen.fetch_add(1, Ordering::SeqCst);
        }
        if path.ends_with("/workloads/jobset-set1") && seen.load(Ordering::SeqCst) > 0 {
            return Some(Answer::Json(404, status(404, "gone")));
        }
        match request.method.as_str() {
            "GET" => cluster(request),
            _ => None,
        }
    });
    let outcome = api.sandbox.kaiwo(&["delete", "set1", "-y"]).exits(3);
    assert!(
        outcome
            .stderr
            .contains("jobset/set1 was not created by kaiwo"),
        "{outcome:?}"
    );
    let outcome = api
        .sandbox
        .kaiwo(&["delete", "set1", "--force", "-y"])
        .exits(0);
    assert!(
        outcome.stderr.contains("jobset/set1 deleted"),
        "{outcome:?}"
    );
    let deletion = api
        .requests()
        .into_iter()
        .find(|request| request.method == "DELETE");
    let deletion = deletion.unwrap();
    assert_eq!(
        deletion.path,
        "/apis/jobset.x-k8s.io/v1alpha2/namespaces/kaiwo/jobsets/set1"
    );
    assert_eq!(deletion.body["preconditions"]["uid"], "u-set1");
    let outcome = api.sandbox.kaiwo(&["delete", "job/k", "-y"]).exits(3);
    let command = "kubectl -n kaiwo delete kaiwojob.kaiwo.silogen.ai k";
    assert!(outcome.stderr.contains(command), "{outcome:?}");
}

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
