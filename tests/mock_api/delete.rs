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
    let outcome = outcome.says("job/alice-w deleted");
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
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
fn nobody_is_there_to_say_yes() {
    let api = api(|_| None);
    let _ = delete(&api, &["alice-w"])
        .exits(2)
        .says("nobody is there to answer")
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
            .says("nothing is deleted (dry run)"),
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
        .says("there is no workload job/gone")
        .says("job/alice-w deleted");
    is_golden("delete_several", &outcome);
    let _ = delete(&run, &["job/gone", "-y", "--ignore-not-found"])
        .exits(0)
        .says("job/gone is not there");
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
        .says("job/alice-w was not made by kaiwo")
        .says("--force");
    assert_eq!(api.writes(), [] as [&str; 0]);
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
