//! `kaiwo history` and `kaiwo usage`, against a scripted API server and a real
//! Prometheus, and `kaiwo delete --finished`.

use std::sync::OnceLock;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::json::is_golden;
use super::server::{Answer, MockApi, Request, list};
use super::trouble::is;
use crate::common::prometheus::Prometheus;
use crate::common::{Outcome, skip};

/// Seconds ago, as objects write it.
fn ago(seconds: u64) -> String {
    static NOW: OnceLock<Timestamp> = OnceLock::new();
    let now = NOW.get_or_init(Timestamp::now).as_second();
    let then = now - i64::try_from(seconds).unwrap();
    Timestamp::from_second(then).unwrap().to_string()
}

/// Compares a report with its golden, but for its times.
fn is_golden_but_for_times(name: &str, outcome: &Outcome) {
    let time = regex::Regex::new(r"\d{4}-\d\d-\d\dT[0-9:.]+Z").unwrap();
    let stdout = time.replace_all(&outcome.stdout, "TIME").into_owned();
    let outcome = Outcome {
        stdout,
        ..outcome.clone()
    };
    is_golden(name, &outcome);
}

fn condition(kind: &str, seconds: u64, reason: &str) -> Value {
    json!({"type": kind, "status": "True", "reason": reason, "message": reason, "lastTransitionTime": ago(seconds)})
}

/// A Workload of `alice` with 8 GPUs that was paused once for an hour: created four
/// hours ago, it ran for half an hour, and for two hours at last.
fn workload(reason: &str) -> Value {
    json!({
        "metadata": {
            "name": "job-train-1", "namespace": "kaiwo", "creationTimestamp": ago(4 * 3600),
            "labels": {"kueue.x-k8s.io/job-uid": "u-train"},
            "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "train", "uid": "u-train", "controller": true}],
        },
        "spec": {"queueName": "team", "podSets": [{"name": "main", "count": 1, "template": {
            "metadata": {"labels": {"kaiwo-cli/username": "alice"}},
            "spec": {"containers": [{"name": "a", "resources": {"requests": {"amd.com/gpu": "8"}}}]},
        }}]},
        "status": {
            "admission": {"clusterQueue": "cq", "podSetAssignments": [
                {"name": "main", "count": 1, "resourceUsage": {"amd.com/gpu": "8"}},
            ]},
            "conditions": [condition("Admitted", 9000, "Admitted"), condition("Finished", 1800, reason)],
            "accumulatedPastExecutionTimeSeconds": 1800,
            "schedulingStats": {"evictions": [{"reason": "Deactivated", "count": 1}]},
        },
    })
}

/// A Job of `bob` with 2 GPUs that ended so long ago and whose Workload is gone: it
/// ran for half an hour.
fn job(name: &str, ended: u64) -> Value {
    json!({
        "metadata": {
            "name": name, "namespace": "kaiwo", "uid": format!("u-{name}"), "creationTimestamp": ago(ended + 3600),
            "labels": {
                "app.kubernetes.io/managed-by": "kaiwo", "kaiwo-cli/username": "bob",
                "kueue.x-k8s.io/queue-name": "team",
            },
        },
        "spec": {"template": {"spec": {"containers": [{"name": "a", "resources": {"limits": {"amd.com/gpu": "2"}}}]}}},
        "status": {
            "startTime": ago(ended + 1800), "completionTime": ago(ended),
            "conditions": [condition("Complete", ended, "Completed")],
        },
    })
}

/// A Job in no queue that failed before it had a pod.
fn never() -> Value {
    json!({
        "metadata": {"name": "never", "namespace": "kaiwo", "uid": "u-never", "creationTimestamp": ago(1800)},
        "spec": {"template": {"spec": {"containers": []}}},
        "status": {"conditions": [condition("Failed", 1200, "BackoffLimitExceeded")]},
    })
}

fn failed_pod() -> Value {
    json!({
        "metadata": {"name": "train-x", "namespace": "kaiwo", "annotations": {"kueue.x-k8s.io/workload": "job-train-1"}},
        "spec": {"containers": [{"name": "a"}]},
        "status": {"phase": "Failed", "containerStatuses": [
            {"name": "a", "state": {"terminated": {"exitCode": 3, "finishedAt": ago(1800)}}},
        ]},
    })
}

