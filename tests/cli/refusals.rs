//! Bad input: the exit code of its class, one clear error that names the
//! place, and what mends it. Nothing on stdout.

use crate::common::{Outcome, Sandbox};

/// Runs a dry run of the directory `w`, which must be refused with 3.
#[track_caller]
fn refused(sandbox: &Sandbox, extra: &[&str]) -> Outcome {
    let outcome = sandbox
        .kaiwo(&[&["submit", "-p", "w", "-d"], extra].concat())
        .exits(3);
    assert_eq!(outcome.stdout, "");
    assert_eq!(
        outcome.stderr.matches("error:").count(),
        1,
        "{}",
        outcome.stderr
    );
    assert!(
        outcome.stderr.contains("help:"),
        "no help:\n{}",
        outcome.stderr
    );
    outcome
}

fn workload() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("w/entrypoint", "echo\n");
    sandbox
}

#[test]
fn neither_path_nor_image() {
    let outcome = Sandbox::new().kaiwo(&["submit", "-g", "1", "-d"]).exits(3);
    insta::assert_snapshot!(outcome.stderr, @r"
    error: nothing to run: neither a directory nor an image is given
    help: kaiwo submit -p DIR   runs the entrypoint of a directory
    help: kaiwo submit -i IMAGE runs an image
    ");
}

#[test]
fn a_directory_that_is_none() {
    let outcome = Sandbox::new()
        .kaiwo(&["submit", "-p", "missing", "-d"])
        .exits(3);
    let _ = outcome
        .says("error: cannot read missing\n  because No such file or directory")
        .says("help: ");
    let sandbox = Sandbox::new();
    sandbox.write("w", "a file");
    let _ = refused(&sandbox, &[]).says("w is not a directory");
}

#[test]
fn no_entrypoint() {
    let sandbox = Sandbox::new();
    sandbox.write("w/train.py", "pass\n");
    let _ =
        refused(&sandbox, &["--ray"]).says("w/entrypoint does not exist, and a RayJob needs one");
    let _ = refused(&sandbox, &[])
        .says("w/entrypoint does not exist, and without an image of your own");
    let _ = sandbox
        .kaiwo(&["submit", "-p", "w", "-i", "image", "-d"])
        .exits(0);
    let _ = sandbox
        .kaiwo(&["submit", "-i", "image", "--ray", "-d"])
        .exits(3)
        .says("no entrypoint is given");
}

#[test]
fn an_entrypoint_that_cannot_run() {
    let sandbox = Sandbox::new();
    sandbox.write("w/entrypoint", "\n");
    let _ = refused(&sandbox, &[]).says("w/entrypoint:1: the entrypoint is empty");
    sandbox.write("w/entrypoint", "#!/bin/sh\r\necho\r\n");
    let _ = refused(&sandbox, &[])
        .says("w/entrypoint:1:")
        .says("sed -i");
}

#[test]
fn mistakes_in_env() {
    for (text, place, says) in [
        (
            "envVars:\n  - name: A\n    value: 1\n  - name: A\n    value: 2\n",
            "w/env:4",
            "A is set a second time",
        ),
        (
            "envVars:\n  - name: A\n    valeu: 1\n",
            "w/env:3",
            "did you mean `value`?",
        ),
        (
            "envVars:\n  - name: \"A B\"\n    value: 1\n",
            "w/env:2",
            "cannot name a variable",
        ),
        ("envVars:\n  - name: A\n  value: 1\n", "w/env:3", ""),
        ("envVars: {\n", "w/env:", ""),
        ("just text\n", "w/env:1", ""),
    ] {
        let sandbox = workload();
        sandbox.write("w/env", text);
        let outcome = sandbox
            .kaiwo(&["submit", "-p", "w", "-d"])
            .exits(3)
            .says(place)
            .says(says);
        assert_eq!(outcome.stdout, "");
    }
}

#[test]
fn mistakes_in_kaiwoconfig() {
    for (text, place, says) in [
        (
            "gpus: 8\nqueu: x\n",
            "w/kaiwoconfig:2",
            "did you mean `queue`?",
        ),
        ("gpus: 8\ngpus: 9\n", "w/kaiwoconfig:2", "stands twice"),
        ("gpus: many\n", "w/kaiwoconfig:1", ""),
        ("gpus: [\n", "w/kaiwoconfig:", ""),
        ("dryRun: perhaps\n", "w/kaiwoconfig:1", ""),
        ("path: other\n", "w/kaiwoconfig:1", "given with -p"),
    ] {
        let sandbox = workload();
        sandbox.write("w/kaiwoconfig", text);
        let outcome = sandbox
            .kaiwo(&["submit", "-p", "w", "-d"])
            .exits(3)
            .says(place)
            .says(says);
        assert_eq!(outcome.stdout, "");
    }
    let sandbox = Sandbox::new().set("KAIWO_GPUS", "many");
    let _ = sandbox
        .kaiwo(&["submit", "-i", "image", "-d"])
        .exits(3)
        .says("KAIWO_GPUS: expected a whole number")
        .says("unset KAIWO_GPUS");
}

#[test]
fn too_much_to_upload() {
    let sandbox = workload();
    for part in 0..10 {
        sandbox.write(&format!("w/data/{part}.bin"), vec![b'x'; 944_000]);
    }
    let outcome = refused(&sandbox, &[])
        .says("w holds 9.0 MiB in 11 files")
        .says("largest: data/0.bin (921 KiB)");
    assert!(
        outcome.stderr.contains("--upload-limit"),
        "{}",
        outcome.stderr
    );
    let _ = sandbox
        .kaiwo(&["submit", "-p", "w", "-d", "--upload-limit", "10Mi"])
        .exits(0);

    let sandbox = workload();
    for part in 0..1_500 {
        sandbox.write(&format!("w/{part}.txt"), "x");
    }
    let _ = refused(&sandbox, &[])
        .says("in 1501 files")
        .says("1000 files");

    let sandbox = workload();
    sandbox.write("w/model.bin", vec![0; 2_000_000]);
    let _ = refused(&sandbox, &[])
        .says("w/model.bin cannot be uploaded: 1.9 MiB is more than one ConfigMap holds");
}

#[cfg(unix)]
#[test]
fn symlinks() {
    use std::os::unix::fs::symlink;

    let sandbox = workload();
    sandbox.write("outside.txt", "secret");
    symlink(sandbox.path("outside.txt"), sandbox.path("w/leak.txt")).unwrap();
    let _ = refused(&sandbox, &[])
        .says("w/leak.txt cannot be uploaded: it is a symlink out of the directory");

    let sandbox = workload();
    sandbox.write("w/shared/data.txt", "inside");
    symlink("shared", sandbox.path("w/alias")).unwrap();
    let outcome = sandbox.kaiwo(&["submit", "-p", "w", "-d"]).exits(0);
    assert!(
        outcome.stdout.contains("path: alias/data.txt"),
        "{}",
        outcome.stdout
    );

    symlink("..", sandbox.path("w/shared/up")).unwrap();
    let _ = refused(&sandbox, &[]).says("a symlink to a directory around it");

    let sandbox = workload();
    symlink("gone", sandbox.path("w/dangling")).unwrap();
    let _ = refused(&sandbox, &[]).says("a symlink to nothing");
}

#[test]
fn impossible_gpus() {
    let sandbox = workload();
    let _ =
        refused(&sandbox, &["-g", "25", "--gpus-per-node", "4"]).says("help: try -g 24 or -g 28");
    let _ = refused(&sandbox, &["-g", "-1"])
        .says("-1 GPUs cannot be")
        .says("help: try 0 or 1");
    let _ = refused(&sandbox, &["-g", "16", "--replicas", "3"]).says("help: try -g 15 or -g 18");
    let _ = refused(
        &sandbox,
        &["-g", "16", "--replicas", "2", "--gpus-per-replica", "4"],
    )
    .says("2 × 4 = 8");
    let _ = refused(&sandbox, &["--gpus-per-replica", "16"]).says("do not fit on a node of 8");
}

#[test]
fn words_that_kubernetes_refuses() {
    let sandbox = workload();
    let _ = refused(&sandbox, &["--name", "Run_7"]).says("help: try --name run-7");
    let _ = refused(&sandbox, &["-n", "Team"]).says("namespace \"Team\" (from the command line)");
    let _ = refused(&sandbox, &["-q", "a b"]).says("queue \"a b\"");
    let _ = refused(&sandbox, &["-i", "an image"]).says("image \"an image\"");
    let _ = refused(&sandbox, &["--gpu-resource", "gpu"]).says("GPU resource \"gpu\"");
    let long = "a".repeat(62);
    let _ =
        refused(&sandbox, &["-g", "16", "--name", &long]).says("host names end in the pod's index");
}

#[test]
fn no_cluster() {
    let sandbox = workload();
    let outcome = sandbox.kaiwo(&["submit", "-p", "w"]).exits(3);
    let outcome = outcome
        .says("no usable kubeconfig: /nonexistent/kubeconfig does not exist")
        .says("--dry-run");
    assert_eq!(outcome.stdout, "");

    // A port where nothing listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let config = format!(
        "{{apiVersion: v1, kind: Config, current-context: c, \
         clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:{port}'}}}}], \
         contexts: [{{name: c, context: {{cluster: c, user: u}}}}], users: [{{name: u, user: {{token: t}}}}]}}"
    );
    let file = sandbox.write("config", config);
    let outcome = sandbox
        .kaiwo(&["submit", "-p", "w", "--kubeconfig", file.to_str().unwrap()])
        .exits(7);
    let outcome = outcome.says(&format!(
        "cannot reach the cluster at https://127.0.0.1:{port}"
    ));
    assert!(outcome.stderr.contains("refused"), "{}", outcome.stderr);
    let arguments = [
        "submit",
        "-p",
        "w",
        "--kubeconfig",
        file.to_str().unwrap(),
        "--context",
        "other",
    ];
    let _ = sandbox
        .kaiwo(&arguments)
        .exits(3)
        .says("it has no context \"other\"; it has: c");
}

