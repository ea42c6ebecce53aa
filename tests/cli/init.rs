//! `kaiwo init`: what it writes can be submitted, and nothing is overwritten.

use std::fs;

use crate::common::{Sandbox, checkout};

/// Returns the examples that it offers.
fn offered(sandbox: &Sandbox) -> Vec<String> {
    let listed = sandbox.kaiwo(&["init", "--list"]).exits(0).stdout;
    listed.lines().map(str::to_owned).collect()
}

#[test]
fn what_it_writes_can_be_submitted() {
    let sandbox = Sandbox::new();
    for (directory, arguments) in [
        ("a", &[][..]),
        ("b/c", &["-g", "8", "-i", "registry.example/image:1"]),
        (
            "d",
            &[
                "-g", "0", "--claim", "packages", "--", "python3", "train.py", "--name", "a b",
            ],
        ),
    ] {
        let outcome = sandbox
            .kaiwo(&[&["init", directory], arguments].concat())
            .exits(0);
        assert!(outcome.stderr.contains("kaiwo submit -p"), "{outcome:?}");
        let rendered = sandbox
            .kaiwo(&["submit", "-p", directory, "--dry-run=client"])
            .exits(0);
        let job = rendered.document("Job").to_string();
        match directory {
            "b/c" => assert!(
                job.contains("\"amd.com/gpu\":8") && job.contains("registry.example/image:1")
            ),
            "d" => assert!(job.contains("\"claimName\":\"packages\""), "{job}"),
            _ => assert!(job.contains("\"amd.com/gpu\":1"), "{job}"),
        }
    }
    let entrypoint = fs::read_to_string(sandbox.path("d/entrypoint")).unwrap();
    assert!(
        entrypoint.ends_with("exec python3 train.py --name 'a b'\n"),
        "{entrypoint}"
    );
    assert!(
        entrypoint.contains("cache=\"/cache/python\""),
        "{entrypoint}"
    );
    assert!(!sandbox.path("d/main.py").exists());
}

#[test]
fn every_example_is_in_the_binary_and_can_be_submitted() {
    let sandbox = Sandbox::new();
    let offered = offered(&sandbox);
    for entry in fs::read_dir(checkout("workloads")).unwrap() {
        let own = entry.unwrap().path();
        let name = own.file_name().unwrap().to_str().unwrap().to_owned();
        let is_workload = ["entrypoint", "serveconfig", "kaiwoconfig"]
            .iter()
            .any(|file| own.join(file).exists());
        assert_eq!(offered.contains(&name), is_workload, "{name}");
        if !is_workload {
            continue;
        }
        let _ = sandbox.kaiwo(&["init", &name, "--from", &name]).exits(0);
        same(&own, &sandbox.path(&name), &name);
        let readme = fs::read_to_string(sandbox.path(&format!("{name}/README.md"))).unwrap();
        let command = readme
            .lines()
            .find(|line| line.starts_with("kaiwo s") && line.contains(&format!("-p {name}")))
            .unwrap_or_else(|| panic!("{readme}"));
        let words: Vec<&str> = command
            .split('#')
            .next()
            .unwrap()
            .split_whitespace()
            .skip(1)
            .collect();
        let _ = sandbox
            .kaiwo(&[&words[..], &["--dry-run=client"]].concat())
            .exits(0);
    }
}

/// Checks that a copy has the files of the checkout, but for the name of the directory.
fn same(own: &std::path::Path, copy: &std::path::Path, name: &str) {
    for entry in fs::read_dir(own).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap();
        if file == "__pycache__" || file == ".pytest_cache" {
            continue;
        }
        let copied = copy.join(file);
        match path.is_dir() {
            true => same(&path, &copied, name),
            false => {
                let text = String::from_utf8(fs::read(&path).unwrap()).unwrap();
                let text = text.replace(&format!("workloads/{name}"), name);
                assert_eq!(
                    fs::read_to_string(&copied).unwrap(),
                    text,
                    "{}",
                    copied.display()
                );
            }
        }
    }
}

