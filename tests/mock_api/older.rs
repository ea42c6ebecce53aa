//! What 0.1.0 has made is recognised, listed, rolled back, changed and deleted.
//! `fixtures` holds the objects as it made them.

use serde_json::{Value, json};

use super::store::Store;
use super::update::{V1, V2, serving};

/// A Deployment of `registry/chat:1`, with all that can go with it.
const SERVED: &str = include_str!("fixtures/0.1.0-served.json");
/// The same after `registry/chat:2` was served in its place, with the record of the
/// version before.
const CHANGED: &str = include_str!("fixtures/0.1.0-changed.json");
/// A Job with an upload.
const JOB: &str = include_str!("fixtures/0.1.0-job.json");

fn cluster(objects: &str) -> Store {
    let store = Store::default();
    let objects: Value = serde_json::from_str(objects).unwrap();
    for (path, object) in objects.as_object().unwrap() {
        let (collection, _) = path.rsplit_once('/').unwrap();
        store.put(collection, object.clone());
    }
    store
}

fn image(store: &Store) -> Value {
    let deployment = store.object("deployments/alice-w");
    deployment["spec"]["template"]["spec"]["containers"][0]["image"].clone()
}

#[test]
fn what_0_1_0_served_is_the_same() {
    for (objects, command) in [
        (SERVED, &V1[..]),
        (CHANGED, &V2),
        (JOB, &["submit", "-p", "w", "-g", "8"]),
    ] {
        let store = cluster(objects);
        let api = serving(&store, |_| None);
        let _ = api.sandbox.kaiwo(command).exits(0).says(" unchanged\n");
        assert_eq!(api.writes(), [] as [&str; 0]);
    }
}

#[test]
fn what_0_1_0_served_is_listed_and_deleted() {
    for (objects, name) in [
        (SERVED, "deployment/alice-w"),
        (CHANGED, "deployment/alice-w"),
        (JOB, "job/alice-w"),
    ] {
        let store = cluster(objects);
        let api = serving(&store, |_| None);
        let listed = api.sandbox.kaiwo(&["list", "-o", "name"]).exits(0);
        assert!(listed.stdout.contains("alice-w\n"), "{listed:?}");
        let _ = api.sandbox.kaiwo(&["status", name]).exits(0);
        let _ = api.sandbox.kaiwo(&["delete", "alice-w", "-y"]).exits(0);
        assert_eq!(store.names(), [] as [&str; 0]);
    }
}

#[test]
fn records_that_nothing_owns_are_deleted_by_the_workloads_name() {
    let store = cluster(CHANGED);
    store.remove("deployments/alice-w");
    store.remove("services/alice-w");
    for name in store.names() {
        store.edit(&name, &json!({"metadata": {"ownerReferences": null}}));
    }
    assert_eq!(store.names().len(), 2);
    let api = serving(&store, |_| None);
    let _ = api.sandbox.kaiwo(&["delete", "alice-w", "-y"]).exits(0);
    assert_eq!(store.names(), [] as [&str; 0]);
}

#[test]
fn a_version_of_0_1_0_is_returned_to_and_a_second_time_finds_it_done() {
    let store = cluster(CHANGED);
    let api = serving(&store, |_| None);
    let back = ["serve", "--rollback", "alice-w"];
    let status = api.sandbox.kaiwo(&["status", "alice-w"]).exits(0);
    assert!(
        status.stdout.contains("5aef4ce380  no"),
        "{}",
        status.stdout
    );
    let _ = api
        .sandbox
        .kaiwo(&back)
        .exits(0)
        .says("rolled back to version 5aef4ce380\n");
    for _ in 0..2 {
        assert_eq!(image(&store), "registry/chat:1");
        assert_eq!(
            store.object("services/alice-w")["spec"]["ports"][0]["port"],
            8080
        );
        assert!(!store.object("horizontalpodautoscalers/alice-w").is_null());
        let _ = api
            .sandbox
            .kaiwo(&back)
            .exits(0)
            .says("it was rolled back from");
    }
    // Forward again, and serving it is no change.
    let _ = api.sandbox.kaiwo(&V1).exits(0).says(" unchanged\n");
    let _ = api.sandbox.kaiwo(&V2).exits(0).says(" updated, ");
    assert_eq!(image(&store), "registry/chat:2");
    let _ = api
        .sandbox
        .kaiwo(&back)
        .exits(0)
        .says("rolled back to version 0707787550\n");
    assert_eq!(image(&store), "registry/chat:1");
}

/// 0.1.0 recorded no version that is served, so it is done before anything changes.
#[test]
fn the_version_of_0_1_0_is_recorded_before_it_is_changed() {
    let store = cluster(SERVED);
    let api = serving(&store, |_| None);
    let _ = api.sandbox.kaiwo(&V2).exits(0).says(" updated, ");
    let back = ["serve", "--rollback", "alice-w"];
    let _ = api
        .sandbox
        .kaiwo(&back)
        .exits(0)
        .says("rolled back to version 0707787550\n");
    assert_eq!(image(&store), "registry/chat:1");
    for kept in [
        "horizontalpodautoscalers",
        "poddisruptionbudgets",
        "services",
    ] {
        let object = store.object(&format!("{kept}/alice-w"));
        assert!(!object.is_null(), "{kept}");
    }
    assert_eq!(
        store.object("services/alice-w")["spec"]["ports"][0]["port"],
        8080
    );
}
