//! A service that is served again: what is sent to change it in place.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::json::is_golden;
use super::server::{Answer, MockApi, Request, list};
use super::trouble::is;

const DEPLOYMENT: &str = "/deployments/alice-w";

/// Returns the Deployment and the upload that a first run has made, as the
/// API server would give them back.
fn first(arguments: &[&str]) -> (Value, Value) {
    let api = MockApi::new(|_| None);
    let _ = api.serve(arguments).exits(0);
    let made = |kind: &str| {
        let requests = api.requests();
        let mut made = requests
            .into_iter()
            .find(|request| request.is_write() && request.body["kind"] == kind)
            .unwrap()
            .body;
        made["metadata"]["uid"] = json!(format!("uid-of-{kind}"));
        made
    };
    let mut deployment = made("Deployment");
    deployment["metadata"]["resourceVersion"] = json!("1");
    deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("1");
    deployment["spec"]["revisionHistoryLimit"] = json!(10);
    let mut upload = made("ConfigMap");
    upload["metadata"]["ownerReferences"] =
        json!([{"kind": "Deployment", "uid": "uid-of-Deployment"}]);
    (deployment, upload)
}

/// A cluster with what a first run has made there. Each time it is read, the
/// Deployment has a newer resourceVersion.
fn remembering(mut script: impl FnMut(&Request) -> Option<Answer> + Send + 'static) -> MockApi {
    let (mut deployment, upload) = first(&["-i", "registry/chat:1"]);
    let mut version = 0;
    let api = MockApi::new(move |request| {
        if let Some(answer) = script(request) {
            return Some(answer);
        }
        if is(request, "GET", DEPLOYMENT) {
            version += 1;
            deployment["metadata"]["resourceVersion"] = json!(version.to_string());
            return Some(Answer::Json(200, deployment.clone()));
        }
        // One of the version before that, too.
        let mut older = upload.clone();
        older["metadata"]["name"] = json!("alice-w-older");
        older["metadata"]["uid"] = json!("uid-of-older");
        is(request, "GET", "/configmaps").then(|| Answer::Json(200, list(&[upload.clone(), older])))
    });
    // Other files, so that the upload is another.
    api.sandbox.write("w/train.py", "print()\n");
    api
}

const AGAIN: [&str; 2] = ["-i", "registry/chat:2"];

/// Lists what finds nothing, so that nothing refers to the old upload.
fn nothing_refers(request: &Request) -> Option<Answer> {
    let listed = ["/pods", "/replicasets", "/services"];
    let asked = request.method == "GET" && listed.iter().any(|kind| request.path.ends_with(kind));
    asked.then(|| Answer::Json(200, list(&[])))
}

#[test]
fn uploads_come_first_and_old_ones_go_last() {
    let api = remembering(nothing_refers);
    let _ = api
        .serve(&AGAIN)
        .exits(0)
        .says("containers[workload].image: registry/chat:1 → registry/chat:2\n")
        .says("deployment/alice-w updated, with 1 upload\n");
    let writes = api.writes();
    let kinds: Vec<&str> = writes
        .iter()
        .map(|line| line.split("/alice-w").next().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "POST /api/v1/namespaces/kaiwo/configmaps",
            "POST /api/v1/namespaces/kaiwo/configmaps",
            "PUT /apis/apps/v1/namespaces/kaiwo/deployments",
            "PATCH /api/v1/namespaces/kaiwo/configmaps",
            "PATCH /api/v1/namespaces/kaiwo/configmaps",
            "DELETE /api/v1/namespaces/kaiwo/configmaps",
        ]
    );
    let requests = api.requests();
    let one = |method: &str| {
        let is_kept = |body: &Value| body["data"].get("objects.json").is_some();
        requests
            .iter()
            .find(|r| r.is_write() && r.method == method && !is_kept(&r.body))
            .unwrap()
    };
    let put = one("PUT");
    assert_eq!(put.query, "fieldManager=kaiwo&fieldValidation=Strict");
    let metadata = &put.body["metadata"];
    assert_eq!(metadata["resourceVersion"], "1");
    assert_eq!(metadata["uid"], "uid-of-Deployment");
    // What others have written is sent back; what the server fills in is not.
    assert_eq!(
        metadata["annotations"]["deployment.kubernetes.io/revision"],
        "1"
    );
    assert_eq!(put.body["spec"].get("revisionHistoryLimit"), None);
    let upload = one("POST").body["metadata"]["name"].clone();
    let pod = &put.body["spec"]["template"]["spec"];
    let source = pod.pointer("/volumes/2/projected/sources/0/configMap/name");
    assert_eq!(source, Some(&upload), "{pod}");
    assert_eq!(
        one("PATCH").body["metadata"]["ownerReferences"][0]["uid"],
        "uid-of-Deployment"
    );
    // The one that a rollback would need stays.
    assert_eq!(
        one("DELETE").body["preconditions"],
        json!({"uid": "uid-of-older"})
    );
    let posts = requests
        .iter()
        .filter(|r| r.is_write() && r.method == "POST");
    let kept = posts
        .map(|r| &r.body)
        .find(|body| body["data"].get("objects.json").is_some());
    let kept = kept.unwrap();
    assert_eq!(
        put.body["metadata"]["annotations"]["kaiwo-cli/previous"],
        kept["metadata"]["name"]
    );
    let objects = kept["data"]["objects.json"].as_str().unwrap();
    assert!(objects.contains("registry/chat:1"), "{objects}");

    // It was rehearsed before any of that, under another name.
    let last_rehearsal = requests.iter().rposition(Request::is_dry_run).unwrap();
    let first_write = requests.iter().position(Request::is_write).unwrap();
    assert!(last_rehearsal < first_write);
}

