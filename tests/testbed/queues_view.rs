//! `kaiwo queues` of real queues.

use serde_json::{Value, json};

use super::cluster::{Flavor, Testbed};

fn queues(testbed: &Testbed, arguments: &[&str]) -> Value {
    let queues = ["queues", "-n", &testbed.name, "-o", "json"];
    let outcome = testbed
        .sandbox
        .kaiwo(&[&queues, arguments].concat())
        .exits(0);
    serde_json::from_str(&outcome.stdout).unwrap()
}

fn named<'a>(queues: &'a Value, sort: &str, name: &str) -> &'a Value {
    let lines = queues[sort].as_array().unwrap();
    let found = lines.iter().find(|queue| queue["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {queues}"))
}

/// A queue of 8 GPUs borrows 8 of another's, and the third workload waits.
#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_is_borrowed_and_lent_is_shown_and_what_waits() {
    let lender = Testbed::new("queues-lends");
    lender.cluster_queue(&[(Flavor::AmdSmall, 8)], json!({"cohortName": lender.name}));
    let testbed = Testbed::new("queues-view");
    testbed.namespace();
    testbed.cluster_queue(&[(Flavor::AmdSmall, 4)], json!({"cohortName": lender.name}));
    for name in ["a", "b", "c", "d"] {
        let _ = testbed
            .submit(&[
                "-i",
                "testbed/forever",
                "-g",
                "4",
                "--gpus-per-node",
                "4",
                "--force",
                "--name",
                name,
            ])
            .exits(0);
    }
    testbed.wait("three to be admitted and one to wait", || {
        let seen = queues(&testbed, &[]);
        let own = named(&seen, "clusterQueues", &testbed.name);
        let local = named(&seen, "localQueues", &testbed.name);
        let counts = |queue: &Value| (queue["admitted"].as_i64(), queue["pending"].as_i64());
        (counts(own) == (Some(3), Some(1)) && counts(local) == (Some(3), Some(1))).then_some(())
    });
    let seen = queues(&testbed, &[]);
    let gpus = |name: &str| {
        let queue = named(&seen, "clusterQueues", name);
        let quotas = queue["quotas"].as_array().unwrap();
        let gpus = quotas
            .iter()
            .find(|quota| quota["resource"] == "amd.com/gpu");
        let gpus = gpus.unwrap();
        ["nominal", "used", "borrowed", "lent"]
            .map(|field| gpus[field].as_str().unwrap().to_owned())
    };
    assert_eq!(gpus(&testbed.name), ["4", "12", "8", "0"]);
    assert_eq!(gpus(&lender.name), ["8", "0", "0", "8"]);
    let told = testbed
        .sandbox
        .kaiwo(&["queues", "-n", &testbed.name])
        .exits(0);
    let line = format!(
        "{} in cohort {}: 3 admitted, 1 pending",
        testbed.name, lender.name
    );
    for words in [line.as_str(), "12 of 4, 8 borrowed", "0 of 8, 8 lent", "▒"] {
        assert!(
            told.stdout.contains(words),
            "{words:?} not in:\n{}",
            told.stdout
        );
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_batch_user_sees_local_queues_and_that_one_is_stopped() {
    let testbed = Testbed::with_queue("queues-rights", Flavor::Amd, 8);
    testbed.namespace();
    testbed.local_queue("team", &testbed.name, json!({"stopPolicy": "Hold"}));
    super::rights::bind(&testbed, &["kueue-batch-user-role"]);
    let seen = queues(&testbed, &["--as", &testbed.name]);
    assert_eq!(seen["clusterQueues"], json!([]));
    let team = named(&seen, "localQueues", "team");
    assert_eq!(team["active"], false);
    assert!(team["reason"].as_str().unwrap().contains("stopped"));
}
