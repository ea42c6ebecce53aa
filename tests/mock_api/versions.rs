//! The versions of a service: which are kept, and what returns to them.

use serde_json::{Value, json};

use super::hostile::raw;
use super::json::is_golden;
use super::server::{Answer, MockApi};
use super::trouble::is;
use super::update::{OTHER, ROLLBACK, V1, V2, served, serving};

fn image(store: &super::store::Store) -> Value {
    store.object("deployments/alice-w")["spec"]["template"]["spec"]["containers"][0]["image"]
        .clone()
}

#[test]
fn a_rollback_writes_the_version_that_was_kept() {
    let store = served(&[&V1]);
    let first = store.essence();
    let store = served(&[&V1, &OTHER]);
    let api = serving(&store, |_| None);
    let diff = api
        .sandbox
        .kaiwo(&[&ROLLBACK[..], &["--diff"]].concat())
        .exits(0);
    assert!(
        diff.stdout.contains("registry/chat:2 → registry/chat:1\n"),
        "{}",
        diff.stdout
    );
    assert_eq!(api.writes(), [] as [&str; 0]);
    let report = api
        .sandbox
        .kaiwo(&[&ROLLBACK[..], &["-o", "json"]].concat())
        .exits(0)
        .says("deployment/alice-w rolled back to version 0707787550\n")
        .says("  to roll back again: kaiwo serve --rollback deployment/alice-w --to ");
    is_golden("rollback", &report);
    let now = store.essence();
    for (path, before) in first {
        let mut now = now[&path].clone();
        if path.ends_with("/deployments/alice-w") {
            let mut before = before;
            for object in [&mut now, &mut before] {
                let annotations = object["metadata"]["annotations"].as_object_mut().unwrap();
                annotations.remove("kaiwo-cli/versions");
                annotations.remove("kaiwo-cli/previous");
            }
            // The autoscaler's, which is there again, to change.
            now["spec"].as_object_mut().unwrap().remove("replicas");
            assert_eq!(now, before);
        } else {
            assert_eq!(now, before, "{path}");
        }
    }
}

/// A step of CI that is tried again must not undo what it has done.
#[test]
fn a_rollback_is_done_once() {
    let store = served(&[&V1, &V2]);
    let api = serving(&store, |_| None);
    let _ = api.sandbox.kaiwo(&ROLLBACK).exits(0);
    let again = api
        .sandbox
        .kaiwo(&ROLLBACK)
        .exits(0)
        .says("deployment/alice-w is at version 0707787550: it was rolled back from 1b7e28c035\n")
        .says(
            "  to undo the rollback: kaiwo serve --rollback deployment/alice-w --to 1b7e28c035 -n kaiwo\n",
        );
    assert!(!again.stderr.contains("rolled back to"), "{again:?}");
    assert_eq!(image(&store), "registry/chat:1");
    // What was changed since is undone.
    store.remove("services/alice-w");
    let _ = api
        .sandbox
        .kaiwo(&ROLLBACK)
        .exits(0)
        .says("service/alice-w: added\n");
    assert!(!store.object("services/alice-w").is_null());
    let forward = ["serve", "--rollback", "alice-w", "--to", "1b7e"];
    for _ in 0..2 {
        let _ = api.sandbox.kaiwo(&forward).exits(0);
        assert_eq!(image(&store), "registry/chat:2");
        assert!(store.object("horizontalpodautoscalers/alice-w").is_null());
    }
}

