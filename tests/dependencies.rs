//! What the dependency tree may hold: permissive licences, and no crate in
//! two majors without a reason.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::common::checkout;

/// Licences of which a dependency needs to offer one.
const LICENCES: [&str; 8] = [
    "Apache-2.0",
    "MIT",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Unicode-3.0",
    "Zlib",
    "CDLA-Permissive-2.0",
];

/// Crates under another licence, and why they may be there.
const BY_NAME: [(&str, &str, &str); 1] = [(
    "option-ext",
    "MPL-2.0",
    "dirs needs it: copyleft by file, and no file of it is changed (decision 46)",
)];

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
fn every_licence_is_permissive() {
    let metadata = metadata();
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
        let named =
            |(name, known, _): &(&str, &str, &str)| package["name"] == *name && licence == *known;
        if BY_NAME.iter().any(named) {
            continue;
        }
        // An expression of SPDX: every part of an AND has to offer one.
        let allowed = licence.replace('/', " OR ").split(" AND ").all(|part| {
            part.split(" OR ")
                .any(|name| LICENCES.contains(&name.trim().trim_matches(['(', ')'])))
                || part.contains("LLVM-exception")
        });
        assert!(allowed, "{} is under {licence}", package["name"]);
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
