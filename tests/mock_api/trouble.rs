//! Clusters that lack something, refuse, break or hang.

use std::time::Duration;

use serde_json::json;

use super::server::{Answer, MockApi, Request, groups, list};
use crate::common::{Outcome, before_a_limit};

/// Returns whether a request is of this method and its path ends so.
pub fn is(request: &Request, method: &str, kind: &str) -> bool {
    request.method == method && request.path.ends_with(kind)
}

/// Starts a server that gives back the upload it was given, and otherwise
/// answers by `script`.
pub fn remembering_uploads(
    mut script: impl FnMut(&Request) -> Option<Answer> + Send + 'static,
) -> MockApi {
    let mut upload = None;
    MockApi::new(move |request| {
        if is(request, "POST", "/configmaps") && !request.is_dry_run() {
            upload = Some(request.body.clone());
            return None;
        }
        if request.method == "GET" && request.path.contains("/configmaps/") {
            let mut found = upload.clone()?;
            found["metadata"]["uid"] = json!("upload-uid");
            return Some(Answer::Json(200, found));
        }
        script(request)
    })
}

#[test]
fn operators_that_are_not_installed() {
    let api = MockApi::new(|request| match request.path.as_str() {
        "/apis" => Some(Answer::Json(200, groups(&[], &["v1"]))),
        path if path.contains("kueue") => Some(Answer::Refuse(404, "page not found")),
        _ => None,
    });
    let _ = api
        .submit(&["-g", "8"])
        .exits(3)
        .says("error: Kueue is not installed")
        .says("https://kueue.sigs.k8s.io/docs/installation/");
    assert_eq!(api.writes(), [] as [&str; 0]);

    let api = MockApi::new(|request| {
        (request.path == "/apis").then(|| Answer::Json(200, groups(&["v1beta2"], &[])))
    });
    let _ = api
        .submit(&["-g", "8", "--ray"])
        .exits(3)
        .says("error: KubeRay is not installed")
        .says("without --ray");
    assert_eq!(api.writes(), [] as [&str; 0]);
    let _ = api.submit(&["-g", "8"]).exits(0);
}

#[test]
fn a_kind_that_kueue_does_not_manage_is_not_submitted() {
    let api = MockApi::new(|request| {
        (is(request, "POST", "/jobs")).then(|| Answer::Json(201, request.body.clone()))
    });
    let _ = api
        .submit(&["-g", "8"])
        .exits(3)
        .says("Kueue does not manage Jobs in namespace \"kaiwo\"");
    assert_eq!(api.writes(), [] as [&str; 0]);
}

#[test]
fn a_refusal_in_the_rehearsal_creates_nothing() {
    let api = MockApi::new(|request| {
        (is(request, "POST", "/jobs")).then_some(Answer::Refuse(
            422,
            "Job.batch \"alice-w\" is invalid: spec.x: no",
        ))
    });
    let outcome = api.submit(&["-g", "8", "-o", "json"]).exits(3);
    let error: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(error["message"], "the cluster rejects job/alice-w");
    assert_eq!(
        error["causes"],
        json!(["Job.batch \"alice-w\" is invalid: spec.x: no"])
    );
    assert_eq!(error["object"], "job/alice-w");
    assert_eq!(api.writes(), [] as [&str; 0]);
}

#[test]
fn a_batch_user_submits_with_what_may_be_read() {
    // Kueue's batch-user role: LocalQueues, but no ClusterQueues, no flavors.
    let script = |request: &Request| match request.path.as_str() {
        path if path.ends_with("/clusterqueues")
            || path.ends_with("/resourceflavors")
            || path.ends_with("/nodes") =>
        {
            Some(Answer::Refuse(
                403,
                "forbidden: User \"alice\" cannot list resource",
            ))
        }
        path if path.ends_with("/namespaces/kaiwo") => Some(Answer::Refuse(403, "forbidden")),
        path if request.method == "GET" && path.ends_with("/localqueues") => Some(Answer::Json(
            200,
            list(&[json!({
                "metadata": {"name": "kaiwo"},
                "spec": {"clusterQueue": "kaiwo"},
                "status": {"flavorsReservation": [{"name": "f", "resources": [{"name": "amd.com/gpu", "total": "0"}]}]},
            })]),
        )),
        _ => None,
    };
    let api = MockApi::new(script);
    let _ = api
        .submit(&["-g", "16"])
        .exits(3)
        .says("cannot determine how many GPUs a node has")
        .says("--gpus-per-node 8");
    let _ = api
        .submit(&["-g", "1"])
        .exits(0)
        .says("1 GPU = 1 × 1 amd.com/gpu");
    let api = MockApi::new(script);
    let _ = api
        .submit(&["-g", "16", "--gpus-per-node", "8"])
        .exits(0)
        .says("16 GPUs = 2 × 8 amd.com/gpu\n");
}

