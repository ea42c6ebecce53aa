//! Queues that are full, closed, or never have enough.

use serde_json::{Value, json};

use super::{BOTH, PARKED, Scene, Who};
use crate::testbed::lacks;

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_full_queue_names_who_is_ahead_and_who_holds_what() {
    if lacks("visibility") {
        return;
    }
    let scene = Scene::new("why-full", 32, json!({}));
    for name in ["a", "b", "c", "d", "e"] {
        scene.park(name, "8", &["--label", &format!("n={name}")]);
        if name == "d" {
            // Four hold the queue before the fifth comes.
            for held in ["a", "b", "c", "d"] {
                scene.why(Who::Admin, held, "nodeSelector");
            }
        }
    }
    scene.why(Who::Admin, "e", "waitingForQuota");
    // Kueue orders by the second in which a Workload was made.
    scene.testbed.wait("a second to pass", || {
        let now = k8s_openapi::jiff::Timestamp::now().as_second();
        let last = scene
            .testbed
            .list("Workload")
            .iter()
            .filter_map(|workload| {
                let created = workload["metadata"]["creationTimestamp"].as_str()?;
                Some(
                    created
                        .parse::<k8s_openapi::jiff::Timestamp>()
                        .ok()?
                        .as_second(),
                )
            })
            .max()?;
        (last < now).then_some(())
    });
    scene.park("f", "8", &[]);

    let (report, screen) = scene.why(Who::Admin, "f", "waitingForQuota");
    let contest = &report["contest"];
    assert_eq!(contest["place"], 2, "{report:#}");
    assert_eq!(
        contest["quota"],
        json!([{"flavor": "amd-8", "resource": "amd.com/gpu", "requested": "8", "free": "0", "nominal": "32", "most": "32"}])
    );
    assert_eq!(contest["ahead"][0]["workload"], "job/e");
    assert_eq!(contest["ahead"][0]["user"], "alice");
    let holders: Vec<&str> = contest["holders"]
        .as_array()
        .unwrap()
        .iter()
        .map(|holder| holder["workload"].as_str().unwrap())
        .collect();
    assert_eq!(holders.len(), 4, "{holders:?}");
    for words in [
        "job/f: Pending for ",
        "2 of 2 in queue",
        "It is waiting for quota: 8 more amd.com/gpu in flavor amd-8",
        "Ahead of it: 1, with 8 GPUs",
        "GPUs held by others (32):",
        "and 1 more, with 8 GPUs",
        "It cannot borrow: its ClusterQueue is not in a cohort",
        "kaiwo queues",
    ] {
        assert!(screen.contains(words), "no {words:?} in:\n{screen}");
    }

    // Who may not read ClusterQueues has Kueue's words, and the namespace.
    let (report, screen) = scene.why(Who::BatchUser, "f", "waitingForQuota");
    assert_eq!(report["contest"]["place"], 2);
    assert_eq!(report["contest"]["ahead"][0]["workload"], "job/e");
    assert_eq!(report["contest"]["quota"][0]["free"], "0");
    assert_eq!(report["contest"]["holders"].as_array().unwrap().len(), 4);
    assert!(screen.contains("not visible to you: "), "{screen}");
    assert!(screen.contains("ClusterQueues"), "{screen}");

    // One goes, and they move up.
    scene
        .testbed
        .delete("Job", holders[0].trim_start_matches("job/"));
    scene.why(Who::Admin, "e", "nodeSelector");
    let (report, _) = scene.why(Who::Admin, "f", "waitingForQuota");
    scene.testbed.wait("f to be first", || {
        let (report, _) = scene.why(Who::Admin, "f", "waitingForQuota");
        (report["contest"]["place"] == 1).then_some(())
    });
    assert_eq!(report["status"], "Pending");
}

