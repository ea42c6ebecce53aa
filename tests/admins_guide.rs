//! `cluster-admins`, as far as it can be checked without a cluster: that its
//! README, manifests, rules and dashboard agree with each other and with what
//! kaiwo does. `testbed::queues` has the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use kaiwo::api::kueue_configuration::KueueConfiguration;
use kaiwo::plan::readiness;
use serde::Deserialize;
use serde_json::Value;

use crate::common::{Sandbox, checkout};

mod prometheus;

fn read(relative: &str) -> String {
    std::fs::read_to_string(checkout(relative))
        .unwrap_or_else(|error| panic!("{relative}: {error}"))
}

fn documents(relative: &str) -> Vec<Value> {
    kaiwo::yaml::parse_documents(Path::new(relative), &read(relative)).unwrap()
}

/// Returns the blocks of a Markdown file that are to be typed into a shell.
pub fn shell_blocks(markdown: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in markdown.lines() {
        match (&mut block, line) {
            (None, "```bash") => block = Some(String::new()),
            (Some(_), "```") => blocks.extend(block.take()),
            (Some(text), line) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, _) => {}
        }
    }
    assert_eq!(block, None, "a block is not closed");
    blocks
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(files_below(&path)),
            false => files.push(path),
        }
    }
    files.sort();
    files
}

#[test]
fn the_guide_has_the_versions_that_the_tests_run() {
    let guide = read("cluster-admins/README.md");
    for (name, folder, module) in [
        ("Kueue", "kueue", "sigs.k8s.io/kueue"),
        (
            "KubeRay",
            "kuberay",
            "github.com/ray-project/kuberay/ray-operator",
        ),
    ] {
        let pinned = read(&format!("testbed/{folder}/go.mod"));
        let mut pinned = pinned.lines().map(str::trim);
        let version = pinned
            .find_map(|line| line.strip_prefix(module)?.strip_prefix(" v"))
            .and_then(|rest| rest.split(' ').next())
            .unwrap();
        let row = format!("| {name} | {version} |");
        assert!(guide.contains(&row), "no {row}");
        let testbed = read("testbed/README.md");
        let row = testbed
            .lines()
            .find(|line| line.starts_with(&format!("| `{folder}` |")));
        let row = row.unwrap_or_default();
        assert!(row.ends_with(&format!("| {version} |")), "{row}");
        if name == "Kueue" {
            let values = read("cluster-admins/kueue/values.yaml");
            let install = format!("--version {version} --namespace kueue-system");
            for text in [&guide, &values] {
                assert!(text.contains(&install), "no {install}");
            }
        }
    }
}

#[test]
fn kueue_gives_services_the_time_that_their_probes_do() {
    let [values] = documents("cluster-admins/kueue/values.yaml")
        .try_into()
        .unwrap_or_else(|found| panic!("{found:?}"));
    let text = values["managerConfig"]["controllerManagerConfigYaml"].as_str();
    let configuration: KueueConfiguration =
        serde_json::from_value(kaiwo::yaml::parse_first(text.unwrap()).unwrap()).unwrap();
    let window = configuration.readiness().unwrap();
    let sandbox = Sandbox::new();
    let serve = [
        "serve",
        "-i",
        "x",
        "-g",
        "1",
        "--port",
        "80",
        "-q",
        "kaiwo",
        "--dry-run=client",
    ];
    let served = sandbox.kaiwo(&serve).exits(0).documents();
    let allowed = served.iter().filter_map(readiness::startup_seconds).max();
    let allowed = allowed.expect("a service has a startup probe");
    assert_eq!(readiness::warning(allowed, window), None);
}

#[test]
fn a_shell_understands_every_command() {
    for guide in ["cluster-admins/README.md", "docs/install.md"] {
        let blocks = shell_blocks(&read(guide));
        assert!(blocks.len() > 3, "{guide}");
        for block in blocks {
            let outcome = Command::new("bash")
                .args(["-n", "-c", &block])
                .output()
                .unwrap();
            assert!(
                outcome.status.success(),
                "{guide}:\n{block}\n{}",
                String::from_utf8_lossy(&outcome.stderr)
            );
        }
    }
}

#[test]
fn the_guide_names_every_file_and_no_other() {
    let guide = read("cluster-admins/README.md");
    let root = checkout("");
    for file in files_below(&checkout("cluster-admins")) {
        let name = file.strip_prefix(&root).unwrap().to_str().unwrap();
        assert!(
            name.ends_with("README.md")
                || guide.contains(name.trim_start_matches("cluster-admins/")),
            "the guide does not mention {name}"
        );
    }
    let words = guide.split(|c: char| c.is_whitespace() || "`()'\"=,".contains(c));
    for path in words.filter(|word| word.starts_with("cluster-admins/")) {
        assert!(checkout(path).exists(), "{path} is not there");
    }
}

#[test]
fn the_guide_installs_what_the_tests_run_against() {
    let guide = read("cluster-admins/README.md");
    for (component, module, chart) in [
        ("kueue", "sigs.k8s.io/kueue v", "--version "),
        (
            "kuberay",
            "github.com/ray-project/kuberay/ray-operator v",
            "--version ",
        ),
    ] {
        let pins = read(&format!("testbed/{component}/go.mod"));
        let version = pins
            .lines()
            .find_map(|line| {
                line.trim()
                    .trim_start_matches("require ")
                    .strip_prefix(module)
            })
            .and_then(|rest| rest.split_whitespace().next())
            .unwrap_or_else(|| panic!("{component} is not pinned"));
        assert!(
            guide.contains(&format!("{chart}{version}")),
            "{component} {version}"
        );
        assert!(
            guide.contains(&format!("| {version} |")),
            "{component} {version}"
        );
    }
}
