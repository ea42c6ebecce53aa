//! Credential plugins: programs that a kubeconfig names and that print a
//! token or a client certificate (`client.authentication.k8s.io`, v1 and
//! v1beta1).
//!
//! kube 5 has an implementation of its own, but without a deadline, without
//! `installHint`, without a look at version and kind of the answer, and with
//! the plugin's whole output, token included, in its errors. It also starts
//! the plugin three times for one client.

#[cfg(test)]
mod tests;

use std::any::Any;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::jiff::Timestamp;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use super::kubeconfig::{ClusterEntry, ExecConfig, InteractiveMode, KubeconfigError};
use kaiwo_base::printable;
use kaiwo_base::yaml;

/// Group of the protocol.
const GROUP: &str = "client.authentication.k8s.io";
/// Variable by which a plugin is told about its task.
const INFO: &str = "KUBERNETES_EXEC_INFO";
/// Most time for a plugin where somebody can see what it asks: the codes of a
/// device login live that long.
const PATIENCE_WITH_PEOPLE: Duration = Duration::from_secs(900);
/// Most time to wait for last words of a plugin that has ended. A browser that
/// it started may hold its stderr for hours.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// Most bytes that are kept of what a plugin prints.
const MOST_OUTPUT: u64 = 1 << 20;
/// Most bytes of its words that are passed on: what people read, not what a loop
/// prints.
const MOST_PASSED_ON: usize = 64 << 10;
/// Most bytes of its last words that are repeated in an error.
const MOST_TOLD: usize = 2000;

/// The terminal, as far as a plugin needs it.
#[derive(Clone, Copy)]
pub struct Terminal {
    /// Whether there is somebody to ask: stdin is a terminal.
    pub can_ask: bool,
    /// Whether what a plugin says is seen: stderr is a terminal.
    pub is_watched: bool,
    /// Passes on what a plugin says where nobody watches.
    pub pass_on: fn(&[u8]),
    /// Takes away what is drawn on the terminal, until the value is dropped.
    pub lend: fn() -> Box<dyn Any>,
}

impl Default for Terminal {
    /// Nobody is there.
    fn default() -> Self {
        Self {
            can_ask: false,
            is_watched: false,
            pass_on: |_| {},
            lend: || Box::new(()),
        }
    }
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal")
            .field("can_ask", &self.can_ask)
            .field("is_watched", &self.is_watched)
            .finish_non_exhaustive()
    }
}

/// A plugin that gave no credentials.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// It is not there.
    #[error("credential plugin {plugin} is not installed or not on the PATH")]
    Missing {
        /// The program.
        plugin: String,
        /// How to get it.
        hint: Option<String>,
    },
    /// It cannot be started.
    #[error("credential plugin {plugin} cannot be started")]
    Unstartable {
        /// The program.
        plugin: String,
        /// Why not.
        source: std::io::Error,
    },
    /// It needs somebody to ask.
    #[error(
        "credential plugin {plugin} needs a terminal (interactiveMode: Always), but stdin is not one"
    )]
    NeedsTerminal {
        /// The program.
        plugin: String,
    },
    /// It failed.
    #[error("credential plugin {plugin} failed ({status}){}", quoted(.said))]
    Failed {
        /// The program.
        plugin: String,
        /// How it ended.
        status: ExitStatus,
        /// Its last words, unless they are on the terminal already.
        said: Option<String>,
    },
    /// It took too long and was ended.
    #[error("credential plugin {plugin} did not finish within {seconds} s{}", quoted(.said))]
    Slow {
        /// The program.
        plugin: String,
        /// The deadline.
        seconds: u64,
        /// Its last words, unless they are on the terminal already.
        said: Option<String>,
    },
    /// What it printed gives no credentials. What that was is not told: it may
    /// hold a token all the same.
    #[error("credential plugin {plugin} printed {what}")]
    Answer {
        /// The program.
        plugin: String,
        /// What instead.
        what: String,
    },
}

fn quoted(said: &Option<String>) -> String {
    match said.as_deref() {
        None => "; see its output above".to_owned(),
        Some("") => " without any output".to_owned(),
        Some(said) => format!(":\n    {}", said.replace('\n', "\n    ")),
    }
}

/// What a plugin gave.
pub(crate) struct ExecCredential {
    /// A bearer token; empty for none.
    pub(crate) token: SecretString,
    /// Certificate and key as PEM.
    pub(crate) identity: Option<(Vec<u8>, SecretSlice<u8>)>,
    /// When both cease to count.
    pub(crate) expires: Option<Timestamp>,
}

