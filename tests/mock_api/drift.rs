//! What was changed by other means is seen, said, and becomes again what was asked for.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::server::{Answer, Request, status};
use super::store::Store;
use super::trouble::is;
use super::update::{V1, V2, served, serving};

fn diff(store: &Store, command: &[&str]) -> String {
    let api = serving(store, |_| None);
    let outcome = api.sandbox.kaiwo(&[command, &["--diff"]].concat()).exits(0);
    assert_eq!(api.writes(), [] as [&str; 0]);
    outcome.stdout
}

/// Checks that this is seen, said and undone.
fn is_undone(command: &[&str], change: impl Fn(&Store), line: &str) {
    let store = served(&[command]);
    let before = store.essence();
    change(&store);
    assert_eq!(diff(&store, command), format!("{line}\n"));
    let api = serving(&store, |_| None);
    let _ = api
        .sandbox
        .kaiwo(command)
        .exits(0)
        .says("deployment/alice-w was changed by others; restoring:\n")
        .says(&format!("  {line}\n"))
        .says("deployment/alice-w updated\n");
    assert_eq!(store.essence(), before);
    let _ = api
        .sandbox
        .kaiwo(command)
        .exits(0)
        .says("deployment/alice-w unchanged\n");
}

#[test]
fn a_service_that_was_changed_by_other_means() {
    let with_image = |store: &Store| {
        let mut object = store.object("deployments/alice-w");
        object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("other:1");
        store.edit("deployments/alice-w", &json!({"spec": object["spec"]}));
    };
    let image =
        "deployment/alice-w spec.template.spec.containers[workload].image: other:1 → registry/chat";
    is_undone(&V1, with_image, &format!("{image}:1"));
    is_undone(&V2, with_image, &format!("{image}:2"));
    let stop = |store: &Store| store.edit("deployments/alice-w", &json!({"spec": {"replicas": 0}}));
    is_undone(&V2, stop, "deployment/alice-w spec.replicas: 0 → 1");
    let label = |store: &Store| {
        let labels = json!({"metadata": {"labels": {"app.kubernetes.io/name": "x"}}});
        store.edit("deployments/alice-w", &labels);
    };
    is_undone(
        &V1,
        label,
        "deployment/alice-w metadata.labels.app.kubernetes.io/name: x → w",
    );
}

#[test]
fn what_goes_with_a_service_was_changed_by_other_means() {
    let port = |store: &Store| {
        let ports = json!([{"name": "http", "port": 1, "targetPort": "http"}]);
        store.edit("services/alice-w", &json!({"spec": {"ports": ports}}));
    };
    is_undone(&V1, port, "service/alice-w spec.ports[http].port: 1 → 8080");
    let most = |store: &Store| {
        store.edit(
            "horizontalpodautoscalers/alice-w",
            &json!({"spec": {"maxReplicas": 9}}),
        );
    };
    is_undone(
        &V1,
        most,
        "horizontalpodautoscaler/alice-w spec.maxReplicas: 9 → 2",
    );
    for kind in [
        "services",
        "horizontalpodautoscalers",
        "poddisruptionbudgets",
    ] {
        let gone = |store: &Store| store.remove(&format!("{kind}/alice-w"));
        let kind = kind.trim_end_matches('s');
        is_undone(&V1, gone, &format!("{kind}/alice-w: added"));
    }
    // The other way round: a budget that this version never had.
    let store = served(&[&V1, &V2]);
    let before = store.essence();
    let mut budget = served(&[&V1]).object("poddisruptionbudgets/alice-w");
    let owner = store.object("services/alice-w")["metadata"]["ownerReferences"].clone();
    budget["metadata"]["ownerReferences"] = owner;
    store.put(
        "/apis/policy/v1/namespaces/kaiwo/poddisruptionbudgets",
        budget,
    );
    assert_eq!(diff(&store, &V2), "poddisruptionbudget/alice-w: removed\n");
    // Its kind may no longer be listed once it was seen, and its controller writes to it.
    let lists = AtomicUsize::new(0);
    let written = store.clone();
    let denied = move |request: &Request| {
        let is_list = request.method == "GET" && request.path.ends_with("/poddisruptionbudgets");
        let is_late = is_list && lists.fetch_add(1, Ordering::Relaxed) > 0;
        if is_late && lists.load(Ordering::Relaxed) == 2 {
            let status = json!({"status": {"observedGeneration": 1}});
            written.edit("poddisruptionbudgets/alice-w", &status);
        }
        is_late.then(|| Answer::Json(403, status(403, "poddisruptionbudgets is forbidden")))
    };
    let _ = serving(&store, denied)
        .sandbox
        .kaiwo(&V2)
        .exits(0)
        .says("updated\n");
    assert_eq!(store.essence(), before);
}

/// Whatever scales it, and whatever others write beside kaiwo's fields, is theirs.
#[test]
fn what_is_not_kaiwos_is_no_change() {
    let store = served(&[&V1]);
    for patch in [
        json!({"spec": {"replicas": 2}}),
        json!({"metadata": {"labels": {"team": "x"}, "annotations": {"note": "y"}}}),
        json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}}),
        json!({"spec": {"revisionHistoryLimit": 3, "strategy": {"rollingUpdate": {"maxSurge": 0}}}}),
        json!({"status": {"replicas": 2}}),
    ] {
        store.edit("deployments/alice-w", &patch);
    }
    let api = serving(&store, |_| None);
    let _ = api.sandbox.kaiwo(&V1).exits(0).says(" unchanged\n");
    assert_eq!(api.writes(), [] as [&str; 0]);
    assert_eq!(diff(&store, &V1), "");
}