#[test]
fn a_queue_that_may_not_be_made_is_printed_for_the_admin() {
    let api = MockApi::new(|request| match request.path.as_str() {
        path if path.ends_with("/localqueues") && request.method == "GET" => {
            Some(Answer::Json(200, list(&[])))
        }
        path if path.ends_with("/localqueues") => Some(Answer::Refuse(
            403,
            "localqueues.kueue.x-k8s.io is forbidden: User \"alice\" cannot create resource \"localqueues\"",
        )),
        _ => None,
    });
    let _ = api
        .submit(&["-g", "8"])
        .exits(4)
        .says(
            "LocalQueue \"kaiwo\" does not exist in namespace \"kaiwo\", and you may not create it",
        )
        .says("kind: LocalQueue")
        .says("  clusterQueue: kaiwo");
    assert_eq!(api.writes(), [] as [&str; 0]);
}

#[test]
fn a_failure_midway_removes_what_was_made() {
    let api = remembering_uploads(|request| {
        (is(request, "POST", "/jobs") && !request.is_dry_run())
            .then_some(Answer::Refuse(500, "etcd is full"))
    });
    let _ = api
        .submit(&["-g", "8"])
        .exits(7)
        .says("cannot create job/alice-w\n")
        .says("etcd is full")
        .says("note: nothing of this submission is left");
    let delete = api
        .requests()
        .into_iter()
        .find(|request| request.method == "DELETE")
        .expect("the upload is removed");
    assert!(delete.path.contains("/configmaps/alice-w-"));
    assert_eq!(delete.body["preconditions"], json!({"uid": "upload-uid"}));
}

#[test]
fn what_cannot_be_removed_is_listed() {
    let api = remembering_uploads(|request| {
        if request.method == "DELETE" {
            return Some(Answer::Refuse(403, "cannot delete"));
        }
        (is(request, "POST", "/jobs") && !request.is_dry_run())
            .then_some(Answer::Refuse(500, "etcd is full"))
    });
    let outcome = api.submit(&["-g", "8"]).exits(6).says("etcd is full");
    assert!(
        outcome
            .stderr
            .contains("help: remove what is left: kubectl -n kaiwo delete configmap/alice-w-"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn what_somebody_else_made_is_left_alone() {
    let api = MockApi::new(|request| {
        if request.method == "GET" && request.path.contains("/configmaps/") {
            let other = json!({"metadata": {"name": "x", "uid": "u", "annotations": {"kaiwo-cli/submission": "another"}}});
            return Some(Answer::Json(200, other));
        }
        (is(request, "POST", "/jobs") && !request.is_dry_run())
            .then_some(Answer::Refuse(500, "etcd is full"))
    });
    let _ = api.submit(&["-g", "8"]).exits(7);
    assert!(
        !api.requests()
            .iter()
            .any(|request| request.method == "DELETE")
    );
}

#[test]
fn credentials_that_are_refused() {
    let api = MockApi::new(|_| Some(Answer::Refuse(401, "Unauthorized")));
    let _ = api
        .submit(&["-g", "8"])
        .exits(4)
        .says("not authenticated: Unauthorized")
        .says("kubectl auth whoami");
}

#[test]
fn a_server_that_hangs_is_left_after_the_deadline() {
    let api = MockApi::new(|request| (request.path == "/apis").then_some(Answer::Hang));
    // Everything else is answered in time.
    let (seconds, outcome) = before_a_limit(
        |seconds| api.submit(&["-g", "8", "--request-timeout", &seconds.to_string()]),
        |outcome| outcome.stderr.contains("(GET /apis)"),
    );
    let _ = outcome
        .exits(7)
        .says(&format!("did not answer within {seconds} s (GET /apis)"));
}

#[test]
fn a_server_that_hangs_up() {
    let api = MockApi::new(|_| Some(Answer::Close));
    let _ = api
        .submit(&["-g", "8"])
        .exits(7)
        .says("cannot reach the cluster at http://127.0.0.1:");
}

#[test]
fn a_server_that_is_no_api_server() {
    let api = MockApi::new(|_| Some(Answer::Json(200, json!("hello"))));
    let _ = api
        .submit(&["-g", "8"])
        .exits(1)
        .says("invalid answer to")
        .says("check that the server is a Kubernetes API server");
}

/// Submits, and interrupts when the workload is on its way.
#[cfg(unix)]
pub fn interrupted(api: &MockApi, arguments: &[&str]) -> Outcome {
    let child = api
        .sandbox
        .command(&[&["submit", "-p", "w", "-g", "8"], arguments].concat())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    while !api.writes().iter().any(|line| line.ends_with("/jobs")) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let status = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
    Outcome::of(child.wait_with_output().unwrap())
}

#[cfg(unix)]
#[test]
fn an_interrupt_removes_what_was_made() {
    let api = remembering_uploads(|request| {
        (is(request, "POST", "/jobs") && !request.is_dry_run()).then_some(Answer::Hang)
    });
    let outcome = interrupted(&api, &[]).exits(130);
    let _ = outcome.says("job/alice-w may still appear: the request was sent but not answered");
    assert!(
        api.writes()
            .iter()
            .any(|line| line.starts_with("DELETE") && line.contains("/configmaps/"))
    );
}