/// Kueue looks again by way of the LocalQueue of whoever leaves, here one that is gone.
#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn quota_that_is_free_and_not_given_is_told_with_the_way_out() {
    let scene = Scene::new("why-free", 8, json!({}));
    let testbed = &scene.testbed;
    let namespace = testbed.name.as_str();
    testbed.local_queue("leaves", namespace, json!({}));
    let holder = [&["-i", "testbed/forever", "-g", "8"], &PARKED[..]].concat();
    let own = [
        "submit", "-n", namespace, "-q", "leaves", "--name", "holder",
    ];
    let gpus = ["--gpu-resource", "amd.com/gpu", "--gpus-per-node", "8"];
    let holder = [&own[..], &gpus, &holder].concat();
    _ = testbed.sandbox.kaiwo(&holder).exits(0);
    scene.why(Who::Admin, "holder", "nodeSelector");
    scene.park("waits", "8", &[]);
    let short = "It is waiting for quota: 8 more amd.com/gpu";
    scene.told("waits", "waitingForQuota", &[short], &[Who::Admin]);

    testbed.delete("LocalQueue", "leaves");
    testbed.wait("Kueue to forget the LocalQueue", || {
        testbed.find("LocalQueue", "leaves").is_none().then_some(())
    });
    testbed.delete("Job", "holder");
    let free = "All the quota that it requests is free, and Kueue has not admitted it yet";
    let (pause, resume) = ("kaiwo pause job/waits", "kaiwo resume job/waits");
    let says = [free, pause, resume];
    scene.told("waits", "waitingForQuota", &says, &[Who::Admin]);
    for command in ["pause", "resume"] {
        _ = testbed
            .sandbox
            .kaiwo(&[command, "job/waits", "-n", namespace])
            .exits(0);
    }
    scene.why(Who::Admin, "waits", "nodeSelector");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn queues_that_admit_nothing_say_why() {
    let scene = Scene::new(
        "why-queue",
        8,
        json!({"namespaceSelector": {"matchLabels": {"team": "ml"}}}),
    );
    let queue = scene.testbed.name.clone();
    let testbed = &scene.testbed;
    scene.park("j", "8", &["--force"]);
    scene.told(
        "j",
        "namespaceNotSelected",
        &["does not accept workloads of namespace"],
        &BOTH,
    );
    let (_, screen) = scene.why(Who::Admin, "j", "namespaceNotSelected");
    assert!(
        screen.contains(&format!("kubectl label namespace {queue} team=ml")),
        "{screen}"
    );

    let spec = |spec: Value| json!({"spec": spec});
    let merge = |patch: Value| testbed.merge("ClusterQueue", &queue, &patch);
    merge(spec(
        json!({"namespaceSelector": {"matchLabels": null}, "stopPolicy": "Hold"}),
    ));
    scene.told(
        "j",
        "queueStopped",
        &["is stopped and admits nothing", "stopPolicy"],
        &[Who::Admin],
    );
    // What is behind the LocalQueue, this user cannot tell apart.
    scene.told(
        "j",
        "clusterQueueInactive",
        &["is inactive and admits nothing", "ClusterQueues"],
        &[Who::BatchUser],
    );
    merge(spec(json!({"stopPolicy": "None"})));
    scene.told(
        "j",
        "nodeSelector",
        &["kaiwo.dev/testbed=parked"],
        &[Who::Admin],
    );

    testbed.delete("Job", "j");
    testbed.merge("LocalQueue", &queue, &spec(json!({"stopPolicy": "Hold"})));
    scene.park("k", "8", &["--force"]);
    scene.told("k", "queueStopped", &["LocalQueue", "is stopped"], &BOTH);

    testbed.delete("LocalQueue", &queue);
    scene.told(
        "k",
        "localQueueMissing",
        &["LocalQueue".to_owned().replacen('t', "T", 1).as_str()],
        &BOTH,
    );

    testbed.local_queue(&queue, "nowhere-at-all", json!({}));
    scene.told(
        "k",
        "clusterQueueMissing",
        &["points at ClusterQueue nowhere-at-all, which does not exist"],
        &BOTH,
    );

    // Of a ClusterQueue whose flavor is missing.
    testbed.delete("LocalQueue", &queue);
    testbed.wait("the LocalQueue to go", || {
        testbed.find("LocalQueue", &queue).is_none().then_some(())
    });
    merge(spec(json!({"resourceGroups": [{
        "coveredResources": ["amd.com/gpu"],
        "flavors": [{"name": "no-such-flavor", "resources": [{"name": "amd.com/gpu", "nominalQuota": 8}]}],
    }]})));
    scene.local_queue();
    scene.told("k", "clusterQueueInactive", &["is inactive"], &BOTH);
    scene.told(
        "k",
        "clusterQueueInactive",
        &["no-such-flavor"],
        &[Who::Admin],
    );
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_a_queue_never_gives_is_told() {
    let scene = Scene::new("why-never", 16, json!({}));
    scene.park("large", "24", &["--force"]);
    scene.told(
        "large",
        "exceedsMaximum",
        &[
            "24 amd.com/gpu can never be admitted",
            "at most 16",
            "-g 16 or less",
        ],
        &BOTH,
    );
    let other = ["--node-selector", "beta.amd.com/gpu.family.AI=4", "--force"];
    scene.submit(
        "elsewhere",
        &[&["-i", "testbed/forever", "-g", "4"], &other[..]].concat(),
    );
    scene.told(
        "elsewhere",
        "noMatchingFlavor",
        &[
            "No flavor of the queue accepts its pods",
            "doesn't match node affinity",
        ],
        &BOTH,
    );
    // A flavor whose nodes are kept for others.
    let name = &scene.testbed.name;
    scene.testbed.apply(json!({
        "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ResourceFlavor",
        "metadata": {"name": name},
        "spec": {"nodeLabels": {"kaiwo.dev/why": name}, "nodeTaints": [
            {"key": "dedicated", "value": "others", "effect": "NoSchedule"},
        ]},
    }));
    scene.testbed.merge(
        "ClusterQueue",
        name,
        &json!({"spec": {"resourceGroups": [{
            "coveredResources": ["cpu", "memory", "amd.com/gpu"],
            "flavors": [{"name": name, "resources": [
                {"name": "cpu", "nominalQuota": 1000}, {"name": "memory", "nominalQuota": "16Ti"},
                {"name": "amd.com/gpu", "nominalQuota": 16},
            ]}],
        }]}}),
    );
    scene.park("tainted", "8", &["--force"]);
    scene.told(
        "tainted",
        "noMatchingFlavor",
        &["untolerated taint", "--toleration"],
        &BOTH,
    );
    scene.testbed.delete("ResourceFlavor", name);
}
