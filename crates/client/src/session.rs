//! Keeps the HTTP client for an API server together with credentials, and renews
//! these when they are used up.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Uri};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::proxy::SocksV5;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;
use k8s_openapi::jiff::Timestamp;
use kube::client::ConfigExt;
use kube::core::Status;
use kube::{Client, Config};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use secrecy::ExposeSecret as _;
use tokio::sync::Mutex;
use tower::{BoxError, ServiceBuilder};

use super::credentials::{Credentials, Source, TOKEN_FILE_AGE};
use super::exec_plugin::Terminal;
use super::proxy::tunnel::Tunnel;
use super::proxy::{Protocol, Proxy, ProxyVariables};
use super::tls::{self, Identity, Trust};
use crate::ClusterError;

/// Most time for a TCP connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where an API server is, and how it is reached.
pub(crate) struct Endpoint {
    pub(crate) server: Uri,
    pub(crate) trust: Trust,
    /// Name in its certificate, if it is not the one in the URL.
    pub(crate) server_name: Option<ServerName<'static>>,
    pub(crate) proxy: Option<Proxy>,
    /// Headers of every request.
    pub(crate) headers: HeaderMap,
}

/// Whose credentials they are, for messages.
#[derive(Debug, Clone)]
pub struct Owner {
    /// Name of the user in the kubeconfig.
    pub user: String,
    /// Name of the context.
    pub context: String,
    /// The kubeconfig.
    pub file: PathBuf,
}

/// A client and what its requests are sent with.
pub(crate) struct AuthenticatedClient {
    pub(crate) client: Client,
    issued: Credentials,
    since: Instant,
}

/// A connection as one user, whose credentials may change.
pub(crate) struct Session {
    endpoint: Endpoint,
    source: Source,
    owner: Owner,
    terminal: Terminal,
    request_timeout: Duration,
    current: Mutex<Option<Arc<AuthenticatedClient>>>,
}

impl Session {
    pub(crate) fn new(
        endpoint: Endpoint,
        source: Source,
        owner: Owner,
        terminal: Terminal,
        request_timeout: Duration,
    ) -> Self {
        Self {
            endpoint,
            source,
            owner,
            terminal,
            request_timeout,
            current: Mutex::new(None),
        }
    }

    /// Returns what to send a request with. One caller at a time gets new
    /// credentials, the others wait for them.
    pub(crate) async fn pass(&self) -> Result<Arc<AuthenticatedClient>, ClusterError> {
        let mut current = self.current.lock().await;
        match &*current {
            Some(pass) if !self.is_used_up(pass) => Ok(pass.clone()),
            last => {
                let pass = Arc::new(self.renewed(last.as_deref()).await?);
                *current = Some(pass.clone());
                Ok(pass)
            }
        }
    }

    /// Returns something better after the API server has refused `pass`;
    /// `None` if there is nothing better.
    pub(crate) async fn after_refusal(
        &self,
        refused: &Arc<AuthenticatedClient>,
    ) -> Result<Option<Arc<AuthenticatedClient>>, ClusterError> {
        let mut current = self.current.lock().await;
        if let Some(pass) = &*current
            && !Arc::ptr_eq(pass, refused)
        {
            return Ok(Some(pass.clone()));
        }
        if matches!(self.source, Source::Kubeconfig(_)) {
            return Ok(None);
        }
        let pass = Arc::new(self.renewed(Some(refused)).await?);
        let is_better = !pass.issued.is_same(&refused.issued);
        *current = Some(pass.clone());
        Ok(is_better.then_some(pass))
    }

    fn is_used_up(&self, pass: &AuthenticatedClient) -> bool {
        match &self.source {
            Source::Kubeconfig(_) => false,
            Source::TokenFile(..) => pass.since.elapsed() >= TOKEN_FILE_AGE,
            Source::Plugin(_) => pass
                .issued
                .expires
                .is_some_and(|expires| Timestamp::now() >= expires),
        }
    }

