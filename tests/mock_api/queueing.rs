//! `kaiwo move`, `priority`, `pause` and `resume` against a scripted API server: one
//! patch each, what is read back, and traps that end in words before anything is
//! changed.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::json::is_golden;
use super::server::{Answer, MockApi, Request, groups, list};
use crate::common::Outcome;

/// Kueue's side of job/x: what its Workload says, and whether it follows changes.
#[derive(Clone)]
struct Kueue {
    queue: String,
    class: Option<String>,
    priority: i64,
    active: bool,
    /// Whether it holds quota.
    runs: bool,
    /// Whether it was evicted once.
    evicted: bool,
    follows: bool,
    label: String,
    class_label: Option<String>,
}

const CLASSES: [(&str, i64); 3] = [("low", 10), ("normal", 100), ("high", 1000)];

impl Kueue {
    fn waiting() -> Self {
        Self {
            queue: "team-a".into(),
            class: Some("low".into()),
            priority: 10,
            active: true,
            runs: false,
            evicted: false,
            follows: true,
            label: "team-a".into(),
            class_label: Some("low".into()),
        }
    }

    fn workload(&self) -> Value {
        let resources = json!({"amd.com/gpu": "8", "cpu": "32"});
        let is = |kind: &str, status: &str, reason: &str| json!({"type": kind, "status": status, "reason": reason, "message": ""});
        let mut conditions = match self.runs {
            true => vec![is("QuotaReserved", "True", ""), is("Admitted", "True", "")],
            false => vec![is("QuotaReserved", "False", "Pending")],
        };
        conditions.extend(self.evicted.then(|| is("Evicted", "True", "Preempted")));
        let class = self.class.as_ref().map(|name| json!({"name": name}));
        json!({
            "metadata": {
                "name": "job-x", "namespace": "kaiwo", "uid": "w", "creationTimestamp": "2026-01-01T00:00:00Z",
                "labels": {"kueue.x-k8s.io/job-uid": "uid-x"},
                "ownerReferences": [{"kind": "Job", "name": "x", "uid": "uid-x", "controller": true}],
            },
            "spec": {
                "queueName": self.queue, "priority": self.priority, "active": self.active,
                "priorityClassRef": class,
                "podSets": [{"name": "main", "count": 1, "template": {
                    "metadata": {"labels": {"kaiwo-cli/username": "alice"}},
                    "spec": {"containers": [{"name": "c", "resources": {"requests": resources}}]},
                }}],
            },
            "status": {"conditions": conditions},
        })
    }

    fn job(&self) -> Value {
        let mut labels = json!({"kueue.x-k8s.io/queue-name": self.label});
        if let Some(class) = &self.class_label {
            labels["kueue.x-k8s.io/priority-class"] = json!(class);
        }
        json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": "x", "namespace": "kaiwo", "uid": "uid-x", "resourceVersion": "7",
                         "creationTimestamp": "2026-01-01T00:00:00Z", "labels": labels},
            "spec": {"suspend": !self.runs, "template": {"spec": {"containers": [
                {"name": "c", "resources": {"requests": {"amd.com/gpu": "8", "cpu": "32"}}},
            ]}}},
        })
    }

    /// Takes a patch, as the API server and then Kueue do.
    fn take(&mut self, patch: &Value) {
        let labels = &patch["metadata"]["labels"];
        if let Some(queue) = labels["kueue.x-k8s.io/queue-name"].as_str() {
            self.label = queue.to_owned();
            if self.follows {
                self.queue = queue.to_owned();
            }
        }
        if let Some(class) = labels["kueue.x-k8s.io/priority-class"].as_str() {
            self.class_label = Some(class.to_owned());
            if let Some((_, value)) = CLASSES.iter().find(|(name, _)| *name == class) {
                (self.class, self.priority) = (Some(class.to_owned()), *value);
            }
        }
        if let Some(active) = patch["spec"]["active"].as_bool() {
            self.active = active;
            self.runs &= active;
        }
    }

    /// Returns who waits: it is behind two others, unless its priority is higher.
    fn pending(&self) -> Value {
        let place = if self.priority > 100 { 0 } else { 2 };
        let mut names = vec!["first", "second"];
        if self.active && !self.runs {
            names.insert(place, "x");
        }
        let items = names.iter().enumerate().map(|(position, name)| {
            json!({
                "metadata": {"name": format!("job-{name}"), "namespace": "kaiwo"},
                "positionInClusterQueue": position, "positionInLocalQueue": position,
            })
        });
        list(&items.collect::<Vec<_>>())
    }
}

