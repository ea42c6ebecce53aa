//! `kaiwo delete` against a scripted API server.

use serde_json::{Value, json};

use super::json::is_golden;
use super::server::{Answer, MockApi, Request, list};
use super::trouble::is;
use crate::common::Outcome;

/// A Job of kaiwo's with an upload, until it is deleted.
fn api(mut script: impl FnMut(&Request) -> Option<Answer> + Send + 'static) -> MockApi {
    let mut deleted = false;
    MockApi::new(move |request| {
        if let Some(answer) = script(request) {
            return Some(answer);
        }
        deleted |= is(request, "DELETE", "/jobs/alice-w");
        let labels = json!({
            "app.kubernetes.io/managed-by": "kaiwo",
            "app.kubernetes.io/instance": "alice-w",
        });
        let metadata =
            json!({"name": "alice-w", "namespace": "kaiwo", "uid": "u", "labels": labels});
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata});
        if is(request, "GET", "/jobs/alice-w") && !deleted {
            return Some(Answer::Json(200, job));
        }
        if is(request, "GET", "/jobs") {
            return Some(Answer::Json(200, list(&[job])));
        }
        let owned = json!([{"uid": "u"}]);
        let made = |name: &str, owners: &Value| {
            let metadata =
                json!({"name": name, "uid": name, "labels": labels, "ownerReferences": owners});
            Some(Answer::Json(200, list(&[json!({"metadata": metadata})])))
        };
        match request.path.rsplit('/').next() {
            Some("configmaps") => made("alice-w-upload", &owned),
            Some("persistentvolumeclaims") => made("alice-w-scratch", &json!([])),
            Some(
                "services" | "ingresses" | "horizontalpodautoscalers" | "poddisruptionbudgets",
            ) => Some(Answer::Json(200, list(&[]))),
            _ => None,
        }
    })
}

fn delete(api: &MockApi, arguments: &[&str]) -> Outcome {
    api.sandbox.kaiwo(&[&["delete"], arguments].concat())
}

#[test]
fn what_was_asked_for_is_deleted_and_nothing_else() {
    let api = api(|_| None);
    let outcome = delete(&api, &["alice-w", "-y", "-o", "name"]).exits(0);
    assert_eq!(outcome.stdout, "job.batch/alice-w\n");
    let outcome = outcome.says("job/alice-w deleted").says(
        "persistentvolumeclaim/alice-w-scratch is kept with its data; to delete it: kaiwo delete alice-w --with-storage\n",
    );
    assert_eq!(outcome.stderr.lines().count(), 2, "{}", outcome.stderr);
    let requests = api.requests();
    let deletions: Vec<&Request> = requests.iter().filter(|r| r.is_write()).collect();
    let [only] = deletions[..] else {
        panic!("{deletions:?}")
    };
    assert_eq!(
        only.line(),
        "DELETE /apis/batch/v1/namespaces/kaiwo/jobs/alice-w"
    );
    assert_eq!(only.body["preconditions"], json!({"uid": "u"}));
    assert_eq!(only.body["propagationPolicy"], "Background");
}

#[test]
fn storage_goes_if_it_is_to() {
    let api = api(|_| None);
    let _ = delete(&api, &["alice-w", "--with-storage", "--dry-run"])
        .exits(0)
        .says("with persistentvolumeclaim/alice-w-scratch, 1 upload\n");
    assert_eq!(api.writes(), [] as [&str; 0]);
    let outcome = delete(&api, &["alice-w", "-y", "--with-storage"])
        .exits(0)
        .says("job/alice-w deleted\n");
    assert!(!outcome.stderr.contains("is kept"), "{}", outcome.stderr);
    assert_eq!(
        api.writes(),
        [
            "DELETE /apis/batch/v1/namespaces/kaiwo/jobs/alice-w",
            "DELETE /api/v1/namespaces/kaiwo/persistentvolumeclaims/alice-w-scratch",
        ]
    );
    // The workload is gone, and its claim is there.
    let _ = delete(&api, &["alice-w", "-y"])
        .exits(3)
        .says("workload alice-w does not exist")
        .says("persistentvolumeclaim/alice-w-scratch is kept; to delete it: kaiwo delete alice-w --with-storage\n");
    let _ = delete(&api, &["alice-w", "-y", "--with-storage"])
        .exits(0)
        .says("persistentvolumeclaim/alice-w-scratch deleted\n");
}

