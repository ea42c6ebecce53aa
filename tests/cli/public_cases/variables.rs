//! Variables that others set.

use super::*;

#[test]
fn variables_of_ci_and_of_services_stop_nothing() {
    let sandbox = Sandbox::new()
        .set("KAIWO_RAY", "False")
        .set("KAIWO_PORT", "tcp://10.0.0.1:80")
        .set("KAIWO_PORT_80_TCP", "tcp://10.0.0.1:80");
    let outcome = sandbox.kaiwo(&["serve", "-i=x", "-g=0", "-d"]).exits(0);
    assert!(
        outcome
            .documents()
            .iter()
            .all(|document| document["kind"] != "Service")
    );
    let _ = sandbox
        .set("KAIWO_RAY", "True")
        .kaiwo(&["submit", "-i=x", "-d", "--", "a"])
        .exits(0)
        .document("RayJob");
    // What a command has no use for may hold anything.
    let sandbox = Sandbox::new()
        .set("KAIWO_PORT", "nonsense")
        .set("KAIWO_RAY", "maybe");
    let listed = sandbox.kaiwo(&["list"]);
    let _ = listed.exits(3).never_says("KAIWO_");
    let _ = sandbox
        .kaiwo(&["submit", "-i=x", "-d"])
        .exits(3)
        .says("KAIWO_");
}

#[cfg(unix)]
#[test]
fn without_a_variable_the_user_is_the_systems() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["submit", "-i=x", "-d"]);
    let output = command.env_remove("USER").output().unwrap();
    let job = Outcome::of(output).exits(0).document("Job");
    let id = std::process::Command::new("id")
        .arg("-un")
        .output()
        .unwrap();
    let user = String::from_utf8(id.stdout).unwrap();
    let name = job["metadata"]["name"].as_str().unwrap();
    match user.trim() {
        "" => assert!(name.starts_with("uid"), "{name}"),
        user => assert!(name.starts_with(&user.to_lowercase()), "{name} {user}"),
    }
}

#[test]
fn the_contexts_namespace_is_a_setting() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "kubeconfig",
        "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n\
         contexts: [{name: a, context: {cluster: c, namespace: team-a}}, {name: b, context: {cluster: c}}]\n",
    );
    sandbox.write(".config/kaiwo/config.yaml", "namespace: context\n");
    let namespace = |arguments: &[&str]| {
        let common = ["submit", "-i=x", "-d", "--kubeconfig=kubeconfig"];
        let outcome = sandbox.kaiwo(&[&common[..], arguments].concat()).exits(0);
        outcome.document("Job")["metadata"]["namespace"].clone()
    };
    assert_eq!(namespace(&[]), "team-a");
    assert_eq!(namespace(&["--context=b"]), "default");
    assert_eq!(namespace(&["-n=context"]), "context");
    let _ = sandbox
        .kaiwo(&["submit", "-i=x", "-d", "--kubeconfig=nowhere"])
        .exits(3)
        .says("nowhere");
    assert!(!Path::new("/nonexistent/kubeconfig").exists());
}

#[test]
fn variables_of_a_model_that_takes_none_are_remarked() {
    let sandbox = Sandbox::new();
    let serve = [
        "serve",
        "-m",
        "phi-4",
        "--instance-type",
        "Standard_NC24ads_A100_v4",
        "-d",
    ];
    let given = ["--env", "A=canary", "--secret", "B=a/b"];
    let outcome = sandbox.kaiwo(&[&serve[..], &given].concat()).exits(0);
    drop(
        outcome
            .says("A, B would have no effect")
            .never_says("canary"),
    );
    sandbox.write(".config/kaiwo/config.yaml", "env: {A: canary}\n");
    let outcome = sandbox.kaiwo(&serve).exits(0);
    assert!(!outcome.stderr.contains("no effect"), "{}", outcome.stderr);
}
