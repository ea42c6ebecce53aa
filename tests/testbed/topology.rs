//! `--topology` on nodes that Kueue really places pods on: the nodes of one rack are
//! chosen, and what cannot be placed now is told from what never can, with the numbers
//! of each rack.

use serde_json::{Value, json};

use super::cluster::{Testbed, condition, has_condition};
use super::rights::{bind, bind_everywhere, roles};
use crate::common::Outcome;

/// Two racks of a block: one with two nodes of eight GPUs, one with one.
struct Scene {
    testbed: Testbed,
}

impl Scene {
    fn new(name: &str) -> Self {
        let testbed = Testbed::new(name);
        testbed.namespace();
        let name = &testbed.name;
        let resources = json!({"cpu": "64", "memory": "512Gi", "pods": "100", "amd.com/gpu": "8"});
        for (node, rack) in [("n1", "r1"), ("n2", "r1"), ("n3", "r2")] {
            let host = format!("{name}-{node}");
            let labels = json!({
                "kaiwo.dev/topology": name, "example.com/topology-block": "b",
                "example.com/topology-rack": rack, "kubernetes.io/hostname": host,
            });
            testbed.fake_node(&host, &labels, &resources, &json!([testbed.own_taint()]));
        }
        let levels: Vec<Value> = [
            "example.com/topology-block",
            "example.com/topology-rack",
            "kubernetes.io/hostname",
        ]
        .iter()
        .map(|label| json!({"nodeLabel": label}))
        .collect();
        testbed.apply(json!({
            "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "Topology",
            "metadata": {"name": name}, "spec": {"levels": levels},
        }));
        testbed.apply(json!({
            "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ResourceFlavor",
            "metadata": {"name": name},
            "spec": {
                "nodeLabels": {"kaiwo.dev/topology": name}, "topologyName": name,
                "tolerations": [testbed.own_taint()],
            },
        }));
        testbed.cluster_queue(
            &[],
            json!({"resourceGroups": [{
                "coveredResources": ["cpu", "memory", "amd.com/gpu"],
                "flavors": [{"name": name, "resources": [
                    {"name": "cpu", "nominalQuota": 1000},
                    {"name": "memory", "nominalQuota": "16Ti"},
                    {"name": "amd.com/gpu", "nominalQuota": 64},
                ]}],
            }]}),
        );
        testbed.local_queue("tas", name, json!({}));
        Self { testbed }
    }

    /// Submits so many GPUs on nodes of eight.
    fn submit(&self, name: &str, gpus: &str, more: &[&str]) -> Outcome {
        let common = [
            "submit",
            "-n",
            &self.testbed.name,
            "-q",
            "tas",
            "-i",
            "testbed/forever",
            "-g",
            gpus,
            "--gpus-per-node",
            "8",
            "--gpu-resource",
            "amd.com/gpu",
            "--name",
            name,
            "--cpus-per-gpu",
            "1",
            "--memory-per-gpu",
            "1Gi",
        ];
        let command = ["--", "sleep", "1"];
        self.testbed
            .sandbox
            .kaiwo(&[&common[..], more, &command].concat())
    }

    fn workload(&self, job: &str) -> Value {
        self.testbed.wait(&format!("the Workload of {job}"), || {
            let workloads = self.testbed.list("Workload");
            let owns = |it: &&Value| it["metadata"]["ownerReferences"][0]["name"] == job;
            workloads.iter().find(owns).cloned()
        })
    }

    /// Returns the nodes of a Job's pods, once so many are on some.
    fn nodes(&self, job: &str, count: usize) -> Vec<String> {
        self.testbed
            .wait(&format!("the pods of {job} to be on nodes"), || {
                let pods = self.testbed.list("Pod");
                let own = pods
                    .iter()
                    .filter(|pod| pod["metadata"]["labels"]["app.kubernetes.io/instance"] == job);
                let mut nodes: Vec<String> = own
                    .filter_map(|pod| pod["spec"]["nodeName"].as_str().map(str::to_owned))
                    .collect();
                nodes.sort();
                (nodes.len() == count).then_some(nodes)
            })
    }

    /// Returns the answer for programs, after that for people said all of this.
    #[track_caller]
    fn why(&self, job: &str, more: &[&str], expected: &[&str]) -> Value {
        let words = [&["why", job, "-n", &self.testbed.name], more].concat();
        let told = self.testbed.sandbox.kaiwo(&words).exits(0).stdout;
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in expected {
            assert!(told.contains(words), "{words:?} is not said:\n{told}");
        }
        let report = self
            .testbed
            .sandbox
            .kaiwo(&[&words[..], &["-o", "json"]].concat());
        serde_json::from_str(&report.exits(0).stdout).unwrap()
    }