fn past(request: &Request) -> Option<Answer> {
    let path = request.path.as_str();
    let items = match path {
        _ if path.ends_with("/workloads") => {
            assert_eq!(request.query, "limit=5000");
            vec![workload("Failed")]
        }
        _ if path.ends_with("/jobs") => vec![job("old", 7200), job("older", 30 * 86_400), never()],
        _ if path.ends_with("/rayjobs") => Vec::new(),
        _ if path.ends_with("/pods") => {
            assert_eq!(
                request.query,
                "limit=500&fieldSelector=status.phase%3DFailed"
            );
            vec![failed_pod()]
        }
        _ => return None,
    };
    Some(Answer::Json(200, list(&items)))
}

/// Returns whether nothing is there that could go with a workload.
pub fn is_empty(path: &str) -> bool {
    [
        "/rayjobs",
        "/configmaps",
        "/persistentvolumeclaims",
        "/services",
        "/ingresses",
        "/horizontalpodautoscalers",
        "/poddisruptionbudgets",
    ]
    .iter()
    .any(|end| path.ends_with(end))
}

/// Refuses to list anything.
fn hidden(request: &Request) -> Option<Answer> {
    let kinds = ["/workloads", "/jobs", "/rayjobs", "/services"];
    let is_hidden = kinds.iter().any(|kind| request.path.ends_with(kind));
    is_hidden.then_some(Answer::Refuse(403, "may not"))
}

#[test]
fn what_has_ended_has_its_golden() {
    let api = MockApi::new(past);
    let outcome = api.sandbox.kaiwo(&["history", "-o", "json"]).exits(0);
    is_golden_but_for_times("history", &outcome);
    // What is served, Workloads, Jobs and RayJobs, and pods of what failed.
    assert_eq!(api.requests().len(), 5, "{:?}", api.requests());
    let table = api.sandbox.kaiwo(&["history"]).exits(0);
    insta::assert_snapshot!("history", table.stdout);
    let words = "≥ and ≤: the Workload is gone, and its Job knows only the last attempt";
    assert!(table.stderr.contains(words), "{}", table.stderr);
    let csv = api.sandbox.kaiwo(&["history", "-o", "csv"]).exits(0);
    let lines: Vec<&str> = csv.stdout.lines().collect();
    assert!(
        lines[0].starts_with("kind,namespace,name,status,"),
        "{csv:?}"
    );
    assert_eq!(lines.len(), 4);
    let none_args = ["history", "--since", "1h", "--status", "succeeded"];
    let none = api.sandbox.kaiwo(&none_args).exits(0);
    let json = [&none_args[..], &["-o", "json"]].concat();
    is_golden_but_for_times("history_none", &api.sandbox.kaiwo(&json).exits(0));
    assert_eq!(none.stdout, "");
    assert!(
        none.stderr
            .contains("nothing has ended since then in namespace kaiwo")
    );
    let bob = api
        .sandbox
        .kaiwo(&["history", "--user", "bob", "--since", "60d"])
        .exits(0);
    assert_eq!(bob.stdout.lines().count(), 3, "{bob:?}");
    let _ = api
        .sandbox
        .kaiwo(&["history", "--status", "running"])
        .exits(2);
    let _ = api.sandbox.kaiwo(&["history", "--since", "0"]).exits(2);
}

#[test]
fn gpu_hours_have_their_golden() {
    let api = MockApi::new(past);
    let outcome = api.sandbox.kaiwo(&["usage", "-o", "json"]).exits(0);
    is_golden_but_for_times("usage", &outcome);
    let table = api.sandbox.kaiwo(&["usage", "--since", "2d"]).exits(0);
    insta::assert_snapshot!("usage", table.stdout);
    assert!(
        table.stderr.contains("only the last attempt is known"),
        "{table:?}"
    );
    assert!(
        table.stderr.contains("deleted workloads are not counted"),
        "{table:?}"
    );
    let queues = ["usage", "-A", "--by", "queue", "-o", "json"];
    let queues = api.sandbox.kaiwo(&queues).exits(0);
    is_golden_but_for_times("usage_queues", &queues);
    let none = ["usage", "--user", "nobody", "-o", "json"];
    let none = api.sandbox.kaiwo(&none).exits(0);
    is_golden_but_for_times("usage_none", &none);
    let csv = ["usage", "-A", "--by", "queue", "-o", "csv"];
    let csv = api.sandbox.kaiwo(&csv).exits(0);
    let expected = "by,namespace,name,gpuHours,bound,workloads,sources\n\
                    queue,kaiwo,team,21.0,atLeast,2,Workloads+Jobs\n";
    assert_eq!(csv.stdout, expected);
}