#[test]
fn the_status_of_a_service_lists_its_versions() {
    let store = served(&[&V1, &V2]);
    let made = json!({"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}});
    store.edit("configmaps/alice-w-0707787550", &made);
    let api = serving(&store, |_| None);
    let status = api.sandbox.kaiwo(&["status", "alice-w"]).exits(0);
    let lines = [
        "  VERSION     SERVED  IMAGE",
        "  0707787550  no      registry/chat:1",
        "  1b7e28c035  yes     registry/chat:2",
    ];
    assert!(
        lines.iter().all(|line| status.stdout.contains(line)),
        "{}",
        status.stdout
    );
    let report = api
        .sandbox
        .kaiwo(&["status", "alice-w", "-o", "json"])
        .exits(0);
    is_golden("status_versions", &report);
}

#[test]
fn five_versions_are_kept_with_what_they_need() {
    let store = served(&[&V1]);
    let api = serving(&store, |_| None);
    for number in 2..8 {
        let image = format!("registry/chat:{number}");
        api.sandbox
            .write("w/train.py", format!("print({number})\n"));
        let serve = ["serve", "-p", "w", "-i", &image, "-g", "0"];
        let _ = api.sandbox.kaiwo(&serve).exits(0).says(" updated");
    }
    let maps = store
        .names()
        .iter()
        .filter(|name| name.starts_with("configmaps/"))
        .count();
    assert_eq!(maps, 2 * 5, "{:?}", store.names());
    let status = api
        .sandbox
        .kaiwo(&["status", "alice-w", "-o", "json"])
        .exits(0);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    let versions = status["versions"].as_array().unwrap();
    let images: Vec<&Value> = versions.iter().map(|it| &it["images"][0]).collect();
    assert_eq!(
        images,
        [
            "registry/chat:3",
            "registry/chat:4",
            "registry/chat:5",
            "registry/chat:6",
            "registry/chat:7"
        ]
    );
    let present: Vec<&Value> = versions.iter().map(|it| &it["present"]).collect();
    assert_eq!(present, [false, false, false, false, true]);
    let oldest = versions[0]["version"].as_str().unwrap();
    let back = ["serve", "--rollback", "alice-w", "--to", oldest];
    let _ = api.sandbox.kaiwo(&back).exits(0);
    assert_eq!(image(&store), "registry/chat:3");
    assert_eq!(
        maps,
        store
            .names()
            .iter()
            .filter(|name| name.starts_with("configmaps/"))
            .count()
    );
}

#[test]
fn a_rollback_removes_what_the_version_before_had_not() {
    let plain = ["serve", "-p", "w", "-i", "registry/chat:1", "-g", "0"];
    let store = served(&[&plain, &[&plain[..], &["--min-available", "1"]].concat()]);
    assert!(!store.object("poddisruptionbudgets/alice-w").is_null());
    let api = serving(&store, |_| None);
    let words = [&ROLLBACK[..], &["-o", "json"]].concat();
    is_golden("rollback_removed", &api.sandbox.kaiwo(&words).exits(0));
    assert!(store.object("poddisruptionbudgets/alice-w").is_null());
}

#[test]
fn what_cannot_be_rolled_back() {
    let store = served(&[&V1, &OTHER]);
    let api = serving(&store, |_| None);
    let unknown = ["serve", "--rollback", "alice-w", "--to", "zzz"];
    let _ = api
        .sandbox
        .kaiwo(&unknown)
        .exits(3)
        .says("error: deployment/alice-w has no version \"zzz\"; it has 0707787550, ")
        .says("help: list its versions: kaiwo status deployment/alice-w -n kaiwo\n");
    let _ = api
        .sandbox
        .kaiwo(&["serve", "-i", "x", "--to", "1"])
        .exits(2);
    // Its files are gone, or its record.
    let upload = "configmaps/alice-w-b8ad817ab3";
    assert!(
        store.names().contains(&upload.to_owned()),
        "{:?}",
        store.names()
    );
    store.remove(upload);
    let _ = api
        .sandbox
        .kaiwo(&ROLLBACK)
        .exits(3)
        .says("version 0707787550 of deployment/alice-w no longer exists: configmap/alice-w-b8ad817ab3 was deleted\n");
    store.remove("configmaps/alice-w-0707787550");
    let _ = api
        .sandbox
        .kaiwo(&ROLLBACK)
        .exits(3)
        .says("configmap/alice-w-0707787550 was deleted\n");
    assert_eq!(api.writes(), [] as [&str; 0]);
    let only = serving(&served(&[&V1]), |_| None);
    let _ = only
        .sandbox
        .kaiwo(&ROLLBACK)
        .exits(3)
        .says("deployment/alice-w has no previous version");

    let none = MockApi::new(|_| None);
    let _ = none
        .sandbox
        .kaiwo(&ROLLBACK)
        .exits(3)
        .says("workload alice-w does not exist in namespace kaiwo");
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
        .says("--rollback does not support --dry-run");
}

#[test]
fn what_is_warned_of_at_a_rollback_is_told() {
    let store = served(&[&V1, &OTHER]);
    for (name, more) in [
        ("diff_warnings", &["--diff"][..]),
        ("rollback_warnings", &[]),
    ] {
        let answers = store.clone();
        let api = serving(&store, move |request| match request.method.as_str() {
            "PUT" => {
                let Some(Answer::Json(code, body)) = answers.answer(request) else {
                    return None;
                };
                let warning = "warning: 299 - \"would violate PodSecurity\"";
                Some(raw(code, &[warning], &body.to_string()))
            }
            _ => None,
        });
        let words = [&ROLLBACK[..], &["-o", "json"], more].concat();
        is_golden(name, &api.sandbox.kaiwo(&words).exits(0));
    }
}
