//! The Python code of the examples, as far as it goes without a GPU and
//! without the packages of an image.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::examples;
use crate::common::{Outcome, Sandbox, checkout};

/// Returns a Python that is kept from the user's packages, from the network
/// and from writing into the checkout; nothing, and says so, without one.
fn python() -> Option<(Command, tempfile::TempDir)> {
    let works = Command::new("python3").arg("--version").output();
    if !works.is_ok_and(|output| output.status.success()) {
        crate::pod_runner::skip("this machine has no python3");
        return None;
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut command = Command::new("python3");
    command
        .env("PYTHONPYCACHEPREFIX", scratch.path().join("cache"))
        .env("KAIWO_SCRATCH", scratch.path())
        .env("WORKLOADS", checkout("workloads"))
        .env_remove("PYTHONPATH")
        .env("PYTHONNOUSERSITE", "1")
        .current_dir(scratch.path());
    Some((command, scratch))
}

fn programs() -> Vec<PathBuf> {
    let mut programs = Vec::new();
    for example in examples() {
        for entry in fs::read_dir(example.directory()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "py") {
                programs.push(path);
            }
        }
    }
    programs
}

#[test]
fn every_program_compiles() {
    let programs = programs();
    assert!(programs.len() > 5, "{programs:?}");
    let Some((mut python, _scratch)) = python() else {
        return;
    };
    python
        .args(["-W", "error", "-m", "py_compile"])
        .args(programs);
    let _ = Outcome::of(python.output().unwrap()).exits(0);
}

/// `test_*.py` beside this file: arguments, data, what is resumed.
#[test]
fn what_needs_no_packages_works() {
    let Some((mut python, _scratch)) = python() else {
        return;
    };
    python
        .args(["-m", "unittest", "discover", "--start-directory"])
        .arg(checkout("tests/examples"));
    let outcome = Outcome::of(python.output().unwrap()).exits(0);
    let tests = outcome.stderr.matches('.').count();
    assert!(tests > 5, "few tests were found:\n{}", outcome.stderr);
}

/// What a hook in the pods of Ray's kinds runs: it passes on what Ray writes to
/// the files of its workers, once, but for Ray's own marks.
#[test]
fn what_rays_workers_print_is_passed_on() {
    let Some((mut python, scratch)) = python() else {
        return;
    };
    let sandbox = Sandbox::new();
    sandbox.write(
        "w/serveconfig",
        "applications:\n- import_path: app.server:x\n",
    );
    sandbox.write("w/server.py", "x = 1\n");
    let serve = [
        "serve",
        "--ray",
        "-p",
        "w",
        "-g",
        "1",
        "-i",
        "x",
        "--dry-run=client",
    ];
    let more = ["-o", "json", "--show-manifests"];
    let report = sandbox.kaiwo(&[&serve[..], &more].concat()).exits(0).stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    let manifests = report["manifests"].as_array().unwrap().iter();
    let service = manifests
        .clone()
        .find(|object| object["kind"] == "RayService");
    let cluster = &service.unwrap()["spec"]["rayClusterConfig"];
    let hook = |spec: &Value| {
        let container = &spec["template"]["spec"]["containers"][0];
        container["lifecycle"]["postStart"]["exec"]["command"].clone()
    };
    let command = hook(&cluster["headGroupSpec"]);
    assert_eq!(hook(&cluster["workerGroupSpecs"][0]), command);
    // Whatever becomes of it, the container is to start.
    assert!(command[2].as_str().unwrap().ends_with("& exit 0"));

    let logs = scratch.path().join("ray/session_2026-01-01/logs");
    fs::create_dir_all(&logs).unwrap();
    let write = |name: &str, text: &str| {
        let file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(logs.join(name));
        file.unwrap().write_all(text.as_bytes()).unwrap();
    };
    let mut child = python
        .env("RAY_TMPDIR", scratch.path())
        .args(["-uc", command[3].as_str().unwrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    write("raylet.out", "not of an application\n");
    write("worker-a-01-7.out", ":job_id:01\nfirst\nsec");
    assert_eq!(next(), "first");
    write("worker-a-01-7.out", "ond\n");
    assert_eq!(next(), "second");
    write("worker-b-01-8.err", ":actor_name:ServeReplica\nTraceback\n");
    assert_eq!(next(), "Traceback");
    child.kill().unwrap();
    child.wait().unwrap();
}