fn local_queue(name: &str, target: &str, stop: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "kaiwo"}, "spec": {"clusterQueue": target, "stopPolicy": stop}})
}

fn cluster_queue(name: &str, gpus: i64) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {
            "namespaceSelector": {}, "preemption": {"withinClusterQueue": "LowerPriority"},
            "resourceGroups": [{"coveredResources": ["cpu", "amd.com/gpu"], "flavors": [{"name": "mi300x", "resources": [
                {"name": "cpu", "nominalQuota": "400"},
                {"name": "amd.com/gpu", "nominalQuota": gpus.to_string()},
            ]}]}],
        },
        "status": {"flavorsReservation": [
            {"name": "mi300x", "resources": [{"name": "amd.com/gpu", "total": gpus.to_string()}]},
        ]},
    })
}

/// A Workload of another user that holds all GPUs.
fn holder() -> Value {
    json!({
        "metadata": {"name": "job-hold", "namespace": "bob", "uid": "h", "creationTimestamp": "2026-01-01T00:00:00Z",
                     "ownerReferences": [{"kind": "Job", "name": "hold", "uid": "j", "controller": true}]},
        "spec": {"queueName": "team", "priority": 50, "podSets": [{"name": "main", "count": 1, "template": {
            "metadata": {"labels": {"kaiwo-cli/username": "bob"}},
        }}]},
        "status": {
            "conditions": [{"type": "QuotaReserved", "status": "True"}, {"type": "Admitted", "status": "True"}],
            "admission": {"clusterQueue": "gpus-a", "podSetAssignments": [{"name": "main", "count": 1,
                "flavors": {"amd.com/gpu": "mi300x"}, "resourceUsage": {"amd.com/gpu": "16"}}]},
        },
    })
}

fn answer(kueue: &Arc<Mutex<Kueue>>, request: &Request) -> Option<Answer> {
    let mut kueue = kueue.lock().unwrap();
    let path = request.path.as_str();
    if request.method == "PATCH" {
        kueue.take(&request.body);
        let of_job = path.ends_with("/jobs/x");
        let object = if of_job {
            kueue.job()
        } else {
            kueue.workload()
        };
        return Some(Answer::Json(200, object));
    }
    let found = match path {
        "/apis" => {
            let mut served = groups(&["v1beta2"], &["v1"]);
            let version =
                json!({"groupVersion": "visibility.kueue.x-k8s.io/v1beta2", "version": "v1beta2"});
            let group = json!({"name": "visibility.kueue.x-k8s.io", "versions": [version]});
            served["groups"].as_array_mut().unwrap().push(group);
            served
        }
        "/apis/batch/v1/namespaces/kaiwo/jobs/x" => kueue.job(),
        _ if path.ends_with("/pendingworkloads") => kueue.pending(),
        _ if path.ends_with("/workloads") && request.query.contains("labelSelector") => {
            list(&[kueue.workload()])
        }
        _ if path.ends_with("/workloads") => list(&[kueue.workload(), holder()]),
        _ if path.ends_with("/localqueues") => list(&[
            local_queue("team-a", "gpus-a", "None"),
            local_queue("team-b", "gpus-b", "None"),
            local_queue("parking", "gpus-b", "Hold"),
            local_queue("small", "few", "None"),
        ]),
        _ if path.ends_with("/clusterqueues") => list(&[
            cluster_queue("gpus-a", 16),
            cluster_queue("gpus-b", 16),
            cluster_queue("few", 4),
        ]),
        _ if path.ends_with("/workloadpriorityclasses") => {
            let classes =
                CLASSES.map(|(name, value)| json!({"metadata": {"name": name}, "value": value}));
            list(&classes)
        }
        _ if ["/cohorts", "/resourceflavors", "/admissionchecks", "/pods"]
            .iter()
            .any(|end| path.ends_with(end)) =>
        {
            list(&[])
        }
        _ => return None,
    };
    (request.method == "GET").then_some(Answer::Json(200, found))
}

