//! Pods that cannot start: given up after a while, with what is missing.

use serde_json::json;

use super::followed::Followed;
use super::{Node, PYTHON, QUEUE};

/// By name: arguments, and what `why` must say.
const WANTS: [(&str, &[&str], &[&str]); 3] = [
    (
        "image",
        &["-i", "testbed/no-such-image:7"],
        &["testbed/no-such-image:7"],
    ),
    (
        "secret",
        &["--secret", "TOKEN=missing/token", "--force"],
        &["Secret missing does not exist"],
    ),
    (
        "key",
        &["--secret", "TOKEN=hub/token", "--force"],
        &["Secret hub", "has no key token"],
    ),
];

/// Submits a Job whose sandbox no runtime can make.
fn without_runtime(node: &Node) {
    node.apply(json!({
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass",
        "metadata": {"name": node.name}, "handler": "nohandler",
    }));
    node.create(json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "sandbox"},
        "spec": {"template": {"spec": {
            "restartPolicy": "Never", "runtimeClassName": node.name,
            "nodeSelector": {"testbed.kaiwo/real": "true"},
            "tolerations": [{"key": "testbed.kaiwo/real", "operator": "Exists"}],
            "containers": [{"name": "c", "image": PYTHON, "command": ["true"]}],
        }}},
    }));
}

/// They are waited for beside one another: each takes its time to be beyond hope.
#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn what_cannot_start_is_named_and_given_up() {
    let node = Node::new("starts");
    node.create(json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hub"},
        "stringData": {"other": "x"},
    }));
    without_runtime(&node);
    let serve = [
        "-q", QUEUE, "-i", PYTHON, "--name", "command", "--port", "8000",
    ];
    let words = ["--", "nosuchprog"];
    _ = node.kaiwo("serve", &[&serve[..], &words].concat()).exits(0);
    for (name, more, _) in WANTS {
        node.script(name, "echo never\n");
        _ = node.run(name, more).exits(0);
    }
    let wait = |name| Followed::new(node.start("wait", &[name]));
    let (sandbox, command) = (wait("sandbox"), wait("command"));
    let waiters = WANTS.map(|(name, ..)| wait(name));

    for ((name, _, words), waiter) in WANTS.into_iter().zip(waiters) {
        let waited = waiter.ended();
        assert_eq!(waited.code, 1, "{name}: {waited:?}");
        let why = node.kaiwo("why", &[name]).exits(0).stdout;
        for word in words {
            assert!(why.contains(word), "{name}: {why}");
        }
    }
    node.wait("the reason in the list", || {
        let listed = node.kaiwo("list", &["--any", "-o", "json"]).exits(0).stdout;
        listed
            .contains("FailedCreatePodSandBox in pod sandbox-")
            .then_some(())
    });
    let waited = command.ended();
    assert_ne!(waited.code, 0, "{waited:?}");
    _ = waited.says("nosuchprog is not in the image");
    _ = sandbox
        .ended()
        .exits(1)
        .says("no runtime for \"nohandler\" is configured");
    node.delete("RuntimeClass", &node.name);
}
