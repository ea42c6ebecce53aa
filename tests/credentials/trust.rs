//! Servers whose certificate is or is not to be trusted.

use std::net::SocketAddr;

use super::server::{TlsApi, kubeconfig};
use crate::common::relay::Relay;

fn submit(api: &TlsApi, cluster: &str) -> crate::common::Outcome {
    api.sandbox
        .write("config", api.fill(&kubeconfig(cluster, "token: s3cr3t")));
    api.submit(&["--kubeconfig", "config"])
}

#[test]
fn an_unknown_authority() {
    let (api, other) = (TlsApi::new(), TlsApi::new());
    std::fs::copy(other.sandbox.path("ca.crt"), api.sandbox.path("other.crt")).unwrap();
    let _ = submit(&api, "certificate-authority: other.crt")
        .exits(7)
        .says(&format!(
            "cannot reach the cluster at https://127.0.0.1:{}",
            api.port
        ))
        .says("set the cluster's certificate-authority-data")
        .never_says("retrying in");
    assert_eq!(api.visits(), []);
}

#[test]
fn a_certificate_of_another_time() {
    let _ = submit(&TlsApi::of_years(2019, 2021), "")
        .exits(7)
        .says("because its certificate expired at 2021-01-01T00:00:00Z")
        .says("ask an admin of the cluster to renew its certificate")
        .never_says("UNIX");
    let _ = submit(&TlsApi::of_years(2190, 2191), "")
        .exits(7)
        .says("because its certificate is valid from 2190-01-01T00:00:00Z on")
        .says("check the clock of this machine: date");
}

#[test]
fn a_handshake_that_is_cut_is_begun_again() {
    let api = TlsApi::new();
    let relay = Relay::to(SocketAddr::from(([127, 0, 0, 1], api.port)));
    relay.cut(3);
    let server = format!("server: 'https://{}'", relay.address());
    let _ = submit(&api, &server)
        .exits(4)
        .says(", retrying in ")
        .says("not allowed");
}

#[test]
fn a_server_that_is_its_own_authority() {
    let api = TlsApi::self_signed();
    let _ = submit(&api, "").exits(4).says("not allowed");
    assert!(!api.visits().is_empty());
    // Its name is checked all the same.
    let _ = submit(&api, "server: 'https://localhost:<PORT>'")
        .exits(7)
        .says("tls-server-name");
    assert_eq!(api.visits(), []);
}

#[test]
fn nothing_is_sent_in_the_clear() {
    let api = crate::mock_api::server::MockApi::new(|_| None);
    let _ = api.submit(&["-g", "8"]).exits(0);
    let requests = api.requests();
    assert!(
        requests.iter().all(|request| !request.is_authorized),
        "{requests:?}"
    );
}

#[test]
fn a_server_below_a_path() {
    let api = TlsApi::new();
    let _ = submit(&api, "server: 'https://127.0.0.1:<PORT>/k8s/clusters/c-1/'").exits(4);
    let visits = api.visits();
    assert!(
        visits
            .iter()
            .any(|visit| visit.path == "/k8s/clusters/c-1/apis"),
        "{visits:?}"
    );
}
