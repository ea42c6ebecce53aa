//! What runs elsewhere is at least well-formed: workflows that call `cargo xtask`, with
//! actions that cannot change under a name.

use std::fs;

use serde_json::Value;

use crate::common::checkout;

/// Programs that a step may run. What needs more than a line belongs into xtask.
const PROGRAMS: [&str; 11] = [
    "cargo",
    "rustup",
    "sudo",
    "gh",
    "skopeo",
    "tar",
    "mkdir",
    "cp",
    "target/release/kaiwo",
    ".ci/run",
    "git",
];

fn workflows() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(checkout(".github/workflows")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let workflow =
            kaiwo::yaml::parse(&path, &text).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        found.push((name, workflow));
    }
    assert!(found.len() >= 2);
    found
}

/// Returns every step with where it is.
fn steps(name: &str, workflow: &Value) -> Vec<(String, Value)> {
    let jobs = workflow["jobs"].as_object().unwrap();
    let steps = jobs.iter().flat_map(|(job, content)| {
        assert!(
            content["runs-on"].is_string(),
            "{name}: {job} has no runs-on"
        );
        let steps = content["steps"].as_array().unwrap().clone();
        let place = format!("{name}: {job}");
        steps.into_iter().map(move |step| (place.clone(), step))
    });
    steps.collect()
}

#[test]
fn actions_are_pinned_by_commit() {
    for (name, workflow) in workflows() {
        for (place, step) in steps(&name, &workflow) {
            let Some(action) = step["uses"].as_str() else {
                continue;
            };
            let (_, version) = action.split_once('@').unwrap_or_default();
            let is_commit = version.len() == 40 && version.bytes().all(|b| b.is_ascii_hexdigit());
            assert!(is_commit, "{place}: {action}");
        }
    }
}

#[test]
fn steps_are_one_line_of_a_known_program() {
    for (name, workflow) in workflows() {
        let mut calls_xtask = false;
        for (place, step) in steps(&name, &workflow) {
            let Some(line) = step["run"].as_str() else {
                assert!(step["uses"].is_string(), "{place} does nothing: {step}");
                continue;
            };
            assert_eq!(line.trim().lines().count(), 1, "{place}: {line}");
            let program = line.split_whitespace().next().unwrap();
            assert!(PROGRAMS.contains(&program), "{place}: {line}");
            // A branch or a title would be read by the shell as it is.
            assert!(!line.contains("${{ github."), "{place}: {line}");
            calls_xtask |= line.contains("cargo xtask") || line.contains(".ci/run");
        }
        assert!(calls_xtask, "{name} does not call xtask");
    }
}

#[test]
fn rights_are_given_to_jobs_and_read_only_otherwise() {
    for (name, workflow) in workflows() {
        assert_eq!(workflow["permissions"]["contents"], "read", "{name}");
        let rights = workflow["permissions"].as_object().unwrap();
        assert_eq!(rights.len(), 1, "{name}");
    }
}

#[test]
fn flags_of_dist_exist() {
    let source = fs::read_to_string(checkout("xtask/src/dist/mod.rs")).unwrap();
    for (name, workflow) in workflows() {
        for (place, step) in steps(&name, &workflow) {
            let line = step["run"].as_str().unwrap_or_default();
            let Some((_, flags)) = line.split_once("cargo xtask dist") else {
                continue;
            };
            for flag in flags
                .split_whitespace()
                .filter_map(|it| it.strip_prefix("--"))
            {
                let field = format!("    {}: ", flag.replace('-', "_"));
                assert!(source.contains(&field), "{place}: --{flag}");
            }
        }
    }
}
