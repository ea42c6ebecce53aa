//! Errors of talking to an API server.

use std::time::Duration;

use kube::core::Status;

use super::answer::{Excess, GatewayAnswer};
use super::causes;
use super::credentials::CredentialError;
use super::kubeconfig::KubeconfigError;
use super::session::Owner;

/// A failed exchange with the API server.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// There is no usable kubeconfig.
    #[error(transparent)]
    Kubeconfig(#[from] KubeconfigError),
    /// A client cannot be made of the kubeconfig.
    #[error("cannot connect to {server} with the settings of the kubeconfig")]
    Client {
        /// The API server.
        server: String,
        /// Why not.
        source: Box<kube::Error>,
    },
    /// The credentials that the kubeconfig means cannot be had.
    #[error("cannot get credentials for user {:?} of context {:?} ({})", owner.user, owner.context, owner.file.display())]
    Credentials {
        /// Whose.
        owner: Box<Owner>,
        /// Why not.
        source: CredentialError,
    },
    /// No answer came.
    #[error("cannot reach the cluster at {server}{}", tried(*.seconds))]
    Unreachable {
        /// The API server.
        server: String,
        /// How long it was tried again; 0 if it was not.
        seconds: u64,
        /// Whether the request may have left.
        sent: bool,
        /// Why not.
        source: Box<kube::Error>,
    },
    /// The answer took too long.
    #[error("{server} did not answer within {seconds} s ({request})")]
    Slow {
        /// The API server.
        server: String,
        /// The deadline.
        seconds: u64,
        /// Verb and path.
        request: String,
    },
    /// The API server does not take the credentials, and there are no others.
    #[error("not authenticated: {message}")]
    Unauthenticated {
        /// Whose they are.
        owner: Box<Owner>,
        /// The API server's words.
        message: String,
    },
    /// The API server said no.
    #[error("{}", refusal(.0))]
    Api(Box<Status>),
    /// The API server has too much to do, for longer than an answer may take.
    #[error("{}; the API server asks for a pause of {asked} s, and --request-timeout is {seconds} s", refusal(.status))]
    Busy {
        /// Its refusal.
        status: Box<Status>,
        /// Seconds that it asks for.
        asked: u64,
        /// The deadline.
        seconds: u64,
    },
    /// Somebody else answered in its place.
    #[error("{server} does not respond like an API server: {page}")]
    Gateway {
        /// The API server.
        server: String,
        /// What came.
        page: Box<GatewayAnswer>,
    },
    /// The API server has no such resource: whether an object of the kind is
    /// there, nobody can tell.
    #[error("the cluster does not serve {kind}")]
    NotServed {
        /// The kind.
        kind: String,
    },
    /// The answer is not what the API promises.
    #[error("invalid answer to {request}")]
    Answer {
        /// Verb and path.
        request: String,
        /// Why not.
        source: kube::Error,
    },
}

impl ClusterError {
    /// Sorts an error of the client.
    pub(crate) fn from_client(error: kube::Error, server: &str, request: &str) -> Self {
        match error {
            kube::Error::Api(status) => Self::Api(status),
            source @ (kube::Error::SerdeError(_) | kube::Error::FromUtf8(_)) => Self::Answer {
                request: request.to_owned(),
                source,
            },
            kube::Error::Service(error) if error.is::<Excess>() => Self::Answer {
                request: request.to_owned(),
                source: kube::Error::Service(error),
            },
            kube::Error::Service(error) => match error.downcast::<GatewayAnswer>() {
                Ok(page) => Self::Gateway {
                    server: server.to_owned(),
                    page,
                },
                Err(error) => Self::broken(kube::Error::Service(error), server),
            },
            source => Self::broken(source, server),
        }
    }

    /// Returns whether the answer has more bytes or values than are read of one.
    pub(crate) fn is_too_large(&self) -> bool {
        let Self::Answer {
            source: kube::Error::Service(error),
            ..
        } = self
        else {
            return false;
        };
        error.is::<Excess>()
    }