fn api(kueue: Kueue) -> MockApi {
    let kueue = Arc::new(Mutex::new(kueue));
    MockApi::new(move |request| answer(&kueue, request))
}

fn run(api: &MockApi, words: &[&str]) -> Outcome {
    api.sandbox.kaiwo(words)
}

#[test]
fn a_move_is_one_patch_and_is_read_back() {
    let api = api(Kueue::waiting());
    let outcome = run(&api, &["move", "x", "-q", "team-b", "-o", "json"]).exits(0);
    assert_eq!(
        api.writes(),
        ["PATCH /apis/batch/v1/namespaces/kaiwo/jobs/x"]
    );
    is_golden("move", &outcome);
    let _ = outcome
        .says("job/x moved from queue team-a to team-b: place 3 of 3")
        .says("its age is kept");
    let again = run(&api, &["move", "x", "-q", "team-b"]).exits(0);
    let _ = again.says("job/x unchanged: it is already in queue team-b");
    assert_eq!(api.writes().len(), 1);
}

#[test]
fn what_kueue_would_do_wrongly_is_refused_before_it_is_changed() {
    let waiting = Kueue::waiting;
    for (kueue, words, expected) in [
        (
            Kueue {
                runs: true,
                ..waiting()
            },
            &["move", "x", "-q", "team-b"][..],
            "it is running",
        ),
        (
            Kueue {
                evicted: true,
                ..waiting()
            },
            &["move", "x", "-q", "team-b"],
            "it was evicted once (Preempted)",
        ),
        (
            Kueue {
                active: false,
                ..waiting()
            },
            &["move", "x", "-q", "team-b"],
            "it is paused",
        ),
        (
            waiting(),
            &["move", "x", "-q", "nope"],
            "queue \"nope\" does not exist",
        ),
        (
            waiting(),
            &["move", "x", "-q", "parking"],
            "LocalQueue \"parking\" is stopped",
        ),
        (
            waiting(),
            &["move", "x", "-q", "small"],
            "8 amd.com/gpu can never be admitted",
        ),
        (
            waiting(),
            &["priority", "x", "hgih"],
            "WorkloadPriorityClass \"hgih\" does not exist",
        ),
        (
            Kueue {
                runs: true,
                class: None,
                class_label: None,
                ..waiting()
            },
            &["priority", "x", "high"],
            "Kueue adds none to what is running",
        ),
    ] {
        let api = api(kueue);
        let outcome = run(&api, words).exits(3).says(expected);
        assert!(outcome.stderr.contains("help:"), "{}", outcome.stderr);
        assert_eq!(api.writes(), [""; 0], "{words:?}");
    }
}

#[test]
fn a_queue_that_is_stopped_takes_what_is_forced() {
    let api = api(Kueue::waiting());
    let _ = run(&api, &["move", "x", "-q", "parking", "--force"]).exits(0);
    assert_eq!(api.writes().len(), 1);
}

#[test]
fn a_higher_priority_names_who_would_be_preempted() {
    let api = api(Kueue::waiting());
    let outcome = run(&api, &["priority", "x", "high"]).exits(2);
    let _ = outcome
        .says("this workload would be preempted")
        .says("job/hold in namespace bob: 16 GPUs of bob, priority 50, ClusterQueue gpus-a")
        .says("confirmation required");
    assert_eq!(api.writes(), [""; 0]);
    let dry = run(&api, &["priority", "x", "high", "-d", "-o", "json"]).exits(0);
    is_golden("priority_dryRun", &dry);
    assert_eq!(api.writes(), [""; 0]);
    let outcome = run(&api, &["priority", "x", "high", "-y", "-o", "json"]).exits(0);
    is_golden("priority", &outcome);
    let _ = outcome.says("job/x has priority 1000 (high), was 10 (low): place 1 of 3, was 3 of 3");
    assert_eq!(
        api.writes(),
        ["PATCH /apis/batch/v1/namespaces/kaiwo/jobs/x"]
    );
}

