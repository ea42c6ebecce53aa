//! What kaiwo sends, in which order, with which parameters.

use serde_json::{Value, json};

use super::server::{Answer, MockApi, groups, list};

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
            // Whether all of its pods have a place.
            "GET /api/v1/nodes",
            "GET /apis",
            "GET /apis/autoscaling/v2/namespaces/kaiwo/horizontalpodautoscalers",
            // What a RayJob would meet: KubeRay makes a Job of its name.
            "GET /apis/batch/v1/namespaces/kaiwo/jobs/alice-w",
            "GET /apis/kaito.sh/v1beta1/namespaces/kaiwo/workspaces/alice-w",
            "GET /apis/kueue.x-k8s.io/v1beta2/clusterqueues",
            "GET /apis/kueue.x-k8s.io/v1beta2/namespaces/kaiwo/localqueues",
            // What was admitted a moment ago.
            "GET /apis/kueue.x-k8s.io/v1beta2/namespaces/kaiwo/workloads",
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
    for (api, methods) in [(orphan, &["PATCH"]), (missing, &["POST"])] {
        let requests = api.requests();
        let writes: Vec<&str> = requests
            .iter()
            .filter(|r| r.is_write())
            .map(|r| r.method.as_str())
            .collect();
        assert_eq!(writes, methods);
        assert_eq!(
            requests.iter().rfind(|r| r.is_write()).unwrap().body["metadata"]["ownerReferences"][0]
                ["uid"],
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
fn nodes_say_how_large_they_are_and_whether_all_pods_have_a_place() {
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
    let _ = api
        .submit(&["-g", "16"])
        .exits(0)
        .says("16 GPUs = 4 × 4 amd.com/gpu · 32 of 32 free · waits for nodes")
        .says(
            "warning: a pod requests 128Gi memory, and no node it can use has any: it will wait until nodes are added",
        );
}

/// A cluster whose nodes are full-size, and whose queue counts GPUs alone.
fn of_four(request: &super::server::Request) -> Option<Answer> {
    let node = |name: &str| {
        json!({"metadata": {"name": name, "labels": {"beta.amd.com/gpu.family.AI": "8"}},
               "status": {"allocatable": {"amd.com/gpu": "8", "cpu": "128", "memory": "1Ti"}}})
    };
    match request.path.as_str() {
        "/api/v1/nodes" => {
            let nodes = ["a", "b"].map(node);
            Some(Answer::Json(200, super::server::list(&nodes)))
        }
        path if path.ends_with("/clusterqueues") => {
            let mut queue = super::server::cluster_queue();
            queue["spec"]["resourceGroups"][0]["coveredResources"] = json!(["amd.com/gpu"]);
            queue["spec"]["resourceGroups"][0]["flavors"][0]["resources"] =
                json!([{"name": "amd.com/gpu", "nominalQuota": "1000"}]);
            Some(Answer::Json(200, super::server::list(&[queue])))
        }
        _ => None,
    }
}

#[test]
fn a_gang_that_todays_nodes_do_not_hold_is_warned_of() {
    let api = MockApi::new(of_four);
    let covered = "has no quota for cpu, which every pod requests";
    let _ = api.submit(&["-g", "64"]).exits(3).says(covered);
    let _ = api
        .submit(&["-g", "64", "--force"])
        .exits(0)
        .says("waits: ClusterQueue \"kaiwo\" has no quota for cpu")
        .never_says("waits for nodes")
        .says(
            "its pods request 64 amd.com/gpu, and the 2 nodes they can use have 16 in total: it will wait until nodes are added; now -g 16 would fit",
        );
    // GPUs are named first, though CPUs are too few as well.
    let _ = MockApi::new(|_| None)
        .submit(&["-g", "100000"])
        .exits(3)
        .says("100000 amd.com/gpu can never be admitted");
    let _ = api
        .submit(&["-g", "16", "--force"])
        .exits(0)
        .never_says("waits for nodes");
}

#[test]
fn what_pods_name_is_looked_up_and_no_value_is_read() {
    let api = MockApi::new(|request| match request.path.as_str() {
        path if path.ends_with("/secrets") => Some(Answer::Json(
            200,
            super::server::list(&[json!({"metadata": {"name": "hf-token"}})]),
        )),
        path if path.ends_with("/secrets/hf-tokn") => Some(Answer::Refuse(404, "not found")),
        path if path.ends_with("/secrets/hf-token") => Some(Answer::Json(
            200,
            json!({"metadata": {"name": "hf-token", "managedFields": [
                {"fieldsV1": {"f:data": {".": {}, "f:token": {}}}},
            ]}}),
        )),
        path if path.ends_with("/secrets/closed") => Some(Answer::Refuse(403, "no")),
        _ => None,
    });
    let _ = api
        .submit(&["--secret", "HF_TOKEN=hf-tokn/token"])
        .exits(3)
        .says("Secret \"hf-tokn\" does not exist in namespace \"kaiwo\"")
        .says("did you mean hf-token?");
    assert_eq!(api.writes(), [""; 0]);
    let before = api.requests().len();
    let _ = api.submit(&["--secret", "A=hf-token/token"]).exits(0);
    let asked = api.requests()[before..].to_vec();
    let asked = asked
        .iter()
        .filter(|request| request.path.contains("/secrets"));
    assert_eq!(asked.count(), 1, "the metadata says it all");
    let _ = api
        .submit(&["--replace", "--secret", "A=closed/token"])
        .exits(0)
        .says(
            "you may not read Secret \"closed\", so kaiwo cannot check that it has the key token",
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
        .says("already exists and is not what this workload needs");
    assert!(
        !api.writes().iter().any(|line| line.starts_with("DELETE")),
        "{:?}",
        api.writes()
    );
}

#[test]
fn a_claim_that_the_pods_cannot_share_is_warned_of() {
    for (mode, words) in [
        (
            "ReadWriteOncePod",
            "only one pod at a time can mount claim data (ReadWriteOncePod): all but one of the 2 pods will wait for it",
        ),
        (
            "ReadWriteOnce",
            "only one node at a time can mount claim data (ReadWriteOnce): all 2 pods must fit on the same node",
        ),
        ("ReadWriteMany", ""),
    ] {
        let api = MockApi::new(move |request| {
            let claim = json!({
                "metadata": {"name": "data", "namespace": "kaiwo"},
                "spec": {"accessModes": [mode]},
            });
            match request
                .path
                .strip_prefix("/api/v1/namespaces/kaiwo/persistentvolumeclaims")
            {
                Some("") => Some(Answer::Json(200, list(&[claim]))),
                Some("/data") => Some(Answer::Json(200, claim)),
                _ => None,
            }
        });
        let outcome = api.submit(&["-g", "16", "--volume", "data:/data"]).exits(0);
        match words {
            "" => drop(outcome.never_says("at a time")),
            words => drop(outcome.says(words)),
        }
    }
}
