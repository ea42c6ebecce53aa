//! What people reported of their first weeks with a cluster, and what is right here:
//! names that somebody else has, flags that do nothing, plans and numbers that are
//! believed.

use serde_json::{Value, json};

use super::server::{Answer, MockApi, list};
use super::trouble::is;
use crate::common::{Outcome, Sandbox, checkout};

fn hints(outcome: &Outcome) -> Vec<&str> {
    let lines = outcome.stderr.lines();
    lines
        .filter_map(|line| line.strip_prefix("help: "))
        .collect()
}

#[test]
fn a_name_that_somebody_else_has_is_not_taken_from_them() {
    let object = |user: &str| {
        json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {
                "name": "train", "namespace": "kaiwo", "uid": "u",
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "labels": {"app.kubernetes.io/managed-by": "kaiwo", "kaiwo-cli/username": user},
                "annotations": {"kaiwo-cli/digest": "other"},
            },
            "spec": {}, "status": {"active": 1},
        })
    };
    for (user, is_theirs) in [("bob", true), ("alice", false)] {
        let object = object(user);
        let api = MockApi::new(move |request| {
            is(request, "GET", "/jobs/train").then(|| Answer::Json(200, object.clone()))
        });
        for command in [&["-g", "8"][..], &["-g", "8", "--env", "A=1"]] {
            let arguments = [&["--name", "train"], command].concat();
            let refused = api.submit(&arguments).exits(5);
            let hints = hints(&refused);
            let at = |flag: &str| {
                let found = hints.iter().position(|hint| hint.contains(flag));
                found.unwrap_or_else(|| panic!("{flag} {refused:?}"))
            };
            let last = at("--replace");
            assert_eq!(last > at("--generate-name"), is_theirs, "{refused:?}");
            assert_eq!(last == hints.len() - 1, is_theirs, "{refused:?}");
            let whose = "note: it has belonged to bob since 2026-01-01T00:00:00Z";
            assert_eq!(refused.stderr.contains(whose), is_theirs, "{refused:?}");
        }
        assert_eq!(api.writes(), [] as [&str; 0]);
    }
}

#[test]
fn flags_that_count_for_nothing_and_variables_of_no_one_are_remarked() {
    let run = |sandbox: Sandbox, arguments: &[&str]| {
        let common = ["submit", "-i", "registry/x", "-d"];
        sandbox.kaiwo(&[&common, arguments].concat()).exits(0)
    };
    for flags in [&["--cpus-per-gpu", "32"][..], &["--memory-per-gpu", "64Gi"]] {
        let said = format!("{} has no effect without GPUs", flags[0]);
        let _ = run(Sandbox::new(), flags).says(&said);
        let _ = run(Sandbox::new(), &[flags, &["-g", "1"]].concat())
            .never_says("has no effect without");
    }
    for (typed, meant) in [
        ("KAIWO_GPU", Some("KAIWO_GPUS")),
        ("KAIWO_QEUE", Some("KAIWO_QUEUE")),
        ("KAIWO_NAMESPCE", Some("KAIWO_NAMESPACE")),
        // A Service called kaiwo has these.
        ("KAIWO_SERVICE_HOST", None),
        ("KAIWO_PORT_80_TCP_ADDR", None),
    ] {
        let outcome = run(Sandbox::new().set(typed, "8"), &[]);
        match meant {
            Some(meant) => {
                let _ = outcome.says(&format!(
                    "{typed} is not a variable of kaiwo: did you mean {meant}?"
                ));
            }
            None => drop(outcome.never_says("is not a variable")),
        }
    }
}