#[test]
fn storage_that_another_workload_mounts_stays() {
    let api = api(|request| {
        let volumes = json!([{"name": "scratch",
            "persistentVolumeClaim": {"claimName": "alice-w-scratch"}}]);
        let metadata = json!({"name": "alice-w", "namespace": "kaiwo", "uid": "v"});
        let spec = json!({"template": {"spec": {"volumes": volumes}}});
        is(request, "GET", "/cronjobs/alice-w").then(|| {
            Answer::Json(
                200,
                json!({"metadata": metadata, "spec": {"jobTemplate": {"spec": spec}}}),
            )
        })
    });
    let _ = delete(&api, &["job/alice-w", "-y", "--with-storage"])
        .exits(3)
        .says("cronjob/alice-w also mounts persistentvolumeclaim/alice-w-scratch, so nothing was deleted\n")
        .says("help: or delete that workload first, with the claim: kaiwo delete cronjob/alice-w --with-storage -n kaiwo");
    assert_eq!(api.writes(), [] as [&str; 0]);
}

#[test]
fn storage_that_another_pod_mounts_stays() {
    for (labels, hint) in [
        (
            json!({
                "app.kubernetes.io/instance": "look", "app.kubernetes.io/managed-by": "kaiwo",
            }),
            "help: or delete its workload first: kaiwo delete look -n kaiwo\n",
        ),
        (
            json!({"app.kubernetes.io/instance": "look", "app.kubernetes.io/managed-by": "Helm"}),
            "help: or delete that pod first: kubectl -n kaiwo delete pod look-x\n",
        ),
    ] {
        let volumes = json!([{"name": "kept",
            "persistentVolumeClaim": {"claimName": "alice-w-scratch"}}]);
        let metadata = json!({"name": "look-x", "uid": "p", "labels": labels});
        let pod = json!({"metadata": metadata, "spec": {"volumes": volumes}});
        let api = api(move |request| {
            let is_all = is(request, "GET", "/pods") && !request.query.contains("labelSelector");
            is_all.then(|| Answer::Json(200, list(std::slice::from_ref(&pod))))
        });
        let _ = delete(&api, &["job/alice-w", "-y", "--with-storage"])
            .exits(3)
            .says("pod/look-x also mounts persistentvolumeclaim/alice-w-scratch, so nothing was deleted\n")
            .says(hint);
        assert_eq!(api.writes(), [] as [&str; 0]);
    }
}

#[test]
fn nobody_is_there_to_say_yes() {
    let api = api(|_| None);
    let _ = delete(&api, &["alice-w"])
        .exits(2)
        .says("stdin is not a terminal")
        .says("help: kaiwo delete alice-w -y  # ")
        .says("help: kaiwo delete alice-w --dry-run  # ");
    assert_eq!(api.requests(), []);
    for wrong in [
        &["-y"][..],
        &["alice-w", "--all", "-y"],
        &["--all", "--force", "-y"],
    ] {
        let _ = delete(&api, wrong).exits(2);
    }
    // A rehearsal asks nothing, and does nothing.
    let outcome = delete(&api, &["--all", "--dry-run", "-o", "name"]).exits(0);
    assert_eq!(outcome.stdout, "job.batch/alice-w\n");
    drop(
        outcome
            .says("with 1 upload\n")
            .says("without persistentvolumeclaim/alice-w-scratch\n")
            .says("nothing deleted (dry run)"),
    );
    let outcome = delete(&api, &["-l", "team=a", "--dry-run", "-o", "json"]).exits(0);
    is_golden("delete_dryRun", &outcome);
    let listed = api
        .requests()
        .into_iter()
        .rfind(|r| is(r, "GET", "/jobs"))
        .unwrap();
    assert!(
        listed.query.contains("managed-by%3Dkaiwo%2Cteam%3Da"),
        "{listed:?}"
    );
    assert_eq!(api.writes(), [] as [&str; 0]);
}

#[test]
fn of_several_the_others_go_all_the_same() {
    let run = api(|_| None);
    let arguments = ["job/gone", "alice-w", "-y", "-o", "json"];
    let outcome = delete(&run, &arguments)
        .exits(3)
        .says("workload job/gone does not exist")
        .says("job/alice-w deleted");
    is_golden("delete_several", &outcome);
    let _ = delete(&run, &["job/gone", "-y", "--ignore-not-found"])
        .exits(0)
        .says("job/gone does not exist");
}

#[test]
fn what_kaiwo_did_not_make_takes_another_word() {
    let foreign = || {
        api(|request| {
            let metadata = json!({"name": "alice-w", "namespace": "kaiwo", "uid": "u"});
            is(request, "GET", "/jobs/alice-w")
                .then(|| Answer::Json(200, json!({"metadata": metadata})))
        })
    };
    let api = foreign();
    let _ = delete(&api, &["alice-w", "-y"])
        .exits(3)
        .says("job/alice-w was not created by kaiwo")
        .says("help: delete it anyway: kaiwo delete job/alice-w -n kaiwo --force\n");
    assert_eq!(api.writes(), [] as [&str; 0]);
    let status = api.sandbox.kaiwo(&["status", "alice-w"]).exits(0);
    let command = "kaiwo delete job/alice-w -n kaiwo --force\n";
    assert!(status.stdout.contains(command), "{}", status.stdout);
    let api = foreign();
    let _ = delete(&api, &["alice-w", "-y", "--force", "--no-wait"])
        .exits(0)
        .says("job/alice-w is being deleted");
    assert_eq!(api.writes().len(), 1);
}

