//! `kaiwo serve` without a cluster: what it refuses, and how it says so.

use serde_json::{Map, Value, json};

use crate::common::{Outcome, Sandbox};

mod refused;

/// Returns a home with a directory of each kind.
fn home() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("chat/entrypoint", "#!/bin/sh\nexec python server.py\n");
    sandbox.write("llm/__init__.py", "deployment = 1\n");
    sandbox.write(
        "llm/serveconfig",
        "applications:\n- name: llm\n  import_path: app:deployment\n",
    );
    sandbox
}

/// Runs a dry run that has to be refused before anything is made.
#[track_caller]
fn refused(sandbox: &Sandbox, arguments: &[&str]) -> Outcome {
    let outcome = sandbox
        .kaiwo(&[&["serve", "-d"], arguments].concat())
        .exits(3);
    assert_eq!(outcome.stdout, "", "{arguments:?}");
    for (word, least, most) in [("error:", 1, 1), ("help:", 1, 4)] {
        let count = outcome.stderr.matches(word).count();
        assert!(
            (least..=most).contains(&count),
            "{arguments:?}: {count} times {word}\n{}",
            outcome.stderr
        );
    }
    outcome
}

#[test]
fn serveconfigs_that_are_none() {
    for (text, says) in [
        ("applications: [\n", "llm/serveconfig:"),
        (
            "- name: llm\n",
            "llm/serveconfig: the Ray Serve configuration is not a mapping",
        ),
        ("just words\n", "not a mapping"),
        ("", "not a mapping"),
        ("a: 1\na: 2\n", "llm/serveconfig:2"),
        ("a: 1\n---\nb: 2\n", "not a mapping"),
        (
            "applications:\n- name: llm\n  import_pth: app:deployment\n",
            "llm/serveconfig:3: Ray Serve has no key `import_pth` here\nhelp: did you mean `import_path`?\nhelp: --force submits it",
        ),
        (
            "applications:\n- name: llm\n  import_path: app.sever:deployment\n",
            "llm/serveconfig:3: import_path \"app.sever:deployment\": the directory has no sever.py",
        ),
    ] {
        let sandbox = home();
        sandbox.write("llm/serveconfig", text);
        let _ = refused(&sandbox, &["-p", "llm", "--ray"]).says(says);
    }
    let sandbox = home();
    sandbox.write("llm/serveconfig", [0xff, 0xfe]);
    let _ = refused(&sandbox, &["-p", "llm", "--ray"]).says("llm/serveconfig");
}

#[test]
fn words_that_are_no_numbers_are_the_command_lines_fault() {
    for arguments in [
        &["-p", "chat", "--port", "http"][..],
        &["-p", "chat", "--kaito=maybe"],
        &["-p", "chat", "--retries", "1"],
        &["-p", "chat", "--schedule", "0 3 * * *"],
        &["-p", "chat", "--autoscale", "5-1"],
        &["-p", "chat", "--target-metric", "queue"],
        &["-p", "chat", "--ingress", "https://chat.example.org/"],
        &["-p", "chat", "--min-available", "0"],
        &["-p", "chat", "--preload", "org/model:/models"],
        &["-p", "chat", "--preload", "hf://org/model"],
    ] {
        let outcome = home()
            .kaiwo(&[&["serve", "-d"], arguments].concat())
            .exits(2);
        assert_eq!(outcome.stdout, "");
        assert_eq!(
            outcome.stderr.matches("error:").count(),
            1,
            "{}",
            outcome.stderr
        );
    }
}

/// A Deployment's name is that of its Service, a RayService's begins the
/// names of KubeRay's objects, a Workspace's those of KAITO's.
#[test]
fn names_are_as_long_as_their_kind_allows() {
    let sandbox = home();
    let deployment = ["-p", "chat"];
    let ray = ["-p", "llm", "--ray"];
    let workspace = ["-m", "phi-4", "--instance-type", "Standard_NC24ads_A100_v4"];
    for (kind, arguments, most) in [
        ("Deployment", &deployment[..], 63),
        ("RayService", &ray, 47),
        ("Workspace", &workspace, 52),
    ] {
        let name = |length| "n".repeat(length);
        let (fits, too_long) = (name(most), name(most + 1));
        let outcome = sandbox
            .kaiwo(&[&["serve", "-d", "--name", &fits], arguments].concat())
            .exits(0);
        assert_eq!(outcome.document(kind)["metadata"]["name"], json!(fits));
        let _ = refused(&sandbox, &[&["--name", &too_long], arguments].concat())
            .says(&most.to_string());
        let _ = refused(&sandbox, &[&["--name", "1st"], arguments].concat());
    }
}

