//! Reaches what a workload serves: through its Service's proxy at the API
//! server, or through a port of a pod behind the Service. Neither needs a public
//! address, and each takes rights of its own.

mod api_key;
mod error;

use std::future::ready;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use futures_util::{AsyncBufReadExt as _, Stream, StreamExt as _, TryStreamExt as _};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Bytes};
use kube::Client;
use kube::core::Status;
use serde_json::Value;
use tokio::time::timeout;

pub use api_key::{ApiKey, ApiKeyError, api_key};
pub use error::RouteError;

use super::tunnel::{self, PodTunnelError, TunnelTasks};
use crate::api::pod::Pod;
use crate::api::resource::Resource;
use crate::cluster::client::answer;
use crate::cluster::client::exchange::{Outgoing, Repeat};
use crate::cluster::{Cluster, ClusterError};
use crate::observe::endpoint::{Endpoint, Via};

/// A request to what is served.
struct Question<'a> {
    method: Method,
    path: &'a str,
    body: Option<Vec<u8>>,
    /// Most time until the answer begins.
    patience: Duration,
}

/// Bytes as they come.
type Bits = Pin<Box<dyn Stream<Item = io::Result<Bytes>>>>;

/// An answer that has begun.
struct Begun {
    status: StatusCode,
    body: Bits,
    carried: Option<TunnelTasks>,
}

/// An answer, line by line.
pub struct Lines {
    lines: futures_util::io::Lines<futures_util::stream::IntoAsyncRead<Bits>>,
    carried: Option<TunnelTasks>,
}

impl Lines {
    /// Waits for the next line; `None` after the last.
    ///
    /// # Errors
    /// Why the connection was lost.
    pub async fn next(&mut self) -> Option<Result<String, String>> {
        let line = self.lines.next().await?;
        Some(line.map_err(|error| {
            let why = self.carried.as_ref().and_then(TunnelTasks::why);
            why.unwrap_or_else(|| root(&error).to_string())
        }))
    }
}

/// A way to what a workload serves.
pub struct Route<'a> {
    cluster: &'a Cluster,
    /// Where it leads.
    pub endpoint: Endpoint,
    via: Via,
    /// Whether the other way may be taken where this one is not allowed.
    gives_way: bool,
    key: Option<ApiKey>,
    /// The pod that answered last.
    pod: Option<String>,
}

impl<'a> Route<'a> {
    /// Leads to `endpoint`. Without a choice it takes the Service's proxy,
    /// whichever pod that leads to; where that is not allowed, and with a key,
    /// which would not get through, a port of a pod.
    pub fn new(
        cluster: &'a Cluster,
        endpoint: Endpoint,
        choice: Option<Via>,
        key: Option<ApiKey>,
    ) -> Self {
        let free = match key {
            Some(_) => Via::Pod,
            None => Via::Service,
        };
        Self {
            cluster,
            endpoint,
            via: choice.unwrap_or(free),
            gives_way: choice.is_none(),
            key,
            pod: None,
        }
    }

    /// Returns the pod that answered last, if it was asked through its port.
    pub fn pod(&self) -> Option<&str> {
        self.pod.as_deref()
    }

    /// Reads JSON under a path.
    ///
    /// # Errors
    /// Any [`RouteError`].
    pub async fn get(&mut self, path: &str, patience: Duration) -> Result<Value, RouteError> {
        let question = Question {
            method: Method::GET,
            path,
            body: None,
            patience,
        };
        let read = async {
            let begun = self.send(&question).await?;
            let bytes = whole(begun).await?;
            serde_json::from_slice(&bytes).map_err(|_| RouteError::NotJson)
        };
        within(patience, read).await
    }

    /// Sends JSON, and opens the answer, which has to begin within `patience`.
    ///
    /// # Errors
    /// Any [`RouteError`].
    pub async fn post(
        &mut self,
        path: &str,
        body: &Value,
        patience: Duration,
    ) -> Result<Lines, RouteError> {
        let question = Question {
            method: Method::POST,
            path,
            body: Some(body.to_string().into_bytes()),
            patience,
        };
        let Begun { body, carried, .. } = within(patience, self.send(&question)).await?;
        Ok(Lines {
            lines: body.into_async_read().lines(),
            carried,
        })
    }

    async fn send(&mut self, question: &Question<'_>) -> Result<Begun, RouteError> {
        let begun = match self.via {
            Via::Service => match self.through_service(question).await {
                Err(denied) if denied.is_missing_right() && self.gives_way => {
                    match self.through_pod(question).await {
                        Err(pod) if pod.leaves_the_proxy() => {
                            return Err(RouteError::Denied {
                                service: self.endpoint.service.clone(),
                                namespace: self.endpoint.namespace.clone(),
                                has_ports: pod.is_missing_right(),
                                said: [denied, pod].map(|said| said.to_string()),
                            });
                        }
                        begun => {
                            self.via = Via::Pod;
                            begun
                        }
                    }
                }
                begun => begun,
            },
            Via::Pod => self.through_pod(question).await,
        }?;
        let code = begun.status.as_u16();
        // Of the server's own, beside what the API server says.
        tracing::info!("{} {} {code}", question.method, question.path);
        if begun.status.is_success() {
            return Ok(begun);
        }
        let bytes = whole(begun).await?;
        Err(RouteError::Refused {
            code,
            message: answer::words(&String::from_utf8_lossy(&bytes)),
        })
    }