/// A mirror that rewrites images, say.
#[test]
fn what_a_webhook_writes_is_no_change() {
    let store = served(&[&V1]);
    let mut object = store.object("deployments/alice-w");
    let image = "/spec/template/spec/containers/0/image";
    *object.pointer_mut(image).unwrap() = json!("mirror/chat:1");
    store.edit("deployments/alice-w", &json!({"spec": object["spec"]}));
    let api = serving(&store, move |request: &Request| {
        (request.method == "PUT" && request.is_dry_run()).then(|| {
            let mut answer = request.body.clone();
            *answer.pointer_mut(image).unwrap() = json!("mirror/chat:1");
            Answer::Json(200, answer)
        })
    });
    let _ = api.sandbox.kaiwo(&V1).exits(0).says(" unchanged\n");
    assert_eq!(api.writes(), [] as [&str; 0]);
}

#[test]
fn who_may_not_write_is_told_that_all_is_as_it_was() {
    let store = served(&[&V1]);
    let api = serving(&store, |request| {
        let words = "services is forbidden: User \"bob\" cannot patch resource \"services\"";
        let writes = request.method == "PUT" || request.method == "PATCH";
        writes.then_some(Answer::Refuse(403, words))
    });
    let _ = api.sandbox.kaiwo(&V1).exits(0).says(" unchanged\n");
}

#[test]
fn a_job_that_was_changed_takes_a_word() {
    let submit = ["submit", "-p", "w", "-g", "8", "--max-runtime", "3600"];
    let store = served(&[&submit]);
    let api = serving(&store, |_| None);
    let _ = api
        .sandbox
        .kaiwo(&submit)
        .exits(0)
        .says("job/alice-w unchanged\n");
    store.edit(
        "jobs/alice-w",
        &json!({"spec": {"activeDeadlineSeconds": 60, "suspend": false, "parallelism": 1}}),
    );
    let _ = api
        .sandbox
        .kaiwo(&submit)
        .exits(5)
        .says("error: job/alice-w already exists and has changed since it was submitted\n")
        .says("note: job/alice-w spec.activeDeadlineSeconds: 60 → 3600\n")
        .says("--replace");
    assert_eq!(api.writes().len(), 0);
    let replace = [&submit[..], &["--replace"]].concat();
    let _ = api
        .sandbox
        .kaiwo(&replace)
        .exits(0)
        .says("job/alice-w replaced");
    let _ = api
        .sandbox
        .kaiwo(&submit)
        .exits(0)
        .says("job/alice-w unchanged\n");
}

#[test]
fn what_a_job_needs_is_made_again() {
    let submit = ["submit", "-p", "w", "-g", "8"];
    let store = served(&[&submit]);
    let before = store.essence();
    let upload = store
        .names()
        .into_iter()
        .find(|name| name.starts_with("configmaps/"));
    store.remove(&upload.unwrap());
    let _ = serving(&store, |_| None)
        .sandbox
        .kaiwo(&submit)
        .exits(0)
        .says("job/alice-w unchanged\n");
    assert_eq!(store.essence(), before);
}

/// A read that fails while an API server is replaced is repeated.
#[test]
fn failures_that_pass_are_waited_out() {
    for (code, words) in [
        (500, "etcdserver: leader changed"),
        (410, "too old"),
        (502, ""),
        (504, ""),
    ] {
        let store = served(&[&V1]);
        let mut left = 2;
        let api = serving(&store, move |request| {
            let is_it = is(request, "GET", "/services/alice-w") && left > 0;
            is_it.then(|| {
                left -= 1;
                Answer::Refuse(code, words)
            })
        });
        let _ = api.sandbox.kaiwo(&V1).exits(0).says(" unchanged\n");
    }
    let store = served(&[&V1]);
    let mut cut = false;
    let api = serving(&store, move |request| {
        let is_it = is(request, "GET", "/services/alice-w") && !cut;
        is_it.then(|| {
            cut = true;
            let whole = "HTTP/1.1 200 X\r\ncontent-length: 12\r\n\r\n{\"metadata\":";
            Answer::Raw(whole.as_bytes().to_vec())
        })
    });
    let _ = api.sandbox.kaiwo(&V1).exits(0).says(" unchanged\n");
    // For good, it is the cluster that does not manage.
    let api = serving(&store, |request| {
        is(request, "GET", "/services/alice-w")
            .then_some(Answer::Refuse(500, "etcdserver: no leader"))
    });
    let _ = api.sandbox.kaiwo(&V1).exits(7);
    let conflict = serving(&store, |request| {
        let answer = Answer::Refuse(409, "the object has been modified");
        is(request, "GET", "/services/alice-w").then_some(answer)
    });
    let outcome = conflict.sandbox.kaiwo(&V1).exits(7);
    assert!(!outcome.stderr.contains("already exists"), "{outcome:?}");
    let _: Value = store.object("services/alice-w");
}
