//! `kaiwo serve` with a server that really answers: readiness, rollouts without
//! a failed request, and `kaiwo chat`.

use std::path::PathBuf;
use std::process::Command;

use super::Node;
use crate::common::checkout;
use crate::testbed::reach::Running;

const SERVE: [&str; 5] = ["--port", "8000", "--health-path", "/health", "--wait"];

/// Asks a service for ever, from inside the testbed's network, and counts.
struct Requests {
    _running: Running,
    log: PathBuf,
}

impl Requests {
    /// Starts to ask the Service of a workload by its address.
    fn start(node: &Node, service: &str) -> Self {
        let service = node.find("Service", service).unwrap();
        let address = service["spec"]["clusterIP"].as_str().unwrap();
        let port = service["spec"]["ports"][0]["port"].as_u64().unwrap();
        let log = node.sandbox.path("requests");
        let pid = std::env::var("KAIWO_TESTBED_PID").unwrap();
        let loop_ = format!(
            "while true; do curl -sS -m 10 -o /dev/null -w '%{{http_code}}\\n' http://{address}:{port}/ 2>&1; \
             sleep 0.02; done > {}",
            log.display()
        );
        let mut command = Command::new("nsenter");
        command.args(["--target", &pid, "--net", "sh", "-c", &loop_]);
        Self {
            _running: Running(command.spawn().unwrap()),
            log,
        }
    }

    /// Returns what was answered so far.
    fn seen(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// Copies the testbed's own example of a server.
fn parrot(node: &Node) {
    for file in ["entrypoint", "server.py"] {
        let content = std::fs::read(checkout(&format!("testbed/parrot/{file}"))).unwrap();
        node.sandbox.write(&format!("svc/{file}"), content);
    }
}

/// Asks the Service of the server for its greeting.
fn greeting(node: &Node) -> String {
    let service = node.find("Service", "svc").unwrap();
    let address = service["spec"]["clusterIP"].as_str().unwrap();
    let port = service["spec"]["ports"][0]["port"].as_u64().unwrap();
    let pid = std::env::var("KAIWO_TESTBED_PID").unwrap();
    let url = format!("http://{address}:{port}/");
    let output = Command::new("nsenter")
        .args(["--target", &pid, "--net", "curl", "-sS", &url])
        .output()
        .unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    answer["greeting"].as_str().unwrap_or_default().to_owned()
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn rollouts_good_and_bad_and_rollbacks_lose_no_request() {
    let node = Node::new("rollout");
    parrot(&node);
    let serve = |greeting: &str| {
        let variable = format!("GREETING={greeting}");
        let more = ["--replicas", "2", "--env", &variable];
        node.serve("svc", &[&SERVE[..], &more].concat())
    };
    _ = serve("one").exits(0);
    // Rules of Services follow a moment after the pods.
    node.wait("the first version", || {
        (greeting(&node) == "one").then_some(())
    });
    let requests = Requests::start(&node, "svc");
    let go_on = || {
        let before = requests.seen().len();
        node.wait("more requests", || {
            (requests.seen().len() > before + 20).then_some(())
        });
    };
    go_on();
    _ = serve("two").exits(0);
    node.wait("the new version everywhere", || {
        (greeting(&node) == "two").then_some(())
    });
    go_on();
    _ = node
        .kaiwo("serve", &["--rollback", "svc", "--wait"])
        .exits(0);
    node.wait("the old version again", || {
        (greeting(&node) == "one").then_some(())
    });
    go_on();
    // A version that crashes: the one before answers on.
    node.script("svc", "echo no such weights\nexit 5\n");
    _ = node
        .serve("svc", &[&SERVE[..4], &["--replicas", "2"]].concat())
        .exits(0);
    node.wait("the crash of the new version", || {
        let status = node.kaiwo("status", &["svc"]).exits(0).stdout;
        status.contains("exit code 5").then_some(())
    });
    go_on();
    _ = node
        .kaiwo("serve", &["--rollback", "svc", "--wait"])
        .exits(0);
    assert_eq!(greeting(&node), "one");
    go_on();
    let failed: Vec<String> = requests
        .seen()
        .into_iter()
        .filter(|line| line != "200")
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_model_answers_word_by_word_and_is_not_scaled_without_metrics() {
    let node = Node::new("chat");
    parrot(&node);
    // Nothing measures what its pods use.
    let scaled = ["--autoscale", "1-2", "--target-cpu", "70"];
    _ = node.serve("svc", &[&SERVE[..], &scaled].concat()).exits(0);
    let chat = node.kaiwo("chat", &["svc", "the quick brown fox"]).exits(0);
    assert_eq!(chat.stdout.trim_end(), "the quick brown fox");
    node.wait("the autoscaler's own words", || {
        let status = node.kaiwo("status", &["svc"]).exits(0).stdout;
        status
            .contains("not scaled: metrics.k8s.io has no cpu")
            .then_some(())
    });
}
