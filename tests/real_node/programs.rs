//! Stops programs of the testbed, and starts them again; takes nodes out of use.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::Node;

const SECOND: &str = "real-1";

/// A program that does not run: it does again with this value's end, however
/// that comes, so that a failed test does not fail the next ones.
#[must_use]
pub struct Stopped {
    program: &'static str,
}

impl Stopped {
    /// Stops it, and waits until it has ended.
    #[track_caller]
    pub fn new(program: &'static str) -> Self {
        control("stop", program);
        Self { program }
    }

    /// Starts it again.
    pub fn start(self) {}
}

impl Drop for Stopped {
    fn drop(&mut self) {
        control("start", self.program);
    }
}

/// Keeps new pods away from a node as long as this lives.
pub struct Cordoned<'a> {
    node: &'a Node,
    name: String,
}

impl<'a> Cordoned<'a> {
    pub fn new(node: &'a Node, name: &str) -> Self {
        let name = name.to_owned();
        let cordoned = Self { node, name };
        cordoned.set(true);
        cordoned
    }

    fn set(&self, is_cordoned: bool) {
        let spec = json!({"spec": {"unschedulable": is_cordoned}});
        self.node.merge("Node", &self.name, &spec);
    }
}

impl Drop for Cordoned<'_> {
    fn drop(&mut self) {
        self.set(false);
    }
}

/// A node with a taint that evicts what does not tolerate it, until this value ends.
pub struct Tainted<'a> {
    node: &'a Node,
    name: String,
    before: Value,
}

impl<'a> Tainted<'a> {
    /// Taints it with `maintenance=now:NoExecute`.
    pub fn new(node: &'a Node, name: &str) -> Self {
        let found = node.find("Node", name).unwrap();
        let before = found["spec"]["taints"].clone();
        let mut taints = before.as_array().cloned().unwrap_or_default();
        taints.push(json!({"key": "maintenance", "value": "now", "effect": "NoExecute"}));
        node.merge("Node", name, &json!({"spec": {"taints": taints}}));
        let name = name.to_owned();
        Self { node, name, before }
    }
}

impl Drop for Tainted<'_> {
    fn drop(&mut self) {
        let spec = json!({"spec": {"taints": self.before}});
        self.node.merge("Node", &self.name, &spec);
    }
}

/// A node that was removed from the cluster, and its machine, if that is gone, too. It is
/// there again with this value's end.
pub struct Removed<'a> {
    node: &'a Node,
    machine: Option<Stopped>,
}

impl<'a> Removed<'a> {
    /// Removes `real-1`, whose machine may be unreachable.
    pub fn second(node: &'a Node, machine: Option<Stopped>) -> Self {
        node.delete("Node", SECOND);
        Self { node, machine }
    }
}

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        drop(self.machine.take());
        // It registers the node when it starts.
        control("restart", "real-1/kubelet");
        if std::thread::panicking() {
            return;
        }
        super::two_nodes::wait_for_node(self.node, SECOND, "True");
        // As a device plugin does.
        let gpus = json!({"amd.com/gpu": "8"});
        let status = json!({"capacity": gpus, "allocatable": gpus});
        self.node.merge_status("Node", SECOND, &status);
    }
}

/// Runs the `xtask` that runs the testbed.
#[track_caller]
fn control(action: &str, program: &str) {
    let variable = |name| std::env::var(name).unwrap();
    let xtask = Path::new(&variable("KAIWO_TESTBED_DIR")).join("xtask");
    let testbed = variable("KAIWO_TESTBED_NAME");
    let mut command = Command::new(xtask);
    command.args(["testbed", action, program, "--name", &testbed]);
    let output = command.output().unwrap();
    assert!(
        output.status.success() || std::thread::panicking(),
        "{action} {program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
