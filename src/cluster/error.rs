//! Says which class the errors of the client belong to, and how to fix them.

use super::ClusterError;
use super::client::causes;
use super::client::credentials::{CredentialError, lacking};
use super::client::exec_plugin::PluginError;
use crate::error::{Classified, ErrorClass};
use crate::secrecy;

/// The hint of commands that make manifests.
pub const WITHOUT_CLUSTER: &str = "without a cluster: --dry-run prints the manifests";

impl Classified for ClusterError {
    fn class(&self) -> ErrorClass {
        match self {
            ClusterError::Kubeconfig(_) => ErrorClass::Refused,
            ClusterError::Client { .. }
            | ClusterError::Unreachable { .. }
            | ClusterError::Slow { .. } => ErrorClass::Unreachable,
            ClusterError::Credentials { .. } | ClusterError::Unauthenticated { .. } => {
                ErrorClass::Denied
            }
            ClusterError::Api(status) => match status.code {
                403 if self.is_missing_right() => ErrorClass::Denied,
                403 => ErrorClass::Refused,
                400 | 404 | 413 | 422 => ErrorClass::Refused,
                409 => ErrorClass::Conflict,
                429 | 502 | 503 | 504 => ErrorClass::Unreachable,
                _ => ErrorClass::Unclassified,
            },
            ClusterError::NotServed { .. } => ErrorClass::Refused,
            ClusterError::Answer { .. } => ErrorClass::Unclassified,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            ClusterError::Kubeconfig(error) => {
                let mut hints = error.hints.clone();
                hints.push(WITHOUT_CLUSTER.to_owned());
                hints
            }
            ClusterError::Client { .. } | ClusterError::Unreachable { .. } => {
                let distrusted = match self {
                    ClusterError::Unreachable { source, .. } => causes::distrust(source),
                    _ => None,
                };
                let mut hints = vec![WITHOUT_CLUSTER.to_owned()];
                hints.insert(
                    0,
                    distrusted.unwrap_or("try: kubectl cluster-info").to_owned(),
                );
                hints
            }
            ClusterError::Slow { .. } => {
                vec!["give it more time: --request-timeout 120".to_owned()]
            }
            ClusterError::Credentials { source, .. } => credential_hints(source),
            ClusterError::Unauthenticated { owner, .. } => vec![format!(
                "log in again as user {:?} of context {:?} ({}), then try: kubectl auth whoami",
                owner.user,
                owner.context,
                owner.file.display()
            )],
            ClusterError::Api(status) => match status.code {
                403 if self.is_missing_right() => {
                    vec!["ask an admin of the namespace for this right".to_owned()]
                }
                403 => {
                    vec!["wait until there is room, or ask an admin of the namespace".to_owned()]
                }
                _ => Vec::new(),
            },
            ClusterError::NotServed { .. } => {
                vec!["see what is served with: kubectl api-resources".to_owned()]
            }
            ClusterError::Answer { .. } => {
                vec!["is the server an API server of Kubernetes?".to_owned()]
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

fn credential_hints(error: &CredentialError) -> Vec<String> {
    match error {
        CredentialError::Plugin(plugin) => plugin_hints(plugin),
        CredentialError::File { path, source, .. } => vec![lacking(path, source)],
        CredentialError::Unusable(_) => {
            vec!["see how kubectl fares: kubectl auth whoami".to_owned()]
        }
    }
}

fn plugin_hints(error: &PluginError) -> Vec<String> {
    let again = "see what it says: kubectl auth whoami".to_owned();
    match error {
        PluginError::Missing { hint, .. } => match hint {
            Some(hint) => vec![format!("install it: {hint}")],
            None => vec!["install it, or name it in the kubeconfig with its path".to_owned()],
        },
        PluginError::NeedsTerminal { .. } => {
            vec!["run kaiwo on a terminal, or log in first: kubectl auth whoami".to_owned()]
        }
        PluginError::Slow { .. } => vec![
            "give it more time: --request-timeout 120".to_owned(),
            "if it waits for a login, log in on a terminal first: kubectl auth whoami".to_owned(),
        ],
        PluginError::Unstartable { plugin, .. } => vec![format!("see what it is: ls -l {plugin}")],
        PluginError::Failed { .. } | PluginError::Answer { .. } => vec![again],
    }
}
