//! Connects as kubectl would: from the same files, with the same precedence.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ::secrecy::ExposeSecret as _;
use http::Uri;
use rustls::pki_types::ServerName;

use super::answer::Warnings;
use super::backoff::Absence;
use super::credentials::{self, Credentials, NoSource, Source, lacking};
use super::exec_plugin::Terminal;
use super::kubeconfig::{
    self, ClusterEntry, ContextChoice, Kubeconfig, KubeconfigError, UserEntry,
};
use super::proxy::{Proxy, ProxyVariables};
use super::session::{Endpoint, Owner, Session, shown};
use super::tls::Trust;
use crate::ClusterError;
use kaiwo_base::answer::Reading;
use kaiwo_base::file::{self, FileError};
use kaiwo_base::secrecy;
use kaiwo_base::shell;

/// Most time that one request may take unless the user says something else.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Which cluster, and as whom.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// Kubeconfig file, instead of `KUBECONFIG` and `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// Value of the variable `KUBECONFIG`.
    pub kubeconfig_variable: Option<OsString>,
    /// Context, instead of the kubeconfig's current one.
    pub context: Option<String>,
    /// User to impersonate.
    pub as_user: Option<String>,
    /// Groups to impersonate.
    pub as_groups: Vec<String>,
    /// Most time that one request may take, if the user has said so.
    pub request_timeout: Option<Duration>,
    /// Whether the certificate of the API server goes unchecked.
    pub insecure_skip_tls_verify: bool,
    /// Variables that name proxies.
    pub proxies: ProxyVariables,
    /// The pod that this runs in, if it is one.
    pub pod: PodEnvironment,
    /// What a credential plugin may use of the terminal.
    pub terminal: Terminal,
    /// Told when the API server cannot be reached and is tried again. `None`:
    /// whoever asks goes on without an answer, at once.
    pub absence: Option<fn(&str)>,
    /// Told what the API server warns of where something is to change, and that
    /// others can change the kubeconfig.
    pub warning: Option<fn(&str)>,
    /// How what is read is understood that is not as it should be.
    pub reading: Reading,
}

/// What a pod knows about its cluster.
#[derive(Debug, Clone)]
pub struct PodEnvironment {
    /// `KUBERNETES_SERVICE_HOST`, empty outside of a pod.
    pub service_host: String,
    /// `KUBERNETES_SERVICE_PORT`, empty outside of a pod.
    pub service_port: String,
    /// Directory where its service account is mounted.
    pub service_account: PathBuf,
}

impl Default for PodEnvironment {
    fn default() -> Self {
        Self {
            service_host: String::new(),
            service_port: String::new(),
            service_account: PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount"),
        }
    }
}

