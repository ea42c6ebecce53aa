//! What runs leave that are killed before their workload is made, and what takes
//! it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::server::{Answer, MockApi, Request, list};
use super::trouble::is;
use crate::common::Outcome;

const NOW: &str = "2026-01-01T01:00:00Z";

/// An object with kaiwo's labels and the marks of a run.
fn made(name: &str, kind: &str, run: &str, at: &str) -> Value {
    json!({"metadata": {
        "name": name, "namespace": "kaiwo", "uid": format!("uid-of-{name}"), "resourceVersion": "7",
        "creationTimestamp": at,
        "labels": {"app.kubernetes.io/managed-by": "kaiwo", "app.kubernetes.io/instance": "alice-w"},
        "annotations": {"kaiwo-cli/submission": run, "kaiwo-cli/kind": kind, "kaiwo-cli/digest": run},
    }})
}

/// A cluster that keeps what it is given: objects by collection and name.
fn store(objects: Vec<(&'static str, Value)>) -> MockApi {
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
    let mut stored: BTreeMap<(String, String), Value> = BTreeMap::new();
    for (collection, object) in objects {
        stored.insert((collection.to_owned(), name(&object)), object);
    }
    MockApi::new(move |request| {
        const KEPT: [&str; 9] = [
            "persistentvolumeclaims",
            "configmaps",
            "services",
            "ingresses",
            "horizontalpodautoscalers",
            "poddisruptionbudgets",
            "jobs",
            "deployments",
            "localqueues",
        ];
        let mut path = request.path.rsplit('/');
        let last = path.next().unwrap_or_default().to_owned();
        if KEPT.contains(&last.as_str()) {
            let of_kind = stored.iter_mut().filter(|((kind, _), _)| *kind == last);
            return Some(match request.method.as_str() {
                "POST" => {
                    let mut object = request.body.clone();
                    let key = (last, name(&object));
                    if stored.contains_key(&key) {
                        return Some(Answer::Refuse(409, "already exists"));
                    }
                    object["metadata"]["uid"] = json!(format!("uid-of-{}", key.1));
                    object["metadata"]["creationTimestamp"] = json!(NOW);
                    if object["kind"] == "Job" {
                        object["spec"]["suspend"] = json!(true);
                    }
                    if !request.is_dry_run() {
                        stored.insert(key, object.clone());
                    }
                    Answer::Json(201, object)
                }
                _ => {
                    let read = of_kind.map(|(_, object)| {
                        let read = object.clone();
                        // Its controller writes to it again and again.
                        if last == "horizontalpodautoscalers" {
                            object["metadata"]["resourceVersion"] = json!("8");
                        }
                        read
                    });
                    Answer::Json(200, list(&read.collect::<Vec<_>>()))
                }
            });
        }
        let kind = path.next().unwrap_or_default().to_owned();
        if !KEPT.contains(&kind.as_str()) {
            return None;
        }
        let key = (kind, last);
        Some(match (request.method.as_str(), stored.get_mut(&key)) {
            (_, None) => Answer::Refuse(404, "not found"),
            ("DELETE", Some(object))
                if request.body["preconditions"]["resourceVersion"]
                    .as_str()
                    .is_some_and(|read| read != object["metadata"]["resourceVersion"]) =>
            {
                Answer::Refuse(409, "the object has been modified")
            }
            ("DELETE", Some(_)) => {
                stored.remove(&key);
                Answer::Json(200, json!({"kind": "Status", "status": "Success"}))
            }
            ("PATCH", Some(object)) => {
                let owners = &request.body["metadata"]["ownerReferences"];
                object["metadata"]["ownerReferences"] = owners.clone();
                Answer::Json(200, object.clone())
            }
            (_, Some(object)) => Answer::Json(200, object.clone()),
        })
    })
}

/// Returns what was deleted, as the ends of paths.
fn deleted(api: &MockApi) -> Vec<String> {
    let requests = api.requests();
    let deletions = requests.iter().filter(|r| r.method == "DELETE");
    let mut names: Vec<String> = deletions
        .map(|r| r.path.rsplit('/').take(2).collect::<Vec<_>>())
        .map(|path| format!("{}/{}", path[1], path[0]))
        .collect();
    names.sort();
    names.dedup();
    names
}

fn delete(api: &MockApi, arguments: &[&str]) -> Outcome {
    api.sandbox.kaiwo(&[&["delete"], arguments].concat())
}

/// What `kaiwo serve` makes before its Deployment.
fn of_a_service(at: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("configmaps", made("alice-w-1", "Deployment", "dead", at)),
        ("services", made("alice-w", "Deployment", "dead", at)),
        (
            "horizontalpodautoscalers",
            made("alice-w", "Deployment", "dead", at),
        ),
        (
            "poddisruptionbudgets",
            made("alice-w", "Deployment", "dead", at),
        ),
    ]
}

