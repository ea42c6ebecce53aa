//! `kaiwo why`: each cause, made on a real control plane, as an admin sees it
//! and as a user does who has Kueue's `batch-user` role.

use serde_json::{Value, json};

use super::cluster::{Flavor, Testbed, condition};
use super::kaito;
use crate::common::Outcome;

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
            scene.testbed.apply(json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                "metadata": {"name": format!("{user}-{role}"), "namespace": scene.testbed.name},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
            }));
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

    /// A namespace with a queue over nodes of the test's own.
    fn with_nodes(name: &str, gpus: i64, nodes: &[(&str, i64)]) -> Self {
        let scene = Self::bare(name);
        let testbed = &scene.testbed;
        for (node, gpus) in nodes {
            testbed.fake_node(
                &scene.node(node),
                &json!({"kaiwo.dev/why": testbed.name}),
                &json!({"cpu": "64", "memory": "512Gi", "pods": "100", "amd.com/gpu": gpus.to_string()}),
            );
        }
        testbed.apply(json!({
            "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ResourceFlavor",
            "metadata": {"name": testbed.name}, "spec": {"nodeLabels": {"kaiwo.dev/why": testbed.name}},
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
            assert!(
                start.elapsed().as_secs() < 120,
                "{name} is not {cause}: {last:#}"
            );
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
                assert!(start.elapsed().as_secs() < 60, "no {words:?} in:\n{screen}");
            }
        }
    }
}