#[test]
fn errors_as_json() {
    let outcome = workload()
        .kaiwo(&[
            "submit",
            "-p",
            "w",
            "-g",
            "25",
            "--gpus-per-node=4",
            "-d",
            "-o",
            "json",
        ])
        .exits(3);
    let error: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(error["apiVersion"], "kaiwo/v1");
    assert_eq!(error["kind"], "Error");
    assert_eq!(
        (error["code"].as_i64(), error["class"].as_str()),
        (Some(3), Some("refused"))
    );
    assert_eq!(error["hint"], "try -g 24 or -g 28");
    assert!(outcome.stderr.starts_with("error: "), "{}", outcome.stderr);
}

#[test]
fn pod_settings_that_cannot_be() {
    let sandbox = workload();
    for (flags, says) in [
        (&["--label", "a b=c"][..], "--label \"a b\": not a label"),
        (&["--label", "kueue.x-k8s.io/queue-name=x"], "help: use -q"),
        (
            &["--annotation", "kaiwo-cli/digest=x"],
            "not a key you can use",
        ),
        (&["--service-account", "A"], "cannot name a ServiceAccount"),
        (
            &["--cpus-per-gpu", "0"],
            "--cpus-per-gpu 0: a pod needs some",
        ),
        (&["--retries", "-1"], "--retries -1 cannot be counted"),
        (
            &["--max-runtime", "0"],
            "would end the workload before it starts",
        ),
        (&["--ray", "--ttl", "1h"], "--ttl cannot delete a RayJob"),
        (
            &["--ray", "--schedule", "@daily"],
            "only Jobs are started by a schedule",
        ),
        (&["--schedule", "3 o'clock"], "this is not a schedule"),
        (
            &["--env", "NOT_SET_HERE"],
            "--env NOT_SET_HERE: no such variable is set here",
        ),
        (
            &["--env", "1A=x"],
            "env 1A (from the command line): this cannot name a variable",
        ),
        (&["--secret", "A=b"], "not SECRET/KEY, the name of a Secret"),
        (
            &["--secret", "A=b/c", "--env", "A=x"],
            "the same variable is given as env, too",
        ),
        (
            &["--volume", "a:/x", "--volume", "b:/x"],
            "claim b cannot be mounted at /x: claim a is at /x",
        ),
    ] {
        let _ = refused(&sandbox, flags).says(says);
    }
    for flags in [
        &["--volume", "data"][..],
        &["--volume", "a:/workload"],
        &["--storage", "big"],
        &["--toleration", "a b"],
        &["--label", "team"],
        &["--ttl", "soon"],
        &["--image-pull-secret", "A_B"],
    ] {
        let _ = sandbox
            .kaiwo(&[&["submit", "-p", "w", "-d"], flags].concat())
            .exits(2);
    }
}

