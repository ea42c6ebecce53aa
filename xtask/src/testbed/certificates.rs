//! The testbed's own certificate authority and the certificates it signs.
//!
//! Everything is made afresh for every start and never leaves the instance's directory.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};

use super::files;
use super::real_node::nodes::NODES;

/// A directory of PEM files, addressed by the name of what they certify.
#[derive(Clone, Debug)]
pub struct Certificates {
    dir: PathBuf,
}

impl Certificates {
    pub fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Writes a new authority and everything it signs.
    pub fn generate(&self) -> Result<()> {
        files::create_dir(&self.dir)?;
        let authority = authority().context("failed to make the certificate authority")?;
        files::write(&self.ca(), authority.pem())?;

        self.sign(
            &authority,
            SERVER,
            &[
                "localhost",
                "kubernetes",
                "kubernetes.default",
                "kubernetes.default.svc",
                "kubernetes.default.svc.cluster.local",
                "127.0.0.1",
                "10.0.0.1",
                NODES[0].address,
                NODES[1].address,
            ],
            None,
        )?;
        self.sign(&authority, KUEUE, &["localhost", "127.0.0.1"], None)?;
        self.sign(&authority, METRICS, &[METRICS_HOST], None)?;
        self.sign(&authority, ADMIN, &[], Some("system:masters"))?;
        self.sign(&authority, FRONT_PROXY, &[], None)?;

        let service_accounts = KeyPair::generate()?;
        files::write_private(
            &self.key(SERVICE_ACCOUNTS),
            service_accounts.serialize_pem(),
        )?;
        // The API server verifies tokens with a PKIX public key: of private keys it only reads PKCS#1 and SEC 1 ones.
        files::write(
            &self.service_account_public_key(),
            service_accounts.public_key_pem(),
        )
    }

    pub fn ca(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    pub fn certificate(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.crt"))
    }

    pub fn key(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.key"))
    }

    pub fn service_account_public_key(&self) -> PathBuf {
        self.dir.join("service-accounts.pub")
    }

    fn sign(
        &self,
        authority: &CertifiedIssuer<'_, KeyPair>,
        name: &str,
        hosts: &[&str],
        organization: Option<&str>,
    ) -> Result<()> {
        let key = KeyPair::generate()?;
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let mut leaf = CertificateParams::new(hosts)?;
        leaf.distinguished_name.push(DnType::CommonName, name);
        if let Some(organization) = organization {
            leaf.distinguished_name
                .push(DnType::OrganizationName, organization);
        }
        leaf.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        leaf.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        leaf.use_authority_key_identifier_extension = true;
        validity(&mut leaf);
        let certificate = leaf
            .signed_by(&key, authority)
            .with_context(|| format!("failed to sign {name}"))?;
        files::write(&self.certificate(name), certificate.pem())?;
        files::write_private(&self.key(name), key.serialize_pem())
    }
}

/// What the API server and KWOK's kubelet endpoint serve.
pub const SERVER: &str = "server";
/// What Kueue's webhooks, metrics and visibility API serve.
pub const KUEUE: &str = "kueue";
/// What the metrics stand-in serves, under the name that the API server calls it by.
pub const METRICS: &str = "metrics";
const METRICS_HOST: &str = "testbed-metrics.kube-system.svc";
/// A client with every right.
pub const ADMIN: &str = "admin";
/// Who the API server is to the APIs it aggregates.
pub const FRONT_PROXY: &str = "front-proxy";
/// Signs service account tokens.
pub const SERVICE_ACCOUNTS: &str = "service-accounts";

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::new(Vec::new())?;
    params
        .distinguished_name
        .push(DnType::CommonName, "kaiwo-testbed");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    validity(&mut params);
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

/// Fixed far ends, so that a machine with a wrong clock has a testbed, too.
fn validity(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2120, 1, 1);
}

/// Returns a PEM file as the base64 that Kubernetes' `caBundle` and kubeconfig `*-data` fields hold.
pub fn bundle(path: &Path) -> Result<String> {
    use base64::Engine as _;
    let pem = std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    Ok(base64::engine::general_purpose::STANDARD.encode(pem))
}
