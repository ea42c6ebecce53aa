//! Storage that outlives its workload: what a job leaves there when it has to go, and
//! finds when it runs again.

use serde_json::json;

use super::ray::alone;
use super::whole_node::urgent;
use super::{BUSYBOX, Node, PYTHON, RAY, USER, takes_long};
use crate::common::{Outcome, checkout};

/// Makes a queue of the test's own, in which one job takes the place of another.
pub fn own_queue(node: &Node, cpus: &str) {
    let amount = |name: &str, quota: &str| json!({"name": name, "nominalQuota": quota});
    node.apply(json!({
        "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ClusterQueue",
        "metadata": {"name": node.name},
        "spec": {
            "namespaceSelector": {},
            "preemption": {"withinClusterQueue": "LowerPriority"},
            "resourceGroups": [{
                "coveredResources": ["cpu", "memory"],
                "flavors": [{"name": "real", "resources": [
                    amount("cpu", cpus), amount("memory", "64Gi"),
                ]}],
            }],
        },
    }));
}

/// Such a queue, and volumes of the node for claims that are kept.
struct Storage {
    node: Node,
    class: String,
    volumes: Vec<String>,
}

impl Storage {
    fn new(test: &str, cpus: &str) -> Self {
        let node = Node::new(test);
        own_queue(&node, cpus);
        Self {
            class: urgent(&node),
            node,
            volumes: Vec::new(),
        }
    }

