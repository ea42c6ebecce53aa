//! Nodes that do not come back: reclaimed with a notice, as spot instances are, and lost
//! without one.

use serde_json::json;

use super::followed::Followed;
use super::programs::{Cordoned, Removed, Stopped, Tainted};
use super::two_nodes::{lacks_second, places, wait_for_node};
use super::{Node, PYTHON, QUEUE};

/// Saves what it has when it is told to end, and ends with 0.
const SAVES: &str = r"
import os, signal, sys, time
attempt = os.environ['KAIWO_ATTEMPT']
def told(*_):
    print('told', flush=True)
    time.sleep(3)
    open('/scratch/saved', 'a').write(f'attempt {attempt}\n')
    sys.exit(0)
signal.signal(signal.SIGTERM, told)
print('attempt', attempt, flush=True)
while not os.path.exists('/scratch/end'): time.sleep(0.2)
print('done', flush=True)
";

/// Makes a volume that both nodes see, for the claim that a Job keeps; returns the folder
/// of this machine that it is.
fn volume(node: &Node, job: &str) -> String {
    let testbed = std::env::var("KAIWO_TESTBED_DIR").unwrap();
    let folder = format!("{testbed}/{}", node.name);
    node.apply(json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": node.name},
        "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain", "storageClassName": node.name,
            "claimRef": {"namespace": node.name, "name": format!("{job}-scratch")},
            "hostPath": {"path": folder, "type": "DirectoryOrCreate"},
        },
    }));
    folder
}

/// Waits until `kaiwo status` says this.
#[track_caller]
fn wait_for_status(node: &Node, name: &str, words: &str) {
    node.wait(&format!("the status of {name} to say {words:?}"), || {
        let status = node.kaiwo("status", &[name]).exits(0).stdout;
        status.contains(words).then_some(())
    });
}

/// Runs the Job of directory `job`, with so much time to end, and a service; both land on
/// `real-1`.
fn job_and_service_on_second(node: &Node, grace: &str) {
    node.python(
        "srv",
        "import http.server\n\
         http.server.ThreadingHTTPServer(('', 8000), http.server.SimpleHTTPRequestHandler).serve_forever()\n",
    );
    _ = node.run("job", &["--grace", grace]).exits(0);
    _ = node.serve("srv", &["--port", "8000", "--wait"]).exits(0);
    node.wait_for_log("job", "here");
    assert_eq!(places(node), ["real-1", "real-1"]);
}

