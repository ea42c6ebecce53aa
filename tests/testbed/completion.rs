//! Names that completion offers, of a real cluster and under real rights.

use serde_json::json;

use super::cluster::{Flavor, Testbed};
use super::objects::example;
use super::rights::bind;

/// Returns the words offered after a line, without their descriptions.
fn offer(testbed: &Testbed, line: &[&str]) -> Vec<String> {
    let index = (line.len() - 1).to_string();
    let command = ["__complete", &index, "--within", "600000", "--"];
    let outcome = testbed.sandbox.kaiwo(&[&command, line].concat()).exits(0);
    assert_eq!(outcome.stderr, "");
    let word = |line: &str| line.split('\t').next().unwrap().to_owned();
    outcome.stdout.lines().map(word).collect()
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn completion_offers_what_there_is_and_may_be_seen() {
    let testbed = Testbed::with_queue("completion", Flavor::Amd, 32);
    let name = testbed.name.as_str();
    testbed.namespace();
    testbed.local_queue("team", name, json!({}));
    testbed.apply(json!({
        "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "WorkloadPriorityClass",
        "metadata": {"name": name}, "value": 10, "description": "for a test",
    }));
    let path = example("hello");
    for extra in [
        &["--name", "once"][..],
        &["--name", "nightly", "--schedule", "0 3 * * *"],
        &["--name", "ray", "--ray"],
    ] {
        let submit = ["submit", "-p", &path, "-n", name, "-q", "team", "-g", "1"];
        let _ = testbed.sandbox.kaiwo(&[&submit, extra].concat()).exits(0);
    }

    let has = |line: &[&str], word: &str| offer(&testbed, line).contains(&word.to_owned());
    assert!(has(&["submit", "-n", ""], name));
    assert!(has(&["submit", "-n", name, "-q", ""], "team"));
    assert!(has(&["submit", "-n", name, "-q", ""], name));
    assert!(has(&["submit", "--priority-class", ""], name));
    assert!(!offer(&testbed, &["submit", "--context", ""]).is_empty());
    assert_eq!(
        offer(&testbed, &["submit", "-n", name, "--name", ""]),
        ["nightly", "once", "ray"]
    );
    assert!(has(
        &["submit", "-n", name, "--service-account", ""],
        "default"
    ));

    // An ordinary user of Kueue sees the LocalQueues, but no ClusterQueue.
    bind(&testbed, &["kueue-batch-user-role"]);
    let user = ["submit", "--as", name, "-n", name];
    let asked = |flags: &[&str]| offer(&testbed, &[&user, flags].concat());
    assert_eq!(asked(&["-q", ""]), ["team"]);
    assert_eq!(asked(&["--image-pull-secret", ""]), [] as [&str; 0]);
    // Kueue's role shows the kinds that Kueue queues.
    assert_eq!(asked(&["--name", ""]), ["once", "ray"]);
    let namespaces = offer(&testbed, &["submit", "--as", name, "-n", ""]);
    assert!(!namespaces.contains(&"kube-system".to_owned()));
}