#[test]
fn what_prometheus_measures_has_its_golden() {
    let api = MockApi::new(|request| {
        let proxy = "/services/prometheus:9090/proxy/api/v1/query";
        if request.path.ends_with("/api/v1/services") {
            let found = json!({
                "metadata": {"name": "prometheus", "namespace": "monitoring"},
                "spec": {"ports": [{"name": "http-web", "port": 9090}]},
            });
            return Some(Answer::Json(200, list(&[found])));
        }
        let sample = |metric: Value, value: &str| json!({"metric": metric, "value": [1.0, value]});
        let result = match request.query.contains("count_over_time") {
            true => vec![sample(json!({}), "144")],
            false => vec![
                sample(json!({}), "12"),
                sample(json!({"label_kaiwo_cli_username": "alice"}), "120"),
            ],
        };
        let data = json!({"status": "success", "data": {"resultType": "vector", "result": result}});
        request
            .path
            .ends_with(proxy)
            .then_some(Answer::Json(200, data))
    });
    let measured = [
        "usage",
        "--since",
        "4d",
        "--prometheus",
        "-o",
        "json",
        "--request-timeout=600",
    ];
    let outcome = api.sandbox.kaiwo(&measured).exits(0);
    is_golden_but_for_times("usage_measured", &outcome);
    assert!(
        outcome
            .stderr
            .contains("has metrics for 12 % of this period"),
        "{outcome:?}"
    );
}

#[test]
fn who_may_list_nothing_is_told_so() {
    let api = MockApi::new(hidden);
    let history = api.sandbox.kaiwo(&["history"]).exits(4);
    let words = "you may list neither Workloads nor Jobs in namespace kaiwo";
    assert!(history.stderr.contains(words), "{history:?}");
    // Prometheus is not found either.
    let usage = api.sandbox.kaiwo(&["usage"]).exits(4);
    assert!(usage.stderr.contains("using Prometheus"), "{usage:?}");
    // Who may list Jobs knows the last attempts.
    let api = MockApi::new(|request| match request.path.ends_with("/workloads") {
        true => hidden(request),
        false => past(request),
    });
    let usage = api.sandbox.kaiwo(&["usage"]).exits(0);
    assert!(
        usage.stderr.contains("you may not list Workloads"),
        "{usage:?}"
    );
    assert!(usage.stdout.contains("bob"), "{usage:?}");
}