#[test]
fn what_preempts_nobody_asks_nothing() {
    let api = api(Kueue {
        runs: true,
        ..Kueue::waiting()
    });
    let _ = run(&api, &["priority", "x", "high"])
        .exits(0)
        .says("job/x has priority 1000 (high), was 10 (low)");
}

#[test]
fn a_workload_is_paused_and_returns_to_its_place() {
    let api = api(Kueue {
        class: None,
        class_label: None,
        ..Kueue::waiting()
    });
    let paused = run(&api, &["pause", "x", "-o", "json"]).exits(0);
    is_golden("pause", &paused);
    let _ = paused
        .says("job/x paused: removed from queue team-a, was 3 of 3")
        .says("kaiwo resume job/x -n kaiwo");
    let _ = run(&api, &["pause", "x"])
        .exits(0)
        .says("it is already paused");
    let resumed = run(&api, &["resume", "x", "-o", "json"]).exits(0);
    is_golden("resume", &resumed);
    let _ = resumed.says("job/x resumed in queue team-a: place 3 of 3");
    let workload = "PATCH /apis/kueue.x-k8s.io/v1beta2/namespaces/kaiwo/workloads/job-x";
    assert_eq!(api.writes(), [workload, workload]);
}

#[test]
fn what_runs_is_paused_only_if_that_is_confirmed() {
    let api = api(Kueue {
        runs: true,
        ..Kueue::waiting()
    });
    let _ = run(&api, &["pause", "x"])
        .exits(2)
        .says("confirmation required");
    assert_eq!(api.writes(), [""; 0]);
    let _ = run(&api, &["pause", "x", "-y"])
        .exits(0)
        .says("its pods are being stopped, and its quota is released");
}

#[test]
fn who_may_not_patch_workloads_learns_what_grants_it() {
    let kueue = Arc::new(Mutex::new(Kueue::waiting()));
    let denied = "workloads.kueue.x-k8s.io \"job-x\" is forbidden: User \"alice\" cannot patch resource \"workloads\" in API group \"kueue.x-k8s.io\" in the namespace \"kaiwo\"";
    let api = MockApi::new(move |request| match request.method.as_str() {
        "PATCH" => Some(Answer::Refuse(403, denied)),
        _ => answer(&kueue, request),
    });
    let _ = run(&api, &["pause", "x"])
        .exits(4)
        .says("cluster-admins/rbac/pausing.yaml")
        .says("a LocalQueue that is stopped");
}

#[test]
fn a_class_that_cannot_be_checked_is_taken_back_if_nothing_follows() {
    let kueue = Arc::new(Mutex::new(Kueue::waiting()));
    let api =
        MockApi::new(
            move |request| match request.path.ends_with("/workloadpriorityclasses") {
                true => Some(Answer::Refuse(403, "no")),
                false => answer(&kueue, request),
            },
        );
    let _ = run(&api, &["priority", "x", "normal"])
        .exits(0)
        .says("you may not list WorkloadPriorityClasses")
        .says("job/x has priority 100 (normal)");
}

#[test]
fn services_are_not_queued_as_a_whole() {
    let api = MockApi::new(|request| {
        let path = request.path.as_str();
        let found = match path {
            _ if path.ends_with("/deployments/llm") => json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "llm", "namespace": "kaiwo", "uid": "d"},
            }),
            _ if request.method == "GET" && path.ends_with("s") && path != "/apis" => list(&[]),
            _ => return None,
        };
        Some(Answer::Json(200, found))
    });
    let _ = run(&api, &["pause", "deployment/llm"])
        .exits(3)
        .says("Kueue queues each pod of a Deployment separately")
        .says("kubectl -n kaiwo scale deployment llm --replicas=0");
}
