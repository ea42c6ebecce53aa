//! A service that is served again: what is sent to change it in place, in which order,
//! and what is left where that fails.

use serde_json::{Value, json};

use super::json::is_golden;
use super::server::{Answer, MockApi, Request};
use super::store::Store;
use super::trouble::is;

pub const V1: [&str; 14] = [
    "serve",
    "-p",
    "w",
    "-i",
    "registry/chat:1",
    "-g",
    "0",
    "--port",
    "8080",
    "--autoscale",
    "1-2",
    "--target-cpu=70",
    "--min-available",
    "1",
];
pub const V2: [&str; 9] = [
    "serve",
    "-p",
    "w",
    "-i",
    "registry/chat:2",
    "-g",
    "0",
    "--port",
    "9090",
];
/// Other files, too.
pub const OTHER: [&str; 11] = [
    "serve",
    "-p",
    "w2",
    "--name",
    "alice-w",
    "-i",
    "registry/chat:2",
    "-g",
    "0",
    "--port",
    "9090",
];
pub const ROLLBACK: [&str; 3] = ["serve", "--rollback", "alice-w"];

/// A server that keeps what it is given, but for what `script` answers.
pub fn serving(
    store: &Store,
    mut script: impl FnMut(&Request) -> Option<Answer> + Send + 'static,
) -> MockApi {
    let store = store.clone();
    let api = MockApi::new(move |request| script(request).or_else(|| store.answer(request)));
    api.sandbox.write("w2/entrypoint", "#!/bin/sh\necho\n");
    api.sandbox.write("w2/train.py", "print()\n");
    api
}

/// What is there once these commands have run.
pub fn served(commands: &[&[&str]]) -> Store {
    let store = Store::default();
    for command in commands {
        let _ = serving(&store, |_| None).sandbox.kaiwo(command).exits(0);
    }
    store
}

/// A request that writes the Deployment, and not in a rehearsal.
fn puts(request: &Request) -> bool {
    request.method == "PUT" && request.is_write()
}

#[test]
fn uploads_come_first_and_the_service_after_the_pods() {
    let store = served(&[&V1]);
    let api = serving(&store, |_| None);
    let _ = api
        .sandbox
        .kaiwo(&OTHER)
        .exits(0)
        .says("containers[workload].image: registry/chat:1 → registry/chat:2\n")
        .says("service/alice-w spec.ports[http].port: 8080 → 9090\n")
        .says("deployment/alice-w updated, with service/alice-w, 1 upload\n");
    let writes = api.writes();
    let kinds: Vec<&str> = writes
        .iter()
        .map(|line| line.split("/alice-w").next().unwrap())
        .map(|line| line.rsplit_once('/').unwrap().1)
        .collect();
    let verbs: Vec<&str> = writes
        .iter()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    let told: Vec<String> = verbs
        .iter()
        .zip(kinds)
        .map(|(verb, kind)| format!("{verb} {kind}"))
        .collect();
    assert_eq!(
        told,
        [
            "POST configmaps",
            "POST configmaps",
            // It would choose the number of pods again.
            "DELETE horizontalpodautoscalers",
            "PUT deployments",
            "PATCH services",
            "DELETE poddisruptionbudgets",
        ]
    );
    let requests = api.requests();
    let write = |method: &str| {
        requests
            .iter()
            .find(|r| r.is_write() && r.method == method)
            .unwrap()
    };
    let uid = store.object("deployments/alice-w")["metadata"]["uid"].clone();
    // Nothing can be left that nobody collects.
    for post in requests
        .iter()
        .filter(|r| r.is_write() && r.method == "POST")
    {
        assert_eq!(post.body["metadata"]["ownerReferences"][0]["uid"], uid);
    }
    // Every write is on a condition.
    let as_read =
        |metadata: &Value| metadata["resourceVersion"].is_string() && metadata["uid"].is_string();
    assert!(as_read(&write("PUT").body["metadata"]));
    assert!(as_read(&write("PATCH").body["metadata"]));
    assert!(as_read(&write("DELETE").body["preconditions"]));
    assert_eq!(
        write("PUT").query,
        "fieldManager=kaiwo&fieldValidation=Strict"
    );
    // It was rehearsed before any of that.
    let is_rehearsal = |r: &Request| r.is_dry_run() && r.method == "PUT";
    let first_write = requests.iter().position(Request::is_write);
    assert!(requests.iter().position(is_rehearsal) < first_write);
}

