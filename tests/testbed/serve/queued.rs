//! Services in a queue.

use super::*;

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn queued_services_are_admitted_and_stay_in_their_queue() {
    let testbed = testbed("queued");
    testbed.cluster_queue(&[(Flavor::Nvidia, 32)], json!({}));
    let queue = testbed.name.clone();
    let chat = |arguments: &[&str]| {
        let words = ["-p", "chat", "-g", "1", "-i", "registry/chat:1"];
        serve(&testbed, &[&words, arguments].concat())
    };
    let _ = chat(&["-q", &queue])
        .exits(0)
        .says(&format!("namespace {queue}, queue {queue}\n"))
        .says("1 GPU = 1 × 1 nvidia.com/gpu · 32 of 32 free · starts now\n");
    available(&testbed, "alice-chat", "registry/chat:1");
    let workloads = testbed.list("Workload");
    assert_eq!(workloads.len(), 1);
    assert!(has_condition(&workloads[0], "Admitted"), "{workloads:?}");

    // Kueue lets none that is ready leave its queue.
    let _ = chat(&["--gpu-resource", "nvidia.com/gpu"])
        .exits(5)
        .says("error: deployment/alice-chat already exists and is in a different queue, and Kueue does not let a service change its queue\n")
        .says(" --replace  # deletes it");
    let _ = chat(&["--gpu-resource", "nvidia.com/gpu", "--replace"])
        .exits(0)
        .says("deployment/alice-chat replaced");
    testbed.wait("no Workload to be left", || {
        testbed.list("Workload").is_empty().then_some(())
    });
    testbed.delete("Deployment", "alice-chat");
    testbed.wait("the queue to count nothing any more", || {
        let queue = testbed.find("ClusterQueue", &queue)?;
        let counted = ["flavorsReservation", "flavorsUsage"].map(|field| &queue["status"][field]);
        let none = |flavors: &&Value| {
            let flavors = flavors.as_array().into_iter().flatten();
            let resources =
                flavors.flat_map(|flavor| flavor["resources"].as_array().into_iter().flatten());
            resources
                .into_iter()
                .all(|resource| resource["total"] == "0")
        };
        counted.iter().all(none).then_some(())
    });

    let llm = |arguments: &[&str]| {
        let words = ["-p", "llm", "--ray", "-g", "1", "-q", &queue];
        serve(&testbed, &[&words, arguments].concat())
    };
    let _ = llm(&[])
        .exits(0)
        .says("RayService alice-llm: 1 GPU = 1 × 1 nvidia.com/gpu · 32 of 32 free · starts now\n");
    testbed.wait("the RayService to be admitted", || {
        let workloads = testbed.list("Workload");
        has_condition(workloads.first()?, "Admitted").then_some(())
    });
    if super::super::lacks("pod-addresses") {
        return;
    }
    let first = running(&testbed, "alice-llm", "llm");

    // The applications change beneath Kueue; its pods would wait for ever.
    testbed
        .sandbox
        .write("llm/serveconfig", serve_config("chat"));
    let _ = llm(&[]).exits(0).says("spec.serveConfigV2: changed\n");
    let second = running(&testbed, "alice-llm", "chat");
    assert_eq!(active_cluster(&second), active_cluster(&first));
    let _ = llm(&["-i", "registry/ray:2"])
        .exits(5)
        .says("error: rayservice/alice-llm already exists and is queued by Kueue, which does not let its pods change in place\n")
        .says(" --replace  # deletes it");
    let _ = llm(&["-i", "registry/ray:2", "--replace"])
        .exits(0)
        .says("rayservice/alice-llm replaced");
    let third = running(&testbed, "alice-llm", "chat");
    assert_ne!(third["metadata"]["uid"], first["metadata"]["uid"]);
    testbed.delete("RayService", "alice-llm");
    gone(&testbed);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_queue_named_default_takes_a_service_and_the_run_says_so() {
    let testbed = testbed("default");
    testbed.cluster_queue(&[(Flavor::Amd, 32)], json!({}));
    testbed.local_queue("default", &testbed.name, json!({}));
    let says = "Kueue will queue it anyway, in LocalQueue default";
    testbed.wait("Kueue to know the queue", || {
        let outcome = chat(
            &testbed,
            &["-i", "registry/chat:1", "--dry-run=server", "-o", "name"],
        );
        outcome.stderr.contains(says).then_some(())
    });
    let _ = chat(&testbed, &["-i", "registry/chat:1"])
        .exits(0)
        .says(says);
    available(&testbed, "alice-chat", "registry/chat:1");
    assert_eq!(testbed.list("Workload").len(), 1);
    // It stays where it is, and can be changed.
    let _ = chat(&testbed, &["-i", "registry/chat:2"])
        .exits(0)
        .says("updated");
    available(&testbed, "alice-chat", "registry/chat:2");
    testbed.delete("Deployment", "alice-chat");
    gone(&testbed);
}