#[test]
fn a_secret_in_the_open_is_pointed_out() {
    let sandbox = workload();
    for (name, warned) in [
        ("HF_TOKEN", true),
        ("WANDB_API_KEY", true),
        ("PASSWORD", true),
        ("TOKENIZERS_PARALLELISM", false),
        ("BASETOKEN", false),
        ("KEY", false),
    ] {
        let flag = format!("{name}=value-of-it");
        let outcome = sandbox
            .kaiwo(&["submit", "-p", "w", "-d", "--env", &flag])
            .exits(0);
        let said = outcome.stderr.contains("looks like a secret");
        assert_eq!(said, warned, "{name}");
        assert!(!outcome.stderr.contains("value-of-it"));
        assert_eq!(
            said,
            outcome
                .stderr
                .contains(&format!("--secret {name}=SECRET/KEY"))
        );
    }
}

#[test]
fn what_a_variable_holds_of_secrets_is_not_told() {
    for (name, value) in [
        ("KAIWO_ENV", "A=1,hf_s3cret"),
        ("KAIWO_ENV", "{HF_TOKEN: [hf_s3cret]}"),
        ("KAIWO_SET", "hf_s3cret"),
    ] {
        let outcome = Sandbox::new()
            .set(name, value)
            .kaiwo(&["submit", "-i", "x", "-d", "-o", "json"])
            .exits(3)
            .says(&format!("error: {name}: "));
        for text in [&outcome.stdout, &outcome.stderr] {
            assert!(!text.contains("s3cret"), "{text}");
        }
    }
}
