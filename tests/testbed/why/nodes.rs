//! Nodes that are full, gone, or too small.

use serde_json::json;

use super::{Scene, WITH_PODS, Who};
use crate::testbed::cluster::OWN_TAINT;

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn nodes_that_do_not_fit_say_why() {
    let scene = Scene::with_nodes("why-nodes", 64, &[("a", 8), ("b", 8)]);
    let testbed = &scene.testbed;
    let forever = ["-i", "testbed/forever", "--gpus-per-node", "8"];
    for name in ["half-a", "half-b"] {
        let node = scene.node(name.trim_start_matches("half-"));
        let on = format!("kubernetes.io/hostname={node}");
        testbed.merge(
            "Node",
            &node,
            &json!({"metadata": {"labels": {"kubernetes.io/hostname": node}}}),
        );
        scene.submit(
            name,
            &[&forever[..], &["-g", "4", "--node-selector", &on]].concat(),
        );
    }
    for name in ["half-a", "half-b"] {
        testbed.wait(&format!("{name} to run"), || {
            let outcome = scene.ask(Who::Admin, name, false);
            outcome
                .stdout
                .starts_with(&format!("job/{name}: Running for "))
                .then_some(())
        });
    }
    scene.submit("whole", &[&forever[..], &["-g", "8"]].concat());
    scene.told(
        "whole",
        "fragmented",
        &[
            "8 amd.com/gpu are free, as 4+4, but a pod needs 8 on one node",
            "--gpus-per-node 4",
        ],
        &[Who::Admin],
    );
    // Without nodes, the scheduler's words have to do.
    scene.told(
        "whole",
        "nodesFull",
        &[
            "a pod needs 8 amd.com/gpu on one node"
                .to_owned()
                .replacen('a', "A", 1)
                .as_str(),
            "not visible to you: nodes",
        ],
        &[Who::Viewer],
    );
    // Who may not even see pods learns that it was admitted.
    scene.told(
        "whole",
        "starting",
        &["job/whole: Starting", "pods"],
        &[Who::BatchUser],
    );
    testbed.delete("Job", "whole");

    // Three of which two have a place.
    scene.submit(
        "gang",
        &[
            &forever[..],
            &["-g", "12", "--gpus-per-replica", "4", "--replicas", "3"],
        ]
        .concat(),
    );
    scene.told(
        "gang",
        "gangPartlyPlaced",
        &["Only 2 of 3 pods have a node", "cause: nodesFull"],
        &WITH_PODS,
    );
    scene.told(
        "gang",
        "gangPartlyPlaced",
        &["GPUs there are held by: "],
        &[Who::Admin],
    );
    testbed.delete("Job", "gang");

    // Who sees no nodes would be told of the taints of other tests' nodes.
    let tolerates = ["--toleration", OWN_TAINT];
    let nowhere = ["-g", "1", "--node-selector", "no=where"];
    scene.submit("selects", &[&forever[..], &nowhere, &tolerates].concat());
    scene.told(
        "selects",
        "nodeSelector",
        &["no=where", "--node-selector"],
        &WITH_PODS,
    );

    let claims = ["-g", "1", "--volume", "nothing:/data", "--force"];
    scene.submit("claims", &[&forever[..], &claims].concat());
    scene.told(
        "claims",
        "claimMissing",
        &["PersistentVolumeClaim nothing"],
        &WITH_PODS,
    );
    testbed.apply(json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "nothing"},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "no-such-class",
                 "resources": {"requests": {"storage": "1Gi"}}},
    }));
    scene.told(
        "claims",
        "claimUnbound",
        &["PersistentVolumeClaim nothing has no volume yet"],
        &WITH_PODS,
    );

    for node in ["a", "b"] {
        let taints = json!([{"key": "dedicated", "value": "others", "effect": "NoSchedule"}]);
        testbed.merge(
            "Node",
            &scene.node(node),
            &json!({"spec": {"taints": taints}}),
        );
    }
    scene.submit("tainted", &[&forever[..], &["-g", "1"]].concat());
    scene.told(
        "tainted",
        "taints",
        &["have taints that its pods do not tolerate", "--toleration"],
        &WITH_PODS,
    );
    scene.told(
        "tainted",
        "taints",
        &["--toleration dedicated=others:NoSchedule"],
        &[Who::Admin],
    );

    for node in ["a", "b"] {
        testbed.delete("Node", &scene.node(node));
    }
    scene.submit("gone", &[&forever[..], &["-g", "1"], &tolerates].concat());
    scene.told(
        "gone",
        "flavorNodesAbsent",
        &["the cluster has no node with kaiwo.dev/why="],
        &[Who::Admin],
    );
    scene.told(
        "gone",
        "nodeSelector",
        &["not visible to you: nodes"],
        &[Who::Viewer],
    );
    testbed.delete("ResourceFlavor", &testbed.name);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn nodes_that_are_too_small_say_so() {
    let scene = Scene::with_nodes("why-small", 64, &[("a", 4)]);
    scene.submit(
        "j",
        &["-i", "testbed/forever", "-g", "8", "--gpus-per-node", "8"],
    );
    scene.told(
        "j",
        "nodesTooSmall",
        &["no node it can use has more than 4", "--gpus-per-node 4"],
        &[Who::Admin],
    );
    scene.told(
        "j",
        "nodesFull",
        &["amd.com/gpu, but the only node it can use"],
        &[Who::Viewer],
    );
    scene.testbed.delete("Node", &scene.node("a"));
    scene.testbed.delete("ResourceFlavor", &scene.testbed.name);
}