/// Both the administrator and the user with the role alone.
const BOTH: [Who; 2] = [Who::Admin, Who::BatchUser];
/// Both the administrator and the user who sees pods, too.
const WITH_PODS: [Who; 2] = [Who::Admin, Who::Viewer];

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_full_queue_names_who_is_ahead_and_who_holds_what() {
    if super::lacks("visibility") {
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
        "It waits for quota: 8 more amd.com/gpu in flavor amd-8",
        "Ahead of it: 1, with 8 GPUs",
        "Who holds the GPUs (32):",
        "and 1 more, with 8 GPUs",
        "It cannot borrow: its ClusterQueue is in no cohort",
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
        &["does not take workloads of namespace"],
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
        &["is not active and admits nothing", "ClusterQueues"],
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
        &["there is no LocalQueue"
            .to_owned()
            .replacen('t', "T", 1)
            .as_str()],
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
    scene.told("k", "clusterQueueInactive", &["is not active"], &BOTH);
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
            "No flavor of the queue takes its pods",
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

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_kueue_takes_off_or_gives_up_is_told() {
    let scene = Scene::new(
        "why-off",
        8,
        json!({"preemption": {"withinClusterQueue": "LowerPriority"}}),
    );
    let testbed = &scene.testbed;
    testbed.apply(json!({
        "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "WorkloadPriorityClass",
        "metadata": {"name": "test-urgent"}, "value": 1000,
    }));
    scene.park("low", "8", &[]);
    scene.why(Who::Admin, "low", "nodeSelector");
    scene.park("high", "8", &["--priority-class", "test-urgent"]);
    scene.told(
        "low",
        "preempted",
        &[
            "It was preempted by job/high of alice",
            "prioritization in the ClusterQueue",
            "It waits for quota",
        ],
        &BOTH,
    );
    let (report, _) = scene.why(Who::BatchUser, "low", "preempted");
    assert_eq!(report["status"], "Preempted");
    assert_eq!(report["findings"][1]["cause"], "waitingForQuota");

    // Somebody takes it out of the queue for good.
    testbed.merge(
        "Workload",
        &workload(testbed, "low"),
        &json!({"spec": {"active": false}}),
    );
    scene.told(
        "low",
        "deactivated",
        &["\"active\":true", "--replace"],
        &BOTH,
    );
    testbed.delete("Job", "low");

    // Pods that are not ready in time: as Kueue does when the time is up. Another
    // one takes the place.
    scene.park("next", "8", &["--priority-class", "test-urgent"]);
    scene.why(Who::Admin, "next", "waitingForQuota");
    let name = workload(testbed, "high");
    let found = testbed.find("Workload", &name).unwrap();
    let mut conditions = found["status"]["conditions"].as_array().unwrap().clone();
    conditions.retain(|condition| condition["type"] != "Evicted");
    let now = k8s_openapi::jiff::Timestamp::now();
    let later = k8s_openapi::jiff::Timestamp::from_second(now.as_second() + 3_600).unwrap();
    conditions.push(json!({
        "type": "Evicted", "status": "True", "reason": "PodsReadyTimeout",
        "message": "Exceeded the PodsReady timeout ns/high", "lastTransitionTime": now.to_string(),
    }));
    testbed.merge_status(
        "Workload",
        &name,
        &json!({
            "conditions": conditions,
            "requeueState": {"count": 1, "requeueAt": later.to_string()},
        }),
    );
    scene.told(
        "high",
        "podsReadyTimeout",
        &[
            "not all of its pods got ready in time",
            "put back 1 times so far",
        ],
        &BOTH,
    );
}

/// Returns the name of Kueue's Workload of a Job.
#[track_caller]
fn workload(testbed: &Testbed, job: &str) -> String {
    testbed.wait(&format!("the Workload of {job}"), || {
        let all = testbed.list("Workload");
        let own = all
            .iter()
            .find(|workload| workload["metadata"]["ownerReferences"][0]["name"] == *job)?;
        Some(own["metadata"]["name"].as_str()?.to_owned())
    })
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn admission_checks_are_told() {
    let scene = Scene::bare("why-check");
    let testbed = &scene.testbed;
    let check = testbed.name.clone();
    testbed.apply(json!({
        "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "AdmissionCheck",
        "metadata": {"name": check}, "spec": {"controllerName": "kaiwo.dev/test"},
    }));
    testbed.merge_status("AdmissionCheck", &check, &json!({"conditions": [
        {"type": "Active", "status": "True", "reason": "Active", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"},
    ]}));
    testbed.cluster_queue(
        &[(Flavor::Amd, 16)],
        json!({"admissionChecksStrategy": {"admissionChecks": [{"name": check}]}}),
    );
    scene.local_queue();
    testbed.wait_for_condition("ClusterQueue", &check, "Active");
    scene.park("j", "8", &[]);
    scene.told(
        "j",
        "admissionCheckPending",
        &["It has quota, and waits for admission check", &check],
        &BOTH,
    );
    testbed.merge_status("Workload", &workload(testbed, "j"), &json!({"admissionChecks": [
        {"name": check, "state": "Rejected", "message": "no budget", "lastTransitionTime": "2026-01-01T00:00:00Z"},
    ]}));
    scene.told(
        "j",
        "admissionCheckRejected",
        &["no budget", "\"active\":true"],
        &BOTH,
    );
    testbed.delete("AdmissionCheck", &check);
}

fn job(name: &str, namespace: &str, labels: Value) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"suspend": true, "template": {"spec": {"restartPolicy": "Never", "containers": [
            {"name": "main", "image": "testbed/forever", "resources": {"requests": {"cpu": "1"}}},
        ]}}},
    })
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_kueue_does_not_see_says_why() {
    let scene = Scene::new("why-unseen", 8, json!({}));
    let testbed = &scene.testbed;
    let queue = testbed.name.clone();
    testbed.apply(job(
        "classy",
        &queue,
        json!({"kueue.x-k8s.io/queue-name": queue, "kueue.x-k8s.io/priority-class": "no-such-class"}),
    ));
    scene.told(
        "classy",
        "unknownPriorityClass",
        &[
            "\"no-such-class\", which does not exist",
            "--priority-class",
        ],
        &[Who::Admin],
    );
    // A user who may not read the classes is told what to look at.
    scene.told(
        "classy",
        "noWorkload",
        &[
            "\"no-such-class\": if there is none of that name, that is why",
            "WorkloadPriorityClasses",
        ],
        &[Who::BatchUser],
    );

    testbed.apply(job("alone", &queue, json!({})));
    scene.told(
        "alone",
        "suspended",
        &["Somebody has suspended it", "\"suspend\":false"],
        &BOTH,
    );

    // A namespace that Kueue is told to leave alone.
    let name = format!("{queue}-unmanaged");
    testbed.apply(job(
        &name,
        "kube-system",
        json!({"kueue.x-k8s.io/queue-name": "any"}),
    ));
    testbed.apply(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "kueue-manager-config", "namespace": "kueue-system"},
        "data": {"controller_manager_config.yaml": "integrations:\n  frameworks: [batch/job]\nmanagedJobsNamespaceSelector:\n  matchExpressions:\n  - {key: kubernetes.io/metadata.name, operator: NotIn, values: [kube-system, kueue-system]}\n"},
    }));
    let outcome = testbed.wait("the namespace to be named", || {
        let outcome = testbed
            .sandbox
            .kaiwo(&["why", &name, "-n", "kube-system", "-o", "json"])
            .exits(0);
        outcome
            .stdout
            .contains("namespaceNotManaged")
            .then_some(outcome)
    });
    assert!(
        outcome.stdout.contains("managedJobsNamespaceSelector"),
        "{outcome:?}"
    );
    testbed.delete_in("kube-system", "Job", &name);
    testbed.delete_in("kueue-system", "ConfigMap", "kueue-manager-config");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn nodes_that_do_not_fit_say_why() {
    let scene = Scene::with_nodes("why-nodes", 64, &[("a", 8), ("b", 8)]);
    let testbed = &scene.testbed;
    let forever = ["-i", "testbed/forever", "--gpus-per-node", "8"];
    for name in ["half-a", "half-b"] {
        let node = scene.node(name.trim_start_matches("half-"));
        let on = format!("kubernetes.io/hostname={node}");
        testbed.merge(
            "Node",
            &node,
            &json!({"metadata": {"labels": {"kubernetes.io/hostname": node}}}),
        );
        scene.submit(
            name,
            &[&forever[..], &["-g", "4", "--node-selector", &on]].concat(),
        );
    }
    for name in ["half-a", "half-b"] {
        testbed.wait(&format!("{name} to run"), || {
            let outcome = scene.ask(Who::Admin, name, false);
            outcome
                .stdout
                .starts_with(&format!("job/{name}: Running for "))
                .then_some(())
        });
    }
    scene.submit("whole", &[&forever[..], &["-g", "8"]].concat());
    scene.told(
        "whole",
        "fragmented",
        &[
            "8 amd.com/gpu are free as 4+4, but a pod needs 8 on one node",
            "--gpus-per-node 4",
        ],
        &[Who::Admin],
    );
    // Without nodes, the scheduler's words have to do.
    scene.told(
        "whole",
        "nodesFull",
        &[
            "a pod needs 8 amd.com/gpu on one node"
                .to_owned()
                .replacen('a', "A", 1)
                .as_str(),
            "not visible to you: nodes",
        ],
        &[Who::Viewer],
    );
    // Who may not even see pods learns that it was admitted.
    scene.told(
        "whole",
        "starting",
        &["job/whole: Starting", "pods"],
        &[Who::BatchUser],
    );
    testbed.delete("Job", "whole");

    // Three of which two have a place.
    scene.submit(
        "gang",
        &[
            &forever[..],
            &["-g", "12", "--gpus-per-replica", "4", "--replicas", "3"],
        ]
        .concat(),
    );
    scene.told(
        "gang",
        "gangPartlyPlaced",
        &[
            "2 of 3 pods have a node, and 1 find none",
            "cause: nodesFull",
        ],
        &WITH_PODS,
    );
    scene.told(
        "gang",
        "gangPartlyPlaced",
        &["who holds GPUs there: "],
        &[Who::Admin],
    );
    testbed.delete("Job", "gang");

    scene.submit(
        "selects",
        &[&forever[..], &["-g", "1", "--node-selector", "no=where"]].concat(),
    );
    scene.told(
        "selects",
        "nodeSelector",
        &["no=where", "--node-selector"],
        &WITH_PODS,
    );

    let claims = ["-g", "1", "--volume", "nothing:/data", "--force"];
    scene.submit("claims", &[&forever[..], &claims].concat());
    scene.told(
        "claims",
        "claimMissing",
        &["There is no PersistentVolumeClaim nothing"],
        &WITH_PODS,
    );
    testbed.apply(json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "nothing"},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "no-such-class",
                 "resources": {"requests": {"storage": "1Gi"}}},
    }));
    scene.told(
        "claims",
        "claimUnbound",
        &["PersistentVolumeClaim nothing has no volume yet"],
        &WITH_PODS,
    );

    for node in ["a", "b"] {
        let taints = json!([{"key": "dedicated", "value": "others", "effect": "NoSchedule"}]);
        testbed.merge(
            "Node",
            &scene.node(node),
            &json!({"spec": {"taints": taints}}),
        );
    }
    scene.submit("tainted", &[&forever[..], &["-g", "1"]].concat());
    scene.told(
        "tainted",
        "taints",
        &["have taints that its pods do not tolerate", "--toleration"],
        &WITH_PODS,
    );
    scene.told(
        "tainted",
        "taints",
        &["--toleration dedicated=others:NoSchedule"],
        &[Who::Admin],
    );

    for node in ["a", "b"] {
        testbed.delete("Node", &scene.node(node));
    }
    scene.submit("gone", &[&forever[..], &["-g", "1"]].concat());
    scene.told(
        "gone",
        "flavorNodesAbsent",
        &["the cluster has no node with kaiwo.dev/why="],
        &[Who::Admin],
    );
    scene.told(
        "gone",
        "nodeSelector",
        &["not visible to you: nodes"],
        &[Who::Viewer],
    );
    testbed.delete("ResourceFlavor", &testbed.name);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn nodes_that_are_too_small_say_so() {
    let scene = Scene::with_nodes("why-small", 64, &[("a", 4)]);
    scene.submit(
        "j",
        &["-i", "testbed/forever", "-g", "8", "--gpus-per-node", "8"],
    );
    scene.told(
        "j",
        "nodesTooSmall",
        &["no node it may use has more than 4", "--gpus-per-node 4"],
        &[Who::Admin],
    );
    scene.told(
        "j",
        "nodesFull",
        &["amd.com/gpu on one node"],
        &[Who::Viewer],
    );
    scene.testbed.delete("Node", &scene.node("a"));
    scene.testbed.delete("ResourceFlavor", &scene.testbed.name);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn pods_that_fail_say_why() {
    let scene = Scene::with_nodes("why-pods", 64, &[("a", 64)]);
    let testbed = &scene.testbed;
    for (name, image, extra, cause, says) in [
        (
            "name",
            "testbed/pull-fails",
            &[][..],
            "imageNotFound",
            &["The registry has no image testbed/pull-fails", "-i IMAGE"][..],
        ),
        (
            "login",
            "testbed/pull-denied",
            &[],
            "imageDenied",
            &[
                "without a login",
                "create secret docker-registry",
                "--image-pull-secret",
            ],
        ),
        (
            "secret",
            "testbed/config-error",
            &[],
            "configurationMissing",
            &["There is no Secret token", "create secret generic token"],
        ),
        (
            "key",
            "testbed/config-error",
            &["--secret", "HF_TOKEN=hub/token"],
            "configurationMissing",
            &["Secret hub in namespace", "has no key token"],
        ),
        (
            "memory",
            "testbed/oom",
            &["--memory-per-gpu", "3Gi"],
            "outOfMemory",
            &["its limit of 3Gi", "--memory-per-gpu 6Gi"],
        ),
        (
            "loop",
            "testbed/crash-loop",
            &[],
            "crashLoop",
            &[
                "ends again and again: exit code 1",
                "started again 5 times",
                "job/loop -n ",
            ],
        ),
        (
            "code",
            "testbed/exit-127",
            &[],
            "exitCode",
            &["ended with exit code 127", "the command was not found"],
        ),
        (
            "unready",
            "testbed/never-ready",
            &[],
            "notReady",
            &["1 of 1 pods run and are not ready"],
        ),
        (
            "late",
            "testbed/forever",
            &["--max-runtime", "2s"],
            "deadlineExceeded",
            &["longer than its deadline", "--max-runtime"],
        ),
    ] {
        scene.submit(name, &[&["-i", image, "-g", "1"], extra].concat());
        scene.told(name, cause, says, &WITH_PODS);
    }
    // What it printed last.
    let lines = "2026-01-01T00:00:00Z stdout F step 41\n2026-01-01T00:00:01Z stderr F ValueError: no data\n";
    let log = testbed.sandbox.write("log", lines);
    testbed.apply(json!({
        "apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "ClusterLogs",
        "metadata": {"name": testbed.name},
        "spec": {"selector": {"matchNamespaces": [testbed.name]}, "logs": [{"logsFile": log}]},
    }));
    for who in WITH_PODS {
        testbed.wait("the last words", || {
            let (_, screen) = scene.why(who, "code", "exitCode");
            screen.contains("| ValueError: no data").then_some(())
        });
    }
    testbed.delete("ClusterLogs", &testbed.name);
    // With the role alone, the Job itself has to do.
    scene.told(
        "code",
        "failed",
        &["backoff limit", "not visible to you: ", "pods"],
        &[Who::BatchUser],
    );
    scene.told(
        "late",
        "deadlineExceeded",
        &["--max-runtime"],
        &[Who::BatchUser],
    );
    scene.told(
        "name",
        "starting",
        &["not visible to you: ", "pods"],
        &[Who::BatchUser],
    );

    // An init container, which templates can have.
    let mut with_init = job("init", &testbed.name, json!({}));
    with_init["spec"]["suspend"] = json!(false);
    with_init["spec"]["backoffLimit"] = json!(0);
    with_init["spec"]["template"]["spec"]["nodeSelector"] = json!({"kaiwo.dev/why": testbed.name});
    with_init["spec"]["template"]["spec"]["initContainers"] =
        json!([{"name": "fetch", "image": "testbed/init-fails"}]);
    testbed.apply(with_init);
    scene.told(
        "init",
        "initContainer",
        &["Init container fetch fails with exit code 3", "-c fetch"],
        &WITH_PODS,
    );
    testbed.delete("Node", &scene.node("a"));
    testbed.delete("ResourceFlavor", &testbed.name);
}

/// What once was wrong must not be told of what runs.
#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn events_do_not_outlive_what_they_tell() {
    let scene = Scene::with_nodes("why-events", 8, &[("a", 8)]);
    let testbed = &scene.testbed;
    scene.submit(
        "j",
        &[
            "-i",
            "testbed/forever",
            "-g",
            "1",
            "--service-account",
            "nobody",
        ],
    );
    scene.told(
        "j",
        "podsRefused",
        &[
            "serviceaccount \"nobody\" not found",
            "create serviceaccount nobody",
        ],
        &WITH_PODS,
    );
    testbed.apply(json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody"},
    }));
    for who in WITH_PODS {
        testbed.wait("it to run, and nothing else to be told", || {
            let outcome = scene.ask(who, "j", false);
            (outcome.stdout.starts_with("job/j: Running for ")
                && outcome.stdout.lines().count() == 1)
                .then_some(())
        });
    }
    // It is deleted, and somebody keeps it.
    testbed.merge(
        "Job",
        "j",
        &json!({"metadata": {"finalizers": ["kaiwo.dev/keeps"]}}),
    );
    testbed.delete("Job", "j");
    scene.told(
        "j",
        "beingDeleted",
        &["finalizers: ", "kaiwo.dev/keeps"],
        &BOTH,
    );
    testbed.merge("Job", "j", &json!({"metadata": {"finalizers": []}}));
    testbed.delete("Node", &scene.node("a"));
    testbed.delete("ResourceFlavor", &testbed.name);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn services_and_ray_say_why() {
    let scene = Scene::bare("why-kinds");
    let testbed = &scene.testbed;
    let serve = |name: &str, image: &str| {
        let arguments = [
            "serve",
            "-n",
            &testbed.name,
            "-i",
            image,
            "-g",
            "0",
            "--port",
            "8000",
            "--name",
            name,
        ];
        let _ = testbed.sandbox.kaiwo(&arguments).exits(0);
    };
    serve("loops", "testbed/oom");
    scene.told(
        "deployment/loops",
        "outOfMemory",
        &["started again 4 times"],
        &WITH_PODS,
    );
    serve("stuck", "testbed/never-ready");
    testbed.merge(
        "Deployment",
        "stuck",
        &json!({"spec": {"progressDeadlineSeconds": 2, "minReadySeconds": 0}}),
    );
    testbed.wait("the deadline of the rollout", || {
        let found = testbed.find("Deployment", "stuck")?;
        (condition(&found, "Progressing")?["status"] == "False").then_some(())
    });
    for who in WITH_PODS {
        let (report, screen) = scene.why(who, "deployment/stuck", "notReady");
        assert_eq!(report["findings"][1]["cause"], "rolloutStuck");
        assert!(screen.contains("rollout undo deployment stuck"), "{screen}");
    }
    testbed.merge("Deployment", "stuck", &json!({"spec": {"replicas": 0}}));
    scene.told(
        "deployment/stuck",
        "suspended",
        &["It is scaled to 0", "--replicas 1"],
        &WITH_PODS,
    );

    // KAITO's words, in the form of its own.
    kaito::install(testbed);
    testbed.apply(json!({
        "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": "phi"},
        "resource": {"instanceType": "Standard_NC24ads_A100_v4", "labelSelector": {"matchLabels": {"a": "b"}}},
        "inference": {"preset": {"name": "phi-4"}},
    }));
    testbed.merge_status("Workspace", "phi", &json!({"conditions": [
        {"type": "NodeClaimReady", "status": "False", "reason": "NodeClaimNotReady",
         "message": "node claim ws-phi is not ready", "lastTransitionTime": "2026-01-01T00:00:00Z"},
        {"type": "ResourceReady", "status": "False", "reason": "workspaceResourceStatusNotReady",
         "message": "last reconcile error: quota of Standard_NC24ads_A100_v4 is exceeded", "lastTransitionTime": "2026-01-01T00:00:00Z"},
    ]}));
    scene.told(
        "workspace/phi",
        "workspace",
        &[
            "NodeClaimReady is not true",
            "quota of Standard_NC24ads_A100_v4 is exceeded",
            "--instance-type",
        ],
        &[Who::Admin],
    );
    testbed.delete("Workspace", "phi");

    if super::lacks("pod-addresses") {
        return;
    }
    testbed.cluster_queue(&[(Flavor::Amd, 8)], json!({}));
    scene.local_queue();
    let ray = [
        "-i",
        "rayproject/ray:2.50.0",
        "--ray",
        "-g",
        "0",
        "--",
        "python",
        "train.py",
    ];
    scene.submit("failing", &ray);
    scene.told(
        "rayjob/failing",
        "driverFailed",
        &["Its driver ", "rayjob/failing -n "],
        &BOTH,
    );
}