/// A connection to one cluster, as one user.
#[derive(Clone)]
pub struct Cluster {
    pub(crate) session: Arc<Session>,
    pub(crate) server: String,
    pub(crate) request_timeout: Duration,
    pub(crate) absence: Arc<Absence>,
    pub(crate) warnings: Arc<Warnings>,
    pub(crate) reading: Reading,
    /// The same, only if the user has said so: it replaces what is allowed
    /// for answers that it can do without, too.
    asked_timeout: Option<Duration>,
    context: String,
    /// Namespace of the context, empty where it names none.
    context_namespace: String,
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
    /// Gets credentials, which may take a login, and prepares a client. No
    /// request is sent yet.
    ///
    /// # Errors
    /// [`ClusterError::Kubeconfig`] if there is none or it cannot be used,
    /// [`ClusterError::Credentials`] if those it means cannot be had,
    /// [`ClusterError::Client`] if there can be no client.
    pub async fn connect(target: &Target) -> Result<Self, ClusterError> {
        let files = files(target)?;
        if let Some(file) = target.kubeconfig.as_ref().filter(|file| !file.exists()) {
            return Err(no_kubeconfig(std::slice::from_ref(file)).into());
        }
        let kubeconfig = Kubeconfig::read(&files)?;
        for file in files.iter().filter(|file| file::is_open_to_all(file)) {
            if let Some(tell) = target.warning {
                let shown = file.display().to_string();
                tell(&format!(
                    "every user of this machine can change {shown}, and so run programs as you: chmod 600 {}",
                    shell::quoted(&shown)
                ));
            }
        }
        let choice = match (kubeconfig.is_empty(), &target.context) {
            // kubectl, too, turns to the pod's own account only when no
            // kubeconfig says anything.
            (true, None) => in_cluster(&target.pod).ok_or_else(|| no_kubeconfig(&files))?,
            _ => kubeconfig.choose(target.context.as_deref())?,
        };
        let context_namespace = choice.context.entry.namespace.clone();
        let owner = Owner {
            user: choice.user.name.clone(),
            context: choice.context.name.clone(),
            file: choice.user.file.clone(),
        };
        let (endpoint, source) = prepare(target, choice).map_err(|error| match error {
            NoSource::Kubeconfig(mut error) => {
                error.file.get_or_insert_with(|| owner.file.clone());
                ClusterError::Kubeconfig(error)
            }
            NoSource::Credentials(source) => ClusterError::Credentials {
                owner: Box::new(owner.clone()),
                source,
            },
        })?;
        let request_timeout = target.request_timeout.unwrap_or(REQUEST_TIMEOUT);
        let cluster = Self {
            server: shown(&endpoint.server),
            context: owner.context.clone(),
            context_namespace,
            request_timeout,
            asked_timeout: target.request_timeout,
            absence: Arc::new(Absence::new(target.absence)),
            warnings: Arc::new(Warnings::new(target.warning)),
            reading: target.reading,
            session: Arc::new(Session::new(
                endpoint,
                source,
                owner,
                target.terminal,
                request_timeout,
            )),
        };
        cluster.session.pass().await?;
        Ok(cluster)
    }

    /// Returns the same connection for those who ask again by themselves: a
    /// request fails at once when nobody is there.
    #[must_use]
    pub fn failing_at_once(&self) -> Self {
        Self {
            absence: Arc::new(Absence::new(None)),
            ..self.clone()
        }
    }

    /// Returns the URL of the API server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Returns the most time that one request may take, if the user has said so.
    pub fn asked_timeout(&self) -> Option<Duration> {
        self.asked_timeout
    }

    /// Returns how what is read is understood that is not as it should be.
    pub fn reading(&self) -> Reading {
        self.reading
    }

    /// Returns what the API server has warned of so far.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.told()
    }

    /// Returns the name of the context.
    pub fn context(&self) -> &str {
        &self.context
    }

    /// Returns the namespace of the context, or of the pod's service account; empty
    /// where neither names one.
    pub fn context_namespace(&self) -> &str {
        &self.context_namespace
    }
}

/// Returns the namespace that kubectl would take: the context's, or the one of the
/// pod's service account, else `default`.
///
/// # Errors
/// [`KubeconfigError`] if there is no context, or the files cannot be read.
pub fn context_namespace(target: &Target) -> Result<String, KubeconfigError> {
    let files = files(target)?;
    let kubeconfig = Kubeconfig::read(&files)?;
    let choice = match (kubeconfig.is_empty(), &target.context) {
        (true, None) => in_cluster(&target.pod).ok_or_else(|| no_kubeconfig(&files))?,
        _ => kubeconfig.choose(target.context.as_deref())?,
    };
    let namespace = choice.context.entry.namespace;
    Ok(match namespace.is_empty() {
        true => "default".to_owned(),
        false => namespace,
    })
}

/// Reads the kubeconfigs of a target as one.
///
/// # Errors
/// [`KubeconfigError`] for the first file that cannot be understood.
pub fn kubeconfig(target: &Target) -> Result<Kubeconfig, KubeconfigError> {
    Kubeconfig::read(&files(target)?)
}

