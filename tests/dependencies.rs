//! What the dependency tree may hold: what `deny.toml` allows, as cargo-deny reads it where
//! it is installed, and no crate in two majors without a reason.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

use crate::common::checkout;

/// `deny.toml`, as far as it is checked here.
#[derive(Deserialize)]
struct Rules {
    licenses: Licences,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
struct Licences {
    /// Licences of which a dependency needs to offer one.
    allow: Vec<String>,
    exceptions: Vec<Exception>,
}

/// A crate under another licence.
#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
    allow_git: Vec<String>,
}

fn rules() -> Rules {
    toml::from_str(&std::fs::read_to_string(checkout("deny.toml")).unwrap()).unwrap()
}

/// Returns whether an expression of SPDX can be met by allowed licences.
fn is_met(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    // No expression of the tree nests an AND in an OR that it does not put in parentheses.
    let expression = expression.replace('/', " OR ").replace(['(', ')'], "");
    expression.split(" AND ").all(|part| {
        let mut names = part.split(" OR ").map(str::trim);
        names.any(allowed)
    })
}

/// Crates that the binary holds in more than one incompatible version, and
/// who needs the older one.
const TWICE: [(&str, &str); 3] = [
    (
        "base64",
        "k8s-openapi 0.29 and tower-http 0.7 are at 0.22, kube 5 and hyper-util at 0.23",
    ),
    (
        "getrandom",
        "ring 0.17 is at 0.2, the rand 0.10 of tungstenite at 0.4",
    ),
    (
        "syn",
        "derive_more, tracing and serde are between 2 and 3; build time only",
    ),
];

/// Most crates that the binary is built of on this platform, so that a new
/// dependency is a decision.
const MOST_CRATES: usize = 200;

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version=1",
            "--locked",
            "--offline",
            "--filter-platform",
        ])
        .arg(format!("{}-unknown-linux-gnu", std::env::consts::ARCH))
        .current_dir(checkout(""))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Returns the packages that the binary is built of, without those of tests
/// and of xtask.
fn of_the_binary(metadata: &Value) -> Vec<&Value> {
    let nodes: BTreeMap<&str, &Value> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (node["id"].as_str().unwrap(), node))
        .collect();
    let packages: BTreeMap<&str, &Value> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["id"].as_str().unwrap(), p))
        .collect();
    let root = packages
        .values()
        .find(|package| package["name"] == "kaiwo")
        .unwrap()["id"]
        .as_str()
        .unwrap();
    let (mut seen, mut open) = (BTreeSet::new(), vec![root]);
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        for dependency in nodes[id]["deps"].as_array().unwrap() {
            let for_the_binary = dependency["dep_kinds"]
                .as_array()
                .unwrap()
                .iter()
                .any(|kind| kind["kind"] != "dev");
            if for_the_binary {
                open.push(dependency["pkg"].as_str().unwrap());
            }
        }
    }
    seen.into_iter().map(|id| packages[id]).collect()
}

#[test]
fn every_licence_is_allowed() {
    let (metadata, rules) = (metadata(), rules().licenses);
    let mut unused: BTreeSet<&str> = rules.exceptions.iter().map(|it| it.name.as_str()).collect();
    for package in metadata["packages"].as_array().unwrap() {
        // xtask is published nowhere.
        let Some(licence) = package["license"].as_str() else {
            assert_eq!(
                package["source"],
                Value::Null,
                "{} states no licence",
                package["name"]
            );
            continue;
        };
        let mut exceptions = rules.exceptions.iter();
        let exception = exceptions.find(|it| package["name"] == it.name);
        if let Some(exception) = exception {
            unused.remove(exception.name.as_str());
        }
        let allowed = |name: &str| {
            let mut all = rules.allow.iter();
            let mut own = exception.iter().flat_map(|it| &it.allow);
            all.any(|it| it == name) || own.any(|it| it == name)
        };
        assert!(
            is_met(licence, &allowed),
            "{} is under {licence}",
            package["name"]
        );
    }
    assert!(unused.is_empty(), "exceptions without a crate: {unused:?}");
}

#[test]
fn expressions_of_licences_are_read() {
    let allowed = |name: &str| ["MIT", "Apache-2.0"].contains(&name);
    for (expression, met) in [
        ("MIT", true),
        ("MIT/Apache-2.0", true),
        ("GPL-3.0 OR MIT", true),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", false),
        ("GPL-3.0", false),
        ("MIT AND GPL-3.0", false),
    ] {
        assert_eq!(is_met(expression, &allowed), met, "{expression}");
    }
}

#[test]
fn every_source_is_allowed_and_no_banned_crate_is_in_the_tree() {
    let (metadata, rules) = (metadata(), rules());
    let registries = rules.sources.allow_registry.iter();
    let registries = registries.map(|it| format!("registry+{it}"));
    let repositories = rules.sources.allow_git.iter();
    let allowed: Vec<String> = registries
        .chain(repositories.map(|it| format!("git+{it}")))
        .collect();
    let in_tree: BTreeSet<&str> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["id"].as_str().unwrap())
        .collect();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        if let Some(source) = package["source"].as_str() {
            assert!(
                allowed.iter().any(|it| source.starts_with(it.as_str())),
                "{name} is from {source}"
            );
        }
        // Some that no feature turns on are in the lock file only.
        let is_used = in_tree.contains(package["id"].as_str().unwrap());
        let banned = rules.bans.deny.iter().find(|ban| ban.name == name);
        if let Some(ban) = banned.filter(|_| is_used) {
            panic!("{name} is banned: {}", ban.reason);
        }
    }
}

#[test]
fn no_crate_comes_in_two_majors_without_a_reason() {
    let metadata = metadata();
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for package in of_the_binary(&metadata) {
        let version = package["version"].as_str().unwrap();
        let mut numbers = version.split('.');
        let (major, minor) = (numbers.next().unwrap(), numbers.next().unwrap());
        // Below 1.0 the minor number is what breaks.
        let compatible = if major == "0" {
            format!("0.{minor}")
        } else {
            major.to_owned()
        };
        versions
            .entry(package["name"].as_str().unwrap())
            .or_default()
            .insert(compatible);
    }
    let twice: BTreeSet<&str> = versions
        .iter()
        .filter(|(_, v)| v.len() > 1)
        .map(|(name, _)| *name)
        .collect();
    let known: BTreeSet<&str> = TWICE.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        twice, known,
        "explain new ones in TWICE, and drop those that are gone"
    );
}

/// What one of our crates names, all have in one version: xtask too.
#[test]
fn what_is_named_here_comes_in_one_major() {
    let metadata = metadata();
    let mut wanted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        if package["source"] != Value::Null {
            continue;
        }
        for dependency in package["dependencies"].as_array().unwrap() {
            let version = dependency["req"].as_str().unwrap().trim_start_matches('^');
            let (major, rest) = version.split_once('.').unwrap_or((version, ""));
            let minor = rest.split('.').next().unwrap_or_default();
            let compatible = match (major, minor) {
                ("0", minor) => minor,
                (major, _) => major,
            };
            let name = dependency["name"].as_str().unwrap();
            wanted.entry(name).or_default().insert(compatible);
        }
    }
    wanted.retain(|_, majors| majors.len() > 1);
    assert_eq!(wanted, BTreeMap::new());
}

#[test]
fn the_tree_stays_small() {
    let metadata = metadata();
    let count = of_the_binary(&metadata).len();
    assert!(count <= MOST_CRATES, "{count} crates");
}
