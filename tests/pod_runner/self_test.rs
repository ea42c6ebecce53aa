//! The runner as a whole, with pods that are written out here: a runner that
//! is wrong would prove nothing about kaiwo.

use serde_json::{Value, json};

use super::{PodRun, PodRunner, available, can_change_user};

fn objects(kind: &str, name: &str) -> Option<Value> {
    match (kind, name) {
        ("ConfigMap", "files") => Some(json!({
            "kind": "ConfigMap", "metadata": {"name": "files"},
            "data": {
                "run": "#!/bin/sh\necho \"$0\" \"$#\" \"$1\"\npwd\n",
                "bare": "echo never\n",
                "plain": "plain\n",
            },
        })),
        ("Secret", "token") => Some(json!({
            "kind": "Secret", "metadata": {"name": "token"}, "data": {"key": "c2VjcmV0"},
        })),
        _ => None,
    }
}

fn pod(command: &[&str]) -> Value {
    json!({
        "metadata": {"name": "p-0", "namespace": "team"},
        "spec": {
            "containers": [{
                "command": command,
                "workingDir": "/workload",
                "env": [{"name": "WORD", "value": "a  'b' \"$HOME\"\n$(KUBERNETES_SERVICE_PORT)"},
                        {"name": "dotted.name", "value": "kept"}],
                "volumeMounts": [
                    {"name": "workload", "mountPath": "/workload"},
                    {"name": "scratch", "mountPath": "/scratch"},
                    {"name": "shm", "mountPath": "/dev/shm"},
                    {"name": "token", "mountPath": "/etc/app/token", "subPath": "file", "readOnly": true},
                ],
            }],
            "volumes": [
                {"name": "workload", "projected": {"sources": [{"configMap": {"name": "files", "items": [
                    {"key": "run", "path": "run", "mode": 0o755},
                    {"key": "bare", "path": "bare", "mode": 0o755},
                    {"key": "plain", "path": "sub/plain", "mode": 0o644},
                    {"key": "plain", "path": "private", "mode": 0o600},
                ]}}]}},
                {"name": "scratch", "emptyDir": {}},
                {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
                {"name": "token", "secret": {"secretName": "token", "items": [{"key": "key", "path": "file"}]}},
            ],
        },
    })
}

fn sh(script: &str) -> PodRun {
    PodRunner::new(&objects)
        .run(&pod(&["/bin/sh", "-c", script]))
        .unwrap()
}

#[test]
fn a_command_runs_with_its_words_in_its_directory() {
    if !available() {
        return;
    }
    let run = PodRunner::new(&objects)
        .run(&pod(&["./run", "a b"]))
        .unwrap()
        .exits(0);
    assert_eq!(run.stdout(), "./run 1 a b\n/workload\n");
    let run = sh("printf out; printf err >&2; exit 42").exits(42);
    assert_eq!(
        (&run.stdout[..], &run.stderr[..]),
        (&b"out"[..], &b"err"[..])
    );
}

#[test]
fn the_environment_is_the_pods_and_nothing_else() {
    if !available() {
        return;
    }
    let run = PodRunner::new(&objects)
        .run(&pod(&["env", "-0"]))
        .unwrap()
        .exits(0);
    let stdout = run.stdout();
    let variables: Vec<&str> = stdout
        .split_terminator('\0')
        .filter(|variable| !variable.starts_with("KUBERNETES_"))
        .collect();
    assert_eq!(
        variables,
        [
            "HOME=/root",
            "HOSTNAME=p-0",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "WORD=a  'b' \"$HOME\"\n443",
            "dotted.name=kept",
        ]
    );
}

#[test]
fn volumes_appear_at_their_paths() {
    if !available() {
        return;
    }
    let run = sh(
        "set -e; cat sub/plain /etc/app/token; readlink sub; uname -n
        for path in /workload/new /workload/sub/plain /workload/..data/x /etc/app/token /usr/new; do
            if ( echo x > $path ) 2>/dev/null; then echo written: $path; fi
        done
        echo kept > /scratch/kept; mkdir /scratch/d; echo deep > /scratch/d/deep
        echo x > /dev/shm/x; echo x > /tmp/x; echo x > /root/x
        if head -c 2000000 /dev/zero 2>/dev/null > /dev/shm/large; then echo too large; fi",
    )
    .exits(0);
    assert_eq!(run.stdout(), "plain\nsecret..data/sub\np-0\n");
    assert_eq!(run.file("/scratch/kept"), b"kept\n");
    assert_eq!(run.file("/scratch/d/deep"), b"deep\n");
}

#[test]
fn nothing_of_the_host_is_reached() {
    if !available() {
        return;
    }
    let home = env!("CARGO_MANIFEST_DIR");
    let script = format!(
        "ls -d {home} 2>/dev/null; ls / | tr '\\n' ' '; ls /proc | grep -c '^[0-9]'; ls /sys/class/net 2>/dev/null"
    );
    let run = sh(&script);
    let stdout = run.stdout();
    let (directories, processes) = stdout.trim().rsplit_once(' ').unwrap();
    assert!(!directories.contains(home), "{stdout}");
    assert!(directories.starts_with("bin dev etc lib"), "{stdout}");
    // The shell, ls and grep; where /proc is the host's, more.
    assert!(processes.parse::<u32>().is_ok(), "{stdout}");
}

#[test]
fn what_no_runtime_starts_does_not_start() {
    if !available() {
        return;
    }
    for (program, why) in [
        ("/workload/bare", "exec format error"),
        ("./sub/plain", "permission denied"),
        ("/workload/gone", "no such file or directory"),
        ("no-such-program", "no such file or directory"),
    ] {
        let error = PodRunner::new(&objects).run(&pod(&[program])).unwrap_err();
        assert!(error.to_string().ends_with(why), "{program}: {error}");
    }
    let mut unmounted = pod(&["true"]);
    unmounted["spec"]["volumes"] = json!([]);
    let error = PodRunner::new(&objects).run(&unmounted).unwrap_err();
    assert!(error.to_string().contains("cannot find volume"), "{error}");
}

#[test]
fn a_mount_below_a_read_only_one_fails() {
    if !available() {
        return;
    }
    let mut nested = pod(&["true"]);
    nested["spec"]["containers"][0]["volumeMounts"][3]["mountPath"] = json!("/workload/token");
    let error = PodRunner::new(&objects).run(&nested).unwrap_err();
    assert!(
        error.to_string().contains("Read-only file system"),
        "{error}"
    );
}

#[test]
fn programs_of_the_image_come_first() {
    if !available() {
        return;
    }
    let run = PodRunner::new(&objects)
        .program("python", "#!/bin/sh\necho image \"$@\"\n")
        .run(&pod(&["python", "x y"]))
        .unwrap()
        .exits(0);
    assert_eq!(run.stdout(), "image x y\n");
}

#[test]
fn a_user_without_rights_is_held_to_the_modes() {
    if !available() || !can_change_user() {
        return;
    }
    let script =
        "id -u; cat sub/plain; cat private 2>/dev/null || echo private; echo x > /scratch/x; ./run";
    let run = PodRunner::new(&objects)
        .user(1000)
        .run(&pod(&["/bin/sh", "-c", script]))
        .unwrap()
        .exits(0);
    assert_eq!(run.stdout(), "1000\nplain\nprivate\n./run 0 \n/workload\n");
    assert_eq!(run.file("/scratch/x"), b"x\n");
}
