//! Runs that are killed at a request: the same command again goes on from there, and
//! the command before it goes back.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::server::{Answer, MockApi};
use super::store::Store;
use super::update::{OTHER, ROLLBACK, V1, V2, serving};
use crate::common::Outcome;

/// Of the requests, so many are tried unless `KAIWO_KILLS=all`.
const TRIED: usize = 12;

/// Runs a command to its end, and returns how many requests it sent.
fn run(store: &Store, command: &[&str]) -> (Outcome, usize) {
    let api = serving(store, |_| None);
    let outcome = api.sandbox.kaiwo(command);
    (outcome, api.requests().len())
}

/// Runs a command that is killed at its request of this number, before or after that
/// was carried out.
fn kill_at(store: &Store, command: &[&str], at: usize, after: bool) {
    let (store, asked) = (store.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = asked.clone();
    let api = MockApi::new(move |request| {
        let number = counted.load(Ordering::SeqCst) + 1;
        let answer = match number < at || number == at && after {
            true => store.answer(request),
            false => None,
        };
        // Only now may whoever waits for it know of it.
        counted.store(number, Ordering::SeqCst);
        match number < at {
            true => answer,
            false => Some(Answer::Hang),
        }
    });
    let mut child = api
        .sandbox
        .command(command)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while asked.load(Ordering::SeqCst) < at && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    // What was sent beside it arrives or does not: both happen.
    std::thread::sleep(Duration::from_millis(2));
    let _ = child.kill();
    let _ = child.wait();
}

/// Kills a command at its requests, and has `check` look at what then becomes of it.
fn at_each_request(store: &Store, command: &[&str], check: impl Fn(&Store, &str) + Sync) {
    let (outcome, requests) = run(&store.copy(), command);
    let _ = outcome.exits(0);
    assert!(requests > 5, "{requests}");
    let all = std::env::var("KAIWO_KILLS").is_ok_and(|kills| kills == "all");
    // From the end, where the writes are.
    let step = if all {
        1
    } else {
        (2 * requests).div_ceil(TRIED)
    };
    let points = (1..=requests).flat_map(|at| [(at, false), (at, true)]);
    let points: Vec<(usize, bool)> = points.rev().step_by(step).collect();
    for some in points.chunks(4) {
        std::thread::scope(|scope| {
            for (at, after) in some {
                let check = &check;
                scope.spawn(move || {
                    let store = store.copy();
                    kill_at(&store, command, *at, *after);
                    check(
                        &store,
                        &format!("killed at {at} of {requests}, after it: {after}"),
                    );
                });
            }
        });
    }
}

/// What people see of a service: not which versions it had.
fn service(store: &Store) -> Vec<(String, Value)> {
    let all = store.essence().into_iter();
    let all = all.filter(|(path, _)| !path.contains("/configmaps/"));
    all.map(|(path, mut object)| {
        let annotations = object["metadata"]["annotations"].as_object_mut().unwrap();
        annotations.remove("kaiwo-cli/versions");
        annotations.remove("kaiwo-cli/previous");
        (path, object)
    })
    .collect()
}

/// Checks that all of it would go with the workload.
fn nothing_is_ownerless(store: &Store, told: &str) {
    let workload = store.object("deployments/alice-w");
    for name in store.names() {
        if !name.starts_with("deployments/") {
            let owner = &store.object(&name)["metadata"]["ownerReferences"][0]["uid"];
            assert_eq!(*owner, workload["metadata"]["uid"], "{name}: {told}");
        }
    }
}

fn prepared(commands: &[&[&str]]) -> Store {
    let store = Store::default();
    for command in commands {
        let _ = run(&store, command).0.exits(0);
    }
    store
}

/// The same command again ends where one would have that was never killed; the
/// `previous` one, where that has ended before.
fn goes_on_or_back(store: &Store, command: &[&str], previous: &[&str]) {
    let finished = store.copy();
    let _ = run(&finished, command).0.exits(0);
    let before = service(store);
    at_each_request(store, command, |left, told| {
        let on = left.copy();
        let (outcome, _) = run(&on, command);
        assert_eq!(outcome.code, 0, "{told}: {outcome:?}");
        nothing_is_ownerless(&on, told);
        assert_eq!(on.essence(), finished.essence(), "{told}: {outcome:?}");
        let (outcome, _) = run(left, previous);
        assert_eq!(outcome.code, 0, "{told}: {outcome:?}");
        nothing_is_ownerless(left, told);
        assert_eq!(service(left), before, "{told}: {outcome:?}");
        let (outcome, _) = run(left, &[previous, &["--diff"]].concat());
        assert!(outcome.stdout.is_empty(), "{told}: {outcome:?}");
    });
}

#[test]
fn serving_again_goes_on_or_back() {
    goes_on_or_back(&prepared(&[&V1]), &OTHER, &V1);
}

#[test]
fn serving_an_older_version_again_goes_on_or_back() {
    goes_on_or_back(&prepared(&[&V2, &V1]), &V2, &V1);
}

#[test]
fn a_rollback_goes_on_or_back() {
    goes_on_or_back(&prepared(&[&V1, &V2]), &ROLLBACK, &V2);
    goes_on_or_back(&prepared(&[&V2, &V1]), &ROLLBACK, &V1);
}

#[test]
fn a_repair_goes_on() {
    let store = prepared(&[&V1]);
    let finished = store.copy();
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "workload", "image": "x"}]}}}});
    store.edit("deployments/alice-w", &image);
    store.remove("horizontalpodautoscalers/alice-w");
    at_each_request(&store, &V1, |left, told| {
        let (outcome, _) = run(left, &V1);
        assert_eq!(outcome.code, 0, "{told}: {outcome:?}");
        assert_eq!(service(left), service(&finished), "{told}: {outcome:?}");
        nothing_is_ownerless(left, told);
    });
}

#[test]
fn serving_for_the_first_time_goes_on() {
    let store = Store::default();
    let finished = store.copy();
    let _ = run(&finished, &V1).0.exits(0);
    at_each_request(&store, &V1, |left, told| {
        let (outcome, _) = run(left, &V1);
        assert_eq!(outcome.code, 0, "{told}: {outcome:?}");
        assert_eq!(left.essence(), finished.essence(), "{told}: {outcome:?}");
        nothing_is_ownerless(left, told);
    });
}

#[test]
fn a_deletion_goes_on() {
    at_each_request(
        &prepared(&[&V1, &V2]),
        &["delete", "alice-w", "-y"],
        |left, told| {
            let (outcome, _) = run(left, &["delete", "alice-w", "-y", "--ignore-not-found"]);
            assert_eq!(outcome.code, 0, "{told}: {outcome:?}");
            assert_eq!(left.names(), [] as [&str; 0], "{told}: {outcome:?}");
        },
    );
}
