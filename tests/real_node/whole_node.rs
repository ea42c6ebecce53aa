//! What takes the whole node: drained for an upgrade, and preempted by Kueue, a Job has
//! to leave, waits for the node, and makes room for another.
//!
//! Nothing else runs meanwhile. By their name these tests are among the last, so that
//! few others wait for them.

use serde_json::json;

use super::followed::Followed;
use super::programs::Cordoned;
use super::stop::PROGRAM;
use super::{Node, real_nodes};

/// Makes a class by which a Job takes the place of others.
pub fn urgent(node: &Node) -> String {
    let name = format!("{}-urgent", node.name);
    node.apply(json!({
        "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "WorkloadPriorityClass",
        "metadata": {"name": name}, "value": 1000,
    }));
    name
}

/// Waits until `kaiwo status` of a Job has these words.
#[track_caller]
fn wait_for_status(node: &Node, job: &str, words: &str) {
    node.wait(&format!("the status of {job} to say {words:?}"), || {
        let status = node.kaiwo("status", &[job]).exits(0).stdout;
        status.contains(words).then_some(())
    });
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_drained_node_and_a_preemption_are_told_apart() {
    let node = Node::alone("drain");
    let class = urgent(&node);
    // It takes a while to end: `wait` looks at what there is, and keeps no history.
    node.script(
        "job",
        "trap 'sleep 8; exit 1' TERM\necho here\nsleep 600 & wait\n",
    );
    let names = real_nodes();
    let (gpus, pods) = ((8 * names.len()).to_string(), names.len().to_string());
    // All GPUs that there are, so that only one has room.
    let all = ["-g", &gpus, "--replicas", &pods];
    _ = node.run("job", &all).exits(0);
    node.wait_for_log("job", "here");
    let waiter = Followed::new(node.start("wait", &["job"]));

    // As `kubectl drain` does.
    let running = node.running(names.len());
    let cordoned: Vec<Cordoned> = names.iter().map(|it| Cordoned::new(&node, it)).collect();
    for pod in running {
        assert_eq!(node.evict(&pod), None);
    }
    // It lasts for as long as the pod takes to end.
    node.wait("the eviction to be told", || {
        let is_told = waiter.stderr().contains("evicted from its node");
        is_told.then_some(())
    });
    wait_for_status(&node, "job", "Unschedulable in pod job-");
    let why = node.kaiwo("why", &["job"]).exits(0).stdout;
    assert!(why.contains("uncordon the nodes"), "{why}");
    assert!(why.contains("kubectl uncordon real-0"), "{why}");

    // Kueue gives its quota to another; that waits for the node as well.
    node.script("urgent", "echo here\nexec sleep 600\n");
    let more = [&all[..], &["--priority-class", &class]].concat();
    _ = node.run("urgent", &more).exits(0);
    wait_for_status(&node, "job", "preempted by job/urgent");
    let why = node.kaiwo("why", &["job"]).exits(0).stdout;
    assert!(why.contains("It was preempted by job/urgent"), "{why}");
    assert!(!why.contains("uncordon"), "{why}");
    wait_for_status(&node, "urgent", "Unschedulable in pod urgent-");
    let why = node.kaiwo("why", &["urgent"]).exits(0).stdout;
    assert!(why.contains("uncordon the nodes"), "{why}");

    drop(cordoned);
    node.wait_for_log("urgent", "here");
    _ = node.kaiwo("delete", &["urgent", "-y"]).exits(0);
    node.wait_for_log("job", "here");
    wait_for_status(&node, "job", "Running");
    _ = node.kaiwo("delete", &["job", "-y"]).exits(0);
    // It was never said to have failed, or to be beyond hope.
    let waited = waiter.ended();
    assert_eq!(waited.code, 125, "{waited:?}");
    for words in [
        "evicted from its node",
        "preempted by job/urgent",
        "it was deleted",
    ] {
        assert!(waited.stderr.contains(words), "{words}: {}", waited.stderr);
    }
    node.delete("WorkloadPriorityClass", &class);
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_preemption_tells_the_program() {
    let node = Node::alone("preempted");
    let class = urgent(&node);
    // An end with 0 is not taken for success: it was not by itself.
    let program = PROGRAM.replace("_exit(42)", "_exit(0)");
    node.script("job", "python -u main.py\n");
    node.sandbox.write("job/main.py", program);
    let gpus = (8 * real_nodes().len()).to_string();
    let pods = real_nodes().len().to_string();
    let all = ["-g", &gpus, "--replicas", &pods];
    _ = node.run("job", &all).exits(0);
    let logs = node.follow("job");
    node.script("urgent", "echo here\nexec sleep 600\n");
    let more = [&all[..], &["--priority-class", &class]].concat();
    _ = node.run("urgent", &more).exits(0);
    node.wait_for_log("urgent", "here");
    _ = node.kaiwo("delete", &["urgent", "-y"]).exits(0);
    node.wait_for_log("job", "ready");
    _ = node.kaiwo("delete", &["job", "-y"]).exits(0);
    let printed = logs.ended().stdout;
    assert!(
        printed.contains("told TERM") && printed.contains("saved"),
        "{printed}"
    );
    node.delete("WorkloadPriorityClass", &class);
}
