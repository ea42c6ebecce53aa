//! Pods that fail, and the services and Ray clusters they are of.

use serde_json::json;

use super::{BOTH, Scene, WITH_PODS, Who, job};
use crate::testbed::cluster::{Flavor, Testbed, condition};
use crate::testbed::{kaito, lacks};

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
                "requires a login",
                "create secret docker-registry",
                "--image-pull-secret",
            ],
        ),
        (
            "secret",
            "testbed/config-error",
            &[],
            "configurationMissing",
            &["Secret token does not exist", "create secret generic token"],
        ),
        (
            "key",
            "testbed/config-error",
            &["--secret", "HF_TOKEN=hub/token", "--force"],
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
                "keeps exiting with exit code 1",
                "restarted 5 times",
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
            &["1 of 1 pods are running but not ready"],
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
    let pod = &mut with_init["spec"]["template"]["spec"];
    pod["nodeSelector"] = json!({"kaiwo.dev/why": testbed.name});
    pod["tolerations"] = json!([testbed.own_taint()]);
    pod["initContainers"] = json!([{"name": "fetch", "image": "testbed/init-fails"}]);
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
            "--force",
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
        &["restarted 4 times"],
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

    if lacks("pod-addresses") {
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

/// A pod that runs, has ended and waits in turn, ten times: the answers of all
/// commands stay the same, but for how often it was started again.
#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_crash_loop_has_one_answer_at_every_moment() {
    let testbed = Testbed::with_namespace("why-turns");
    testbed.create(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "srv"},
        "spec": {
            "selector": {"matchLabels": {"app": "srv"}},
            "template": {"metadata": {"labels": {"app": "srv"}}, "spec": {
                "containers": [{"name": "c", "image": "testbed/crash-turns", "readinessProbe": {"tcpSocket": {"port": 80}}}],
            }},
        },
    }));
    let turns = || {
        let pods = testbed.list("Pod");
        let status = pods
            .first()
            .map(|pod| pod["status"]["containerStatuses"][0].clone());
        status
            .and_then(|status| status["restartCount"].as_i64())
            .unwrap_or_default()
    };
    let ask = |arguments: &[&str]| -> serde_json::Value {
        let common = ["-n", &testbed.name, "-o", "json"];
        let outcome = testbed
            .sandbox
            .kaiwo(&[arguments, &common].concat())
            .exits(0);
        serde_json::from_str(&outcome.stdout).unwrap()
    };
    testbed.wait("the first crash", || (turns() > 0).then_some(()));
    let (mut told, mut states) = (Vec::new(), std::collections::BTreeSet::new());
    testbed.wait("ten turns", || {
        let why = ask(&["why", "srv"]);
        let status = ask(&["status", "srv"]);
        let listed = ask(&["list", "--any"]);
        states.insert(status["pods"][0]["state"].to_string());
        let plain = |stands: &serde_json::Value| {
            let reason = stands["reason"].as_str().unwrap();
            kaiwo::observe::trouble::without_restarts(reason)
        };
        told.push((
            why["findings"][0]["summary"].clone(),
            plain(&status),
            plain(&listed["items"][0]),
        ));
        (turns() > 10).then_some(())
    });
    told.dedup();
    let [(summary, status, listed)] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(summary, "container c keeps exiting with exit code 5");
    assert!(status.starts_with("exit code 5 in pod srv-"), "{status}");
    assert_eq!(status, listed);
    assert!(states.len() > 1, "{states:?}");
}

/// As users meet it: what refuses the pods is in all four, and ends a wait.
#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn pods_that_a_quota_refuses_are_told_by_all() {
    let scene = Scene::with_nodes("why-refused", 16, &[("a", 16)]);
    let testbed = &scene.testbed;
    testbed.create(json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "team"},
        "spec": {"hard": {"pods": "1"}},
    }));
    scene.submit(
        "pair",
        &["-i", "testbed/forever", "-g", "2", "--replicas", "2"],
    );
    let told = testbed.wait("the reason in the list", || {
        let list = ["list", "-n", &testbed.name, "-o", "json"];
        let listed = testbed.sandbox.kaiwo(&list).exits(0);
        let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
        let reason = listed["items"][0]["reason"].as_str()?.to_owned();
        reason
            .starts_with("pods are rejected: exceeded quota: team")
            .then_some(reason)
    });
    let status = ["status", "pair", "-n", &testbed.name];
    let status = testbed.sandbox.kaiwo(&status).exits(0);
    assert!(status.stdout.contains(&told), "{}", status.stdout);
    let why = ["why", "pair", "-n", &testbed.name];
    let why = testbed.sandbox.kaiwo(&why).exits(0);
    assert!(
        why.stdout.contains("The API server rejects its pods"),
        "{}",
        why.stdout
    );
    let wait = ["wait", "pair", "-n", &testbed.name];
    let _ = testbed.sandbox.kaiwo(&wait).exits(1).says(&told);
}
