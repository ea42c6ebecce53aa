//! `list`, `status`, `wait` and `why` look at the same objects of a scripted API
//! server, and say the same of them.

use serde_json::{Value, json};

use super::server::{Answer, MockApi, Request, groups, list};

/// What there is of a workload: the object, and what else is listed, by the
/// collection that it is in.
#[derive(Clone)]
struct Scene {
    /// `job/x`
    name: &'static str,
    /// Collection and object.
    workload: (&'static str, Value),
    pods: Vec<Value>,
    events: Vec<Value>,
    workloads: Vec<Value>,
    /// Collection and object of what is between it and its pods.
    others: Vec<(&'static str, Value)>,
}

impl Scene {
    fn new(name: &'static str, collection: &'static str, object: Value) -> Self {
        Self {
            name,
            workload: (collection, object),
            pods: Vec::new(),
            events: Vec::new(),
            workloads: Vec::new(),
            others: Vec::new(),
        }
    }

    fn answer(&self, request: &Request) -> Option<Answer> {
        let found = |object: &Value| Some(Answer::Json(200, object.clone()));
        let all = |objects: &[Value]| Some(Answer::Json(200, list(objects)));
        let path = request.path.as_str();
        if path == "/apis" {
            return found(&groups(&["v1beta2"], &["v1"]));
        }
        for (collection, object) in std::iter::once(&self.workload).chain(&self.others) {
            if path.ends_with(&format!("/{collection}/x")) {
                return found(object);
            }
            if path.ends_with(&format!("/{collection}")) {
                return all(std::slice::from_ref(object));
            }
        }
        match path.rsplit('/').next()? {
            "pods" => all(&self.pods),
            "workloads" => all(&self.workloads),
            // As the server selects them.
            "events" => {
                let about = |event: &&Value| {
                    let uid = event["involvedObject"]["uid"].as_str().unwrap();
                    request.query.contains("type") || request.query.contains(uid)
                };
                let events: Vec<Value> = self.events.iter().filter(about).cloned().collect();
                all(&events)
            }
            "log" => Some(Answer::Raw(
                b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nboom: no such weights\n".to_vec(),
            )),
            _ => None,
        }
    }

    /// Returns status and reason as `list`, `status` and `wait` have them, and
    /// the causes that `why` finds.
    fn told(self) -> ([(String, String); 3], Vec<String>) {
        let name = self.name;
        let api = MockApi::new(move |request| self.answer(request));
        let run = |arguments: &[&str]| {
            let outcome = api.sandbox.kaiwo(arguments);
            let first = outcome.stdout.lines().next().unwrap_or_default();
            let whole = serde_json::from_str(&outcome.stdout);
            let value: Value = whole.or_else(|_| serde_json::from_str(first)).unwrap();
            value
        };
        let stands = |value: &Value| {
            let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
            (text("status"), text("reason"))
        };
        let listed = run(&["list", "-o", "json"]);
        let status = run(&["status", name, "-o", "json"]);
        let waited = run(&["wait", name, "--timeout", "0", "-o", "json"]);
        let why = run(&["why", name, "-o", "json"]);
        let findings = why["findings"].as_array().unwrap().iter();
        let causes = findings.map(|finding| finding["cause"].as_str().unwrap().to_owned());
        let each = [&listed["items"][0], &status, &waited].map(stands);
        (each, causes.collect())
    }

    #[track_caller]
    fn says(self, status: &str, reason: &str, causes: &[&str]) {
        let (each, found) = self.told();
        let expected = (status.to_owned(), reason.to_owned());
        assert_eq!(each, [expected.clone(), expected.clone(), expected]);
        assert_eq!(found, causes);
    }
}

fn metadata(uid: &str) -> Value {
    json!({"name": "x", "namespace": "kaiwo", "uid": uid, "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {"app.kubernetes.io/managed-by": "kaiwo"}})
}

fn job(spec: Value, status: Value) -> Scene {
    let object = json!({"metadata": metadata("uid-of-x"), "spec": spec, "status": status});
    Scene::new("job/x", "jobs", object)
}

fn pod(spec: Value, status: Value) -> Value {
    json!({
        "metadata": {"name": "x-0", "namespace": "kaiwo", "uid": "uid-of-pod", "creationTimestamp": "2026-01-01T00:00:01Z",
            "labels": {"app": "x"}, "ownerReferences": [{"kind": "ReplicaSet", "name": "x-1"}]},
        "spec": spec, "status": status,
    })
}

fn refusal(kind: &str, uid: &str) -> Value {
    json!({
        "type": "Warning", "reason": "FailedCreate", "lastTimestamp": "2026-01-01T00:00:01Z",
        "message": "Error creating: pods \"x-1-\" is forbidden: exceeded quota: team, requested: pods=1, used: pods=1, limited: pods=1",
        "involvedObject": {"kind": kind, "uid": uid},
    })
}

const REFUSED: &str =
    "pods are rejected: exceeded quota: team, requested: pods=1, used: pods=1, limited: pods=1";

#[test]
fn a_crash_loop_is_seen_in_every_state() {
    let ended = json!({"exitCode": 5, "reason": "Error"});
    for (state, restarts) in [
        (json!({"terminated": ended}), 3),
        (
            json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container=c pod=x-0_kaiwo(45090182-0000-0000-0000-000000000000)"}}),
            3,
        ),
        (json!({"running": {"startedAt": "2026-01-01T00:01:00Z"}}), 4),
    ] {
        let object = json!({
            "metadata": metadata("uid-of-x"),
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "x"}}},
            "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1},
        });
        let mut scene = Scene::new("deployment/x", "deployments", object);
        let status = json!({"phase": "Running", "containerStatuses": [
            {"name": "c", "restartCount": restarts, "state": state, "lastState": {"terminated": ended}},
        ]});
        scene.pods = vec![pod(
            json!({"nodeName": "n", "restartPolicy": "Always"}),
            status,
        )];
        let reason = format!("exit code 5, restarted {restarts} times in pod x-0");
        scene.says("Starting", &reason, &["crashLoop"]);
    }
}

#[test]
fn pods_that_are_refused_are_seen_though_others_are_there() {
    let spec = json!({"parallelism": 2, "completions": 2});
    let status = json!({"active": 1, "ready": 1, "startTime": "2026-01-01T00:00:00Z"});
    let ready = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
    for pods in [vec![], vec![pod(json!({"nodeName": "n"}), ready)]] {
        let mut scene = job(spec.clone(), status.clone());
        scene.pods = pods;
        scene.events = vec![refusal("Job", "uid-of-x")];
        scene.says("Starting", REFUSED, &["podsRefused"]);
    }
}

#[test]
fn pods_that_a_ray_cluster_may_not_make_are_seen() {
    let object = json!({
        "metadata": metadata("uid-of-x"),
        "status": {"jobDeploymentStatus": "Initializing", "rayClusterName": "x", "startTime": "2026-01-01T00:00:00Z"},
    });
    let condition = json!({"type": "ReplicaFailure", "status": "True", "reason": "FailedCreateHeadPod",
        "message": refusal("", "")["message"]});
    let cluster = json!({
        "metadata": {"name": "x", "namespace": "kaiwo", "uid": "uid-of-cluster"},
        "status": {"conditions": [condition]},
    });
    let mut scene = Scene::new("rayjob/x", "rayjobs", object);
    scene.others = vec![("rayclusters", cluster)];
    scene.says("Starting", REFUSED, &["podsRefused"]);
}

#[test]
fn a_pod_that_cannot_be_set_up_is_seen() {
    let mut scene = job(
        json!({}),
        json!({"active": 1, "startTime": "2026-01-01T00:00:00Z"}),
    );
    let status = json!({"phase": "Pending", "containerStatuses": [
        {"name": "c", "state": {"waiting": {"reason": "ContainerCreating"}}},
    ]});
    scene.pods = vec![pod(json!({"nodeName": "n"}), status)];
    scene.events = vec![json!({
        "type": "Warning", "reason": "FailedCreatePodSandBox", "lastTimestamp": "2026-01-01T00:00:05Z",
        "message": "Failed to create pod sandbox: rpc error: code = Unknown desc = no runtime for \"nohandler\" is configured",
        "involvedObject": {"kind": "Pod", "uid": "uid-of-pod"},
    })];
    let reason = "FailedCreatePodSandBox in pod x-0: no runtime for \"nohandler\" is configured";
    scene.says("Starting", reason, &["containerStart"]);
}

#[test]
fn a_failed_job_has_one_reason() {
    let failed = json!({"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded",
        "message": "Job has reached the specified backoff limit"});
    let mut scene = job(json!({}), json!({"failed": 1, "conditions": [failed]}));
    let status = json!({"phase": "Failed", "containerStatuses": [
        {"name": "c", "state": {"terminated": {"exitCode": 42, "reason": "Error"}}},
    ]});
    scene.pods = vec![pod(json!({"restartPolicy": "Never"}), status)];
    let name = scene.name;
    let api = MockApi::new(move |request| scene.answer(request));
    let listed = api.sandbox.kaiwo(&["list", "-o", "json"]).exits(0);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let status = api.sandbox.kaiwo(&["status", name, "-o", "json"]).exits(0);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    let reason = "exit code 42 in pod x-0";
    assert_eq!(
        [&listed["items"][0]["reason"], &status["reason"]],
        [&json!(reason), &json!(reason)]
    );
    let _ = api
        .sandbox
        .kaiwo(&["wait", name])
        .exits(42)
        .says(&format!("error: job/x failed: {reason}"));
}

#[test]
fn a_preempted_job_names_who_took_its_quota() {
    let mut scene = job(json!({"suspend": true}), json!({}));
    scene.workload.1["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = json!("team");
    let condition = |kind: &str, status: &str, reason: &str, message: &str| json!({"type": kind, "status": status, "reason": reason, "message": message});
    let words = "Preempted to accommodate a workload (UID: 4af8, JobUID: 5dbb) due to prioritization in the ClusterQueue";
    let victim = json!({
        "metadata": {"name": "job-x", "namespace": "kaiwo", "uid": "w", "labels": {"kueue.x-k8s.io/job-uid": "uid-of-x"}},
        "spec": {"queueName": "team"},
        "status": {"conditions": [
            condition("QuotaReserved", "False", "Pending", "no quota"),
            condition("Evicted", "True", "Preempted", words),
            condition("Preempted", "True", "InClusterQueue", words),
        ]},
    });
    let preemptor = json!({
        "metadata": {"name": "job-hi", "namespace": "kaiwo", "uid": "4af8", "labels": {"kueue.x-k8s.io/job-uid": "5dbb"},
            "ownerReferences": [{"kind": "Job", "name": "hi", "uid": "5dbb", "controller": true}]},
        "spec": {"queueName": "team"},
        "status": {"conditions": [condition("Admitted", "True", "", "")]},
    });
    scene.workloads = vec![victim, preemptor];
    let name = scene.name;
    let api = MockApi::new(move |request| {
        if !request.path.ends_with("/workloads") {
            return scene.answer(request);
        }
        let selected = scene.workloads.iter().filter(|workload| {
            let uid = workload["metadata"]["labels"]["kueue.x-k8s.io/job-uid"].as_str();
            !request.query.contains("labelSelector") || request.query.contains(uid.unwrap())
        });
        let selected: Vec<Value> = selected.cloned().collect();
        Some(Answer::Json(200, list(&selected)))
    });
    let listed = api.sandbox.kaiwo(&["list", "-o", "json"]).exits(0);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(listed["items"][0]["reason"], "preempted by job/hi");
    let status = api.sandbox.kaiwo(&["status", name]).exits(0);
    assert!(
        status.stdout.contains("Preempted: preempted by job/hi"),
        "{}",
        status.stdout
    );
    let _ = api
        .sandbox
        .kaiwo(&["wait", name, "--timeout", "0"])
        .exits(124)
        .says("job/x preempted by job/hi, queued");
}
