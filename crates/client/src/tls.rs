//! Sets up TLS: which API server to trust, and the certificate to show it.

use std::sync::Arc;

use kube::Config;
use kube::client::ConfigExt;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

/// Whom to trust.
#[derive(Debug, Clone)]
pub(crate) enum Trust {
    /// Everybody: `insecure-skip-tls-verify`.
    Anybody,
    /// Whom the operating system trusts.
    System,
    /// These authorities.
    Authorities(Vec<CertificateDer<'static>>),
}

impl Trust {
    /// Reads PEM certificates, passing over what is none. `None` if there is
    /// not one.
    pub(crate) fn authorities(pem: &[u8]) -> Option<Self> {
        let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .filter_map(Result::ok)
            .collect();
        (!found.is_empty()).then_some(Self::Authorities(found))
    }
}

/// A client certificate with its key.
pub(crate) type Identity = Arc<CertifiedKey>;

/// Reads a client certificate and its key. An error says what is wrong in
/// words that hold nothing of either.
pub(crate) fn identity(certificate: &[u8], key: &[u8]) -> Result<Identity, &'static str> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<_, _>>()
        .map_err(|_| "the client certificate is not PEM")?;
    if chain.is_empty() {
        return Err("the client certificate is not PEM");
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| "the client key is not PEM")?;
    CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map(Arc::new)
        .map_err(|error| match error {
            Error::InconsistentKeys(_) => {
                "the client key does not belong to the client certificate"
            }
            _ => "the client key is of an unsupported type",
        })
}

/// Makes the settings of a TLS client.
pub(crate) fn client_config(
    trust: &Trust,
    identity: Option<Identity>,
) -> Result<ClientConfig, kube::Error> {
    // kube knows the way to the operating system's authorities, and the one
    // to none.
    let mut config = Config::new(http::Uri::from_static("https://kubernetes"));
    config.accept_invalid_certs = matches!(trust, Trust::Anybody);
    config.root_cert = (!matches!(trust, Trust::System)).then(Vec::new);
    let mut client = config.rustls_client_config()?;
    if let Trust::Authorities(authorities) = trust {
        let verifier =
            Verifier::new(authorities).map_err(|error| kube::Error::Service(Box::new(error)))?;
        client
            .dangerous()
            .set_certificate_verifier(Arc::new(verifier));
    }
    if let Some(identity) = identity {
        client.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(identity));
    }
    Ok(client)
}

/// Checks certificates by webpki, and takes one more that Go takes: a server's
/// that is itself among the authorities, as the self-signed ones of small
/// clusters are.
#[derive(Debug)]
struct Verifier {
    strict: Arc<WebPkiServerVerifier>,
    authorities: Vec<CertificateDer<'static>>,
}

impl Verifier {
    fn new(authorities: &[CertificateDer<'static>]) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(authorities.iter().cloned());
        let provider: Arc<CryptoProvider> = ring::default_provider().into();
        let strict = WebPkiServerVerifier::builder_with_provider(roots.into(), provider)
            .build()
            .map_err(|error| Error::General(error.to_string()))?;
        Ok(Self {
            strict,
            authorities: authorities.to_vec(),
        })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let result = self.strict.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match result {
            // webpki looks at the time before it looks whether this is an
            // authority, so only the name is left to check.
            Err(Error::InvalidCertificate(CertificateError::Other(reason)))
                if reason.0.to_string().contains("CaUsedAsEndEntity")
                    && self.authorities.iter().any(|known| known == end_entity) =>
            {
                rustls::client::verify_server_name(
                    &ParsedCertificate::try_from(end_entity)?,
                    server_name,
                )?;
                Ok(ServerCertVerified::assertion())
            }
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.strict
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.strict
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.strict.supported_verify_schemes()
    }
}