#[test]
fn an_upload_that_something_may_refer_to_stays() {
    let api = remembering(move |request| {
        if is(request, "GET", "/replicasets") {
            let template = json!({"volumes": [{"configMap": {"name": "alice-w-older"}}]});
            return Some(Answer::Json(
                200,
                list(&[json!({"spec": {"template": template}})]),
            ));
        }
        nothing_refers(request)
    });
    let _ = api.serve(&AGAIN).exits(0).says("updated");
    let deleted = |api: &MockApi| api.writes().iter().any(|line| line.starts_with("DELETE"));
    assert!(!deleted(&api), "{:?}", api.writes());

    // Who may not look leaves it, too.
    for forbidden in ["/pods", "/replicasets", "/configmaps"] {
        let api = remembering(move |request| match is(request, "GET", forbidden) {
            true => Some(Answer::Refuse(403, "cannot list")),
            false => nothing_refers(request),
        });
        let _ = api.serve(&AGAIN).exits(0).says("updated");
        assert!(!deleted(&api), "{forbidden}: {:?}", api.writes());
    }
}

#[test]
fn somebody_who_was_faster_is_read_again() {
    let mut refusals = 2;
    let api = remembering(move |request| {
        if request.method == "PUT" && refusals > 0 {
            refusals -= 1;
            return Some(Answer::Refuse(409, "the object has been modified"));
        }
        nothing_refers(request)
    });
    let _ = api.serve(&AGAIN).exits(0).says("updated");
    let requests = api.requests();
    let versions: Vec<&str> = requests
        .iter()
        .filter(|request| request.method == "PUT")
        .map(|request| {
            request.body["metadata"]["resourceVersion"]
                .as_str()
                .unwrap()
        })
        .collect();
    assert_eq!(versions, ["1", "2", "3"]);

    // Not for ever; and then nothing is left.
    let api = remembering(|request| match request.method.as_str() {
        "PUT" => Some(Answer::Refuse(409, "the object has been modified")),
        _ => nothing_refers(request),
    });
    let _ = api
        .serve(&AGAIN)
        .exits(5)
        .says("cannot change deployment/alice-w")
        .says("note: nothing of this submission is left");
    let requests = api.requests();
    assert_eq!(requests.iter().filter(|r| r.method == "PUT").count(), 5);
}

