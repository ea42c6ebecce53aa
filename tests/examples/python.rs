//! The Python code of the examples, as far as it goes without a GPU and
//! without the packages of an image.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::examples;
use crate::common::{Outcome, checkout};

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
