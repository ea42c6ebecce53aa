//! `submit --dry-run`: manifests on stdout, without any connection.

use crate::common::{Sandbox, checkout};

#[test]
fn stdout_is_yaml_and_nothing_else() {
    let sandbox = Sandbox::new();
    sandbox.write("w/entrypoint", "echo\n");
    let outcome = sandbox
        .kaiwo(&["submit", "-p", "w", "-g", "16", "--ray", "--dry-run"])
        .exits(0);
    let kinds: Vec<_> = outcome
        .documents()
        .iter()
        .map(|d| d["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["LocalQueue", "ConfigMap", "RayJob"]);
    assert_eq!(
        outcome.stderr,
        "→ dry run without a cluster, namespace kaiwo, queue kaiwo\n  \
         RayJob alice-w: 16 GPUs = 2 × 8 amd.com/gpu\n  \
         assumed: amd.com/gpu (--gpu-resource), nodes of 8 GPUs (--gpus-per-node)\n"
    );
}

#[test]
fn quiet_leaves_stdout_alone() {
    let sandbox = Sandbox::new();
    let outcome = sandbox
        .kaiwo(&["submit", "-i", "image", "-g", "1", "-d", "--quiet"])
        .exits(0);
    assert_eq!(outcome.stderr, "");
    assert!(outcome.stdout.starts_with("apiVersion: "));
}

#[test]
fn names_and_json() {
    let sandbox = Sandbox::new();
    let names = sandbox
        .kaiwo(&["submit", "-i", "image", "-g", "16", "-d", "-o", "name"])
        .exits(0);
    assert_eq!(names.stdout, "job.batch/alice-image\n");
    let json = sandbox
        .kaiwo(&["submit", "-i", "image", "-g", "16", "-d", "-o", "json"])
        .exits(0);
    let report: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(report["apiVersion"], "kaiwo/v1");
    assert_eq!(report["kind"], "SubmitReport");
    assert_eq!(report["outcome"], "dryRun");
    assert_eq!(
        report["gpus"],
        serde_json::json!({"total": 16, "replicas": 2, "perReplica": 8, "resource": "amd.com/gpu"})
    );
    assert_eq!(report["objects"].as_array().unwrap().len(), 3);
}

#[test]
fn assumptions_give_way_to_what_is_said() {
    let sandbox = Sandbox::new();
    let arguments = [
        "submit",
        "-i",
        "image",
        "-g",
        "8",
        "-d",
        "--gpus-per-node=4",
        "--gpu-resource=nvidia.com/gpu",
    ];
    let outcome = sandbox.kaiwo(&arguments).exits(0);
    assert!(!outcome.stderr.contains("assumed"), "{}", outcome.stderr);
    let job = outcome.document("Job");
    assert_eq!(job["spec"]["completions"], 2);
    let limits = &job["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"];
    assert_eq!(limits["nvidia.com/gpu"], 4);
}

#[test]
fn no_gpus_means_no_gpu_key() {
    let job = Sandbox::new()
        .kaiwo(&["submit", "-i", "image", "-d"])
        .exits(0)
        .document("Job");
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        container["resources"]["limits"],
        serde_json::json!({"cpu": "1", "memory": "4Gi"})
    );
    assert_eq!(container["command"], serde_json::Value::Null);
    assert_eq!(container["workingDir"], serde_json::Value::Null);
}

/// Who copies the uploads, and where they are otherwise.
#[test]
fn uploads_are_copied_where_the_command_is_known() {
    let sandbox = Sandbox::new();
    sandbox.write("w/train.py", "pass\n");
    let mounted = |arguments: &[&str]| {
        let fixed = ["-p", "w", "-i", "image", "-d"];
        let outcome = sandbox
            .kaiwo(&[&arguments[..1], &fixed, &arguments[1..]].concat())
            .exits(0);
        let workload = outcome.documents().pop().unwrap();
        let spec = &workload["spec"]["template"]["spec"];
        let mounts = spec["containers"][0]["volumeMounts"].as_array().unwrap();
        let mount = mounts.iter().find(|mount| mount["name"] == "workload");
        mount.unwrap()["mountPath"].as_str().unwrap().to_owned()
    };
    for (arguments, path) in [
        (&["submit", "--", "run"][..], "/kaiwo/uploads"),
        (&["submit", "--", "-x"], "/workload"),
        (&["submit"], "/workload"),
        (&["submit", "--read-only-workdir", "--", "run"], "/workload"),
        (&["serve", "--", "run"], "/kaiwo/uploads"),
        (&["serve"], "/workload/app"),
    ] {
        assert_eq!(mounted(arguments), path, "{arguments:?}");
    }
    // A template of the user's own has its own command.
    let template = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: {{ Meta.Name }}}\nspec:\n  template:\n    spec:\n      \
                    restartPolicy: Never\n      containers:\n      - name: main\n        image: {{ Meta.Image }}\n        \
                    command: {{ Workload.Command | to_json }}\n        \
                    {% filter indent(width=8) %}{% include \"volume_mounts.yaml.tera\" %}{% endfilter %}\n      volumes:\n      \
                    {{ <shared_memory pod={Scheduling.Worker}/> | indent(width=6) }}\n      \
                    {% filter indent(width=6) %}{% include \"volumes.yaml.tera\" %}{% endfilter %}\n";
    sandbox.write("w/template", template);
    assert_eq!(mounted(&["submit", "--", "run"]), "/workload");
}

/// Every kind has the pieces in its volume, and joins them.
#[test]
fn files_larger_than_a_config_map_travel_in_pieces() {
    let sandbox = Sandbox::new();
    sandbox.write("w/entrypoint", "python train.py\n");
    sandbox.write(
        "w/serveconfig",
        "applications: [{name: own, import_path: app.main:x}]\n",
    );
    sandbox.write("w/main.py", "x = 1\n");
    sandbox.write("w/a model.bin", vec![0xff; 2_000_000]);
    let copy = "[ -e /kaiwo/run/copied ] || { cp -R /kaiwo/uploads/..data/files/. . \
                && sh /kaiwo/uploads/..data/join.sh && : >/kaiwo/run/copied; } || exit";
    for (arguments, kind, copies) in [
        (&["submit", "-g=1"][..], "Job", 1),
        (&["submit", "-g=16"], "Job", 1),
        (&["submit", "--schedule=@daily"], "CronJob", 1),
        (&["submit", "--ray", "-g=1"], "RayJob", 2),
        (&["serve"], "Deployment", 1),
        (&["serve", "--ray", "-g=1"], "RayService", 2),
    ] {
        let fixed = ["-p=w", "-i=image", "-d"];
        let outcome = sandbox.kaiwo(&[arguments, &fixed].concat()).exits(0);
        let text = outcome.document(kind).to_string();
        assert_eq!(text.matches(copy).count(), copies, "{kind}: {text}");
        for path in [
            "files/a model.bin",
            "pieces/0000/01",
            "pieces/0000/02",
            "files/entrypoint",
            "join.sh",
        ] {
            let path = format!("\"path\":\"{path}\"");
            assert_eq!(
                text.matches(&path).count(),
                copies,
                "{kind}: {path} in {text}"
            );
        }
        let maps = outcome.documents();
        let maps = maps.iter().filter(|object| object["kind"] == "ConfigMap");
        let scripts = maps
            .clone()
            .filter_map(|map| map["data"]["join.sh"].as_str());
        assert_eq!(
            scripts.collect::<Vec<_>>(),
            ["cat \"${0%/*}\"/pieces/0000/* >>'a model.bin' || exit\n"]
        );
        assert_eq!(maps.count(), 3, "{kind}");
    }
}

/// A template of the user's own either joins them or is refused.
#[test]
fn templates_join_the_pieces_of_large_files() {
    let sandbox = Sandbox::new();
    sandbox.write("w/entrypoint", "python train.py\n");
    let template = |command: &str| {
        format!(
            "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: {{{{ Meta.Name }}}}}}\nspec:\n  template:\n    spec:\n      \
             restartPolicy: Never\n      containers:\n      - name: main\n        image: {{{{ Meta.Image }}}}\n        \
             {command}\n        \
             {{% filter indent(width=8) %}}{{% include \"working_dir_mounts.yaml.tera\" %}}{{% endfilter %}}\n      volumes:\n      \
             {{{{ <shared_memory pod={{Scheduling.Worker}}/> | indent(width=6) }}}}\n      \
             {{% filter indent(width=6) %}}{{% include \"volumes.yaml.tera\" %}}{{% endfilter %}}\n      \
             {{% filter indent(width=6) %}}{{% include \"working_dir_volumes.yaml.tera\" %}}{{% endfilter %}}\n"
        )
    };
    sandbox.write(
        "w/template",
        template("command: {{ Workload.Command | to_json }}"),
    );
    let submit = || sandbox.kaiwo(&["submit", "-p", "w", "-i", "image", "-d"]);
    _ = submit().exits(0);
    sandbox.write("w/model.bin", vec![0xff; 2_000_000]);
    _ = submit()
        .exits(3)
        .says("error: w/template does not join the pieces of model.bin (1.9 MiB): a ConfigMap holds at most 976 KiB of a file")
        .says("run copy_uploads.sh.tera before the program, as docs/templates.md shows");
    // As docs/templates.md shows it.
    let docs = std::fs::read_to_string(checkout("docs/templates.md")).unwrap();
    let shown = docs
        .split("```yaml\n")
        .find(|block| block.contains("copy_uploads.sh.tera"));
    let shown = shown.unwrap().split("```").next().unwrap();
    let shown = shown.trim_end().replace('\n', "\n        ");
    sandbox.write("w/template", template(&shown));
    let job = submit().exits(0).document("Job").clone();
    let command = &job["spec"]["template"]["spec"]["containers"][0]["command"];
    assert!(
        command[2].as_str().unwrap().contains("/join.sh"),
        "{command}"
    );
    assert_eq!(command[4], "/workload/entrypoint");
}

#[test]
fn a_command_replaces_the_entrypoint() {
    let sandbox = Sandbox::new();
    sandbox.write("w/entrypoint", "echo\n");
    sandbox.write("w/train.py", "pass\n");
    let job = sandbox
        .kaiwo(&[
            "submit", "-p", "w", "-d", "--", "python", "train.py", "$(X) $$",
        ])
        .exits(0);
    let container = &job.document("Job")["spec"]["template"]["spec"]["containers"][0];
    let words = container["command"].as_array().unwrap();
    assert_eq!(words[..2], ["sh", "-c"]);
    assert_eq!(words[3..], ["python", "train.py", "$$(X) $$$"]);
    assert_eq!(container["workingDir"], "/workload");
    assert!(!job.stdout.contains("entrypoint"));

    let read_only = [
        "submit",
        "-p",
        "w",
        "-d",
        "--read-only-workdir",
        "--",
        "run",
    ];
    let job = sandbox.kaiwo(&read_only).exits(0).document("Job");
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["command"], serde_json::json!(["run"]));

    let ray = sandbox
        .kaiwo(&[
            "submit", "-i", "image", "--ray", "-d", "--", "python", "a b",
        ])
        .exits(0);
    assert_eq!(
        ray.document("RayJob")["spec"]["entrypoint"],
        "/workload/entrypoint"
    );
    assert_eq!(
        ray.document("ConfigMap")["data"]["0000-entrypoint"],
        "#!/bin/sh\nexec python 'a b'\n"
    );
}

