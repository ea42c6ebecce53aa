//! Finds the credentials of a user, and renews them when they are used up.
//! Precedence and contradictions are those of client-go.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use k8s_openapi::jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use super::exec_plugin::{Plugin, PluginError, Terminal};
use super::kubeconfig::{ClusterEntry, KubeconfigError, UserEntry};
use super::proxy::basic;
use super::tls::{self, Identity};
use kaiwo_base::file::{self, Reason};
use kaiwo_base::secrecy::named;

/// How long the token of a file is believed before the file is read again, as
/// client-go does.
pub(crate) const TOKEN_FILE_AGE: Duration = Duration::from_secs(60);

/// Credentials that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// A plugin gave none.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// A file with them cannot be read.
    #[error("cannot read the {what} {}", path.display())]
    File {
        /// What it holds.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Reason,
    },
    /// They are there and cannot be used.
    #[error("{0}")]
    Unusable(String),
}

/// What a request is sent with.
#[derive(Clone, Default)]
pub(crate) struct Credentials {
    /// Value of the `Authorization` header.
    pub(crate) authorization: Option<HeaderValue>,
    /// Client certificate.
    pub(crate) identity: Option<Identity>,
    /// When a plugin says that they cease to count.
    pub(crate) expires: Option<Timestamp>,
}

/// Where they come from.
pub(crate) enum Source {
    /// The kubeconfig has them.
    Kubeconfig(Credentials),
    /// A file has a token that may change, beside a client certificate and a
    /// first token.
    TokenFile(PathBuf, Credentials),
    /// A program gives them.
    Plugin(Plugin),
}

/// Why there is no [`Source`].
pub(crate) enum NoSource {
    /// The kubeconfig contradicts itself.
    Kubeconfig(KubeconfigError),
    /// What it points at is missing or broken.
    Credentials(CredentialError),
}

impl From<KubeconfigError> for NoSource {
    fn from(error: KubeconfigError) -> Self {
        Self::Kubeconfig(error)
    }
}

impl From<CredentialError> for NoSource {
    fn from(error: CredentialError) -> Self {
        Self::Credentials(error)
    }
}

impl Source {
    /// Finds what `user` is to be known by to a server that speaks TLS.
    pub(crate) fn from_user(
        user: &UserEntry,
        cluster: &ClusterEntry,
        authorities: &[u8],
    ) -> Result<Self, NoSource> {
        let identity = client_certificate(user)?;
        let has_basic = !user.username.is_empty() || !is_empty(&user.password);
        if has_basic && (!is_empty(&user.token) || user.token_file.is_some()) {
            return Err(contradiction("its user has both a token and a password").into());
        }
        if let (Some(_), Some(_)) = (&user.exec, &user.auth_provider) {
            return Err(
                contradiction("its user has both an exec plugin and an auth-provider").into(),
            );
        }
        let plugin = match &user.exec {
            Some(exec) => Some(Plugin::new(exec, cluster, authorities)?),
            None => None,
        };
        let mut issued = Credentials {
            identity,
            ..Credentials::default()
        };
        if !is_empty(&user.token) {
            issued.authorization = Some(bearer(&user.token)?);
        }
        if has_basic {
            let header = basic(&user.username, &user.password).ok_or_else(|| {
                CredentialError::Unusable("the password cannot be sent in a header".to_owned())
            })?;
            issued.authorization = Some(header);
        }
        if let Some(file) = &user.token_file {
            return Ok(Self::TokenFile(file.clone(), issued));
        }
        if issued.authorization.is_some() || issued.identity.is_some() {
            return Ok(Self::Kubeconfig(issued));
        }
        if let Some(plugin) = plugin {
            return Ok(Self::Plugin(plugin));
        }
        if let Some((name, settings)) = &user.auth_provider {
            issued.authorization = Some(bearer(of_provider(name, settings.get("id-token"))?)?);
        }
        Ok(Self::Kubeconfig(issued))
    }

