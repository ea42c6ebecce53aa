//! `kaiwo submit` on a real control plane.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::cluster::{Flavor, Testbed, has_condition};
use crate::common::{Outcome, checkout};

fn example(name: &str) -> String {
    checkout("workloads")
        .join(name)
        .to_str()
        .unwrap()
        .to_owned()
}

/// Returns the nodes that hold pods with GPUs.
fn gpu_pods(testbed: &Testbed, resource: &str) -> Vec<(String, String)> {
    let mut pods: Vec<(String, String)> = testbed
        .list("Pod")
        .iter()
        .filter_map(|pod| {
            let gpus = pod
                .pointer("/spec/containers/0/resources/limits")?
                .get(resource)?
                .as_str()?;
            Some((
                pod["spec"]["nodeName"].as_str()?.to_owned(),
                gpus.to_owned(),
            ))
        })
        .collect();
    pods.sort();
    pods
}

fn is_upload(map: &Value) -> bool {
    map["metadata"]["labels"]["app.kubernetes.io/component"] == "upload"
}

fn uploads(testbed: &Testbed) -> Vec<String> {
    testbed
        .list("ConfigMap")
        .iter()
        .filter(|map| is_upload(map))
        .map(|map| map["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Checks that a submission has left nothing in the namespace, apart from
/// what the test itself has made there.
#[track_caller]
fn nothing_was_made(testbed: &Testbed) {
    for kind in ["Job", "CronJob", "RayJob", "Service", "Workload"] {
        assert_eq!(testbed.list(kind), [] as [Value; 0], "{kind}");
    }
    assert_eq!(
        testbed.find("LocalQueue", &testbed.name),
        None,
        "a LocalQueue for the ClusterQueue"
    );
    assert_eq!(uploads(testbed), [] as [String; 0]);
}

/// Returns all that somebody may write of an object but its controllers, and
/// when kaiwo has last written which fields.
fn as_written(mut object: Value) -> Value {
    let content = object.as_object_mut().unwrap();
    // Controllers write the status, and with it the version, whenever they
    // like.
    content.remove("status");
    let metadata = content["metadata"].as_object_mut().unwrap();
    metadata.remove("resourceVersion");
    let fields = metadata["managedFields"].as_array_mut().unwrap();
    fields.retain(|entry| entry["manager"] == "kaiwo");
    assert!(!fields.is_empty(), "kaiwo writes under its own name");
    object
}

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
        .says("error: job/alice-train exists already and differs\n");
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
fn a_finished_workload_is_not_taken_for_the_wanted_one() {
    let testbed = Testbed::with_queue("finished", Flavor::Amd, 32);
    testbed.namespace();
    let path = example("hello");
    let arguments = ["-p", &path, "-g", "8"];
    let _ = testbed.submit(&arguments).exits(0);
    testbed.wait_for_condition("Job", "alice-hello", "Complete");
    let _ = testbed
        .submit(&arguments)
        .exits(5)
        .says("job/alice-hello exists already and has run to its end");
    // The uploads have the same content, so the same names, as the old ones.
    let _ = testbed
        .submit(&[&arguments[..], &["--replace"]].concat())
        .exits(0)
        .says("replaced");
    testbed.wait_for_condition("Job", "alice-hello", "Complete");
    let job = testbed.find("Job", "alice-hello").unwrap();
    for map in testbed.list("ConfigMap") {
        if is_upload(&map) {
            assert_eq!(
                map["metadata"]["ownerReferences"][0]["uid"],
                job["metadata"]["uid"]
            );
        }
    }
}

/// Returns whether there is a kubectl, and says so if there is none.
fn has_kubectl() -> bool {
    let Ok(kubectl) = std::process::Command::new("kubectl")
        .args(["version", "--client"])
        .output()
    else {
        super::skip("kubectl is not installed");
        return false;
    };
    let _ = Outcome::of(kubectl).exits(0);
    true
}

/// Lets `kubectl apply` rehearse the documents of a dry run, and returns what
/// the API server would have made of them.
#[track_caller]
fn kubectl_apply(testbed: &Testbed, rendered: &Outcome) -> Vec<Value> {
    let file = testbed.sandbox.write("manifests.yaml", &rendered.stdout);
    let applied = std::process::Command::new("kubectl")
        .args([
            "apply",
            "--server-side",
            "--dry-run=server",
            "--validate=strict",
            "-o",
            "json",
            "-f",
        ])
        .arg(file)
        .output()
        .unwrap();
    let applied = Outcome::of(applied).exits(0);
    let mut objects = Vec::new();
    // One object is itself, several are a List.
    for document in serde_json::Deserializer::from_str(&applied.stdout).into_iter::<Value>() {
        let document = document.unwrap();
        match document["items"].as_array() {
            Some(items) => objects.extend(items.iter().cloned()),
            None => objects.push(document),
        }
    }
    let kinds = |objects: &[Value]| -> Vec<String> {
        let kind = |object: &Value| object["kind"].as_str().unwrap().to_owned();
        objects.iter().map(kind).collect()
    };
    assert_eq!(kinds(&objects), kinds(&rendered.documents()));
    objects
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn kubectl_accepts_every_document_of_a_dry_run() {
    if !has_kubectl() {
        return;
    }
    let testbed = Testbed::new("kubectl");
    testbed.namespace();
    let offline = crate::common::Sandbox::new();
    for (name, arguments) in [
        ("hello", &["-g", "8"][..]),
        ("torchrun", &["-g", "16"]),
        ("ray-gpus", &["-g", "16", "--ray"]),
    ] {
        for resource in ["amd.com/gpu", "nvidia.com/gpu"] {
            let path = example(name);
            let common = [
                "submit",
                "-p",
                &path,
                "-n",
                &testbed.name,
                "--dry-run",
                "--gpu-resource",
                resource,
            ];
            let rendered = offline.kaiwo(&[&common, arguments].concat()).exits(0);
            kubectl_apply(&testbed, &rendered);
        }
    }
}

/// Files that are easily changed by one of the two YAML libraries on their
/// way, ours that writes them and kubectl's that reads them.
fn awkward_files() -> BTreeMap<&'static str, Vec<u8>> {
    let line = format!("{{\"weights\": [{}]}}", vec!["0.25"; 17_000].join(", "));
    assert!(line.len() > 100_000);
    BTreeMap::from([
        ("tab-first", b"\tall:\n\t\techo\nend\n".to_vec()),
        ("blank-lines-first", b"\n\n\n  indented\nnot\n".to_vec()),
        ("spaces-first", b"    four\n  two\n".to_vec()),
        ("trailing-spaces", b"one  \ntwo\t\n   \nend   ".to_vec()),
        ("blank-lines-last", b"text\n\n\n".to_vec()),
        ("crlf", b"one\r\ntwo\r\n\r\n".to_vec()),
        ("lone-cr", b"one\rtwo\r".to_vec()),
        ("newlines", b"\n\n\n".to_vec()),
        ("newline", b"\n".to_vec()),
        ("empty", Vec::new()),
        ("separators", "a\u{2028}b\u{2029}c\u{feff}\n".into()),
        ("byte-order-mark", "\u{feff}text\n".into()),
        ("nul", b"a\0b\n".to_vec()),
        ("control", b"\x1b[1mbold\x07\n".to_vec()),
        // The API server reads what is applied as YAML, in which these, even
        // written as JSON, are forbidden or, like NEL, turned into a space.
        ("delete", b"a\x7fb\n".to_vec()),
        ("next-line", "a\u{85}b\n".into()),
        ("c1", "a\u{80}b\u{9f}\n".into()),
        ("no-characters", "a\u{fffe}b\u{ffff}\n".into()),
        ("not-utf8", b"\xff\xfe\n".to_vec()),
        ("document", b"---\n- a: !!binary x\n...\n# end\n".to_vec()),
        ("markup", b"{{ Meta.Name }} {% raw %} ${A} $(A)\n".to_vec()),
        ("line.json", line.into_bytes()),
        ("tools/run.sh", b"#!/bin/sh\nexit 0\n".to_vec()),
    ])
}

/// Returns the files of the uploads among `objects`: where a pod finds them,
/// what is in them, and whether they are programs.
fn delivered(objects: &[Value]) -> BTreeMap<String, (Vec<u8>, bool)> {
    let mut files = BTreeMap::new();
    for object in objects {
        for source in config_map_sources(object) {
            let map = objects
                .iter()
                .find(|map| map["kind"] == "ConfigMap" && map["metadata"]["name"] == source["name"])
                .expect("every upload that is mounted is there");
            for item in source["items"].as_array().unwrap() {
                let key = item["key"].as_str().unwrap();
                let content = match map["data"][key].as_str() {
                    Some(text) => text.as_bytes().to_vec(),
                    None => {
                        let bytes = map["binaryData"][key].clone();
                        serde_json::from_value::<ByteString>(bytes).unwrap().0
                    }
                };
                let program = item["mode"].as_u64().unwrap() & 0o111 != 0;
                let path = item["path"].as_str().unwrap().to_owned();
                files.insert(path, (content, program));
            }
        }
    }
    files
}

/// Returns all projections of ConfigMaps in an object, however deep its pods
/// are.
fn config_map_sources(value: &Value) -> Vec<&Value> {
    let below: Vec<&Value> = match value {
        Value::Object(fields) => fields.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => return Vec::new(),
    };
    let here = value.get("configMap").filter(|map| map["items"].is_array());
    let deeper = below.into_iter().flat_map(config_map_sources);
    here.into_iter().chain(deeper).collect()
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn kubectl_reads_awkward_files_as_they_are_beside_what_kaiwo_has_made() {
    if !has_kubectl() {
        return;
    }
    let testbed = Testbed::with_queue("awkward", Flavor::Amd, 32);
    testbed.namespace();
    // The LocalQueue is kaiwo's own now, which kubectl must not contest.
    let path = example("hello");
    let _ = testbed.submit(&["-p", &path, "-g", "1"]).exits(0);
    assert!(testbed.find("LocalQueue", &testbed.name).is_some());

    testbed.sandbox.write("awkward/entrypoint", "true\n");
    let files = awkward_files();
    for (name, content) in &files {
        let file = testbed.sandbox.write(&format!("awkward/{name}"), content);
        if name.ends_with(".sh") {
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    for (kind, arguments) in [
        ("Job", &["-g", "8"][..]),
        ("Job", &["-g", "16"]),
        ("RayJob", &["-g", "16", "--ray"]),
        ("CronJob", &["-g", "8", "--schedule", "0 3 * * *"]),
        ("CronJob", &["-g", "16", "--schedule", "0 3 * * *"]),
    ] {
        let rendered = testbed
            .submit(&[&["-p", "awkward", "--dry-run"], arguments].concat())
            .exits(0);
        let _ = rendered.document(kind);
        let _ = rendered.document("LocalQueue");
        let delivered = delivered(&kubectl_apply(&testbed, &rendered));
        for (name, content) in &files {
            let (arrived, program) = delivered
                .get(*name)
                .unwrap_or_else(|| panic!("{kind}: {name} is missing"));
            assert!(
                arrived == content,
                "{kind}: {name} arrives as {:?}",
                String::from_utf8_lossy(&arrived[..arrived.len().min(200)])
            );
            if name.ends_with(".sh") {
                assert!(program, "{kind}: {name} is no program any more");
            }
        }
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_server_dry_run_checks_everything_and_creates_nothing() {
    let testbed = Testbed::with_queue("dryrun", Flavor::Amd, 32);
    let path = example("ray-gpus");
    let arguments = ["-p", &path, "-g", "16", "--ray", "--dry-run=server"];
    let missing = testbed
        .submit(&[&arguments[..], &["--create-namespace"]].concat())
        .exits(0);
    let _ = missing.says("could not check what goes into it");
    assert_eq!(testbed.find("Namespace", &testbed.name), None);

    testbed.namespace();
    let outcome = testbed
        .submit(&arguments)
        .exits(0)
        .says("the API server takes it");
    assert_eq!(
        outcome.document("RayJob")["metadata"]["name"],
        "alice-ray-gpus"
    );
    for kind in ["LocalQueue", "RayJob", "Workload"] {
        assert_eq!(testbed.list(kind), [] as [Value; 0]);
    }
    assert_eq!(uploads(&testbed), [] as [String; 0]);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_can_never_run_is_refused_before_anything_is_made() {
    let testbed = Testbed::with_queue("refused", Flavor::Amd, 32);
    let path = example("hello");
    let _ = testbed
        .submit(&["-p", &path, "-g", "8"])
        .exits(3)
        .says(&format!("namespace \"{}\" does not exist", testbed.name))
        .says("--create-namespace");
    assert_eq!(testbed.find("Namespace", &testbed.name), None);
    testbed.namespace();

    let _ = testbed
        .submit(&["-p", &path, "-g", "64"])
        .exits(3)
        .says(&format!(
            "64 amd.com/gpu can never be admitted: ClusterQueue \"{}\" gives at most 32",
            testbed.name
        ))
        .says("-g 32 or less")
        .says("--force");
    let _ = testbed
        .submit(&["-p", &path, "-g", "22"])
        .exits(3)
        .says("help: try -g 16 or -g 24");
    let wrong = format!("{}x", testbed.name);
    let _ = testbed
        .sandbox
        .kaiwo(&["submit", "-p", &path, "-n", &testbed.name, "-q", &wrong])
        .exits(3)
        .says(&format!("no queue {wrong:?}"))
        .says(&format!("did you mean -q {}?", testbed.name));
    let _ = testbed
        .submit(&["-p", &path, "-g", "8", "--gpu-resource", "nvidia.com/gpu"])
        .exits(3)
        .says("hands out no nvidia.com/gpu, only cpu, memory, amd.com/gpu");
    for kind in ["LocalQueue", "Job", "Workload"] {
        assert_eq!(testbed.list(kind), [] as [Value; 0], "{kind}");
    }
    assert_eq!(uploads(&testbed), [] as [String; 0]);

    // Hopeless is not impossible: the quota may be raised.
    let _ = testbed
        .submit(&["-p", &path, "-g", "64", "--force"])
        .exits(0)
        .says("needs 32 more");
    testbed.delete("Job", "alice-hello");
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
        .says("service/alice-hello exists already");
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
fn users_without_rights_are_told_what_they_lack() {
    let testbed = Testbed::with_queue("rights", Flavor::Amd, 32);
    testbed.namespace();
    let path = example("hello");
    let nobody = testbed
        .submit(&[
            "-p",
            &path,
            "-g",
            "1",
            "--gpu-resource",
            "amd.com/gpu",
            "--as",
            "nobody",
        ])
        .exits(4);
    let _ = nobody.says("not allowed");
    assert_eq!(testbed.list("Job"), [] as [Value; 0]);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_local_queue_that_leads_nowhere_is_refused() {
    let testbed = Testbed::new("nowhere");
    testbed.namespace();
    let missing = format!("{}-missing", testbed.name);
    testbed.local_queue("team", &missing, json!({}));
    let path = example("hello");
    // By its own name, and by that of what it points at.
    for queue in ["team", &missing] {
        let _ = testbed
            .sandbox
            .kaiwo(&[
                "submit",
                "-p",
                &path,
                "-g",
                "8",
                "-n",
                &testbed.name,
                "-q",
                queue,
            ])
            .exits(3)
            .says("team")
            .says(&missing);
        nothing_was_made(&testbed);
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_queue_without_cpu_and_memory_is_refused() {
    let testbed = Testbed::new("gpusonly");
    testbed.namespace();
    testbed.cluster_queue(
        &[(Flavor::Amd, 32)],
        json!({"resourceGroups": [{
            "coveredResources": ["amd.com/gpu"],
            "flavors": [{"name": Flavor::Amd.name(), "resources": [
                {"name": "amd.com/gpu", "nominalQuota": 32},
            ]}],
        }]}),
    );
    let path = example("hello");
    for ray in [&[][..], &["--ray"]] {
        let _ = testbed
            .submit(&[&["-p", &path, "-g", "8"], ray].concat())
            .exits(3)
            .says(&testbed.name)
            .says("has no quota for cpu");
        nothing_was_made(&testbed);
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_queue_closed_to_the_namespace_is_refused_before_the_namespace_is_made() {
    let testbed = Testbed::new("closed");
    testbed.cluster_queue(
        &[(Flavor::Amd, 32)],
        json!({"namespaceSelector": {"matchLabels": {"team": "research"}}}),
    );
    let path = example("hello");
    let arguments = ["-p", &path, "-g", "8"];
    let create = [&arguments[..], &["--create-namespace"]].concat();
    let refusal = format!(
        "ClusterQueue {:?} does not take workloads of namespace {:?}",
        testbed.name, testbed.name
    );
    let _ = testbed.submit(&create).exits(3).says(&refusal);
    assert_eq!(testbed.find("Namespace", &testbed.name), None);

    testbed.namespace();
    for arguments in [&arguments[..], &create] {
        let _ = testbed.submit(arguments).exits(3).says(&refusal);
        nothing_was_made(&testbed);
    }

    // The namespace may be given the label later.
    let forced = testbed
        .submit(&[&arguments[..], &["--force"]].concat())
        .exits(0);
    assert!(!forced.stderr.contains("starts now"), "{}", forced.stderr);
    testbed.apply(json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": testbed.name, "labels": {"team": "research"}},
    }));
    testbed.wait_for_condition("Job", "alice-hello", "Complete");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_forced_submission_makes_the_namespace_that_its_queue_does_not_take() {
    let testbed = Testbed::new("forced");
    testbed.cluster_queue(
        &[(Flavor::Amd, 32)],
        json!({"namespaceSelector": {"matchLabels": {"team": "research"}}}),
    );
    let path = example("hello");
    let _ = testbed
        .submit(&["-p", &path, "-g", "8", "--create-namespace", "--force"])
        .exits(0)
        .says(&format!("namespace/{}", testbed.name));
    assert!(testbed.find("Job", "alice-hello").is_some());
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_new_namespace_has_the_label_with_its_name() {
    let testbed = Testbed::new("byname");
    // The API server gives every namespace this label, so a queue that
    // selects by it takes a namespace that is not there yet.
    testbed.cluster_queue(
        &[(Flavor::Amd, 32)],
        json!({"namespaceSelector": {"matchLabels": {
            "kubernetes.io/metadata.name": testbed.name,
        }}}),
    );
    let path = example("hello");
    let _ = testbed
        .submit(&["-p", &path, "-g", "8", "--create-namespace"])
        .exits(0);
    testbed.wait_for_condition("Job", "alice-hello", "Complete");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_stopped_queue_is_refused_and_forced_work_waits_for_it() {
    let testbed = Testbed::new("stopped");
    testbed.namespace();
    let path = example("hello");
    let arguments = ["-p", &path, "-g", "8"];
    for policy in ["Hold", "HoldAndDrain"] {
        testbed.cluster_queue(&[(Flavor::Amd, 32)], json!({"stopPolicy": policy}));
        let _ = testbed
            .submit(&arguments)
            .exits(3)
            .says(&format!("ClusterQueue {:?} is stopped", testbed.name))
            .says("--force");
        nothing_was_made(&testbed);
    }

    let forced = testbed
        .submit(&[&arguments[..], &["--force"]].concat())
        .exits(0);
    assert!(!forced.stderr.contains("starts now"), "{}", forced.stderr);
    let workload = testbed.wait("a Workload that waits", || testbed.list("Workload").pop());
    assert!(!has_condition(&workload, "Admitted"), "{workload}");
    testbed.cluster_queue(&[(Flavor::Amd, 32)], json!({"stopPolicy": "None"}));
    testbed.wait_for_condition("Job", "alice-hello", "Complete");

    // A LocalQueue can be stopped for itself.
    testbed.local_queue("held", &testbed.name, json!({"stopPolicy": "Hold"}));
    let held = [
        "submit",
        "-p",
        &path,
        "-g",
        "8",
        "--name",
        "held",
        "-n",
        &testbed.name,
        "-q",
        "held",
    ];
    let _ = testbed
        .sandbox
        .kaiwo(&held)
        .exits(3)
        .says("LocalQueue \"held\" is stopped");
    assert_eq!(testbed.find("Job", "held"), None);
    let forced = testbed
        .sandbox
        .kaiwo(&[&held[..], &["--force"]].concat())
        .exits(0);
    assert!(!forced.stderr.contains("starts now"), "{}", forced.stderr);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_quota_of_the_namespace_refuses_in_its_own_words() {
    let testbed = Testbed::with_queue("quota", Flavor::Amd, 32);
    testbed.namespace();
    let path = example("hello");
    // The namespace has one ConfigMap, which the API server's CA is in.
    testbed.wait("kube-root-ca.crt", || {
        testbed.find("ConfigMap", "kube-root-ca.crt")
    });
    for (resource, hard) in [("count/jobs.batch", "0"), ("count/configmaps", "1")] {
        testbed.apply(json!({
            "apiVersion": "v1", "kind": "ResourceQuota",
            "metadata": {"name": "limits", "namespace": testbed.name},
            "spec": {"hard": {resource: hard}},
        }));
        testbed.wait("the quota to count", || {
            let quota = testbed.find("ResourceQuota", "limits")?;
            quota["status"]["used"].get(resource).map(drop)
        });
        let refused = testbed
            .submit(&["-p", &path, "-g", "8"])
            .exits(3)
            .says("exceeded quota: limits")
            .says(&format!("limited: {resource}={hard}"));
        assert!(
            !refused.stderr.contains("not allowed"),
            "{}",
            refused.stderr
        );
        nothing_was_made(&testbed);
        testbed.delete("ResourceQuota", "limits");
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_job_that_kaiwo_did_not_make_is_replaced_by_force_only() {
    let testbed = Testbed::with_queue("foreign", Flavor::Amd, 32);
    testbed.namespace();
    let made = testbed.create(json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "alice-hello"},
        "spec": {"suspend": true, "template": {"spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "main", "image": "testbed/forever"}],
        }}},
    }));
    let uid = || testbed.find("Job", "alice-hello").unwrap()["metadata"]["uid"].clone();
    let path = example("hello");
    let arguments = ["-p", &path, "-g", "8"];
    for flags in [&[][..], &["--replace"]] {
        let _ = testbed
            .submit(&[&arguments[..], flags].concat())
            .exits(5)
            .says("job/alice-hello")
            .says("was not made by kaiwo");
        assert_eq!(uid(), made["metadata"]["uid"]);
        assert_eq!(uploads(&testbed), [] as [String; 0]);
    }
    let _ = testbed
        .submit(&[&arguments[..], &["--replace", "--force"]].concat())
        .exits(0)
        .says("job/alice-hello replaced");
    assert_ne!(uid(), made["metadata"]["uid"]);
    testbed.wait_for_condition("Job", "alice-hello", "Complete");
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

    let job = testbed.wait_up_to(Duration::from_secs(300), "the first Job to end", || {
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

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn an_unknown_priority_class_comes_with_the_known_ones() {
    let testbed = Testbed::with_queue("priority", Flavor::Amd, 32);
    testbed.namespace();
    testbed.apply(json!({
        "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "WorkloadPriorityClass",
        "metadata": {"name": "test-urgent"}, "value": 1000,
    }));
    let path = example("hello");
    let refused = testbed
        .submit(&["-p", &path, "-g", "8", "--priority-class", "test-urgnet"])
        .exits(3)
        .says("test-urgnet")
        .says("did you mean --priority-class test-urgent?");
    let listed = refused
        .stderr
        .lines()
        .any(|line| line.contains("priority classes: ") && line.contains("test-urgent"));
    assert!(listed, "{}", refused.stderr);
    nothing_was_made(&testbed);

    let _ = testbed
        .submit(&["-p", &path, "-g", "8", "--priority-class", "test-urgent"])
        .exits(0);
    testbed.wait_for_condition("Job", "alice-hello", "Complete");
    let workload = testbed.list("Workload").remove(0);
    assert_eq!(workload["spec"]["priority"], 1000, "{workload}");
}