#[test]
fn nothing_is_read_from_the_working_directory() {
    let sandbox = Sandbox::new();
    sandbox.write("entrypoint", "echo wrong\n");
    sandbox.write("env", "envVars:\n  - name: WRONG\n    value: x\n");
    sandbox.write("kaiwoconfig", "gpus: 64\n");
    let outcome = sandbox.kaiwo(&["submit", "-i", "image", "-d"]).exits(0);
    assert!(
        !outcome.stdout.to_lowercase().contains("wrong"),
        "{}",
        outcome.stdout
    );
    assert!(outcome.stderr.contains("no GPUs"), "{}", outcome.stderr);
}

#[test]
fn what_is_left_out_and_joined_is_said() {
    let sandbox = Sandbox::new();
    sandbox.write("w/entrypoint", "python train.py\n  --epochs 3\n");
    sandbox.write("w/.git/config", "x");
    sandbox.write("w/pkg/__pycache__/a.pyc", "x");
    let outcome = sandbox.kaiwo(&["submit", "-p", "w", "-d"]).exits(0);
    let outcome = outcome
        .says("  not uploaded: .git, pkg/__pycache__\n")
        .says("  w/entrypoint: line 2 continues the line above\n");
    assert_eq!(
        outcome.document("ConfigMap")["data"]["0000-entrypoint"],
        "python train.py \\\n  --epochs 3\n"
    );
}