/// A webhook that refuses the change for good: nothing of it is left, and what was
/// served is served.
#[test]
fn a_change_that_is_refused_leaves_everything_as_it_was() {
    let store = served(&[&V1]);
    let before = store.essence();
    let refusing =
        |request: &Request| puts(request).then_some(Answer::Refuse(403, "denied by a webhook"));
    let _ = serving(&store, refusing)
        .sandbox
        .kaiwo(&OTHER)
        .exits(3)
        .says("error: cannot change deployment/alice-w\n")
        .says("note: restored: horizontalpodautoscaler/alice-w\n")
        .says("note: nothing of this submission is left\n");
    assert_eq!(store.essence(), before);
    let api = serving(&store, |_| None);
    let diff = api.sandbox.kaiwo(&[&V1[..], &["--diff"]].concat()).exits(0);
    assert_eq!(diff.stdout, "");
    let _ = api.sandbox.kaiwo(&V1).exits(0).says(" unchanged\n");
    assert_eq!(api.writes(), [] as [&str; 0]);
}

#[test]
fn a_rehearsal_that_is_refused_sends_nothing() {
    let store = served(&[&V1]);
    let refusing = |request: &Request| {
        let dry = request.method == "PUT" && request.is_dry_run();
        dry.then_some(Answer::Refuse(403, "denied by a webhook"))
    };
    let api = serving(&store, refusing);
    let _ = api
        .sandbox
        .kaiwo(&V2)
        .exits(3)
        .says("error: the cluster rejects deployment/alice-w\n");
    assert_eq!(api.writes(), [] as [&str; 0]);
}

#[test]
fn what_comes_after_the_pods_is_told_and_gone_on_with() {
    let store = served(&[&V1]);
    let finished = store.copy();
    let _ = serving(&finished, |_| None).sandbox.kaiwo(&V2).exits(0);
    let api = serving(&store, |request| {
        is(request, "DELETE", "/poddisruptionbudgets/alice-w")
            .then_some(Answer::Refuse(503, "away"))
    });
    let _ = api
        .sandbox
        .kaiwo(&V2)
        .exits(7)
        .says("note: deployment/alice-w was changed\n")
        .says("note: horizontalpodautoscaler/alice-w was removed, service/alice-w was changed, poddisruptionbudget/alice-w may have been removed; run the same command again to continue\n");
    let api = serving(&store, |_| None);
    let _ = api
        .sandbox
        .kaiwo(&V2)
        .exits(0)
        .says("poddisruptionbudget/alice-w: removed\n")
        .says("deployment/alice-w updated\n");
    assert_eq!(store.essence(), finished.essence());
}

#[test]
fn a_lost_reply_about_the_service_is_no_loss() {
    let store = served(&[&V1]);
    let (kept, mut lost) = (store.clone(), false);
    let api = serving(&store, move |request| {
        let is_it = is(request, "PATCH", "/services/alice-w") && request.is_write();
        (is_it && !std::mem::replace(&mut lost, true)).then(|| {
            let _ = kept.answer(request);
            Answer::Close
        })
    });
    let _ = api.sandbox.kaiwo(&V2).exits(0).says(" updated, ");
    // For good, it is told as what nobody knows.
    let store = served(&[&V1]);
    let api = serving(&store, |request| {
        (is(request, "PATCH", "/services/alice-w") && request.is_write()).then_some(Answer::Close)
    });
    let outcome = api
        .sandbox
        .kaiwo(&V2)
        .exits(7)
        .says("service/alice-w may have been changed");
    assert!(
        !outcome.stderr.contains("nothing of this submission"),
        "{outcome:?}"
    );
}

