//! `docs/ci.md`: its jobs, run as CI would run them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::cluster::{Flavor, Testbed};
use super::rights::roles;
use crate::admins_guide::shell_blocks;
use crate::common::{Outcome, binary, checkout, skip};

/// Returns the blocks of docs/ci.md that are YAML.
fn jobs() -> Vec<Value> {
    let text = std::fs::read_to_string(checkout("docs/ci.md")).unwrap();
    let blocks = text.split("```yaml\n").skip(1);
    blocks
        .map(|block| {
            let block = block.split("```").next().unwrap();
            let mut documents =
                kaiwo::yaml::parse_documents(Path::new("docs/ci.md"), block).unwrap();
            documents.swap_remove(0)
        })
        .collect()
}

/// A machine of a CI system: a directory, variables, and a `curl` that fetches
/// the binary under test.
struct Runner {
    testbed: Testbed,
    variables: BTreeMap<String, String>,
}

impl Runner {
    fn new(test: &str, image: &str) -> Self {
        let testbed = Testbed::with_queue(test, Flavor::Amd, 32);
        testbed.namespace();
        testbed.local_queue("kaiwo", &testbed.name, json!({}));
        let sandbox = &testbed.sandbox;
        sandbox.write("train/entrypoint", "echo\n");
        sandbox.write("train/kaiwoconfig", format!("image: {image}\n"));
        let stub = format!("#!/bin/sh\n# -fsSL -o FILE URL\ncp '{}' \"$3\"\n", binary());
        sandbox.program("stubs/curl", stub);
        Self {
            testbed,
            variables: BTreeMap::new(),
        }
    }

    fn path(&self, relative: &str) -> String {
        self.testbed
            .sandbox
            .path(relative)
            .to_str()
            .unwrap()
            .to_owned()
    }

    fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.insert(name.to_owned(), value.into());
    }

    /// Puts a directory first where programs are looked for.
    fn look_in(&mut self, directory: &str) {
        let before = self
            .variables
            .get("PATH")
            .cloned()
            .unwrap_or_else(|| std::env::var("PATH").unwrap());
        self.set("PATH", format!("{directory}:{before}"));
    }

    /// Sets the variables of a job, whose namespace is the test's.
    fn environment(&mut self, variables: &Value, expand: impl Fn(&str) -> String) {
        for (name, value) in variables.as_object().into_iter().flatten() {
            let value = match name.as_str() {
                "KAIWO_NAMESPACE" => self.testbed.name.clone(),
                _ => expand(value.as_str().unwrap()),
            };
            self.set(name, value);
        }
    }

    /// Runs a script as CI does: it ends with the first command that fails.
    fn run(&self, script: &str) -> Outcome {
        let mut shell: Command = self.testbed.sandbox.shell("");
        let home = self.testbed.sandbox.path("");
        let variables = shell
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect::<Vec<_>>();
        shell = Command::new("sh");
        shell.args(["-ec", script]).env_clear().envs(variables);
        shell.envs(&self.variables).current_dir(home);
        Outcome::of(shell.output().unwrap())
    }

    fn last_event(&self) -> Value {
        let events = std::fs::read_to_string(self.testbed.sandbox.path("events.jsonl")).unwrap();
        serde_json::from_str(events.lines().last().unwrap()).unwrap()
    }
}

/// Makes the kubeconfig of a service account as the page tells admins to;
/// nothing where kubectl or jq is missing.
fn kubeconfig(runner: &Runner) -> Option<String> {
    for program in ["kubectl", "jq"] {
        if runner.run(&format!("command -v {program}")).code != 0 {
            skip(&format!("there is no {program}"));
            return None;
        }
    }
    let text = std::fs::read_to_string(checkout("docs/ci.md")).unwrap();
    let [block] = &shell_blocks(&text)[..] else {
        panic!("docs/ci.md has one block of commands")
    };
    let name = &runner.testbed.name;
    let block = block
        .replace("-n ml ", &format!("-n {name} "))
        .replace("ml:ci", &format!("{name}:ci"))
        .replace(
            "cluster-admins/",
            &format!("{}/", checkout("cluster-admins").display()),
        );
    // Another test may make the roles at the same time, which kubectl's first
    // `apply` of an object does not survive.
    roles(&runner.testbed);
    let _ = runner.run(&block).exits(0);
    let file = runner.testbed.sandbox.path("ci.kubeconfig");
    Some(std::fs::read_to_string(file).unwrap())
}

