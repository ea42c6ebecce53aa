//! The simulated pods of the testbed, beside those of the real node: what the API
//! server has of a pod must be the same, because most tests see only the former.
//!
//! Where they differ, the simulated pod is wrong, or `testbed/README.md` says so
//! ("Fate of pods").

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{WatchEvent, WatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::ray::{SMALL, alone};
use super::{Node, PYTHON, QUEUE, RAY, takes_long};
use crate::testbed::cluster::Flavor;

/// A program that runs until it is told to end, and ends as most do.
const UNTIL_TOLD: &str = "trap 'exit 143' TERM; sleep 600 & wait";

/// By name: the simulated pod's image, the real one's command, and until when they
/// are looked at.
const FATES: [(&str, &str, &[&str], Until); 7] = [
    ("success", "testbed/any", &["true"], Until::Ended),
    (
        "exit",
        "testbed/exit-7",
        &["sh", "-c", "exit 7"],
        Until::Ended,
    ),
    ("pull", "testbed/pull-fails", &[], Until::Waiting),
    (
        "command",
        "testbed/start-fails",
        &["nosuchprog"],
        Until::Ended,
    ),
    (
        "memory",
        "testbed/oom",
        &[
            "python",
            "-c",
            "x = [bytearray(32 << 20) for _ in range(99)]",
        ],
        Until::Ended,
    ),
    (
        "deadline",
        "testbed/forever",
        &["sh", "-c", UNTIL_TOLD],
        Until::Running,
    ),
    (
        "delete",
        "testbed/forever",
        &["sh", "-c", UNTIL_TOLD],
        Until::Running,
    ),
];

/// What a pod comes to without anybody's doing.
#[derive(Clone, Copy, PartialEq)]
enum Until {
    Ended,
    Running,
    /// For its image.
    Waiting,
}

impl Until {
    fn is_reached(self, state: &State) -> bool {
        match self {
            Self::Ended => ["Succeeded", "Failed"].contains(&state.phase.as_str()),
            Self::Running => state.conditions.contains("Ready=True"),
            Self::Waiting => state
                .containers
                .contains_key("main: waiting ImagePullBackOff"),
        }
    }
}

/// What a pod's status says that decides something.
#[derive(Clone, Debug, Default, PartialEq)]
struct State {
    phase: String,
    conditions: BTreeSet<String>,
    /// State by name, with whether it is ready, has started, and how often again.
    containers: BTreeMap<String, String>,
}

impl State {
    fn new(status: &Value) -> Self {
        let list = |key: &str| status[key].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let conditions = list("conditions").into_iter().filter_map(|condition| {
            let kind = text(&condition["type"]);
            // KWOK has no sandboxes.
            let is_known = kind != "PodReadyToStartContainers";
            let words = format!(
                "{kind}={} {}",
                text(&condition["status"]),
                text(&condition["reason"])
            );
            is_known.then(|| words.trim_end().to_owned())
        });
        let containers = ["initContainerStatuses", "containerStatuses"].map(list);
        let containers = containers.into_iter().flatten().map(|container| {
            let [state, before] = ["state", "lastState"].map(|key| words(&container[key]));
            let name = format!("{}: {state}", text(&container["name"]));
            let rest = format!(
                "ready {}, restarts {}, before: {before}",
                container["ready"], container["restartCount"]
            );
            (name, rest)
        });
        Self {
            phase: text(&status["phase"]),
            conditions: conditions.collect(),
            containers: containers.collect(),
        }
    }
}

/// Returns the state of a container in words.
fn words(state: &Value) -> String {
    let reason = |of: &Value| of["reason"].as_str().unwrap_or_default().to_owned();
    if let Some(waiting) = state.get("waiting") {
        return format!("waiting {}", reason(waiting));
    }
    if let Some(ended) = state.get("terminated") {
        return format!("terminated {} {}", ended["exitCode"], reason(ended));
    }
    state.get("running").map_or("", |_| "running").to_owned()
}

/// All states of all pods of a namespace, by the pod's name.
struct Recorder {
    seen: Arc<Mutex<BTreeMap<String, Vec<State>>>>,
    is_over: Arc<AtomicBool>,
}

impl Recorder {
    fn new(namespace: &str) -> Self {
        let seen: Arc<Mutex<BTreeMap<String, Vec<State>>>> = Arc::default();
        let is_over: Arc<AtomicBool> = Arc::default();
        let (into, over, namespace) = (seen.clone(), is_over.clone(), namespace.to_owned());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(record(&namespace, &into, &over));
        });
        Self { seen, is_over }
    }

    /// Returns the states of the pod whose name begins with this.
    fn states(&self, name: &str) -> Vec<State> {
        let seen = self.seen.lock().unwrap();
        let pod = seen.iter().find(|(pod, _)| pod.starts_with(name));
        pod.map(|(_, states)| states.clone()).unwrap_or_default()
    }

    /// Waits until the last state of a pod is such.
    #[track_caller]
    fn wait(&self, node: &Node, name: &str, is_such: impl Fn(&State) -> bool) -> State {
        node.wait(&format!("{name} to get there"), || {
            self.states(name).pop().filter(|state| is_such(state))
        })
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

async fn record(namespace: &str, into: &Mutex<BTreeMap<String, Vec<State>>>, is_over: &AtomicBool) {
    let pods: Api<Pod> = Api::namespaced(Client::try_default().await.unwrap(), namespace);
    let mut version = "0".to_owned();
    while !is_over.load(Ordering::Relaxed) {
        let Ok(stream) = pods
            .watch(&WatchParams::default().timeout(5), &version)
            .await
        else {
            continue;
        };
        let mut stream = std::pin::pin!(stream);
        while let Some(Ok(event)) = stream.next().await {
            let (WatchEvent::Added(pod) | WatchEvent::Modified(pod) | WatchEvent::Deleted(pod)) =
                event
            else {
                continue;
            };
            version = pod.metadata.resource_version.clone().unwrap_or(version);
            let state = State::new(&serde_json::to_value(&pod.status).unwrap());
            let mut into = into.lock().unwrap();
            let states = into.entry(pod.metadata.name.unwrap()).or_default();
            if states.last() != Some(&state) {
                states.push(state);
            }
        }
    }
}

/// A Job on KWOK's nodes or on the real one.
fn job(name: &str, image: &str, command: &[&str], is_real: bool) -> Value {
    let place = match is_real {
        true => json!({"testbed.kaiwo/real": "true"}),
        false => json!({"type": "kwok"}),
    };
    let mut container = json!({
        "name": "main", "image": image, "resources": {"limits": {"memory": "128Mi"}},
    });
    if is_real && !command.is_empty() {
        container["command"] = json!(command);
    }
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": {"spec": {
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 10,
            "nodeSelector": place,
            "tolerations": [{"key": "testbed.kaiwo/real", "operator": "Exists"}],
            "containers": [container],
        }}},
    })
}

