//! `kaiwo serve` on a real control plane: what it makes, changes and leaves.

use serde_json::{Value, json};

use super::cluster::{Flavor, Testbed, has_condition};
use super::objects::uploads;
use crate::common::Outcome;

mod queued;

/// A namespace for services, and two directories to serve from it.
pub fn testbed(test: &str) -> Testbed {
    let testbed = Testbed::new(test);
    testbed.namespace();
    let sandbox = &testbed.sandbox;
    sandbox.write("chat/entrypoint", "#!/bin/sh\nexec python server.py\n");
    sandbox.write("chat/server.py", "print(1)\n");
    sandbox.write("llm/__init__.py", "deployment = 1\n");
    sandbox.write("llm/serveconfig", serve_config("llm"));
    testbed
}

pub fn serve_config(application: &str) -> String {
    format!(
        "applications:\n- name: {application}\n  route_prefix: /\n  import_path: app:deployment\n"
    )
}

pub fn serve(testbed: &Testbed, arguments: &[&str]) -> Outcome {
    testbed
        .sandbox
        .kaiwo(&[&["serve", "-n", &testbed.name], arguments].concat())
}

/// Serves `chat` with one of AMD's GPUs.
pub fn chat(testbed: &Testbed, arguments: &[&str]) -> Outcome {
    let gpu = ["-p", "chat", "-g", "1", "--gpu-resource", "amd.com/gpu"];
    serve(testbed, &[&gpu, arguments].concat())
}

/// Serves `llm` by Ray, with one of AMD's GPUs.
pub fn llm(testbed: &Testbed, arguments: &[&str]) -> Outcome {
    let gpu = ["--ray", "-g", "1", "--gpu-resource", "amd.com/gpu"];
    serve(testbed, &[&["-p", "llm"], &gpu[..], arguments].concat())
}

/// Waits until a Deployment has one pod, of this image.
#[track_caller]
pub fn available(testbed: &Testbed, name: &str, image: &str) -> Value {
    testbed.wait(&format!("deployment {name} to run {image}"), || {
        let deployment = testbed.find("Deployment", name)?;
        let current = deployment["status"]["observedGeneration"].as_i64()?
            >= deployment["metadata"]["generation"].as_i64()?;
        let pods = testbed.list("Pod");
        let [pod] = &pods[..] else { return None };
        let right = pod["spec"]["containers"][0]["image"] == image;
        (current && right && has_condition(&deployment, "Available")).then_some(deployment)
    })
}

/// Waits until nothing of what was served is left.
#[track_caller]
pub fn gone(testbed: &Testbed) {
    for kind in [
        "Deployment",
        "ReplicaSet",
        "RayService",
        "RayCluster",
        "Service",
        "Ingress",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "Pod",
        "Workload",
    ] {
        testbed.wait(&format!("every {kind} to be gone"), || {
            testbed.list(kind).is_empty().then_some(())
        });
    }
    testbed.wait("the uploads to be gone", || {
        uploads(testbed).is_empty().then_some(())
    });
}