fn files(target: &Target) -> Result<Vec<PathBuf>, KubeconfigError> {
    let explicit = target.kubeconfig.as_deref();
    let variable = target.kubeconfig_variable.as_deref();
    kubeconfig::content::refuse(explicit, variable)?;
    Ok(kubeconfig::files(explicit, variable))
}

fn no_kubeconfig(files: &[PathBuf]) -> KubeconfigError {
    let named: Vec<String> = files
        .iter()
        .map(|file| match file.exists() {
            true => format!("{} is empty", secrecy::path(file)),
            false => format!("{} does not exist", secrecy::path(file)),
        })
        .collect();
    let message = match named[..] {
        [] => "KUBECONFIG is not set, and there is no home directory".to_owned(),
        _ => named.join(", "),
    };
    KubeconfigError::new(None, message)
        .hint("set one with --kubeconfig FILE or KUBECONFIG, or save it as ~/.kube/config")
}

/// Returns the service account of the pod as a kubeconfig would describe it.
fn in_cluster(pod: &PodEnvironment) -> Option<ContextChoice> {
    let token_file = pod.service_account.join("token");
    if pod.service_host.is_empty() || pod.service_port.is_empty() || !token_file.is_file() {
        return None;
    }
    let host = match pod.service_host.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        _ => pod.service_host.clone(),
    };
    // Without it the authorities of the image are trusted, as client-go does.
    let authority = pod.service_account.join("ca.crt");
    let cluster = ClusterEntry {
        server: format!("https://{host}:{}", pod.service_port),
        certificate_authority: authority.is_file().then_some(authority),
        ..ClusterEntry::default()
    };
    let user = UserEntry {
        token_file: Some(token_file),
        ..UserEntry::default()
    };
    let mut choice = ContextChoice::without_file(IN_CLUSTER, &pod.service_account, cluster, user);
    let namespace = file::named(&pod.service_account.join("namespace"), file::CREDENTIAL);
    let text = namespace
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    choice.context.entry.namespace = text.unwrap_or_default().trim().to_owned();
    Some(choice)
}

/// Works out where to connect to and as whom.
fn prepare(target: &Target, mut choice: ContextChoice) -> Result<(Endpoint, Source), NoSource> {
    let at_cluster = |error: KubeconfigError| KubeconfigError {
        file: Some(choice.cluster.file.clone()),
        ..error
    };
    if let Some(user) = target.as_user.as_ref().filter(|user| !user.is_empty()) {
        choice.user.entry.impersonate.clone_from(user);
    }
    if !target.as_groups.is_empty() {
        choice
            .user
            .entry
            .impersonate_groups
            .clone_from(&target.as_groups);
    }
    let mut cluster = choice.cluster.entry.clone();
    if target.insecure_skip_tls_verify {
        cluster.insecure_skip_tls_verify = true;
        cluster.certificate_authority = None;
        cluster.certificate_authority_data.clear();
    }
    let name = &choice.cluster.name;
    let server = server(&cluster.server, name).map_err(at_cluster)?;
    let authorities = authorities(&cluster, name).map_err(at_cluster)?;
    let proxy = match cluster.proxy_url.expose_secret() {
        "" => Proxy::for_server(&server, &target.proxies),
        url => Some(Proxy::parse(url).ok_or_else(|| {
            at_cluster(
                KubeconfigError::new(None, format!("invalid proxy-url of cluster {name:?}"))
                    .hint("use http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT"),
            )
        })?),
    };
    let server_name = match cluster.tls_server_name.as_str() {
        "" => None,
        text => Some(ServerName::try_from(text.to_owned()).map_err(|_| {
            at_cluster(KubeconfigError::new(
                None,
                format!("invalid tls-server-name of cluster {name:?}: not a host name"),
            ))
        })?),
    };
    let trust = match (cluster.insecure_skip_tls_verify, authorities.is_empty()) {
        (true, true) => Trust::Anybody,
        (true, false) => {
            return Err(at_cluster(
                KubeconfigError::new(
                    None,
                    format!("cluster {name:?} has both insecure-skip-tls-verify and a certificate authority"),
                )
                .hint("keep the authority, and remove insecure-skip-tls-verify"),
            )
            .into());
        }
        (false, true) => Trust::System,
        (false, false) => Trust::authorities(&authorities).ok_or_else(|| {
            at_cluster(KubeconfigError::new(
                None,
                format!("the certificate authority of cluster {name:?} is not a PEM certificate"),
            ))
        })?,
    };
    let headers = credentials::impersonation(&choice.user.entry)?;
    // Nobody's credentials are sent in the clear; kubectl does not either.
    let source = match server.scheme_str() {
        Some("https") => Source::from_user(&choice.user.entry, &cluster, &authorities)?,
        _ => Source::Kubeconfig(Credentials::default()),
    };
    let endpoint = Endpoint {
        server,
        trust,
        server_name,
        proxy,
        headers,
    };
    Ok((endpoint, source))
}