/// Runs the job of GitHub Actions, with an image that ends as `code` says.
fn github(test: &str, image: &str, code: i32) {
    let mut runner = Runner::new(test, image);
    let Some(kubeconfig) = kubeconfig(&runner) else {
        return;
    };
    let job = jobs()
        .into_iter()
        .find_map(|job| job.pointer("/jobs/train").cloned());
    let job = job.expect("a job of GitHub Actions");
    let expand = |text: &str| {
        text.replace("${{ github.run_id }}", "17")
            .replace("${{ github.run_attempt }}", "1")
            .replace("${{ vars.KAIWO_RELEASE }}", "https://example.org/kaiwo")
            .replace("${{ secrets.KUBECONFIG }}", &kubeconfig)
    };
    for (name, file) in [
        ("RUNNER_TEMP", "temp"),
        ("GITHUB_ENV", "github_env"),
        ("GITHUB_PATH", "github_path"),
    ] {
        let path = runner.path(file);
        runner.set(name, path);
    }
    for file in ["temp/x", "github_env", "github_path"] {
        runner.testbed.sandbox.write(file, "");
    }
    runner.look_in(&runner.path("stubs"));
    runner.set("KUBECONFIG", "/nonexistent");
    // What the page says of the role alone.
    runner.set("KAIWO_GPUS_PER_NODE", "8");
    runner.environment(&job["env"], expand);
    let mut failed = false;
    let mut ran = Vec::new();
    for step in job["steps"].as_array().unwrap() {
        let Some(script) = step["run"].as_str() else {
            continue;
        };
        let runs = match step["if"].as_str() {
            None => !failed,
            Some("always()") => true,
            Some("failure()") => failed,
            // Played below.
            Some("cancelled()") => false,
            Some(other) => panic!("{other}: not known here"),
        };
        if !runs {
            continue;
        }
        let before = runner.variables.clone();
        runner.environment(&step["env"], expand);
        let outcome = runner.run(script);
        runner.variables = before;
        let trains = step["name"] == "Train";
        let outcome = outcome.exits(if trains { code } else { 0 });
        failed |= outcome.code != 0;
        ran.push((step["name"].clone(), outcome));
        for line in std::fs::read_to_string(runner.path("github_env"))
            .unwrap()
            .lines()
        {
            let (name, value) = line.split_once('=').unwrap();
            runner.set(name, value);
        }
        let added = std::fs::read_to_string(runner.path("github_path")).unwrap();
        for directory in added.lines() {
            runner.look_in(directory);
        }
    }
    assert!(ran.iter().any(|(name, _)| name == "Train"), "{ran:?}");
    let last = runner.last_event();
    assert_eq!(
        (&last["code"], &last["containerExitCode"]),
        (&json!(code), &json!(code))
    );
    let (_, told) = ran
        .iter()
        .find(|(name, _)| name == "Show the result")
        .unwrap();
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(told["code"], code);

    // Cancelled, the job deletes what it has submitted.
    let name = &runner.variables["KAIWO_NAME"];
    assert!(runner.testbed.find("Job", name).is_some());
    let steps = job["steps"].as_array().unwrap();
    let cancelled = steps
        .iter()
        .find(|step| step["if"] == "cancelled()")
        .unwrap();
    let script = cancelled["run"].as_str().unwrap();
    let _ = runner
        .run(script)
        .exits(0)
        .says(&format!("job/{name} deleted"));
    assert_eq!(runner.testbed.find("Job", name), None);
    let _ = runner.run(script).exits(0);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn the_job_of_github_passes_and_fails_with_the_container() {
    github("ci-hub", "image", 0);
    github("ci-hub", "testbed/exit-42", 42);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn the_job_of_gitlab_passes_and_fails_with_the_container() {
    for (image, code) in [("image", 0), ("testbed/oom", 137)] {
        let mut runner = Runner::new("ci-lab", image);
        let Some(kubeconfig) = kubeconfig(&runner) else {
            return;
        };
        let job = jobs().into_iter().find_map(|job| job.get("train").cloned());
        let job = job.expect("a job of GitLab CI");
        let file = runner.testbed.sandbox.write("file-variable", kubeconfig);
        runner.set("KUBECONFIG", file.to_str().unwrap());
        runner.set("KAIWO_RELEASE", "https://example.org/kaiwo");
        runner.set("KAIWO_GPUS_PER_NODE", "8");
        runner.look_in(&runner.path("stubs"));
        runner.look_in(&runner.path("bin"));
        runner.environment(&job["variables"], |text| text.replace("$CI_JOB_ID", "23"));
        runner.testbed.sandbox.write("bin/x", "");
        let bin = runner.path("bin");
        let script = |section: &str| {
            let lines = job[section].as_array().unwrap().iter();
            let lines: Vec<&str> = lines.map(|line| line.as_str().unwrap()).collect();
            lines.join("\n").replace("/usr/local/bin", &bin)
        };
        let main = [script("before_script"), script("script")].join("\n");
        let _ = runner.run(&main).exits(code);
        let last = runner.last_event();
        assert_eq!(last["code"], code);
        let name = runner.variables["KAIWO_NAME"].clone();
        runner.set("CI_JOB_STATUS", "failed");
        let told = runner.run(&script("after_script")).exits(0).stdout;
        assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), last);
        assert!(runner.testbed.find("Job", &name).is_some());
        runner.set("CI_JOB_STATUS", "canceled");
        let _ = runner.run(&script("after_script")).exits(0);
        assert_eq!(runner.testbed.find("Job", &name), None);
        // What is kept is what was written.
        assert_eq!(job["artifacts"]["paths"], json!(["events.jsonl"]));
    }
}
