//! A Deployment from one version to the next, and back.

use serde_json::{Value, json};

use super::cluster::{OWN_TAINT, Testbed, has_condition};
use super::objects::uploads;
use super::serve::{gone, serve, testbed};

/// Serves `chat` with GPUs on the node of the test's own.
fn on_own_node(testbed: &Testbed, arguments: &[&str]) -> crate::common::Outcome {
    let selector = format!("--node-selector=test={}", testbed.name);
    let toleration = format!("--toleration={OWN_TAINT}={}", testbed.name);
    let words = ["-p", "chat", "--gpu-resource=amd.com/gpu"];
    serve(
        testbed,
        &[&words[..], &[&selector, &toleration], arguments].concat(),
    )
}

/// Makes a node for the test alone, tainted as nodes with GPUs are, too.
fn own_node(testbed: &Testbed, gpus: &str) {
    let labels = json!({"test": testbed.name});
    let resources = json!({"cpu": "64", "memory": "512Gi", "pods": "110", "amd.com/gpu": gpus});
    let of_gpus = json!({"key": "amd.com/gpu", "effect": "NoSchedule"});
    let taints = json!([testbed.own_taint(), of_gpus]);
    testbed.fake_node(&testbed.name, &labels, &resources, &taints);
}

fn images(testbed: &Testbed) -> Vec<String> {
    let mut images: Vec<String> = testbed
        .list("Pod")
        .iter()
        .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
        .map(|pod| {
            pod["spec"]["containers"][0]["image"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    images.sort();
    images
}

/// Waits until the rollout is done, with only pods of this image.
#[track_caller]
fn rolled_out(testbed: &Testbed, image: &str, pods: usize) {
    testbed.wait(&format!("{pods} pods of {image}"), || {
        let deployment = testbed.find("Deployment", "alice-chat")?;
        let status = &deployment["status"];
        let current = status["observedGeneration"] == deployment["metadata"]["generation"];
        let ready = status["availableReplicas"] == pods && status["updatedReplicas"] == pods;
        (current && ready && images(testbed) == vec![image; pods]).then_some(())
    });
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn full_nodes_survive_an_update() {
    let testbed = testbed("full");
    own_node(&testbed, "2");
    let two = ["--replicas=2", "--gpus-per-replica=1"];
    let _ = on_own_node(&testbed, &[&two[..], &["-i", "registry/chat:1"]].concat()).exits(0);
    rolled_out(&testbed, "registry/chat:1", 2);
    // No GPU is left: one of the two goes first.
    let _ = on_own_node(&testbed, &[&two[..], &["-i", "registry/chat:2"]].concat()).exits(0);
    let strategy = || testbed.find("Deployment", "alice-chat").unwrap()["spec"]["strategy"].clone();
    let steps = |surge: i64, unavailable: i64| {
        json!({"type": "RollingUpdate",
               "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}})
    };
    assert_eq!(strategy(), steps(0, 1));
    rolled_out(&testbed, "registry/chat:2", 2);

    // One pod less makes room, and afterwards there is a GPU for the next: it
    // comes first.
    let one = ["-g", "1"];
    let _ = on_own_node(&testbed, &[&one[..], &["-i", "registry/chat:3"]].concat()).exits(0);
    rolled_out(&testbed, "registry/chat:3", 1);
    let _ = on_own_node(&testbed, &[&one[..], &["-i", "registry/chat:4"]].concat()).exits(0);
    assert_eq!(strategy(), steps(1, 0));
    rolled_out(&testbed, "registry/chat:4", 1);
    testbed.delete("Deployment", "alice-chat");
    gone(&testbed);
    testbed.delete("Node", &testbed.name);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn the_only_pod_on_a_full_node_goes_only_if_it_may() {
    let testbed = testbed("only");
    own_node(&testbed, "1");
    let image = |image: &str, more: &[&str]| {
        on_own_node(&testbed, &[&["-g", "1", "-i", image], more].concat())
    };
    let _ = image("registry/chat:1", &[]).exits(0);
    rolled_out(&testbed, "registry/chat:1", 1);
    let before = testbed.find("Deployment", "alice-chat").unwrap();
    let _ = image("registry/chat:2", &[])
        .exits(3)
        .says("error: deployment/alice-chat has one pod, and no node has GPUs for a second one: nothing would serve while it is updated\n")
        .says("--allow-downtime stops it");
    let after = testbed.find("Deployment", "alice-chat").unwrap();
    assert_eq!(
        after["metadata"]["generation"],
        before["metadata"]["generation"]
    );
    assert_eq!(uploads(&testbed).len(), 1, "nothing was made");
    // What leaves the pods alone needs no GPU.
    let _ = image("registry/chat:1", &["--min-available=1"]).exits(0);
    let _ = image("registry/chat:2", &["--allow-downtime"]).exits(0);
    rolled_out(&testbed, "registry/chat:2", 1);

    // What does not serve anyway may go.
    let _ = image("testbed/pull-fails:1", &["--allow-downtime"]).exits(0);
    testbed.wait("the pod to fail", || {
        let deployment = testbed.find("Deployment", "alice-chat")?;
        let none = deployment["status"]["availableReplicas"].is_null();
        (none && images(&testbed) == ["testbed/pull-fails:1"]).then_some(())
    });
    let _ = image("registry/chat:3", &[]).exits(0);
    rolled_out(&testbed, "registry/chat:3", 1);
    testbed.delete("Deployment", "alice-chat");
    gone(&testbed);
    testbed.delete("Node", &testbed.name);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_bad_image_leaves_what_serves_and_a_rollback_restores_it() {
    let testbed = testbed("rollback");
    let two = |image: &str, more: &[&str]| {
        let words = ["-p", "chat", "--replicas=2", "-i", image];
        serve(&testbed, &[&words, more].concat())
    };
    let name = testbed.name.clone();
    let rollback = |more: &[&str]| {
        let words = ["serve", "--rollback", "alice-chat", "-n", &name];
        testbed.sandbox.kaiwo(&[&words[..], more].concat())
    };
    let _ = two("registry/chat:1", &["--port=8000", "--min-available=1"]).exits(0);
    rolled_out(&testbed, "registry/chat:1", 2);
    let _ = rollback(&[])
        .exits(3)
        .says("error: deployment/alice-chat has no previous version: it has not changed since it was created\n");
    let first = testbed.find("Deployment", "alice-chat").unwrap();
    let first_upload = uploads(&testbed);

    // Other files, another port, no budget, and an image that is not there.
    testbed.sandbox.write("chat/server.py", "print(2)\n");
    let bad = ["--port=8001", "--autoscale=2-3", "--target-cpu=70"];
    let diff = serve(
        &testbed,
        &[
            &["-p", "chat", "-i", "testbed/pull-fails:1", "--diff"],
            &bad[..],
        ]
        .concat(),
    )
    .exits(0);
    for line in [
        "horizontalpodautoscaler/alice-chat: added\n",
        "service/alice-chat spec.ports[http].port: 8000 → 8001\n",
        "deployment/alice-chat spec.template.spec.containers[workload].image: registry/chat:1 → testbed/pull-fails:1\n",
        "poddisruptionbudget/alice-chat: removed\n",
    ] {
        assert!(
            diff.stdout.contains(line),
            "{line} is not in\n{}",
            diff.stdout
        );
    }
    assert_eq!(testbed.find("HorizontalPodAutoscaler", "alice-chat"), None);
    let words = ["-p", "chat", "-i", "testbed/pull-fails:1"];
    let back = format!("kaiwo serve --rollback deployment/alice-chat -n {name}");
    let _ = serve(&testbed, &[&words[..], &bad, &["--wait"]].concat())
        .exits(1)
        .says("error: deployment/alice-chat cannot be ready until this is fixed: ")
        .says("ImagePullBackOff in pod alice-chat-")
        .says(&format!(
            "help: roll back to the previous version: {back}\n"
        ));
    assert!(images(&testbed).contains(&"testbed/pull-fails:1".to_owned()));
    let why = testbed.sandbox.kaiwo(&["why", "alice-chat", "-n", &name]);
    for line in [
        "serve it again with the correct -i IMAGE\n",
        "roll back to the previous version\n",
        &back,
    ] {
        assert!(why.stdout.contains(line), "no {line} in\n{}", why.stdout);
    }
    let deployment = testbed.find("Deployment", "alice-chat").unwrap();
    assert_eq!(
        deployment["status"]["availableReplicas"], 2,
        "the old pods serve"
    );
    assert!(has_condition(&deployment, "Available"));

    let _ = rollback(&["--diff"]).exits(0).says("context");
    assert!(rollback(&["--diff"]).stdout.lines().count() > 3);
    let rolled_back = rollback(&[])
        .exits(0)
        .says("deployment/alice-chat spec.template.spec.containers[workload].image: testbed/pull-fails:1 → registry/chat:1\n")
        .says("horizontalpodautoscaler/alice-chat: removed\n")
        .says("deployment/alice-chat rolled back to version ");
    let (_, forward) = rolled_back.stderr.split_once(" --to ").unwrap();
    let forward = forward.split(' ').next().unwrap();
    rolled_out(&testbed, "registry/chat:1", 2);
    let back = testbed.find("Deployment", "alice-chat").unwrap();
    assert_eq!(back["spec"]["template"], first["spec"]["template"]);
    let service = testbed.find("Service", "alice-chat").unwrap();
    assert_eq!(service["spec"]["ports"][0]["port"], 8000);
    assert!(testbed.find("PodDisruptionBudget", "alice-chat").is_some());
    assert_eq!(testbed.find("HorizontalPodAutoscaler", "alice-chat"), None);
    assert!(uploads(&testbed).contains(&first_upload[0]));

    // It is that version: serving it again changes nothing, and another rollback
    // goes forth again.
    testbed.sandbox.write("chat/server.py", "print(1)\n");
    let _ = two("registry/chat:1", &["--port=8000", "--min-available=1"])
        .exits(0)
        .says("deployment/alice-chat unchanged\n");
    let _ = rollback(&[]).exits(0).says("it was rolled back from");
    let _ = rollback(&["--to", forward, "-o", "json"]).exits(0);
    assert!(
        testbed
            .find("HorizontalPodAutoscaler", "alice-chat")
            .is_some()
    );
    let revisions = || {
        let maps = testbed.list("ConfigMap");
        let component =
            |map: &Value| map["metadata"]["labels"]["app.kubernetes.io/component"].clone();
        maps.iter()
            .filter(|map| component(map) == "revision")
            .count()
    };
    assert!((2..=5).contains(&revisions()), "{}", revisions());
    testbed.delete("Deployment", "alice-chat");
    gone(&testbed);
    testbed.wait("the previous version to be gone", || {
        (revisions() == 0).then_some(())
    });
}
