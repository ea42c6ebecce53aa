//! What of a version counts as secret: it is kept in a Secret beside the record, comes
//! back by a rollback, and stands in no ConfigMap.

use serde_json::{Value, json};

use super::server::{Answer, Request};
use super::store::Store;
use super::trouble::is;
use super::update::{ROLLBACK, served, serving};
use crate::common::commands;

/// A version of a service whose token is `token`.
fn with_token(token: &'static str) -> Vec<&'static str> {
    let image = match token {
        "HF_TOKEN=canary1" => "registry/chat:1",
        _ => "registry/chat:2",
    };
    ["serve", "-p", "w", "-g", "0", "-i", image, "--env", token].to_vec()
}

fn two() -> Store {
    served(&[
        &with_token("HF_TOKEN=canary1"),
        &with_token("HF_TOKEN=canary2"),
    ])
}

fn token(store: &Store) -> Value {
    let deployment = store.object("deployments/alice-w");
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let variables = container["env"].as_array().unwrap().iter();
    let mut tokens = variables.filter(|variable| variable["name"] == "HF_TOKEN");
    tokens.next().unwrap()["value"].clone()
}

fn of_kind(store: &Store, plural: &str) -> Vec<Value> {
    let names = store.names();
    let names = names.iter().filter(|name| name.starts_with(plural));
    names.map(|name| store.object(name)).collect()
}

fn in_config_maps(store: &Store, word: &str) -> bool {
    let maps = of_kind(store, "configmaps/");
    assert!(!maps.is_empty());
    maps.iter().any(|map| map.to_string().contains(word))
}

/// A cluster where the user may do all but have Secrets.
fn denied(request: &Request) -> Option<Answer> {
    const DENIED: &str = "secrets is forbidden: User \"alice\" cannot create resource \"secrets\" in API group \"\" in the namespace \"kaiwo\"";
    request
        .path
        .contains("/secrets")
        .then_some(Answer::Refuse(403, DENIED))
}

#[test]
fn a_secret_holds_what_no_config_map_may() {
    let store = two();
    assert!(!in_config_maps(&store, "canary"));
    let uid = store.object("deployments/alice-w")["metadata"]["uid"].clone();
    let secrets = of_kind(&store, "secrets/");
    assert_eq!(secrets.len(), 2);
    for secret in secrets {
        assert_eq!(secret["metadata"]["ownerReferences"][0]["uid"], uid);
        assert_eq!(secret["immutable"], true);
        let record = format!(
            "configmaps/{}",
            secret["metadata"]["name"].as_str().unwrap()
        );
        assert!(!store.object(&record).is_null(), "{record}");
    }
    let api = serving(&store, |_| None);
    let _ = api
        .sandbox
        .kaiwo(&ROLLBACK)
        .exits(0)
        .says("env[HF_TOKEN]: changed\n")
        .says("rolled back to version")
        .never_says("canary");
    assert_eq!(token(&store), "canary1");
    let _ = api.sandbox.kaiwo(&["delete", "alice-w", "-y"]).exits(0);
    assert_eq!(store.names(), [] as [&str; 0]);
}

#[test]
fn what_is_kept_apart_is_compared_too() {
    let store = two();
    let again = with_token("HF_TOKEN=canary2");
    let diff = [&again[..], &["--diff"]].concat();
    let api = serving(&store, |_| None);
    let nothing = api.sandbox.kaiwo(&diff).exits(0);
    let _ = nothing.says("no changes");
    let _ = api.sandbox.kaiwo(&again).exits(0).says(" unchanged");
    assert_eq!(api.writes(), [] as [&str; 0]);
    let mut deployment = store.object("deployments/alice-w");
    let template = &mut deployment["spec"]["template"];
    let variables = template["spec"]["containers"][0]["env"].as_array_mut();
    for variable in variables.unwrap() {
        if variable["name"] == "HF_TOKEN" {
            variable["value"] = json!("other");
        }
    }
    let changed = json!({"spec": {"template": template.clone()}});
    store.edit("deployments/alice-w", &changed);
    // Who may not read it has the same by the request.
    for may_read in [true, false] {
        let api = serving(&store, move |request| {
            (!may_read).then(|| denied(request))?
        });
        let told = api.sandbox.kaiwo(&diff).exits(0).never_says("canary");
        assert!(
            told.stdout.contains("env[HF_TOKEN]: changed\n"),
            "{may_read} {told:?}"
        );
    }
    let _ = api.sandbox.kaiwo(&again).exits(0).says(" updated");
    assert_eq!(token(&store), "canary2");
    // What somebody has deleted is there again.
    for secret in of_kind(&store, "secrets/") {
        let name = secret["metadata"]["name"].as_str().unwrap().to_owned();
        store.remove(&format!("secrets/{name}"));
    }
    let _ = api.sandbox.kaiwo(&again).exits(0).says(" unchanged");
    assert_eq!(of_kind(&store, "secrets/").len(), 1);
}

#[test]
fn without_rights_on_secrets_a_service_is_served_and_the_rest_is_said() {
    let store = Store::default();
    let api = serving(&store, denied);
    for (number, token) in ["HF_TOKEN=canary1", "HF_TOKEN=canary2"]
        .into_iter()
        .enumerate()
    {
        let done = ["created", "updated"][number];
        let outcome = api
            .sandbox
            .kaiwo(&with_token(token))
            .exits(0)
            .says(done)
            .says("is kept without HF_TOKEN, which looks secret, so you cannot roll back to it: you may not create Secrets in namespace kaiwo; ")
            .says("--secret HF_TOKEN=SECRET/KEY")
            .says("an admin for the right to get,create,delete Secrets")
            .never_says("canary");
        assert_eq!(outcome.stderr.matches("is kept without").count(), 1);
    }
    assert!(!in_config_maps(&store, "canary"));
    let again = with_token("HF_TOKEN=canary2");
    let _ = api
        .sandbox
        .kaiwo(&again)
        .exits(0)
        .says(" unchanged")
        .never_says("is kept without");
    let refused = api
        .sandbox
        .kaiwo(&ROLLBACK)
        .exits(4)
        .says("needs HF_TOKEN from secret/alice-w-")
        .says("and you may not read Secrets")
        .says("--verb=get,create,delete --resource=secrets")
        .says(
            "kubectl -n kaiwo create rolebinding kaiwo-versions --role=kaiwo-versions --user=alice",
        );
    for line in commands::in_text(&refused.stderr) {
        assert_eq!(commands::wrong(&line), None);
    }
    // Later there are rights, and still nothing that was kept.
    let api = serving(&store, |_| None);
    let _ = api
        .sandbox
        .kaiwo(&ROLLBACK)
        .exits(3)
        .says("is incomplete: secret/alice-w-")
        .says("which holds HF_TOKEN, does not exist");
    assert_eq!(api.writes(), [] as [&str; 0]);
    assert_eq!(token(&store), "canary2");
}

#[test]
fn records_that_hold_everything_themselves_are_returned_to() {
    let store = two();
    let uid = store.object("deployments/alice-w")["metadata"]["uid"].clone();
    for secret in of_kind(&store, "secrets/") {
        let name = secret["metadata"]["name"].as_str().unwrap().to_owned();
        let values = secret["data"]["values.json"].as_str().unwrap();
        let values = kaiwo::secrecy::from_base64(values).unwrap();
        let value = values.rsplit(':').next().unwrap().trim_matches(['"', '}']);
        let mut record = store.object(&format!("configmaps/{name}"));
        let data = record["data"].as_object_mut().unwrap();
        data.remove("taken.json");
        let objects = data["objects.json"].as_str().unwrap();
        data["objects.json"] = json!(objects.replace("(in a Secret)", value));
        store.remove(&format!("configmaps/{name}"));
        store.remove(&format!("secrets/{name}"));
        store.put("/api/v1/namespaces/kaiwo/configmaps", record);
    }
    assert!(in_config_maps(&store, "canary1"));
    assert!(!uid.is_null());
    let api = serving(&store, denied);
    let _ = api.sandbox.kaiwo(&ROLLBACK).exits(0).says("rolled back");
    assert_eq!(token(&store), "canary1");
}

#[test]
fn secrets_go_with_the_records_of_versions_that_are_forgotten() {
    let store = served(&[&with_token("HF_TOKEN=canary1")]);
    let api = serving(&store, |_| None);
    for number in 2..8 {
        let image = format!("registry/chat:{number}");
        let serve = [
            "serve",
            "-p",
            "w",
            "-g",
            "0",
            "-i",
            &image,
            "--env",
            "HF_TOKEN=canary1",
        ];
        let _ = api.sandbox.kaiwo(&serve).exits(0).says(" updated");
    }
    assert_eq!(of_kind(&store, "secrets/").len(), 5, "{:?}", store.names());
    // A run that is killed between the two leaves nothing that the next would not take up.
    let store = served(&[&with_token("HF_TOKEN=canary1")]);
    let finished = served(&[
        &with_token("HF_TOKEN=canary1"),
        &with_token("HF_TOKEN=canary2"),
    ]);
    let api = serving(&store, |request| {
        (is(request, "PUT", "/deployments/alice-w") && request.is_write())
            .then_some(Answer::Refuse(403, "exceeded quota: q"))
    });
    let second = with_token("HF_TOKEN=canary2");
    let _ = api.sandbox.kaiwo(&second).exits(3);
    assert_eq!(of_kind(&store, "secrets/").len(), 1);
    let api = serving(&store, |_| None);
    let _ = api.sandbox.kaiwo(&second).exits(0);
    assert_eq!(store.names(), finished.names());
}

#[test]
fn commands_hold_secrets_too() {
    let store = Store::default();
    let api = serving(&store, |_| None);
    let serve = |image: &'static str| {
        [
            "serve",
            "-p",
            "w",
            "-g",
            "0",
            "-i",
            image,
            "--",
            "run",
            "--api-key",
            "canary",
        ]
    };
    let _ = api.sandbox.kaiwo(&serve("registry/chat:1")).exits(0);
    let _ = api.sandbox.kaiwo(&serve("registry/chat:2")).exits(0);
    assert!(!in_config_maps(&store, "canary"));
    let _ = api.sandbox.kaiwo(&ROLLBACK).exits(0);
    let container = store.object("deployments/alice-w");
    let container = &container["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "registry/chat:1");
    let words = container["command"].as_array().unwrap();
    assert_eq!(words[3..], ["run", "--api-key", "canary"]);
}
