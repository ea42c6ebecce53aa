//! `kaiwo why` against a scripted API server: what it writes for programs,
//! what it asks, and that it fits a screen.

use serde_json::{Value, json};

use super::json::is_golden;
use super::server::{Answer, MockApi, Request, groups, list};

fn apis() -> Value {
    let mut served = groups(&["v1beta2"], &["v1"]);
    let version =
        json!({"groupVersion": "visibility.kueue.x-k8s.io/v1beta2", "version": "v1beta2"});
    let group = json!({"name": "visibility.kueue.x-k8s.io", "versions": [version]});
    served["groups"].as_array_mut().unwrap().push(group);
    served
}

fn owner(name: &str) -> Value {
    json!([{"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": format!("uid-{name}"), "controller": true}])
}

/// Returns Kueue's Workload of a Job with so many GPUs; it holds them of a
/// ClusterQueue, or waits.
fn workload(name: &str, user: &str, gpus: i64, holds: Option<&str>) -> Value {
    let resources = json!({"amd.com/gpu": gpus.to_string(), "cpu": (gpus * 4).to_string()});
    let status = match holds {
        Some(queue) => json!({
            "conditions": [
                {"type": "QuotaReserved", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"},
                {"type": "Admitted", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"},
            ],
            "admission": {"clusterQueue": queue, "podSetAssignments": [
                {"name": "main", "count": 1, "flavors": {"amd.com/gpu": "mi300x"}, "resourceUsage": resources},
            ]},
        }),
        None => json!({
            "conditions": [{"type": "QuotaReserved", "status": "False", "reason": "Pending", "message":
                "couldn't assign flavors to pod set main: insufficient unused quota for amd.com/gpu in flavor mi300x, 8 more needed"}],
            "resourceRequests": [{"name": "main", "resources": resources}],
        }),
    };
    json!({
        "metadata": {
            "name": format!("job-{name}"), "namespace": "kaiwo", "uid": format!("w-{name}"),
            "creationTimestamp": "2026-01-01T00:00:00Z", "ownerReferences": owner(name),
            "labels": {"kueue.x-k8s.io/job-uid": format!("uid-{name}")},
        },
        "spec": {"queueName": "team", "priority": 0, "podSets": [{"name": "main", "count": 1, "template": {
            "metadata": {"labels": {"kaiwo-cli/username": user}},
        }}]},
        "status": status,
    })
}

fn pending() -> Value {
    let names = ["first", "x"];
    let items = names.iter().enumerate().map(|(position, name)| {
        json!({
            "metadata": {"name": format!("job-{name}"), "namespace": "kaiwo", "ownerReferences": owner(name)},
            "positionInClusterQueue": position,
        })
    });
    list(&items.collect::<Vec<_>>())
}

fn cluster_queue(name: &str, gpus: i64, reserved: i64) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {"namespaceSelector": {}, "cohortName": "all", "resourceGroups": [{
            "coveredResources": ["cpu", "amd.com/gpu"],
            "flavors": [{"name": "mi300x", "resources": [
                {"name": "cpu", "nominalQuota": "400"},
                {"name": "amd.com/gpu", "nominalQuota": gpus.to_string()},
            ]}],
        }]},
        "status": {"flavorsReservation": [
            {"name": "mi300x", "resources": [{"name": "amd.com/gpu", "total": reserved.to_string()}]},
        ]},
    })
}

/// A Job of 16 GPUs waits behind another one; both queues of the cohort are
/// nearly full.
fn crowded(request: &Request) -> Option<Answer> {
    let path = request.path.as_str();
    let queued = [
        workload("first", "bob", 8, None),
        workload("x", "alice", 16, None),
        workload("a", "carol", 16, Some("gpus")),
        workload("b", "dave", 16, Some("others")),
    ];
    let answer = match path {
        "/apis" => apis(),
        "/apis/batch/v1/namespaces/kaiwo/jobs/x" => json!({
            "metadata": {
                "name": "x", "namespace": "kaiwo", "uid": "uid-x", "creationTimestamp": "2026-01-01T00:00:00Z",
                "labels": {"kueue.x-k8s.io/queue-name": "team", "kaiwo-cli/username": "alice"},
            },
            "spec": {"suspend": true},
        }),
        _ if path.ends_with("/pendingworkloads") => pending(),
        _ if path.ends_with("/workloads") => {
            let own = request.query.contains("labelSelector");
            list(match own {
                true => &queued[1..2],
                false => &queued,
            })
        }
        _ if path.ends_with("/localqueues") => list(&[json!({
            "metadata": {"name": "team", "namespace": "kaiwo"}, "spec": {"clusterQueue": "gpus"},
        })]),
        _ if path.ends_with("/clusterqueues") => list(&[
            cluster_queue("gpus", 24, 16),
            cluster_queue("others", 8, 16),
        ]),
        _ if path.ends_with("/cohorts") || path.ends_with("/resourceflavors") => list(&[]),
        _ => return None,
    };
    (request.method == "GET").then_some(Answer::Json(200, answer))
}

