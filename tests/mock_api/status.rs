//! `kaiwo status` against a scripted API server: its JSON, its exit codes.

use serde_json::{Value, json};

use super::json::is_golden;
use super::server::{Answer, MockApi, Request, groups, list};
use crate::common::Outcome;

/// Answers with these objects, by the end of the path.
fn objects(request: &Request, objects: &[(&str, Value)]) -> Option<Answer> {
    if request.path == "/apis" {
        let mut served = groups(&["v1beta2"], &["v1"]);
        let version =
            json!({"groupVersion": "visibility.kueue.x-k8s.io/v1beta2", "version": "v1beta2"});
        let group = json!({"name": "visibility.kueue.x-k8s.io", "versions": [version]});
        served["groups"].as_array_mut().unwrap().push(group);
        return Some(Answer::Json(200, served));
    }
    if request.path.ends_with("/events")
        && !request.query.contains("uid-of-w&")
        && !request.query.ends_with("uid-of-w")
    {
        return Some(Answer::Json(200, list(&[])));
    }
    let found = objects.iter().find(|(end, _)| request.path.ends_with(end));
    found.map(|(_, object)| Answer::Json(200, object.clone()))
}

fn pod_template() -> Value {
    json!({"spec": {"containers": [{
        "name": "workload", "image": "an/image", "resources": {
            "limits": {"amd.com/gpu": "8"}, "requests": {"amd.com/gpu": "8"},
        },
    }]}})
}

fn metadata(name: &str) -> Value {
    json!({
        "name": name, "namespace": "kaiwo", "uid": format!("uid-of-{name}"),
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {
            "app.kubernetes.io/instance": name, "app.kubernetes.io/managed-by": "kaiwo",
            "app.kubernetes.io/version": "v2", "kaiwo-cli/username": "alice",
            "kueue.x-k8s.io/queue-name": "team",
        },
    })
}

fn condition(kind: &str, status: &str, message: &str) -> Value {
    json!({
        "type": kind, "status": status, "reason": "Why", "message": message,
        "lastTransitionTime": "2026-01-01T00:00:01Z",
    })
}

/// A Job that waits, after it was taken off its node.
fn waiting() -> Vec<(&'static str, Value)> {
    let mut template = pod_template();
    template["spec"]["volumes"] =
        json!([{"projected": {"sources": [{"configMap": {"name": "train-1"}}]}}]);
    let job = json!({
        "metadata": metadata("train"),
        "spec": {"suspend": true, "template": template},
        "status": {"conditions": [condition("Suspended", "True", "Job suspended")]},
    });
    let queued = json!({
        "metadata": {"name": "w", "uid": "uid-of-w", "labels": {"kueue.x-k8s.io/job-uid": "uid-of-train"}},
        "spec": {"queueName": "team"},
        "status": {"conditions": [condition("QuotaReserved", "False", "no quota")]},
    });
    let pod = json!({
        "metadata": {"name": "train-x", "uid": "uid-of-pod", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"nodeName": "gpu-1", "containers": [pod_template()["spec"]["containers"][0]]},
        "status": {"phase": "Running", "conditions": [condition("DisruptionTarget", "True", "preempted")]},
    });
    let upload = json!({
        "metadata": {"name": "train-1", "ownerReferences": [{"uid": "uid-of-train"}]},
        "data": {"a": "12345"}, "binaryData": {"b": "AAECAw=="},
    });
    let other = json!({"metadata": {"name": "not-ours"}, "data": {"a": "12345"}});
    let mut before = upload.clone();
    before["metadata"]["name"] = json!("train-0");
    let event = json!({
        "metadata": {"name": "e"}, "type": "Warning", "reason": "Pending", "message": "no quota",
        "involvedObject": {"kind": "Workload", "name": "w"}, "count": 2,
        "lastTimestamp": "2026-01-01T00:00:02Z",
    });
    let pending = json!({"metadata": {"name": "w"}, "positionInClusterQueue": 2});
    vec![
        ("/jobs/train", job),
        ("/pendingworkloads", list(&[pending])),
        ("/workloads", list(&[queued])),
        ("/pods", list(&[pod])),
        // It does not state its bytes, as those of 0.1.0.
        ("/configmaps/train-1", upload.clone()),
        ("/configmaps", list(&[upload, other, before])),
        ("/events", list(&[event])),
        (
            "/localqueues/team",
            json!({"metadata": {"name": "team"}, "spec": {"clusterQueue": "gpus"}}),
        ),
    ]
}

