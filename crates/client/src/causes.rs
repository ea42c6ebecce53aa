//! Finds the cause beneath an error of the HTTP client.

use std::error::Error;
use std::io::{self, ErrorKind};

use hyper_util::client::legacy;
use k8s_openapi::jiff::Timestamp;
use rustls::CertificateError;

use super::proxy::tunnel::TunnelError;

/// What SOCKS proxies' errors say whose causes are not to be had (hyper-util 0.1):
/// nothing answers there, it hung up, or it has not reached the API server.
const PROXIES: [&str; 6] = [
    "SOCKS error: failed to create underlying connection",
    "SOCKS error: io error during SOCKS handshake",
    "general server failure",
    "network unreachable",
    "host unreachable",
    "connection refused",
];

/// What a resolver says that cannot tell at the moment (`EAI_AGAIN`; glibc and
/// the BSDs, musl). Of a name that does not exist it says so.
const RESOLVERS: [&str; 2] = ["Temporary failure in name resolution", "Try again"];

/// Returns whether there was no connection over which the request could have
/// left.
pub(crate) fn is_unsent(error: &kube::Error) -> bool {
    let kube::Error::Service(error) = error else {
        return false;
    };
    let error = error.downcast_ref::<legacy::Error>();
    error.is_some_and(legacy::Error::is_connect)
}

/// Returns whether there was no connection, and a moment later there may be one:
/// it was refused, broke while it was being made, or there was no way.
pub(crate) fn is_unconnected(error: &kube::Error) -> bool {
    let mut passes = false;
    for cause in chain(error) {
        // It was there, and is not whom to speak to, or not in this way.
        if cause.is::<rustls::Error>() {
            return false;
        }
        if let Some(cause) = cause.downcast_ref::<TunnelError>() {
            passes |= cause.passes();
        } else if let Some(cause) = cause.downcast_ref::<io::Error>() {
            passes |= matches!(
                cause.kind(),
                ErrorKind::ConnectionRefused
                    | ErrorKind::ConnectionReset
                    | ErrorKind::ConnectionAborted
                    | ErrorKind::NotConnected
                    | ErrorKind::BrokenPipe
                    | ErrorKind::UnexpectedEof
                    | ErrorKind::TimedOut
                    | ErrorKind::NetworkDown
                    | ErrorKind::NetworkUnreachable
                    | ErrorKind::HostUnreachable
                    | ErrorKind::AddrNotAvailable
            );
            let text = cause.to_string();
            passes |= RESOLVERS.iter().any(|words| text.ends_with(words));
        } else {
            let text = cause.to_string();
            passes |= PROXIES.iter().any(|words| text.ends_with(words));
        }
    }
    passes && is_unsent(error)
}

/// Returns the first cause in words.
pub(crate) fn first(error: &kube::Error) -> String {
    let text = chain(error).last().map(ToString::to_string);
    let text = text.unwrap_or_default();
    // The number says nothing to people, and where the library is explained little.
    let words = text.split(" (os error ").next().unwrap_or_default();
    let words = words.split(": https://docs.rs/").next();
    words.unwrap_or_default().to_owned()
}

/// Returns what a proxy said instead of connecting.
pub fn of_proxy(error: &kube::Error) -> Option<&TunnelError> {
    chain(error).find_map(|cause| cause.downcast_ref())
}

/// A certificate at a time that it is not for. rustls tells it in seconds of UNIX.
#[derive(Debug, thiserror::Error)]
#[error("its certificate {}", when(*not_yet, *limit))]
struct Untimely {
    not_yet: bool,
    limit: Timestamp,
}

fn when(not_yet: bool, limit: Timestamp) -> String {
    match not_yet {
        true => format!("is valid from {limit} on"),
        false => format!("expired at {limit}"),
    }
}

/// Puts a date in the place of the seconds since which a certificate is not valid.
pub(crate) fn dated(error: kube::Error) -> kube::Error {
    let known = chain(&error).find_map(|cause| cause.downcast_ref::<rustls::Error>());
    let (not_yet, seconds) = match known {
        Some(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext {
            not_after,
            ..
        })) => (false, not_after.as_secs()),
        Some(rustls::Error::InvalidCertificate(CertificateError::NotValidYetContext {
            not_before,
            ..
        })) => (true, not_before.as_secs()),
        _ => return error,
    };
    let limit = i64::try_from(seconds).ok().map(Timestamp::from_second);
    match limit {
        Some(Ok(limit)) => kube::Error::Service(Box::new(Untimely { not_yet, limit })),
        _ => error,
    }
}

/// Returns how to fix that a server's certificate is not trusted.
pub fn distrust(error: &kube::Error) -> Option<&'static str> {
    use rustls::CertificateError::{
        BadSignature, NotValidForName, NotValidForNameContext, UnknownIssuer,
    };
    let untimely = chain(error).find_map(|cause| cause.downcast_ref::<Untimely>());
    if let Some(Untimely { not_yet, .. }) = untimely {
        return Some(match not_yet {
            true => "check the clock of this machine: date",
            false => "ask an admin of the cluster to renew its certificate",
        });
    }
    let known = chain(error).find_map(|cause| cause.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(reason)) = known else {
        return None;
    };
    Some(match reason {
        // Many authorities are called "kubernetes": one of the same name with
        // another key looks like a forgery.
        UnknownIssuer | BadSignature => {
            "set the cluster's certificate-authority-data to the authority of this server; a proxy that intercepts TLS has its own"
        }
        NotValidForName | NotValidForNameContext { .. } => {
            "set the cluster's tls-server-name to a name in the certificate"
        }
        _ => "ask an admin of the cluster to renew its certificate",
    })
}

/// Returns an error and its causes, those inside of I/O errors too, which do not
/// count as their sources.
fn chain<'a>(error: &'a kube::Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let error: &'a (dyn Error + 'static) = error;
    std::iter::successors(Some(error), |&error| {
        let inner = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        match inner {
            Some(inner) => Some(inner as &'a (dyn Error + 'static)),
            None => error.source(),
        }
    })
}