#[test]
fn what_git_ignores_is_offered_to_be_ignored() {
    let sandbox = Sandbox::new();
    sandbox.write("w/entrypoint", "python train.py\n");
    sandbox.write("w/.gitignore", "*.log\nwandb/\n");
    let submit = || sandbox.kaiwo(&["submit", "-p", "w", "-d"]).exits(0);
    let remark = "that git ignores";
    // Nothing would be left out by it.
    assert!(!submit().stderr.contains(remark));
    sandbox.write("w/a.log", "x");
    let _ = submit().says(
        "  1 file that git ignores will be uploaded; to exclude it: cp w/.gitignore w/.kaiwoignore\n",
    );
    sandbox.write("w/wandb/run/b", "x");
    let outcome = submit().says("  2 files that git ignores will be uploaded; to exclude them: ");
    assert_eq!(outcome.stderr.matches(remark).count(), 1);
    // The command does what it says.
    sandbox.write("w/.kaiwoignore", "*.log\nwandb/\n");
    let outcome = submit();
    assert!(!outcome.stderr.contains(remark) && !outcome.stdout.contains("a.log"));
}

#[test]
fn storage_is_kept_by_jobs() {
    let sandbox = Sandbox::new();
    sandbox.write("w/entrypoint", "python train.py\n");
    let submit =
        |more: &[&str]| sandbox.kaiwo(&[&["submit", "-p", "w", "--name=w", "-d"], more].concat());
    let _ = submit(&["--keep-storage"])
        .exits(3)
        .says("--keep-storage has no effect without --storage")
        .says("help: add --storage 100Gi");
    let kept = ["--storage=1Gi", "--keep-storage"];
    let modes = |more: &[&str]| {
        let outcome = submit(&[&kept[..], more].concat()).exits(0);
        let claim = outcome.document("PersistentVolumeClaim");
        assert_eq!(claim["metadata"]["name"], "w-scratch");
        assert_eq!(
            claim["metadata"]["ownerReferences"],
            serde_json::Value::Null
        );
        claim["spec"]["accessModes"][0].as_str().unwrap().to_owned()
    };
    assert_eq!(modes(&["-g=1"]), "ReadWriteOnce");
    assert_eq!(modes(&["--schedule=0 3 * * *"]), "ReadWriteOnce");
    assert_eq!(modes(&["-g=16"]), "ReadWriteMany");
    assert_eq!(modes(&["--ray"]), "ReadWriteMany");
}

