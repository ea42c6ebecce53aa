//! Writes kubeconfig files, which are JSON: every reader of YAML reads them.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::certificates::{ADMIN, Certificates, bundle};
use super::files;

/// Who a kubeconfig speaks as.
#[derive(Clone, Copy, Debug)]
pub enum User<'a> {
    /// The client certificate with every right.
    Admin,
    /// A name whose static token the API server knows.
    Token { name: &'a str, token: &'a str },
}

/// Writes a kubeconfig for the API server on this port of 127.0.0.1.
pub fn write(path: &Path, port: u16, certificates: &Certificates, user: User<'_>) -> Result<()> {
    write_for(path, ("127.0.0.1", port), certificates, user)
}

/// Writes a kubeconfig for the API server at this address and port.
pub fn write_for(
    path: &Path,
    server: (&str, u16),
    certificates: &Certificates,
    user: User<'_>,
) -> Result<()> {
    let config = config(server, certificates, user)?;
    files::write_private(path, serde_json::to_vec_pretty(&config)?)
}

/// Returns a kubeconfig for the API server at this address and port.
pub fn config(
    (address, port): (&str, u16),
    certificates: &Certificates,
    user: User<'_>,
) -> Result<Value> {
    let (name, credentials) = match user {
        User::Admin => (
            "admin",
            json!({
                "client-certificate-data": bundle(&certificates.certificate(ADMIN))?,
                "client-key-data": bundle(&certificates.key(ADMIN))?,
            }),
        ),
        User::Token { name, token } => (name, json!({ "token": token })),
    };
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "testbed",
        "clusters": [{
            "name": "testbed",
            "cluster": {
                "server": format!("https://{address}:{port}"),
                "certificate-authority-data": bundle(&certificates.ca())?,
            },
        }],
        "users": [{ "name": name, "user": credentials }],
        "contexts": [{ "name": "testbed", "context": { "cluster": "testbed", "user": name } }],
    }))
}