    /// Gets credentials, after `last` if there were some.
    pub(crate) async fn issue(
        &self,
        last: Option<&Credentials>,
        terminal: &Terminal,
        request_timeout: Duration,
    ) -> Result<Credentials, CredentialError> {
        match self {
            Self::Kubeconfig(issued) => Ok(issued.clone()),
            Self::TokenFile(file, first) => match (token_of(file), last) {
                (Ok(token), _) => Ok(Credentials {
                    authorization: Some(bearer(&token)?),
                    ..first.clone()
                }),
                // The last token is used until there is another one, see
                // kubernetes/kubernetes#68164.
                (Err(_), Some(last)) => Ok(last.clone()),
                (Err(_), None) if first.authorization.is_some() => Ok(first.clone()),
                (Err(error), None) => Err(error),
            },
            Self::Plugin(plugin) => {
                let given = plugin.run(terminal, request_timeout).await?;
                let identity = match &given.identity {
                    Some((certificate, key)) => Some(
                        tls::identity(certificate, key.expose_secret()).map_err(|reason| {
                            CredentialError::Unusable(format!("{reason} (from the plugin)"))
                        })?,
                    ),
                    None => None,
                };
                let authorization = match is_empty(&given.token) {
                    true => None,
                    false => Some(bearer(&given.token)?),
                };
                Ok(Credentials {
                    authorization,
                    identity,
                    expires: given.expires,
                })
            }
        }
    }
}

impl Credentials {
    /// Returns whether both are the same to an API server.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.authorization == other.authorization && self.has_identity_of(other)
    }

    /// Returns whether connections that were made with `other` will do.
    pub(crate) fn has_identity_of(&self, other: &Self) -> bool {
        match (&self.identity, &other.identity) {
            (None, None) => true,
            (Some(mine), Some(others)) => mine.cert == others.cert,
            _ => false,
        }
    }
}

/// Returns the headers that ask the API server to take the sender for somebody
/// else.
pub(crate) fn impersonation(user: &UserEntry) -> Result<HeaderMap, KubeconfigError> {
    let mut headers = HeaderMap::new();
    let attributes = !user.impersonate_uid.is_empty()
        || !user.impersonate_groups.is_empty()
        || !user.impersonate_extra.is_empty();
    if user.impersonate.is_empty() {
        return match attributes {
            false => Ok(headers),
            true => Err(KubeconfigError::new(
                None,
                "impersonating groups, a UID or attributes requires a user",
            )
            .hint("add --as USER")),
        };
    }
    let mut add = |name: HeaderName, value: &str| {
        let value = HeaderValue::try_from(value).map_err(|_| {
            KubeconfigError::new(
                None,
                "the user or group to impersonate contains invalid characters",
            )
        })?;
        headers.append(name, value);
        Ok::<(), KubeconfigError>(())
    };
    add(
        HeaderName::from_static("impersonate-user"),
        &user.impersonate,
    )?;
    if !user.impersonate_uid.is_empty() {
        add(
            HeaderName::from_static("impersonate-uid"),
            &user.impersonate_uid,
        )?;
    }
    for group in &user.impersonate_groups {
        add(HeaderName::from_static("impersonate-group"), group)?;
    }
    for (key, values) in &user.impersonate_extra {
        let name = format!("impersonate-extra-{}", escaped(key));
        let name = HeaderName::try_from(name).map_err(|_| {
            KubeconfigError::new(
                None,
                format!("the attribute {} cannot be impersonated", named(key)),
            )
        })?;
        for value in values {
            add(name.clone(), value)?;
        }
    }
    Ok(headers)
}