/// The plan tells what was rendered, whatever template it was.
#[test]
fn the_plan_is_that_of_the_manifest() {
    for name in [
        "kaito-cpu",
        "kaito-hf-private",
        "kaito-azure-volume",
        "kaito-azure-blob",
        "kaito-azureml",
    ] {
        let directory = checkout(&format!("workloads/{name}"));
        let outcome = Sandbox::new()
            .kaiwo(&[
                "serve",
                "--kaito",
                "-p",
                directory.to_str().unwrap(),
                "--instance-type",
                "Standard_D16s_v5",
                "-d",
            ])
            .exits(0);
        let workspace = outcome.document("Workspace");
        let container = &workspace["inference"]["template"]["spec"]["containers"][0];
        let requests = &container["resources"]["requests"];
        let text = |resource: &str| match &requests[resource] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let said = format!("no GPUs, {} CPU and {}", text("cpu"), text("memory"));
        let _ = outcome.says(&said);
    }
    let sandbox = Sandbox::new();
    let template = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: {{ Meta.Name }}}\nspec:\n  parallelism: 3\n  completions: 3\n  template:\n    spec:\n      restartPolicy: Never\n      containers:\n      - name: a\n        image: registry/x\n        resources: {limits: {LIMITS}}\n";
    for (limits, said) in [
        ("amd.com/gpu: 4, cpu: 8", "12 GPUs = 3 × 4 amd.com/gpu"),
        ("cpu: 6, memory: 10Gi", "no GPUs, 3 pods of 6 CPU and 10Gi"),
        ("memory: 10Gi", "no GPUs, 3 pods of 10Gi"),
    ] {
        sandbox.write("t", template.replace("LIMITS", limits));
        let _ = sandbox
            .kaiwo(&["submit", "-i", "registry/x", "-t", "t", "-d"])
            .exits(0)
            .says(said);
    }
}

/// Only what was seen to be there is printed as a path.
#[test]
fn an_endpoint_is_asked_for_what_it_has() {
    for (probe, path) in [
        (
            json!({"httpGet": {"path": "/health", "port": "http"}}),
            "health",
        ),
        (json!({"httpGet": {"path": "/", "port": "http"}}), ""),
        (json!({"tcpSocket": {"port": "http"}}), ""),
        (Value::Null, ""),
    ] {
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {
                "name": "web", "namespace": "kaiwo", "uid": "u",
                "labels": {"app.kubernetes.io/managed-by": "kaiwo"},
            },
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": {
                "spec": {"containers": [{"name": "main", "image": "registry/x", "readinessProbe": probe}]},
            }},
        });
        let service = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "web", "namespace": "kaiwo"},
            "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
        });
        let api = MockApi::new(move |request| {
            Some(Answer::Json(
                200,
                match request.path.as_str() {
                    path if path.ends_with("/deployments/web") => deployment.clone(),
                    path if path.ends_with("/services/web") => service.clone(),
                    path if path.ends_with("/pods") || path.ends_with("/ingresses") => list(&[]),
                    path if path.ends_with("/services") => list(std::slice::from_ref(&service)),
                    _ => return None,
                },
            ))
        });
        let outcome = api.sandbox.kaiwo(&["endpoint", "deployment/web"]).exits(0);
        let curl = outcome.stdout.lines().find(|line| line.contains("curl"));
        let curl = curl.unwrap_or_else(|| panic!("{outcome:?}"));
        assert!(curl.ends_with(&format!("/{path}")), "{curl}");
        assert!(!outcome.stdout.contains("v1/models"), "{outcome:?}");
    }
}

/// What was admitted a moment ago counts before the queue tells of it.
#[test]
fn what_is_held_is_what_workloads_hold() {
    let workload = |queue: &str, gpus: &str| {
        json!({"metadata": {"name": "w", "namespace": "kaiwo"}, "spec": {"queueName": "kaiwo"}, "status": {
            "conditions": [{"type": "QuotaReserved", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
            "admission": {"clusterQueue": queue, "podSetAssignments": [{
                "name": "main", "count": 1, "flavors": {"amd.com/gpu": "mi300x"},
                "resourceUsage": {"amd.com/gpu": gpus},
            }]},
        }})
    };
    for (held, free, word) in [
        (vec![], "32 of 32 free", "starts now"),
        (
            vec![workload("kaiwo", "17")],
            "15 of 32 free",
            "needs 1 more",
        ),
        (vec![workload("other", "17")], "32 of 32 free", "starts now"),
    ] {
        let api = MockApi::new(move |request| {
            is(request, "GET", "/workloads").then(|| Answer::Json(200, list(&held)))
        });
        let _ = api.submit(&["-g", "16"]).exits(0).says(free).says(word);
    }
    // Who may not see them is told by the queue.
    let api = MockApi::new(|request| {
        is(request, "GET", "/workloads").then_some(Answer::Refuse(403, "no"))
    });
    let _ = api.submit(&["-g", "16"]).exits(0).says("32 of 32 free");
}
