//! Reads the API key of a server from a Secret.

use std::collections::BTreeMap;

use http::HeaderValue;
use k8s_openapi::ByteString;
use serde::Deserialize;

use crate::api::resource::Resource;
use crate::cluster::{Cluster, ClusterError};
use crate::error::{Classified, ErrorClass};
use crate::plan::request::pod::SecretKey;
use crate::suggestion::Suggestion;

/// A key with which a server lets somebody in.
#[derive(Debug, Clone)]
pub struct ApiKey(pub(in crate::cluster) HeaderValue);

impl ApiKey {
    /// Takes the key; `None` if it cannot be one.
    pub fn new(key: &str) -> Option<Self> {
        let key = key.trim();
        let mut header = HeaderValue::try_from(format!("Bearer {key}")).ok()?;
        header.set_sensitive(true);
        (!key.is_empty()).then_some(Self(header))
    }
}

/// Why a Secret has no such key.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    /// There is no such Secret.
    #[error("namespace {namespace} has no Secret {secret}")]
    NoSecret { namespace: String, secret: String },
    /// It lacks the key.
    #[error("Secret {secret} has no key {key}")]
    NoKey {
        secret: String,
        key: String,
        /// The keys it has.
        known: Vec<String>,
    },
    /// No header can hold it.
    #[error("key {key} of Secret {secret} is empty or not a single line of text")]
    Unusable { secret: String, key: String },
    /// The cluster cannot be asked, or says no.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

impl Classified for ApiKeyError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Cluster(source) => source.class(),
            _ => ErrorClass::Refused,
        }
    }

    fn hints(&self) -> Vec<Suggestion> {
        match self {
            Self::NoSecret { .. } | Self::Unusable { .. } => Vec::new(),
            Self::NoKey { known, .. } => vec![format!("it has: {}", known.join(", ")).into()],
            Self::Cluster(source) => source.hints(),
        }
    }

    fn object(&self) -> Option<String> {
        match self {
            Self::NoSecret { secret, .. }
            | Self::NoKey { secret, .. }
            | Self::Unusable { secret, .. } => Some(format!("secret/{secret}")),
            Self::Cluster(source) => source.object(),
        }
    }
}

/// Reads an API key from a Secret.
///
/// # Errors
/// [`ApiKeyError`] if it is not there, or may not be read.
pub async fn api_key(
    cluster: &Cluster,
    namespace: &str,
    place: &SecretKey,
) -> Result<ApiKey, ApiKeyError> {
    #[derive(Deserialize)]
    struct Data {
        #[serde(default)]
        data: BTreeMap<String, ByteString>,
    }
    let SecretKey { secret, key } = place.clone();
    let resource = Resource::known("v1", "Secret");
    let Some(Data { data }) = cluster.find(&resource, namespace, &secret).await? else {
        return Err(ApiKeyError::NoSecret {
            namespace: namespace.to_owned(),
            secret,
        });
    };
    let Some(ByteString(bytes)) = data.get(&key) else {
        let known = data.into_keys().collect();
        return Err(ApiKeyError::NoKey { secret, key, known });
    };
    let text = std::str::from_utf8(bytes).ok();
    text.and_then(ApiKey::new)
        .ok_or(ApiKeyError::Unusable { secret, key })
}
