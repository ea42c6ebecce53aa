//! `kaiwo models` and what a cluster says of its KAITO.

use serde_json::{Value, json};

use super::json::is_golden;
use super::server::{Answer, MockApi, Request, list};

const MODELS: &str = "models:\n- {name: base}\n- {name: phi-4, tag: 0.2.0}\n\
    - {name: falcon-7b}\n- {name: phi-9, downloadAuthRequired: true}\n- {name: phi-10}\n";

/// Gives a cluster that answers all the time it may need.
const PATIENT: &str = "--request-timeout=600";

fn config_map(namespace: &str) -> Value {
    json!({"metadata": {"name": "kaito-supported-models", "namespace": namespace},
           "data": {"SupportedModels": MODELS}})
}

/// A cluster where only this namespace may be looked into.
fn restricted(namespace: &'static str) -> impl FnMut(&Request) -> Option<Answer> + Send {
    move |request| {
        let own = format!("/api/v1/namespaces/{namespace}/configmaps/kaito-supported-models");
        Some(match request.path == own {
            true => Answer::Json(200, config_map(namespace)),
            false => Answer::Refuse(403, "User \"u\" cannot get resource \"configmaps\""),
        })
    }
}

#[test]
fn what_the_cluster_lists_is_found_where_it_may_be_read() {
    let everywhere = |request: &Request| {
        (request.path == "/api/v1/configmaps").then(|| {
            assert_eq!(
                request.query,
                "fieldSelector=metadata.name%3Dkaito-supported-models"
            );
            Answer::Json(200, list(&[config_map("somewhere")]))
        })
    };
    for (api, namespace) in [
        (MockApi::new(everywhere), "somewhere"),
        (
            MockApi::new(restricted("kaito-workspace")),
            "kaito-workspace",
        ),
        (MockApi::new(restricted("kube-system")), "kube-system"),
    ] {
        let outcome = api
            .sandbox
            .kaiwo(&["models", "phi", "-o", "json", PATIENT])
            .exits(0);
        let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
        let expected = format!("{namespace}/kaito-supported-models");
        assert_eq!(report["cluster"]["configMap"], expected);
    }
}

#[test]
fn a_listing_has_its_goldens() {
    let api = MockApi::new(restricted("kaito-workspace"));
    let table = api.sandbox.kaiwo(&["models", "phi-", PATIENT]).exits(0);
    let row = |name: &str| {
        let line = table.stdout.lines().find(|line| line.starts_with(name));
        line.unwrap().split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(row("NAME").last(), Some(&"LISTED"));
    assert_eq!(row("phi-4 ").last(), Some(&"yes"));
    assert_eq!(row("phi-4-mini").last(), Some(&"no"));
    assert_eq!(row("phi-9"), ["phi-9", "-", "-", "-", "yes", "yes"]);
    let merged = api
        .sandbox
        .kaiwo(&["models", "phi-", "-o", "json", PATIENT])
        .exits(0);
    is_golden("models_cluster", &merged);
    let newer = api
        .sandbox
        .kaiwo(&["models", "phi-10", "-o", "json", PATIENT])
        .exits(0);
    is_golden("models_newer", &newer);
    let on = "--instance-type=Standard_NV36ads_A10_v5";
    let counted = api
        .sandbox
        .kaiwo(&["models", "llama", "--offline", "-o", "json", on])
        .exits(0);
    is_golden("models_offline", &counted);
}

#[test]
fn a_cluster_that_says_nothing_is_not_waited_for() {
    let hangs = MockApi::new(|_| Some(Answer::Hang));
    let outcome = hangs.sandbox.kaiwo(&["models"]).exits(0);
    let _ = outcome.says("not compared with a cluster: no answer within 2 s");
    for (answer, why) in [
        (Answer::Close, "it cannot be reached"),
        (
            Answer::Refuse(401, "Unauthorized"),
            "it rejects your credentials",
        ),
        (
            Answer::Refuse(403, "User \"u\" cannot get resource \"configmaps\""),
            "you may not read its ConfigMap kaito-supported-models",
        ),
        (
            Answer::Json(200, list(&[])),
            "it has no ConfigMap kaito-supported-models",
        ),
    ] {
        let api = MockApi::new(move |request| match (&answer, request.path.as_str()) {
            (Answer::Json(..), path) if path != "/api/v1/configmaps" => None,
            (answer, _) => Some(answer.clone()),
        });
        let outcome = api
            .sandbox
            .kaiwo(&["models", "-o", "name", PATIENT])
            .exits(0);
        assert_eq!(outcome.stdout.lines().count(), 60);
        let said = format!("not compared with a cluster: {why}");
        assert!(outcome.stderr.contains(&said), "{}", outcome.stderr);
    }
}