    /// Waits until Kueue has said something of a place.
    fn until_refused(&self, job: &str) {
        self.testbed
            .wait(&format!("Kueue to find no place for {job}"), || {
                let workload = self.workload(job);
                let message = condition(&workload, "QuotaReserved")?["message"]
                    .as_str()?
                    .to_owned();
                message.contains("topology").then_some(())
            });
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let name = &self.testbed.name;
        if !std::thread::panicking() {
            for node in ["n1", "n2", "n3"] {
                self.testbed.delete("Node", &format!("{name}-{node}"));
            }
            self.testbed.delete("ResourceFlavor", name);
            self.testbed.delete("Topology", name);
        }
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn the_nodes_of_one_rack_are_chosen_and_racks_are_told() {
    let scene = Scene::new("tas");
    let testbed = &scene.testbed;
    let name = &testbed.name;
    // One GPU of the first rack is taken, so that two whole nodes are nowhere free.
    let _ = scene
        .submit(
            "small",
            "1",
            &[
                "--node-selector",
                &format!("kubernetes.io/hostname={name}-n1"),
            ],
        )
        .exits(0);
    testbed.wait("small to run", || {
        has_condition(&scene.workload("small"), "Admitted").then_some(())
    });
    let _ = scene.nodes("small", 1);

    let _ = scene
        .submit("now", "16", &["--topology", "rack:required"])
        .exits(0);
    scene.until_refused("now");
    let report = scene.why(
        "now",
        &[],
        &[
            "o rack has room for its 2 pods now: at most 1 would fit",
            "rack b/r1: room for 1 of 2 pods now, 2 when empty (15 of 16 amd.com/gpu free on 2 nodes)",
            "rack b/r2: room for 1 of 2 pods now, 1 when empty (8 of 8 amd.com/gpu free on 1 node)",
        ],
    );
    assert_eq!(
        report["findings"][0]["cause"], "topologyPlacement",
        "{report}"
    );

    // Three whole nodes are in no rack.
    let _ = scene
        .submit("never", "24", &["--topology", "rack:required"])
        .exits(0)
        .says("no rack holds all 3 pods (the largest, b/r1, holds 2 when it is empty)");
    scene.until_refused("never");
    let too_small = "o rack can ever hold its 3 pods: the largest holds 2 when empty";
    let report = scene.why("never", &[], &[too_small]);
    assert_eq!(
        report["findings"][0]["cause"], "topologyTooSmall",
        "{report}"
    );

    // Once the GPU is back, the nodes of the first rack are taken.
    testbed.delete("Job", "never");
    testbed.delete("Job", "small");
    assert_eq!(
        scene.nodes("now", 2),
        [format!("{name}-n1"), format!("{name}-n2")]
    );
    let workload = scene.workload("now");
    let request = &workload["spec"]["podSets"][0]["topologyRequest"];
    assert_eq!(request["required"], "example.com/topology-rack");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn only_the_workers_of_a_ray_job_ask_for_a_place() {
    let scene = Scene::new("tas-ray");
    let testbed = &scene.testbed;
    let _ = scene
        .submit("ray", "16", &["--ray", "--topology", "rack"])
        .exits(0);
    let job = testbed.wait("the RayJob", || testbed.find("RayJob", "ray"));
    let key = "kueue.x-k8s.io/podset-preferred-topology";
    let cluster = &job["spec"]["rayClusterSpec"];
    let worker = &cluster["workerGroupSpecs"][0]["template"]["metadata"]["annotations"][key];
    assert_eq!(worker, "example.com/topology-rack");
    for other in [
        &cluster["headGroupSpec"]["template"],
        &job["spec"]["submitterPodTemplate"],
    ] {
        assert_eq!(other["metadata"]["annotations"][key], Value::Null);
    }
    let workload = testbed.wait("the RayJob to be admitted", || {
        let workload = scene.workload("ray");
        has_condition(&workload, "Admitted").then_some(workload)
    });
    let sets = workload["spec"]["podSets"].as_array().unwrap();
    let asks = sets
        .iter()
        .filter(|set| set["topologyRequest"]["preferred"].is_string());
    assert_eq!(asks.count(), 1, "{sets:?}");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_a_user_may_not_see_is_said_and_a_queue_without_is_refused() {
    let scene = Scene::new("tas-rights");
    let testbed = &scene.testbed;
    roles(testbed);
    bind(testbed, &["kaiwo-submit"]);
    let user = ["--as", &testbed.name];
    // Without the second role the label is known to the settings only.
    let _ = scene
        .submit(
            "blind",
            "24",
            &[&user[..], &["--topology", "rack"]].concat(),
        )
        .exits(3)
        .says("cannot find the node label of level \"rack\"")
        .says("topologyLevels");
    let label = ["--topology", "example.com/topology-rack:required"];
    let _ = scene
        .submit("blind", "24", &[&user[..], &label].concat())
        .exits(0);
    scene.until_refused("blind");
    let report = scene.why(
        "blind",
        &user,
        &[
            "Kueue's message is the same whether or not that can change",
            "the rights to list nodes, topologies and resourceflavors",
        ],
    );
    assert_eq!(
        report["findings"][0]["cause"], "topologyPlacement",
        "{report}"
    );
    bind_everywhere(testbed, "kaiwo-queues");
    let report = scene.why("blind", &user, &[]);
    assert_eq!(
        report["findings"][0]["cause"], "topologyTooSmall",
        "{report}"
    );

    let _ = scene
        .submit("level", "8", &["--topology", "rak"])
        .exits(3)
        .says("did you mean --topology rack?");
    let bare = format!("{}-bare", testbed.name);
    testbed.apply(json!({
        "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ResourceFlavor",
        "metadata": {"name": bare}, "spec": {},
    }));
    testbed.cluster_queue(
        &[],
        json!({"resourceGroups": [{
            "coveredResources": ["cpu", "memory", "amd.com/gpu"],
            "flavors": [{"name": bare, "resources": [
                {"name": "cpu", "nominalQuota": 1000},
                {"name": "memory", "nominalQuota": "16Ti"},
                {"name": "amd.com/gpu", "nominalQuota": 64},
            ]}],
        }]}),
    );
    let _ = scene
        .submit("none", "8", &["--topology", "rack"])
        .exits(3)
        .says("has a topology, so Kueue would never admit the workload");
    testbed.delete("ResourceFlavor", &bare);
}
