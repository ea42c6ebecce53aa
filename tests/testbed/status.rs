//! `kaiwo status` of real workloads.

use serde_json::Value;

use super::cluster::{Flavor, Testbed};
use super::objects::example;

fn status(testbed: &Testbed, arguments: &[&str]) -> Value {
    let status = ["status", "-n", &testbed.name, "-o", "json"];
    let outcome = testbed
        .sandbox
        .kaiwo(&[&status, arguments].concat())
        .exits(0);
    serde_json::from_str(&outcome.stdout).unwrap()
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_job_is_told_in_full_to_a_batch_user() {
    let testbed = Testbed::with_queue("status-job", Flavor::Amd, 32);
    testbed.namespace();
    let path = example("hello");
    let _ = testbed
        .submit(&[
            "-p",
            &path,
            "-i",
            "testbed/forever",
            "-g",
            "1",
            "--name",
            "x",
        ])
        .exits(0)
        .says(&format!(
            "check its status: kaiwo status job/x -n {}",
            testbed.name
        ));
    super::rights::bind(&testbed, &["kueue-batch-user-role"]);
    for user in [&[][..], &["--as", &testbed.name]] {
        // Who may not read pods waits for the Job to count them.
        let about = testbed.wait("the Job to run", || {
            let about = status(&testbed, &[&["x"], user].concat());
            (about["status"] == "Running").then_some(about)
        });
        assert_eq!(about["gpus"][0]["resource"], "amd.com/gpu");
        assert_eq!(about["queue"]["name"], testbed.name.as_str());
        assert_eq!(about["queue"]["clusterQueue"], testbed.name.as_str());
        assert_eq!(about["queue"]["flavors"][0], "amd-8");
        let next = about["next"][0].as_str().unwrap();
        assert!(next.contains(" job/x -n "), "{next}");
        assert_eq!(next.contains("--as"), !user.is_empty(), "{next}");
    }
    // Pods, uploads and events are for those who may read them.
    let about = status(&testbed, &["x"]);
    assert_eq!(about["pods"][0]["state"], "Running");
    assert_eq!(about["uploads"]["count"], 1);
    assert_eq!(about["nodes"].as_array().unwrap().len(), 1);
    assert!(!about["events"].as_array().unwrap().is_empty());
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_fails_says_why_and_exits_with_1() {
    let testbed = Testbed::with_queue("status-fails", Flavor::Amd, 32);
    testbed.namespace();
    let _ = testbed
        .submit(&["-i", "testbed/exit-42", "-g", "0", "--name", "x"])
        .exits(0);
    let ask = ["status", "-n", &testbed.name, "x", "--exit-status"];
    testbed.wait("the Job to fail", || {
        (testbed.sandbox.kaiwo(&ask).code == 1).then_some(())
    });
    let told = testbed.sandbox.kaiwo(&ask).exits(1);
    for words in [
        "Status      Failed: exit code 42 in pod x-",
        "kaiwo why job/x",
        "Error",
    ] {
        assert!(told.stdout.contains(words), "{}", told.stdout);
    }
}
