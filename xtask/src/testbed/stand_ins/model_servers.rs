//! Stands in for the language models that pods would serve: OpenAI's API on Ray Serve's port, Text Generation
//! Inference's on 8080, and the one of KAITO's own server on 5000, each for every pod. On 8001 OpenAI's API asks for
//! the key `testbed`, as vLLM does under `--api-key`.
//!
//! The answer repeats the question word by word, and tells how much of a conversation came with it. A question with
//! one of these words is answered so: `slowly` after a second and a half, `broken` with an answer that breaks off,
//! `busy` with 429 for ever and `busier` with 429 the first time, `nothing` with the end of the connection.

use std::cell::RefCell;
use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, channel::Channel};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::sleep;

/// Why an answer breaks off.
type Broken = Box<dyn std::error::Error + Send + Sync>;
type Body = UnsyncBoxBody<Bytes, Broken>;

/// How long a slow model thinks.
const THINKS: Duration = Duration::from_millis(1500);
/// Where a key is asked for, and how it is shown.
const LOCKED: u16 = 8001;
const KEY: &str = "Bearer testbed";
/// Status that stands for no answer at all, as in nginx.
const NOTHING: u16 = 444;

/// The ports on which models answer.
pub const PORTS: [u16; 4] = [8000, 8080, 5000, LOCKED];

/// An API, and the port it is served on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Api {
    OpenAi,
    Tgi,
    Kaito,
}

impl Api {
    fn on(port: u16) -> Self {
        match port {
            8080 => Self::Tgi,
            5000 => Self::Kaito,
            _ => Self::OpenAi,
        }
    }
}

/// Serves all APIs until the future is dropped.
pub async fn serve() -> Result<()> {
    let mut listeners = Vec::new();
    for port in PORTS {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
            .await
            .with_context(|| format!("failed to listen on port {port}"))?;
        listeners.push((port, listener));
    }
    let asked = Rc::new(RefCell::new(HashSet::new()));
    LocalSet::new()
        .run_until(async {
            let servers = listeners
                .into_iter()
                .map(|(port, listener)| spawn_local(accept(port, listener, Rc::clone(&asked))));
            for server in servers.collect::<Vec<_>>() {
                server.await?;
            }
            Ok(())
        })
        .await
}

