//! `kaiwo move`, `priority`, `pause` and `resume` on a real Kueue: the place and the age
//! before and after, as a researcher and as an admin, and each trap in words before
//! anything is changed.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::cluster::{Flavor, Testbed, has_condition};
use super::rights::{bind, bind_everywhere, roles};
use crate::common::{Outcome, checkout};

/// Keeps pods off every node, so that what is admitted takes no one's GPUs.
const PARKED: [&str; 2] = ["--node-selector", "kaiwo.dev/testbed=parked"];

/// Two queues of eight GPUs, each held by a workload that runs on, and a LocalQueue that
/// is stopped.
struct Scene {
    testbed: Testbed,
    other: String,
}

impl Scene {
    fn new(name: &str) -> Self {
        let preemption = json!({"preemption": {"withinClusterQueue": "LowerPriority"}});
        Self::with(Testbed::new(name), preemption)
    }

    /// Begins with ClusterQueues that have this, too.
    fn with(testbed: Testbed, extra: Value) -> Self {
        testbed.namespace();
        roles(&testbed);
        let other = format!("{}-b", testbed.name);
        testbed.cluster_queue(&[(Flavor::Amd, 8)], extra);
        let mut queue = testbed.find("ClusterQueue", &testbed.name).unwrap();
        queue["metadata"] = json!({"name": other});
        queue.as_object_mut().unwrap().remove("status");
        testbed.apply(queue);
        testbed.local_queue("a", &testbed.name, json!({}));
        testbed.local_queue("b", &other, json!({}));
        testbed.local_queue("parking", &other, json!({"stopPolicy": "Hold"}));
        for (class, value) in [("queue-low", 10), ("queue-high", 1000)] {
            testbed.apply(json!({
                "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "WorkloadPriorityClass",
                "metadata": {"name": class}, "value": value,
            }));
        }
        Self { testbed, other }
    }

    /// Submits a workload of eight GPUs.
    fn submit(&self, name: &str, queue: &str, more: &[&str]) {
        let common = [
            "submit",
            "-n",
            &self.testbed.name,
            "-q",
            queue,
            "-i",
            "testbed/forever",
            "-g",
            "8",
            "--name",
            name,
            "--gpus-per-node",
            "8",
            "--gpu-resource",
            "amd.com/gpu",
            "--",
            "sleep",
            "1",
        ];
        let (flags, command) = common.split_at(common.len() - 3);
        let words = [flags, &PARKED, more, command].concat();
        let _ = self.testbed.sandbox.kaiwo(&words).exits(0);
    }

    /// Holds a queue, and has two workloads wait for it, the older first.
    fn fill(&self, queue: &str, names: [&str; 3]) {
        for name in names {
            self.submit(name, queue, &["--priority-class", "queue-low"]);
            let workload = self.workload(name);
            let created = workload["metadata"]["creationTimestamp"].as_str().unwrap();
            let created: Timestamp = created.parse().unwrap();
            // Kueue orders by whole seconds.
            self.testbed.wait("the next second", || {
                (Timestamp::now().as_second() > created.as_second()).then_some(())
            });
        }
        self.testbed.wait("the first to be admitted", || {
            has_condition(&self.workload(names[0]), "Admitted").then_some(())
        });
    }

    /// Returns Kueue's Workload of a Job, once there is one.
    fn workload(&self, job: &str) -> Value {
        self.testbed.wait(&format!("the Workload of {job}"), || {
            let workloads = self.testbed.list("Workload");
            let owns = |it: &&Value| it["metadata"]["ownerReferences"][0]["name"] == job;
            workloads.iter().find(owns).cloned()
        })
    }

    fn run(&self, who: Option<&str>, words: &[&str]) -> Outcome {
        let mut all = vec![words[0], "-n", &self.testbed.name];
        all.extend(&words[1..]);
        if let Some(user) = who {
            all.extend(["--as", user]);
        }
        self.testbed.sandbox.kaiwo(&all)
    }

