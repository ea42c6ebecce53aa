//! What goes with a Deployment that people depend on: Service, Ingress, what
//! scales it, what protects it. `serve_scaling` has it scaled.

use serde_json::{Value, json};

use super::cluster::Testbed;
use super::serve::{chat, gone, testbed};

const IMAGE: [&str; 2] = ["-i", "registry/chat:1"];

pub fn replicas(testbed: &Testbed) -> i64 {
    let deployment = testbed.find("Deployment", "alice-chat").unwrap();
    deployment["spec"]["replicas"].as_i64().unwrap()
}

/// Waits until so many pods are wanted, up to date and available, and no others
/// are there; returns their names.
#[track_caller]
pub fn pods(testbed: &Testbed, count: usize) -> Vec<String> {
    testbed.wait(&format!("{count} pods to be available"), || {
        let deployment = testbed.find("Deployment", "alice-chat")?;
        let (spec, status) = (&deployment["spec"], &deployment["status"]);
        let seen = status["observedGeneration"].as_i64()?;
        let current = seen >= deployment["metadata"]["generation"].as_i64()?;
        let numbers = [
            &spec["replicas"],
            &status["updatedReplicas"],
            &status["availableReplicas"],
        ];
        let settled = current && numbers.iter().all(|number| **number == count);
        let pods = testbed.list("Pod");
        (settled && pods.len() == count).then(|| {
            pods.iter()
                .map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned())
                .collect()
        })
    })
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn companions_come_change_and_go_with_the_flags() {
    let testbed = testbed("companions");
    let serve = |arguments: &[&str]| {
        let common = ["-p", "chat", "--port", "8000"];
        super::serve::serve(&testbed, &[&common[..], &IMAGE, arguments].concat())
    };
    let _ = serve(&[
        "--public",
        "--ingress=chat.example.org,nginx",
        "--replicas=2",
        "--min-available=1",
    ])
    .exits(0)
    .says("deployment/alice-chat created, with service/alice-chat, ingress/alice-chat, poddisruptionbudget/alice-chat, 1 upload\n");
    let spec = |kind: &str| testbed.find(kind, "alice-chat").unwrap()["spec"].clone();
    assert_eq!(spec("Service")["type"], "LoadBalancer");
    assert_eq!(spec("Ingress")["ingressClassName"], "nginx");

    // Other flags: what they no longer say is no longer there.
    let _ = serve(&[
        "--ingress=talk.example.org",
        "--autoscale=2-3",
        "--target-cpu=70",
        "--target-metric=queue_length=10",
    ])
    .exits(0)
    .says("updated, with service/alice-chat, ingress/alice-chat, horizontalpodautoscaler/alice-chat, 1 upload\n");
    assert_eq!(spec("Service")["type"], "ClusterIP");
    assert_eq!(spec("Ingress").get("ingressClassName"), None);
    assert_eq!(spec("Ingress")["rules"][0]["host"], "talk.example.org");
    assert_eq!(spec("HorizontalPodAutoscaler")["minReplicas"], 2);
    assert_eq!(
        spec("HorizontalPodAutoscaler")["metrics"][1]["type"],
        "Pods"
    );
    assert_eq!(testbed.find("PodDisruptionBudget", "alice-chat"), None);
    assert_eq!(replicas(&testbed), 2, "as many as there were");

    let _ = serve(&["--replicas=1"])
        .exits(0)
        .says("updated, with service/alice-chat, 1 upload\n");
    for kind in ["Ingress", "HorizontalPodAutoscaler"] {
        assert_eq!(testbed.find(kind, "alice-chat"), None, "{kind}");
    }
    assert_eq!(replicas(&testbed), 1);
    testbed.delete("Deployment", "alice-chat");
    gone(&testbed);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_goes_along_goes_along_even_if_it_is_deleted() {
    let testbed = testbed("owned");
    let all = [
        "--port=8000",
        "--ingress=chat.example.org",
        "--autoscale=1-3",
        "--target-cpu=70",
        "--min-available=50%",
        "--gpus-per-replica=1",
    ];
    let gpu = ["-p", "chat", "--gpu-resource", "amd.com/gpu"];
    let _ = super::serve::serve(&testbed, &[&gpu[..], &IMAGE, &all].concat())
        .exits(0)
        .says("up to 3 GPUs = 3 × 1 amd.com/gpu · 1 to 3 pods\n")
        .says("warning: --min-available 50% of 1 prevents all evictions");
    pods(&testbed, 1);
    for kind in ["Ingress", "HorizontalPodAutoscaler", "PodDisruptionBudget"] {
        let object = testbed.find(kind, "alice-chat").unwrap();
        let owner = &object["metadata"]["ownerReferences"][0];
        assert_eq!(owner["kind"], "Deployment", "{kind}");
    }
    testbed.delete("Deployment", "alice-chat");
    gone(&testbed);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn an_eviction_has_to_leave_enough_pods() {
    let testbed = testbed("budget");
    let words = ["-p", "chat", "--replicas=2", "--min-available=2"];
    let _ = super::serve::serve(&testbed, &[&words[..], &IMAGE].concat())
        .exits(0)
        .says("warning: --min-available 2 of 2 prevents all evictions");
    let names = pods(&testbed, 2);
    testbed.wait("the budget to count the pods", || {
        let budget = testbed.find("PodDisruptionBudget", "alice-chat")?;
        (budget["status"]["currentHealthy"] == 2).then_some(())
    });
    let (code, message) = testbed.evict(&names[0]).expect("it is refused");
    assert_eq!(code, 429, "{message}");
    assert!(message.contains("disruption budget"), "{message}");

    let words = ["-p", "chat", "--replicas=2", "--min-available=50%"];
    let _ = super::serve::serve(&testbed, &[&words[..], &IMAGE].concat()).exits(0);
    testbed.wait("the budget to let one go", || {
        let budget = testbed.find("PodDisruptionBudget", "alice-chat")?;
        (budget["status"]["disruptionsAllowed"] == 1).then_some(())
    });
    let names = pods(&testbed, 2);
    assert_eq!(testbed.evict(&names[0]), None);
    testbed.wait("another pod in its place", || {
        let pods = testbed.list("Pod");
        let name = |pod: &Value| pod["metadata"]["name"].as_str().unwrap().to_owned();
        (pods.len() == 2 && !pods.iter().map(name).any(|name| names[0] == name)).then_some(())
    });
    testbed.delete("Deployment", "alice-chat");
    gone(&testbed);
}

/// A Service of the name that somebody else has made takes its port.
#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_name_that_is_taken_leaves_nothing() {
    let testbed = testbed("taken");
    for (kind, object) in [
        (
            "service",
            json!({"apiVersion": "v1", "kind": "Service", "spec": {"clusterIP": "None"}}),
        ),
        (
            "poddisruptionbudget",
            json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
                   "spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}}),
        ),
    ] {
        let mut object = object;
        object["metadata"] = json!({"name": "alice-chat", "namespace": testbed.name});
        let kind_name = object["kind"].as_str().unwrap().to_owned();
        testbed.create(object);
        let more = [
            "--port=8000",
            "--gpus-per-replica=1",
            "--replicas=2",
            "--min-available=1",
        ];
        let words = ["-p", "chat", "--gpu-resource=amd.com/gpu"];
        let _ = super::serve::serve(&testbed, &[&words[..], &IMAGE, &more].concat())
            .exits(5)
            .says(&format!(
                "error: {kind}/alice-chat already exists and is not what this workload needs"
            ));
        assert_eq!(testbed.find("Deployment", "alice-chat"), None);
        testbed.delete(&kind_name, "alice-chat");
        gone(&testbed);
    }
    let _ = chat(&testbed, &IMAGE).exits(0);
    testbed.delete("Deployment", "alice-chat");
    gone(&testbed);
}
