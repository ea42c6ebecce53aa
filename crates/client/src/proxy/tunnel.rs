//! Connects through an HTTP proxy. That of hyper-util does not tell with which
//! status the proxy refuses.

use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderValue, Uri};
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use kaiwo_base::printable;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tower::{BoxError, Service};

use super::Proxy;

/// Most bytes of the head of a proxy's answer.
const LONGEST_HEAD: usize = 16 << 10;

/// What a proxy says instead of connecting.
#[derive(Debug, thiserror::Error)]
pub enum TunnelError {
    /// It refuses.
    #[error("the proxy {proxy} answered {code} {reason}")]
    Refused {
        /// Where it is.
        proxy: String,
        /// Its status.
        code: u16,
        /// Its words.
        reason: String,
    },
    /// It ended the connection.
    #[error("the proxy {proxy} closed the connection without an answer")]
    Ended {
        /// Where it is.
        proxy: String,
    },
    /// It speaks something else.
    #[error("{proxy} does not respond like a proxy")]
    NoProxy {
        /// Where it is.
        proxy: String,
    },
}

impl TunnelError {
    /// Returns whether a moment later the proxy may connect: it hung up, or does
    /// not reach the API server.
    pub(crate) fn passes(&self) -> bool {
        match self {
            Self::Refused { code, .. } => matches!(code, 429 | 500..),
            Self::Ended { .. } => true,
            Self::NoProxy { .. } => false,
        }
    }
}

/// Connects through a proxy, to which `inner` connects.
#[derive(Clone)]
pub(crate) struct Tunnel<C> {
    inner: C,
    proxy: Uri,
    authorization: Option<HeaderValue>,
}

impl<C> Tunnel<C> {
    pub(crate) fn new(proxy: &Proxy, inner: C) -> Self {
        Self {
            inner,
            proxy: proxy.address.clone(),
            authorization: proxy.authorization(),
        }
    }
}

type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

impl<C> Service<Uri> for Tunnel<C>
where
    C: Service<Uri>,
    C::Future: Send + 'static,
    C::Response: Read + Write + Unpin + Send + 'static,
    C::Error: Into<BoxError>,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Connecting<C::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        let connecting = self.inner.call(self.proxy.clone());
        let proxy = self.proxy.to_string().trim_end_matches('/').to_owned();
        let authorization = self.authorization.clone();
        Box::pin(async move {
            let mut connection = TokioIo::new(connecting.await.map_err(Into::into)?);
            let host = server.host().unwrap_or_default();
            let port = server.port_u16().unwrap_or(match server.scheme_str() {
                Some("http") => 80,
                _ => 443,
            });
            let mut request =
                format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
            if let Some(value) = authorization {
                request.extend_from_slice(b"Proxy-Authorization: ");
                request.extend_from_slice(value.as_bytes());
                request.extend_from_slice(b"\r\n");
            }
            request.extend_from_slice(b"\r\n");
            connection.write_all(&request).await?;
            connection.flush().await?;
            let head = head(&mut connection, &proxy).await?;
            accepted(&head, proxy)?;
            Ok(connection.into_inner())
        })
    }
}

/// Reads the head of an answer, and not a byte of what follows.
async fn head(connection: &mut (impl AsyncRead + Unpin), proxy: &str) -> Result<Vec<u8>, BoxError> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && !head.ends_with(b"\n\n") {
        let proxy = || proxy.to_owned();
        if head.len() == LONGEST_HEAD {
            return Err(TunnelError::NoProxy { proxy: proxy() }.into());
        }
        let mut byte = [0];
        match connection.read(&mut byte).await? {
            0 => return Err(TunnelError::Ended { proxy: proxy() }.into()),
            _ => head.push(byte[0]),
        }
    }
    Ok(head)
}

/// Looks whether the answer says that there is a connection.
fn accepted(head: &[u8], proxy: String) -> Result<(), TunnelError> {
    let head = String::from_utf8_lossy(head);
    let line = head.lines().next().unwrap_or_default();
    let code = line
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse::<u16>().ok());
    match code {
        Some(code @ 100..) if line.starts_with("HTTP/1.") => match code {
            200..=299 => Ok(()),
            code => {
                let reason = line.splitn(3, ' ').nth(2).unwrap_or_default();
                let reason = printable::beginning(reason, 100);
                Err(TunnelError::Refused {
                    proxy,
                    code,
                    reason,
                })
            }
        },
        _ => Err(TunnelError::NoProxy { proxy }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_says_yes_or_why_not() {
        let told = |head: &str| {
            accepted(head.as_bytes(), "http://p:3128".to_owned()).map_err(|error| error.to_string())
        };
        assert_eq!(told("HTTP/1.1 200 Connection established\r\n\r\n"), Ok(()));
        for (head, expected) in [
            (
                "HTTP/1.1 407 Proxy Authentication Required\r\nX: y\r\n\r\n",
                "the proxy http://p:3128 answered 407 Proxy Authentication Required",
            ),
            (
                "HTTP/1.0 403 \x1b[31mno\r\n\r\n",
                "the proxy http://p:3128 answered 403 no",
            ),
            (
                "SSH-2.0-OpenSSH\r\n\r\n",
                "http://p:3128 does not respond like a proxy",
            ),
            (
                "HTTP/1.1\r\n\r\n",
                "http://p:3128 does not respond like a proxy",
            ),
        ] {
            assert_eq!(told(head), Err(expected.to_owned()));
        }
    }
}
