//! What needs a second node: a gang across both, a node that is lost and comes
//! back, a claim that moves.

use serde_json::{Value, json};

use super::followed::Followed;
use super::programs::{Cordoned, Stopped};
use super::{Node, PYTHON, QUEUE, real_nodes};
use crate::common::skip;

/// Returns whether the testbed has one node only, and says what that leaves
/// untested.
pub fn lacks_second(test: &str) -> bool {
    let lacks = real_nodes().len() < 2;
    if lacks {
        skip(&format!("the testbed has one real node: {test}"));
    }
    lacks
}

/// Returns the nodes of the pods that are not being deleted, sorted.
pub fn places(node: &Node) -> Vec<String> {
    let pods = node.list("Pod");
    let alive = pods
        .iter()
        .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    let mut places: Vec<String> = alive
        .filter_map(|pod| Some(pod["spec"]["nodeName"].as_str()?.to_owned()))
        .collect();
    places.sort();
    places
}

/// Waits until the cluster says whether a node answers.
pub fn wait_for_node(node: &Node, name: &str, ready: &str) {
    node.wait(&format!("{name} to be Ready: {ready}"), || {
        let found = node.find("Node", name)?;
        let conditions = found["status"]["conditions"].as_array()?.clone();
        let is = conditions
            .iter()
            .any(|it| it["type"] == "Ready" && it["status"] == ready);
        is.then_some(())
    });
}

#[test]
#[ignore = "needs two real nodes: cargo xtask test --all"]
fn a_gang_across_two_nodes_talks_by_the_names_of_its_pods() {
    if lacks_second("a gang across two nodes") {
        return;
    }
    let node = Node::new("two-gang");
    node.python(
        "job",
        r#"
import os, socket, time
rank, size = int(os.environ['JOB_COMPLETION_INDEX']), 2
me = socket.create_server(('0.0.0.0', 9000))
peer = os.environ['HOSTNAME'].rsplit('-', 1)[0] + f'-{1 - rank}.' + os.environ['MASTER_ADDR'].split('.', 1)[1]
while True:
    try:
        other = socket.create_connection((peer, 9000))
        break
    except OSError as error:
        time.sleep(0.5)
other.sendall(f'hello from {rank}'.encode())
other.close()
print('rank', rank, 'heard', me.accept()[0].recv(100).decode(), 'by', peer)
"#,
    );
    // Eight GPUs each, so that one node cannot have both.
    let outcome = node
        .run("job", &["-g", "16", "--replicas", "2", "--follow"])
        .exits(0);
    for (rank, other) in [(0, 1), (1, 0)] {
        let words = format!("rank {rank} heard hello from {other} by job-{other}.");
        assert!(outcome.stdout.contains(&words), "{}", outcome.stdout);
    }
    assert_eq!(places(&node), ["real-0", "real-1"]);
}

/// A Job of two pods, one on each node, that prints numbers until it may end.
fn counting_gang(node: &Node) {
    node.script(
        "job",
        "i=0; while [ ! -e /scratch/end ]; do echo $i; i=$((i + 1)); sleep 0.1; done\n",
    );
    let gang = ["-g", "16", "--replicas", "2"];
    _ = node.run("job", &gang).exits(0);
    node.running(2);
    assert_eq!(places(node), ["real-0", "real-1"]);
}

/// Returns the pod of a Job on a node.
fn pod_on(node: &Node, name: &str) -> Value {
    let pods = node.list("Pod");
    let mut on = pods
        .into_iter()
        .filter(|pod| pod["spec"]["nodeName"] == name);
    on.next().unwrap_or_else(|| panic!("no pod on {name}"))
}

#[test]
#[ignore = "needs two real nodes: cargo xtask test --all"]
fn a_node_that_is_lost_is_named_and_goes_on_when_it_is_back() {
    if lacks_second("a node lost and back") {
        return;
    }
    let node = Node::alone("two-back");
    counting_gang(&node);
    // Longer than the node stays away.
    let pod = pod_on(&node, "real-1");
    let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
    let tolerations = pod["spec"]["tolerations"].as_array().unwrap();
    let longer = tolerations.iter().map(|toleration| {
        let mut toleration = toleration.clone();
        if toleration["tolerationSeconds"].is_number() {
            toleration["tolerationSeconds"] = json!(3_000);
        }
        toleration
    });
    let longer: Vec<Value> = longer.collect();
    node.merge("Pod", &name, &json!({"spec": {"tolerations": longer}}));

    let waiter = Followed::new(node.start("wait", &["job"]));
    let follower = Followed::new(node.start("logs", &["-f", "job"]));
    node.wait("lines of both", || (follower.lines() > 20).then_some(()));
    let cut = Stopped::new("real-1/link");
    wait_for_node(&node, "real-1", "Unknown");
    let reason = format!("pod {name} is on node real-1, which is not responding");
    node.wait("the status to name the node", || {
        let status = node.kaiwo("status", &["job"]).exits(0);
        status.stdout.contains(&reason).then_some(())
    });
    let why = node.kaiwo("why", &["job"]).exits(0).stdout;
    for words in [
        "Node real-1 is not responding",
        "50 min after",
        "kubectl describe node real-1",
    ] {
        assert!(why.contains(words), "{words}: {why}");
    }
    node.wait("the log to name the node", || {
        follower
            .stderr()
            .contains("its node real-1 is not responding")
            .then_some(())
    });
    node.wait("wait to name the node", || {
        waiter.stderr().contains(&reason).then_some(())
    });
    cut.start();
    wait_for_node(&node, "real-1", "True");
    node.wait("the log to go on", || {
        follower
            .stderr()
            .contains("its log can be read again")
            .then_some(())
    });
    for worker in ["0", "1"] {
        node.wait("the end of a pod", || {
            let end = ["job", "--worker", worker, "--", "touch", "/scratch/end"];
            (node.kaiwo("exec", &end).code == 0).then_some(())
        });
    }
    _ = waiter.ended().exits(0);
    let log = follower.ended().exits(0);
    for index in ["[0", "[1"] {
        let own = log.stdout.lines().filter(|line| line.starts_with(index));
        let numbers: Vec<usize> = own
            .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
            .collect();
        assert!(numbers.len() > 100, "{}", numbers.len());
        assert_eq!(numbers, (0..numbers.len()).collect::<Vec<_>>());
    }
}