#[test]
fn who_may_not_delete_is_told_so_and_what_stays_is_named() {
    let denied =
        "jobs.batch \"alice-w\" is forbidden: User \"bob\" cannot delete resource \"jobs\"";
    let api_of = |answer: fn() -> Option<Answer>| {
        api(move |request| {
            is(request, "DELETE", "/jobs/alice-w")
                .then(answer)
                .flatten()
        })
    };
    let api = api_of(|| {
        Some(Answer::Refuse(
            403,
            "jobs.batch \"alice-w\" is forbidden: User \"bob\" cannot delete resource \"jobs\"",
        ))
    });
    let outcome = delete(&api, &["alice-w", "-y"])
        .exits(4)
        .says("cannot delete job/alice-w")
        .says(denied);
    drop(outcome);
    // It is deleted, but something holds it.
    let api = api_of(|| {
        Some(Answer::Json(
            200,
            json!({"kind": "Status", "status": "Success"}),
        ))
    });
    let outcome = delete(&api, &["alice-w", "-y", "--timeout", "1s", "-o", "json"])
        .exits(124)
        .says("job/alice-w is still being deleted after 1 s")
        .says("kubectl -n kaiwo get job/alice-w -o yaml");
    is_golden("delete_stuck", &outcome);
}

/// Nobody ends its pod: the node does not answer.
#[test]
fn the_node_that_holds_a_pod_is_named() {
    let api = api(|request| {
        let conditions = json!([
            {"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"},
        ]);
        let pod = json!({
            "metadata": {"name": "alice-w-x", "namespace": "kaiwo", "uid": "p",
                "deletionTimestamp": "2026-01-01T00:00:00Z",
                "ownerReferences": [{"uid": "u", "controller": true}]},
            "spec": {"nodeName": "gpu-7"},
            "status": {"phase": "Running", "conditions": conditions},
        });
        is(request, "GET", "/pods").then(|| Answer::Json(200, list(&[pod])))
    });
    let outcome = delete(&api, &["alice-w", "-y", "--timeout", "1s", "-o", "json"])
        .exits(124)
        .says("pod/alice-w-x is still being deleted after 1 s: its node gpu-7 is not responding")
        .says("the pod ends when the node is back")
        .says("show the state of the node: kubectl describe node gpu-7")
        .says("kubectl delete node gpu-7");
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let error = &report["workloads"][0]["error"];
    assert_eq!(
        (&error["class"], &error["object"]),
        (&json!("timedOut"), &json!("pod/alice-w-x"))
    );
}

/// Its pods are told by the Jobs that it has started, which go before them.
#[test]
fn of_a_cronjob_the_pods_are_waited_for() {
    let (mut deleted, mut looks) = (false, 0);
    let api = MockApi::new(move |request| {
        deleted |= is(request, "DELETE", "/cronjobs/alice-w");
        let labels = json!({"app.kubernetes.io/managed-by": "kaiwo"});
        let metadata =
            json!({"name": "alice-w", "namespace": "kaiwo", "uid": "u", "labels": labels});
        let job = json!({"metadata": {"name": "alice-w-1", "namespace": "kaiwo", "uid": "j",
            "ownerReferences": [{"uid": "u"}]}});
        if is(request, "GET", "/cronjobs/alice-w") {
            return (!deleted).then(|| Answer::Json(200, json!({"metadata": metadata})));
        }
        if is(request, "GET", "/jobs") {
            let jobs = if deleted { vec![] } else { vec![job] };
            return Some(Answer::Json(200, list(&jobs)));
        }
        if is(request, "GET", "/pods") && request.query.contains("controller-uid") {
            looks += 1;
            let pod = json!({"metadata": {"name": "alice-w-1-x", "namespace": "kaiwo",
                "deletionTimestamp": "2026-01-01T00:00:00Z"}});
            let pods = if looks < 3 { vec![pod] } else { vec![] };
            return Some(Answer::Json(200, list(&pods)));
        }
        match request.path.rsplit('/').next() {
            Some(
                "configmaps"
                | "persistentvolumeclaims"
                | "services"
                | "ingresses"
                | "horizontalpodautoscalers"
                | "poddisruptionbudgets",
            ) => Some(Answer::Json(200, list(&[]))),
            _ => None,
        }
    });
    let _ = delete(&api, &["cronjob/alice-w", "-y"])
        .exits(0)
        .says("cronjob/alice-w deleted");
    let asked = api.requests();
    let asked = asked.iter().filter(|request| {
        is(request, "GET", "/pods") && request.query.contains("controller-uid%3Dj")
    });
    assert!(asked.count() >= 3, "{:?}", api.requests());
}
