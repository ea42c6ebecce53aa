//! `kaiwo wait` and `--wait`: the exit code is the container's, what cannot
//! heal ends the wait, and nothing is deleted by waiting.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use super::cluster::{Flavor, OWN_TAINT, Testbed, has_condition};
use super::{kaito, rights::bind};
use crate::common::Outcome;

fn testbed(test: &str, gpus: i64) -> Testbed {
    let testbed = Testbed::new(test);
    let preemption = json!({"preemption": {"withinClusterQueue": "LowerPriority"}});
    testbed.cluster_queue(&[(Flavor::Amd, gpus)], preemption);
    testbed.namespace();
    testbed.local_queue(&testbed.name, &testbed.name, json!({}));
    testbed
}

/// Makes the test's user one with Kueue's `batch-user` role who may edit, who
/// cannot ask how many GPUs nodes have.
fn few_rights(testbed: &Testbed) -> [&str; 2] {
    bind(testbed, &["kueue-batch-user-role", "edit"]);
    let file = ".config/kaiwo/config.yaml";
    testbed.sandbox.write(file, "gpusPerNode: 8\n");
    ["--as", &testbed.name]
}

/// Returns the documents on stdout, a line each.
fn lines(outcome: &Outcome) -> Vec<Value> {
    let lines = outcome.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// Starts `kaiwo`, which goes on while the test does something else.
fn start(testbed: &Testbed, arguments: &[&str]) -> Child {
    let mut command = testbed.sandbox.command(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn the_exit_code_is_the_containers() {
    let testbed = testbed("fates", 32);
    let user = few_rights(&testbed);
    for (image, code) in [
        ("image", 0),
        ("testbed/exit-1", 1),
        ("testbed/exit-42", 42),
        ("testbed/oom", 137),
    ] {
        for (who, arguments) in [("admin", &[][..]), ("alice", &user[..])] {
            let name = format!("{}-{who}", image.rsplit('/').next().unwrap());
            let common = [
                "-i", image, "-g", "1", "--name", &name, "--wait", "-o", "json",
            ];
            let outcome = testbed.submit(&[&common, arguments].concat()).exits(code);
            let lines = lines(&outcome);
            assert_eq!(lines[0]["kind"], "SubmitReport");
            let last = lines.last().unwrap();
            assert_eq!(last["code"], code);
            assert_eq!(last["containerExitCode"], code);
            let (kind, class) = match code {
                0 => ("WaitEvent", "done"),
                _ => ("Error", "failed"),
            };
            assert_eq!(
                (&last["kind"], &last["class"]),
                (&json!(kind), &json!(class))
            );
            // Whoever comes later is told the same.
            let again = ["wait", &name, "-n", &testbed.name];
            let again = testbed.sandbox.kaiwo(&[&again, arguments].concat());
            let again = again.exits(code);
            assert!(
                again.stderr.contains(&format!("job/{name}")),
                "{}",
                again.stderr
            );
        }
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn following_prints_the_log_and_ends_with_the_exit_code() {
    let testbed = testbed("follow", 32);
    let user = few_rights(&testbed);
    let line =
        |number: u8| format!("2026-01-01T00:00:0{number}.000000000Z stdout F line {number}\n");
    let log = testbed.sandbox.write("log", [1, 2, 3].map(line).concat());
    testbed.apply(json!({
        "apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "ClusterLogs",
        "metadata": {"name": testbed.name},
        "spec": {
            "selector": {"matchNamespaces": [testbed.name]},
            "logs": [{"logsFile": log.to_str().unwrap(), "follow": false}],
        },
    }));
    for (image, code) in [("image", 0), ("testbed/exit-42", 42)] {
        let name = format!("follow-{code}");
        let common = ["-i", image, "-g", "1", "--name", &name, "--follow"];
        let outcome = testbed.submit(&[&common[..], &user].concat()).exits(code);
        // What it printed has just been seen.
        let error = outcome.stderr.split("error: ").nth(1).unwrap_or_default();
        assert!(!error.contains("kaiwo logs"), "{}", outcome.stderr);
        assert_eq!(error.contains("help: see why: kaiwo why"), code != 0);
        assert_eq!(
            outcome.stdout, "line 1\nline 2\nline 3\n",
            "{}",
            outcome.stderr
        );
    }
    testbed.delete("ClusterLogs", &testbed.name);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn the_exit_code_of_a_ray_job_is_told() {
    let testbed = testbed("fatesray", 32);
    let common = ["--ray", "-i", "image", "-g", "1", "--wait", "-o", "json"];
    let run =
        |name: &str| testbed.submit(&[&common[..], &["--name", name, "--", "python"]].concat());
    if super::lacks("pod-addresses") {
        return;
    }
    let last = |outcome: &Outcome| lines(outcome).last().unwrap().clone();
    let outcome = run("fine").exits(0);
    assert_eq!(last(&outcome)["status"], "Succeeded");
    let outcome = run("fails").exits(1);
    assert_eq!(last(&outcome)["class"], "failed");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_does_not_heal_ends_the_wait_and_names_the_pod() {
    let testbed = testbed("hopeless", 32);
    let user = few_rights(&testbed);
    for (name, arguments, says) in [
        (
            "image",
            &["-i", "testbed/pull-fails"][..],
            "ImagePullBackOff in pod image-",
        ),
        (
            "secret",
            &["-i", "testbed/config-error"],
            "CreateContainerConfigError in pod secret-",
        ),
        (
            "nowhere",
            // With a taint in the way, a node could yet come to fit: that of
            // other tests' nodes is not to count.
            &[
                "-i",
                "image",
                "--node-selector",
                "no-such=label",
                "--toleration",
                OWN_TAINT,
            ],
            "Unschedulable in pod nowhere-",
        ),
    ] {
        let common = ["-g", "1", "--name", name, "--wait", "--force"];
        let outcome = testbed
            .submit(&[&common, arguments, &user].concat())
            .exits(1);
        let words = format!("error: job/{name} cannot be done until this is fixed: {says}");
        let _ = outcome
            .says(&words)
            .says(&format!("kaiwo why --as {} job/{name}", testbed.name));
        // Nothing is deleted by waiting.
        assert!(testbed.find("Job", name).is_some());
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_is_never_admitted_is_left_in_the_queue() {
    let testbed = testbed("queued", 8);
    let _ = testbed
        .submit(&["-i", "testbed/forever", "-g", "8", "--name", "first"])
        .exits(0);
    let _ = testbed
        .sandbox
        .kaiwo(&["wait", "first", "-n", &testbed.name, "--for", "running"])
        .exits(0)
        .says("job/first running, 1 of 1 pods");
    let user = few_rights(&testbed);
    let common = ["-i", "image", "-g", "8", "--name", "late", "--wait"];
    let outcome = testbed
        .submit(&[&common[..], &["--queue-timeout", "2s"], &user].concat())
        .exits(124)
        .says("job/late queued")
        .says("error: job/late did not start within 2s: queued");
    drop(outcome);
    let left = testbed.find("Job", "late").unwrap();
    assert_eq!(left["spec"]["suspend"], true);

    // Ctrl-C detaches, and says how to come back.
    let child = start(
        &testbed,
        &[
            "wait",
            "late",
            "-n",
            &testbed.name,
            "-o",
            "json",
            "--as",
            &testbed.name,
        ],
    );
    let outcome = interrupted(&testbed, child).exits(130);
    let back = format!(
        "resume waiting: kaiwo wait --as {0} job/late -n {0}",
        testbed.name
    );
    let outcome = outcome.says("interrupted; job/late continues").says(&back);
    let last = lines(&outcome).pop().unwrap();
    assert_eq!(
        (&last["class"], &last["code"]),
        (&json!("interrupted"), &json!(130))
    );

    // Whoever comes back sees it through; the first one goes meanwhile.
    let child = start(&testbed, &["wait", "late", "-n", &testbed.name]);
    let _ = testbed
        .sandbox
        .kaiwo(&["delete", "first", "-y", "-n", &testbed.name])
        .exits(0)
        .says("job/first deleted");
    let _ = Outcome::of(child.wait_with_output().unwrap())
        .exits(0)
        .says("job/late succeeded");
}

/// Interrupts a wait once it has told something, and returns how it ended.
fn interrupted(testbed: &Testbed, mut child: Child) -> Outcome {
    use std::io::{BufRead, BufReader, Read};
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut told = String::new();
    reader.read_line(&mut told).unwrap();
    assert!(!told.is_empty(), "nothing was told in {}", testbed.name);
    let status = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
    reader.read_to_string(&mut told).unwrap();
    let mut outcome = Outcome::of(child.wait_with_output().unwrap());
    outcome.stdout = told;
    outcome
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn ctrl_c_in_a_submission_that_waits_leaves_the_workload() {
    let testbed = testbed("detach", 8);
    let arguments = [
        "-i",
        "testbed/forever",
        "-g",
        "1",
        "--name",
        "on",
        "--wait",
        "-o",
        "json",
    ];
    let child = start(&testbed, &testbed.submit_arguments(&arguments));
    // The first line is the report of the submission.
    let outcome = interrupted(&testbed, child).exits(130);
    let _ = outcome.says(&format!("kaiwo wait job/on -n {}", testbed.name));
    let job = testbed.find("Job", "on").unwrap();
    assert!(job["metadata"]["deletionTimestamp"].is_null());
    let _ = testbed
        .sandbox
        .kaiwo(&["wait", "on", "-n", &testbed.name, "--for", "ready"])
        .exits(0);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_preempted_workload_is_waited_for_again() {
    let testbed = testbed("resumes", 8);
    for (class, value) in [("low", 1), ("high", 2)] {
        testbed.apply(json!({
            "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "WorkloadPriorityClass",
            "metadata": {"name": format!("wait-{class}")}, "value": value,
        }));
    }
    let low = [
        "-i",
        "testbed/forever",
        "-g",
        "8",
        "--name",
        "low",
        "--priority-class",
        "wait-low",
    ];
    let waits = ["--wait", "--queue-timeout", "10m", "-o", "json"];
    let child = start(
        &testbed,
        &testbed.submit_arguments(&[&low[..], &waits].concat()),
    );
    let wait_for = |name: &str| {
        let arguments = ["wait", name, "-n", &testbed.name, "--for", "running"];
        let _ = testbed.sandbox.kaiwo(&arguments).exits(0);
    };
    testbed.wait("job low", || testbed.find("Job", "low"));
    wait_for("low");
    let high = [
        "-i",
        "testbed/forever",
        "-g",
        "8",
        "--name",
        "high",
        "--priority-class",
        "wait-high",
    ];
    let _ = testbed.submit(&high).exits(0);
    wait_for("high");
    testbed.wait("low to be suspended", || {
        testbed
            .find("Job", "low")
            .filter(|job| job["spec"]["suspend"] == true)
    });
    let _ = testbed
        .sandbox
        .kaiwo(&["delete", "job/high", "-y", "-n", &testbed.name])
        .exits(0);
    wait_for("low");
    let status = ["status", "job/low", "-n", &testbed.name, "-o", "json"];
    let status = testbed.sandbox.kaiwo(&status).exits(0).stdout;
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["attempts"]["count"], 2, "{status}");
    let evictions = json!([{"reason": "Preempted", "count": 1}]);
    assert_eq!(status["attempts"]["evictions"], evictions);
    assert_eq!(
        status["attempts"]["pods"].as_array().unwrap().len(),
        1,
        "{status}"
    );
    // Its second life ends well.
    let pod = testbed.wait("the pod of low to run", || {
        let mut pods = testbed.list("Pod").into_iter();
        pods.find(|pod| {
            pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "low"
                && has_condition(pod, "Ready")
                && pod["metadata"]["deletionTimestamp"].is_null()
        })
    });
    testbed.finish_pod(pod["metadata"]["name"].as_str().unwrap(), 7);
    let outcome = Outcome::of(child.wait_with_output().unwrap()).exits(7);
    let lines = lines(&outcome);
    let statuses: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["status"].as_str())
        .collect();
    let place = |status: &str| {
        let found = statuses.iter().position(|other| *other == status);
        found.unwrap_or_else(|| panic!("no {status} among {statuses:?}"))
    };
    assert!(place("Running") < place("Preempted"), "{statuses:?}");
    let again = statuses.iter().rposition(|status| *status == "Running");
    assert!(again > Some(place("Preempted")), "{statuses:?}");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_rollout_is_waited_for_to_its_end() {
    let testbed = testbed("rollout", 32);
    let serve = |image: &str| {
        testbed.sandbox.kaiwo(&[
            "serve",
            "-n",
            &testbed.name,
            "-i",
            image,
            "--gpu-resource",
            "amd.com/gpu",
            "--replicas",
            "2",
            "--gpus-per-replica",
            "1",
            "--gpus-per-node",
            "8",
            "--name",
            "web",
            "--port",
            "8000",
            "--wait",
        ])
    };
    let _ = serve("registry/one").exits(0).says("deployment/web ready");
    let status = testbed.find("Deployment", "web").unwrap()["status"].clone();
    assert_eq!(
        (&status["replicas"], &status["availableReplicas"]),
        (&json!(2), &json!(2))
    );
    let _ = serve("registry/two").exits(0).says("deployment/web ready");
    let status = testbed.find("Deployment", "web").unwrap()["status"].clone();
    assert_eq!(
        (&status["replicas"], &status["updatedReplicas"]),
        (&json!(2), &json!(2))
    );

    // A bad image is told with its pod; the old pods serve on.
    let _ = serve("testbed/pull-fails").exits(1).says(
        "error: deployment/web cannot be ready until this is fixed: ImagePullBackOff in pod web-",
    );
    let status = testbed.find("Deployment", "web").unwrap()["status"].clone();
    assert!(status["availableReplicas"].as_i64() >= Some(1), "{status}");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_is_deleted_while_it_is_waited_for_is_lost() {
    let testbed = testbed("lost", 8);
    let _ = testbed
        .submit(&["-i", "testbed/forever", "-g", "1", "--name", "gone"])
        .exits(0);
    let child = start(&testbed, &["wait", "gone", "-n", &testbed.name]);
    let _ = testbed
        .sandbox
        .kaiwo(&["wait", "gone", "-n", &testbed.name, "--for", "running"])
        .exits(0);
    let _ = testbed
        .sandbox
        .kaiwo(&["delete", "gone", "-y", "-n", &testbed.name])
        .exits(0);
    let outcome = Outcome::of(child.wait_with_output().unwrap());
    // It may not have been found any more.
    assert!([125, 3].contains(&outcome.code), "{outcome:?}");
}

/// As KAITO's controller moves one, of which this testbed has the definitions.
#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn an_inferenceset_is_waited_for_until_it_is_ready_or_gone() {
    let testbed = Testbed::with_namespace("wait-set");
    kaito::install(&testbed);
    let node = ["--node-selector", "kubernetes.io/hostname=cpu-0"];
    let replicas = ["-m", "phi-4", "--replicas", "2", "--name", "set"];
    let common = ["serve", "-n", &testbed.name];
    let arguments = [&common[..], &replicas, &node, &["--wait"]].concat();
    let served = start(&testbed, &arguments);
    testbed.wait("the set", || testbed.find("InferenceSet", "set"));
    let again = ["wait", "inferenceset/set", "-n", &testbed.name];
    let waited = start(&testbed, &again);
    for name in ["set-a1b2c", "set-d3e4f"] {
        testbed.create(json!({
            "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace",
            "metadata": {"name": name, "labels": {"inferenceset.kaito.sh/created-by": "set"}},
            "resource": {"labelSelector": {"matchLabels": {"a": "b"}}},
            "inference": {"preset": {"name": "phi-4"}},
        }));
    }
    for ready in [0, 1, 2] {
        let status = json!({"replicas": 2, "readyReplicas": ready});
        testbed.merge_status("InferenceSet", "set", &status);
        if ready == 1 {
            super::chat_kaito::make_ready(&testbed, "set-a1b2c");
        }
    }
    for waiting in [served, waited] {
        let output = waiting.wait_with_output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{told}");
        assert!(told.ends_with("inferenceset/set ready\n"), "{told}");
    }
    let status = ["status", "set", "-n", &testbed.name];
    let status = testbed.sandbox.kaiwo(&status).exits(0);
    assert!(status.stdout.contains("set-a1b2c-0"), "{}", status.stdout);

    testbed.merge_status("InferenceSet", "set", &json!({"readyReplicas": 0}));
    let mut waited = start(&testbed, &again);
    let mut told = BufReader::new(waited.stderr.take().unwrap()).lines();
    let seen = told.next().unwrap().unwrap();
    assert!(seen.contains("0 of 2 replicas ready"), "{seen}");
    testbed.delete("InferenceSet", "set");
    assert_eq!(waited.wait().unwrap().code(), Some(125));
    let told: Vec<String> = told.map_while(Result::ok).collect();
    let words = "it was deleted during the wait";
    assert!(told.iter().any(|line| line.contains(words)), "{told:?}");
}
