//! Services that are changed by runs that are killed, and by several people at once.

use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::cluster::Testbed;
use super::fault_proxy::FaultProxy;
use crate::common::Outcome;

const USER: &str = "alice";
/// Rounds of two people, unless `KAIWO_TESTBED_ROUNDS` says more.
const ROUNDS: usize = 3;
/// Requests at which a run is killed, unless `KAIWO_TESTBED_KILLS=all`.
const KILLS: usize = 6;

const V1: [&str; 13] = [
    "serve",
    "-i",
    "registry/chat:1",
    "-g",
    "0",
    "--name",
    "w",
    "--port",
    "8080",
    "--autoscale=1-2",
    "--target-cpu=70",
    "--min-available",
    "1",
];
const V2: [&str; 9] = [
    "serve",
    "-i",
    "registry/chat:2",
    "-g",
    "0",
    "--name",
    "w",
    "--port",
    "9090",
];
const V3: [&str; 11] = [
    "serve",
    "-i",
    "registry/chat:3",
    "-g",
    "0",
    "--name",
    "w",
    "--port",
    "7070",
    "--min-available",
    "1",
];
const KINDS: [&str; 5] = [
    "Deployment",
    "Service",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "ConfigMap",
];

fn kaiwo(testbed: &Testbed, command: &[&str]) -> Outcome {
    testbed
        .sandbox
        .kaiwo(&[command, &["-n", &testbed.name]].concat())
}

/// What is served: image, port, and what goes with it.
#[derive(Debug, PartialEq)]
struct Served(Option<Value>, Option<Value>, bool, bool);

fn served(testbed: &Testbed) -> Served {
    let at = |kind: &str, place: &str| testbed.find(kind, "w")?.pointer(place).cloned();
    Served(
        at("Deployment", "/spec/template/spec/containers/0/image"),
        at("Service", "/spec/ports/0/port"),
        testbed.find("HorizontalPodAutoscaler", "w").is_some(),
        testbed.find("PodDisruptionBudget", "w").is_some(),
    )
}

fn version(number: u32) -> Served {
    let image = Some(json!(format!("registry/chat:{number}")));
    match number {
        1 => Served(image, Some(json!(8080)), true, true),
        2 => Served(image, Some(json!(9090)), false, false),
        _ => Served(image, Some(json!(7070)), false, true),
    }
}

