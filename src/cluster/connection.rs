//! Connecting as kubectl would: the same files, the same precedence.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::ConfigExt;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tower::{BoxError, ServiceBuilder};

use super::ClusterError;

/// Which cluster, and as whom.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// Kubeconfig file, instead of `KUBECONFIG` and `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// Value of the variable `KUBECONFIG`.
    pub kubeconfig_variable: Option<std::ffi::OsString>,
    /// Context, instead of the kubeconfig's current one.
    pub context: Option<String>,
    /// User to impersonate.
    pub as_user: Option<String>,
    /// Groups to impersonate.
    pub as_groups: Vec<String>,
    /// Most time that one request may take.
    pub request_timeout: Duration,
    /// Whether the certificate of the API server goes unchecked.
    pub insecure_skip_tls_verify: bool,
}

/// A connection to one cluster, as one user.
#[derive(Clone)]
pub struct Cluster {
    pub(super) client: Client,
    pub(super) server: String,
    pub(super) request_timeout: Duration,
    context: String,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("server", &self.server)
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

/// Name of the context where there is none: inside a pod.
const IN_CLUSTER: &str = "in-cluster";

impl Cluster {
    /// Prepares a client. No request is sent yet.
    ///
    /// # Errors
    /// [`ClusterError::Kubeconfig`] if there is none or it lacks something,
    /// [`ClusterError::Client`] if what it says cannot be done.
    pub async fn connect(target: &Target) -> Result<Self, ClusterError> {
        let (mut config, context) = config(target).await?;
        config.connect_timeout = Some(target.request_timeout.min(Duration::from_secs(10)));
        // Every request has a deadline of its own, see `request`.
        config.read_timeout = None;
        // kube would obey any Retry-After, without bound.
        config.default_retry = false;
        if target.insecure_skip_tls_verify {
            config.accept_invalid_certs = true;
        }
        if let Some(user) = &target.as_user {
            config.auth_info.impersonate = Some(user.clone());
            config.auth_info.impersonate_groups =
                (!target.as_groups.is_empty()).then(|| target.as_groups.clone());
        }
        let server = config
            .cluster_url
            .to_string()
            .trim_end_matches('/')
            .to_owned();
        let client = client(config).map_err(|source| match source {
            source @ kube::Error::Auth(_) => ClusterError::Credentials {
                server: server.clone(),
                source,
            },
            source => ClusterError::Client {
                server: server.clone(),
                source,
            },
        })?;
        Ok(Self {
            client,
            server,
            request_timeout: target.request_timeout,
            context,
        })
    }

    /// Returns the name of the context.
    pub fn context(&self) -> &str {
        &self.context
    }
}

/// Makes a client that sends small packets at once.
///
/// kube leaves Nagle's algorithm on, so the first request waits until the end
/// of the TLS handshake has been acknowledged: a whole round trip, as
/// `cargo xtask bench` shows. Through a proxy kube's own client has to do.
fn client(config: Config) -> kube::Result<Client> {
    if config.proxy_url.is_some() {
        return Client::try_from(config);
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(config.connect_timeout);
    let tls = config.rustls_https_connector_with_connector(tcp)?;
    let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(tls);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http);
    Ok(Client::new(service, config.default_namespace))
}

/// Reads the kubeconfig files of a target, merged as kubectl merges them;
/// `None` if none of them exists.
///
/// # Errors
/// [`ClusterError::Kubeconfig`] if one cannot be read.
pub(super) fn kubeconfig(target: &Target) -> Result<Option<Kubeconfig>, ClusterError> {
    let mut merged: Option<Kubeconfig> = None;
    for file in files(target).iter().filter(|file| file.exists()) {
        let next = Kubeconfig::read_from(file).map_err(wrong)?;
        merged = Some(match merged {
            Some(config) => config.merge(next).map_err(wrong)?,
            None => next,
        });
    }
    Ok(merged)
}

fn wrong(source: kube::config::KubeconfigError) -> ClusterError {
    ClusterError::Kubeconfig {
        message: source.to_string(),
        source: Some(source),
    }
}

async fn config(target: &Target) -> Result<(Config, String), ClusterError> {
    let unusable = |message: String| ClusterError::Kubeconfig {
        message,
        source: None,
    };
    let Some(kubeconfig) = kubeconfig(target)? else {
        // kubectl, too, turns to the pod's own account only when no file is.
        if let (None, Ok(config)) = (&target.kubeconfig, Config::incluster()) {
            return Ok((config, IN_CLUSTER.to_owned()));
        }
        let named: Vec<String> = files(target)
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        return Err(unusable(match named[..] {
            [] => "no home directory is known".to_owned(),
            _ => format!("{} does not exist", named.join(" and ")),
        }));
    };
    let context = target
        .context
        .clone()
        .or_else(|| {
            kubeconfig
                .current_context
                .clone()
                .filter(|context| !context.is_empty())
        })
        .ok_or_else(|| {
            unusable("it has no current context; choose one with --context".to_owned())
        })?;
    if !kubeconfig
        .contexts
        .iter()
        .any(|known| known.name == context)
    {
        let known: Vec<String> = kubeconfig
            .contexts
            .iter()
            .map(|known| known.name.clone())
            .collect();
        return Err(unusable(format!(
            "it has no context {context:?}; it has: {}",
            known.join(", ")
        )));
    }
    let options = KubeConfigOptions {
        context: Some(context.clone()),
        ..KubeConfigOptions::default()
    };
    let config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(wrong)?;
    Ok((config, context))
}

/// Returns the files that kubectl would read, whether they exist or not: the
/// one named, else those of the variable, else the one in the home directory.
fn files(target: &Target) -> Vec<PathBuf> {
    if let Some(file) = &target.kubeconfig {
        return vec![file.clone()];
    }
    let listed: Vec<PathBuf> = target
        .kubeconfig_variable
        .iter()
        .flat_map(std::env::split_paths)
        .filter(|path| path != Path::new(""))
        .collect();
    match listed.is_empty() {
        true => std::env::home_dir()
            .map(|home| home.join(".kube/config"))
            .into_iter()
            .collect(),
        false => listed,
    }
}