    /// Makes the volume that the claim of a workload is bound to. Any user can write
    /// to it, as with a provisioner that gives it to their group.
    fn volume(&mut self, workload: &str) {
        let node = &self.node;
        let name = format!("{}-{workload}", node.name);
        let path = format!("/var/lib/kaiwo-test/{name}");
        node.apply(json!({
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": name},
            "spec": {
                "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
                "capacity": {"storage": "1Gi"},
                "storageClassName": name,
                "persistentVolumeReclaimPolicy": "Retain",
                "hostPath": {"path": path, "type": "DirectoryOrCreate"},
                // Another node has another folder there.
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                    {"key": "kubernetes.io/hostname", "operator": "In", "values": ["real-0"]},
                ]}]}},
                "claimRef": {"namespace": node.name, "name": format!("{workload}-scratch")},
            },
        }));
        self.volumes.push(name.clone());
        node.apply(json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("open-{workload}")},
            "spec": {
                "restartPolicy": "Never",
                "nodeName": "real-0",
                "containers": [{
                    "name": "open", "image": PYTHON, "command": ["chmod", "0777", "/volume"],
                    "volumeMounts": [{"name": "volume", "mountPath": "/volume"}],
                }],
                "volumes": [{
                    "name": "volume",
                    "hostPath": {"path": path, "type": "DirectoryOrCreate"},
                }],
            },
        }));
        node.wait_for(
            "Pod",
            &format!("open-{workload}"),
            "/status/phase",
            "Succeeded",
        );
        node.delete("Pod", &format!("open-{workload}"));
    }

    /// Returns the flags by which a workload keeps its claim on that volume.
    fn kept(&self, workload: &str) -> Vec<String> {
        let class = format!("--storage=1Gi,{}-{workload}", self.node.name);
        vec![class, "--keep-storage".to_owned()]
    }

    /// Submits a directory with these flags, and its claim.
    fn submit(&self, directory: &str, name: &str, more: &[&str]) -> Outcome {
        let kept = self.kept(name);
        let kept: Vec<&str> = kept.iter().map(String::as_str).collect();
        let node = &self.node;
        let own = [
            "submit", "-n", &node.name, "-q", &node.name, "-p", directory, "--name", name,
        ];
        let arguments = [&own[..], &kept, more].concat();
        node.sandbox.kaiwo(&arguments).exits(0)
    }

    /// Has another job take the quota, until it has run.
    fn preempt(&self) {
        self.preempted(|| ());
    }

    /// Does something while another job has the quota.
    fn preempted<T>(&self, meanwhile: impl FnOnce() -> T) -> T {
        let node = &self.node;
        node.script("urgent", "echo here\nexec sleep 600\n");
        let own = ["submit", "-n", &node.name, "-q", &node.name, "-p", "urgent"];
        let more = [
            "--name=urgent",
            "-i",
            PYTHON,
            "--priority-class",
            &self.class,
        ];
        _ = node.sandbox.kaiwo(&[&own[..], &more].concat()).exits(0);
        node.wait_for_log("urgent", "here");
        let done = meanwhile();
        _ = node.kaiwo("delete", &["urgent", "-y"]).exits(0);
        done
    }

    /// Returns a file of a claim, read by a job of its own.
    fn read(&self, workload: &str, file: &str) -> String {
        let claim = format!("{workload}-scratch:/kept:ro");
        let until = format!("until cat /kept/{file} 2>/dev/null; do sleep 1; done");
        let node = &self.node;
        let own = ["submit", "-n", &node.name, "-q", &node.name, "-i", BUSYBOX];
        let more = [
            "--name=look",
            "--replace",
            "--follow",
            "--volume",
            &claim,
            "--",
            "sh",
            "-c",
            &until,
        ];
        let read = node.sandbox.kaiwo(&[&own[..], &more].concat()).exits(0);
        // A pod that has ended mounts it still.
        _ = node.kaiwo("delete", &["look", "-y"]).exits(0);
        read.stdout
    }

    /// Deletes what belongs to the cluster.
    fn end(self) {
        let node = &self.node;
        _ = node
            .kaiwo("delete", &["--all", "--with-storage", "-y"])
            .exits(0);
        self.volumes
            .iter()
            .for_each(|volume| node.delete("PersistentVolume", volume));
        node.delete("ClusterQueue", &node.name);
        node.delete("WorkloadPriorityClass", &self.class);
    }
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn the_example_resumes_after_two_preemptions() {
    let mut storage = Storage::new("resume", "1");
    storage.volume("resume");
    let example = checkout("workloads/resume");
    let node = &storage.node;
    node.script("resume", "echo another\n");
    _ = storage.submit(example.to_str().unwrap(), "resume", &["-i", PYTHON]);
    for attempt in 1..=2 {
        node.wait_for_log("resume", &format!("attempt {attempt} starts at step "));
        std::thread::sleep(std::time::Duration::from_secs(4));
        storage.preempt();
    }
    node.wait_for_log("resume", "attempt 3 starts at step ");
    let log = node.kaiwo("logs", &["resume"]).stdout;
    assert!(!log.contains("starts at step 0\n"), "{log}");
    let status = node.kaiwo("status", &["resume"]).exits(0).stdout;
    assert!(status.contains("3: preempted 2 times; ran "), "{status}");
    assert!(status.contains("earlier pods "), "{status}");
    _ = node.kaiwo("wait", &["resume"]).exits(0);
    let log = node.kaiwo("logs", &["resume"]).stdout;
    assert!(log.ends_with("done: step 60, sum 1830\n"), "{log}");
    assert_eq!(storage.read("resume", ".kaiwo/attempt"), "3\n");

    // Another size is not what is there, and nothing makes room for it.
    let other = format!("--storage=2Gi,{}-resume", node.name);
    let own = ["submit", "-n", &node.name, "-q", &node.name, "-p", "resume"];
    let more = [
        "--name=resume",
        "-i",
        PYTHON,
        &other,
        "--keep-storage",
        "--replace",
    ];
    _ = node
        .sandbox
        .kaiwo(&[&own[..], &more].concat())
        .exits(5)
        .says(
            "use the size and StorageClass that it has, or delete it with its data: kaiwo delete",
        );
    assert!(node.find("Job", "resume").is_some());
    // The next one of the name finds what this one has left.
    let more = ["-i", PYTHON, "--replace"];
    _ = storage
        .submit(example.to_str().unwrap(), "resume", &more)
        .says("  /scratch is the existing claim resume-scratch, with its data\n")
        .says("job/resume replaced, with 1 upload\n");
    node.wait_for_log(
        "resume",
        "attempt 4 starts at step 60\ndone: step 60, sum 1830\n",
    );
    _ = node.kaiwo("delete", &["resume", "-y"]).exits(0).says(
        "persistentvolumeclaim/resume-scratch is kept with its data; to delete it: kaiwo delete",
    );
    _ = node
        .kaiwo("delete", &["resume", "-y"])
        .exits(3)
        .says("persistentvolumeclaim/resume-scratch is kept; to delete it: kaiwo delete");
    _ = node
        .kaiwo("delete", &["resume", "-y", "--with-storage"])
        .exits(0)
        .says("persistentvolumeclaim/resume-scratch deleted");
    assert_eq!(node.find("PersistentVolumeClaim", "resume-scratch"), None);
    storage.end();
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn the_time_of_grace_is_enough_for_the_last_line() {
    let mut storage = Storage::new("lastline", "1");
    storage.volume("slow");
    let node = &storage.node;
    node.python(
        "slow",
        "import os, signal, sys, time\n\
         def stop(*_):\n    time.sleep(20)\n    \
         print('saved', file=open('/scratch/last', 'a'))\n    sys.exit(0)\n\
         signal.signal(signal.SIGTERM, stop)\nprint('ready')\nwhile True: time.sleep(1)\n",
    );
    _ = storage.submit("slow", "slow", &["-i", PYTHON, "--grace=60s"]);
    node.wait_for_log("slow", "ready");
    storage.preempt();
    _ = node.kaiwo("delete", &["slow", "-y"]).exits(0);
    let saved = storage.read("slow", "last");
    assert!(saved.starts_with("saved\n"), "{saved}");
    storage.end();
}

/// As root and as another user, with dash, bash and busybox, each pod for itself.
#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
#[expect(
    clippy::literal_string_with_formatting_args,
    reason = "variables of a shell"
)]
fn attempts_are_counted_on_the_claim() {
    let mut storage = Storage::new("attempts", "4");
    for (name, image) in [("root", PYTHON), ("user", USER), ("busy", BUSYBOX)] {
        storage.volume(name);
        let node = &storage.node;
        node.script(
            name,
            "echo attempt $KAIWO_ATTEMPT of ${JOB_COMPLETION_INDEX:-one}\n",
        );
        for attempt in 1..=2 {
            _ = storage.submit(name, name, &["-i", image, "--replace", "--wait"]);
            let log = node.kaiwo("logs", &[name]).stdout;
            assert_eq!(log, format!("attempt {attempt} of one\n"), "{name}");
        }
    }
    storage.volume("pair");
    let node = &storage.node;
    node.script(
        "pair",
        "echo attempt $KAIWO_ATTEMPT of $JOB_COMPLETION_INDEX\n",
    );
    _ = storage.submit("pair", "pair", &["-i", PYTHON, "--replicas=2", "--wait"]);
    let log = node.kaiwo("logs", &["pair"]).stdout;
    for index in 0..2 {
        assert!(log.contains(&format!("attempt 1 of {index}\n")), "{log}");
    }
    // Without a claim that is kept there is no such variable.
    node.script("none", "env | grep -c KAIWO_ATTEMPT\n");
    let outcome = node.run("none", &["--follow"]);
    assert_eq!(outcome.stdout, "0\n");
    storage.end();
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_driver_saves_the_state_of_an_actor() {
    if takes_long("a Ray driver that saves and resumes") {
        return;
    }
    let _alone = alone();
    let mut storage = Storage::new("rayresume", "2500m");
    storage.volume("driver");
    let example = checkout("workloads/ray-resume");
    let node = &storage.node;
    // It saves when it is told, and not otherwise.
    let more = "-i IMAGE --cpus=1 --memory=3Gi --head-cpus=1 --head-memory=3Gi --grace=30s -- \
                python3 train.py --steps 60 --save-every 1000";
    let more = more.replace("IMAGE", RAY);
    let more: Vec<&str> = more.split_whitespace().collect();
    _ = storage.submit(example.to_str().unwrap(), "driver", &more);
    node.wait_for_log("driver", "starts at step 0");
    std::thread::sleep(std::time::Duration::from_secs(5));
    // It has been told, and is gone.
    let state = storage.preempted(|| storage.read("driver", "checkpoint.json"));
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    let (step, total) = (
        state["step"].as_i64().unwrap(),
        state["total"].as_i64().unwrap(),
    );
    assert!(step > 0, "{state}");
    assert_eq!(total, step * (step + 1) / 2);
    node.wait_for_log("driver", &format!("starts at step {step}"));
    let status = node.kaiwo("status", &["driver"]).exits(0).stdout;
    assert!(status.contains("2: preempted once"), "{status}");
    storage.end();
}

/// Kubernetes counts a drained pod that ends with 0 as a success. The container's command
/// ends with another code.
#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_drained_job_that_ends_with_0_is_not_done() {
    let node = Node::new("drained");
    for (name, image, entrypoint) in [
        ("exec", PYTHON, "exec python -u main.py\n"),
        (
            "bash",
            PYTHON,
            "#!/bin/bash\nset -e\ntrap 'echo end' EXIT\npython -u main.py\necho next\n",
        ),
        ("user", USER, "python -u main.py\necho next\n"),
        (
            "busy",
            BUSYBOX,
            "trap 'exit 0' TERM\necho ready\nwhile :; do sleep 1; done\n",
        ),
    ] {
        node.python(name, "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\nprint('ready')\nwhile True: time.sleep(1)\n");
        node.script(name, entrypoint);
        _ = node.run(name, &["-i", image]).exits(0);
        node.wait_for_log(name, "ready");
        let pods = node.running(1);
        assert_eq!(node.evict(&pods[0]), None);
        node.wait(&format!("another pod of {name}"), || {
            let now = node.list("Pod").into_iter();
            let mut others = now.filter(|pod| pod["metadata"]["name"] != pods[0].as_str());
            others.find(|pod| pod["status"]["phase"] == "Running")
        });
        node.wait_for_log(name, "ready");
        let job = node.find("Job", name).unwrap();
        assert_eq!(job["status"]["succeeded"], json!(null), "{name}: {job}");
        assert_eq!(job["status"]["failed"], json!(null), "{name}: {job}");
        _ = node.kaiwo("delete", &[name, "-y"]).exits(0);
    }
}