    /// Runs a command that is refused, and checks that nothing was changed.
    #[track_caller]
    fn refused(&self, who: Option<&str>, words: &[&str], expected: &str) {
        let job = words[1];
        let before = self.testbed.find("Job", job).unwrap();
        let _ = self.run(who, words).exits(3).says(expected).says("help:");
        let after = self.testbed.find("Job", job).unwrap();
        assert_eq!(before["metadata"]["labels"], after["metadata"]["labels"]);
    }

    /// Returns a report, and checks that the Workload is the same, as old as before.
    #[track_caller]
    fn changed(&self, who: Option<&str>, words: &[&str]) -> Value {
        let before = self.workload(words[1]);
        let outcome = self.run(who, &[words, &["-o", "json"]].concat()).exits(0);
        let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
        let after = self.workload(words[1]);
        for key in ["uid", "creationTimestamp"] {
            assert_eq!(before["metadata"][key], after["metadata"][key], "{words:?}");
        }
        assert_eq!(report["queuedAt"], before["metadata"]["creationTimestamp"]);
        report
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.testbed.delete("ClusterQueue", &self.other);
        }
    }
}

/// Returns place and number of those who wait.
fn place(place: &Value) -> (i64, i64) {
    let number = |key: &str| place["position"][key].as_i64().unwrap_or(0);
    (number("place"), number("of"))
}