#[test]
#[ignore = "needs two real nodes: cargo xtask test --all"]
fn a_job_on_a_reclaimed_node_saves_and_starts_again_elsewhere() {
    if lacks_second("a node that is reclaimed") {
        return;
    }
    let node = Node::alone("lost-spot");
    let folder = volume(&node, "job");
    node.python("job", SAVES);
    let storage = format!("--storage=1Gi,{}", node.name);
    let first = Cordoned::new(&node, "real-0");
    let more = [&*storage, "--keep-storage", "--grace", "30s"];
    _ = node.run("job", &more).exits(0);
    node.wait_for_log("job", "attempt 1\n");
    assert_eq!(places(&node), ["real-1"]);
    drop(first);
    let waiter = Followed::new(node.start("wait", &["job"]));
    let follower = node.follow("job");

    // What termination handlers do with their notice: no new pods, those that are there
    // are evicted, and then the node is gone.
    let cordoned = Cordoned::new(&node, "real-1");
    let [pod] = &node.running(1)[..] else {
        panic!("one pod")
    };
    assert_eq!(node.evict(pod), None);
    node.wait_for_log("job", "attempt 2\n");
    let removed = Removed::second(&node, None);
    assert_eq!(places(&node), ["real-0"]);
    let saved = std::fs::read_to_string(format!("{folder}/saved")).unwrap();
    assert_eq!(saved, "attempt 1\n");
    wait_for_status(&node, "job", "Running");
    let status = node.kaiwo("status", &["job"]).exits(0).stdout;
    assert!(!status.contains("real-1"), "{status}");

    std::fs::write(format!("{folder}/end"), "").unwrap();
    let waited = waiter.ended().exits(0);
    let told = "evicted from its node";
    assert!(waited.stderr.contains(told), "{}", waited.stderr);
    let log = follower.ended().exits(0).stdout;
    for line in ["attempt 1", "told", "attempt 2", "done"] {
        assert!(log.contains(line), "{line}: {log}");
    }
    _ = node
        .kaiwo("delete", &["job", "-y", "--with-storage"])
        .exits(0);
    drop(removed);
    drop(cordoned);
    node.delete("PersistentVolume", &node.name);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
#[ignore = "needs two real nodes: cargo xtask test --all"]
fn what_a_lost_node_had_goes_on_elsewhere() {
    if lacks_second("a node that is lost for good") {
        return;
    }
    let node = Node::alone("lost-gone");
    node.script(
        "job",
        "trap 'exit 1' TERM\necho here\nsleep 100000 & wait\n",
    );
    let first = Cordoned::new(&node, "real-0");
    job_and_service_on_second(&node, "5m");
    drop(first);
    let waiter = Followed::new(node.start("wait", &["job"]));

    let machine = Stopped::new("real-1/link");
    wait_for_node(&node, "real-1", "Unknown");
    for name in ["job", "srv"] {
        wait_for_status(&node, name, "on node real-1, which is not responding");
    }
    // A Deployment does not wait for the end of its pod.
    node.wait("the service to be elsewhere", || {
        places(&node).contains(&"real-0".to_owned()).then_some(())
    });
    _ = node.kaiwo("wait", &["srv"]).exits(0);
    let served = node.kaiwo("status", &["srv"]).exits(0).stdout;
    assert!(served.contains("Ready"), "{served}");
    // A Job does, and says so within the time that its pod stays there.
    _ = waiter
        .ended()
        .exits(1)
        .says("on node real-1, which is not responding");
    wait_for_status(
        &node,
        "job",
        "was deleted, and its node real-1 is not responding",
    );
    let why = node.kaiwo("why", &["job"]).exits(0).stdout;
    assert!(why.contains("kubectl delete node real-1"), "{why}");

    let removed = Removed::second(&node, Some(machine));
    let why = node.kaiwo("why", &["job"]).exits(0).stdout;
    assert!(
        why.contains("its node real-1 was removed from the cluster"),
        "{why}"
    );
    assert!(!why.contains("kubectl delete node"), "{why}");
    node.wait("the Job to be elsewhere", || {
        (places(&node) == ["real-0", "real-0"]).then_some(())
    });
    node.wait_for_log("job", "here");
    let status = node.kaiwo("status", &["job"]).exits(0).stdout;
    assert!(
        status.contains("Running") && !status.contains("real-1"),
        "{status}"
    );
    drop(removed);
    // The node is back, and its machine has nothing left of them.
    let third = Cordoned::new(&node, "real-0");
    let on_second = [
        "submit", "-n", &node.name, "-q", QUEUE, "-i", PYTHON, "--name", "ps",
    ];
    let command = ["-g", "1", "--follow", "--", "echo", "on the second"];
    let outcome = node.sandbox.kaiwo(&[&on_second[..], &command].concat());
    assert_eq!(outcome.exits(0).stdout, "on the second\n");
    drop(third);
}

#[test]
#[ignore = "needs two real nodes: cargo xtask test --all"]
fn what_a_taint_evicts_goes_on_elsewhere() {
    if lacks_second("a node that is tainted") {
        return;
    }
    let node = Node::alone("lost-taint");
    node.script(
        "job",
        "trap 'echo told; exit 0' TERM\necho here\nsleep 100000 & wait\n",
    );
    let first = Cordoned::new(&node, "real-0");
    job_and_service_on_second(&node, "30s");
    let waiter = Followed::new(node.start("wait", &["job"]));

    let tainted = Tainted::new(&node, "real-1");
    for name in ["job", "srv"] {
        node.wait(&format!("why {name} has no node"), || {
            let why = node.kaiwo("why", &[name]).exits(0).stdout;
            (why.contains("maintenance=now:NoExecute; cordoned: real-0")).then_some(())
        });
    }
    // An end that it was told to come to is no success.
    wait_for_status(&node, "job", "Starting");

    drop(first);
    node.wait("both to be elsewhere", || {
        (places(&node) == ["real-0", "real-0"]).then_some(())
    });
    wait_for_status(&node, "job", "Running");
    _ = node.kaiwo("wait", &["srv"]).exits(0);
    _ = node.kaiwo("delete", &["job", "-y"]).exits(0);
    let waited = waiter.ended();
    for told in ["untolerated taint", "running, 1 of 1 pods"] {
        assert!(waited.stderr.contains(told), "{}", waited.stderr);
    }
    drop(tainted);
}
