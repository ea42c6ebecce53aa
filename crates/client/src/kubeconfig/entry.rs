//! The entries of a kubeconfig. As in Go, what is missing, null or empty is
//! the same, and unknown fields are none of our business.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use k8s_openapi::ByteString;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use serde_json::{Map, Value};

/// Where the configuration for an exec plugin stands in a cluster's
/// extensions (client-go `clusterExtensionKey`).
const EXEC_EXTENSION: &str = "client.authentication.k8s.io/exec";

/// A pair of cluster and user.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Name of the cluster.
    pub cluster: String,
    /// Name of the user.
    pub user: String,
    /// Namespace that kubectl would use.
    pub namespace: String,
}

/// How to reach an API server.
#[derive(Debug, Clone, Default)]
pub struct ClusterEntry {
    /// URL of the API server.
    pub server: String,
    /// Name that its certificate has to bear, instead of the URL's.
    pub tls_server_name: String,
    /// Whether its certificate goes unchecked.
    pub insecure_skip_tls_verify: bool,
    /// File with the authorities to trust.
    pub certificate_authority: Option<PathBuf>,
    /// The authorities to trust.
    pub certificate_authority_data: Vec<u8>,
    /// URL of a proxy, which may hold a password.
    pub proxy_url: SecretString,
    /// Whether answers are not to be compressed; an exec plugin is told.
    pub disable_compression: bool,
    /// What an exec plugin is told about the cluster.
    pub exec_extension: Option<Value>,
}

/// Whether an exec plugin may ask its user something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InteractiveMode {
    /// It never does.
    Never,
    /// It does where there is a terminal.
    IfAvailable,
    /// It cannot do without.
    Always,
}

/// A program that gives credentials.
#[derive(Debug, Clone)]
pub struct ExecConfig {
    /// Version of the protocol, with its group.
    pub api_version: String,
    /// The program.
    pub command: PathBuf,
    /// Its arguments, which may hold secrets.
    pub args: Vec<SecretString>,
    /// Variables it gets besides those of kaiwo, which may hold secrets.
    pub env: Vec<(String, SecretString)>,
    /// How to get the program.
    pub install_hint: String,
    /// Whether it may ask its user something; `None` if that is not said in a
    /// way that counts.
    pub interactive_mode: Option<InteractiveMode>,
    /// Whether it is told about the cluster.
    pub provide_cluster_info: bool,
}

/// Who somebody is, and how they prove it.
#[derive(Debug, Clone, Default)]
pub struct UserEntry {
    /// File with a client certificate.
    pub client_certificate: Option<PathBuf>,
    /// A client certificate as PEM.
    pub client_certificate_data: Vec<u8>,
    /// File with its key.
    pub client_key: Option<PathBuf>,
    /// Its key as PEM.
    pub client_key_data: SecretSlice<u8>,
    /// A bearer token.
    pub token: SecretString,
    /// File with one, which may change.
    pub token_file: Option<PathBuf>,
    /// Name for basic authentication.
    pub username: String,
    /// Password for basic authentication.
    pub password: SecretString,
    /// User to impersonate.
    pub impersonate: String,
    /// UID to impersonate.
    pub impersonate_uid: String,
    /// Groups to impersonate.
    pub impersonate_groups: Vec<String>,
    /// Further attributes to impersonate.
    pub impersonate_extra: BTreeMap<String, Vec<String>>,
    /// Name and settings of a way of authenticating that was once built into
    /// kubectl.
    pub auth_provider: Option<(String, BTreeMap<String, SecretString>)>,
    /// Program that gives credentials.
    pub exec: Option<ExecConfig>,
}

impl Context {
    pub(crate) fn parse(fields: &Fields<'_>) -> Result<Self, String> {
        Ok(Self {
            cluster: fields.text("cluster")?,
            user: fields.text("user")?,
            namespace: fields.text("namespace")?,
        })
    }
}

impl ClusterEntry {
    pub(crate) fn parse(fields: &Fields<'_>, folder: &Path) -> Result<Self, String> {
        let mut exec_extension = None;
        for extension in fields.list("extensions")? {
            let extension = Fields::new(&fields.place, extension)?;
            if extension.text("name")? == EXEC_EXTENSION {
                exec_extension = extension.map.get("extension").cloned();
            }
        }
        Ok(Self {
            server: fields.text("server")?,
            tls_server_name: fields.text("tls-server-name")?,
            insecure_skip_tls_verify: fields.flag("insecure-skip-tls-verify")?,
            certificate_authority: fields.path("certificate-authority", folder)?,
            certificate_authority_data: fields.bytes("certificate-authority-data")?,
            proxy_url: fields.text("proxy-url")?.into(),
            disable_compression: fields.flag("disable-compression")?,
            exec_extension,
        })
    }
}

impl UserEntry {
    /// Returns whether it has a bearer token of its own.
    pub fn has_token(&self) -> bool {
        !self.token.expose_secret().is_empty()
    }