/// Returns the URL of the API server, as client-go's `DefaultServerURL` reads
/// it: `http` where no scheme is said.
fn server(text: &str, cluster: &str) -> Result<Uri, KubeconfigError> {
    if text.is_empty() {
        return Err(KubeconfigError::new(
            None,
            format!("cluster {cluster:?} has no server"),
        ));
    }
    let wrong = || {
        KubeconfigError::new(
            None,
            format!("invalid server of cluster {cluster:?}: not a URL"),
        )
        .hint("use https://HOST:PORT")
    };
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let rest = rest.split(['?', '#']).next().unwrap_or(rest);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    // A user in the URL is none of kubectl's ways to authenticate either.
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let url: Uri = format!("{}://{host}/{path}", scheme.to_ascii_lowercase())
        .parse()
        .map_err(|_| wrong())?;
    let is_known = matches!(url.scheme_str(), Some("http" | "https"));
    match url.host() {
        Some(host) if is_known && !host.is_empty() => Ok(url),
        _ => Err(wrong()),
    }
}

/// Returns the PEM certificates of the authorities to trust; nothing if there
/// are none.
fn authorities(cluster: &ClusterEntry, name: &str) -> Result<Vec<u8>, KubeconfigError> {
    match (
        &cluster.certificate_authority_data[..],
        &cluster.certificate_authority,
    ) {
        (data, None) => Ok(data.to_vec()),
        ([], Some(file)) => read_authority(file, name),
        (_, Some(_)) => Err(KubeconfigError::new(
            None,
            format!(
                "cluster {name:?} has both certificate-authority and certificate-authority-data"
            ),
        )
        .hint("keep one of them")),
    }
}

fn read_authority(path: &Path, name: &str) -> Result<Vec<u8>, KubeconfigError> {
    file::named(path, file::CREDENTIAL).map_err(|FileError { reason, .. }| {
        KubeconfigError::new(
            None,
            format!(
                "cannot read the certificate authority {} of cluster {name:?}: {reason}",
                path.display()
            ),
        )
        .hint(lacking(path, &reason))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_a_server() {
        for (text, url) in [
            ("https://api:6443", "https://api:6443/"),
            ("https://api:6443/", "https://api:6443/"),
            (
                "HTTPS://api/k8s/clusters/c-1",
                "https://api/k8s/clusters/c-1",
            ),
            ("api:6443", "http://api:6443/"),
            ("https://me:secret@api", "https://api/"),
            ("https://[::1]:6443?x=y#z", "https://[::1]:6443/"),
        ] {
            assert_eq!(server(text, "c").unwrap().to_string(), url);
        }
        for text in ["", "https://", "ftp://api", "a b"] {
            assert!(server(text, "c").is_err(), "{text}");
        }
    }
}
