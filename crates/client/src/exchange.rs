//! Sends a request and reads its answer: with credentials, within a deadline,
//! and again where that is safe.

use std::time::{Duration, Instant};

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method};
use kube::Client;
use tokio::time::sleep;

use super::backoff::Pauses;
use super::echo;
use super::session::AuthenticatedClient;
use crate::{Cluster, ClusterError};

/// How often a request is sent at most. One that did not leave was not sent.
const TRIES: u32 = 4;
/// After how many connections that were not made it is said.
const TELLING: u32 = 2;
/// Pauses in between, where the API server asks for no other.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause that the API server asks for on its own: 1 s when it has too much to
/// do, and 5 s when it is about to stop (apiserver `tooManyRequests` and
/// `WithRetryAfter`, v1.36). A longer one is told.
const MOST_USUAL: Duration = Duration::from_secs(5);

/// A request before it has credentials.
pub struct Outgoing<'a> {
    /// Verb.
    pub method: Method,
    /// Path and parameters.
    pub path: &'a str,
    /// Form of the answer; JSON if nothing is said.
    pub accept: Option<&'static str>,
    /// Its type and its bytes.
    pub body: Option<(&'static str, Vec<u8>)>,
    /// Most time until the answer begins; the usual one if nothing is said.
    pub patience: Option<Duration>,
    /// Whether it is sent again by itself.
    pub repeat: Repeat,
}

/// When a request is sent again by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Never: whoever asks wants each answer, which may not even be the API
    /// server's own.
    Never,
    /// When the API server was too busy to look at it (429).
    Unseen,
    /// Then, and when nobody knows what became of it, or the answer may be another
    /// a moment later: twice is no more than once.
    Unanswered,
}

impl<'a> Outgoing<'a> {
    /// Reads what is at `path`.
    pub fn get(path: &'a str) -> Self {
        Self {
            method: Method::GET,
            path,
            accept: None,
            body: None,
            patience: None,
            repeat: Repeat::Unanswered,
        }
    }

    /// Reads what is at `path`, or finds out at once that it is not to be had.
    pub fn get_once(path: &'a str) -> Self {
        Self {
            repeat: Repeat::Never,
            ..Self::get(path)
        }
    }

    /// Returns method and path, without parameters.
    fn name(&self) -> String {
        let path = self.path.split('?').next().unwrap_or(self.path);
        format!("{} {path}", self.method)
    }
}

impl Repeat {
    /// Returns whether the request is to be sent again after this error.
    fn is_due(self, error: &ClusterError) -> bool {
        match self {
            Self::Never => false,
            Self::Unseen => error.code() == Some(429),
            Self::Unanswered => error.code() == Some(429) || error.is_passing(),
        }
    }
}