#[test]
#[ignore = "needs two real nodes: cargo xtask test --all"]
fn a_wait_for_a_lost_node_ends_when_its_pods_are_deleted() {
    if lacks_second("a node that stays lost") {
        return;
    }
    let node = Node::alone("two-lost");
    counting_gang(&node);
    let name = pod_on(&node, "real-1")["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    let stopped = Stopped::new("real-1/kubelet");
    let outcome = node.kaiwo("wait", &["job"]).exits(1);
    _ = outcome.says(&format!(
        "pod {name} is on node real-1, which is not responding"
    ));
    // Kubernetes deletes it at the same time; nobody ends it.
    let held = format!("pod {name} was deleted, and its node real-1 is not responding");
    node.wait("the status of the deleted pod", || {
        let status = node.kaiwo("status", &["job"]).exits(0);
        status.stdout.contains(&held).then_some(())
    });
    let why = node.kaiwo("why", &["job"]).exits(0).stdout;
    let words = held.replacen("pod", "Pod", 1);
    for words in [words.as_str(), "kubectl delete node real-1"] {
        assert!(why.contains(words), "{words}: {why}");
    }
    stopped.start();
    // The Job makes another pod of that index, and runs again.
    node.wait("another pod", || {
        let pods = node.list("Pod");
        let is_gone = pods
            .iter()
            .all(|pod| pod["metadata"]["name"] != name.as_str());
        (is_gone && places(&node).len() == 2).then_some(())
    });
    node.wait("the Job to run", || {
        let status = node.kaiwo("status", &["job"]).exits(0).stdout;
        (status.contains("Running") && !status.contains("is not responding")).then_some(())
    });
}

#[test]
#[ignore = "needs two real nodes: cargo xtask test --all"]
fn a_claim_moves_with_its_pod() {
    if lacks_second("a claim that moves") {
        return;
    }
    let node = Node::alone("two-claim");
    // A folder of the machine, which both nodes see, as they would see a disk of
    // the network.
    let folder = format!(
        "{}/{}",
        std::env::var("KAIWO_TESTBED_DIR").unwrap(),
        node.name
    );
    node.apply(json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": node.name},
        "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain", "storageClassName": "",
            "claimRef": {"namespace": node.name, "name": "data"},
            "hostPath": {"path": folder, "type": "DirectoryOrCreate"},
        },
    }));
    node.apply(json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": node.name},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "", "volumeName": node.name,
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }));
    node.python(
        "srv",
        "import http.server, os, socket\n\
         with open('/data/places', 'a') as places: places.write(os.environ['HOSTNAME'] + '\\n')\n\
         os.chdir('/data')\n\
         http.server.ThreadingHTTPServer(('', 8000), http.server.SimpleHTTPRequestHandler).serve_forever()\n",
    );
    let first = Cordoned::new(&node, "real-1");
    let serve = [
        "serve",
        "-n",
        &node.name,
        "-q",
        QUEUE,
        "-i",
        PYTHON,
        "-p",
        "srv",
        "--name",
        "srv",
        "--port",
        "8000",
        "--volume",
        "data:/data",
        "--wait",
    ];
    _ = node.sandbox.kaiwo(&serve).exits(0);
    assert_eq!(places(&node), ["real-0"]);
    drop(first);
    let _drained = Cordoned::new(&node, "real-0");
    let [pod] = &node.running(1)[..] else {
        panic!("one pod")
    };
    assert_eq!(node.evict(pod), None);
    node.wait("a pod on the other node", || {
        (places(&node) == ["real-1"]).then_some(())
    });
    _ = node.kaiwo("wait", &["srv"]).exits(0);
    let written = std::fs::read_to_string(format!("{folder}/places")).unwrap();
    assert_eq!(written.lines().count(), 2, "{written}");
    std::fs::remove_dir_all(&folder).unwrap();
    node.delete("PersistentVolume", &node.name);
}