#[test]
fn a_service_has_the_queue_of_its_directory_or_its_command_only() {
    let queue = |sandbox: &Sandbox, arguments: &[&str]| {
        let outcome = sandbox
            .kaiwo(&[&["serve", "-p", "chat", "-d"], arguments].concat())
            .exits(0);
        outcome.document("Deployment")["metadata"]["labels"]["kueue.x-k8s.io/queue-name"].clone()
    };
    let sandbox = home().set("KAIWO_QUEUE", "of-jobs");
    sandbox.write(".config/kaiwo/config.yaml", "queue: of-jobs\n");
    assert_eq!(queue(&sandbox, &[]), json!(null));
    assert_eq!(queue(&sandbox, &["-q", "typed"]), "typed");
    let sandbox = home();
    sandbox.write(".config/kaiwo/config.yaml", "queue: of-jobs\n");
    sandbox.write("chat/kaiwoconfig", "queue: of-the-directory\n");
    assert_eq!(queue(&sandbox, &[]), "of-the-directory");
    assert_eq!(queue(&sandbox, &["-q", "typed"]), "typed");
    let sandbox = sandbox.set("KAIWO_QUEUE", "of-jobs");
    assert_eq!(queue(&sandbox, &[]), "of-the-directory");
}

/// What stands in a user's own file is meant for the services that can have it.
#[test]
fn the_users_file_speaks_of_deployments_only() {
    let sandbox = home();
    sandbox.write(
        ".config/kaiwo/config.yaml",
        "ingress: chat.example.org\nminAvailable: 50%\npublic: true\n",
    );
    let serve = |arguments: &[&str]| sandbox.kaiwo(&[&["serve", "-d"], arguments].concat());
    let documents = serve(&["-p", "chat", "--port=80", "--replicas=2"])
        .exits(0)
        .documents();
    let kinds: Vec<&str> = documents
        .iter()
        .filter_map(|d| d["kind"].as_str())
        .collect();
    assert_eq!(
        kinds,
        [
            "ConfigMap",
            "Service",
            "Ingress",
            "PodDisruptionBudget",
            "Deployment"
        ]
    );
    let ray = serve(&["-p", "llm", "--ray"]).exits(0);
    assert!(!ray.stdout.contains("Ingress"), "{}", ray.stdout);
}

#[test]
fn a_budget_that_lets_no_pod_go_is_pointed_out() {
    let sandbox = home();
    let serve = |budget: &str| {
        let words = [
            "serve",
            "-p",
            "chat",
            "-d",
            "--replicas=2",
            "--min-available",
        ];
        sandbox.kaiwo(&[&words[..], &[budget]].concat()).exits(0)
    };
    let _ = serve("2").says("warning: --min-available 2 of 2 prevents all evictions");
    assert!(!serve("1").stderr.contains("warning"));
}

#[test]
fn what_scales_says_between_which_numbers() {
    let sandbox = home();
    for (arguments, says) in [
        (
            &["-g", "3"][..],
            ": up to 3 GPUs = 3 × 1 amd.com/gpu · 2 to 3 pods\n",
        ),
        (&[], ": no GPUs, pods of 1 CPU and 4Gi · 2 to 3 pods\n"),
    ] {
        let common = [
            "serve",
            "-d",
            "-p",
            "chat",
            "-i",
            "x",
            "--autoscale=2-3",
            "--target-cpu=70",
        ];
        let _ = sandbox
            .kaiwo(&[&common, arguments].concat())
            .exits(0)
            .says(says);
    }
}

/// Whoever trains and serves from one directory has a Job and a Deployment of
/// one name. What is asked of the Deployment must not reach the Job's pods.
#[test]
fn selectors_of_a_deployment_pass_by_a_job_of_its_name() {
    let sandbox = home();
    let objects = |command: &str, flags: &[&str]| {
        let common = [
            command,
            "-p",
            "chat",
            "--name",
            "both",
            "-d",
            "-o",
            "json",
            "--show-manifests",
        ];
        let outcome = sandbox.kaiwo(&[&common, flags].concat()).exits(0);
        let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
        report["manifests"].as_array().unwrap().clone()
    };
    let found = |objects: &[Value], kind: &str, place: &str| {
        let object = objects.iter().find(|object| object["kind"] == kind);
        let labels = object.and_then(|object| object.pointer(place));
        labels.unwrap().as_object().unwrap().clone()
    };
    let pods = "/spec/template/metadata/labels";
    let of_job = found(&objects("submit", &[]), "Job", pods);
    let served = objects("serve", &["--port", "8000", "--min-available", "50%"]);
    let of_deployment = found(&served, "Deployment", pods);
    for (kind, place) in [
        ("Service", "/spec/selector"),
        ("PodDisruptionBudget", "/spec/selector/matchLabels"),
        ("Deployment", "/spec/selector/matchLabels"),
    ] {
        let selector = found(&served, kind, place);
        let selects = |labels: &Map<String, Value>| {
            let mut all = selector.iter();
            all.all(|(key, value)| labels.get(key) == Some(value))
        };
        assert!(selects(&of_deployment), "{kind}");
        assert!(!selects(&of_job), "{kind}");
    }
}