const ALL_OF_IT: [&str; 4] = [
    "configmaps/alice-w-1",
    "horizontalpodautoscalers/alice-w",
    "poddisruptionbudgets/alice-w",
    "services/alice-w",
];

#[test]
fn delete_takes_what_is_left_of_a_name() {
    let ways: [&[&str]; 4] = [
        &["alice-w"],
        &["deployment/alice-w"],
        &["--all"],
        &["-l", "a=b"],
    ];
    for way in ways {
        let api = store(of_a_service(NOW));
        let told = delete(&api, &[way, &["--dry-run"]].concat())
            .exits(0)
            .says("alice-w: no workload, only leftovers of an interrupted run\n")
            .says("service/alice-w, ")
            .says("1 upload\n")
            .says("nothing deleted (dry run)");
        assert_eq!(told.stdout, "");
        assert_eq!(deleted(&api), [] as [&str; 0]);
        let _ = delete(&api, way).exits(2).says("stdin is not a terminal");
        let outcome = delete(&api, &[way, &["-y", "-o", "name"]].concat())
            .exits(0)
            .says("alice-w deleted");
        assert_eq!(deleted(&api), ALL_OF_IT, "{way:?}");
        let names = "service/alice-w\n\
                     horizontalpodautoscaler.autoscaling/alice-w\n\
                     poddisruptionbudget.policy/alice-w\n\
                     configmap/alice-w-1\n";
        assert_eq!(outcome.stdout, names);
        let deletions = api.requests();
        let mut deletions = deletions.iter().filter(|r| r.method == "DELETE");
        let only = deletions
            .find(|r| r.path.ends_with("/services/alice-w"))
            .unwrap();
        let as_read = json!({"uid": "uid-of-alice-w", "resourceVersion": "7"});
        assert_eq!(only.body["preconditions"], as_read);
    }
    let api = store(of_a_service(NOW));
    let outcome = delete(&api, &["alice-w", "-y", "-o", "json", "--ignore-not-found"]).exits(0);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["workloads"][0]["outcome"], "deleted");
    assert_eq!(report["workloads"][0]["object"], "alice-w");
    assert_eq!(report["workloads"][0]["with"].as_array().unwrap().len(), 4);
    let _ = delete(&api, &["alice-w", "-y"])
        .exits(3)
        .says("workload alice-w does not exist");
}

#[test]
fn delete_leaves_what_is_not_left_over() {
    // Of another kind than was asked for.
    let api = store(of_a_service(NOW));
    let _ = delete(&api, &["job/alice-w", "-y"]).exits(3);
    assert_eq!(deleted(&api), [] as [&str; 0]);
    // Applied by somebody who let kaiwo print it.
    let mut applied = made("alice-w-1", "Job", "x", NOW);
    applied["metadata"]["annotations"] = json!({"kaiwo-cli/digest": "d"});
    let api = store(vec![("configmaps", applied)]);
    let _ = delete(&api, &["alice-w", "-y"]).exits(3);
    assert_eq!(deleted(&api), [] as [&str; 0]);
    // Of a workload that is there, whose run has not come to its end, or has just
    // made it.
    let mut objects = of_a_service(NOW);
    objects.push(("deployments", made("alice-w", "Deployment", "dead", NOW)));
    objects.push(("jobs", made("alice-w", "Job", "other", NOW)));
    let api = store(objects);
    let _ = delete(&api, &["job/alice-w", "-y", "--no-wait"]).exits(0);
    assert_eq!(deleted(&api), ["jobs/alice-w"]);
}

