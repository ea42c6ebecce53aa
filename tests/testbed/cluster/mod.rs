//! The control plane, seen by a test: kubectl-like access with generous
//! deadlines, and a namespace and queue of the test's own.

mod kinds;
mod objects;
mod users;

use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use kube::Client;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::common::{HANG, Outcome, Sandbox};

/// Key of the taint that keeps the pods of other tests off a test's nodes.
pub const OWN_TAINT: &str = "kaiwo.dev/test";

/// A namespace, a ClusterQueue and a sandbox that belong to one test.
pub struct Testbed {
    /// Name of the namespace, and of the ClusterQueue.
    pub name: String,
    /// Where the binary runs.
    pub sandbox: Sandbox,
    client: Client,
    runtime: tokio::runtime::Runtime,
}

/// Nodes of the testbed.
#[derive(Clone, Copy)]
pub enum Flavor {
    /// 4 nodes of 8 amd.com/gpu.
    Amd,
    /// 2 nodes of 4 amd.com/gpu.
    AmdSmall,
    /// 4 nodes of 8 nvidia.com/gpu.
    Nvidia,
}

impl Flavor {
    /// Name of the ResourceFlavor.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amd => "amd-8",
            Self::AmdSmall => "amd-4",
            Self::Nvidia => "nvidia-8",
        }
    }

    /// The GPUs.
    pub fn resource(self) -> &'static str {
        match self {
            Self::Amd | Self::AmdSmall => "amd.com/gpu",
            Self::Nvidia => "nvidia.com/gpu",
        }
    }

    fn node_labels(self) -> Value {
        match self {
            Self::Amd => json!({"beta.amd.com/gpu.family.AI": "8"}),
            Self::AmdSmall => json!({"beta.amd.com/gpu.family.AI": "4"}),
            Self::Nvidia => json!({"nvidia.com/gpu.count": "8"}),
        }
    }
}

impl Testbed {
    /// Connects, and gives the test a name that nothing else in the cluster
    /// has. Nothing is created yet.
    pub fn new(test: &str) -> Self {
        let kubeconfig = std::env::var("KUBECONFIG")
            .expect("KUBECONFIG names the testbed: run `cargo xtask test`, or eval \"$(cargo xtask testbed env)\"");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let client = runtime.block_on(Client::try_default()).unwrap();
        let unique = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_nanos()
            % 1_000_000_000;
        Self {
            name: format!("{test}-{unique:x}"),
            sandbox: Sandbox::new().set("KUBECONFIG", kubeconfig),
            client,
            runtime,
        }
    }

    /// Connects to the second cluster, under the same name; `None`, with a word, where the
    /// testbed has none.
    pub fn on_worker(&self) -> Option<Self> {
        let kubeconfig = std::env::var("KAIWO_TESTBED_WORKER").unwrap_or_default();
        if kubeconfig.is_empty() {
            crate::common::skip("this testbed has no second cluster (up --multikueue)");
            return None;
        }
        let read = kube::config::Kubeconfig::read_from(&kubeconfig).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let client = runtime.block_on(async {
            let config = kube::Config::from_custom_kubeconfig(read, &Default::default()).await;
            Client::try_from(config.unwrap()).unwrap()
        });
        Some(Self {
            name: self.name.clone(),
            sandbox: Sandbox::new().set("KUBECONFIG", kubeconfig),
            client,
            runtime,
        })
    }

    /// Connects, with a ClusterQueue of one flavor and so many GPUs.
    pub fn with_queue(test: &str, flavor: Flavor, gpus: i64) -> Self {
        let testbed = Self::new(test);
        testbed.cluster_queue(&[(flavor, gpus)], json!({}));
        testbed
    }

