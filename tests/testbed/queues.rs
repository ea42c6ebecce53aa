//! `cluster-admins` on a real control plane: its manifests are accepted, its
//! queues lend and take back, and its guide's commands run. Kueue runs with the
//! configuration of `cluster-admins/kueue/values.yaml`.
//!
//! Jobs that only have to be admitted ask for a node that does not exist, so
//! that no other test waits for their GPUs.

use std::process::Command;

use serde_json::{Value, json};

use super::cluster::{Flavor, Testbed, condition, has_condition};
use super::objects::example;
use super::skip;
use crate::admins_guide::shell_blocks;
use crate::common::{Outcome, binary, checkout};

/// Every manifest, in the order in which the guide applies them.
const MANIFESTS: [&str; 11] = [
    "kueue/priorities.yaml",
    "kueue/amd.yaml",
    "kueue/nvidia.yaml",
    "kueue/amd-teams.yaml",
    "kueue/nvidia-teams.yaml",
    "rbac/researchers.yaml",
    "rbac/pausing.yaml",
    "rbac/versions.yaml",
    "monitoring/rules.yaml",
    "monitoring/amd.yaml",
    "monitoring/nvidia.yaml",
];

/// Whom `amd-teams.yaml` gives a queue.
const TEAMS: [&str; 3] = ["research", "production", "kaiwo"];

