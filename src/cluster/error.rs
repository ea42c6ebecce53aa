//! Says which class the errors of the client belong to, and how to fix them.

use super::ClusterError;
use super::client::causes;
use super::client::credentials::{CredentialError, lacking};
use super::client::exec_plugin::PluginError;
use super::client::proxy::tunnel::TunnelError;
use crate::error::{Classified, ErrorClass};
use crate::observe::upstream::api_server::{Rejection, webhook};
use crate::secrecy::{self, is_name};
use crate::suggestion::{Suggestion, kubectl};

/// Returns whether no cluster was reached.
pub fn is_beyond_reach(error: &ClusterError) -> bool {
    use ClusterError::{Client, Kubeconfig, Unreachable};
    matches!(error, Kubeconfig(_) | Client { .. } | Unreachable { .. })
}

impl Classified for ClusterError {
    fn class(&self) -> ErrorClass {
        match self {
            ClusterError::Kubeconfig(_) => ErrorClass::Refused,
            ClusterError::Unreachable { source, .. } if is_barred(source) => ErrorClass::Denied,
            ClusterError::Gateway { page, .. }
                if page.is_login || matches!(page.code, 402 | 403 | 407) =>
            {
                ErrorClass::Denied
            }
            ClusterError::Client { .. }
            | ClusterError::Gateway { .. }
            | ClusterError::Unreachable { .. }
            | ClusterError::Slow { .. }
            | ClusterError::Busy { .. } => ErrorClass::Unreachable,
            ClusterError::Credentials { .. } | ClusterError::Unauthenticated { .. } => {
                ErrorClass::Denied
            }
            ClusterError::Api(status) => match status.code {
                403 if self.is_missing_right() => ErrorClass::Denied,
                403 => ErrorClass::Refused,
                400 | 404 | 413 | 422 => ErrorClass::Refused,
                409 if self.is_already_exists() => ErrorClass::Conflict,
                // Others write to it all the time: a moment later is another try.
                409 | 410 | 429 | 500.. => ErrorClass::Unreachable,
                _ => ErrorClass::Unclassified,
            },
            ClusterError::NotServed { .. } => ErrorClass::Refused,
            ClusterError::Answer { .. } => ErrorClass::Unclassified,
        }
    }

    fn hints(&self) -> Vec<Suggestion> {
        match self {
            ClusterError::Kubeconfig(error) => error.hints.iter().map(Suggestion::from).collect(),
            ClusterError::Client { .. } | ClusterError::Unreachable { .. } => {
                let known = match self {
                    ClusterError::Unreachable { source, .. } => {
                        causes::distrust(source).or_else(|| of_proxy(source))
                    }
                    _ => None,
                };
                let other = || kubectl("cluster-info", &[]).to("try");
                vec![known.map_or_else(other, Suggestion::from)]
            }
            ClusterError::Gateway { page, .. } => {
                let address = "check the cluster's server in the kubeconfig, and the proxy settings: proxy-url, HTTPS_PROXY, NO_PROXY";
                let first = match page.is_login {
                    true => "log in there with a browser, or bypass it",
                    false => "ask whoever runs it for the reason, or bypass it",
                };
                vec![first.into(), address.into()]
            }
            ClusterError::Slow { .. } => {
                vec!["allow more time: --request-timeout 120".into()]
            }
            ClusterError::Busy { asked, seconds, .. } => {
                let enough = asked + (*seconds).max(30);
                vec![
                    format!("allow more time: --request-timeout {enough}").into(),
                    "or run the same command again later".into(),
                ]
            }
            ClusterError::Credentials { source, .. } => credential_hints(source),
            ClusterError::Unauthenticated { owner, .. } => {
                vec![kubectl("auth whoami", &[]).to(format!(
                    "log in again as user {:?} of context {:?} ({}), then try",
                    owner.user,
                    owner.context,
                    owner.file.display()
                ))]
            }
            ClusterError::Api(status) => match status.code {
                403 if self.is_missing_right() => {
                    vec!["ask an admin of the namespace for this right".into()]
                }
                409 | 410 | 500 if !self.is_already_exists() => {
                    vec!["run the same command again in a moment".into()]
                }
                403 => vec![of_refusal(&status.message)],
                _ => Vec::new(),
            },
            ClusterError::NotServed { .. } => {
                vec![kubectl("api-resources", &[]).to("list what the cluster serves")]
            }
            ClusterError::Answer { .. } => {
                vec!["check that the server is a Kubernetes API server".into()]
            }
        }
    }