impl Cluster {
    /// Sends a request and has `ask` take the answer.
    ///
    /// While there is no connection it is tried again for as long as the answer
    /// may take: whatever the request would do, it has not done.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub async fn exchange<A>(
        &self,
        outgoing: &Outgoing<'_>,
        ask: impl AsyncFn(Client, http::Request<Vec<u8>>) -> kube::Result<A>,
    ) -> Result<A, ClusterError> {
        let (start, patience) = (Instant::now(), self.patience(outgoing));
        let mut pauses = Pauses::new(FIRST_PAUSE, LONGEST_PAUSE);
        let (mut tries, mut missed, mut sent) = (0, 0, false);
        loop {
            let error = match self.authenticated(outgoing, &ask).await {
                Ok(answer) => {
                    self.absence.ends();
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let left = patience.saturating_sub(start.elapsed());
            let pause = if let Some(why) = error.unconnected() {
                if !self.absence.is_waited_out() {
                    return Err(error);
                }
                if left.is_zero() {
                    return Err(error.given_up(patience, sent));
                }
                missed += 1;
                if missed == TELLING {
                    self.absence.tell(&format!(
                        "cannot reach {}: {why}; retrying for up to {} s",
                        self.server,
                        patience.as_secs()
                    ));
                }
                pauses.advance().min(left)
            } else {
                tries += 1;
                sent |= error.is_open();
                let asked = error.asked_pause();
                let pause = match asked {
                    Some(asked) => pauses.at_least(asked),
                    None => pauses.advance(),
                };
                let is_stale = error.code() == Some(410) && outgoing.path.contains("continue=");
                let is_due = outgoing.repeat.is_due(&error) && !is_stale;
                if tries == TRIES || !is_due {
                    return Err(error);
                }
                if pause >= left {
                    return Err(match asked {
                        Some(asked) => error.kept_waiting(asked, patience),
                        None => error,
                    });
                }
                if let Some(asked) = asked.filter(|asked| *asked > MOST_USUAL) {
                    let (server, asked) = (&self.server, asked.as_secs());
                    let words = format!("{server} asks for a pause of {asked} s; retrying then");
                    self.absence.tell(&words);
                }
                pause
            };
            tracing::info!("{}, retrying in {} ms", outgoing.name(), pause.as_millis());
            sleep(pause).await;
        }
    }

    /// Sends a request once, or twice if the credentials are used up.
    async fn authenticated<A>(
        &self,
        outgoing: &Outgoing<'_>,
        ask: &impl AsyncFn(Client, http::Request<Vec<u8>>) -> kube::Result<A>,
    ) -> Result<A, ClusterError> {
        let what = outgoing.name();
        let start = Instant::now();
        let mut pass = self.session.pass().await?;
        let mut result = self.try_once(&pass, outgoing, &what, ask).await;
        // A refusal for want of authentication changes nothing, so that even
        // a write may be sent again.
        if let Err(ClusterError::Api(status)) = &result
            && status.code == 401
            && let Some(renewed) = self.session.after_refusal(&pass).await?
        {
            tracing::info!("{what} 401, again with new credentials");
            pass = renewed;
            result = self.try_once(&pass, outgoing, &what, ask).await;
        }
        if let Err(ClusterError::Api(status)) = &result
            && status.code == 401
        {
            result = Err(self.session.unauthenticated(status));
        }
        let outcome = match &result {
            Ok(_) => "ok".to_owned(),
            Err(error) => error
                .code()
                .map_or_else(|| "failed".to_owned(), |code| code.to_string()),
        };
        tracing::info!("{what} {outcome} {} ms", start.elapsed().as_millis());
        result
    }

    async fn try_once<A>(
        &self,
        pass: &AuthenticatedClient,
        outgoing: &Outgoing<'_>,
        what: &str,
        ask: &impl AsyncFn(Client, http::Request<Vec<u8>>) -> kube::Result<A>,
    ) -> Result<A, ClusterError> {
        let mut builder = http::Request::builder()
            .method(&outgoing.method)
            .uri(uri(outgoing.path));
        if let Some(headers) = builder.headers_mut() {
            headers.clone_from(self.session.headers());
            if let Some(value) = pass.authorization() {
                headers.insert(AUTHORIZATION, value.clone());
            }
            if let Some(accept) = outgoing.accept {
                headers.insert(ACCEPT, HeaderValue::from_static(accept));
            }
            if let Some((content_type, _)) = outgoing.body {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            }
        }
        let body = outgoing.body.as_ref().map(|(_, body)| body.clone());
        let wrong = |mut error| {
            if let (kube::Error::Api(status), Some((_, body))) = (&mut error, &outgoing.body) {
                echo::silence(status, body);
            }
            ClusterError::from_client(error, &self.server, what)
        };
        let request = builder
            .body(body.unwrap_or_default())
            .map_err(|error| wrong(kube::Error::HttpError(error)))?;
        let answer = ask(pass.client.clone(), request);
        let patience = self.patience(outgoing);
        match tokio::time::timeout(patience, answer).await {
            Ok(answer) => answer.map_err(wrong),
            Err(_) => Err(ClusterError::Slow {
                server: self.server.clone(),
                seconds: patience.as_secs(),
                request: what.to_owned(),
            }),
        }
    }

    fn patience(&self, outgoing: &Outgoing<'_>) -> Duration {
        outgoing.patience.unwrap_or(self.request_timeout)
    }
}

/// Escapes what no URI may hold: the name of an object stands in a path as another
/// object gives it, whatever that is.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'!'..=b'~' if !b"\"<>\\^`{|}".contains(&byte) => uri.push(byte.into()),
            byte => uri += &format!("%{byte:02X}"),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_becomes_a_uri() {
        let path = "/api/v1/namespaces/n/pods/a b\u{202e}\x1b\"?limit=500&continue=a%2Fb";
        let uri = uri(path);
        assert_eq!(
            uri,
            "/api/v1/namespaces/n/pods/a%20b%E2%80%AE%1B%22?limit=500&continue=a%2Fb"
        );
        assert!(uri.parse::<http::Uri>().is_ok());
    }
}