fn manifest(name: &str) -> Vec<Value> {
    let file = checkout("cluster-admins").join(name);
    let text = std::fs::read_to_string(&file).unwrap();
    kaiwo::yaml::parse_documents(&file, &text).unwrap()
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn every_manifest_is_accepted() {
    let testbed = Testbed::new("manifests");
    for name in MANIFESTS {
        for document in manifest(name) {
            let what = format!("{} of cluster-admins/{name}", document["kind"]);
            if document["apiVersion"] == "monitoring.coreos.com/v1" {
                skip(&format!("{what}: this testbed has no Prometheus operator"));
                continue;
            }
            if let Err(error) = testbed.would_apply(document) {
                panic!("{what}: {error}");
            }
        }
    }
    let mut known: Vec<_> = MANIFESTS
        .map(|name| format!("cluster-admins/{name}"))
        .to_vec();
    for not_objects in [
        "kueue/values.yaml",
        "monitoring/values.yaml",
        "monitoring/rules_test.yaml",
    ] {
        known.push(format!("cluster-admins/{not_objects}"));
    }
    for folder in ["kueue", "monitoring", "rbac"] {
        for entry in std::fs::read_dir(checkout("cluster-admins").join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let name = format!("cluster-admins/{folder}/{name}");
            assert!(
                !name.ends_with(".yaml") || known.contains(&name),
                "{name} is not tried here"
            );
        }
    }
}

/// Makes the queues of `amd-teams.yaml`, under names of this test's own, and the
/// priorities.
fn teams(testbed: &Testbed) {
    let own = |name: &mut Value| {
        if let Some(text) = name.as_str() {
            *name = json!(format!("{}-{text}", testbed.name));
        }
    };
    let documents = [
        manifest("kueue/priorities.yaml"),
        manifest("kueue/amd-teams.yaml"),
    ]
    .concat();
    for mut document in documents {
        if document["kind"] == "ClusterQueue" {
            own(&mut document["spec"]["cohortName"]);
        }
        if document["kind"] == "ClusterQueue" || document["kind"] == "Cohort" {
            own(&mut document["metadata"]["name"]);
        }
        testbed.apply(document);
    }
    for team in TEAMS {
        testbed.wait_for_condition("ClusterQueue", &queue(testbed, team), "Active");
    }
}

fn queue(testbed: &Testbed, team: &str) -> String {
    format!("{}-{team}", testbed.name)
}

/// Submits a Job that is admitted, but has no node to run on.
fn park(testbed: &Testbed, team: &str, name: &str, gpus: &str, extra: &[&str]) {
    let (path, queue) = (example("hello"), queue(testbed, team));
    let arguments = [
        &[
            "submit",
            "-p",
            &path,
            "-n",
            &testbed.name,
            "-q",
            &queue,
            "--name",
            name,
            "-g",
            gpus,
            "--node-selector",
            "kaiwo.dev/testbed=parked",
        ],
        extra,
    ]
    .concat();
    let _ = testbed
        .sandbox
        .kaiwo(&arguments)
        .exits(0)
        .says(&format!("job/{name} created"));
}

/// Returns the Workload of a Job.
fn workload(testbed: &Testbed, job: &str) -> Option<Value> {
    testbed
        .list("Workload")
        .into_iter()
        .find(|workload| workload["metadata"]["ownerReferences"][0]["name"].as_str() == Some(job))
}

#[track_caller]
fn admitted(testbed: &Testbed, job: &str) {
    testbed.wait(&format!("{job} to be admitted"), || {
        workload(testbed, job).filter(|workload| has_condition(workload, "Admitted"))
    });
}

/// Waits until one of these Jobs has lost its GPUs to another, for that reason,
/// and returns its name.
#[track_caller]
fn preempted<'a>(testbed: &Testbed, jobs: &[&'a str], reason: &str) -> &'a str {
    testbed.wait(
        &format!("one of {jobs:?} to be preempted: {reason}"),
        || {
            jobs.iter().copied().find(|job| {
                workload(testbed, job).is_some_and(|workload| {
                    condition(&workload, "Preempted").is_some_and(|c| c["reason"] == reason)
                        && !has_condition(&workload, "Admitted")
                })
            })
        },
    )
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn teams_borrow_what_is_idle_and_get_their_own_back() {
    let testbed = Testbed::new("teams");
    testbed.namespace();
    teams(&testbed);

    // A queue without quota lives on what the teams leave idle: all of it.
    park(&testbed, "kaiwo", "sweep-1", "16", &[]);
    park(
        &testbed,
        "kaiwo",
        "sweep-2",
        "16",
        &["--priority-class", "urgent"],
    );
    admitted(&testbed, "sweep-1");
    admitted(&testbed, "sweep-2");
    // Only Kueue with fair sharing knows a share.
    testbed.wait("Kueue to know the share that is borrowed", || {
        let queue = testbed.find("ClusterQueue", &queue(&testbed, "kaiwo"))?;
        queue["status"]["fairSharing"]["weightedShare"]
            .as_i64()
            .filter(|share| *share > 0)
    });

    // Who has a quota gets it back at once, from work of any priority.
    park(
        &testbed,
        "research",
        "train",
        "16",
        &["--priority-class", "low"],
    );
    admitted(&testbed, "train");
    let first = preempted(&testbed, &["sweep-1", "sweep-2"], "InCohortReclamation");
    park(&testbed, "production", "nightly", "16", &[]);
    admitted(&testbed, "nightly");
    let rest: Vec<&str> = ["sweep-1", "sweep-2"]
        .into_iter()
        .filter(|job| *job != first)
        .collect();
    preempted(&testbed, &rest, "InCohortReclamation");

    // Inside a queue, the higher class goes first.
    park(
        &testbed,
        "research",
        "deadline",
        "16",
        &["--priority-class", "high"],
    );
    admitted(&testbed, "deadline");
    preempted(&testbed, &["train"], "InClusterQueue");
    // Nobody takes from a team what is its own, however urgent.
    park(
        &testbed,
        "kaiwo",
        "patient",
        "8",
        &["--priority-class", "urgent"],
    );
    testbed.wait("Kueue to have looked at it", || {
        let workload = workload(&testbed, "patient")?;
        condition(&workload, "QuotaReserved")
            .is_some_and(|c| c["status"] == "False")
            .then_some(())
    });
    for job in ["nightly", "deadline"] {
        assert!(
            has_condition(&workload(&testbed, job).unwrap(), "Admitted"),
            "{job}"
        );
    }

    // What is idle again goes to those who wait, by their class.
    testbed.delete("Job", "deadline");
    testbed.delete("Job", "nightly");
    admitted(&testbed, "train");
    admitted(&testbed, "sweep-2");

    for job in ["sweep-1", "sweep-2", "train", "patient"] {
        testbed.delete("Job", job);
    }
    for team in TEAMS {
        testbed.delete("ClusterQueue", &queue(&testbed, team));
    }
    testbed.delete("Cohort", &queue(&testbed, "amd"));
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn kueue_waits_for_the_pods_of_a_gang() {
    let testbed = Testbed::with_queue("gang", Flavor::AmdSmall, 8);
    testbed.namespace();
    let _ = testbed
        .submit(&["-i", "testbed/forever", "--name", "gang", "-g", "8"])
        .exits(0)
        .says("8 GPUs = 2 × 4 amd.com/gpu");
    // A condition that Kueue keeps only with `waitForPodsReady`.
    testbed.wait("the gang's pods to be ready", || {
        workload(&testbed, "gang").filter(|workload| has_condition(workload, "PodsReady"))
    });
    testbed.delete("Job", "gang");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn every_pod_with_gpus_has_the_labels_that_the_dashboard_joins_by() {
    let testbed = Testbed::with_queue("joined", Flavor::Nvidia, 16);
    testbed.namespace();
    let path = example("ray-gpus");
    let _ = testbed
        .submit(&["-i", "testbed/forever", "--name", "plain", "-g", "1"])
        .exits(0);
    let _ = testbed
        .submit(&["-p", &path, "--name", "ray", "-g", "8", "--ray"])
        .exits(0);
    for workload in ["plain", "ray"] {
        let pod = testbed.wait(&format!("a pod with GPUs of {workload}"), || {
            testbed.list("Pod").into_iter().find(|pod| {
                pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"].is_string()
                    && pod["metadata"]["labels"]["app.kubernetes.io/instance"] == *workload
            })
        });
        assert_eq!(pod["metadata"]["labels"]["kaiwo-cli/username"], "alice");
    }
    testbed.delete("Job", "plain");
}

/// What the guide has its reader type that a testbed cannot do, by its first
/// words.
const NOT_HERE: [&str; 9] = [
    "helm ",
    "curl ",
    "kubectl taint ",
    "kubectl -n monitoring ",
    "kubectl -n kube-amd-gpu ",
    "kubectl -n research logs ",
    "kubectl get crds servicemonitors",
    "kubectl get crds workspaces.kaito.sh",
    "kubectl apply -f cluster-admins/monitoring/",
];

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn the_commands_of_the_guide_run() {
    if Command::new("kubectl")
        .arg("version")
        .arg("--client")
        .output()
        .is_err()
    {
        skip("there is no kubectl on the PATH");
        return;
    }
    let testbed = Testbed::new("guide");
    testbed.cluster_queue(&[(Flavor::Amd, 32)], json!({}));
    testbed.namespace();
    let guide = std::fs::read_to_string(checkout("cluster-admins/README.md")).unwrap();
    let mut ran = 0;
    for block in shell_blocks(&guide) {
        for command in block.replace("\\\n", " ").lines() {
            if NOT_HERE.iter().any(|start| command.starts_with(start)) {
                continue;
            }
            // What would change the cluster for other tests is only tried, and
            // `research` is the namespace of this test.
            let changes = ["kubectl apply -f", "kubectl create", " create rolebinding"]
                .iter()
                .any(|words| command.contains(words));
            let command = match changes {
                true => format!("{command} --dry-run=server"),
                false => command.to_owned(),
            };
            let command = command
                .replace(" -n research", &format!(" -n {}", testbed.name))
                .replace(
                    "create namespace research",
                    &format!("create namespace {}-2", testbed.name),
                );
            let command = match command.strip_prefix("kaiwo submit ") {
                Some(rest) => format!("{} submit -q {} {rest}", binary(), testbed.name),
                None => command,
            };
            let mut shell = testbed.sandbox.shell(&command);
            let outcome = Outcome::of(shell.current_dir(checkout("")).output().unwrap());
            // The roles are not bound here: `no` is a proper answer.
            let asks = command.starts_with("kubectl auth can-i");
            assert!(
                outcome.code == 0 || (asks && outcome.stdout == "no\n"),
                "{command}\n{}{}",
                outcome.stdout,
                outcome.stderr
            );
            ran += 1;
        }
    }
    assert!(ran >= 15, "only {ran} commands were found");
    testbed.wait_for_condition("Job", "alice-hello", "Complete");
}