    fn object(&self) -> Option<String> {
        let file = match self {
            ClusterError::Kubeconfig(error) => error.file.as_ref(),
            ClusterError::Credentials { owner, .. }
            | ClusterError::Unauthenticated { owner, .. } => Some(&owner.file),
            _ => None,
        };
        if let Some(file) = file {
            return Some(secrecy::path(file));
        }
        let ClusterError::Api(status) = self else {
            return None;
        };
        let details = status.details.as_ref()?;
        (!details.kind.is_empty() && !details.name.is_empty())
            .then(|| format!("{}/{}", details.kind, details.name))
    }
}

/// Returns what to do about a refusal that is about no right.
fn of_refusal(message: &str) -> Suggestion {
    let namespace = message.split_once(" in namespace ");
    let namespace = namespace.map(|(_, rest)| rest.split(' ').next().unwrap_or_default());
    match (Rejection::read(message), webhook(message), namespace) {
        (Rejection::Quota, ..) => "wait until there is room, or ask an admin of the namespace",
        (Rejection::Unsized, ..) => {
            "set it with --cpus and --memory, or in the resources of your template"
        }
        (Rejection::Terminating, _, Some(namespace)) if is_name(namespace) => {
            return kubectl("wait --for=delete namespace/{} --timeout=10m", &[namespace])
                .to("use another namespace with -n, or wait until it is gone and create it again");
        }
        (Rejection::Terminating, ..) => "use another namespace with -n: this one is being deleted",
        (_, Some(webhook), _) if is_name(webhook) => {
            return format!(
                "follow its message, or ask whoever runs the admission webhook {webhook}"
            )
            .into();
        }
        (Rejection::Policy, ..) => {
            "follow the policy, or ask an admin of the namespace for an exception"
        }
        (Rejection::ServiceAccount(_), ..) => "choose an existing one with --service-account",
        _ => "follow its message, or ask an admin of the namespace",
    }
    .into()
}

/// Returns whether a proxy lets nobody through.
fn is_barred(error: &kube::Error) -> bool {
    let refused = causes::of_proxy(error);
    matches!(
        refused,
        Some(TunnelError::Refused {
            code: 401..=407,
            ..
        })
    )
}

/// Returns what to do about a proxy that refuses.
fn of_proxy(error: &kube::Error) -> Option<&'static str> {
    match causes::of_proxy(error)? {
        TunnelError::Refused { code: 407, .. } => Some(
            "authenticate to the proxy: set the cluster's proxy-url or HTTPS_PROXY to http://USER:PASSWORD@HOST:PORT",
        ),
        _ => Some(
            "ask whoever runs the proxy, or bypass it: it is set in the cluster's proxy-url or in HTTPS_PROXY, and NO_PROXY lists the hosts to reach directly",
        ),
    }
}

fn credential_hints(error: &CredentialError) -> Vec<Suggestion> {
    match error {
        CredentialError::Plugin(plugin) => plugin_hints(plugin),
        CredentialError::File { path, source, .. } => vec![lacking(path, source).into()],
        CredentialError::Unusable(_) => {
            vec![kubectl("auth whoami", &[]).to("check whether kubectl can connect")]
        }
    }
}

fn plugin_hints(error: &PluginError) -> Vec<Suggestion> {
    let again = kubectl("auth whoami", &[]).to("show its output");
    match error {
        PluginError::Missing { hint, .. } => match hint {
            Some(hint) => vec![format!("install it: {hint}").into()],
            None => vec!["install it, or set its path in the kubeconfig".into()],
        },
        PluginError::NeedsTerminal { .. } => {
            vec![kubectl("auth whoami", &[]).to("run kaiwo on a terminal, or log in first")]
        }
        PluginError::Slow { .. } => vec![
            "allow more time: --request-timeout 120".into(),
            kubectl("auth whoami", &[]).to("if it waits for a login, log in on a terminal first"),
        ],
        PluginError::Unstartable { plugin, .. } => {
            vec![format!("check the file: ls -l {plugin}").into()]
        }
        PluginError::Failed { .. } | PluginError::Answer { .. } => vec![again],
    }
}
