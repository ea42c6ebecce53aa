//! What a connection that breaks does to commands that change something.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use super::cluster::{Flavor, Testbed};
use super::fault_proxy::FaultProxy;
use super::objects::{example, uploads};
use crate::common::Outcome;
use crate::common::relay::Relay;

/// Whoever comes through the proxy.
const USER: &str = "alice";

/// Returns a testbed with a namespace, and a LocalQueue of its name.
fn queued(name: &str) -> Testbed {
    let testbed = Testbed::with_queue(name, Flavor::Amd, 32);
    testbed.namespace();
    testbed.local_queue(&testbed.name, &testbed.name, json!({}));
    testbed
}

/// Lets the proxy's user submit and serve.
fn permit(testbed: &Testbed) {
    for role in ["kueue-batch-user-role", "edit"] {
        testbed.grant(USER, "ClusterRole", role);
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn each_answer_may_be_lost_once() {
    let testbed = queued("lost");
    permit(&testbed);
    let path = example("hello");
    let through = |arguments: &[&str]| -> Outcome {
        let proxy = FaultProxy::losing_answers();
        let kubeconfig = proxy.kubeconfig(&testbed);
        let common = ["--kubeconfig", &kubeconfig, "-n", &testbed.name];
        let outcome = testbed.sandbox.kaiwo(&[arguments, &common].concat());
        assert!(proxy.cuts() > 2, "{} cuts", proxy.cuts());
        outcome
    };
    let submit = [
        "submit",
        "-p",
        &path,
        "-g",
        "1",
        "--name",
        "lost",
        "-q",
        &testbed.name,
    ];
    let _ = through(&submit)
        .exits(0)
        .says("job/lost created, with 1 upload");
    let job = testbed.find("Job", "lost").unwrap();
    let upload = testbed.find("ConfigMap", &uploads(&testbed)[0]).unwrap();
    assert_eq!(
        upload["metadata"]["ownerReferences"][0]["uid"],
        job["metadata"]["uid"]
    );
    let _ = through(&submit).exits(0).says("job/lost unchanged");
    let _ = through(&["wait", "lost"]).exits(0);
    let _ = through(&["status", "lost"]).exits(0);
    let _ = through(&["delete", "lost", "-y"])
        .exits(0)
        .says("job/lost deleted");
    assert_eq!(testbed.find("Job", "lost"), None);
    testbed.wait("the upload to go", || {
        uploads(&testbed).is_empty().then_some(())
    });

    let serve = |image: &str| {
        through(&[
            "serve", "-i", image, "-g", "0", "--name", "lost", "--port", "8000",
        ])
    };
    let _ = serve("registry/chat:1")
        .exits(0)
        .says("deployment/lost created");
    let _ = serve("registry/chat:2")
        .exits(0)
        .says("deployment/lost updated");
    let deployment = testbed.find("Deployment", "lost").unwrap();
    let image = deployment.pointer("/spec/template/spec/containers/0/image");
    assert_eq!(image, Some(&json!("registry/chat:2")));
    let _ = through(&["delete", "lost", "-y"]).exits(0);
}

/// Submissions of the test below, unless `KAIWO_TESTBED_SUBMISSIONS` says more.
const SUBMISSIONS: usize = 48;
/// Runs at once.
const AT_ONCE: usize = 64;
/// How often the API server goes away meanwhile, and for how long.
const OUTAGES: usize = 6;
const OUTAGE: Duration = Duration::from_millis(800);

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn many_runs_survive_a_server_that_goes_away() {
    let testbed = queued("away");
    let submissions = std::env::var("KAIWO_TESTBED_SUBMISSIONS");
    let submissions = submissions.map_or(SUBMISSIONS, |text| text.parse().unwrap());

    let kubeconfig = std::fs::read_to_string(std::env::var("KUBECONFIG").unwrap()).unwrap();
    let (_, rest) = kubeconfig.split_once("\"https://").unwrap();
    let server = rest.split('"').next().unwrap();
    let relay = Relay::to(server.parse().unwrap());
    let led = kubeconfig.replace(server, &relay.address().to_string());
    let led = testbed.sandbox.write("led.kubeconfig", led);
    let led = led.to_str().unwrap();

    let path = example("hello");
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let submit = || {
        loop {
            let number = next.fetch_add(1, Ordering::SeqCst);
            if number >= submissions {
                return;
            }
            let name = format!("away-{number}");
            let arguments = [
                "submit",
                "-p",
                &path,
                "-g",
                "1",
                "--name",
                &name,
                "-q",
                &testbed.name,
                "-n",
                &testbed.name,
                "--kubeconfig",
                led,
            ];
            let outcome = Outcome::of(testbed.sandbox.command(&arguments).output().unwrap());
            let _ = outcome.exits(0).says(" created, with 1 upload");
            done.fetch_add(1, Ordering::SeqCst);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(submissions) {
            scope.spawn(submit);
        }
        // Spread over the whole of it.
        for outage in 0..OUTAGES {
            let begun = outage * submissions / OUTAGES;
            while next.load(Ordering::SeqCst) < begun {
                std::thread::sleep(Duration::from_millis(10));
            }
            while done.load(Ordering::SeqCst) < begun.saturating_sub(AT_ONCE) {
                std::thread::sleep(Duration::from_millis(10));
            }
            relay.pause(OUTAGE);
        }
    });
    let jobs = testbed.list("Job");
    assert_eq!(jobs.len(), submissions);
    assert_eq!(uploads(&testbed).len(), submissions);
    for upload in testbed.list("ConfigMap") {
        if upload["metadata"]["name"] != "kube-root-ca.crt" {
            let owner = &upload["metadata"]["ownerReferences"][0]["uid"];
            assert!(jobs.iter().any(|job| job["metadata"]["uid"] == *owner));
        }
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_signal_leaves_nothing() {
    let testbed = queued("signal");
    permit(&testbed);
    let path = example("hello");
    let submit = ["submit", "-p", &path, "-g", "1", "-q", &testbed.name];
    let serve = [
        "serve",
        "-p",
        &path,
        "-i",
        "registry/chat:1",
        "-g",
        "0",
        "--port",
        "8000",
        "--autoscale",
        "2-3",
        "--target-metric",
        "queue_length=10",
        "--min-available",
        "1",
    ];
    let commands = [(&submit[..], "jobs"), (&serve[..], "deployments")];
    for (signal, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        for (command, plural) in commands {
            for sent in [false, true] {
                let proxy = FaultProxy::holding(plural, sent);
                let kubeconfig = proxy.kubeconfig(&testbed);
                let common = [
                    "--kubeconfig",
                    &kubeconfig,
                    "-n",
                    &testbed.name,
                    "--name",
                    "ended",
                ];
                let mut kaiwo = testbed.sandbox.command(&[command, &common].concat());
                let kaiwo = kaiwo.stdout(Stdio::piped()).stderr(Stdio::piped());
                let mut child = kaiwo.spawn().unwrap();
                // The upload is sent beside it, and is what there is to remove where
                // the workload is not carried out.
                testbed.wait("the workload and its upload to be sent", || {
                    let has_ended = child.try_wait().unwrap().is_some();
                    let is_sent = proxy.cuts() > 0 && !uploads(&testbed).is_empty();
                    (has_ended || is_sent).then_some(())
                });
                let pid = child.id().to_string();
                let _ = Command::new("kill").args([signal, &pid]).status();
                let outcome = Outcome::of(child.wait_with_output().unwrap()).exits(code);
                let outcome = outcome.says("note: removed: ");
                let _ = match sent {
                    true => outcome.says("note: nothing of this submission is left"),
                    false => outcome.says("may still appear"),
                };
                testbed.wait("all of it to go", || {
                    let kinds = [
                        "Job",
                        "Deployment",
                        "Service",
                        "HorizontalPodAutoscaler",
                        "PodDisruptionBudget",
                        "Pod",
                    ];
                    let gone = kinds.iter().all(|kind| testbed.list(kind).is_empty());
                    (gone && uploads(&testbed).is_empty()).then_some(())
                });
            }
        }
    }
}
