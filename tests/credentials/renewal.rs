//! Credentials that are used up while kaiwo runs, and those of a pod.

use std::sync::{Arc, Mutex};

use kaiwo::cluster::client::connection::PodEnvironment;
use kaiwo::cluster::{Cluster, Target};

use super::server::{SECRET, TlsApi, Visit, credential};

/// A server that takes nothing but this token.
fn picky(token: &'static str) -> TlsApi {
    TlsApi::answering(move |visit| match visit.authorization.ends_with(token) {
        true => 403,
        false => 401,
    })
}

const EXEC: &str = "exec: {command: ./plugin, apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never}";

fn counting(api: &TlsApi, more: &str) {
    let answer = credential("v1", "{\"token\": \"s3cr3t-NUMBER\" MORE}").replace("MORE", more);
    api.program(
        "plugin",
        &format!("#!/bin/sh\necho x >> runs\nn=$(wc -l < runs)\ncat <<EOF | sed \"s/NUMBER/$n/\"\n{answer}\nEOF\n"),
    );
}

fn runs(api: &TlsApi) -> usize {
    std::fs::read_to_string(api.sandbox.path("runs"))
        .unwrap()
        .lines()
        .count()
}

fn tokens(visits: &[Visit]) -> Vec<&str> {
    let mut tokens: Vec<&str> = visits
        .iter()
        .map(|visit| visit.authorization.as_str())
        .collect();
    tokens.sort_unstable();
    tokens.dedup();
    tokens
}

#[test]
fn a_plugin_is_asked_again_once_after_a_401() {
    let api = picky("s3cr3t-2");
    counting(&api, "");
    let _ = api
        .submit_as(EXEC, &[])
        .exits(4)
        .says("not allowed")
        .says("again with new credentials");
    assert_eq!(runs(&api), 2, "all requests share the new token");
    assert_eq!(
        tokens(&api.visits()),
        ["Bearer s3cr3t-1", "Bearer s3cr3t-2"]
    );

    let api = picky("never");
    counting(&api, "");
    let _ = api
        .submit_as(EXEC, &[])
        .exits(4)
        .says("not authenticated")
        .says("kubectl --kubeconfig config auth whoami");
    assert_eq!(runs(&api), 2);
}

#[test]
fn what_has_expired_is_not_sent() {
    let api = picky("s3cr3t-2");
    counting(&api, ", \"expirationTimestamp\": \"2001-01-01T00:00:00Z\"");
    let _ = api.submit_as(EXEC, &[]).exits(4);
    assert!(runs(&api) >= 2);
    assert!(!tokens(&api.visits()).contains(&"Bearer s3cr3t-1"));
}

#[test]
fn a_token_file_is_read_again_after_a_401() {
    let file = Arc::new(Mutex::new(None::<std::path::PathBuf>));
    let known = file.clone();
    let api = TlsApi::answering(move |visit| {
        if visit.authorization.ends_with("new") {
            return 403;
        }
        // In one step: half a file is no token.
        let token = known.lock().unwrap().clone().unwrap();
        std::fs::write(token.with_extension("new"), "s3cr3t-new\n").unwrap();
        std::fs::rename(token.with_extension("new"), token).unwrap();
        401
    });
    *file.lock().unwrap() = Some(api.sandbox.path("token"));
    let _ = api
        .submit_as("tokenFile: token", &[])
        .exits(4)
        .says("not allowed");
    assert_eq!(
        tokens(&api.visits()),
        ["Bearer s3cr3t-new", "Bearer s3cr3t-of-file"]
    );
}

#[test]
fn a_token_that_is_refused_is_refused() {
    let api = picky("never");
    let _ = api
        .submit_as("token: s3cr3t", &[])
        .exits(4)
        .says("not authenticated: ")
        .says("log in again as user \"alice\" of context \"here\" (config)");
}

#[test]
fn a_pod_uses_its_service_account() {
    let api = TlsApi::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut target = Target {
        kubeconfig_variable: Some("/nonexistent/config".into()),
        pod: PodEnvironment {
            service_host: "127.0.0.1".to_owned(),
            service_port: api.port.to_string(),
            service_account: api.sandbox.path(""),
        },
        ..Target::default()
    };
    let visit = |target: &Target| {
        runtime.block_on(async {
            let cluster = Cluster::connect(target).await?;
            let refused = cluster.get::<serde_json::Value>("/apis").await.unwrap_err();
            assert_eq!(refused.code(), Some(403), "{refused:?}");
            Ok::<_, kaiwo::cluster::ClusterError>(cluster.context().to_owned())
        })
    };
    assert_eq!(visit(&target).unwrap(), "in-cluster");
    assert_eq!(
        api.visits()[0].authorization,
        format!("Bearer {SECRET}-of-file")
    );

    // A kubeconfig comes first, and outside of a pod there is nothing else.
    target.pod.service_port.clear();
    let error = visit(&target).unwrap_err().to_string();
    assert_eq!(
        error,
        "no usable kubeconfig: /nonexistent/config does not exist"
    );
    target.pod.service_port = api.port.to_string();
    let config = api.fill(&super::server::kubeconfig("", "token: t"));
    target.kubeconfig_variable = Some(api.sandbox.write("config", config).into());
    assert_eq!(visit(&target).unwrap(), "here");
}
