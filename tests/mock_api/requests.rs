//! What kaiwo sends, in which order, with which parameters.

use serde_json::{Value, json};

use super::server::{Answer, MockApi, groups};

#[test]
fn a_submission_reads_rehearses_creates_and_owns() {
    let api = MockApi::new(|_| None);
    let _ = api
        .submit(&["-g", "16", "--ray"])
        .exits(0)
        .says("32 of 32 free · starts now")
        .says("rayjob/alice-w created");
    let requests = api.requests();

    let mut facts: Vec<String> = requests
        .iter()
        .filter(|r| r.method == "GET")
        .map(|r| r.line())
        .collect();
    facts.sort();
    assert_eq!(
        facts,
        [
            "GET /api/v1/namespaces/kaiwo",
            // What earlier runs may have left is listed beside the rehearsal.
            "GET /api/v1/namespaces/kaiwo/configmaps",
            "GET /api/v1/namespaces/kaiwo/services",
            "GET /apis",
            "GET /apis/autoscaling/v2/namespaces/kaiwo/horizontalpodautoscalers",
            // What a RayJob would meet: KubeRay makes a Job of its name.
            "GET /apis/batch/v1/namespaces/kaiwo/jobs/alice-w",
            "GET /apis/kaito.sh/v1beta1/namespaces/kaiwo/workspaces/alice-w",
            "GET /apis/kueue.x-k8s.io/v1beta2/clusterqueues",
            "GET /apis/kueue.x-k8s.io/v1beta2/namespaces/kaiwo/localqueues",
            "GET /apis/kueue.x-k8s.io/v1beta2/resourceflavors",
            "GET /apis/networking.k8s.io/v1/namespaces/kaiwo/ingresses",
            "GET /apis/policy/v1/namespaces/kaiwo/poddisruptionbudgets",
            "GET /apis/ray.io/v1/namespaces/kaiwo/rayjobs/alice-w",
        ]
    );
    let mut rehearsal: Vec<String> = requests
        .iter()
        .filter(|r| r.is_dry_run())
        .map(|r| r.line())
        .collect();
    rehearsal.sort();
    assert_eq!(
        rehearsal,
        [
            "POST /api/v1/namespaces/kaiwo/configmaps (dry run)",
            "POST /apis/ray.io/v1/namespaces/kaiwo/rayjobs (dry run)",
        ]
    );
    let upload = requests
        .iter()
        .find(|r| r.is_write() && r.body["kind"] == "ConfigMap")
        .unwrap()
        .body["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut together = api.writes();
    let last = together.pop().unwrap();
    together.sort();
    assert_eq!(
        together,
        [
            "POST /api/v1/namespaces/kaiwo/configmaps",
            "POST /apis/ray.io/v1/namespaces/kaiwo/rayjobs",
        ]
    );
    assert_eq!(
        last,
        format!("PATCH /api/v1/namespaces/kaiwo/configmaps/{upload}")
    );
    let last_rehearsal = requests.iter().rposition(|r| r.is_dry_run()).unwrap();
    let first_write = requests.iter().position(|r| r.is_write()).unwrap();
    assert!(
        last_rehearsal < first_write,
        "everything is rehearsed before anything is written"
    );

    for request in requests.iter().filter(|r| r.method == "POST") {
        assert!(
            request
                .query
                .starts_with("fieldManager=kaiwo&fieldValidation=Strict"),
            "{}",
            request.query
        );
    }
    let owner = &requests.last().unwrap().body["metadata"]["ownerReferences"];
    assert_eq!(
        *owner,
        json!([{"apiVersion": "ray.io/v1", "kind": "RayJob", "name": "alice-w", "uid": "uid-of-RayJob"}]),
        "without blockOwnerDeletion, which needs rights on finalizers"
    );
}

#[test]
fn what_is_rehearsed_is_what_is_created() {
    let api = MockApi::new(|_| None);
    let _ = api.submit(&["-g", "16"]).exits(0);
    let requests = api.requests();
    let bodies = |dry_run: bool| -> Vec<&Value> {
        let mut bodies: Vec<&Value> = requests
            .iter()
            .filter(|r| r.method == "POST" && r.is_dry_run() == dry_run)
            .map(|r| &r.body)
            .collect();
        bodies.sort_by_key(|body| body["kind"].as_str().unwrap());
        bodies
    };
    assert_eq!(bodies(true), bodies(false));
    let kinds: Vec<&str> = bodies(false)
        .iter()
        .map(|body| body["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["ConfigMap", "Job", "Service"]);
}

#[test]
fn an_older_kueue_is_spoken_to_in_its_version() {
    let api = MockApi::new(|request| match request.path.as_str() {
        "/apis" => Some(Answer::Json(200, groups(&["v1beta1"], &["v1"]))),
        path if path.contains("/v1beta2/") => Some(Answer::Refuse(
            404,
            "the server could not find the requested resource",
        )),
        path if request.method == "GET" && path.ends_with("/localqueues") => {
            Some(Answer::Json(200, super::server::list(&[])))
        }
        _ => None,
    });
    let _ = api.submit(&["-g", "8"]).exits(0).says("localqueue/kaiwo");
    let requests = api.requests();
    let queue = requests
        .iter()
        .find(|r| r.is_write() && r.body["kind"] == "LocalQueue")
        .unwrap();
    assert_eq!(queue.body["apiVersion"], "kueue.x-k8s.io/v1beta1");
    assert_eq!(
        queue.path,
        "/apis/kueue.x-k8s.io/v1beta1/namespaces/kaiwo/localqueues"
    );
}

/// Returns what a first run has created, as a cluster that remembers it: the
/// Job, and its upload with or without an owner.
fn remembered(
    upload: Option<serde_json::Value>,
) -> impl FnMut(&super::server::Request) -> Option<Answer> {
    let first = MockApi::new(|_| None);
    let _ = first.submit(&["-g", "8"]).exits(0);
    let created = |kind: &str| {
        let requests = first.requests();
        requests
            .into_iter()
            .find(|r| r.is_write() && r.body["kind"] == kind)
            .unwrap()
            .body
    };
    let mut job = created("Job");
    job["metadata"]["uid"] = json!("u");
    let mut map = created("ConfigMap");
    let exists = upload.is_some();
    map["metadata"]["ownerReferences"] = upload.unwrap_or_default();
    move |request| match request.path.as_str() {
        path if request.method == "GET" && path.ends_with("/jobs/alice-w") => {
            Some(Answer::Json(200, job.clone()))
        }
        path if exists && request.method == "GET" && path.contains("/configmaps/") => {
            Some(Answer::Json(200, map.clone()))
        }
        _ => None,
    }
}

#[test]
fn the_same_submission_again_sends_no_write_at_all() {
    let again = MockApi::new(remembered(Some(json!([{"kind": "Job", "uid": "u"}]))));
    let _ = again
        .submit(&["-g", "8"])
        .exits(0)
        .says("job/alice-w unchanged");
    let requests = again.requests();
    assert!(
        requests.iter().all(|request| request.method == "GET"),
        "not even a rehearsal"
    );
}

#[test]
fn what_a_run_that_died_left_undone_is_done_by_the_next() {
    let orphan = MockApi::new(remembered(Some(json!([]))));
    let _ = orphan.submit(&["-g", "8"]).exits(0).says("unchanged");
    let missing = MockApi::new(remembered(None));
    let _ = missing.submit(&["-g", "8"]).exits(0).says("unchanged");
    for (api, methods) in [(orphan, &["PATCH"][..]), (missing, &["POST", "PATCH"])] {
        let requests = api.requests();
        let writes: Vec<&str> = requests
            .iter()
            .filter(|r| r.is_write())
            .map(|r| r.method.as_str())
            .collect();
        assert_eq!(writes, methods);
        assert_eq!(
            requests.last().unwrap().body["metadata"]["ownerReferences"][0]["uid"],
            "u"
        );
    }
}

#[test]
fn a_replacement_is_rehearsed_under_another_name_and_deletes_by_uid() {
    let api = MockApi::new({
        let mut deleted = false;
        move |request| {
            let path = request.path.as_str();
            match request.method.as_str() {
                "GET" if path.ends_with("/jobs/alice-w") && !deleted => Some(Answer::Json(
                    200,
                    json!({"metadata": {
                        "name": "alice-w", "uid": "old", "annotations": {"kaiwo-cli/digest": "another"},
                    }}),
                )),
                "DELETE" => {
                    deleted = true;
                    None
                }
                _ => None,
            }
        }
    });
    let _ = api
        .submit(&["-g", "8", "--replace"])
        .exits(0)
        .says("job/alice-w replaced");
    let told = api
        .submit(&["-g", "8", "--replace", "--dry-run=server", "-o", "name"])
        .exits(0);
    assert!(
        told.stdout.ends_with("job.batch/alice-w\n"),
        "{}",
        told.stdout
    );
    let requests = api.requests();
    let rehearsed = requests
        .iter()
        .find(|r| r.is_dry_run() && r.body["kind"] == "Job")
        .unwrap();
    assert!(
        rehearsed.body["metadata"]["name"]
            .as_str()
            .unwrap()
            .starts_with("kaiwo-preflight-")
    );
    let delete = requests.iter().find(|r| r.method == "DELETE").unwrap();
    assert_eq!(delete.path, "/apis/batch/v1/namespaces/kaiwo/jobs/alice-w");
    assert_eq!(delete.body["preconditions"], json!({"uid": "old"}));
    assert_eq!(delete.body["propagationPolicy"], "Background");
}

#[test]
fn listings_are_read_page_by_page() {
    let api = MockApi::new(|request| {
        if !request.path.ends_with("/clusterqueues") {
            return None;
        }
        let mut page = super::server::list(&[]);
        if request.query.contains("continue=next%2Fpage%3D") {
            page["items"] = json!([super::server::cluster_queue()]);
        } else {
            page["metadata"]["continue"] = json!("next/page=");
        }
        Some(Answer::Json(200, page))
    });
    let _ = api.submit(&["-g", "8"]).exits(0).says("32 of 32 free");
}

#[test]
fn nodes_are_listed_only_when_the_flavors_leave_their_size_open() {
    let api = MockApi::new(|request| match request.path.as_str() {
        path if path.ends_with("/resourceflavors") => Some(Answer::Json(
            200,
            super::server::list(&[json!({"metadata": {"name": "mi300x"}})]),
        )),
        "/api/v1/nodes" => Some(Answer::Json(
            200,
            super::server::list(&[
                json!({"metadata": {"name": "a"}, "status": {"allocatable": {"amd.com/gpu": "4", "cpu": "127500m"}}}),
                json!({"metadata": {"name": "b"}, "status": {"allocatable": {"cpu": "64"}}}),
            ]),
        )),
        _ => None,
    });
    let _ = api.submit(&["-g", "16"]).exits(0).says("16 GPUs = 4 × 4");

    let api = MockApi::new(|_| None);
    let _ = api.submit(&["-g", "16"]).exits(0);
    assert!(
        !api.requests()
            .iter()
            .any(|request| request.path.ends_with("/nodes"))
    );
}

#[test]
fn unchanged_stays_unchanged_when_the_queue_is_gone() {
    let first = MockApi::new(|_| None);
    let _ = first.submit(&["-g", "8"]).exits(0);
    let job = first
        .requests()
        .into_iter()
        .find(|r| r.is_write() && r.body["kind"] == "Job")
        .unwrap()
        .body;
    let again = MockApi::new(move |request| match request.path.as_str() {
        path if path.ends_with("/jobs/alice-w") => {
            let mut found = job.clone();
            found["metadata"]["uid"] = json!("u");
            Some(Answer::Json(200, found))
        }
        path if path.ends_with("queues") => Some(Answer::Json(200, super::server::list(&[]))),
        _ => None,
    });
    let outcome = again.submit(&["-g", "8", "-o", "name"]).exits(0);
    assert_eq!(outcome.stdout, "job.batch/alice-w\n");
    let _ = outcome.says("job/alice-w unchanged");
}

#[test]
fn an_upload_of_another_kind_of_workload_is_left_alone() {
    let api = MockApi::new(|request| {
        if request.method == "POST"
            && request.path.ends_with("/configmaps")
            && !request.is_dry_run()
        {
            return Some(Answer::Refuse(409, "already exists"));
        }
        (request.method == "GET" && request.path.contains("/configmaps/")).then(|| {
            Answer::Json(
                200,
                json!({
                    "metadata": {"name": "x", "uid": "u", "ownerReferences": [{"kind": "RayJob", "uid": "r"}]},
                    "data": {"0000-entrypoint": "#!/bin/sh\necho\n", "0001-train.py": "pass\n"},
                }),
            )
        })
    });
    let _ = api
        .submit(&["-g", "8"])
        .exits(5)
        .says("exists already, and is not what this workload needs");
    assert!(
        !api.writes().iter().any(|line| line.starts_with("DELETE")),
        "{:?}",
        api.writes()
    );
}