fn serving() -> Vec<(&'static str, Value)> {
    let service = json!({
        "metadata": metadata("llm"),
        "spec": {"rayClusterConfig": {"headGroupSpec": {"template": pod_template()}}},
        "status": {
            "conditions": [condition("Ready", "True", "")],
            "activeServiceStatus": {
                "rayClusterName": "llm-1",
                "applicationStatuses": {"app": {
                    "status": "UNHEALTHY", "message": "out of memory",
                    "serveDeploymentStatuses": {"Model": {"status": "UNHEALTHY", "message": "killed"}},
                }},
            },
        },
    });
    let reached = json!({
        "metadata": {"name": "llm-serve-svc", "namespace": "kaiwo"},
        "spec": {"ports": [{"name": "serve", "port": 8000}]},
    });
    vec![
        ("/rayservices/llm", service),
        ("/services/llm-serve-svc", reached),
    ]
}

/// A Deployment that is scaled by two metrics, of which one is not measured.
fn scaled() -> Vec<(&'static str, Value)> {
    let deployment = json!({
        "metadata": metadata("chat"),
        "spec": {"replicas": 3, "template": pod_template()},
        "status": {"replicas": 3, "readyReplicas": 3, "availableReplicas": 3,
                   "updatedReplicas": 3, "conditions": [condition("Available", "True", "")]},
    });
    let autoscaler = |name: &str, target: &str| {
        json!({
            "metadata": {"name": name, "uid": format!("uid-of-{name}")},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
                "minReplicas": 2, "maxReplicas": 4,
                "metrics": [
                    {"type": "Resource", "resource": {
                        "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}},
                    {"type": "Pods", "pods": {
                        "metric": {"name": "queue_length"},
                        "target": {"type": "AverageValue", "averageValue": "10"}}},
                ],
            },
            "status": {
                "currentReplicas": 3, "desiredReplicas": 3,
                "currentMetrics": [
                    {"type": "Resource", "resource": {
                        "name": "cpu", "current": {"averageUtilization": 41, "averageValue": "410m"}}},
                    {"type": ""},
                ],
                "conditions": [condition(
                    "ScalingActive",
                    "False",
                    "the HPA was unable to compute the replica count: unable to get metric queue_length: \
                     unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered",
                )],
            },
        })
    };
    let autoscalers = [autoscaler("other", "llm"), autoscaler("chat", "chat")];
    vec![
        ("/deployments/chat", deployment),
        ("/horizontalpodautoscalers", list(&autoscalers)),
    ]
}

/// The same Job, which was preempted twice and runs.
fn resumed() -> Vec<(&'static str, Value)> {
    let mut objects = waiting();
    for (end, object) in &mut objects {
        match *end {
            "/jobs/train" => {
                object["spec"]["suspend"] = json!(false);
                object["status"] = json!({"active": 1, "ready": 1});
            }
            "/workloads" => {
                object["items"][0]["status"] = json!({
                    "conditions": [condition("QuotaReserved", "True", ""), condition("Admitted", "True", "")],
                    "accumulatedPastExecutionTimeSeconds": 26,
                    "schedulingStats": {"evictions": [
                        {"reason": "Preempted", "underlyingCause": "", "count": 2},
                    ]},
                });
            }
            "/events" => {
                let event = |reason: &str, message: &str, second: u8| {
                    json!({
                        "metadata": {"name": message}, "type": "Normal", "reason": reason,
                        "message": message, "involvedObject": {"kind": "Job", "name": "train"},
                        "count": 1, "lastTimestamp": format!("2026-01-01T00:00:{second:02}Z"),
                    })
                };
                *object = list(&[
                    event("SuccessfulCreate", "Created pod: train-a", 1),
                    event("SuccessfulDelete", "Deleted pod: train-a", 15),
                    event("SuccessfulCreate", "Created pod: train-b", 20),
                    event("SuccessfulDelete", "Deleted pod: train-b", 32),
                    event("SuccessfulCreate", "Created pod: train-x", 40),
                ]);
            }
            _ => {}
        }
    }
    objects
}

fn server(there: Vec<(&'static str, Value)>) -> MockApi {
    MockApi::new(move |request| {
        objects(request, &there).or_else(|| {
            let collections = ["/workloads", "/configmaps", "/events"];
            let is_one = collections.iter().any(|end| request.path.ends_with(end));
            is_one.then(|| Answer::Json(200, list(&[])))
        })
    })
}

fn status(there: Vec<(&'static str, Value)>, arguments: &[&str]) -> Outcome {
    let arguments = [&["status"], arguments].concat();
    server(there).sandbox.kaiwo(&arguments)
}

#[test]
fn a_status_has_its_goldens() {
    let outcome = status(waiting(), &["train", "-o", "json"]).exits(0);
    is_golden("status_waiting", &outcome);
    let yaml = status(waiting(), &["train", "-o", "yaml"]).exits(0);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(yaml.documents(), [report]);
    let outcome = status(serving(), &["llm", "-o", "json"]).exits(0);
    is_golden("status_serving", &outcome);
    let outcome = status(scaled(), &["chat", "-o", "json"]).exits(0);
    is_golden("status_scaled", &outcome);
    let outcome = status(resumed(), &["train", "-o", "json"]).exits(0);
    is_golden("status_resumed", &outcome);
    let told = status(resumed(), &["train"]).exits(0).stdout;
    let words = "Attempts    3: preempted 2 times; ran 26s before, according to Kueue; earlier pods 14s, 12s, according to events\n";
    assert!(told.contains(words), "{told}");
    let bare = json!({"metadata": {"name": "bare", "namespace": "kaiwo", "uid": "u"}, "spec": {}});
    let outcome = status(vec![("/jobs/bare", bare)], &["bare", "-o", "json"]).exits(0);
    is_golden("status_bare", &outcome);
}

/// A look at one workload is a handful of requests.
#[test]
fn a_status_costs_few_requests() {
    for (there, name, most) in [
        (waiting(), "train", 18),
        (serving(), "llm", 15),
        (scaled(), "chat", 14),
    ] {
        let api = server(there);
        let _ = api.sandbox.kaiwo(&["status", name]).exits(0);
        let asked: Vec<String> = api.requests().iter().map(Request::line).collect();
        assert!(asked.len() <= most, "{asked:#?}");
    }
}

#[test]
fn exit_status_tells_how_it_stands() {
    let ended = |kind: &str| {
        let job = json!({
            "metadata": metadata("train"), "spec": {},
            "status": {"conditions": [condition(kind, "True", "")]},
        });
        vec![("/jobs/train", job)]
    };
    let running = json!({
        "metadata": metadata("train"), "spec": {}, "status": {"active": 1, "ready": 1},
    });
    for (objects, name, code) in [
        (waiting(), "train", 8),
        (ended("Complete"), "train", 0),
        (ended("Failed"), "train", 1),
        (vec![("/jobs/train", running)], "job/train", 0),
        // Degraded.
        (serving(), "llm", 8),
    ] {
        let told = status(objects.clone(), &[name, "--exit-status"]).exits(code);
        // Without the flag, the exit code is about the question.
        let asked = status(objects, &[name]).exits(0);
        assert_eq!(told.stdout, asked.stdout);
        assert_eq!(told.stderr, asked.stderr);
    }
    let _ = status(Vec::new(), &["train", "--exit-status"]).exits(3);
}

#[test]
fn how_a_service_is_scaled_and_why_not() {
    let told = status(scaled(), &["chat"]).exits(0).stdout;
    for words in [
        "Replicas    3 of 2 to 4; not scaled: nothing in the cluster serves custom.metrics.k8s.io\n",
        "Scaling\n  METRIC        CURRENT  TARGET\n  cpu               41%     70%\n  queue_length  unknown      10\n",
        "  HorizontalPodAutoscaler  ScalingActive  False",
    ] {
        assert!(told.contains(words), "{told}");
    }
    // Without the right to see it, nothing is told of it.
    let mut hidden = scaled();
    hidden.truncate(1);
    let api = MockApi::new(move |request| {
        let may_not = || Answer::Refuse(403, "User \"alice\" cannot list");
        objects(request, &hidden).or_else(|| Some(may_not()))
    });
    for command in ["status", "why"] {
        let outcome = api.sandbox.kaiwo(&[command, "deployment/chat"]).exits(0);
        assert_eq!(outcome.stderr, "");
        assert!(!outcome.stdout.contains("scaled"), "{}", outcome.stdout);
        assert!(!outcome.stdout.contains("Replicas"), "{}", outcome.stdout);
    }
}

/// Who may read nothing but the workload itself.
#[test]
fn what_may_not_be_read_is_not_told() {
    let mut objects_there = waiting();
    objects_there.truncate(1);
    let api = MockApi::new(move |request| {
        objects(request, &objects_there).or_else(|| {
            let of_workload = request.path.contains("/train");
            (!of_workload).then_some(Answer::Refuse(403, "User \"alice\" cannot list"))
        })
    });
    // The other kinds of that name may not be read either.
    let outcome = api.sandbox.kaiwo(&["status", "job/train"]).exits(0);
    assert_eq!(outcome.stderr, "");
    for line in ["Status      Pending\n", "Queue       team\n"] {
        assert!(outcome.stdout.contains(line), "{}", outcome.stdout);
    }
    assert!(!outcome.stdout.contains("Pods"), "{}", outcome.stdout);
}

#[test]
fn a_name_that_is_not_there_comes_with_the_likely_one() {
    let api = MockApi::new(|request| {
        let named = |name: &str| json!({"metadata": metadata(name)});
        let jobs = list(&[named("alice-hello"), named("alice-bert")]);
        objects(request, &[("/jobs", jobs)])
    });
    for (wanted, hint) in [
        // Without the user's name, which kaiwo puts in front.
        ("hello", "help: did you mean job/alice-hello?"),
        ("alice-brt", "help: did you mean job/alice-bert?"),
        ("elsewhere", "help: list workloads: kaiwo list -n kaiwo"),
    ] {
        let _ = api
            .sandbox
            .kaiwo(&["status", wanted])
            .exits(3)
            .says(&format!(
                "workload {wanted} does not exist in namespace kaiwo"
            ))
            .says(hint);
    }
}

/// Of what another program says in many lines a table has the one that says most;
/// JSON has it whole.
#[test]
fn what_others_say_in_many_lines_takes_one_of_a_table() {
    const TRACEBACK: &str = "The deployment failed to start 3 times in a row. Error:\n\u{1b}[36mray::ServeReplica:app:Model.initialize()\u{1b}[39m (pid=644)\n  File \"/work/app.py\", line 7, in __init__\n    raise RuntimeError(\"weights missing\")\nRuntimeError: weights missing\n";
    let there = || {
        let mut there = serving();
        there[0].1["metadata"]["uid"] = json!("uid-of-w");
        let status = &mut there[0].1["status"];
        status["conditions"] = json!([condition("Ready", "False", TRACEBACK)]);
        let application = &mut status["activeServiceStatus"]["applicationStatuses"]["app"];
        application["message"] = json!(TRACEBACK);
        application["serveDeploymentStatuses"]["Model"]["message"] = json!(TRACEBACK);
        let event = json!({
            "metadata": {"name": "e"}, "type": "Warning", "reason": "Unhealthy", "count": 3,
            "message": TRACEBACK, "involvedObject": {"kind": "RayService", "name": "llm", "uid": "uid-of-llm"},
        });
        there.push(("/events", list(&[event])));
        there
    };
    let shown = status(there(), &["llm"]).exits(0).stdout;
    let with_it: Vec<&str> = shown
        .lines()
        .filter(|line| line.contains("RuntimeError: weights missing"))
        .collect();
    // The reason, the application, its deployment, the condition, the event.
    assert_eq!(with_it.len(), 5, "{shown}");
    assert!(
        shown.contains("RuntimeError: weights missing (3 times)\n"),
        "{shown}"
    );
    for noise in ["ServeReplica", "3 times in a row", "app.py"] {
        assert!(!shown.contains(noise), "{shown}");
    }
    let told = status(there(), &["llm", "-o", "json"]).exits(0).stdout;
    let told: Value = serde_json::from_str(&told).unwrap();
    for pointer in [
        "/applications/0/message",
        "/applications/0/deployments/0/message",
        "/conditions/0/message",
        "/events/0/message",
    ] {
        assert_eq!(told.pointer(pointer).unwrap(), TRACEBACK, "{pointer}");
    }
}