#[test]
fn a_real_prometheus_knows_what_is_deleted() {
    // One GPU in two is of an exporter whose labels Prometheus does not honour.
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let begin = now / 3600 * 3600 - 12 * 3600;
    let mut metrics = String::from("# TYPE DCGM_FI_DEV_GPU_UTIL gauge\n");
    let mut series = |labels: &str, hours: std::ops::Range<u64>| {
        for minute in hours.start * 60..hours.end * 60 {
            let time = begin + minute * 60;
            metrics += &format!("DCGM_FI_DEV_GPU_UTIL{{{labels}}} 50 {time}\n");
        }
    };
    // Two GPUs for three hours, and one for one hour; the last has no pod.
    series(
        "gpu=\"0\",exported_namespace=\"kaiwo\",exported_pod=\"a\",pod=\"exporter\",namespace=\"m\"",
        1..4,
    );
    series(
        "gpu=\"1\",exported_namespace=\"kaiwo\",exported_pod=\"a\",pod=\"exporter\",namespace=\"m\"",
        1..4,
    );
    series("gpu=\"2\",namespace=\"kaiwo\",pod=\"b\"", 2..3);
    series("gpu=\"3\",namespace=\"other\",pod=\"c\"", 2..4);
    series("gpu=\"4\"", 0..10);
    metrics += "# TYPE kube_pod_labels gauge\n";
    for minute in 60..300 {
        let time = begin + minute * 60;
        metrics += &format!(
            "kube_pod_labels{{namespace=\"kaiwo\",pod=\"a\",label_kaiwo_cli_username=\"alice\"}} 1 {time}\n"
        );
    }
    metrics += "# EOF\n";
    let Some(prometheus) = Prometheus::start(&metrics) else {
        skip("Prometheus is not installed (apt-get install prometheus)");
        return;
    };
    let api = MockApi::new(hidden);
    let usage = |arguments: &[&str]| -> Value {
        let all = [
            "usage",
            "--since",
            "14h",
            "-o",
            "json",
            "--prometheus",
            &prometheus.url,
        ];
        let outcome = api.sandbox.kaiwo(&[&all, arguments].concat()).exits(0);
        serde_json::from_str(&outcome.stdout).unwrap()
    };
    // A sample counts for five minutes after the last one.
    let near = |report: &Value, name: Value, hours: f64| {
        let mut items = report["items"].as_array().unwrap().iter();
        let item = items.find(|item| item["name"] == name);
        let item = item.unwrap_or_else(|| panic!("{name}: {report}"));
        let measured = item["gpuHours"].as_f64().unwrap();
        assert!(
            (measured - hours).abs() <= 0.1 * hours + 0.1,
            "{name}: {report}"
        );
        assert_eq!(item["sources"], json!(["prometheus"]));
        assert_eq!(item["bound"], "about");
    };
    let by_user = usage(&[]);
    near(&by_user, json!("alice"), 6.0);
    near(&by_user, Value::Null, 1.0);
    let coverage = by_user["coverage"].as_f64().unwrap();
    assert!((coverage - 10.0 / 14.0).abs() < 0.05, "{by_user}");
    let all = usage(&["-A", "--by", "namespace"]);
    near(&all, json!("kaiwo"), 7.0);
    near(&all, json!("other"), 2.0);
    assert_eq!(usage(&["--user", "nobody"])["items"], json!([]));
}

#[test]
fn finished_jobs_are_deleted_by_their_age() {
    let api = MockApi::new(|request| match request.path.as_str() {
        path if path.ends_with("/jobs") => {
            let running = json!({"metadata": {
                "name": "runs", "namespace": "kaiwo", "uid": "r", "labels": {"app.kubernetes.io/managed-by": "kaiwo"},
            }, "spec": {}, "status": {"ready": 1, "startTime": ago(99 * 86_400)}});
            Some(Answer::Json(
                200,
                list(&[job("old", 7200), job("older", 30 * 86_400), running]),
            ))
        }
        path if is_empty(path) => Some(Answer::Json(200, list(&[]))),
        _ if is(request, "GET", "/jobs/older") => Some(Answer::Refuse(404, "gone")),
        _ => None,
    });
    let deleted = ["delete", "--finished", "--older-than", "7d", "-y"];
    let outcome = api.sandbox.kaiwo(&deleted).exits(0);
    assert!(outcome.stderr.contains("job/older deleted"), "{outcome:?}");
    let requests = api.requests();
    let deletions = requests.iter().filter(|request| request.method == "DELETE");
    let paths: Vec<_> = deletions.map(|request| request.path.as_str()).collect();
    assert_eq!(paths, ["/apis/batch/v1/namespaces/kaiwo/jobs/older"]);
    let preview = ["delete", "--finished", "--dry-run"];
    let outcome = api.sandbox.kaiwo(&preview).exits(0);
    for words in ["job/old", "job/older", "this also deletes its history"] {
        assert!(outcome.stderr.contains(words), "{words}: {outcome:?}");
    }
    assert!(!outcome.stderr.contains("job/runs"), "{outcome:?}");
    let none = ["delete", "--finished", "--older-than", "90d", "-y"];
    let outcome = api.sandbox.kaiwo(&none).exits(0);
    assert!(
        outcome.stderr.contains("has ended that long ago"),
        "{outcome:?}"
    );
    for wrong in [
        &["delete", "--older-than", "7d", "-y"][..],
        &["delete", "x", "--finished", "-y"],
    ] {
        let _ = api.sandbox.kaiwo(wrong).exits(2);
    }
}