/// A plugin and its task.
pub(crate) struct Plugin {
    config: ExecConfig,
    mode: InteractiveMode,
    cluster: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credential {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    expiration_timestamp: Option<String>,
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

impl Plugin {
    /// Takes what a kubeconfig says about a plugin, by the rules of client-go
    /// (`validateAuthInfo`). `authorities` are those to trust for the cluster.
    pub(crate) fn new(
        config: &ExecConfig,
        cluster: &ClusterEntry,
        authorities: &[u8],
    ) -> Result<Self, KubeconfigError> {
        let wrong = |message: &str| {
            KubeconfigError::new(None, format!("the exec plugin of its user {message}"))
        };
        if config.command.as_os_str().is_empty() {
            return Err(wrong("has no command"));
        }
        let version = config.api_version.strip_prefix(GROUP);
        match version {
            Some("/v1" | "/v1beta1") => {}
            Some("/v1alpha1") => {
                return Err(wrong("uses v1alpha1, which Kubernetes 1.24 removed")
                    .hint("recreate the kubeconfig with the tool that created it"));
            }
            _ => {
                return Err(wrong(
                    "has an apiVersion other than client.authentication.k8s.io/v1 or /v1beta1",
                ));
            }
        }
        if config.env.iter().any(|(name, _)| name.is_empty()) {
            return Err(wrong("has a variable without a name"));
        }
        let Some(mode) = config.interactive_mode else {
            return Err(
                wrong("has no interactiveMode (Never, IfAvailable or Always)")
                    .hint("add a line to its exec: interactiveMode: IfAvailable"),
            );
        };
        Ok(Self {
            config: config.clone(),
            mode,
            cluster: config
                .provide_cluster_info
                .then(|| cluster_info(cluster, authorities)),
        })
    }

    fn name(&self) -> String {
        self.config.command.display().to_string()
    }

    /// Runs the plugin. Where nobody is there it gets as much time as a
    /// request.
    pub(crate) async fn run(
        &self,
        terminal: &Terminal,
        request_timeout: Duration,
    ) -> Result<ExecCredential, PluginError> {
        let interactive = match self.mode {
            InteractiveMode::Never => false,
            InteractiveMode::IfAvailable => terminal.can_ask,
            InteractiveMode::Always if terminal.can_ask => true,
            InteractiveMode::Always => {
                return Err(PluginError::NeedsTerminal {
                    plugin: self.name(),
                });
            }
        };
        let patience = match terminal.can_ask || terminal.is_watched {
            true => PATIENCE_WITH_PEOPLE.max(request_timeout),
            false => request_timeout,
        };
        let _lent = (terminal.lend)();
        let mut child = self
            .command(interactive, terminal.is_watched)
            .spawn()
            .map_err(|source| self.unstartable(source))?;
        let mut words = Words::default();
        let mut output = Vec::new();
        let stdout = child.stdout.take();
        let said = child.stderr.take();
        let ended = {
            let listen = words.listen(said, terminal.pass_on);
            tokio::pin!(listen);
            let end = async {
                if let Some(stdout) = stdout {
                    let mut stdout = stdout.take(MOST_OUTPUT);
                    let _ = stdout.read_to_end(&mut output).await;
                }
                child.wait().await
            };
            let end = tokio::time::timeout(patience, end);
            tokio::pin!(end);
            tokio::select! {
                ended = &mut end => {
                    let _ = tokio::time::timeout(LAST_WORDS, listen).await;
                    ended
                }
                () = &mut listen => end.await,
            }
        };
        let said = (!terminal.is_watched).then(|| words.tail());
        let status = match ended {
            Ok(status) => status.map_err(|source| self.unstartable(source))?,
            // Dropping the child ends it.
            Err(_) => {
                return Err(PluginError::Slow {
                    plugin: self.name(),
                    seconds: patience.as_secs(),
                    said,
                });
            }
        };
        if !status.success() {
            return Err(PluginError::Failed {
                plugin: self.name(),
                status,
                said,
            });
        }
        self.understand(&output)
    }

    fn command(&self, interactive: bool, is_watched: bool) -> Command {
        let mut info = json!({
            "kind": "ExecCredential",
            "apiVersion": self.config.api_version,
            "spec": {"interactive": interactive},
        });
        if let Some(cluster) = &self.cluster {
            info["spec"]["cluster"] = cluster.clone();
        }
        let mut command = Command::new(&self.config.command);
        let variables = self.config.env.iter();
        command
            .args(self.config.args.iter().map(ExposeSecret::expose_secret))
            .envs(variables.map(|(name, value)| (name, value.expose_secret())))
            .env(INFO, info.to_string())
            .stdout(Stdio::piped())
            .stdin(if interactive {
                Stdio::inherit()
            } else {
                Stdio::null()
            })
            .stderr(if is_watched {
                Stdio::inherit()
            } else {
                Stdio::piped()
            })
            .kill_on_drop(true);
        command
    }

    fn unstartable(&self, source: std::io::Error) -> PluginError {
        let plugin = self.name();
        if source.kind() != std::io::ErrorKind::NotFound {
            return PluginError::Unstartable { plugin, source };
        }
        let hint = match printable::text(self.config.install_hint.trim()) {
            hint if hint.is_empty() => self.known_home().map(str::to_owned),
            hint => Some(hint.into_owned()),
        };
        PluginError::Missing { plugin, hint }
    }

    /// Returns where the well-known plugins come from, for kubeconfigs without
    /// an `installHint`.
    fn known_home(&self) -> Option<&'static str> {
        let args = &self.config.args;
        let with = |start: &str| {
            let mut words = args.iter().map(ExposeSecret::expose_secret);
            words.any(|word| word.starts_with(start))
        };
        Some(match self.config.command.file_stem()?.to_str()? {
            "kubelogin" if with("--server-id") || with("--login") => {
                "https://azure.github.io/kubelogin/install.html"
            }
            "kubelogin" | "kubectl-oidc_login" => "https://github.com/int128/kubelogin#setup",
            "kubectl" if with("oidc-login") => "https://github.com/int128/kubelogin#setup",
            "gke-gcloud-auth-plugin" => "gcloud components install gke-gcloud-auth-plugin",
            "aws" => {
                "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"
            }
            "aws-iam-authenticator" => "https://github.com/kubernetes-sigs/aws-iam-authenticator",
            _ => return None,
        })
    }

    /// Reads what the plugin printed, JSON or YAML as client-go does.
    fn understand(&self, output: &[u8]) -> Result<ExecCredential, PluginError> {
        let wrong = |what: &str| PluginError::Answer {
            plugin: self.name(),
            what: what.to_owned(),
        };
        if output.trim_ascii().is_empty() {
            return Err(wrong("nothing"));
        }
        let value = serde_json::from_slice::<Value>(output)
            .ok()
            .or_else(|| yaml::parse_first(std::str::from_utf8(output).ok()?).ok());
        let credential = value
            .and_then(|value| serde_json::from_value::<Credential>(value).ok())
            .ok_or_else(|| wrong("something other than an ExecCredential"))?;
        if credential.kind != "ExecCredential" {
            return Err(wrong("an object of another kind than ExecCredential"));
        }
        if credential.api_version != self.config.api_version {
            let known = |version: &str| {
                version
                    .strip_prefix(GROUP)
                    .is_some_and(|rest| rest.len() < 12)
            };
            return Err(match known(&credential.api_version) {
                true => wrong(&format!(
                    "an ExecCredential of {}, but the kubeconfig has {}",
                    printable::line(&credential.api_version),
                    self.config.api_version
                )),
                false => wrong("an ExecCredential of another apiVersion than in the kubeconfig"),
            });
        }
        let status = credential
            .status
            .ok_or_else(|| wrong("an ExecCredential without a status"))?;
        let token = status.token.unwrap_or_default();
        let certificate = status.client_certificate_data.unwrap_or_default();
        let key = status.client_key_data.unwrap_or_default();
        let identity = match (certificate.is_empty(), key.is_empty()) {
            (true, true) if token.is_empty() => {
                return Err(wrong(
                    "an ExecCredential with neither token nor client certificate",
                ));
            }
            (true, true) => None,
            (false, false) => Some((certificate.into_bytes(), key.into_bytes().into())),
            (true, false) => return Err(wrong("a client key without its certificate")),
            (false, true) => return Err(wrong("a client certificate without its key")),
        };
        let expires = status
            .expiration_timestamp
            .filter(|text| !text.is_empty())
            .map(|text| {
                text.parse()
                    .map_err(|_| wrong("an invalid expirationTimestamp"))
            })
            .transpose()?;
        Ok(ExecCredential {
            token: token.into(),
            identity,
            expires,
        })
    }
}

/// Returns what a plugin is told about the cluster, as client-go's
/// `ConfigToExecCluster` puts it together.
fn cluster_info(cluster: &ClusterEntry, authorities: &[u8]) -> Value {
    let mut info = json!({"server": cluster.server});
    if !cluster.tls_server_name.is_empty() {
        info["tls-server-name"] = json!(cluster.tls_server_name);
    }
    if cluster.insecure_skip_tls_verify {
        info["insecure-skip-tls-verify"] = json!(true);
    }
    if !authorities.is_empty() {
        info["certificate-authority-data"] = json!(ByteString(authorities.to_vec()));
    }
    let proxy = cluster.proxy_url.expose_secret();
    if !proxy.is_empty() {
        info["proxy-url"] = json!(proxy);
    }
    if cluster.disable_compression {
        info["disable-compression"] = json!(true);
    }
    info["config"] = cluster.exec_extension.clone().unwrap_or_default();
    info
}

/// What a plugin says, as far as it is kept.
#[derive(Default)]
struct Words(Vec<u8>);

impl Words {
    async fn listen(&mut self, said: Option<impl AsyncRead + Unpin>, pass_on: fn(&[u8])) {
        let Some(mut said) = said else {
            return;
        };
        let mut piece = [0; 4096];
        let mut room = MOST_PASSED_ON;
        while let Ok(length @ 1..) = said.read(&mut piece).await {
            pass_on(&piece[..length.min(room)]);
            if room > 0 && length >= room {
                pass_on(b"\n(further output of the credential plugin is not shown)\n");
            }
            room = room.saturating_sub(length);
            self.0.extend_from_slice(&piece[..length]);
            let surplus = self.0.len().saturating_sub(MOST_TOLD);
            self.0.drain(..surplus);
        }
    }

    fn tail(&self) -> String {
        printable::text(String::from_utf8_lossy(&self.0).trim()).into_owned()
    }
}