    /// Makes an error of a connection that was not made, or broke.
    pub fn broken(source: kube::Error, server: &str) -> Self {
        Self::Unreachable {
            server: server.to_owned(),
            seconds: 0,
            sent: !causes::is_unsent(&source),
            source: Box::new(causes::dated(source)),
        }
    }

    /// Says for how long the connection was tried, and whether the request may
    /// have left in one of the attempts.
    pub(crate) fn given_up(mut self, after: Duration, was_sent: bool) -> Self {
        if let Self::Unreachable { seconds, sent, .. } = &mut self {
            *seconds = after.as_secs();
            *sent |= was_sent;
        }
        self
    }

    /// Says that the API server asks for a longer pause than there is time for.
    pub(crate) fn kept_waiting(self, asked: Duration, patience: Duration) -> Self {
        match self {
            Self::Api(status) => Self::Busy {
                status,
                asked: asked.as_secs(),
                seconds: patience.as_secs(),
            },
            other => other,
        }
    }

    /// Returns the HTTP code of the API server's refusal. Of somebody else's in its
    /// place only what says nothing about any object or right.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Gateway { page, .. } => {
                Some(page.code).filter(|code| matches!(code, 429 | 500..))
            }
            Self::Api(status) | Self::Busy { status, .. } => Some(status.code),
            Self::Unauthenticated { .. } => Some(401),
            _ => None,
        }
    }

    /// Returns whether nobody knows what became of the request: the connection
    /// broke before the answer was whole, or something in front of an API
    /// server that is being replaced gave one of its own (503).
    pub fn is_unanswered(&self) -> bool {
        let Self::Unreachable { source, .. } = self else {
            return self.code() == Some(503) || self.is_unknown_to_etcd();
        };
        match &**source {
            kube::Error::HyperError(_) => true,
            // Of the answer's head, and of its body.
            kube::Error::Service(error) => {
                let lost = error.is::<hyper_util::client::legacy::Error>();
                lost && !causes::is_unsent(source) || error.is::<hyper::Error>()
            }
            _ => false,
        }
    }

    /// Returns whether the answer may be another a moment later, as while an API
    /// server or what is behind it is being replaced: nobody knows what became of
    /// the request, the answer was cut off, or it tells of a failure within (500 of
    /// etcd and of webhooks, 502, 504) or of a reading that is too old (410).
    pub(crate) fn is_passing(&self) -> bool {
        let is_cut = matches!(self, Self::Answer { source: kube::Error::SerdeError(error), .. } if error.is_eof());
        is_cut || self.is_unanswered() || matches!(self.code(), Some(410 | 500 | 502 | 504))
    }

    /// Makes an error of an answer that is about something else than was asked.
    pub(crate) fn unexpected(request: String, words: String) -> Self {
        use serde::de::Error as _;
        Self::Answer {
            request,
            source: kube::Error::SerdeError(serde_json::Error::custom(words)),
        }
    }

    /// Returns why there was no connection over which the request could have
    /// left, if there may be one a moment later.
    pub fn unconnected(&self) -> Option<String> {
        match self {
            Self::Unreachable { source, .. } if causes::is_unconnected(source) => {
                Some(causes::first(source))
            }
            _ => None,
        }
    }

    /// Returns whether the request may have been carried out, or still be, all
    /// the same.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Unreachable { sent, .. } => *sent,
            Self::Slow { .. } | Self::Answer { .. } => true,
            Self::Gateway { page, .. } => page.code > 500,
            Self::Api(status) if status.code == 500 => self.is_unknown_to_etcd(),
            Self::Api(status) | Self::Busy { status, .. } => status.code > 500,
            Self::Kubeconfig(_)
            | Self::Client { .. }
            | Self::Credentials { .. }
            | Self::NotServed { .. }
            | Self::Unauthenticated { .. } => false,
        }
    }

    /// Returns whether etcd does not know what became of the request, which the API
    /// server passes on as its own 500: one of its members is being replaced.
    fn is_unknown_to_etcd(&self) -> bool {
        const UNKNOWN: [&str; 3] = ["timed out", "deadline exceeded", "leader changed"];
        let Self::Api(status) = self else {
            return false;
        };
        status.code == 500 && UNKNOWN.iter().any(|words| status.message.contains(words))
    }

    /// Returns how long the API server wants to be left alone before it is
    /// asked again.
    pub(crate) fn asked_pause(&self) -> Option<Duration> {
        let Self::Api(status) = self else { return None };
        let seconds = status.details.as_ref()?.retry_after_seconds;
        (seconds > 0).then(|| Duration::from_secs(seconds.into()))
    }

    /// Returns whether the object is not there, or its kind.
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    /// Returns whether the API server has nothing at that path, which says
    /// nothing about any object: then its answer is plain text, or speaks of the
    /// resource (apiserver `NotFoundHandler`, apimachinery
    /// `NewGenericServerResponse`).
    pub(crate) fn is_no_resource(&self) -> bool {
        matches!(self, Self::Api(status) if status.code == 404
            && (status.reason.is_empty() || status.message.contains("find the requested resource")))
    }

    /// Returns whether the user may not do this.
    pub fn is_forbidden(&self) -> bool {
        self.code() == Some(403)
    }

    /// Returns whether the user lacks a right. Quotas, terminating namespaces
    /// and admission webhooks answer 403 as well, and nothing but the words of
    /// the authorizer tells them apart (apiserver `ForbiddenMessage`).
    pub fn is_missing_right(&self) -> bool {
        matches!(self, Self::Api(status) if status.code == 403
            && status.message.contains("User \"") && status.message.contains("\" cannot "))
    }

    /// Returns the user who lacks a right that a role could give: somebody who
    /// is known, and as whom the request was really made.
    pub fn denied_user(&self) -> Option<&str> {
        let Self::Api(status) = self else { return None };
        let (_, rest) = status.message.split_once("User \"")?;
        let (user, denied) = rest.split_once("\" cannot ")?;
        let known = user != "system:anonymous" && !denied.starts_with("impersonate ");
        (self.is_missing_right() && known).then_some(user)
    }

    /// Returns whether an object of that name exists.
    pub fn is_already_exists(&self) -> bool {
        matches!(self, Self::Api(status) if status.is_already_exists())
    }

    /// Returns whether a condition of the request was not met, such as the
    /// UID of what is to be deleted.
    pub fn is_conflict(&self) -> bool {
        self.code() == Some(409) && !self.is_already_exists()
    }
}