#[test]
fn delete_takes_what_other_runs_have_left_with_the_workload() {
    let mut owned = made("alice-w-2", "Job", "run", NOW);
    owned["metadata"]["ownerReferences"] = json!([{"uid": "uid-of-alice-w"}]);
    let api = store(vec![
        ("jobs", made("alice-w", "Job", "run", NOW)),
        ("configmaps", owned),
        ("configmaps", made("alice-w-1", "Job", "dead", NOW)),
    ]);
    let _ = delete(&api, &["alice-w", "--dry-run"])
        .exits(0)
        .says("with 2 uploads");
    let _ = delete(&api, &["alice-w", "-y", "--no-wait"]).exits(0);
    assert_eq!(deleted(&api), ["configmaps/alice-w-1", "jobs/alice-w"]);
}

#[test]
fn the_next_submission_of_the_name_takes_what_is_left() {
    // Of its own kind whenever it was made: that run has lost the name.
    let api = store(vec![("configmaps", made("alice-w-1", "Job", "dead", NOW))]);
    let _ = api.submit(&["-g", "8"]).exits(0).says("created");
    assert_eq!(deleted(&api), ["configmaps/alice-w-1"]);
    let requests = api.requests();
    let created = requests
        .iter()
        .position(|r| is(r, "POST", "/jobs") && !r.is_dry_run());
    let removed = requests.iter().position(|r| r.method == "DELETE");
    assert!(created < removed, "{requests:?}");
    // Of another, once no run can be about to finish it.
    for (at, taken) in [(NOW, &[][..]), ("2026-01-01T00:00:00Z", &ALL_OF_IT)] {
        let api = store(of_a_service(at));
        let _ = api.submit(&["-g", "8"]).exits(0).says("created");
        assert_eq!(deleted(&api), taken, "{at}");
    }
    // Not what belongs to a workload that is there.
    let mut objects = of_a_service("2026-01-01T00:00:00Z");
    objects.push(("deployments", made("alice-w", "Deployment", "dead", NOW)));
    let api = store(objects);
    let _ = api.submit(&["-g", "8"]).exits(0).says("created");
    assert_eq!(deleted(&api), [] as [&str; 0]);
}

/// A Service that a run has left has the name of the one that is needed.
#[test]
fn what_is_left_makes_room() {
    let port = ["-g", "1", "--port", "9000"];
    let api = store(of_a_service("2026-01-01T00:00:00Z"));
    let _ = api.serve(&port).exits(0).says("created");
    assert_eq!(deleted(&api), ALL_OF_IT);
    let services = api.requests();
    let mut services = services.iter().filter(|r| is(r, "POST", "/services"));
    assert!(services.any(|r| r.body["spec"]["ports"][0]["port"] == 9000));
    // A run in progress is given the time to give it its owner.
    let mut looks = 0;
    let api = MockApi::new(move |request| {
        if is(request, "POST", "/services") && !request.is_dry_run() {
            return Some(Answer::Refuse(409, "already exists"));
        }
        if !is(request, "GET", "/services/alice-w") {
            return None;
        }
        looks += 1;
        let mut service = made("alice-w", "Deployment", "other", NOW);
        if looks > 2 {
            service["metadata"]["ownerReferences"] = json!([{"kind": "Deployment", "uid": "d"}]);
        }
        Some(Answer::Json(200, service))
    });
    let _ = api
        .serve(&port)
        .exits(5)
        .says("service/alice-w already exists and is not what this workload needs");
    assert_eq!(deleted(&api), [] as [&str; 0]);
}

