//! `kaiwo version` with and without a cluster.

use serde_json::Value;

use super::doctor::well;
use super::json::is_golden;
use super::server::{Answer, MockApi};
use crate::common::Sandbox;

/// Gives the server all the time it may need.
const PATIENT: &str = "--request-timeout=600";

#[test]
fn the_versions_of_a_cluster_are_beside_ours() {
    let api = MockApi::new(|request| Some(well(request)));
    let outcome = api.sandbox.kaiwo(&["version", "-o", "json", PATIENT]);
    is_golden("version", &outcome.exits(0));
    let outcome = api.sandbox.kaiwo(&["version", PATIENT]).exits(0);
    for words in ["Kubernetes  v1.36.3", "Kueue       v0.19.2", "KAITO"] {
        assert!(outcome.stdout.contains(words), "{}", outcome.stdout);
    }
    assert!(api.writes().is_empty());
}

/// What an ordinary user may not read is unknown, and what is not there is said.
#[test]
fn what_is_not_installed_or_not_readable_is_said() {
    let api = MockApi::new(|request| {
        let hidden = request.path.contains("/deployments") || request.path == "/version";
        hidden.then_some(Answer::Refuse(403, "no"))
    });
    let outcome = api.sandbox.kaiwo(&["version", PATIENT]).exits(0);
    for words in ["KAITO       ", "not installed", "v1beta2"] {
        assert!(outcome.stdout.contains(words), "{}", outcome.stdout);
    }
}

#[test]
fn without_a_cluster_it_says_so_and_succeeds() {
    let nowhere = Sandbox::new();
    let outcome = nowhere.kaiwo(&["version"]).exits(0);
    assert!(outcome.stdout.starts_with("kaiwo "), "{outcome:?}");
    assert!(outcome.stderr.contains("no versions of a cluster: "));
    let silent = MockApi::new(|_| Some(Answer::Close));
    let outcome = silent.sandbox.kaiwo(&["version", "-o", "json"]).exits(0);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["error"]["class"], "unreachable");
    assert_eq!(report.get("cluster"), None);
    is_golden("version_unreachable", &outcome);
}