fn tried(seconds: u64) -> String {
    match seconds {
        0 => String::new(),
        seconds => format!(", after {seconds} s of retries"),
    }
}

/// Returns the API server's own words, or its reason where it has none.
fn refusal(status: &Status) -> String {
    match (status.message.trim(), status.code) {
        ("", code) => format!("the API server answered {code} {}", status.reason),
        (message, 403) if message.contains("\" cannot ") => format!("not allowed: {message}"),
        (message, _) => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(message: &str) -> ClusterError {
        ClusterError::Api(Box::new(Status {
            code: 403,
            message: message.to_owned(),
            ..Status::default()
        }))
    }

    #[test]
    fn a_role_helps_only_somebody_who_is_known() {
        let jobs = |user: &str| {
            format!(
                "jobs.batch is forbidden: User {user:?} cannot create resource \"jobs\" in API group \"batch\""
            )
        };
        assert_eq!(denied(&jobs("alice")).denied_user(), Some("alice"));
        assert_eq!(denied(&jobs("system:anonymous")).denied_user(), None);
        let other =
            "users \"bob\" is forbidden: User \"alice\" cannot impersonate resource \"users\"";
        assert_eq!(denied(other).denied_user(), None);
        assert_eq!(denied("exceeded quota: limits").denied_user(), None);
    }

    #[test]
    fn a_refusal_leaves_nothing_open_unless_nobody_knows() {
        for (code, message, open) in [
            (403, "exceeded quota", false),
            (500, "etcdserver: mvcc: database space exceeded", false),
            (500, "failed calling webhook: connection refused", false),
            (500, "etcdserver: request timed out", true),
            (502, "", true),
            (503, "", true),
            (504, "", true),
        ] {
            let error = ClusterError::Api(Box::new(Status {
                code,
                message: message.to_owned(),
                ..Status::default()
            }));
            assert_eq!(error.is_open(), open, "{code} {message}");
        }
    }
}