/// Returns the conditions of a Job that are true, with their reasons.
fn verdict(node: &Node, name: &str) -> BTreeSet<String> {
    let job = node.find("Job", name).unwrap();
    let conditions = job["status"]["conditions"].as_array().cloned();
    let conditions = conditions.unwrap_or_default();
    let words = conditions
        .iter()
        .map(|it| format!("{} {}", it["type"], it["reason"]));
    words.collect()
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn simulated_pods_have_the_states_of_real_ones() {
    let node = Node::new("twin");
    let recorder = Recorder::new(&node.name);
    let both = |name: &str| [format!("{name}-simulated"), format!("{name}-real")];
    for (name, image, command, _) in FATES {
        let real_image = match name {
            "pull" => "testbed/no-such-image:1",
            _ => PYTHON,
        };
        let [simulated, real] = both(name);
        node.create(job(&simulated, image, command, false));
        node.create(job(&real, real_image, command, true));
    }
    let mut differences = Vec::new();
    let mut compare = |name: &str, is_such: &dyn Fn(&State) -> bool| {
        let [simulated, real] = both(name).map(|name| recorder.wait(&node, &name, is_such));
        if simulated != real {
            differences.push(format!("{name}: simulated {simulated:#?}\nreal {real:#?}"));
        }
    };
    for (name, .., until) in FATES {
        compare(name, &|state| until.is_reached(state));
    }
    // What they come to when they are stopped.
    for name in both("deadline") {
        let spec = json!({"spec": {"activeDeadlineSeconds": 1}});
        node.merge("Job", &name, &spec);
    }
    for name in ["delete", "pull"] {
        both(name).iter().for_each(|name| node.delete("Job", name));
    }
    for name in ["deadline", "delete", "pull"] {
        compare(name, &|state| Until::Ended.is_reached(state));
    }
    for (name, ..) in FATES
        .iter()
        .filter(|(name, ..)| !["delete", "pull"].contains(name))
    {
        let [simulated, real] = both(name).map(|name| {
            node.wait(&format!("the end of {name}"), || {
                let verdict = verdict(&node, &name);
                (verdict.len() == 2).then_some(verdict)
            })
        });
        if simulated != real {
            differences.push(format!("{name}: simulated {simulated:?}\nreal {real:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
#[ignore = "needs a real node: cargo xtask test --all"]
fn simulated_pods_of_a_rayjob_have_the_states_of_real_ones() {
    if takes_long("the pods of a RayJob, beside simulated ones") {
        return;
    }
    let _alone = alone();
    let node = Node::new("twin-ray");
    node.cluster_queue(&[(Flavor::Amd, 8)], json!({}));
    let recorder = Recorder::new(&node.name);
    let common = ["--ray", "-g", "1"];
    for (name, queue, image) in [
        ("simulated", node.name.as_str(), "testbed/any"),
        ("real", QUEUE, RAY),
    ] {
        node.python(name, "import ray\nray.init()\nprint('done')\n");
        let own = ["-q", queue, "-i", image, "-p", name, "--name", name];
        let arguments = [&common[..], &SMALL, &own].concat();
        _ = node.kaiwo("submit", &arguments).exits(0);
    }
    for name in ["simulated", "real"] {
        _ = node.kaiwo("wait", &[name]).exits(0);
        node.wait("the end of the cluster", || {
            let pods = node.list("Pod");
            let of_cluster = pods.iter().filter(|pod| {
                let labels = &pod["metadata"]["labels"];
                labels["app.kubernetes.io/instance"] == name
                    && !labels["ray.io/node-type"].is_null()
            });
            (of_cluster.count() == 0).then_some(())
        });
    }
    let seen = recorder.seen.lock().unwrap().clone();
    for part in ["-head-", "-worker-", ""] {
        let [simulated, real] = ["simulated", "real"].map(|name| {
            let mut own = seen.iter().filter(|(pod, _)| pod.starts_with(name));
            let is_part = |pod: &str| match part {
                "" => !pod.contains("-head-") && !pod.contains("-worker-"),
                part => pod.contains(part),
            };
            own.find(|(pod, _)| is_part(pod)).unwrap().1
        });
        let ready = |states: &[State]| {
            let is_ready = |state: &&State| Until::Running.is_reached(state);
            states.iter().find(is_ready).cloned()
        };
        assert_eq!(ready(simulated), ready(real), "{part}");
        // Ray's own programs end with 1 when they are told to end.
        let last = |states: &[State]| {
            let mut last = states.last().cloned().unwrap();
            let ends = std::mem::take(&mut last.containers).into_iter();
            last.containers = ends
                .map(|(name, rest)| (name.replace("terminated 1 ", "terminated 143 "), rest))
                .collect();
            last
        };
        assert_eq!(last(simulated), last(real), "{part}");
    }
}
