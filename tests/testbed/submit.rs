//! `kaiwo submit` on a real control plane: what it makes.

use serde_json::{Value, json};

use super::cluster::{Flavor, Testbed, has_condition};
use super::objects::{as_written, example, gpu_pods, is_upload, uploads};
use crate::common::Outcome;

mod replaced;

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_rayjob_of_16_gpus_runs_on_two_nodes_and_succeeds() {
    for (flavor, node) in [(Flavor::Amd, "amd-"), (Flavor::Nvidia, "nvidia-")] {
        let testbed = Testbed::with_queue("rayjob", flavor, 32);
        let path = example("ray-gpus");
        let outcome = testbed
            .submit(&["-p", &path, "-g", "16", "--ray", "--create-namespace"])
            .exits(0);
        assert_eq!(outcome.stdout, "");
        let outcome = outcome
            .says(&format!(
                "namespace {}, queue {}\n",
                testbed.name, testbed.name
            ))
            .says(&format!(
                "16 GPUs = 2 × 8 {} · 32 of 32 free · starts now\n",
                flavor.resource()
            ))
            .says(&format!(
                "created, with namespace/{}, localqueue/{}, 1 upload",
                testbed.name, testbed.name
            ));
        drop(outcome);

        let queue = testbed
            .find("LocalQueue", &testbed.name)
            .expect("a LocalQueue was made");
        assert_eq!(queue["spec"]["clusterQueue"], testbed.name.as_str());
        let workers = testbed.wait("two workers on two nodes", || {
            let pods = gpu_pods(&testbed, flavor.resource());
            (pods.len() == 2).then_some(pods)
        });
        assert_ne!(workers[0].0, workers[1].0, "{workers:?}");
        assert!(
            workers
                .iter()
                .all(|(on, gpus)| on.starts_with(node) && gpus == "8"),
            "{workers:?}"
        );
        let workload = testbed.list("Workload").remove(0);
        assert!(has_condition(&workload, "Admitted"), "{workload}");

        if !super::lacks("pod-addresses") {
            testbed.wait_for("RayJob", "alice-ray-gpus", "/status/jobStatus", "SUCCEEDED");
            testbed.wait("the workers to give their GPUs back", || {
                gpu_pods(&testbed, flavor.resource())
                    .is_empty()
                    .then_some(())
            });
        }
        assert_eq!(uploads(&testbed).len(), 1);
        testbed.delete("RayJob", "alice-ray-gpus");
        testbed.wait("the uploads to follow their RayJob", || {
            uploads(&testbed).is_empty().then_some(())
        });
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn jobs_of_every_shape_complete() {
    let testbed = Testbed::with_queue("jobs", Flavor::Amd, 32);
    testbed.namespace();
    let path = testbed
        .sandbox
        .write("code/entrypoint", "#!/bin/sh\nexec python train.py\n");
    let path = path.parent().unwrap().to_str().unwrap();
    for (name, arguments, pods) in [
        ("image-only", &["-i", "registry/image", "-g", "8"][..], 1),
        (
            "image-and-path",
            &["-i", "registry/image", "-p", path, "-g", "8"],
            1,
        ),
        ("two-pods", &["-i", "registry/image", "-g", "16"], 2),
        ("no-gpus", &["-i", "registry/image", "-g", "0"], 1),
        (
            "command",
            &["-i", "registry/image", "--", "python", "train.py"],
            1,
        ),
    ] {
        let _ = testbed
            .submit(&[&["--name", name], arguments].concat())
            .exits(0);
        let job = testbed.wait_for_condition("Job", name, "Complete");
        assert_eq!(job["status"]["succeeded"], pods, "{name}");
        let made: Vec<Value> = testbed
            .list("Pod")
            .into_iter()
            .filter(|pod| pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] == name)
            .collect();
        assert_eq!(made.len(), pods, "{name}");
        assert!(
            made.iter().all(|pod| pod["status"]["phase"] == "Succeeded"),
            "{name}"
        );
    }
    let service = testbed.find("Service", "two-pods").unwrap();
    assert_eq!(service["spec"]["clusterIP"], "None");
    assert_eq!(service["metadata"]["ownerReferences"][0]["kind"], "Job");
    testbed.delete("Job", "two-pods");
    testbed.wait("the Service to follow its Job", || {
        testbed.find("Service", "two-pods").is_none().then_some(())
    });
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn the_same_command_again_changes_nothing() {
    let testbed = Testbed::with_queue("again", Flavor::Amd, 32);
    testbed.namespace();
    let path = example("hello");
    // An image whose pods run until they are deleted.
    let arguments = ["-p", &path, "-g", "8", "-i", "testbed/forever"];
    let _ = testbed
        .submit(&arguments)
        .exits(0)
        .says("job/alice-hello created");
    testbed.wait("a running pod", || {
        testbed
            .list("Pod")
            .iter()
            .any(|pod| pod["status"]["phase"] == "Running")
            .then_some(())
    });
    let written = || {
        let mut objects: Vec<Value> = ["Job", "LocalQueue"]
            .into_iter()
            .flat_map(|kind| testbed.list(kind))
            .map(as_written)
            .collect();
        // Nobody else writes an upload: every write would be kaiwo's.
        objects.extend(testbed.list("ConfigMap").into_iter().filter(is_upload));
        assert_eq!(objects.len(), 3, "{objects:?}");
        objects
    };
    let before = written();
    let again = testbed
        .submit(&arguments)
        .exits(0)
        .says("job/alice-hello unchanged\n");
    assert_eq!(again.stdout, "");
    assert_eq!(written(), before);
    let json = testbed
        .submit(&[&arguments[..], &["-o", "json"]].concat())
        .exits(0);
    let report: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(report["outcome"], "unchanged");
    // A running workload is not restarted by --replace if it is the same.
    let _ = testbed
        .submit(&[&arguments[..], &["--replace"]].concat())
        .exits(0)
        .says("unchanged");
    assert_eq!(written(), before);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn twice_at_once_makes_one_workload() {
    let testbed = Testbed::with_queue("twice", Flavor::Amd, 32);
    testbed.namespace();
    for round in 0..4 {
        let name = format!("race-{round}");
        let path = example("hello");
        let arguments = [
            "-p",
            &path,
            "-g",
            "8",
            "--name",
            &name,
            "-i",
            "testbed/forever",
        ];
        let children: Vec<_> = (0..3)
            .map(|_| {
                let mut command = testbed
                    .sandbox
                    .command(&testbed.submit_arguments(&arguments));
                command
                    .stdout(std::process::Stdio::piped())
                    .stderr(std::process::Stdio::piped());
                command.spawn().unwrap()
            })
            .collect();
        let mut created = 0;
        for child in children {
            let outcome = Outcome::of(child.wait_with_output().unwrap()).exits(0);
            let said = |word: &str| outcome.stderr.contains(&format!("job/{name} {word}"));
            assert!(said("created") || said("unchanged"), "{}", outcome.stderr);
            created += i32::from(said("created"));
        }
        assert_eq!(created, 1);
        let job = testbed.find("Job", &name).unwrap();
        let upload = testbed
            .list("ConfigMap")
            .into_iter()
            .find(|map| map["metadata"]["name"].as_str().unwrap().starts_with(&name))
            .expect("its upload is there");
        assert_eq!(
            upload["metadata"]["ownerReferences"][0]["uid"],
            job["metadata"]["uid"]
        );
        testbed.delete("Job", &name);
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_changed_file_is_told_and_has_three_ways_out() {
    let testbed = Testbed::with_queue("changed", Flavor::Amd, 32);
    testbed.namespace();
    let file = testbed.sandbox.write("train/entrypoint", "echo one\n");
    let arguments = ["-p", "train", "-g", "8", "-i", "testbed/forever"];
    let _ = testbed.submit(&arguments).exits(0);
    let first = testbed.find("Job", "alice-train").unwrap()["metadata"]["uid"].clone();
    let first_upload = uploads(&testbed);

    std::fs::write(file, "echo two\n").unwrap();
    let outcome = testbed
        .submit(&arguments)
        .exits(5)
        .says("error: job/alice-train already exists and differs\n");
    let command = format!(
        "help: kaiwo submit -n {0} -q {0} -p train -g 8 -i testbed/forever",
        testbed.name
    );
    let outcome = outcome
        .says(&format!("{command} --replace "))
        .says(&format!("{command} --generate-name "))
        .says(&format!("{command} --name alice-train-2 "));
    drop(outcome);
    assert_eq!(
        testbed.find("Job", "alice-train").unwrap()["metadata"]["uid"],
        first
    );
    assert_eq!(uploads(&testbed), first_upload);

    let _ = testbed
        .submit(&[&arguments[..], &["--generate-name"]].concat())
        .exits(0);
    assert_eq!(testbed.list("Job").len(), 2);

    let _ = testbed
        .submit(&[&arguments[..], &["--replace"]].concat())
        .exits(0)
        .says("job/alice-train replaced");
    let second = testbed.find("Job", "alice-train").unwrap();
    assert_ne!(second["metadata"]["uid"], first);
    let owned: Vec<Value> = testbed
        .list("ConfigMap")
        .into_iter()
        .filter(|m| m["metadata"]["ownerReferences"][0]["uid"] == first)
        .collect();
    assert_eq!(owned, [] as [Value; 0], "nothing of the old one is left");
    assert!(!uploads(&testbed).contains(&first_upload[0]));

    // Back to the first content: its uploads have the old name again.
    testbed.sandbox.write("train/entrypoint", "echo one\n");
    let _ = testbed
        .submit(&[&arguments[..], &["--replace"]].concat())
        .exits(0)
        .says("replaced");
    assert!(uploads(&testbed).contains(&first_upload[0]));
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn flavors_that_differ_get_pods_that_fit() {
    let testbed = Testbed::new("flavors");
    testbed.namespace();
    testbed.cluster_queue(&[(Flavor::AmdSmall, 8), (Flavor::Amd, 16)], json!({}));
    let path = example("hello");
    let _ = testbed
        .submit(&["-p", &path, "-g", "16", "--name", "big"])
        .exits(0)
        .says("16 GPUs = 2 × 8 amd.com/gpu · on nodes with beta.amd.com/gpu.family.AI=8 · 16 of 16 free · starts now");
    testbed.wait_for_condition("Job", "big", "Complete");
    let nodes = gpu_pods(&testbed, "amd.com/gpu");
    assert!(
        nodes
            .iter()
            .all(|(node, _)| node.starts_with("amd-") && !node.starts_with("amd-small")),
        "{nodes:?}"
    );

    // Neither flavor holds 24, though both together would.
    let _ = testbed
        .submit(&["-p", &path, "-g", "24", "--name", "both"])
        .exits(3)
        .says("can never be admitted");
    // What fits on either kind of node is not pinned.
    let small = testbed
        .submit(&["-p", &path, "-g", "4", "--name", "small"])
        .exits(0);
    assert!(!small.stderr.contains("on nodes with"), "{}", small.stderr);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn small_nodes_are_recognised() {
    let testbed = Testbed::with_queue("small", Flavor::AmdSmall, 64);
    testbed.namespace();
    let path = example("hello");
    let _ = testbed
        .submit(&["-p", &path, "-g", "25"])
        .exits(3)
        .says("help: try -g 24 or -g 28");
    let _ = testbed
        .submit(&["-p", &path, "-g", "8"])
        .exits(0)
        .says("8 GPUs = 2 × 4 amd.com/gpu");
    testbed.wait_for_condition("Job", "alice-hello", "Complete");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_local_queue_of_another_name_is_found() {
    let testbed = Testbed::with_queue("other", Flavor::Amd, 32);
    testbed.namespace();
    testbed.local_queue("team", &testbed.name, json!({}));
    let path = example("hello");
    let _ = testbed
        .submit(&["-p", &path, "-g", "8"])
        .exits(0)
        .says("queue team\n");
    assert_eq!(testbed.list("LocalQueue").len(), 1);
    testbed.wait_for_condition("Job", "alice-hello", "Complete");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_failure_midway_leaves_nothing() {
    let testbed = Testbed::with_queue("midway", Flavor::Amd, 32);
    testbed.namespace();
    // A Service of the Job's name that is somebody else's: the Job is
    // refused although its uploads were made.
    testbed.create(json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "alice-hello", "namespace": testbed.name},
        "spec": {"clusterIP": "None", "selector": {"a": "b"}},
    }));
    let path = example("hello");
    let _ = testbed
        .submit(&["-p", &path, "-g", "16"])
        .exits(5)
        .says("service/alice-hello already exists");
    for kind in ["LocalQueue", "Job"] {
        testbed.wait(&format!("no {kind} to be left"), || {
            testbed.list(kind).is_empty().then_some(())
        });
    }
    testbed.wait("no uploads to be left", || {
        uploads(&testbed).is_empty().then_some(())
    });
    assert!(
        testbed.find("Service", "alice-hello").is_some(),
        "what is not ours stays"
    );
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_cronjob_starts_jobs_that_kueue_admits_and_takes_them_along() {
    let testbed = Testbed::with_queue("cron", Flavor::Amd, 32);
    testbed.namespace();
    let path = example("hello");
    let arguments = ["-p", &path, "-g", "8", "--schedule", "* * * * *"];
    let _ = testbed
        .submit(&arguments)
        .exits(0)
        .says("cronjob/alice-hello created");
    let cronjob = testbed.find("CronJob", "alice-hello").unwrap();
    let uid = &cronjob["metadata"]["uid"];
    let owned = |kind: &str| -> Vec<Value> {
        let mut objects = testbed.list(kind);
        objects.retain(|object| object["metadata"]["ownerReferences"][0]["uid"] == *uid);
        objects
    };
    assert_eq!(uploads(&testbed).len(), 1);
    assert_eq!(owned("ConfigMap").len(), 1);
    let _ = testbed
        .submit(&arguments)
        .exits(0)
        .says("cronjob/alice-hello unchanged");

    let job = testbed.wait("the first Job to end", || {
        owned("Job")
            .into_iter()
            .find(|job| has_condition(job, "Complete"))
    });
    assert_eq!(
        job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"],
        testbed.name.as_str()
    );
    let workload = testbed
        .list("Workload")
        .into_iter()
        .find(|workload| {
            workload["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]
        })
        .expect("Kueue has queued the Job");
    assert!(has_condition(&workload, "Admitted"), "{workload}");
    assert_eq!(
        workload["status"]["admission"]["clusterQueue"],
        testbed.name.as_str()
    );

    testbed.delete("CronJob", "alice-hello");
    testbed.wait("Jobs and uploads to follow their CronJob", || {
        (testbed.list("Job").is_empty() && uploads(&testbed).is_empty()).then_some(())
    });
}