async fn accept(port: u16, listener: TcpListener, asked: Rc<RefCell<HashSet<String>>>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let asked = Rc::clone(&asked);
        spawn_local(async move {
            let service = hyper::service::service_fn(|request| {
                let asked = Rc::clone(&asked);
                async move {
                    let key = request.headers().get(AUTHORIZATION);
                    if port == LOCKED && key.is_none_or(|key| key != KEY) {
                        let no = json!({ "error": "Unauthorized" });
                        return Ok(plain(StatusCode::UNAUTHORIZED, &no));
                    }
                    let answer = answer(Api::on(port), &asked, request).await;
                    match answer.status().as_u16() {
                        NOTHING => Err::<_, Broken>("it ends the connection".into()),
                        _ => Ok(answer),
                    }
                }
            });
            // A client that leaves is no concern of ours.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    api: Api,
    asked: &RefCell<HashSet<String>>,
    request: Request<Incoming>,
) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let Ok(body) = request.into_body().collect().await else {
        return plain(StatusCode::BAD_REQUEST, &json!({}));
    };
    let body: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or(Value::Null);
    let question = match (api, path.as_str()) {
        (_, "/-/healthz" | "/-/routes" | "/health") => {
            return plain(StatusCode::OK, &json!("success"));
        }
        (Api::OpenAi, "/v1/models") => {
            return plain(
                StatusCode::OK,
                &json!({ "object": "list", "data": [{ "id": "testbed", "object": "model" }] }),
            );
        }
        (Api::Tgi, "/info") => {
            return plain(StatusCode::OK, &json!({ "model_id": "testbed/model" }));
        }
        (Api::Kaito, "/openapi.json") => {
            return plain(
                StatusCode::OK,
                &json!({ "paths": { "/chat": { "post": {} } } }),
            );
        }
        (Api::OpenAi, "/v1/chat/completions") => {
            let messages = body["messages"].as_array().cloned().unwrap_or_default();
            let last = messages
                .last()
                .map_or(Value::Null, |last| last["content"].clone());
            last.as_str()
                .map(|last| format!("{} messages, last: {last}", messages.len()))
        }
        (Api::Tgi, "/generate_stream") => body["inputs"].as_str().map(str::to_owned),
        (Api::Kaito, "/chat") => body["prompt"].as_str().map(str::to_owned),
        _ => {
            return plain(
                StatusCode::NOT_FOUND,
                &json!({ "error": "the testbed's stand-in serves no such path" }),
            );
        }
    };
    let Some(question) = question else {
        return plain(
            StatusCode::UNPROCESSABLE_ENTITY,
            &json!({ "detail": "nothing is asked" }),
        );
    };
    let first_time = asked.borrow_mut().insert(question.clone());
    if question.contains("busy") || (question.contains("busier") && first_time) {
        return plain(
            StatusCode::TOO_MANY_REQUESTS,
            &json!({ "error": { "message": "the queue is full" } }),
        );
    }
    if question.contains("nothing")
        && let Ok(nothing) = StatusCode::from_u16(NOTHING)
    {
        return plain(nothing, &Value::Null);
    }
    if question.contains("slowly") {
        sleep(THINKS).await;
    }
    let limit = match api {
        Api::OpenAi => &body["max_tokens"],
        Api::Tgi => &body["parameters"]["max_new_tokens"],
        Api::Kaito => &body["generate_kwargs"]["max_new_tokens"],
    };
    speak(api, &question, limit.as_u64())
}

/// Says the question again, a word at a time where the API can.
fn speak(api: Api, question: &str, limit: Option<u64>) -> Response<Body> {
    let words: Vec<String> = question.split_inclusive(' ').map(str::to_owned).collect();
    let most = limit.map_or(usize::MAX, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX)
    });
    let is_cut = words.len() > most;
    let said: Vec<String> = words.into_iter().take(most).collect();
    let breaks = question.contains("broken");
    let whole = json!({ "Result": said.concat() });
    if api == Api::Kaito && !breaks {
        return plain(StatusCode::OK, &whole);
    }
    let (mut sender, body) = Channel::<Bytes, Broken>::new(1);
    spawn_local(async move {
        if api == Api::Kaito {
            let half = whole.to_string().split_off(4);
            let _ = sender.send_data(Bytes::from(half)).await;
            sleep(THINKS / 10).await;
            sender.abort("the model has broken down".into());
            return;
        }
        let finish = if is_cut { "length" } else { "stop" };
        let count = said.len();
        for (index, word) in said.iter().enumerate() {
            if breaks && index == 1 {
                // What was said before has to be on its way.
                sleep(THINKS / 10).await;
                sender.abort("the model has broken down".into());
                return;
            }
            let is_last = index + 1 == count;
            let event = match api {
                Api::Tgi => json!({
                    "token": { "text": word, "special": false },
                    "generated_text": if is_last { json!(said.concat()) } else { Value::Null },
                    "details": if is_last {
                        json!({ "finish_reason": finish, "generated_tokens": count })
                    } else {
                        Value::Null
                    },
                }),
                _ => json!({ "choices": [{
                    "delta": { "content": word },
                    "finish_reason": if is_last { json!(finish) } else { Value::Null },
                }] }),
            };
            if send(&mut sender, &event.to_string()).await.is_err() {
                return;
            }
        }
        if api == Api::OpenAi {
            let usage = json!({ "prompt_tokens": 3, "completion_tokens": count });
            let event = json!({ "choices": [], "usage": usage });
            let _ = send(&mut sender, &event.to_string()).await;
            let _ = send(&mut sender, "[DONE]").await;
        }
    });
    respond(StatusCode::OK, "text/event-stream", body.boxed_unsync())
}

async fn send(
    sender: &mut http_body_util::channel::Sender<Bytes, Broken>,
    data: &str,
) -> Result<(), http_body_util::channel::SendError> {
    sender
        .send_data(Bytes::from(format!("data: {data}\n\n")))
        .await
}

fn plain(status: StatusCode, body: &Value) -> Response<Body> {
    let body = Full::new(Bytes::from(body.to_string()));
    respond(
        status,
        "application/json",
        body.map_err(|never| match never {}).boxed_unsync(),
    )
}

fn respond(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
