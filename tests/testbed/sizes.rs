//! What a cluster of one small node runs, such as kind on a laptop.

use serde_json::json;

use super::cluster::{Flavor, OWN_TAINT, Testbed};

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_laptop_runs_a_ray_cluster() {
    let testbed = Testbed::with_queue("laptop", Flavor::Amd, 8);
    testbed.namespace();
    let (node, label) = (format!("{}-node", testbed.name), "kaiwo.dev/laptop");
    testbed.fake_node(
        &node,
        &json!({"beta.amd.com/gpu.family.AI": "8", label: testbed.name}),
        &json!({"cpu": "4", "memory": "8Gi", "pods": "110"}),
        &json!([testbed.own_taint()]),
    );
    // What stays there, as Kueue and KubeRay do.
    testbed.apply(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "controllers"},
        "spec": {
            "selector": {"matchLabels": {"app": "controllers"}},
            "template": {
                "metadata": {"labels": {"app": "controllers"}},
                "spec": {
                    "nodeName": node,
                    "containers": [{"name": "c", "image": "testbed/forever",
                        "resources": {"requests": {"cpu": "1550m", "memory": "1314Mi"}}}],
                },
            },
        },
    }));
    testbed.wait("the controllers to run", || {
        let pods = testbed.list("Pod");
        let mut pods = pods.iter();
        pods.any(|pod| pod["status"]["phase"] == "Running")
            .then_some(())
    });
    let selector = format!("--node-selector={label}={}", testbed.name);
    let toleration = format!("--toleration={OWN_TAINT}={}", testbed.name);
    let place = ["-i", "testbed/forever", &selector, &toleration];
    let command = ["--", "python", "-c", "1"];
    let _ = testbed
        .submit(&[&place[..], &["--name", "job"], &command].concat())
        .exits(0)
        .never_says("smaller than usual");
    testbed.wait("the job to run", || {
        let job = testbed.find("Job", "job")?;
        (job["status"]["ready"] == 1).then_some(())
    });
    testbed.delete("Job", "job");
    let ray = [&place[..], &["--name", "ray", "--ray"], &command].concat();
    let _ = testbed
        .submit(&ray)
        .exits(0)
        .says("--head-cpus 750m --head-memory 2Gi\n")
        .never_says("waits for nodes");
    testbed.wait("head and worker to be on the node", || {
        let pods = testbed.list("Pod");
        let of_ray = pods.iter().filter(|pod| {
            pod["metadata"]["labels"]["ray.io/node-type"].is_string()
                && pod["spec"]["nodeName"] == node.as_str()
        });
        (of_ray.count() == 2).then_some(())
    });
    // More room later makes it no other.
    testbed.merge_status(
        "Node",
        &node,
        &json!({"allocatable": {"cpu": "64", "memory": "512Gi"}}),
    );
    let _ = testbed.submit(&ray).exits(0).says("rayjob/ray unchanged");
    testbed.delete("RayJob", "ray");
    testbed.delete("Node", &node);
}
