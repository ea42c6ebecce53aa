//! Arrays against a scripted API server: which requests they cost, and which they do not.

use serde_json::{Value, json};

use super::json::is_golden;
use super::server::{Answer, MockApi, Request, list};
use super::trouble::is;

/// Returns an array of kaiwo's whose tasks have such a status.
fn array(name: &str, status: &Value) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {
            "name": name, "namespace": "kaiwo", "uid": format!("uid-{name}"),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app.kubernetes.io/managed-by": "kaiwo", "kueue.x-k8s.io/queue-name": "team"},
            "annotations": {"kaiwo-cli/array": r#"{"tasks":"10-109","sweep":["seed=0..199"]}"#},
        },
        "spec": {
            "completionMode": "Indexed", "completions": 100, "parallelism": 8,
            "backoffLimitPerIndex": 0, "template": {"spec": {"containers": [{"name": "workload"}]}},
        },
        "status": status,
    })
}

fn failed() -> Value {
    json!({
        "failed": 3, "completedIndexes": "0-6,8-16,18-98", "failedIndexes": "7,17,99",
        "conditions": [{"type": "Failed", "status": "True", "reason": "FailedIndexes"}],
    })
}

fn running() -> Value {
    json!({"active": 8, "ready": 8, "failed": 2, "completedIndexes": "0-36", "failedIndexes": "40,41"})
}

/// Returns a pod that failed with a code.
fn failed_pod(index: i64, code: i64) -> Value {
    json!({
        "metadata": {
            "name": format!("ended-{index}-x"), "namespace": "kaiwo", "uid": format!("pod-{index}"),
            "labels": {
                "batch.kubernetes.io/controller-uid": "uid-ended",
                "batch.kubernetes.io/job-completion-index": index.to_string(),
            },
        },
        "spec": {"restartPolicy": "Never", "containers": [{"name": "workload"}]},
        "status": {"phase": "Failed", "containerStatuses": [{
            "name": "workload", "state": {"terminated": {"exitCode": code, "reason": "Error"}},
        }]},
    })
}

fn api() -> MockApi {
    MockApi::new(|request: &Request| {
        if is(request, "GET", "/namespaces/kaiwo/jobs") {
            let jobs = [array("ended", &failed()), array("runs", &running())];
            return Some(Answer::Json(200, list(&jobs)));
        }
        if is(request, "GET", "/namespaces/kaiwo/jobs/ended") {
            return Some(Answer::Json(200, array("ended", &failed())));
        }
        if is(request, "GET", "/namespaces/kaiwo/jobs/runs") {
            return Some(Answer::Json(200, array("runs", &running())));
        }
        if is(request, "GET", "/namespaces/kaiwo/pods") {
            let query = &request.query;
            let is_failed = query.contains("status.phase%3DFailed");
            let pods = match is_failed {
                true => vec![failed_pod(7, 1), failed_pod(17, 137)],
                false => Vec::new(),
            };
            return Some(Answer::Json(200, list(&pods)));
        }
        None
    })
}

fn pod_requests(api: &MockApi) -> Vec<String> {
    let requests = api.requests().into_iter();
    let of_pods = requests.filter(|request| request.path.ends_with("/pods"));
    of_pods.map(|request| request.query).collect()
}

#[test]
fn a_listing_counts_tasks_and_reads_no_pods() {
    let api = api();
    let outcome = api.sandbox.kaiwo(&["list"]).exits(0);
    let row = |name: &str| {
        let mut lines = outcome.stdout.lines();
        lines
            .find(|line| line.starts_with(name))
            .unwrap()
            .to_owned()
    };
    assert!(
        row("ended").contains("97/100, 3 failed (17, 27, 109)"),
        "{}",
        outcome.stdout
    );
    assert!(
        row("runs").contains("37/100, 2 failed"),
        "{}",
        outcome.stdout
    );
    assert_eq!(pod_requests(&api), [] as [String; 0]);
}

#[test]
fn failed_tasks_are_told_with_parameters_and_codes_for_as_long_as_their_pods_exist() {
    let api = api();
    let outcome = api
        .sandbox
        .kaiwo(&["status", "job/ended", "-o", "json"])
        .exits(0);
    is_golden("status_array", &outcome);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let tasks = report["tasks"]["failedTasks"].as_array().unwrap();
    let told: Vec<Value> = tasks
        .iter()
        .map(|task| {
            json!([
                task["task"],
                task["parameters"]["seed"],
                task["exitCode"],
                task["pod"]
            ])
        })
        .collect();
    assert_eq!(
        told,
        [
            json!([17, "17", 1, "ended-7-x"]),
            json!([27, "27", 137, "ended-17-x"]),
            json!([109, "109", null, null]),
        ]
    );
    let all = |query: &String| {
        let narrowed = ["Failed", "limit=20"];
        narrowed.iter().any(|part| query.contains(part))
    };
    assert!(
        pod_requests(&api).iter().all(all),
        "{:?}",
        pod_requests(&api)
    );
    let outcome = api.sandbox.kaiwo(&["status", "job/ended"]).exits(0);
    assert!(
        outcome.stdout.contains("Failed tasks"),
        "{}",
        outcome.stdout
    );
    assert!(outcome.stdout.contains("gone"), "{}", outcome.stdout);
}

#[test]
fn a_wait_names_the_tasks_that_failed() {
    let api = api();
    _ = api
        .sandbox
        .kaiwo(&["wait", "job/ended"])
        .exits(1)
        .says("97/100, 3 failed (17, 27, 109)");
}

#[test]
fn a_task_of_any_number_is_reached_by_its_own_pods_alone() {
    let api = api();
    for (words, why) in [
        (
            &["exec", "job/runs", "--worker", "67", "--", "true"][..],
            "job/runs has no pod of task 67",
        ),
        (
            &["cp", "job/runs:/x", ".", "--pod", "57-abcde"],
            "job/runs has no pod 57-abcde",
        ),
        (
            &["port-forward", "job/runs", "8000", "--pod", "runs-57-abcde"],
            "job/runs has no pod runs-57-abcde",
        ),
    ] {
        let before = pod_requests(&api).len();
        _ = api
            .sandbox
            .kaiwo(words)
            .exits(3)
            .says(why)
            .says("help: check its status");
        let asked = pod_requests(&api).split_off(before);
        let of_index = |query: &String| query.contains("job-completion-index%3D57");
        assert!(asked.iter().all(of_index) && !asked.is_empty(), "{asked:?}");
    }
    _ = api
        .sandbox
        .kaiwo(&["exec", "job/runs", "--worker", "7", "--", "true"])
        .exits(3)
        .says("job/runs has no task 7")
        .says("help: its tasks: 10-109");
}