    /// Makes the test's ClusterQueue. `extra` is merged into its spec.
    pub fn cluster_queue(&self, flavors: &[(Flavor, i64)], extra: Value) {
        for (flavor, _) in flavors {
            self.apply(json!({
                "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ResourceFlavor",
                "metadata": {"name": flavor.name()},
                "spec": {"nodeLabels": flavor.node_labels()},
            }));
        }
        let quotas: Vec<Value> = flavors
            .iter()
            .map(|(flavor, gpus)| {
                json!({"name": flavor.name(), "resources": [
                    {"name": "cpu", "nominalQuota": 1000},
                    {"name": "memory", "nominalQuota": "16Ti"},
                    {"name": flavor.resource(), "nominalQuota": gpus},
                ]})
            })
            .collect();
        let mut spec = json!({
            "namespaceSelector": {},
            "resourceGroups": [{
                "coveredResources": ["cpu", "memory", flavors.first().map_or("amd.com/gpu", |f| f.0.resource())],
                "flavors": quotas,
            }],
        });
        for (key, value) in extra.as_object().unwrap() {
            spec[key] = value.clone();
        }
        self.apply(json!({
            "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ClusterQueue",
            "metadata": {"name": self.name}, "spec": spec,
        }));
    }

    /// Connects, and makes the test's namespace.
    pub fn with_namespace(test: &str) -> Self {
        let testbed = Self::new(test);
        testbed.namespace();
        testbed
    }

