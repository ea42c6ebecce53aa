//! Bad input: the exit code of its class, one clear error that names the
//! place, and what mends it. Nothing on stdout.

use crate::common::{Outcome, Sandbox};

mod files;

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
    error: nothing to run: no directory or image given
    help: kaiwo submit -p DIR   to run the entrypoint of a directory
    help: kaiwo submit -i IMAGE to run an image
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
    let _ = refused(&sandbox, &[]).says("w/entrypoint does not exist, and without --image");
    let _ = sandbox
        .kaiwo(&["submit", "-p", "w", "-i", "image", "-d"])
        .exits(0);
    let _ = sandbox
        .kaiwo(&["submit", "-i", "image", "--ray", "-d"])
        .exits(3)
        .says("no entrypoint given");
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
fn too_much_to_upload() {
    let sandbox = workload();
    for part in 0..10 {
        sandbox.write(&format!("w/data/{part}.bin"), vec![b'x'; 944_000]);
    }
    let outcome = refused(&sandbox, &[])
        .says("w contains 9.0 MiB in 11 files")
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
    _ = sandbox.kaiwo(&["submit", "-p", "w", "-d"]).exits(0);
    _ = refused(&sandbox, &["--read-only-workdir"])
        .says("w/model.bin cannot be uploaded: 1.9 MiB is more than the limit of a ConfigMap (976 KiB), and --read-only-workdir mounts files without joining their pieces")
        .says("remove --read-only-workdir, if the image has sh, cp and cat")
        .says("exclude them: echo /model.bin >> w/.kaiwoignore");
    std::fs::remove_file(sandbox.path("w/entrypoint")).unwrap();
    for more in [&[][..], &["--", "-x"]] {
        _ = refused(&sandbox, &[&["-i", "image"], more].concat())
            .says("(976 KiB), and no command joins pieces before the image's own program")
            .says("add an entrypoint, or the command to run: -- COMMAND");
    }
    _ = sandbox
        .kaiwo(&["submit", "-p", "w", "-d", "-i", "image", "--", "run"])
        .exits(0);
}

#[cfg(unix)]
#[test]
fn symlinks() {
    use std::os::unix::fs::symlink;

    let sandbox = workload();
    sandbox.write("outside.txt", "secret");
    symlink(sandbox.path("outside.txt"), sandbox.path("w/leak.txt")).unwrap();
    let _ = refused(&sandbox, &[])
        .says("w/leak.txt cannot be uploaded: it is a symlink to a path outside the directory");

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
    let _ = refused(&sandbox, &[]).says("a symlink to a parent directory");

    let sandbox = workload();
    symlink("gone", sandbox.path("w/dangling")).unwrap();
    let _ = refused(&sandbox, &[]).says("a broken symlink");
}

#[test]
fn impossible_gpus() {
    let sandbox = workload();
    let _ =
        refused(&sandbox, &["-g", "25", "--gpus-per-node", "4"]).says("help: try -g 24 or -g 28");
    let _ = refused(&sandbox, &["-g", "-1"])
        .says("invalid number of GPUs -1")
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
    let _ = refused(&sandbox, &["-n", "Team"]).says("--namespace: invalid namespace \"Team\"");
    let _ = refused(&sandbox, &["-q", "a b"]).says("--queue: invalid queue \"a b\"");
    let _ =
        refused(&sandbox, &["-i", "an image"]).says("--image: image \"an image\" cannot be pulled");
    let _ = refused(&sandbox, &["--gpu-resource", "gpu"])
        .says("--gpu-resource: invalid GPU resource \"gpu\"");
    let long = "a".repeat(62);
    let _ = refused(&sandbox, &["-g", "16", "--name", &long])
        .says("host names end with the pod's index");
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
        (&["--label", "a b=c"][..], "--label \"a b\": invalid label"),
        (&["--label", "kueue.x-k8s.io/queue-name=x"], "help: use -q"),
        (&["--annotation", "kaiwo-cli/digest=x"], "invalid key"),
        (&["--service-account", "A"], "invalid service account \"A\""),
        (
            &["--cpus-per-gpu", "0"],
            "invalid --cpus-per-gpu 0: must be more than 0",
        ),
        (
            &["--retries", "-1"],
            "invalid --retries -1: must be between 0 and 2147483647",
        ),
        (&["--memory", "64"], "help: add a unit: --memory 64Gi"),
        (
            &["--cpus", "8", "--cpus-per-gpu", "4"],
            "help: use either --cpus or --cpus-per-gpu",
        ),
        (
            &["--head-cpus", "1"],
            "--head-cpus (from the command line) is for the head of a Ray cluster, but a Job has none",
        ),
        (
            &["--shm", "5Gi"],
            "--shm 5Gi is larger than the memory of the pod, 4Gi, which it is part of",
        ),
        (
            &["--shm", "40Gi", "-g", "1"],
            "help: give it more: --memory-per-gpu 81Gi",
        ),
        (
            &["--max-runtime", "0"],
            "would end the workload before it starts",
        ),
        (
            &["--ray", "--ttl", "1h"],
            "--ttl is not supported for RayJobs",
        ),
        (&["--ray", "--schedule", "@daily"], "can only start Jobs"),
        (&["--schedule", "3 o'clock"], "expected five fields"),
        (
            &["--env", "NOT_SET_HERE"],
            "--env NOT_SET_HERE: the variable is not set",
        ),
        (
            &["--env", "1A=x"],
            "env 1A (from the command line): invalid variable name",
        ),
        (
            &["--secret", "A=b"],
            "expected SECRET/KEY, the name of a Secret",
        ),
        (
            &["--secret", "A=b/c", "--env", "A=x"],
            "the same variable is also set with env",
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