/// Returns the addresses that a Service leads to.
fn endpoints(testbed: &Testbed, service: &str) -> usize {
    let slices = testbed.list("EndpointSlice");
    let of_service = slices
        .iter()
        .filter(|slice| slice["metadata"]["labels"]["kubernetes.io/service-name"] == service);
    of_service
        .filter_map(|slice| Some(slice["endpoints"].as_array()?.len()))
        .sum()
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_deployment_answers_behind_its_service_and_leaves_nothing() {
    let testbed = testbed("deploy");
    let _ = chat(&testbed, &["--port", "8000", "--health-path", "/health"])
        .exits(0)
        .says("Deployment alice-chat: 1 GPU = 1 × 1 amd.com/gpu\n")
        .says("deployment/alice-chat created, with service/alice-chat, 1 upload\n");
    available(&testbed, "alice-chat", "ghcr.io/silogen/rocm-ray:v0.5");
    testbed.wait("the Service to lead to the pod", || {
        (endpoints(&testbed, "alice-chat") == 1).then_some(())
    });
    assert_eq!(
        testbed.list("Workload"),
        [] as [Value; 0],
        "nothing queued it"
    );

    // The same again: nobody writes anything.
    let written = || testbed.find("Deployment", "alice-chat").unwrap()["metadata"].clone();
    let before = written();
    let _ = chat(&testbed, &["--port", "8000", "--health-path", "/health"])
        .exits(0)
        .says("deployment/alice-chat unchanged\n");
    assert_eq!(written()["generation"], before["generation"]);

    testbed.delete("Deployment", "alice-chat");
    gone(&testbed);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_deployment_is_changed_in_place_and_says_what_changes() {
    let testbed = testbed("change");
    let _ = chat(&testbed, &["--port", "8000", "-i", "registry/chat:1"]).exits(0);
    let first = available(&testbed, "alice-chat", "registry/chat:1");

    // What somebody else writes beside it stays.
    testbed.apply(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "alice-chat", "annotations": {"example.org/owner": "ops"}},
    }));
    let _ = chat(
        &testbed,
        &[
            "--port",
            "8001",
            "-i",
            "registry/chat:2",
            "--env",
            "MODE=fast",
        ],
    )
    .exits(0)
    .says("spec.template.spec.containers[workload].image: registry/chat:1 → registry/chat:2\n")
    .says("spec.template.spec.containers[workload].env[MODE]: added\n")
    .says("spec.template.spec.containers[workload].ports[http].containerPort: 8000 → 8001\n")
    .says("deployment/alice-chat updated, with service/alice-chat, 1 upload\n");
    let second = available(&testbed, "alice-chat", "registry/chat:2");
    assert_eq!(second["metadata"]["uid"], first["metadata"]["uid"]);
    assert_eq!(
        second["metadata"]["annotations"]["example.org/owner"],
        "ops"
    );
    let service = testbed.find("Service", "alice-chat").unwrap();
    assert_eq!(service["spec"]["ports"][0]["port"], 8001);

    // Without --port, no Service.
    let _ = chat(&testbed, &["-i", "registry/chat:2"])
        .exits(0)
        .says("spec.template.spec.containers[workload].ports: removed\n");
    assert_eq!(testbed.find("Service", "alice-chat"), None);

    // What somebody else made under the name is not touched.
    testbed.create(json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "alice-chat", "namespace": testbed.name},
        "spec": {"clusterIP": "None", "selector": {"somebody": "else"}},
    }));
    let before = testbed.find("Deployment", "alice-chat").unwrap();
    let _ = chat(&testbed, &["--port", "8000", "-i", "registry/chat:3"])
        .exits(5)
        .says("service/alice-chat already exists and is not what this workload needs");
    let after = testbed.find("Deployment", "alice-chat").unwrap();
    assert_eq!(
        after["metadata"]["generation"],
        before["metadata"]["generation"]
    );
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn an_upload_stays_as_long_as_something_refers_to_it() {
    let testbed = testbed("uploads");
    // The built-in template, with less history.
    let ejected = testbed
        .sandbox
        .kaiwo(&["template", "eject", "deployment", "chat"])
        .exits(0);
    drop(ejected);
    let template = std::fs::read_to_string(testbed.sandbox.path("chat/template")).unwrap();
    let shorter = template.replace(
        "  selector:\n    matchLabels",
        "  revisionHistoryLimit: 0\n  selector:\n    matchLabels",
    );
    assert_ne!(shorter, template);

    let image = ["-i", "registry/chat:1"];
    testbed.sandbox.write("chat/template", &template);
    let _ = chat(&testbed, &image).exits(0);
    available(&testbed, "alice-chat", "registry/chat:1");
    let first = uploads(&testbed);
    assert_eq!(first.len(), 1);

    testbed.sandbox.write("chat/server.py", "print(2)\n");
    let _ = chat(&testbed, &image).exits(0).says(
        "spec.template.spec.volumes[workload].projected.sources[0].configMap.name: alice-chat-",
    );
    assert_eq!(
        uploads(&testbed).len(),
        2,
        "an old ReplicaSet, and at first its pod, still want the first"
    );
    available(&testbed, "alice-chat", "registry/chat:1");

    // Without history the old ReplicaSets go, and then what they referred to.
    testbed.sandbox.write("chat/template", &shorter);
    let _ = chat(&testbed, &image).exits(0);
    testbed.wait("the old ReplicaSets to be gone", || {
        (testbed.list("ReplicaSet").len() == 1).then_some(())
    });
    available(&testbed, "alice-chat", "registry/chat:1");
    let _ = chat(&testbed, &[&image[..], &["--env", "A=b"]].concat()).exits(0);
    let last = uploads(&testbed);
    assert_eq!(
        last.len(),
        2,
        "a version that is kept wants the first: {last:?}"
    );
    assert!(last.contains(&first[0]));
    testbed.delete("Deployment", "alice-chat");
    gone(&testbed);
}

/// Waits until a RayService runs these applications, and returns it.
#[track_caller]
pub fn running(testbed: &Testbed, name: &str, application: &str) -> Value {
    testbed.wait(&format!("rayservice {name} to run {application}"), || {
        let service = testbed.find("RayService", name)?;
        let current = service["status"]["observedGeneration"] == service["metadata"]["generation"];
        let status = &service["status"]["activeServiceStatus"]["applicationStatuses"];
        let up = status[application]["status"] == "RUNNING" && status.as_object()?.len() == 1;
        (current && up && has_condition(&service, "Ready")).then_some(service)
    })
}

