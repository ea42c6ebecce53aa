//! `kaiwo list` against a real queue.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use super::cluster::{Flavor, Testbed};

/// Returns the items of `kaiwo list -o json`.
fn items(testbed: &Testbed, arguments: &[&str]) -> Vec<Value> {
    let list = ["list", "-n", &testbed.name, "-o", "json"];
    let outcome = testbed.sandbox.kaiwo(&[&list, arguments].concat()).exits(0);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    report["items"].as_array().unwrap().clone()
}

/// Returns name, status and position of each.
fn standings(testbed: &Testbed) -> Vec<(String, String, Option<i64>)> {
    let item = |item: &Value| {
        let text = |field: &str| item[field].as_str().unwrap().to_owned();
        (
            text("name"),
            text("status"),
            item["position"]["place"].as_i64(),
        )
    };
    items(testbed, &[]).iter().map(item).collect()
}

fn standing(name: &str, status: &str, place: Option<i64>) -> (String, String, Option<i64>) {
    (name.to_owned(), status.to_owned(), place)
}

/// A test with a queue of 32 GPUs and nodes of its own that have them.
pub struct Crowd {
    pub testbed: Testbed,
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for index in 0..4 {
            self.testbed
                .delete("Node", &format!("{}-{index}", self.testbed.name));
        }
    }
}

/// 32 GPUs, of which five jobs of 8 ask for 40, and one of 16 comes last.
pub fn crowded(test: &str) -> Crowd {
    let testbed = Testbed::new(test);
    testbed.namespace();
    let labels = json!({"crowd": testbed.name});
    let offers =
        json!({"cpu": "128", "memory": "2048Gi", "pods": "100", Flavor::Amd.resource(): "8"});
    for index in 0..4 {
        let node = format!("{}-{index}", testbed.name);
        let mut own = labels.clone();
        own["kubernetes.io/hostname"] = node.clone().into();
        testbed.fake_node(&node, &own, &offers, &json!([testbed.own_taint()]));
    }
    testbed.apply(json!({
        "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ResourceFlavor",
        "metadata": {"name": testbed.name},
        "spec": {"nodeLabels": labels, "tolerations": [testbed.own_taint()]},
    }));
    let quota = |name: &str, nominal: Value| json!({"name": name, "nominalQuota": nominal});
    testbed.cluster_queue(
        &[],
        json!({"resourceGroups": [{
            "coveredResources": ["cpu", "memory", Flavor::Amd.resource()],
            "flavors": [{"name": testbed.name, "resources": [
                quota("cpu", 1000.into()), quota("memory", "16Ti".into()),
                quota(Flavor::Amd.resource(), 32.into()),
            ]}],
        }]}),
    );
    for (made, name) in (1..).zip(["a", "b", "c", "d", "e", "f"]) {
        let gpus = match name {
            "f" => "16",
            _ => "8",
        };
        let _ = testbed
            .submit(&[
                "-i",
                "testbed/forever",
                "-g",
                gpus,
                "--gpus-per-node",
                "8",
                "--name",
                name,
            ])
            .exits(0);
        // Kueue orders by the second in which a Workload was made, then by its
        // random identity.
        if matches!(name, "d" | "e") {
            testbed.wait("the next one to come later", || {
                let now = k8s_openapi::jiff::Timestamp::now().as_second();
                let workloads = testbed.list("Workload");
                let is_past = workloads.iter().all(|workload| {
                    let created = workload["metadata"]["creationTimestamp"].as_str().unwrap();
                    let created: k8s_openapi::jiff::Timestamp = created.parse().unwrap();
                    created.as_second() < now
                });
                (workloads.len() == made && is_past).then_some(())
            });
        }
    }
    Crowd { testbed }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn positions_move_up() {
    if super::lacks("visibility") {
        return;
    }
    let crowd = crowded("list-moves");
    let testbed = &crowd.testbed;
    let first = [
        standing("a", "Running", None),
        standing("b", "Running", None),
        standing("c", "Running", None),
        standing("d", "Running", None),
        standing("e", "Pending", Some(1)),
        standing("f", "Pending", Some(2)),
    ];
    testbed.wait("four to run and two to wait", || {
        (standings(testbed) == first).then_some(())
    });
    let table = testbed
        .sandbox
        .kaiwo(&["list", "-n", &testbed.name])
        .exits(0);
    let reason = testbed.wait("Kueue to say why", || {
        let waiting = items(testbed, &["--status", "pending"]);
        waiting[0]["reason"].as_str().map(str::to_owned)
    });
    assert!(reason.contains("amd.com/gpu"), "{reason}");
    let lines: Vec<&str> = table.stdout.lines().collect();
    assert_eq!(lines.len(), 7, "{}", table.stdout);
    let titles: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(
        titles,
        [
            "NAME", "KIND", "STATUS", "QUEUE", "POS", "GPUS", "USER", "REASON", "AGE"
        ]
    );
    testbed.delete("Job", "b");
    let then = [
        standing("a", "Running", None),
        standing("c", "Running", None),
        standing("d", "Running", None),
        standing("e", "Running", None),
        standing("f", "Pending", Some(1)),
    ];
    testbed.wait("the first to move up and run", || {
        (standings(testbed) == then).then_some(())
    });
}

/// What a user of Kueue's role sees is the same, but for what runs where.
#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_batch_user_sees_positions() {
    if super::lacks("visibility") {
        return;
    }
    let crowd = crowded("list-rights");
    let testbed = &crowd.testbed;
    super::rights::bind(testbed, &["kueue-batch-user-role"]);
    let list = ["list", "-n", &testbed.name, "--as", &testbed.name];
    let lines = testbed.wait("the last to be second in the queue", || {
        let outcome = testbed.sandbox.kaiwo(&list).exits(0);
        assert_eq!(outcome.stderr, "");
        let lines: Vec<Vec<String>> = outcome
            .stdout
            .lines()
            .map(|line| line.split_whitespace().map(str::to_owned).collect())
            .collect();
        let last: Vec<&str> = lines.last()?.iter().map(String::as_str).collect();
        (last.get(..6) == Some(&["f", "Job", "Pending", &testbed.name, "2", "16"])).then_some(lines)
    });
    assert_eq!(lines.len(), 7);
    // Nowhere else may they look.
    let _ = testbed
        .sandbox
        .kaiwo(&["list", "-A", "--as", &testbed.name])
        .exits(4)
        .says("kaiwo list --as");
}

/// A line for each change, in a pipe.
#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_watch_tells_changes() {
    let testbed = Testbed::with_queue("list-watch", Flavor::Amd, 32);
    testbed.namespace();
    let mut child = testbed
        .sandbox
        .command(&["list", "-n", &testbed.name, "-w"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let _ = testbed
        .submit(&["-i", "testbed/forever", "-g", "8", "--name", "watched"])
        .exits(0);
    let mut until = |words: &str| {
        let found = lines
            .by_ref()
            .map(Result::unwrap)
            .find(|line| line.contains(words));
        found.unwrap_or_else(|| panic!("the watch has ended without {words:?}"))
    };
    assert!(until("NAME").contains("REASON"));
    let running = until("Running");
    assert!(running.starts_with("watched"), "{running}");
    testbed.merge(
        "Job",
        "watched",
        &json!({"metadata": {"labels": {"x": "y"}}}),
    );
    testbed.delete("Job", "watched");
    assert!(until("gone").starts_with("watched"));
    child.kill().unwrap();
    child.wait().unwrap();
}
