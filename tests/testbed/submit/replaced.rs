//! A workload in the place of another.

use super::*;

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_finished_workload_is_not_taken_for_the_wanted_one() {
    let testbed = Testbed::with_queue("finished", Flavor::Amd, 32);
    testbed.namespace();
    let path = example("hello");
    let arguments = ["-p", &path, "-g", "8"];
    let _ = testbed.submit(&arguments).exits(0);
    testbed.wait_for_condition("Job", "alice-hello", "Complete");
    let _ = testbed
        .submit(&arguments)
        .exits(5)
        .says("job/alice-hello already exists and has finished");
    // The uploads have the same content, so the same names, as the old ones.
    let _ = testbed
        .submit(&[&arguments[..], &["--replace"]].concat())
        .exits(0)
        .says("replaced");
    testbed.wait_for_condition("Job", "alice-hello", "Complete");
    let job = testbed.find("Job", "alice-hello").unwrap();
    for map in testbed.list("ConfigMap") {
        if is_upload(&map) {
            assert_eq!(
                map["metadata"]["ownerReferences"][0]["uid"],
                job["metadata"]["uid"]
            );
        }
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_job_that_kaiwo_did_not_make_is_replaced_by_force_only() {
    let testbed = Testbed::with_queue("foreign", Flavor::Amd, 32);
    testbed.namespace();
    let made = testbed.create(json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "alice-hello"},
        "spec": {"suspend": true, "template": {"spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "main", "image": "testbed/forever"}],
        }}},
    }));
    let uid = || testbed.find("Job", "alice-hello").unwrap()["metadata"]["uid"].clone();
    let path = example("hello");
    let arguments = ["-p", &path, "-g", "8"];
    for flags in [&[][..], &["--replace"]] {
        let _ = testbed
            .submit(&[&arguments[..], flags].concat())
            .exits(5)
            .says("job/alice-hello")
            .says("was not created by kaiwo");
        assert_eq!(uid(), made["metadata"]["uid"]);
        assert_eq!(uploads(&testbed), [] as [String; 0]);
    }
    let _ = testbed
        .submit(&[&arguments[..], &["--replace", "--force"]].concat())
        .exits(0)
        .says("job/alice-hello replaced");
    assert_ne!(uid(), made["metadata"]["uid"]);
    testbed.wait_for_condition("Job", "alice-hello", "Complete");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_job_that_does_not_go_away_is_not_replaced() {
    let testbed = Testbed::with_queue("kept", Flavor::Amd, 32);
    testbed.namespace();
    let job = |finalizers: &[&str]| {
        json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": "alice-hello", "finalizers": finalizers},
            "spec": {"suspend": true, "template": {"spec": {
                "restartPolicy": "Never",
                "containers": [{"name": "main", "image": "testbed/forever"}],
            }}},
        })
    };
    testbed.apply(job(&["example.com/keep"]));
    let path = example("hello");
    let mut outcome = testbed
        .submit(&["-p", &path, "--replace", "--force", "-o", "json"])
        .exits(124);
    testbed.apply(job(&[]));
    assert_eq!(uploads(&testbed), [] as [String; 0]);
    outcome.stdout = outcome.stdout.replace(&testbed.name, "kaiwo");
    crate::mock_api::json::is_golden("error_timedOut_deletion", &outcome);
}