pub fn active_cluster(service: &Value) -> String {
    service["status"]["activeServiceStatus"]["rayClusterName"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_rayservice_runs_its_applications_and_changes_without_a_pause() {
    if super::lacks("pod-addresses") {
        return;
    }
    let testbed = testbed("rayservice");
    let _ = llm(&testbed, &[])
        .exits(0)
        .says("RayService alice-llm: 1 GPU = 1 × 1 amd.com/gpu\n")
        .says("rayservice/alice-llm created, with 1 upload\n");
    let first = running(&testbed, "alice-llm", "llm");
    assert_eq!(testbed.list("Workload"), [] as [Value; 0]);

    // Other applications run in the cluster there is.
    testbed
        .sandbox
        .write("llm/serveconfig", serve_config("chat"));
    let outcome = llm(&testbed, &[])
        .exits(0)
        .says("  spec.serveConfigV2: changed\n")
        .says("rayservice/alice-llm updated");
    assert!(
        !outcome.stderr.contains("rayClusterConfig"),
        "{}",
        outcome.stderr
    );
    let second = running(&testbed, "alice-llm", "chat");
    assert_eq!(active_cluster(&second), active_cluster(&first));

    // Another image, or other files, take another cluster. The old one serves
    // until then, and its upload is there as long as it is.
    testbed.sandbox.write("llm/__init__.py", "deployment = 2\n");
    let _ = llm(&testbed, &["-i", "registry/ray:2"])
        .exits(0)
        .says("headGroupSpec.template.spec.containers[ray-head].image: ghcr.io/silogen/rocm-ray:v0.5 → registry/ray:2\n");
    assert_eq!(uploads(&testbed).len(), 2);
    testbed.wait("the new cluster to take over", || {
        let service = testbed.find("RayService", "alice-llm")?;
        assert!(
            has_condition(&service, "Ready"),
            "it serves all the time: {service}"
        );
        (active_cluster(&service) != active_cluster(&first)).then_some(())
    });
    running(&testbed, "alice-llm", "chat");

    testbed.delete("RayService", "alice-llm");
    gone(&testbed);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn gpus_that_cannot_be_told_are_asked_for() {
    let testbed = testbed("asked");
    let path = ["-p", "chat", "-g", "1"];
    let _ = serve(&testbed, &path)
        .exits(3)
        .says("error: the nodes have several kinds of GPUs: amd.com/gpu, nvidia.com/gpu\n")
        .says("--gpu-resource NAME");
    // Labels narrow the nodes down.
    let _ = serve(
        &testbed,
        &[&path[..], &["--node-selector", "nvidia.com/gpu.count=8"]].concat(),
    )
    .exits(0)
    .says("1 × 1 nvidia.com/gpu\n");
    let name = testbed.name.clone();
    let _ = serve(&testbed, &[&path[..], &["--as", &name]].concat())
        .exits(3)
        .says("you may not read its nodes, and no queue shows it\n")
        .says("--gpu-resource amd.com/gpu or --gpu-resource nvidia.com/gpu");
    let _ = serve(
        &testbed,
        &[
            "-i",
            "x",
            "-g",
            "9",
            "--gpus-per-replica",
            "9",
            "--gpu-resource",
            "amd.com/gpu",
        ],
    )
    .exits(0)
    .says("a pod requests 9 amd.com/gpu, and no node it can use has more than 8")
    .says("waits for nodes");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_workspace_is_kept_or_replaced_and_never_changed() {
    let testbed = testbed("kaito");
    super::kaito::install(&testbed);
    let model = |machine: &str, extra: &[&str]| {
        let arguments = ["-m", "phi-4", "--instance-type", machine];
        serve(&testbed, &[&arguments, extra].concat())
    };
    let uid = || {
        let workspace = testbed.find("Workspace", "alice-phi-4").unwrap();
        workspace["metadata"]["uid"].as_str().unwrap().to_owned()
    };
    let (small, large) = ("Standard_NC24ads_A100_v4", "Standard_NC48ads_A100_v4");
    let _ = model(small, &[])
        .exits(0)
        .says("Workspace alice-phi-4: model phi-4 · on Standard_NC24ads_A100_v4\n")
        .says("workspace/alice-phi-4 created\n");
    let first = uid();
    let _ = model(small, &[])
        .exits(0)
        .says("workspace/alice-phi-4 unchanged\n");
    let _ = model(large, &[])
        .exits(5)
        .says("workspace/alice-phi-4 already exists and differs")
        .says("--replace  # deletes it and submits again");
    assert_eq!(uid(), first);
    let _ = model(large, &["--replace"])
        .exits(0)
        .says("workspace/alice-phi-4 replaced\n");
    assert_ne!(uid(), first);
    let workspace = testbed.find("Workspace", "alice-phi-4").unwrap();
    assert_eq!(workspace["resource"]["instanceType"], large);

    // A container of one's own brings its files.
    let _ = serve(
        &testbed,
        &[
            "-p",
            "chat",
            "-i",
            "a/b:1",
            "--kaito",
            "--node-selector=pool=llm",
        ],
    )
    .exits(0)
    .says("workspace/alice-chat created, with 1 upload\n");
    for name in ["alice-phi-4", "alice-chat"] {
        testbed.delete("Workspace", name);
    }
    gone(&testbed);
}