    async fn renewed(
        &self,
        last: Option<&AuthenticatedClient>,
    ) -> Result<AuthenticatedClient, ClusterError> {
        let issued = self
            .source
            .issue(
                last.map(|last| &last.issued),
                &self.terminal,
                self.request_timeout,
            )
            .await
            .map_err(|source| ClusterError::Credentials {
                owner: Box::new(self.owner.clone()),
                source,
            })?;
        let client = match last {
            // Its connections are good for the new credentials too.
            Some(last) if issued.has_identity_of(&last.issued) => last.client.clone(),
            _ => self
                .endpoint
                .client(issued.identity.clone())
                .map_err(|source| ClusterError::Client {
                    server: shown(&self.endpoint.server),
                    source: Box::new(source),
                })?,
        };
        Ok(AuthenticatedClient {
            client,
            issued,
            since: Instant::now(),
        })
    }

    /// Returns the error for credentials that are refused for good.
    pub(crate) fn unauthenticated(&self, status: &Status) -> ClusterError {
        ClusterError::Unauthenticated {
            owner: Box::new(self.owner.clone()),
            message: status.message.trim().to_owned(),
        }
    }

    /// Returns the headers that every request has.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.endpoint.headers
    }
}

impl AuthenticatedClient {
    pub(crate) fn authorization(&self) -> Option<&HeaderValue> {
        self.issued.authorization.as_ref()
    }
}

/// Makes a client for a server that is not the API server, and gets none of its
/// credentials. Whom the operating system trusts is trusted; the way leads through the
/// proxy that `proxies` name, if any.
///
/// # Errors
/// [`kube::Error`] if TLS cannot be set up.
pub fn anonymous(server: &Uri, proxies: &ProxyVariables) -> kube::Result<Client> {
    let server = Endpoint {
        server: server.clone(),
        trust: Trust::System,
        server_name: None,
        proxy: Proxy::for_server(server, proxies),
        headers: HeaderMap::new(),
    };
    server.client(None)
}

/// Returns the URL of a server for messages.
pub(crate) fn shown(server: &Uri) -> String {
    server.to_string().trim_end_matches('/').to_owned()
}

impl Endpoint {
    /// Makes a client that sends small packets at once.
    ///
    /// kube leaves Nagle's algorithm on, so the first request waits until the
    /// end of the TLS handshake has been acknowledged: a whole round trip, as
    /// `cargo xtask bench` shows.
    pub(crate) fn client(&self, identity: Option<Identity>) -> kube::Result<Client> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let config = tls::client_config(&self.trust, identity)?;
        let Some(proxy) = &self.proxy else {
            return Ok(self.over(self.tls(config, tcp)));
        };
        let address = proxy.address.clone();
        Ok(match proxy.protocol() {
            Protocol::Http => self.over(self.tls(config, Tunnel::new(proxy, tcp))),
            Protocol::Https => {
                let outer = HttpsConnectorBuilder::new()
                    .with_tls_config(config.clone())
                    .https_or_http()
                    .enable_http1()
                    .wrap_connector(tcp);
                self.over(self.tls(config, Tunnel::new(proxy, outer)))
            }
            Protocol::Socks5 => {
                let mut socks = SocksV5::new(address, tcp);
                if let Some((name, password)) = proxy.user() {
                    socks = socks.with_auth(name.clone(), password.expose_secret().to_owned());
                }
                self.over(self.tls(config, socks))
            }
        })
    }

    fn tls<C>(&self, config: ClientConfig, inner: C) -> HttpsConnector<C> {
        let builder = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http();
        let builder = match &self.server_name {
            Some(name) => {
                builder.with_server_name_resolver(FixedServerNameResolver::new(name.clone()))
            }
            None => builder,
        };
        builder.enable_http1().wrap_connector(inner)
    }

    fn over<C>(&self, connector: C) -> Client
    where
        C: Connect + Clone + Send + Sync + 'static,
    {
        let http =
            hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector);
        let config = Config::new(self.server.clone());
        let service = ServiceBuilder::new()
            .layer(config.base_uri_layer())
            .map_err(BoxError::from)
            .service(http);
        Client::new(service, config.default_namespace)
    }
}