/// The researcher of the roles in `cluster-admins`, and the admin.
fn people(testbed: &Testbed) -> [Option<String>; 2] {
    bind(testbed, &["kaiwo-submit"]);
    bind_everywhere(testbed, "kaiwo-queues");
    [Some(testbed.name.clone()), None]
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_move_keeps_the_age_and_traps_are_refused() {
    let scene = Scene::new("queue-move");
    let testbed = &scene.testbed;
    let people = people(testbed);
    // The oldest that waits is in a; b has younger ones.
    scene.fill("a", ["hold-a", "old", "a2"]);
    scene.fill("b", ["hold-b", "b1", "b2"]);
    for who in &people {
        let who = who.as_deref();
        let report = scene.changed(who, &["move", "old", "-q", "b"]);
        assert_eq!(place(&report["before"]), (1, 2), "{report}");
        assert_eq!(place(&report["after"]), (1, 3), "{report}");
        assert_eq!(report["after"]["queue"], "b");
        let report = scene.changed(who, &["move", "old", "-q", "a"]);
        assert_eq!(place(&report["after"]), (1, 2), "{report}");

        scene.refused(who, &["move", "hold-a", "-q", "b"], "it is running");
        scene.refused(
            who,
            &["move", "old", "-q", "nope"],
            "queue \"nope\" does not exist",
        );
        scene.refused(who, &["move", "old", "-q", "parking"], "is stopped");
    }
    let report = scene.changed(None, &["move", "old", "-q", "parking", "--force"]);
    assert_eq!(report["after"]["queue"], "parking");
    let report = scene.changed(None, &["move", "old", "-q", "a"]);
    assert_eq!(place(&report["after"]), (1, 2));

    // What was evicted once stays where it is: Kueue would change the label only.
    let _ = scene.run(None, &["pause", "old"]).exits(0);
    scene.refused(None, &["move", "old", "-q", "b"], "it is paused");
    let _ = scene.run(None, &["resume", "old"]).exits(0);
    scene.refused(None, &["move", "old", "-q", "b"], "it was evicted once");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_priority_names_who_is_preempted_and_takes_effect() {
    let scene = Scene::new("queue-priority");
    let testbed = &scene.testbed;
    let people = people(testbed);
    scene.fill("a", ["hold", "first", "last"]);
    for who in &people {
        let who = who.as_deref();
        scene.refused(who, &["priority", "last", "queue-hihg"], "does not exist");
        let report = scene.changed(who, &["priority", "last", "queue-high", "--dry-run"]);
        assert_eq!(report["outcome"], "dryRun");
        assert_eq!(report["preempted"][0]["workload"], "job/hold", "{report}");
        let asked = scene.run(who, &["priority", "last", "queue-high"]).exits(2);
        let _ = asked
            .says("job/hold in namespace")
            .says("confirmation required");
    }
    // What runs is changed at once; nobody is preempted by that.
    let report = scene.changed(people[0].as_deref(), &["priority", "hold", "queue-high"]);
    assert_eq!(report["after"]["priority"], 1000);
    assert_eq!(report["preempted"], Value::Null);
    let report = scene.changed(people[0].as_deref(), &["priority", "last", "queue-high"]);
    assert_eq!(
        (place(&report["before"]), place(&report["after"])),
        ((2, 2), (1, 2))
    );
    let _ = scene.changed(None, &["priority", "hold", "queue-low"]);
    testbed.wait("hold to make room", || {
        has_condition(&scene.workload("hold"), "Evicted").then_some(())
    });
    let running = scene.workload("last");
    assert_eq!(running["spec"]["priority"], 1000);

    scene.submit("bare", "b", &[]);
    testbed.wait("bare to run", || {
        has_condition(&scene.workload("bare"), "Admitted").then_some(())
    });
    scene.refused(
        None,
        &["priority", "bare", "queue-high"],
        "Kueue adds none to what is running",
    );
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn who_has_borrowed_from_the_cohort_makes_room_as_predicted() {
    let testbed = Testbed::new("queue-cohort");
    let extra = json!({"cohortName": testbed.name, "preemption": {
        "withinClusterQueue": "LowerPriority", "reclaimWithinCohort": "LowerPriority",
    }});
    let scene = Scene::with(testbed, extra);
    scene.fill("b", ["lent", "borrowed", "behind"]);
    scene.submit("owner", "a", &["--priority-class", "queue-low"]);
    scene.testbed.wait("the second to be admitted", || {
        has_condition(&scene.workload("borrowed"), "Admitted").then_some(())
    });
    let raise = ["priority", "owner", "queue-high"];
    let report = scene.changed(None, &[&raise[..], &["--dry-run"]].concat());
    let preempted = report["preempted"].as_array().unwrap();
    assert_eq!(preempted.len(), 1, "{report}");
    assert_eq!(preempted[0]["workload"], "job/borrowed", "{report}");
    // Kueue shares fairly here, which is not predicted.
    let warning = report["warnings"][0].as_str().unwrap();
    assert!(
        warning.contains("may be preempted as well, or instead: Kueue shares fairly"),
        "{warning}"
    );
    let _ = scene.changed(None, &[&raise[..], &["-y"]].concat());
    scene.testbed.wait("the borrower to make room", || {
        has_condition(&scene.workload("borrowed"), "Evicted").then_some(())
    });
    assert!(!has_condition(&scene.workload("lent"), "Evicted"));
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn pausing_needs_a_right_that_allows_nothing_else() {
    let scene = Scene::new("queue-pause");
    let testbed = &scene.testbed;
    let [researcher, _] = people(testbed);
    let researcher = researcher.as_deref();
    scene.fill("a", ["hold", "waits", "later"]);
    let denied = scene.run(researcher, &["pause", "waits"]).exits(4);
    let _ = denied.says("cluster-admins/rbac/pausing.yaml");

    let file = checkout("cluster-admins/rbac/pausing.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    for object in kaiwo::yaml::parse_documents(&file, &text).unwrap() {
        testbed.apply(object);
    }
    bind(testbed, &["kaiwo-pause"]);
    // The policy counts a moment after it was created.
    let name = scene.workload("waits")["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    let as_user = |patch: &str| {
        let mut kubectl = std::process::Command::new("kubectl");
        kubectl.args([
            "-n",
            &testbed.name,
            "--as",
            &testbed.name,
            "patch",
            "workloads.kueue.x-k8s.io",
        ]);
        kubectl.args([&name, "--type=merge", "--dry-run=server", "-p", patch]);
        let output = kubectl.output().unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    testbed.wait("the policy to refuse a priority", || {
        let (passes, said) = as_user(r#"{"spec":{"priority":5000}}"#);
        (!passes && said.contains("only spec.active may be changed")).then_some(())
    });
    for patch in [
        r#"{"spec":{"queueName":"b"}}"#,
        r#"{"spec":{"priorityClassRef":null}}"#,
        r#"{"spec":{"maximumExecutionTimeSeconds":5}}"#,
        r#"{"metadata":{"labels":{"kueue.x-k8s.io/job-uid":"x"}}}"#,
        r#"{"metadata":{"annotations":{"a":"b"}}}"#,
        r#"{"metadata":{"finalizers":null}}"#,
        r#"{"metadata":{"ownerReferences":null}}"#,
    ] {
        let (passes, said) = as_user(patch);
        assert!(
            !passes && said.contains("only spec.active may be changed"),
            "{patch}: {said}"
        );
    }

    for who in [researcher, None] {
        let report = scene.changed(who, &["pause", "waits"]);
        assert_eq!(
            (place(&report["before"]), place(&report["after"])),
            ((1, 2), (0, 0))
        );
        assert_eq!(report["after"]["active"], false);
        let report = scene.changed(who, &["resume", "waits"]);
        assert_eq!(place(&report["after"]), (1, 2), "{report}");
    }
    // What runs stops, and comes back.
    let _ = scene
        .run(researcher, &["pause", "hold"])
        .exits(2)
        .says("confirmation required");
    let report = scene.changed(researcher, &["pause", "hold", "-y"]);
    assert_eq!(report["before"]["position"], Value::Null);
    testbed.wait("hold to be suspended", || {
        (testbed.find("Job", "hold")?["spec"]["suspend"] == true).then_some(())
    });
    let report = scene.changed(researcher, &["resume", "hold"]);
    assert_eq!(report["after"]["active"], true);
    assert_eq!(scene.workload("waits")["spec"]["active"], true);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn the_policy_for_pausing_knows_every_field_of_a_workload() {
    let testbed = Testbed::new("queue-policy-fields");
    let definition = testbed
        .find("CustomResourceDefinition", "workloads.kueue.x-k8s.io")
        .unwrap();
    let versions = definition["spec"]["versions"].as_array().unwrap();
    let newest = versions.iter().find(|it| it["name"] == "v1beta2").unwrap();
    let fields = newest
        .pointer("/schema/openAPIV3Schema/properties/spec/properties")
        .unwrap();
    let text = std::fs::read_to_string(checkout("cluster-admins/rbac/pausing.yaml")).unwrap();
    for field in fields
        .as_object()
        .unwrap()
        .keys()
        .filter(|it| *it != "active")
    {
        let compares = format!("object.spec.?{field} == oldObject.spec.?{field}");
        assert!(
            text.contains(&compares),
            "pausing.yaml does not compare {field}"
        );
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_ray_job_changes_likewise_and_a_deployment_says_why_not() {
    let scene = Scene::new("queue-kinds");
    let testbed = &scene.testbed;
    for (name, queue) in [("hold-a", "a"), ("hold-b", "b")] {
        // Nothing here preempts it.
        scene.submit(name, queue, &["--priority-class", "queue-high"]);
        testbed.wait("the queue to be full", || {
            has_condition(&scene.workload(name), "Admitted").then_some(())
        });
    }
    scene.submit("ray", "a", &["--ray", "--priority-class", "queue-low"]);
    let _ = scene.workload("ray");
    let report = scene.changed(None, &["move", "ray", "-q", "b"]);
    assert_eq!(report["workload"], "rayjob/ray");
    assert_eq!(report["after"]["queue"], "b");
    let report = scene.changed(None, &["priority", "ray", "queue-high", "-y"]);
    assert_eq!(report["after"]["priority"], 1000);
    let report = scene.changed(None, &["pause", "ray", "-y"]);
    assert_eq!(report["after"]["active"], false);
    let report = scene.changed(None, &["resume", "ray"]);
    assert_eq!(report["after"]["active"], true);

    let _ = testbed
        .sandbox
        .kaiwo(&[
            "serve",
            "-n",
            &testbed.name,
            "-q",
            "a",
            "-i",
            "testbed/forever",
            "-g",
            "8",
            "--name",
            "llm",
            "--gpus-per-node",
            "8",
            "--gpu-resource",
            "amd.com/gpu",
        ])
        .exits(0);
    for words in [["move", "-q", "b"].as_slice(), &["pause"], &["resume"]] {
        let mut all = vec![words[0], "llm"];
        all.extend(&words[1..]);
        let _ = scene
            .run(None, &all)
            .exits(3)
            .says("each pod of a Deployment separately");
    }
}