#[test]
fn what_may_not_be_removed_is_warned_of() {
    let store = served(&[&V1]);
    let api = serving(&store, |request| {
        is(request, "DELETE", "/poddisruptionbudgets/alice-w").then_some(Answer::Refuse(403, "no"))
    });
    let _ = api
        .sandbox
        .kaiwo(&V2)
        .exits(0)
        .says("warning: cannot remove poddisruptionbudget/alice-w, which this version does not need: no; remove it with: kubectl -n kaiwo delete poddisruptionbudget/alice-w\n")
        .says(" updated, ");
}

#[test]
fn somebody_who_was_faster_is_read_again() {
    let store = served(&[&V1]);
    let (kept, mut writes) = (store.clone(), 2);
    let api = serving(&store, move |request| {
        if puts(request) && writes > 0 {
            writes -= 1;
            // As its controller does.
            kept.edit(
                "deployments/alice-w",
                &json!({"status": {"replicas": writes}}),
            );
        }
        None
    });
    let _ = api.sandbox.kaiwo(&V2).exits(0).says("updated");

    // Not for ever; and then nothing is left.
    let store = served(&[&V1]);
    let before = store.essence();
    let api = serving(&store, |request| {
        puts(request).then_some(Answer::Refuse(409, "the object has been modified"))
    });
    let _ = api
        .sandbox
        .kaiwo(&V2)
        .exits(7)
        .says("cannot change deployment/alice-w")
        .says("note: nothing of this submission is left")
        .says("help: run the same command again in a moment\n");
    assert_eq!(api.requests().iter().filter(|r| puts(r)).count(), 5);
    assert_eq!(store.essence(), before);
}

/// Two people: whoever comes second changes nothing of what the first has served.
#[test]
fn whoever_loses_says_so_and_changes_nothing() {
    let store = served(&[&V1]);
    let other = store.copy();
    let _ = serving(&other, |_| None).sandbox.kaiwo(&V2).exits(0);
    let (kept, theirs) = (store.clone(), other.clone());
    let mut come = false;
    let api = serving(&store, move |request| {
        if puts(request) && !std::mem::replace(&mut come, true) {
            kept.become_(&theirs);
        }
        None
    });
    let third = [&V1[..3], &["-i", "registry/chat:3", "-g", "0"]].concat();
    let _ = api
        .sandbox
        .kaiwo(&third)
        .exits(5)
        .says("error: deployment/alice-w was changed by alice in the meantime\n")
        .says("help: check its current state: kaiwo status deployment/alice-w -n kaiwo\n");
    assert_eq!(store.essence(), other.essence());

    // After the PUT: another version is served before the rest is done.
    let store = served(&[&V1]);
    let other = store.copy();
    let _ = serving(&other, |_| None).sandbox.kaiwo(&V2).exits(0);
    let (kept, theirs) = (store.clone(), other.clone());
    let mut come = false;
    let api = serving(&store, move |request| {
        let is_it = is(request, "PATCH", "/services/alice-w") && request.is_write();
        if is_it && !std::mem::replace(&mut come, true) {
            kept.become_(&theirs);
        }
        None
    });
    let third = [&third[..], &["--port", "7070"]].concat();
    let _ = api
        .sandbox
        .kaiwo(&third)
        .exits(5)
        .says("was changed by alice in the meantime");
    assert_eq!(store.essence(), other.essence());
}

#[test]
fn one_that_goes_meanwhile_is_not_made_by_a_change() {
    for refusal in [
        Answer::Refuse(409, "the object has been modified"),
        Answer::Refuse(404, "not found"),
    ] {
        let store = served(&[&V1]);
        let kept = store.clone();
        let api = serving(&store, move |request| {
            puts(request).then(|| {
                kept.remove("deployments/alice-w");
                refusal.clone()
            })
        });
        let _ = api
            .sandbox
            .kaiwo(&V2)
            .exits(5)
            .says("deployment/alice-w was deleted before it could be changed")
            .says("run the same command again");
    }
}