#[test]
fn a_lost_reply_leaves_the_uploads_that_may_be_in_use() {
    type Script = fn(&Request) -> Option<Answer>;
    // The last is carried out, and the server is replaced meanwhile.
    let scripts: [Script; 3] = [
        |request| (request.method == "PUT").then_some(Answer::Close),
        |request| (request.method == "PUT").then_some(Answer::Refuse(503, "no backend")),
        |request| {
            static PUT: AtomicBool = AtomicBool::new(false);
            if request.method == "PUT" {
                PUT.store(true, Ordering::Relaxed);
                return Some(Answer::Close);
            }
            let later = PUT.load(Ordering::Relaxed) && is(request, "GET", DEPLOYMENT);
            later.then_some(Answer::Refuse(503, "no backend"))
        },
    ];
    for script in scripts {
        let api = remembering(move |request| script(request).or_else(|| nothing_refers(request)));
        let _ = api
            .serve(&AGAIN)
            .exits(7)
            .says("error: cannot tell whether deployment/alice-w was changed\n")
            .says("help: see what it is now with: kaiwo status deployment/alice-w -n kaiwo\n");
        assert!(
            !api.writes().iter().any(|line| line.starts_with("DELETE")),
            "{:?}",
            api.writes()
        );
    }
    // A refusal is an answer: what was made for it goes again.
    let mut uploaded: Option<Value> = None;
    let api = remembering(move |request| {
        let is_upload =
            request.body["metadata"]["labels"]["app.kubernetes.io/component"] == "upload";
        if is(request, "POST", "/configmaps") && !request.is_dry_run() && is_upload {
            let mut stored = request.body.clone();
            stored["metadata"]["uid"] = json!("uid-of-new-upload");
            uploaded = Some(stored);
        }
        let name = uploaded.as_ref().map(|stored| &stored["metadata"]["name"]);
        let asked = name
            .and_then(Value::as_str)
            .is_some_and(|name| is(request, "GET", &format!("/configmaps/{name}")));
        match request.method.as_str() {
            "PUT" => Some(Answer::Refuse(
                422,
                "Deployment.apps \"alice-w\" is invalid: no",
            )),
            _ if asked => uploaded.clone().map(|stored| Answer::Json(200, stored)),
            _ => nothing_refers(request),
        }
    });
    let _ = api.serve(&AGAIN).exits(3).says("is invalid: no");
    let upload = api
        .requests()
        .iter()
        .find(|r| r.is_write() && r.method == "POST" && r.body["data"]["objects.json"].is_null())
        .unwrap()
        .body["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        api.writes().contains(&format!(
            "DELETE /api/v1/namespaces/kaiwo/configmaps/{upload}"
        )),
        "{:?}",
        api.writes()
    );
}

#[test]
fn one_that_goes_meanwhile_is_not_made_by_a_change() {
    let mut gone = false;
    let api = remembering(move |request| {
        if request.method == "PUT" {
            gone = true;
            return Some(Answer::Refuse(409, "the object has been modified"));
        }
        if gone && is(request, "GET", DEPLOYMENT) {
            return Some(Answer::Refuse(404, "not found"));
        }
        nothing_refers(request)
    });
    let _ = api
        .serve(&AGAIN)
        .exits(5)
        .says("deployment/alice-w was deleted while it was to be changed")
        .says("run the same command again");
}

#[test]
fn kaito_that_is_not_installed() {
    let api = MockApi::new(|_| None);
    let _ = api
        .sandbox
        .kaiwo(&[
            "serve",
            "-m",
            "phi-4",
            "--instance-type",
            "Standard_NC24ads_A100_v4",
        ])
        .exits(3)
        .says("error: KAITO is not installed")
        .says("https://kaito-project.github.io/kaito/docs/installation");
    assert_eq!(api.writes(), [] as [&str; 0]);
}

#[test]
fn what_would_change_is_printed_and_not_changed() {
    let api = remembering(nothing_refers);
    let outcome = api
        .serve(&[&AGAIN[..], &["--port=8000", "--diff"]].concat())
        .exits(0);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert!(lines[0].starts_with("configmap/alice-w-"), "{lines:?}");
    assert!(lines[0].ends_with(": added"), "{lines:?}");
    assert_eq!(lines[1], "service/alice-w: added");
    let image = "deployment/alice-w spec.template.spec.containers[workload].image: registry/chat:1 → registry/chat:2";
    assert!(lines.contains(&image), "{lines:?}");
    assert_eq!(api.writes(), [] as [&str; 0]);
    assert!(!api.requests().iter().any(Request::is_dry_run));

    let same = api
        .sandbox
        .kaiwo(&["serve", "-i", "x", "--diff", "-d"])
        .exits(2);
    assert_eq!(same.stdout, "");
    let _ = api
        .serve(&["-i", "x", "--diff", "-o", "yaml"])
        .exits(2)
        .says("differences are lines, or JSON with -o json");
    let report = api
        .serve(&[&AGAIN[..], &["--diff", "-o", "json"]].concat())
        .exits(0);
    is_golden("diff", &report);

    // Nothing is there: everything would be made.
    let api = MockApi::new(|_| None);
    let outcome = api.serve(&["-i", "x", "--diff"]).exits(0);
    assert!(
        outcome.stdout.ends_with("deployment/alice-w: added\n"),
        "{}",
        outcome.stdout
    );
    let all = api.serve(&["-i", "x", "--diff", "-o", "json"]).exits(0);
    is_golden("diff_added", &all);
}