#[test]
fn a_diagnosis_has_its_goldens() {
    let api = MockApi::new(crowded);
    let why = ["why", "x", "-o", "json"];
    let outcome = api.sandbox.kaiwo(&why).exits(0);
    is_golden("why_waiting", &outcome);
    assert_eq!(outcome.stderr, "");

    let forbids = MockApi::new(|request| {
        let forbidden = ["/clusterqueues", "/cohorts", "/resourceflavors"];
        let all = request.path == "/apis/kueue.x-k8s.io/v1beta2/workloads";
        if all
            || forbidden.iter().any(|end| request.path.ends_with(end))
            || request.path.contains("/clusterqueues/")
        {
            return Some(Answer::Refuse(403, "User \"alice\" cannot list resource"));
        }
        crowded(request)
    });
    let outcome = forbids.sandbox.kaiwo(&why).exits(0);
    is_golden("why_waiting_batchUser", &outcome);

    let fails = MockApi::new(|request| {
        let path = request.path.as_str();
        let answer = match path {
            "/apis" => apis(),
            "/apis/batch/v1/namespaces/kaiwo/jobs/x" => json!({
                "metadata": {"name": "x", "namespace": "kaiwo", "uid": "uid-x"},
                "status": {"failed": 1, "conditions": [
                    {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"},
                ]},
            }),
            _ if path.ends_with("/workloads") => list(&[]),
            _ if path.ends_with("/pods") => list(&[json!({
                "metadata": {"name": "x-abc", "namespace": "kaiwo", "uid": "p"},
                "status": {"phase": "Failed", "containerStatuses": [
                    {"name": "workload", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}},
                ]},
            })]),
            _ if path.ends_with("/events") => list(&[]),
            _ if path.ends_with("/log") => {
                assert!(request.query.contains("tailLines="), "{}", request.query);
                // A line as good as any.
                json!("ValueError: no data")
            }
            _ => return None,
        };
        Some(Answer::Json(200, answer))
    });
    let outcome = fails.sandbox.kaiwo(&why).exits(0);
    is_golden("why_failed", &outcome);
}

#[test]
fn the_answer_fits_a_screen_and_names_who_is_in_the_way() {
    let api = MockApi::new(crowded);
    let outcome = api.sandbox.kaiwo(&["why", "x"]).exits(0);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert!(lines.len() <= 24, "{}", outcome.stdout);
    for line in &lines {
        assert!(line.chars().count() <= 80, "{line}");
    }
    for says in [
        "job/x: Pending for ",
        ", 2 of 2 in queue team",
        "It is waiting for quota: 16 more amd.com/gpu in flavor mi300x",
        "amd.com/gpu         16     0     24    32",
        "Ahead of it: 1, with 8 GPUs",
        "1.  job/first  8 GPUs  bob",
        "GPUs held by others (32):",
        "carol",
        "from others",
        "others has borrowed 8",
    ] {
        assert!(
            outcome.stdout.contains(says),
            "no {says:?} in\n{}",
            outcome.stdout
        );
    }
}

/// What is asked follows from what is seen: of what runs, nothing more.
#[test]
fn what_runs_costs_no_question_about_queues() {
    let api = MockApi::new(|request| {
        let path = request.path.as_str();
        let answer = match path {
            "/apis" => apis(),
            "/apis/batch/v1/namespaces/kaiwo/jobs/x" => json!({
                "metadata": {"name": "x", "namespace": "kaiwo", "uid": "uid-x"},
                "status": {"active": 1, "ready": 1, "startTime": "2026-01-01T00:00:00Z"},
            }),
            _ if path.ends_with("/workloads") => list(&[workload("x", "alice", 8, Some("gpus"))]),
            _ if path.ends_with("/pods") => list(&[json!({
                "metadata": {"name": "x-abc"},
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
            })]),
            _ => return None,
        };
        Some(Answer::Json(200, answer))
    });
    let outcome = api.sandbox.kaiwo(&["why", "job/x", "-o", "json"]).exits(0);
    is_golden("why_running", &outcome);
    let before = api.requests().len();
    let outcome = api.sandbox.kaiwo(&["why", "job/x"]).exits(0);
    assert!(
        outcome.stdout.starts_with("job/x: Running for "),
        "{outcome:?}"
    );
    assert_eq!(outcome.stdout.lines().count(), 1);
    let asked = api.requests();
    let asked = asked[before..].iter();
    assert_eq!(
        asked
            .map(|request| request.path.as_str())
            .collect::<Vec<_>>(),
        [
            "/apis",
            "/apis/batch/v1/namespaces/kaiwo/jobs/x",
            "/api/v1/namespaces/kaiwo/pods",
            "/apis/kueue.x-k8s.io/v1beta2/namespaces/kaiwo/workloads",
        ]
    );
}

#[test]
fn a_workload_that_is_not_there_is_no_question() {
    let api = MockApi::new(|_| None);
    let outcome = api
        .sandbox
        .kaiwo(&["why", "nothing", "-o", "json"])
        .exits(3);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["kind"], "Error");
}