    /// Makes the test's namespace.
    pub fn namespace(&self) {
        self.apply(
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}}),
        );
    }

    /// Returns the taint of nodes that only the test's own pods may use.
    pub fn own_taint(&self) -> Value {
        json!({"key": OWN_TAINT, "value": self.name, "effect": "NoSchedule"})
    }

    /// Makes a node that pretends to offer `resources`, with these taints from
    /// the beginning, and waits until it takes pods.
    #[track_caller]
    pub fn fake_node(&self, name: &str, labels: &Value, resources: &Value, taints: &Value) {
        self.apply(json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {
                "name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"},
            },
            "spec": {"taints": taints},
        }));
        let status = json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
            "status": {"allocatable": resources, "capacity": resources},
        });
        self.runtime
            .block_on(self.api("Node", false).patch_status(
                name,
                &PatchParams::apply("test").force(),
                &Patch::Apply(status),
            ))
            .unwrap();
        self.wait_for_condition("Node", name, "Ready");
        // Until it is ready, it has one more.
        self.wait(&format!("node {name} to have its own taints only"), || {
            let node = self.find("Node", name)?;
            let has = node["spec"]["taints"].as_array().map_or(0, Vec::len);
            (has == taints.as_array().unwrap().len()).then_some(())
        });
    }

    /// Ends the first container of a running pod with this code.
    pub fn finish_pod(&self, name: &str, code: i64) {
        let pod = self.find("Pod", name).unwrap();
        let status = &pod["status"]["containerStatuses"][0];
        let ended = json!({"terminated": {"exitCode": code, "reason": "Error"}});
        let ended = json!({
            "name": status["name"], "image": status["image"], "imageID": "", "restartCount": 0,
            "ready": false, "state": ended,
        });
        let phase = if code == 0 { "Succeeded" } else { "Failed" };
        let patch = json!({"status": {"phase": phase, "containerStatuses": [ended]}});
        let api = self.api("Pod", true);
        self.runtime
            .block_on(api.patch_status(name, &PatchParams::default(), &Patch::Merge(patch)))
            .unwrap();
    }

    /// Makes a LocalQueue in the test's namespace. `extra` is merged into its
    /// spec.
    pub fn local_queue(&self, name: &str, cluster_queue: &str, extra: Value) {
        let mut spec = json!({"clusterQueue": cluster_queue});
        for (key, value) in extra.as_object().unwrap() {
            spec[key] = value.clone();
        }
        self.apply(json!({
            "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "LocalQueue",
            "metadata": {"name": name, "namespace": self.name}, "spec": spec,
        }));
    }

    /// Runs `kaiwo submit` with the test's namespace and queue.
    pub fn submit(&self, arguments: &[&str]) -> Outcome {
        self.sandbox.kaiwo(&self.submit_arguments(arguments))
    }

    /// Returns the arguments of [`Testbed::submit`].
    pub fn submit_arguments<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        [&["submit", "-n", &self.name, "-q", &self.name], arguments].concat()
    }

    /// Waits until `look` sees something, and returns that.
    #[track_caller]
    pub fn wait<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(seen) = look() {
                return seen;
            }
            assert!(start.elapsed() < HANG, "waited {HANG:?} for {what}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until the text at `pointer` of an object is `expected`.
    #[track_caller]
    pub fn wait_for(&self, kind: &str, name: &str, pointer: &str, expected: &str) -> Value {
        self.wait(
            &format!("{kind} {name} to have {expected} at {pointer}"),
            || {
                self.find(kind, name).filter(|object| {
                    object.pointer(pointer).and_then(Value::as_str) == Some(expected)
                })
            },
        )
    }

    /// Waits until a condition of an object is true.
    #[track_caller]
    pub fn wait_for_condition(&self, kind: &str, name: &str, condition: &str) -> Value {
        self.wait(&format!("{kind} {name} to be {condition}"), || {
            self.find(kind, name)
                .filter(|object| has_condition(object, condition))
        })
    }

    /// Deletes what holds quota of a queue that other tests use, while its LocalQueue is
    /// there. Kueue (v0.19.2, `QueueAssociatedInadmissibleWorkloadsAfter`) looks again at
    /// those that wait for a ClusterQueue by way of the LocalQueue of whoever leaves it, and
    /// not at all where a namespace takes both away at once.
    fn give_back(&self) {
        let holds = |queued: &Value| {
            let queue = queued["status"]["admission"]["clusterQueue"].as_str();
            queue.is_some_and(|queue| queue != self.name) && !has_condition(queued, "Finished")
        };
        let start = Instant::now();
        let mut is_asked = false;
        while self.list("Workload").iter().any(holds) && start.elapsed() < HANG {
            if !is_asked {
                for kind in [
                    "CronJob",
                    "Job",
                    "RayJob",
                    "RayService",
                    "Deployment",
                    "Pod",
                ] {
                    let api = self.api(kind, true);
                    let all = ListParams::default();
                    let soon = DeleteParams::background().grace_period(1);
                    let deleted = api.delete_collection(&soon, &all);
                    _ = self.runtime.block_on(deleted);
                }
                is_asked = true;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Tells what is in the namespace, for a failed test.
    fn tell(&self) -> String {
        let mut lines = vec![format!("in namespace {}:", self.name)];
        for kind in [
            "Workload",
            "CronJob",
            "Job",
            "RayJob",
            "Deployment",
            "RayService",
            "RayCluster",
            "Pod",
        ] {
            for object in self.list(kind) {
                lines.push(format!(
                    "{kind} {} {}",
                    object["metadata"]["name"], object["status"]
                ));
            }
        }
        lines.join("\n")
    }
}

impl Drop for Testbed {
    fn drop(&mut self) {
        // What one test leaves would count against the nodes of the next, and have it
        // wait in vain: a failed test tells what there was, and leaves nothing either.
        if std::thread::panicking() {
            let told = std::panic::catch_unwind(AssertUnwindSafe(|| {
                writeln!(std::io::stderr(), "{}", self.tell())
            }));
            let keeps = std::env::var("KAIWO_TESTBED_KEEP").is_ok_and(|value| value == "true");
            if told.is_err() || keeps {
                return;
            }
        }
        _ = std::panic::catch_unwind(AssertUnwindSafe(|| self.give_back()));
        for (kind, namespaced) in [
            ("Namespace", false),
            ("ClusterQueue", false),
            ("ClusterRoleBinding", false),
        ] {
            let api = self.api(kind, namespaced);
            let _ = self
                .runtime
                .block_on(api.delete(&self.name, &DeleteParams::background()));
        }
    }
}

/// Returns a condition of an object.
pub fn condition<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions
        .iter()
        .find(|condition| condition["type"] == name)
}

/// Returns whether a condition of an object is true.
pub fn has_condition(object: &Value, name: &str) -> bool {
    condition(object, name).is_some_and(|condition| condition["status"] == "True")
}