#[test]
fn nothing_is_overwritten_and_nothing_half_written() {
    let sandbox = Sandbox::new();
    sandbox.write("w/kaiwoconfig", "gpus: 3\n");
    for arguments in [&["init", "w"][..], &["init", "w", "--from", "lora"]] {
        let _ = sandbox
            .kaiwo(arguments)
            .exits(3)
            .says("w/kaiwoconfig already exists; nothing was written");
        assert_eq!(fs::read_dir(sandbox.path("w")).unwrap().count(), 1);
    }
    let _ = sandbox
        .kaiwo(&["init", "x", "--from", "helo"])
        .exits(3)
        .says("did you mean hello?")
        .says("kaiwo init --list");
    assert!(!sandbox.path("x").exists());
    let _ = sandbox
        .kaiwo(&["init", "x", "--claim", "No Name"])
        .exits(2)
        .says("claim");
}

#[test]
fn requirements_that_nothing_installs_are_remarked_once() {
    let sandbox = Sandbox::new();
    sandbox.write("w/entrypoint", "#!/bin/sh\npython3 train.py\n");
    sandbox.write("w/requirements.txt", "torch\n");
    let submit = ["submit", "-p", "w", "--dry-run=client"];
    let remark = "requirements.txt: the entrypoint does not install it";
    let outcome = sandbox.kaiwo(&submit).exits(0);
    assert_eq!(
        outcome.stderr.matches(remark).count(),
        1,
        "{}",
        outcome.stderr
    );
    let _ = sandbox
        .kaiwo(&[&submit[..], &["--", "python3", "train.py"]].concat())
        .exits(0)
        .never_says(remark);
    sandbox.write(
        "w/entrypoint",
        "#!/bin/sh\npip install -r requirements.txt\npython3 train.py\n",
    );
    let _ = sandbox.kaiwo(&submit).exits(0).never_says(remark);
}

/// Runs the entrypoint with a `python3` that notes what it is asked for.
#[cfg(unix)]
#[test]
fn the_entrypoint_installs_once_and_again_when_a_file_changes() {
    let sandbox = Sandbox::new();
    let _ = sandbox
        .kaiwo(&["init", "w", "--", "python3", "train.py"])
        .exits(0);
    let python = "#!/bin/sh\n[ \"$1\" = -V ] && exit\necho \"python $*\" >> \"$CALLS\"\n\
                  if [ \"$2\" = venv ]; then for last; do :; done; mkdir -p \"$last/bin\"; \
                  cp \"$0\" \"$last/bin/python\"; cp \"$0\" \"$last/bin/python3\"; cp \"$0\" \"$last/bin/uv\"; fi\n";
    sandbox.program("bin/python3", python);
    let run = || {
        let calls = sandbox.path("calls");
        let _ = fs::remove_file(&calls);
        let path = format!("{}:/usr/bin:/bin", sandbox.path("bin").display());
        let ended = std::process::Command::new("sh")
            .arg("entrypoint")
            .current_dir(sandbox.path("w"))
            .env("PATH", path)
            .env("CALLS", &calls)
            .env("KAIWO_SCRATCH", sandbox.path("scratch"))
            .status()
            .unwrap();
        assert!(ended.success());
        fs::read_to_string(&calls).unwrap()
    };
    assert_eq!(run(), "python train.py\n");
    sandbox.write("w/requirements.txt", "torch\n");
    let first = run();
    assert!(first.contains("-m venv --system-site-packages"), "{first}");
    assert!(
        first.contains("-m pip install --quiet --disable-pip-version-check -r requirements.txt"),
        "{first}"
    );
    assert!(first.ends_with("python train.py\n"), "{first}");
    assert_eq!(run(), "python train.py\n", "it is installed");
    sandbox.write("w/requirements.txt", "torch\nnumpy\n");
    assert!(run().contains("pip install"));
    sandbox.write("w/uv.lock", "version = 1\n");
    let locked = run();
    assert!(
        locked.contains("python sync --quiet --frozen --inexact --no-install-project"),
        "{locked}"
    );
}