#[test]
fn a_lost_reply_leaves_the_uploads_that_may_be_in_use() {
    let store = served(&[&V1]);
    let api = serving(&store, |request| puts(request).then_some(Answer::Close));
    let _ = api
        .sandbox
        .kaiwo(&OTHER)
        .exits(7)
        .says("error: cannot determine whether deployment/alice-w was changed\n")
        .says("help: check its current state: kaiwo status deployment/alice-w -n kaiwo\n");
    assert!(
        !api.writes()
            .iter()
            .any(|line| line.contains("DELETE /api/v1")),
        "{:?}",
        api.writes()
    );
    // One that was carried out is found.
    let store = served(&[&V1]);
    let (kept, mut lost) = (store.clone(), false);
    let api = serving(&store, move |request| {
        (puts(request) && !std::mem::replace(&mut lost, true)).then(|| {
            let _ = kept.answer(request);
            Answer::Close
        })
    });
    let _ = api.sandbox.kaiwo(&OTHER).exits(0).says(" updated, ");
}

#[test]
fn an_answer_about_something_else_is_none() {
    let store = served(&[&V1]);
    for (method, kind) in [
        ("PUT", "deployments"),
        ("PATCH", "services"),
        ("POST", "configmaps"),
    ] {
        let store = store.copy();
        let api = serving(&store, move |request| {
            let is_it =
                request.method == method && request.path.contains(kind) && request.is_write();
            is_it.then(|| Answer::Json(200, json!({"kind": "Gadget", "metadata": {"name": "x"}})))
        });
        let outcome = api.sandbox.kaiwo(&OTHER);
        assert_eq!(outcome.code, 1, "{method} {kind}: {outcome:?}");
        let _ = outcome.says("invalid answer to");
    }
}

#[test]
fn what_would_change_is_printed_and_not_changed() {
    let store = served(&[&V1]);
    let api = serving(&store, |_| None);
    let outcome = api
        .sandbox
        .kaiwo(&[&OTHER[..], &["--diff"]].concat())
        .exits(0);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert!(lines[0].starts_with("configmap/alice-w-"), "{lines:?}");
    assert!(lines[0].ends_with(": added"), "{lines:?}");
    for line in [
        "service/alice-w spec.ports[http].port: 8080 → 9090",
        "horizontalpodautoscaler/alice-w: removed",
        "deployment/alice-w spec.template.spec.containers[workload].image: registry/chat:1 → registry/chat:2",
    ] {
        assert!(lines.contains(&line), "{lines:?}");
    }
    assert_eq!(api.writes(), [] as [&str; 0]);
    let report = api
        .sandbox
        .kaiwo(&[&OTHER[..], &["--diff", "-o", "json"]].concat())
        .exits(0);
    is_golden("diff", &report);
    let _ = api
        .sandbox
        .kaiwo(&["serve", "-i", "x", "--diff", "-d"])
        .exits(2);
    let _ = api
        .serve(&["-i", "x", "--diff", "-o", "yaml"])
        .exits(2)
        .says("--diff prints lines, or JSON with -o json");

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

#[test]
fn a_rehearsal_of_a_change_prints_what_would_be_stored() {
    let store = served(&[&V1]);
    let api = serving(&store, |_| None);
    let outcome = api
        .sandbox
        .kaiwo(&[&OTHER[..], &["--dry-run=server"]].concat())
        .exits(0);
    let _ = outcome.says("accepted by the API server (dry run)");
    assert_eq!(api.writes(), [] as [&str; 0]);
}

#[test]
fn kaito_that_is_not_installed() {
    let api = MockApi::new(|_| None);
    let serve = [
        "serve",
        "-m",
        "phi-4",
        "--instance-type",
        "Standard_NC24ads_A100_v4",
    ];
    let _ = api
        .sandbox
        .kaiwo(&serve)
        .exits(3)
        .says("error: KAITO is not installed")
        .says("https://kaito-project.github.io/kaito/docs/installation");
    assert_eq!(api.writes(), [] as [&str; 0]);
}
