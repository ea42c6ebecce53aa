//! What is said of containers that crash, are stopped, or cannot be set up, at
//! every moment of it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Node;
use crate::common::Outcome;

/// Turns of a crash loop that are looked at: the pauses between them double.
const TURNS: i64 = 5;

fn json(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {outcome:?}"))
}

fn restarts(node: &Node) -> i64 {
    let pods = node.list("Pod");
    let status = pods
        .first()
        .map(|pod| &pod["status"]["containerStatuses"][0]);
    status
        .and_then(|status| status["restartCount"].as_i64())
        .unwrap_or_default()
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_crash_loop_is_told_alike_at_every_moment() {
    let node = Node::new("turns");
    node.script("srv", "echo boom: no such weights\nsleep 2\nexit 5\n");
    _ = node.serve("srv", &["--port", "8000"]).exits(0);
    node.wait("the first crash", || (restarts(&node) > 0).then_some(()));
    let began = Instant::now();
    // Long enough on any machine for the turns, which are what is waited for.
    while restarts(&node) < TURNS && began.elapsed() < Duration::from_secs(600) {
        let why = json(&node.kaiwo("why", &["srv", "-o", "json"]).exits(0));
        let finding = &why["findings"][0];
        assert_eq!(finding["cause"], "crashLoop", "{why}");
        let summary = finding["summary"].as_str().unwrap();
        assert!(summary.ends_with("keeps ending: exit code 5"), "{why}");
        let status = json(&node.kaiwo("status", &["srv", "-o", "json"]).exits(0));
        let listed = json(&node.kaiwo("list", &["-o", "json"]).exits(0));
        for stands in [&status, &listed["items"][0]] {
            assert_eq!(stands["status"], "Starting", "{stands}");
            let reason = stands["reason"].as_str().unwrap();
            assert!(reason.starts_with("exit code 5, restarted "), "{stands}");
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(restarts(&node) >= TURNS);
    let why = node.kaiwo("why", &["srv"]).exits(0);
    assert!(
        why.stdout.contains("| boom: no such weights"),
        "{}",
        why.stdout
    );
    // It has crashed for longer than a wait stands that.
    let outcome = node.kaiwo("wait", &["srv"]).exits(5);
    let lines: Vec<&str> = outcome
        .stderr
        .lines()
        .filter(|it| it.contains("exit code 5"))
        .collect();
    assert_eq!(lines.len(), 2, "{}", outcome.stderr);
    assert!(lines[1].contains("cannot be ready"), "{}", outcome.stderr);
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_server_that_crashes_twice_and_then_serves_is_waited_for() {
    let node = Node::new("twice");
    node.python(
        "srv",
        "import http.server, os, sys\n\
         path = os.environ['KAIWO_SCRATCH'] + '/tries'\n\
         tries = len(open(path).read()) if os.path.exists(path) else 0\n\
         open(path, 'a').write('x')\n\
         if tries < 2: sys.exit(3)\n\
         http.server.ThreadingHTTPServer(('', 8000), http.server.SimpleHTTPRequestHandler).serve_forever()\n",
    );
    let outcome = node.serve("srv", &["--port", "8000", "--wait"]).exits(0);
    _ = outcome.says("deployment/srv ready");
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_command_that_does_not_exist_is_given_up() {
    let node = Node::new("nocmd");
    let serve = [
        "serve",
        "-n",
        &node.name,
        "-q",
        super::QUEUE,
        "-i",
        super::PYTHON,
    ];
    let rest = [
        "--name",
        "srv",
        "--port",
        "8000",
        "--wait",
        "--",
        "nosuchprog",
    ];
    let outcome = node.sandbox.kaiwo(&[&serve[..], &rest].concat());
    assert_ne!(outcome.code, 0, "{outcome:?}");
    _ = outcome.says("nosuchprog is not in the image");
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn what_the_failing_probe_says_is_told() {
    let node = Node::new("sick");
    node.python(
        "srv",
        "import http.server\n\
         class Sick(http.server.BaseHTTPRequestHandler):\n\
         \x20   def do_GET(self): self.send_error(500)\n\
         http.server.ThreadingHTTPServer(('', 8000), Sick).serve_forever()\n",
    );
    _ = node
        .serve("srv", &["--port", "8000", "--health-path", "/health"])
        .exits(0);
    node.wait("the words of the probe", || {
        let why = node.kaiwo("why", &["srv"]).exits(0);
        let told = why
            .stdout
            .contains("HTTP probe failed with statuscode: 500");
        told.then_some(())
    });
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn states_only_go_forward() {
    let node = Node::new("forward");
    node.script("job", "sleep 3\n");
    let outcome = node.run("job", &["--wait", "-o", "json"]).exits(0);
    let events = outcome.stdout.lines().filter_map(|line| {
        let event: Value = serde_json::from_str(line).unwrap();
        event["status"].as_str().map(str::to_owned)
    });
    let order = ["Pending", "Admitted", "Starting", "Running", "Succeeded"];
    let places: Vec<usize> = events
        .map(|status| order.iter().position(|known| *known == status).unwrap())
        .collect();
    assert!(places.is_sorted(), "{}", outcome.stdout);
    assert!(
        !outcome.stderr.contains("0 of 1 pods: "),
        "{}",
        outcome.stderr
    );

    node.script("tries", "sleep 2\nexit 9\n");
    let outcome = node.run("tries", &["--retries", "2", "--wait"]).exits(9);
    for words in [
        "retrying (2 of 3): exit code 9",
        "retrying (3 of 3): exit code 9",
    ] {
        assert!(
            outcome.stderr.contains(words),
            "{words}: {}",
            outcome.stderr
        );
    }
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn what_cannot_be_written_says_where_to_write() {
    let node = Node::new("readonly");
    node.python("job", "open('outputs.txt', 'w')\n");
    _ = node.run("job", &["--read-only-workdir", "--wait"]).exits(1);
    let why = node.kaiwo("why", &["job"]).exits(0).stdout;
    let words = "it cannot write there: write to /scratch ($KAIWO_SCRATCH)";
    assert!(why.contains(words), "{why}");
    assert!(why.contains("Read-only file system"), "{why}");
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_pod_that_cannot_be_set_up_is_told_by_all() {
    let node = Node::new("sandbox");
    node.apply(json!({
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass",
        "metadata": {"name": node.name}, "handler": "nohandler",
    }));
    node.create(json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job"},
        "spec": {"template": {"spec": {
            "restartPolicy": "Never", "runtimeClassName": node.name,
            "nodeSelector": {"testbed.kaiwo/real": "true"},
            "tolerations": [{"key": "testbed.kaiwo/real", "operator": "Exists"}],
            "containers": [{"name": "c", "image": super::PYTHON, "command": ["true"]}],
        }}},
    }));
    node.wait("the reason in the list", || {
        let listed = json(&node.kaiwo("list", &["--any", "-o", "json"]).exits(0));
        let reason = listed["items"][0]["reason"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        reason
            .starts_with("FailedCreatePodSandBox in pod job-")
            .then_some(())
    });
    let outcome = node.kaiwo("wait", &["job"]).exits(1);
    _ = outcome.says("no runtime for \"nohandler\" is configured");
    node.delete("RuntimeClass", &node.name);
}
