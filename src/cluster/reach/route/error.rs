//! Errors of a request to a workload that serves.

use crate::cluster::ClusterError;
use crate::error::{Classified, ErrorClass};
use crate::suggestion::Suggestion;

/// Why what is served does not answer.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// It says no.
    #[error("it answered {code}: {message}")]
    Refused {
        /// HTTP status.
        code: u16,
        /// Body of the answer.
        message: String,
    },
    /// It is not there: no pod is ready, nobody listens, the connection ends.
    #[error("{0}")]
    Silent(String),
    /// The answer did not begin in time.
    #[error("nothing was received for {0} s")]
    Slow(u64),
    /// The answer is not the JSON that was asked for.
    #[error("the answer is not JSON")]
    NotJson,
    /// Which pods are behind the Service, only its maker knows.
    #[error("Service {service} has no pod selector")]
    NoSelector {
        service: String,
        /// Whether a key is shown, which does not get through the proxy.
        has_key: bool,
    },
    /// The proxy is not allowed, and a port of a pod not either, or not to be
    /// found.
    #[error("neither the proxy of Service {service} nor a port of its pods can be used")]
    Denied {
        service: String,
        namespace: String,
        /// Whether ports of its pods would do, for who may use them.
        has_ports: bool,
        /// What was said about each of them.
        said: [String; 2],
    },
    /// The cluster cannot be asked, or says no.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

impl RouteError {
    /// Returns the HTTP code of a refusal, whoever says it.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            Self::Cluster(error) => error.code(),
            _ => None,
        }
    }

    pub(in crate::cluster) fn is_missing_right(&self) -> bool {
        matches!(self, Self::Cluster(error) if error.is_missing_right())
    }

    /// Returns whether no port of a pod can be used, so that there is only the
    /// proxy.
    pub(in crate::cluster) fn leaves_the_proxy(&self) -> bool {
        self.is_missing_right() || matches!(self, Self::NoSelector { .. })
    }

    /// Sorts what the API server says instead of the server behind it.
    pub(in crate::cluster) fn of_proxy(error: ClusterError) -> Self {
        match error {
            ClusterError::Slow { seconds, .. } => Self::Slow(seconds),
            ClusterError::Api(status) if matches!(status.code, 502..=504) => {
                Self::Silent(status.message.trim().to_owned())
            }
            error => Self::Cluster(error),
        }
    }
}

impl Classified for RouteError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Refused {
                code: 401 | 403, ..
            }
            | Self::Denied { .. } => ErrorClass::Denied,
            Self::Refused {
                code: 429 | 502..=504,
                ..
            }
            | Self::Silent(_) => ErrorClass::NotReady,
            Self::Refused { code: 500.., .. } => ErrorClass::Unclassified,
            Self::Refused { .. } | Self::NoSelector { .. } => ErrorClass::Refused,
            Self::Slow(_) => ErrorClass::TimedOut,
            Self::NotJson => ErrorClass::Unclassified,
            Self::Cluster(source) => source.class(),
        }
    }

    fn hints(&self) -> Vec<Suggestion> {
        match self {
            Self::NoSelector { has_key: false, .. } => {
                vec!["use the Service's proxy: --via service".into()]
            }
            Self::Denied {
                namespace,
                has_ports,
                ..
            } => vec![match has_ports {
                true => format!(
                    "ask an admin of namespace {namespace} for one of: get and create on services/proxy, or list on pods with get and create on pods/portforward"
                )
                .into(),
                false => format!(
                    "ask an admin of namespace {namespace} for get and create on services/proxy"
                )
                .into(),
            }],
            Self::Cluster(source) => source.hints(),
            _ => Vec::new(),
        }
    }

    fn object(&self) -> Option<String> {
        match self {
            Self::Denied { service, .. } | Self::NoSelector { service, .. } => {
                Some(format!("service/{service}"))
            }
            Self::Cluster(source) => source.object(),
            _ => None,
        }
    }
}