/// A cluster with the second version of a Deployment, and the first, kept.
fn updated(script: impl Fn(&Request) -> Option<Answer> + Send + 'static) -> MockApi {
    updated_from("registry/chat:1", script)
}

fn updated_from(
    image: &str,
    script: impl Fn(&Request) -> Option<Answer> + Send + 'static,
) -> MockApi {
    let (mut before, _) = first(&["-i", image]);
    let (mut deployment, upload) = first(&["-i", "registry/chat:2"]);
    deployment["metadata"]["annotations"]["kaiwo-cli/previous"] = json!("alice-w-kept");
    before["metadata"].as_object_mut().unwrap().remove("uid");
    let kept = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "alice-w-kept"},
        "data": {"objects.json": json!([before]).to_string()},
    });
    MockApi::new(move |request| {
        if let Some(answer) = script(request) {
            return Some(answer);
        }
        if is(request, "GET", DEPLOYMENT) {
            return Some(Answer::Json(200, deployment.clone()));
        }
        if is(request, "GET", "/configmaps/alice-w-kept") {
            return Some(Answer::Json(200, kept.clone()));
        }
        if request.method == "GET" && request.path.contains("/configmaps/alice-w-") {
            return Some(Answer::Json(200, upload.clone()));
        }
        is(request, "GET", "/configmaps")
            .then(|| Answer::Json(200, list(std::slice::from_ref(&upload))))
            .or_else(|| nothing_refers(request))
    })
}

const ROLLBACK: [&str; 3] = ["serve", "--rollback", "alice-w"];

/// Else it might choose another number after the update, and then be gone.
#[test]
fn an_autoscaler_goes_before_the_number_of_pods_is_set() {
    let autoscaler = json!({
        "metadata": {"name": "alice-w", "uid": "uid-of-autoscaler",
                     "annotations": {"kaiwo-cli/digest": "d"},
                     "ownerReferences": [{"kind": "Deployment", "uid": "uid-of-Deployment"}]},
    });
    let scaled = move |refuses: bool| {
        let autoscaler = autoscaler.clone();
        remembering(move |request| {
            let listed = is(request, "GET", "/horizontalpodautoscalers");
            let refused = refuses && request.method == "PUT";
            listed
                .then(|| Answer::Json(200, list(std::slice::from_ref(&autoscaler))))
                .or_else(|| refused.then_some(Answer::Refuse(422, "no")))
                .or_else(|| nothing_refers(request))
        })
    };
    let _ = scaled(true).serve(&AGAIN).exits(3).says(
        "note: horizontalpodautoscaler/alice-w is removed; the same command goes on from there\n",
    );
    let api = scaled(false);
    let _ = api.serve(&AGAIN).exits(0).says("updated");
    let writes = api.writes();
    let at = |words: &str| writes.iter().position(|line| line.starts_with(words));
    let gone = at("DELETE /apis/autoscaling/v2/namespaces/kaiwo/horizontalpodautoscalers/alice-w");
    assert!(gone.is_some() && gone < at("PUT "), "{writes:?}");
}

#[test]
fn a_rollback_writes_the_version_that_was_kept() {
    let api = updated(|_| None);
    let report = api
        .sandbox
        .kaiwo(&[&ROLLBACK[..], &["-o", "json"]].concat())
        .exits(0)
        .says("deployment/alice-w rolled back to its previous version\n");
    is_golden("rollback", &report);
    let requests = api.requests();
    let put = requests.iter().find(|r| r.method == "PUT").unwrap();
    let image = put.body.pointer("/spec/template/spec/containers/0/image");
    assert_eq!(image, Some(&json!("registry/chat:1")));
    let metadata = &put.body["metadata"];
    assert_eq!(metadata["resourceVersion"], "1");
    assert_ne!(
        metadata["annotations"]["kaiwo-cli/previous"],
        "alice-w-kept"
    );
    // What it takes the place of is kept in turn.
    let kept = requests
        .iter()
        .find(|r| r.method == "POST" && r.is_write())
        .unwrap();
    let objects = kept.body["data"]["objects.json"].as_str().unwrap();
    assert!(objects.contains("registry/chat:2"), "{objects}");
    assert!(!objects.contains("uid-of-Deployment"), "{objects}");

    let diff = api
        .sandbox
        .kaiwo(&[&ROLLBACK[..], &["--diff"]].concat())
        .exits(0);
    assert!(
        diff.stdout.contains("registry/chat:2 → registry/chat:1\n"),
        "{}",
        diff.stdout
    );
}

