//! A node that is drained for an upgrade, beside Kueue's preemption: what is said
//! of a Job that has to leave, waits for the node, and makes room for another.

use serde_json::json;

use super::programs::Cordoned;
use super::restarts::Followed;
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
    wait_for_status(&node, "job", "Unschedulable in pod job-");
    let why = node.kaiwo("why", &["job"]).exits(0).stdout;
    assert!(why.contains("cordoned"), "{why}");
    assert!(why.contains("kubectl uncordon real-0"), "{why}");

    // Kueue gives its quota to another; that waits for the node as well.
    node.script("urgent", "echo here\nexec sleep 600\n");
    let more = [&all[..], &["--priority-class", &class]].concat();
    _ = node.run("urgent", &more).exits(0);
    wait_for_status(&node, "job", "preempted by job/urgent");
    let why = node.kaiwo("why", &["job"]).exits(0).stdout;
    assert!(why.contains("It was preempted by job/urgent"), "{why}");
    assert!(!why.contains("cordoned"), "{why}");
    wait_for_status(&node, "urgent", "Unschedulable in pod urgent-");
    let why = node.kaiwo("why", &["urgent"]).exits(0).stdout;
    assert!(why.contains("cordoned"), "{why}");

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
