//! HTTP as the stand-ins serve it that answer with JSON.

use std::convert::Infallible;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};

/// Status and JSON.
pub type Answer = (StatusCode, Value);

/// Answers the requests of a connection. That a client leaves is no concern of ours.
pub async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    answer: impl AsyncFn(Request<Incoming>) -> Answer,
) {
    let answer = &answer;
    let service = hyper::service::service_fn(|request| async move {
        let (status, body) = answer(request).await;
        let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
        *response.status_mut() = status;
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        Ok::<_, Infallible>(response)
    });
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