#[cfg(unix)]
#[test]
fn a_reader_who_leaves_is_no_error() {
    let sandbox = Sandbox::new();
    // More than a pipe holds.
    sandbox.write("w/entrypoint", "echo\n");
    sandbox.write("w/large.txt", "x\n".repeat(200_000));
    let mut child = sandbox
        .command(&["submit", "-p", "w", "-d"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let outcome = crate::common::Outcome::of(child.wait_with_output().unwrap()).exits(0);
    assert!(!outcome.stderr.contains("error"), "{}", outcome.stderr);
}

#[test]
fn what_an_ignore_file_names_stays_at_home() {
    let sandbox = Sandbox::new();
    sandbox.write("w/entrypoint", "echo\n");
    sandbox.write(
        "w/.kaiwoignore",
        "*.ckpt\n/data/\n!keep.ckpt\n# note\n\n!.venv\n",
    );
    for file in [
        "w/a.ckpt",
        "w/sub/b.ckpt",
        "w/keep.ckpt",
        "w/data/x",
        "w/sub/data/y",
        "w/.venv/bin/z",
        "w/sub/.git/config",
    ] {
        sandbox.write(file, "x");
    }
    let outcome = sandbox.kaiwo(&["submit", "-p", "w", "-d", "-v"]).exits(0);
    let map = outcome.document("ConfigMap");
    let keys: Vec<&str> = map["data"]
        .as_object()
        .unwrap()
        .keys()
        .map(|key| &key[5..])
        .collect();
    assert_eq!(keys, ["z", "entrypoint", "keep.ckpt", "y"]);
    let _ = outcome
        .says("  not uploaded: a.ckpt, data, sub/.git, sub/b.ckpt\n")
        .says("  uploads: 3 files, 3 B; largest: ");

    sandbox.write("w/.kaiwoignore", "ok\n[z-a]\n");
    let _ = sandbox
        .kaiwo(&["submit", "-p", "w", "-d"])
        .exits(3)
        .says("w/.kaiwoignore:2: invalid pattern");
}
