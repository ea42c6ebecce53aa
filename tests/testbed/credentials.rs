//! Whom the real API server takes kaiwo for. Its own words about a missing
//! right name the user.

use serde_json::{Value, json};

use crate::common::{Outcome, Sandbox};

/// The testbed's kubeconfig, or the one of a user without any rights.
fn kubeconfig(user: Option<&str>) -> Value {
    let file = std::env::var("KUBECONFIG").expect("KUBECONFIG names the testbed");
    let admin = std::path::PathBuf::from(file);
    let file = match user {
        None => admin,
        Some(user) => admin
            .with_file_name("users")
            .join(format!("{user}.kubeconfig")),
    };
    kaiwo::yaml::parse_first(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// Submits with another user in the testbed's kubeconfig.
fn submit(user: Value, plugin: &Value, arguments: &[&str]) -> Outcome {
    let mut config = kubeconfig(None);
    config["users"][0]["user"] = user;
    let sandbox = Sandbox::new();
    let answer = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": plugin,
    });
    sandbox.write("answer", answer.to_string());
    sandbox.write("w/entrypoint", "echo\n");
    sandbox.write("token", plugin["token"].as_str().unwrap_or_default());
    sandbox.write("config", config.to_string());
    let typed = [
        "submit",
        "-p=w",
        "-g=8",
        "--gpus-per-node=8",
        "--gpu-resource=amd.com/gpu",
        "-n=default",
        "--kubeconfig=config",
    ];
    sandbox.kaiwo(&[&typed, arguments].concat())
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn the_api_server_sees_who_the_kubeconfig_means() {
    let admin = kubeconfig(None)["users"][0]["user"].clone();
    let pem = |field: &str| {
        let bytes: k8s_openapi::ByteString = serde_json::from_value(admin[field].clone()).unwrap();
        String::from_utf8(bytes.0).unwrap()
    };
    let certificate = json!({
        "clientCertificateData": pem("client-certificate-data"),
        "clientKeyData": pem("client-key-data"),
    });
    let nobody = kubeconfig(Some("nobody"))["users"][0]["user"].clone();
    let exec = json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never",
        "command": "cat", "args": ["answer"],
    }});
    for (user, plugin, arguments, name) in [
        (nobody.clone(), &json!({}), &[][..], "nobody"),
        (json!({"tokenFile": "token"}), &nobody, &[], "nobody"),
        (exec.clone(), &nobody, &[], "nobody"),
        (exec.clone(), &certificate, &["--as", "nobody"], "nobody"),
        (
            admin.clone(),
            &json!({}),
            &["--as", "somebody", "--as-group", "some"],
            "somebody",
        ),
        // Nothing in front of the API server looks at a password.
        (
            json!({"username": "u", "password": "p"}),
            &json!({}),
            &[],
            "system:anonymous",
        ),
        (json!({}), &json!({}), &[], "system:anonymous"),
    ] {
        let outcome = submit(user, plugin, arguments).exits(4);
        let _ = outcome.says(&format!("User \"{name}\" cannot"));
    }
    let wrong = json!({"token": "wrong"});
    for user in [wrong.clone(), exec] {
        let refused = submit(user, &wrong, &[]).exits(4);
        let _ = refused.says("not authenticated: ");
    }
}