/// Returns a key as part of a header's name: what may not stand there is
/// percent-encoded, and so is the percent sign (client-go `headerKeyEscape`).
fn escaped(key: &str) -> String {
    let mut escaped = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'!' | b'#' | b'$' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`'
            | b'|' | b'~' => escaped.push(byte.into()),
            byte if byte.is_ascii_alphanumeric() => escaped.push(byte.into()),
            byte => escaped += &format!("%{byte:02X}"),
        }
    }
    escaped
}

fn contradiction(message: &str) -> KubeconfigError {
    KubeconfigError::new(None, message).hint("keep one of them")
}

fn is_empty(secret: &SecretString) -> bool {
    secret.expose_secret().is_empty()
}

fn bearer(token: &SecretString) -> Result<HeaderValue, CredentialError> {
    let mut header =
        HeaderValue::try_from(format!("Bearer {}", token.expose_secret())).map_err(|_| {
            CredentialError::Unusable("the token contains invalid characters".to_owned())
        })?;
    header.set_sensitive(true);
    Ok(header)
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, CredentialError> {
    file::named(path, file::CREDENTIAL).map_err(|error| CredentialError::File {
        what,
        path: error.path,
        source: error.reason,
    })
}

/// Returns what to do about a file that a kubeconfig names.
pub fn lacking(path: &Path, why: &Reason) -> String {
    match why {
        Reason::System(_) => format!("check that it exists: ls -l {}", path.display()),
        other => other.hint(path),
    }
}

fn token_of(file: &Path) -> Result<SecretString, CredentialError> {
    let bytes = read("token file", file)?;
    match file::text(file, bytes).as_deref().map(str::trim) {
        Ok("") => Err(CredentialError::Unusable(format!(
            "the token file {} is empty",
            file.display()
        ))),
        Ok(token) => Ok(token.into()),
        Err(_) => Err(CredentialError::Unusable(format!(
            "the token file {} is not text",
            file.display()
        ))),
    }
}

fn client_certificate(user: &UserEntry) -> Result<Option<Identity>, NoSource> {
    let part = |what, data: &[u8], file: Option<&PathBuf>| match (data, file) {
        ([], None) => Ok(None),
        ([], Some(file)) => Ok(Some(read(what, file)?)),
        (data, None) => Ok(Some(data.to_vec())),
        (_, Some(_)) => Err(NoSource::from(contradiction(&format!(
            "its user has the {what} both as a file and as data"
        )))),
    };
    let certificate = part(
        "client certificate",
        &user.client_certificate_data,
        user.client_certificate.as_ref(),
    )?;
    // A key alone is passed over, as client-go does.
    let Some(certificate) = certificate else {
        return Ok(None);
    };
    let key = part(
        "client key",
        user.client_key_data.expose_secret(),
        user.client_key.as_ref(),
    )?;
    let key = key.ok_or_else(|| {
        KubeconfigError::new(None, "its user has a client certificate without a key")
            .hint("add client-key or client-key-data")
    })?;
    let identity = tls::identity(&certificate, &key)
        .map_err(|reason| CredentialError::Unusable(reason.to_owned()))?;
    Ok(Some(identity))
}

/// Returns the token of a provider that was once built into kubectl.
fn of_provider<'a>(
    name: &str,
    id_token: Option<&'a SecretString>,
) -> Result<&'a SecretString, KubeconfigError> {
    let (message, hint) = match (name, id_token) {
        ("oidc", Some(token)) if !is_empty(token) => return Ok(token),
        ("oidc", _) => (
            "the auth-provider oidc of its user has no id-token".to_owned(),
            "log in with the plugin instead: https://github.com/int128/kubelogin#setup",
        ),
        ("gcp", _) => (
            "the auth-provider gcp of its user was removed from Kubernetes".to_owned(),
            "recreate it: gcloud container clusters get-credentials CLUSTER",
        ),
        ("azure", _) => (
            "the auth-provider azure of its user was removed from Kubernetes".to_owned(),
            "convert it: kubelogin convert-kubeconfig",
        ),
        (name, _) => (
            format!("the auth-provider {name:?} of its user is not known"),
            "use an exec plugin instead",
        ),
    };
    Err(KubeconfigError::new(None, message).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_escaped_as_client_go_does() {
        assert_eq!(
            escaped("example.com/project%20"),
            "example.com%2Fproject%2520"
        );
    }
}