    pub(crate) fn parse(fields: &Fields<'_>, folder: &Path) -> Result<Self, String> {
        let mut impersonate_extra = BTreeMap::new();
        let extra = fields.inner(&fields.place, "as-user-extra")?;
        for key in extra.map.keys() {
            impersonate_extra.insert(key.clone(), extra.texts(key)?);
        }
        let auth_provider = match fields.has("auth-provider") {
            false => None,
            true => {
                let provider = fields.inner(&fields.place, "auth-provider")?;
                let config = provider.inner(&fields.place, "config")?;
                let settings: Result<_, String> = config
                    .map
                    .keys()
                    .map(|key| Ok((key.clone(), config.text(key)?.into())))
                    .collect();
                Some((provider.text("name")?, settings?))
            }
        };
        let exec = match fields.has("exec") {
            false => None,
            true => Some(ExecConfig::parse(
                &fields.inner(&fields.place, "exec")?,
                folder,
            )?),
        };
        Ok(Self {
            client_certificate: fields.path("client-certificate", folder)?,
            client_certificate_data: fields.bytes("client-certificate-data")?,
            client_key: fields.path("client-key", folder)?,
            client_key_data: fields.bytes("client-key-data")?.into(),
            token: fields.text("token")?.into(),
            token_file: fields.path("tokenFile", folder)?,
            username: fields.text("username")?,
            password: fields.text("password")?.into(),
            impersonate: fields.text("as")?,
            impersonate_uid: fields.text("as-uid")?,
            impersonate_groups: fields.texts("as-groups")?,
            impersonate_extra,
            auth_provider,
            exec,
        })
    }
}

impl ExecConfig {
    fn parse(fields: &Fields<'_>, folder: &Path) -> Result<Self, String> {
        let place = &fields.place;
        let api_version = fields.text("apiVersion")?;
        let command = fields.text("command")?;
        // Without a separator it is looked up on the PATH, else it is a path
        // relative to the file (client-go `GetAuthInfoFileReferences`).
        let command = match command.contains(std::path::is_separator) {
            true => folder.join(command),
            false => PathBuf::from(command),
        };
        let mut env = Vec::new();
        for variable in fields.list("env")? {
            let variable = Fields::new(place, variable)?;
            env.push((variable.text("name")?, variable.text("value")?.into()));
        }
        let interactive_mode = match fields.text("interactiveMode")?.as_str() {
            "Never" => Some(InteractiveMode::Never),
            "IfAvailable" => Some(InteractiveMode::IfAvailable),
            "Always" => Some(InteractiveMode::Always),
            "" if api_version.ends_with("/v1beta1") => Some(InteractiveMode::IfAvailable),
            _ => None,
        };
        Ok(Self {
            command,
            args: fields.texts("args")?.into_iter().map(Into::into).collect(),
            env,
            install_hint: fields.text("installHint")?,
            interactive_mode,
            provide_cluster_info: fields.flag("provideClusterInfo")?,
            api_version,
        })
    }
}

/// A mapping of the file, with words for where it stands.
pub(crate) struct Fields<'v> {
    place: String,
    map: std::borrow::Cow<'v, Map<String, Value>>,
}

impl<'v> Fields<'v> {
    pub(crate) fn new(place: &str, value: &'v Value) -> Result<Self, String> {
        let map = match value {
            Value::Null => std::borrow::Cow::Owned(Map::new()),
            Value::Object(map) => std::borrow::Cow::Borrowed(map),
            _ => return Err(format!("{place} is not a mapping")),
        };
        Ok(Self {
            place: place.to_owned(),
            map,
        })
    }

    fn has(&self, field: &str) -> bool {
        self.map.get(field).is_some_and(|value| !value.is_null())
    }

    pub(crate) fn inner(&self, place: &str, field: &str) -> Result<Fields<'_>, String> {
        Fields::new(place, self.map.get(field).unwrap_or(&Value::Null))
            .map_err(|_| format!("{field} of {} is not a mapping", self.place))
    }

    pub(crate) fn text(&self, field: &str) -> Result<String, String> {
        match self.map.get(field) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Number(_) | Value::Bool(_)) => Err(format!(
                "{field} of {} is not a string; quote it",
                self.place
            )),
            Some(_) => Err(format!("{field} of {} is not a string", self.place)),
        }
    }

    fn flag(&self, field: &str) -> Result<bool, String> {
        match self.map.get(field) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(format!(
                "{field} of {} is neither true nor false",
                self.place
            )),
        }
    }

    pub(crate) fn list(&self, field: &str) -> Result<&[Value], String> {
        match self.map.get(field) {
            None | Some(Value::Null) => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(format!("{field} of {} is not a list", self.place)),
        }
    }

    fn texts(&self, field: &str) -> Result<Vec<String>, String> {
        let wrong = || format!("{field} of {} is not a list of strings", self.place);
        let items = self.list(field)?.iter();
        items
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect()
    }

    /// A path, relative to the folder of the file.
    fn path(&self, field: &str, folder: &Path) -> Result<Option<PathBuf>, String> {
        let text = self.text(field)?;
        Ok((!text.is_empty()).then(|| folder.join(text)))
    }

    /// Base64, which Go reads past line breaks.
    fn bytes(&self, field: &str) -> Result<Vec<u8>, String> {
        let text = self.text(field)?.replace(['\n', '\r'], "");
        serde_json::from_value::<ByteString>(Value::String(text))
            .map(|bytes| bytes.0)
            .map_err(|_| format!("{field} of {} is not base64", self.place))
    }
}