#[test]
fn a_rollback_removes_what_the_version_before_had_not() {
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]},
        "metadata": {"name": "alice-w", "uid": "uid-of-Service",
                     "annotations": {"kaiwo-cli/digest": "d"},
                     "ownerReferences": [{"kind": "Deployment", "uid": "uid-of-Deployment"}]},
    });
    let api = updated_from("registry/chat:2", move |request| {
        let listed = is(request, "GET", "/namespaces/kaiwo/services");
        listed.then(|| Answer::Json(200, list(std::slice::from_ref(&service))))
    });
    let words = [&ROLLBACK[..], &["-o", "json"]].concat();
    is_golden("rollback_removed", &api.sandbox.kaiwo(&words).exits(0));
    let removed = "DELETE /api/v1/namespaces/kaiwo/services/alice-w".to_owned();
    assert!(api.writes().contains(&removed), "{:?}", api.writes());
}

#[test]
fn what_cannot_be_rolled_back() {
    let gone = |name: &'static str| {
        updated(move |request| {
            let asked = request.method == "GET" && request.path.contains("/configmaps/alice-w-");
            (asked && (request.path.ends_with(name) || name == "*"))
                .then_some(Answer::Refuse(404, "not found"))
        })
    };
    let _ = gone("alice-w-kept")
        .sandbox
        .kaiwo(&ROLLBACK)
        .exits(3)
        .says("error: the previous version of deployment/alice-w is not there any more: configmap/alice-w-kept is gone\n");
    let upload = updated(|request| {
        let asked = request.method == "GET" && request.path.contains("/configmaps/alice-w-");
        (asked && !request.path.ends_with("-kept")).then_some(Answer::Refuse(404, "not found"))
    });
    let _ = upload.sandbox.kaiwo(&ROLLBACK).exits(3).says(" is gone\n");
    assert_eq!(upload.writes(), [] as [&str; 0]);

    let none = MockApi::new(|_| None);
    let _ = none
        .sandbox
        .kaiwo(&ROLLBACK)
        .exits(3)
        .says("there is no workload alice-w in namespace kaiwo");
    let job = MockApi::new(|request| {
        let job = json!({"apiVersion": "batch/v1", "kind": "Job",
                         "metadata": {"name": "alice-w", "namespace": "kaiwo", "uid": "u"},
                         "spec": {}, "status": {}});
        is(request, "GET", "/jobs/alice-w").then_some(Answer::Json(200, job))
    });
    let _ = job
        .sandbox
        .kaiwo(&ROLLBACK)
        .exits(3)
        .says("job/alice-w has no versions");
    for more in [&["-p", "w"][..], &["-i", "x"], &["-d"], &["--replace"]] {
        let _ = none.sandbox.kaiwo(&[&ROLLBACK[..], more].concat()).exits(2);
    }
    let dry = none.sandbox.set("KAIWO_DRY_RUN", "client");
    let _ = dry
        .kaiwo(&ROLLBACK)
        .exits(2)
        .says("a rollback has no dry run");
}

#[test]
fn what_was_changed_before_the_workload_was_refused_is_said() {
    let service = |version: &str| {
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {
                "name": "alice-w", "uid": "uid-of-Service", "resourceVersion": version,
                "ownerReferences": [{"kind": "Deployment", "uid": "uid-of-Deployment"}],
            },
        })
    };
    for (after, changed) in [("2", true), ("1", false)] {
        let api = remembering(move |request| match request.method.as_str() {
            "GET" if request.path.ends_with("/services/alice-w") => {
                Some(Answer::Json(200, service("1")))
            }
            "PATCH" if request.path.ends_with("/services/alice-w") => {
                Some(Answer::Json(200, service(after)))
            }
            "PUT" => Some(Answer::Refuse(422, "no")),
            _ => nothing_refers(request),
        });
        let outcome = api
            .serve(&[&AGAIN[..], &["--port", "8000"]].concat())
            .exits(3);
        let note = "note: service/alice-w is changed; the same command goes on from there\n";
        assert_eq!(outcome.stderr.contains(note), changed, "{}", outcome.stderr);
        let nothing = "note: nothing of this submission is left\n";
        assert_eq!(
            outcome.stderr.contains(nothing),
            !changed,
            "{}",
            outcome.stderr
        );
    }
}