    async fn through_service(&self, question: &Question<'_>) -> Result<Begun, RouteError> {
        let path = self.endpoint.proxy_path(question.path);
        let outgoing = Outgoing {
            method: question.method.clone(),
            body: question.body.clone().map(|body| ("application/json", body)),
            patience: Some(question.patience),
            // The server behind it may be busy, and may have understood.
            repeat: Repeat::Never,
            ..Outgoing::get(&path)
        };
        let open = async |client: Client, request: Request<Vec<u8>>| {
            let answer = client.send(request.map(kube::client::Body::from)).await?;
            let status = answer.status();
            if status.is_success() {
                return Ok(Begun {
                    status,
                    body: bits(answer.into_body()),
                    carried: None,
                });
            }
            let (head, body) = answer.into_parts();
            let (bytes, _) = answer::up_to(&head.headers, body, answer::LONGEST_REFUSAL).await?;
            // The API server's own refusals are told by their form.
            if let Some(own) = own_refusal(&bytes) {
                return Err(kube::Error::Api(own.boxed()));
            }
            Ok(Begun {
                status,
                body: bits(Full::new(Bytes::from(bytes))),
                carried: None,
            })
        };
        let begun = self.cluster.exchange(&outgoing, open).await;
        begun.map_err(RouteError::of_proxy)
    }

    /// Asks a pod; another one if the first cannot be reached. What may have
    /// arrived is not asked again, unless it only reads.
    async fn through_pod(&mut self, question: &Question<'_>) -> Result<Begun, RouteError> {
        let Endpoint {
            namespace, service, ..
        } = &self.endpoint;
        let selector = self.endpoint.pod_selector();
        let selector = selector.ok_or_else(|| RouteError::NoSelector {
            service: service.clone(),
            has_key: self.key.is_some(),
        })?;
        let resource = Resource::known("v1", "Pod");
        let mut failed: Option<(String, String)> = None;
        loop {
            let pods: Vec<Pod> = self.cluster.list(&resource, namespace, &selector).await?;
            let but = failed.as_ref().map(|(pod, _)| pod.as_str());
            let Some((pod, port)) = self.endpoint.pod(&pods, self.pod.as_deref(), but) else {
                let why = failed.map(|(_, why)| why);
                return Err(RouteError::Silent(why.unwrap_or_else(|| {
                    format!("no pod behind Service {service} is ready")
                })));
            };
            let why = match tunnel::open(self.cluster, namespace, pod, port).await {
                Ok(tunnel) => match tunnel.send(self.request(question)?).await {
                    Ok((answer, carried)) => {
                        self.pod = Some(pod.to_owned());
                        return Ok(Begun {
                            status: answer.status(),
                            body: bits(answer.into_body()),
                            carried: Some(carried),
                        });
                    }
                    Err(PodTunnelError::Broken(why)) if !question.method.is_safe() => {
                        return Err(RouteError::Silent(why));
                    }
                    Err(PodTunnelError::Broken(why) | PodTunnelError::Undelivered(why)) => why,
                },
                // It is gone, or its node does not answer: the API server says
                // so, or still waits for the node.
                Err(error)
                    if matches!(error.code(), Some(404 | 500..=504))
                        || matches!(error, ClusterError::Slow { .. }) =>
                {
                    error.to_string()
                }
                Err(error) => return Err(error.into()),
            };
            if failed.is_some() {
                return Err(RouteError::Silent(why));
            }
            failed = Some((pod.to_owned(), why));
        }
    }

    fn request(&self, question: &Question<'_>) -> Result<Request<Full<Bytes>>, RouteError> {
        let mut builder = Request::builder()
            .method(&question.method)
            .uri(question.path)
            .header(HOST, self.endpoint.host());
        if let Some(ApiKey(key)) = &self.key {
            builder = builder.header(AUTHORIZATION, key.clone());
        }
        if question.body.is_some() {
            builder = builder.header(CONTENT_TYPE, "application/json");
        }
        let body = question.body.clone().unwrap_or_default();
        builder.body(Full::from(body)).map_err(|error| {
            RouteError::Cluster(ClusterError::Answer {
                request: format!("{} {}", question.method, question.path),
                source: kube::Error::HttpError(error),
            })
        })
    }
}

/// Gives up after `patience`.
async fn within<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, RouteError>>,
) -> Result<T, RouteError> {
    let answer = timeout(patience, answer).await;
    answer.unwrap_or(Err(RouteError::Slow(patience.as_secs())))
}

/// Reads an answer to its end.
async fn whole(begun: Begun) -> Result<Vec<u8>, RouteError> {
    let Begun {
        mut body, carried, ..
    } = begun;
    let mut bytes = Vec::new();
    while let Some(bit) = body.next().await {
        let bit = bit.map_err(|error| {
            let why = carried.as_ref().and_then(TunnelTasks::why);
            RouteError::Silent(why.unwrap_or_else(|| root(&error).to_string()))
        })?;
        bytes.extend_from_slice(&bit);
    }
    Ok(bytes)
}

fn bits<B>(body: B) -> Bits
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut left = usize::try_from(answer::LONGEST.0).unwrap_or(usize::MAX);
    let stream = body.into_data_stream().map_err(io::Error::other);
    Box::pin(stream.and_then(move |bit| {
        let is_within = bit.len() <= left;
        left = left.saturating_sub(bit.len());
        ready(match is_within {
            true => Ok(bit),
            false => Err(io::Error::other(format!(
                "the answer is larger than {}",
                answer::LONGEST
            ))),
        })
    }))
}

/// Returns the `Status` that the API server refuses with, if it is one; what is
/// behind it has forms of its own.
fn own_refusal(bytes: &[u8]) -> Option<Status> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let is_own = value["kind"] == "Status" && value["apiVersion"] == "v1";
    is_own.then(|| serde_json::from_value(value).ok()).flatten()
}

/// Returns the first of the causes.
fn root<'a>(
    mut error: &'a (dyn std::error::Error + 'static),
) -> &'a (dyn std::error::Error + 'static) {
    while let Some(source) = error.source() {
        error = source;
    }
    error
}
