//! What Kueue queues and kaiwo does not know by itself: `list --any`, `status`,
//! `why` and `delete`, by its Workload.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::history::is_empty;
use super::json::is_golden;
use super::server::{Answer, MockApi, Request, list, status};
use super::trouble::is;

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
/// KaiwoJob, a pod of an Argo Workflow, a Workload of nobody, and what is not to be
/// listed: a Job of kaiwo's own by its Workload, a pod of a Deployment, a Job of the
/// JobSet.
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
        workload(
            "pod-step",
            json!([owner("Pod", "v1", "step")]),
            json!({}),
            waits(),
        ),
        workload("nobodys", json!([]), json!({}), waits()),
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
        _ if path.ends_with("/pods") && request.query.contains("managed") => {
            let pod = |name: &str, owner: Value| json!({"metadata": {"name": name, "uid": format!("u-{name}"), "ownerReferences": [owner]}});
            vec![
                pod("d", owner("ReplicaSet", "apps/v1", "d")),
                pod("step", owner("Workflow", "argoproj.io/v1alpha1", "flow")),
            ]
        }
        _ if path.contains("/workloads/") => {
            let name = path.rsplit_once('/').unwrap().1;
            let mut all = queued().into_iter();
            let found = all.find(|it| it["metadata"]["name"] == name)?;
            return Some(Answer::Json(200, found));
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
        ["step", "Pod", "Pending"],
        ["nobodys", "Workload", "Pending"],
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
fn a_kind_that_kaiwo_does_not_create_is_listed_alone() {
    let api = MockApi::new(cluster);
    let names = |arguments: &[&str]| {
        let list = [&["list", "-o", "name"], arguments].concat();
        api.sandbox.kaiwo(&list).exits(0).stdout
    };
    let sets = "jobset.jobset.x-k8s.io/set1\n";
    for kind in ["jobset", "JobSets", "jobset.jobset.x-k8s.io"] {
        assert_eq!(names(&["--kind", kind]), sets, "{kind}");
    }
    assert_eq!(
        names(&["--kind", "jobset,job"]),
        format!("job.batch/k\n{sets}")
    );
    assert_eq!(names(&["--any", "--kind", "job"]), "job.batch/k\n");
    assert_eq!(names(&["--kind", "trainjob"]), "");
    let refused = api
        .sandbox
        .kaiwo(&["list", "--kind", "jobset", "-l", "a=b"])
        .exits(2);
    assert!(
        refused
            .stderr
            .contains("-l cannot be used with --kind jobset")
    );
    assert!(refused.stderr.contains("help: remove -l"));
    let slip = api.sandbox.kaiwo(&["list", "--kind", "rayjbo"]).exits(2);
    assert!(slip.stderr.contains("is not a kind of workload"));
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
        "pod/step",
        "workload/nobodys",
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
        "kaiwo delete jobset/set1 -n kaiwo --force",
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
    let _ = api
        .sandbox
        .kaiwo(&["status", "jobset/none"])
        .exits(3)
        .says("workload jobset/none does not exist")
        .says("kaiwo list --any -n kaiwo")
        .says("kubectl -n kaiwo get jobset none");
    let _ = api
        .sandbox
        .kaiwo(&["logs", "pod/train-0"])
        .exits(3)
        .says("name that, and the pod with --pod");
    // Of another group, it is another kind.
    for name in ["jobset.example.com/set1", "job.batch.volcano.sh/k"] {
        let _ = api.sandbox.kaiwo(&["status", name]).exits(3);
    }
}

#[test]
fn what_may_not_be_seen_is_not_said_to_be_missing() {
    let denied =
        "workloads.kueue.x-k8s.io is forbidden: User \"alice\" cannot list resource \"workloads\"";
    let api = MockApi::new(move |request| match request.path.ends_with("/workloads") {
        true => Some(Answer::Json(403, status(403, denied))),
        false => cluster(request),
    });
    let _ = api
        .sandbox
        .kaiwo(&["status", "jobset/set1"])
        .exits(4)
        .says("cannot list resource");
    let _ = api.sandbox.kaiwo(&["status", "set1"]).exits(3).says(
        "ask for the right to list Kueue's Workloads: kaiwo finds some kinds only through them",
    );
}

#[test]
fn its_place_in_the_queue_is_changed_where_that_is_kueues() {
    let api = MockApi::new(|request| match request.method.as_str() {
        "GET" => cluster(request),
        _ => None,
    });
    let dry = ["--dry-run"];
    let kaiwo = |arguments: &[&str]| api.sandbox.kaiwo(&[arguments, &dry].concat());
    let _ = kaiwo(&["pause", "jobset/set1"])
        .exits(0)
        .says("jobset/set1");
    let _ = kaiwo(&["pause", "podgroup/group"])
        .exits(3)
        .says("nothing would recreate them");
    let _ = kaiwo(&["move", "jobset/set1", "-q", "other"])
        .exits(3)
        .says("jobset/set1 cannot be moved: kaiwo changes the labels of its own kinds only")
        .says("kubectl -n kaiwo label jobset.jobset.x-k8s.io/set1 --overwrite kueue.x-k8s.io/queue-name=QUEUE");
}

/// Has the cluster delete: what is asked for first takes Kueue's Workloads along.
fn deletes() -> MockApi {
    let gone = AtomicUsize::new(0);
    MockApi::new(move |request| {
        let path = request.path.as_str();
        let served = |plural: &str, kind: &str| {
            let status = format!("{plural}/status");
            let resource = |name: &str| json!({"name": name, "kind": kind, "namespaced": true});
            let list = json!({"resources": [resource(&status), resource(plural)]});
            Some(Answer::Json(200, list))
        };
        match path {
            "/apis/jobset.x-k8s.io/v1alpha2" => return served("jobsets", "JobSet"),
            "/apis/leaderworkerset.x-k8s.io/v1" => {
                return served("leaderworkersets", "LeaderWorkerSet");
            }
            "/api/v1" => return served("pods", "Pod"),
            _ => {}
        }
        if request.method == "DELETE" {
            gone.fetch_add(1, Ordering::SeqCst);
        }
        if path.contains("/workloads/") && gone.load(Ordering::SeqCst) > 0 {
            return Some(Answer::Json(404, status(404, "gone")));
        }
        match request.method.as_str() {
            "GET" => cluster(request),
            _ => None,
        }
    })
}

/// Returns what was deleted: the ends of the paths, and the UIDs.
fn deleted(api: &MockApi) -> Vec<(String, String)> {
    let requests = api.requests().into_iter();
    let deleted = requests.filter(|request| request.method == "DELETE");
    let named = deleted.map(|request| {
        let (_, name) = request.path.split_once("/namespaces/kaiwo/").unwrap();
        let uid = request.body["preconditions"]["uid"].as_str().unwrap();
        (name.to_owned(), uid.to_owned())
    });
    let mut named: Vec<_> = named.collect();
    named.sort();
    named
}

#[test]
fn its_object_is_deleted_if_that_is_forced() {
    let api = deletes();
    let _ = api
        .sandbox
        .kaiwo(&["delete", "set1", "-y"])
        .exits(3)
        .says("jobset/set1 was not created by kaiwo");
    let _ = api
        .sandbox
        .kaiwo(&["delete", "job/k", "-y"])
        .exits(3)
        .says("kubectl -n kaiwo delete kaiwojob.kaiwo.silogen.ai k");
    assert!(deleted(&api).is_empty());
    // Pods of a group stay as long as their Workload does.
    for (name, said, expected) in [
        ("set1", "jobset/set1", &[("jobsets/set1", "u-set1")][..]),
        (
            "group",
            "podgroup/group",
            &[
                ("pods/p-0", "u-p-0"),
                ("pods/p-1", "u-p-1"),
                ("workloads/group", "w-group"),
            ],
        ),
        ("pod/step", "pod/step", &[("pods/step", "u-step")]),
        (
            "nobodys",
            "workload/nobodys",
            &[("workloads/nobodys", "w-nobodys")],
        ),
    ] {
        let api = deletes();
        let delete = ["delete", name, "--force", "-y"];
        let said = format!("{said} deleted");
        let _ = api.sandbox.kaiwo(&delete).exits(0).says(&said);
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, uid)| ((*name).to_owned(), (*uid).to_owned()))
            .collect();
        assert_eq!(deleted(&api), expected, "{name}");
    }
}

/// One group cannot be deleted without the others.
#[test]
fn an_object_of_several_groups_is_deleted_as_a_whole() {
    let api = deletes();
    let _ = api
        .sandbox
        .kaiwo(&["delete", "lw1-0", "--force", "-y"])
        .exits(3)
        .says("leaderworkerset/lw1-0 is a group of leaderworkerset/lw1")
        .says("kaiwo delete leaderworkerset/lw1 -n kaiwo --force");
    assert!(deleted(&api).is_empty());
    let _ = api
        .sandbox
        .kaiwo(&["delete", "leaderworkerset/lw1", "--force", "-y"])
        .exits(0)
        .says("leaderworkerset/lw1-0 deleted")
        .says("leaderworkerset/lw1-1 deleted");
    let deleted = deleted(&api);
    let whole = ("leaderworkersets/lw1".to_owned(), "u-lw1".to_owned());
    assert!(deleted.iter().all(|it| *it == whole), "{deleted:?}");
}
