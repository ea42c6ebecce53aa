//! A cluster whose admission puts workloads into a queue of its own choice, as
//! some platforms do: what kaiwo says and makes follows it.

use serde_json::{Value, json};

use super::cluster::{Flavor, Testbed};
use crate::common::Outcome;

const QUEUE: &str = "kueue.x-k8s.io/queue-name";

/// A policy that puts whatever names a queue into `queue`, in the namespace of the
/// test; it goes however the test ends.
struct Policy<'a>(&'a Testbed);

impl<'a> Policy<'a> {
    fn into_queue(testbed: &'a Testbed, queue: &str) -> Self {
        let name = &testbed.name;
        let set = format!(
            "[JSONPatch{{op: \"replace\", path: \"/metadata/labels/kueue.x-k8s.io~1queue-name\", value: \"{queue}\"}}]"
        );
        testbed.apply(json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "reinvocationPolicy": "Never",
                "failurePolicy": "Fail",
                "matchConstraints": {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
                    "resourceRules": [{
                        "apiGroups": ["batch", "apps"], "apiVersions": ["v1"],
                        "operations": ["CREATE", "UPDATE"], "resources": ["jobs", "deployments"],
                    }],
                },
                "matchConditions": [{
                    "name": "queued",
                    "expression": format!("has(object.metadata.labels) && '{QUEUE}' in object.metadata.labels"),
                }],
                "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": set}}],
            },
        }));
        testbed.apply(json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicyBinding",
            "metadata": {"name": name}, "spec": {"policyName": name},
        }));
        Self(testbed)
    }
}

impl Drop for Policy<'_> {
    fn drop(&mut self) {
        let testbed = self.0;
        for kind in ["MutatingAdmissionPolicyBinding", "MutatingAdmissionPolicy"] {
            testbed.delete(kind, &testbed.name);
        }
        testbed.delete("ClusterQueue", &free(testbed));
    }
}

fn free(testbed: &Testbed) -> String {
    format!("{}-free", testbed.name)
}

/// A testbed with two queues: that of the test, with 8 GPUs, and the one that is
/// chosen for what is submitted to it, with 16.
fn scene(test: &str) -> (Testbed, String) {
    let testbed = Testbed::with_namespace(test);
    let chosen = free(&testbed);
    testbed.cluster_queue(&[(Flavor::Amd, 8)], json!({}));
    testbed.apply(json!({
        "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ClusterQueue",
        "metadata": {"name": chosen},
        "spec": {"namespaceSelector": {}, "resourceGroups": [{
            "coveredResources": ["cpu", "memory", "amd.com/gpu"],
            "flavors": [{"name": Flavor::Amd.name(), "resources": [
                {"name": "cpu", "nominalQuota": 1000}, {"name": "memory", "nominalQuota": "16Ti"},
                {"name": "amd.com/gpu", "nominalQuota": 16},
            ]}],
        }]},
    }));
    testbed.local_queue(&chosen, &chosen, json!({}));
    (testbed, chosen)
}

/// Waits until the policy holds, which the API server learns of by and by.
fn dry_run_until_put(testbed: &Testbed, arguments: &[&str], chosen: &str) -> Outcome {
    testbed.wait("the policy to hold", || {
        let outcome = testbed.sandbox.kaiwo(arguments).exits(0);
        let put = format!("this cluster moves it to queue {chosen}");
        outcome.stderr.contains(&put).then_some(outcome)
    })
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn forecast_queue_and_report_follow_the_queue_that_admission_chooses() {
    let (testbed, chosen) = scene("queue-policy");
    let _policy = Policy::into_queue(&testbed, &chosen);
    let name = testbed.name.clone();
    let job = [
        "submit",
        "-i",
        "testbed/forever",
        "-g",
        "8",
        "--name",
        "j",
        "-n",
        &name,
        "-q",
        &name,
        "--node-selector",
        "kaiwo.dev/testbed=parked",
    ];
    let _ = dry_run_until_put(
        &testbed,
        &[&job[..], &["--dry-run=server"]].concat(),
        &chosen,
    );
    let outcome = testbed
        .sandbox
        .kaiwo(&[&job[..], &["-o", "json"]].concat())
        .exits(0);
    for words in [
        format!("queue {name}\n"),
        "8 of 8 free".to_owned(),
        format!("queue {chosen}\n"),
        "16 of 16 free".to_owned(),
    ] {
        assert!(
            outcome.stderr.contains(&words),
            "no {words:?} in {outcome:?}"
        );
    }
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["queue"], chosen, "{report:#}");
    let live = testbed.find("Job", "j").unwrap();
    assert_eq!(live["metadata"]["labels"][QUEUE], chosen);
    // That of the queue which it was submitted to is not made.
    assert!(testbed.find("LocalQueue", &name).is_none());
    // What has been submitted is the same as before.
    let again = testbed.sandbox.kaiwo(&job).exits(0);
    assert!(again.stderr.contains("unchanged"), "{again:?}");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_service_changes_in_place_in_the_queue_that_admission_chooses() {
    let (testbed, chosen) = scene("queue-policy-serve");
    let _policy = Policy::into_queue(&testbed, &chosen);
    let name = testbed.name.clone();
    let serve = |label: &'static str| {
        [
            "serve",
            "-i",
            "testbed/forever",
            "-g",
            "1",
            "--port",
            "8080",
            "--name",
            "s",
            "-n",
            &name,
            "-q",
            &name,
            "--label",
            label,
        ]
    };
    let _ = dry_run_until_put(
        &testbed,
        &[&serve("v=1")[..], &["--dry-run=server"]].concat(),
        &chosen,
    );
    let _ = testbed.sandbox.kaiwo(&serve("v=1")).exits(0);
    let outcome = testbed.sandbox.kaiwo(&serve("v=2")).exits(0);
    assert!(outcome.stderr.contains("updated"), "{outcome:?}");
    let live = testbed.find("Deployment", "s").unwrap();
    assert_eq!(live["metadata"]["labels"][QUEUE], chosen);
    assert_eq!(live["spec"]["template"]["metadata"]["labels"]["v"], "2");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_queue_that_does_not_exist_is_refused_with_who_chose_it() {
    let (testbed, _) = scene("queue-policy-gone");
    let gone = format!("{}-gone", testbed.name);
    let _policy = Policy::into_queue(&testbed, &gone);
    let name = testbed.name.clone();
    let job = [
        "submit",
        "-i",
        "testbed/forever",
        "-g",
        "8",
        "--name",
        "j",
        "-n",
        &name,
        "-q",
        &name,
    ];
    let outcome = testbed.wait("the policy to hold", || {
        let outcome = testbed
            .sandbox
            .kaiwo(&[&job[..], &["--dry-run=server"]].concat());
        outcome.stderr.contains("does not exist").then_some(outcome)
    });
    let outcome = outcome.exits(3);
    for words in [
        format!("queue {gone:?} does not exist"),
        format!("changes the queue {name} to {gone}"),
    ] {
        assert!(
            outcome.stderr.contains(&words),
            "no {words:?} in {outcome:?}"
        );
    }
    let _ = testbed.sandbox.kaiwo(&job).exits(3);
    assert!(testbed.find("Job", "j").is_none());
}