/// Somebody may take for left over what a run is about to own.
#[test]
fn what_is_taken_from_a_run_is_made_again() {
    let mut taken = false;
    let api = MockApi::new(move |request| {
        let is_first =
            request.method == "PATCH" && !std::mem::replace(&mut taken, request.method == "PATCH");
        is_first.then_some(Answer::Refuse(404, "configmaps \"x\" not found"))
    });
    let _ = api.submit(&["-g", "8"]).exits(0).says("created");
    let writes = api.writes();
    let methods: Vec<&str> = writes
        .iter()
        .map(|it| it.split(' ').next().unwrap())
        .collect();
    assert_eq!(methods[2..], ["PATCH", "POST", "PATCH"], "{writes:?}");
}

/// A Job that is in a LocalQueue which is not there.
fn queued(refusal: Option<&'static str>) -> MockApi {
    let first = MockApi::new(no_queue);
    let _ = first.submit(&["-g", "8"]).exits(0).says("localqueue/kaiwo");
    let created = |kind: &str| {
        let mut requests = first.requests().into_iter();
        let made = requests.find(|r| r.is_write() && r.body["kind"] == kind);
        made.unwrap().body
    };
    let (job, mut upload) = (created("Job"), created("ConfigMap"));
    upload["metadata"]["ownerReferences"] = json!([{"kind": "Job", "uid": "u"}]);
    MockApi::new(move |request| {
        let mut job = job.clone();
        job["metadata"]["uid"] = json!("u");
        if is(request, "GET", "/jobs/alice-w") {
            return Some(Answer::Json(200, job));
        }
        if request.method == "GET" && request.path.contains("/configmaps/") {
            return Some(Answer::Json(200, upload.clone()));
        }
        let refused = refusal.filter(|_| is(request, "POST", "/localqueues"));
        let refused = refused.map(|words| Answer::Refuse(403, words));
        refused.or_else(|| no_queue(request))
    })
}

/// Another LocalQueue leads to the same ClusterQueue by now.
fn no_queue(request: &Request) -> Option<Answer> {
    is(request, "GET", "/localqueues").then(|| Answer::Json(200, list(&[])))
}

#[test]
fn a_localqueue_that_was_lost_is_made_by_the_next_run() {
    let api = queued(None);
    let _ = api
        .submit(&["-g", "8"])
        .exits(0)
        .says("localqueue/kaiwo was missing and is created\n")
        .says("job/alice-w unchanged");
    assert_eq!(
        api.writes(),
        ["POST /apis/kueue.x-k8s.io/v1beta2/namespaces/kaiwo/localqueues"]
    );
    let made = api.requests().into_iter().find(Request::is_write).unwrap();
    assert_eq!(made.body["spec"]["clusterQueue"], "kaiwo");
    // A rehearsal makes nothing.
    let api = queued(None);
    let _ = api.submit(&["-g", "8", "--dry-run=server"]).exits(0);
    assert_eq!(api.writes(), [] as [&str; 0]);
}

#[test]
fn who_may_not_make_it_gets_what_an_admin_applies() {
    let denied = "localqueues.kueue.x-k8s.io is forbidden: User \"bob\" cannot create resource \"localqueues\" in API group \"kueue.x-k8s.io\"";
    let _ = queued(Some(denied))
        .submit(&["-g", "8"])
        .exits(4)
        .says(
            "LocalQueue \"kaiwo\" does not exist in namespace \"kaiwo\", and you may not create it",
        )
        .says("or ask an admin to apply this:")
        .says("kind: LocalQueue");
}

/// Whoever answers, it is neither being deleted nor to be waited for.
#[test]
fn an_upload_that_is_there_for_writers_alone_is_gone() {
    let api = MockApi::new(|request| {
        if request.method == "POST"
            && request.path.ends_with("/configmaps")
            && !request.is_dry_run()
        {
            return Some(Answer::Refuse(409, "already exists"));
        }
        (request.method == "GET" && request.path.contains("/configmaps/"))
            .then_some(Answer::Refuse(404, "not found"))
    });
    let _ = api
        .submit(&["-g", "1", "--gpu-resource", "amd.com/gpu", "-i", "x"])
        .exits(5)
        .says("was deleted before it could be changed");
}
