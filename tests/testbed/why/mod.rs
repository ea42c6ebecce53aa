//! `kaiwo why`: each cause, made on a real control plane, as an admin sees it
//! and as a user does who has Kueue's `batch-user` role.

mod admission;
mod nodes;
mod pods;
mod queues;

use serde_json::{Value, json};

use super::cluster::{Flavor, Testbed};
use crate::common::{HANG, Outcome};

/// Keeps pods off every node, so that what only has to be admitted takes
/// nobody's GPUs.
const PARKED: [&str; 2] = ["--node-selector", "kaiwo.dev/testbed=parked"];

/// Who asks.
#[derive(Clone, Copy)]
enum Who {
    /// The administrator.
    Admin,
    /// Kueue's `batch-user`, in the namespace.
    BatchUser,
    /// The same, with Kubernetes' `view`.
    Viewer,
}

/// A testbed of a namespace with two users of few rights.
struct Scene {
    testbed: Testbed,
}

impl Scene {
    /// A namespace without queues.
    fn bare(name: &str) -> Self {
        let testbed = Testbed::new(name);
        testbed.namespace();
        let scene = Self { testbed };
        for (who, role) in [
            (Who::BatchUser, "kueue-batch-user-role"),
            (Who::Viewer, "kueue-batch-user-role"),
            (Who::Viewer, "view"),
        ] {
            let user = scene.user(who).unwrap();
            scene.testbed.grant(&user, "ClusterRole", role);
        }
        scene
    }

    /// A namespace, with a queue of its name.
    fn new(name: &str, gpus: i64, extra: Value) -> Self {
        let scene = Self::bare(name);
        scene.testbed.cluster_queue(&[(Flavor::Amd, gpus)], extra);
        scene.local_queue();
        scene
    }

    fn local_queue(&self) {
        self.testbed
            .local_queue(&self.testbed.name, &self.testbed.name, json!({}));
    }

    /// A namespace with a queue over nodes of the test's own, which take the
    /// pods of that queue only.
    fn with_nodes(name: &str, gpus: i64, nodes: &[(&str, i64)]) -> Self {
        let scene = Self::bare(name);
        let testbed = &scene.testbed;
        for (node, gpus) in nodes {
            testbed.fake_node(
                &scene.node(node),
                &json!({"kaiwo.dev/why": testbed.name}),
                &json!({"cpu": "64", "memory": "512Gi", "pods": "100", "amd.com/gpu": gpus.to_string()}),
                &json!([testbed.own_taint()]),
            );
        }
        testbed.apply(json!({
            "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ResourceFlavor",
            "metadata": {"name": testbed.name},
            "spec": {
                "nodeLabels": {"kaiwo.dev/why": testbed.name},
                "tolerations": [testbed.own_taint()],
            },
        }));
        testbed.cluster_queue(
            &[],
            json!({"resourceGroups": [{
                "coveredResources": ["cpu", "memory", "amd.com/gpu"],
                "flavors": [{"name": testbed.name, "resources": [
                    {"name": "cpu", "nominalQuota": 1000},
                    {"name": "memory", "nominalQuota": "16Ti"},
                    {"name": "amd.com/gpu", "nominalQuota": gpus},
                ]}],
            }]}),
        );
        scene.local_queue();
        scene
    }

    fn node(&self, name: &str) -> String {
        format!("{}-{name}", self.testbed.name)
    }

    fn user(&self, who: Who) -> Option<String> {
        let name = &self.testbed.name;
        match who {
            Who::Admin => None,
            Who::BatchUser => Some(format!("{name}-batch")),
            Who::Viewer => Some(format!("{name}-viewer")),
        }
    }

    #[track_caller]
    fn submit(&self, name: &str, arguments: &[&str]) {
        let named = ["--name", name, "--gpu-resource", "amd.com/gpu"];
        let _ = self.testbed.submit(&[&named, arguments].concat()).exits(0);
    }

    /// Submits a Job that is to be admitted and no more.
    #[track_caller]
    fn park(&self, name: &str, gpus: &str, extra: &[&str]) {
        let arguments = [
            &["-i", "testbed/forever", "-g", gpus, "--gpus-per-node", "8"],
            &PARKED[..],
            extra,
        ];
        self.submit(name, &arguments.concat());
    }

    fn ask(&self, who: Who, name: &str, json: bool) -> Outcome {
        let user = self.user(who);
        let mut arguments = vec!["why", name, "-n", &self.testbed.name];
        if let Some(user) = &user {
            arguments.extend(["--as", user]);
        }
        if json {
            arguments.extend(["-o", "json"]);
        }
        self.testbed.sandbox.kaiwo(&arguments).exits(0)
    }

    /// Waits until the first cause is `cause`; returns the diagnosis and the
    /// screen.
    #[track_caller]
    fn why(&self, who: Who, name: &str, cause: &str) -> (Value, String) {
        let mut last = Value::Null;
        let start = std::time::Instant::now();
        let report = loop {
            let outcome = self.ask(who, name, true);
            last = serde_json::from_str(&outcome.stdout).unwrap_or(last);
            if last["findings"][0]["cause"] == cause {
                break last;
            }
            assert!(start.elapsed() < HANG, "{name} is not {cause}: {last:#}");
            std::thread::sleep(std::time::Duration::from_millis(200));
        };
        let screen = self.ask(who, name, false);
        assert_eq!(screen.stderr, "");
        assert!(
            screen.stdout.lines().count() <= 24,
            "more than a screen:\n{}",
            screen.stdout
        );
        (report, screen.stdout)
    }

    /// Checks that each of them is told this cause, and the same words.
    #[track_caller]
    fn told(&self, name: &str, cause: &str, says: &[&str], whom: &[Who]) {
        for who in whom {
            let start = std::time::Instant::now();
            loop {
                let (_, screen) = self.why(*who, name, cause);
                let Some(words) = says.iter().find(|words| !screen.contains(**words)) else {
                    break;
                };
                // Kueue writes what it says one after the other.
                assert!(start.elapsed() < HANG, "no {words:?} in:\n{screen}");
            }
        }
    }
}

/// Both the administrator and the user with the role alone.
const BOTH: [Who; 2] = [Who::Admin, Who::BatchUser];
/// Both the administrator and the user who sees pods, too.
const WITH_PODS: [Who; 2] = [Who::Admin, Who::Viewer];

fn job(name: &str, namespace: &str, labels: Value) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"suspend": true, "template": {"spec": {"restartPolicy": "Never", "containers": [
            {"name": "main", "image": "testbed/forever", "resources": {"requests": {"cpu": "1"}}},
        ]}}},
    })
}
