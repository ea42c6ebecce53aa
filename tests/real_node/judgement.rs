//! What is said of containers that crash, are stopped, or cannot be set up, at
//! every moment of it.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::Node;
use super::followed::Followed;
use crate::common::Outcome;

/// Turns of a crash loop that are looked at. The pauses between them grow to those of
/// the node's `crashLoopBackOff`.
const TURNS: i64 = 10;

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
    // It gives up while the others look.
    let waiter = Followed::new(node.start("wait", &["srv"]));
    let began = Instant::now();
    // Long enough on any machine for the turns, which are what is waited for.
    while restarts(&node) < TURNS && began.elapsed() < Duration::from_secs(600) {
        let why = json(&node.kaiwo("why", &["srv", "-o", "json"]).exits(0));
        let finding = &why["findings"][0];
        assert_eq!(finding["cause"], "crashLoop", "{why}");
        let summary = finding["summary"].as_str().unwrap();
        assert!(summary.ends_with("keeps exiting with exit code 5"), "{why}");
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
    let outcome = waiter.ended().exits(5);
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
    // The pauses between its attempts are the longest part: it runs beside the other.
    node.script("tries", "sleep 2\nexit 9\n");
    _ = node.run("tries", &["--retries", "2"]).exits(0);
    let tries = Followed::new(node.start("wait", &["tries"]));
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

    let outcome = tries.ended().exits(9);
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
    let words = "write to /scratch ($KAIWO_SCRATCH) instead";
    assert!(why.contains(words), "{why}");
    assert!(why.contains("Read-only file system"), "{why}");
}
