//! `--secret-from`: a value of this machine that only a Secret has.

use serde_json::{Value, json};

use super::server::{Answer, MockApi, Request, list};
use super::trouble::is;
use crate::common::{Outcome, Sandbox};

/// Base64 of `canary`.
const ENCODED: &str = "Y2FuYXJ5";

fn api() -> MockApi {
    scripted(|_| None)
}

fn scripted(script: impl FnMut(&Request) -> Option<Answer> + Send + 'static) -> MockApi {
    let mut api = MockApi::new(script);
    api.sandbox = api.sandbox.set("HF_TOKEN", "canary");
    api
}

fn says_nothing(outcome: Outcome) -> Outcome {
    for secret in ["canary", ENCODED] {
        assert!(!outcome.stdout.contains(secret), "{}", outcome.stdout);
        assert!(!outcome.stderr.contains(secret), "{}", outcome.stderr);
    }
    outcome
}

/// Returns the Secret that was created, and everything else that was sent.
fn sent(api: &MockApi) -> (Value, String) {
    let requests = api.requests();
    let writes = requests
        .iter()
        .filter(|it| it.is_write() && !it.is_dry_run());
    let (secrets, others): (Vec<&Request>, Vec<&Request>) =
        writes.partition(|it| it.method == "POST" && it.path.ends_with("/secrets"));
    let [secret] = secrets[..] else {
        panic!("{secrets:?}")
    };
    let others = others.iter().map(|it| it.body.to_string()).collect();
    (secret.body.clone(), others)
}

#[test]
fn the_value_is_in_the_secret_and_nowhere_else() {
    for (words, kind) in [
        (&["submit", "-p", "w"][..], "Job"),
        (&["submit", "-p", "w", "--ray"], "RayJob"),
        (&["submit", "-p", "w", "--schedule", "@daily"], "CronJob"),
        (&["serve", "-p", "w"], "Deployment"),
    ] {
        let api = api();
        let words = [
            words,
            &[
                "--secret-from",
                "HF_TOKEN",
                "-o",
                "json",
                "--show-manifests",
                "-v",
            ],
        ]
        .concat();
        let outcome = says_nothing(api.sandbox.kaiwo(&words).exits(0));
        let (secret, others) = sent(&api);
        let name = secret["metadata"]["name"].as_str().unwrap();
        assert_eq!(secret["data"], json!({"HF_TOKEN": ENCODED}));
        assert_eq!(secret["immutable"], true);
        assert!(
            !others.contains("canary") && !others.contains(ENCODED),
            "{others}"
        );
        let reference = json!({"name": name, "key": "HF_TOKEN"});
        let manifests = outcome.stdout.parse::<Value>().unwrap();
        let named = |it: &Value| it["kind"] == "Secret" && it["name"] == name;
        assert!(manifests["objects"].as_array().unwrap().iter().any(named));
        let text = manifests["manifests"].to_string();
        assert!(text.contains(&reference.to_string()), "{kind}: {text}");
        // It goes with the workload.
        let patched = format!("PATCH /api/v1/namespaces/kaiwo/secrets/{name}");
        assert!(api.writes().contains(&patched), "{:?}", api.writes());
        let said = format!("with secret/{name}");
        assert!(outcome.stderr.contains(&said), "{}", outcome.stderr);
    }
}

#[test]
fn another_value_makes_another_workload() {
    let named = |value: &str| {
        let sandbox = Sandbox::new().set("HF_TOKEN", value);
        sandbox.write("w/entrypoint", "echo\n");
        let words = ["submit", "-p", "w", "--secret-from", "HF_TOKEN", "-d"];
        let job = sandbox.kaiwo(&words).exits(0).document("Job");
        let digest = job["metadata"]["annotations"]["kaiwo-cli/digest"].clone();
        (
            job["spec"]["template"]["spec"]["containers"][0]["env"][0].clone(),
            digest,
        )
    };
    assert_eq!(named("canary"), named("canary"));
    let (first, second) = (named("canary"), named("other"));
    assert_ne!(first.0, second.0);
    assert_ne!(first.1, second.1);
}

#[test]
fn a_dry_run_says_how_the_secret_is_made() {
    let sandbox = Sandbox::new().set("HF_TOKEN", "canary").set("EMPTY", "");
    sandbox.write("w/entrypoint", "echo\n");
    let run = |more: &[&str]| sandbox.kaiwo(&[&["submit", "-p", "w", "-d"], more].concat());
    let outcome = says_nothing(run(&["--secret-from", "HF_TOKEN"]).exits(0));
    let kinds: Vec<Value> = outcome
        .documents()
        .iter()
        .map(|it| it["kind"].clone())
        .collect();
    assert_eq!(kinds, ["LocalQueue", "ConfigMap", "Job"]);
    let outcome = outcome
        .says("yourself (it is not printed): kubectl -n kaiwo create secret generic alice-w-");
    drop(outcome.says("--from-literal=HF_TOKEN=\"$HF_TOKEN\""));
    for (words, said) in [
        (
            &["--secret-from", "MISSING"][..],
            "secret-from MISSING (from the command line): the variable is not set",
        ),
        (
            &["--secret-from", "EMPTY"],
            "secret-from EMPTY (from the command line): the variable is not set",
        ),
        (
            &["--secret-from", "HF_TOKEN", "--env", "HF_TOKEN=canary"],
            "the same variable is also set with env",
        ),
    ] {
        drop(says_nothing(run(words).exits(3).says(said)));
    }
    drop(says_nothing(
        run(&["--secret-from", "HF_TOKEN=canary"])
            .exits(2)
            .says("expected only a name"),
    ));
    let model = [
        "serve",
        "-m",
        "phi-4",
        "--instance-type",
        "Standard_NC24ads_A100_v4",
        "-d",
    ];
    let outcome = sandbox.kaiwo(&[&model, &["--secret-from", "HF_TOKEN"][..]].concat());
    drop(says_nothing(
        outcome.exits(3).says("--model-access-secret SECRET"),
    ));
}

#[test]
fn who_may_not_create_secrets_creates_nothing() {
    let api = scripted(|request| {
        is(request, "POST", "/secrets").then_some(Answer::Refuse(
            403,
            "secrets is forbidden: User \"bob\" cannot create resource \"secrets\"",
        ))
    });
    let outcome = api.submit(&["--secret-from", "HF_TOKEN"]).exits(4);
    drop(says_nothing(outcome).says("secrets"));
    let is_real = |it: &Request| it.is_write() && !it.is_dry_run();
    assert!(!api.requests().iter().any(is_real), "{:?}", api.writes());
}

#[test]
fn what_a_run_left_is_deleted_unread() {
    let api = scripted(|request| {
        let left = json!({"metadata": {
            "name": "gone-0123456789", "uid": "s", "resourceVersion": "1",
            "labels": {"app.kubernetes.io/managed-by": "kaiwo", "app.kubernetes.io/instance": "gone"},
            "annotations": {"kaiwo-cli/submission": "run", "kaiwo-cli/kind": "Job"},
        }});
        (is(request, "GET", "/secrets")).then(|| Answer::Json(200, list(&[left])))
    });
    let outcome = api.sandbox.kaiwo(&["delete", "gone", "-y"]);
    drop(outcome.exits(0).says("leftovers of gone deleted"));
    let deleted = "DELETE /api/v1/namespaces/kaiwo/secrets/gone-0123456789".to_owned();
    assert!(api.writes().contains(&deleted), "{:?}", api.writes());
}