/// Checks that all of it would go with the Deployment.
fn nothing_is_ownerless(testbed: &Testbed) {
    let uid = testbed.find("Deployment", "w").unwrap()["metadata"]["uid"].clone();
    for kind in &KINDS[1..] {
        for object in testbed.list(kind) {
            if object["metadata"]["name"] != "kube-root-ca.crt" {
                let owner = &object["metadata"]["ownerReferences"][0]["uid"];
                assert_eq!(*owner, uid, "{kind} {}", object["metadata"]["name"]);
            }
        }
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_is_killed_goes_on_or_back() {
    let testbed = Testbed::new("killed");
    testbed.namespace();
    testbed.grant(USER, "ClusterRole", "edit");
    let back = ["serve", "--rollback", "w"];
    let delete = ["delete", "w", "-y", "--ignore-not-found"];
    let all = std::env::var("KAIWO_TESTBED_KILLS").is_ok_and(|kills| kills == "all");
    // Of each: what is there before, what is killed, what that would be, and the way
    // back with what that is.
    type Words<'a> = &'a [&'a str];
    let rows: [(&[Words<'_>], Words<'_>, u32, Words<'_>, u32); 2] =
        [(&[&V1], &V2, 2, &V1, 1), (&[&V1, &V2], &back, 1, &V2, 2)];
    for (before, command, after, previous, earlier) in rows {
        let mut number = usize::MAX;
        let mut step = 1;
        loop {
            for command in before {
                let _ = kaiwo(&testbed, command).exits(0);
            }
            let carried_out = number.is_multiple_of(2);
            let proxy = FaultProxy::stopping_at(number.min(1000), carried_out);
            let kubeconfig = proxy.kubeconfig(&testbed);
            let common = ["-n", &testbed.name, "--kubeconfig", &kubeconfig];
            let mut run = testbed.sandbox.command(&[command, &common].concat());
            let run = run.stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = run.spawn().unwrap();
            testbed.wait("the run to end, or to be stopped", || {
                (proxy.is_stopped() || child.try_wait().unwrap().is_some()).then_some(())
            });
            let _ = child.kill();
            let _ = child.wait();
            if number == usize::MAX {
                // The first has shown how many there are.
                number = proxy.requests();
                step = if all { 1 } else { number.div_ceil(KILLS) };
            } else {
                let on = number.is_multiple_of(3);
                let (next, expected) = if on {
                    (previous, earlier)
                } else {
                    (command, after)
                };
                let outcome = kaiwo(&testbed, next).exits(0);
                assert_eq!(
                    served(&testbed),
                    version(expected),
                    "at {number}: {outcome:?}"
                );
                nothing_is_ownerless(&testbed);
            }
            let _ = kaiwo(&testbed, &delete).exits(0);
            testbed.wait("all of it to go", || {
                let left = KINDS.iter().flat_map(|kind| testbed.list(kind));
                let mut left = left.filter(|it| it["metadata"]["name"] != "kube-root-ca.crt");
                left.next().is_none().then_some(())
            });
            if number <= step {
                break;
            }
            number -= step;
        }
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn of_two_people_one_wins() {
    let testbed = Testbed::new("two");
    testbed.namespace();
    let rounds = std::env::var("KAIWO_TESTBED_ROUNDS");
    let rounds = rounds.map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    for round in 0..rounds {
        let _ = kaiwo(&testbed, &V1).exits(0);
        let lost = AtomicUsize::new(0);
        let won = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for (number, command) in [&V2[..], &V3].into_iter().enumerate() {
                let (testbed, lost, won) = (&testbed, &lost, &won);
                scope.spawn(move || {
                    let pause = 20 * u64::try_from((round + number) % 5).unwrap();
                    std::thread::sleep(Duration::from_millis(pause));
                    let arguments = [command, &["-n", &testbed.name]].concat();
                    let output = testbed.sandbox.command(&arguments).output().unwrap();
                    let outcome = Outcome::of(output);
                    match outcome.code {
                        0 => won.fetch_add(1, Ordering::SeqCst),
                        5 => {
                            let _ = outcome.says("was changed by alice in the meantime");
                            lost.fetch_add(1, Ordering::SeqCst)
                        }
                        _ => panic!("{outcome:?}"),
                    };
                });
            }
        });
        let (won, lost) = (won.into_inner(), lost.into_inner());
        assert!(won >= 1 && won + lost == 2, "{won} won, {lost} lost");
        let now = served(&testbed);
        assert!(
            now == version(2) || now == version(3),
            "round {round}: {now:?}"
        );
        nothing_is_ownerless(&testbed);
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn drift_is_seen_and_put_right() {
    let testbed = Testbed::new("drift");
    testbed.namespace();
    let _ = kaiwo(&testbed, &V2).exits(0);
    let _ = kaiwo(&testbed, &V2).exits(0).says("deployment/w unchanged");
    testbed.merge("Deployment", "w", &json!({"spec": {"replicas": 0}}));
    testbed.merge(
        "Service",
        "w",
        &json!({"spec": {"ports": [{"name": "http", "port": 1, "targetPort": "http"}]}}),
    );
    let diff = kaiwo(&testbed, &[&V2[..], &["--diff"]].concat()).exits(0);
    assert_eq!(
        diff.stdout,
        "service/w spec.ports[http].port: 1 → 9090\ndeployment/w spec.replicas: 0 → 1\n"
    );
    let _ = kaiwo(&testbed, &V2).exits(0).says("deployment/w updated");
    assert_eq!(served(&testbed), version(2));
    let _ = kaiwo(&testbed, &V2).exits(0).says("deployment/w unchanged");
    // A Job, whose pods nobody can change.
    let _ = kaiwo(&testbed, &V1).exits(0).says("updated");
    let _ = kaiwo(&testbed, &V1).exits(0).says("unchanged");
}
