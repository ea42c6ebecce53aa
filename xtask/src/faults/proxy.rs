//! Stands between one run of kaiwo and the testbed's API server: counts the requests, and does a fault to one of them or
//! to more.
//!
//! It speaks plain HTTP, over which clients send no credentials; towards the API server it is the administrator.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Channel, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::fault::{Answer, Fault, Injection, Reach};
use super::mutation;

/// For how long nobody listens where a connection is to be refused once.
const OUTAGE: Duration = Duration::from_millis(1500);
/// Between two bytes of a slow body.
const DRIP: Duration = Duration::from_millis(100);
/// How long what is under way to the API server may take to end there.
const SETTLING: Duration = Duration::from_secs(10);

type AnyError = Box<dyn std::error::Error + Send + Sync>;
type AnyBody = UnsyncBoxBody<Bytes, AnyError>;

/// A port of 127.0.0.1; dropping it closes every connection.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

/// What all connections share.
struct Shared {
    client: Client,
    injection: Option<Injection>,
    /// The requests that came, each as method and path, and for writes whether they were rehearsals.
    asked: Mutex<Vec<String>>,
    /// How many were met by the fault.
    met: AtomicUsize,
    /// Whether whoever asks is to be killed now.
    deadly: AtomicBool,
    /// Requests that the API server works on.
    under_way: AtomicUsize,
    /// Until when nobody listens; `None` while somebody does.
    away: watch::Sender<Option<Instant>>,
}

impl Proxy {
    pub fn open(
        runtime: &tokio::runtime::Handle,
        client: Client,
        injection: Option<Injection>,
    ) -> Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .context("failed to find a free port on 127.0.0.1")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            client,
            injection,
            asked: Mutex::default(),
            met: AtomicUsize::new(0),
            deadly: AtomicBool::new(false),
            under_way: AtomicUsize::new(0),
            away: watch::Sender::new(None),
        });
        let task = runtime.spawn(serve(listener, address, shared.clone()));
        Ok(Self {
            address,
            shared,
            task,
        })
    }

    /// Returns a kubeconfig that leads here, with a token that nobody may show.
    pub fn kubeconfig(&self, token: &str) -> String {
        let address = self.address;
        format!(
            "{{apiVersion: v1, kind: Config, current-context: c, \
             clusters: [{{name: c, cluster: {{server: 'http://{address}'}}}}], \
             contexts: [{{name: c, context: {{cluster: c, user: u}}}}], \
             users: [{{name: u, user: {{token: {token}}}}}]}}"
        )
    }

    /// Returns whether anything can go wrong here.
    pub fn disturbs(&self) -> bool {
        self.shared.injection.is_some()
    }

    /// Returns the requests that came.
    pub fn asked(&self) -> Vec<String> {
        let asked = self.shared.asked.lock();
        asked.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns whether a request was met by the fault.
    pub fn has_met(&self) -> bool {
        self.shared.met.load(Ordering::SeqCst) > 0
    }

    /// Returns whether whoever asks is to be killed now.
    pub fn is_deadly(&self) -> bool {
        self.shared.deadly.load(Ordering::SeqCst)
    }

    /// Closes every connection, and waits until the API server is done with what it was asked.
    pub fn close(self) {
        let until = Instant::now() + SETTLING;
        self.task.abort();
        while self.shared.under_way.load(Ordering::SeqCst) > 0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Accepts connections, but while the server is away: then nobody listens.
async fn serve(listener: std::net::TcpListener, address: SocketAddr, shared: Arc<Shared>) {
    let mut away = shared.away.subscribe();
    let mut listener = TcpListener::from_std(listener).ok();
    loop {
        let Some(open) = &listener else { return };
        let mut connections = JoinSet::new();
        let until = loop {
            tokio::select! {
                accepted = open.accept() => {
                    if let Ok((stream, _)) = accepted {
                        connections.spawn(converse(stream, shared.clone()));
                    }
                }
                _ = away.changed() => {
                    if let Some(until) = *away.borrow_and_update() {
                        break until;
                    }
                }
            }
            while connections.try_join_next().is_some() {}
        };
        drop(listener.take());
        connections.shutdown().await;
        tokio::time::sleep_until(until.into()).await;
        listener = TcpListener::bind(address).await.ok();
    }
}

/// A connection is closed without an answer.
#[derive(Debug)]
struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("closed on purpose")
    }
}

impl std::error::Error for Closed {}

async fn converse(stream: TcpStream, shared: Arc<Shared>) {
    use std::os::fd::AsFd as _;
    let _ = stream.set_nodelay(true);
    let Ok(socket) = stream.as_fd().try_clone_to_owned() else {
        return;
    };
    let (shared, socket) = (&shared, &socket);
    let service = hyper::service::service_fn(move |request| answer(request, shared, socket));
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    request: Request<Incoming>,
    shared: &Arc<Shared>,
    socket: &OwnedFd,
) -> Result<Response<AnyBody>, AnyError> {
    let (number, injection) = injected(shared, named(&request));
    let Some(Injection { fault, reach, .. }) = injection else {
        return forward(request, shared).await;
    };
    shared.met.fetch_add(1, Ordering::SeqCst);
    match fault {
        Fault::KillBefore => {
            shared.deadly.store(true, Ordering::SeqCst);
            never().await
        }
        Fault::KillAfter => {
            let _ = whole(request, shared).await;
            shared.deadly.store(true, Ordering::SeqCst);
            never().await
        }
        Fault::Hang => never().await,
        Fault::Reset => {
            // Closing then sends RST instead of FIN.
            let _ = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO));
            Err(Closed.into())
        }
        Fault::Refused => {
            let time = match reach {
                Reach::Once => OUTAGE,
                _ => Duration::from_secs(3600),
            };
            shared.away.send_replace(Some(Instant::now() + time));
            never().await
        }
        Fault::LostAnswer => {
            let _ = whole(request, shared).await;
            Err(Closed.into())
        }
        Fault::SlowBody => {
            let (head, body) = whole(request, shared).await?;
            Ok(Response::from_parts(head, dripping(body)))
        }
        Fault::CutBody => {
            let (head, body) = whole(request, shared).await?;
            Ok(cut(head, body))
        }
        Fault::Mutated(seed) => {
            let seed = seed ^ number as u64;
            let (mut head, body) = whole(request, shared).await?;
            head.headers.remove(CONTENT_LENGTH);
            let body = mutation::answer(&body, seed);
            Ok(Response::from_parts(head, full(body.into())))
        }
        Fault::Answered(answer) => {
            if answer.is_carried_out {
                let _ = whole(request, shared).await;
            }
            Ok(instead(answer))
        }
        Fault::Truncated => {
            let (mut head, body) = whole(request, shared).await?;
            head.headers.remove(CONTENT_LENGTH);
            let half = body.slice(..body.len() / 2);
            Ok(Response::from_parts(head, full(half)))
        }
    }
}

/// Notes a request, and returns its number with the injection that it meets.
fn injected(shared: &Shared, name: String) -> (usize, Option<&Injection>) {
    let (number, is_alike) = {
        let asked = shared.asked.lock();
        let mut asked = asked.unwrap_or_else(PoisonError::into_inner);
        asked.push(name.clone());
        let at = shared
            .injection
            .as_ref()
            .map_or(0, |injection| injection.at);
        let first = asked.get(at.wrapping_sub(1));
        (asked.len(), first.is_some_and(|first| *first == name))
    };
    let injection = shared
        .injection
        .as_ref()
        .filter(|injection| match injection.reach {
            Reach::Once => number == injection.at,
            Reach::Alike => number >= injection.at && is_alike,
            Reach::Onward => number >= injection.at,
        });
    (number, injection)
}

/// Returns method and path of a request, and says of a write whether it is a rehearsal.
fn named(request: &Request<Incoming>) -> String {
    let query = request.uri().query().unwrap_or_default();
    let rehearsal = match query.contains("dryRun=All") {
        true => " (dry run)",
        false => "",
    };
    format!("{} {}{rehearsal}", request.method(), request.uri().path())
}

async fn never() -> Result<Response<AnyBody>, AnyError> {
    std::future::pending().await
}

/// Sends a request on. That goes on if whoever asked is gone, as it would without a proxy.
async fn send(
    request: Request<Incoming>,
    shared: &Arc<Shared>,
) -> Result<Response<Body>, AnyError> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let shared = shared.clone();
    let sent = tokio::spawn(async move {
        shared.under_way.fetch_add(1, Ordering::SeqCst);
        let answer = shared
            .client
            .send(Request::from_parts(head, Body::from(body.to_vec())))
            .await;
        shared.under_way.fetch_sub(1, Ordering::SeqCst);
        answer
    });
    Ok(sent.await??)
}

async fn forward(
    request: Request<Incoming>,
    shared: &Arc<Shared>,
) -> Result<Response<AnyBody>, AnyError> {
    let (head, body) = send(request, shared).await?.into_parts();
    Ok(Response::from_parts(
        head,
        body.map_err(AnyError::from).boxed_unsync(),
    ))
}

/// Sends a request on, and returns the whole answer.
async fn whole(
    request: Request<Incoming>,
    shared: &Arc<Shared>,
) -> Result<(hyper::http::response::Parts, Bytes), AnyError> {
    let (head, body) = send(request, shared).await?.into_parts();
    Ok((head, body.collect().await?.to_bytes()))
}

fn full(body: Bytes) -> AnyBody {
    Full::new(body).map_err(AnyError::from).boxed_unsync()
}

fn instead(answer: &Answer) -> Response<AnyBody> {
    let mut response = Response::new(full(Bytes::from(answer.body())));
    *response.status_mut() = StatusCode::from_u16(answer.code).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.media_type()));
    if let Some(seconds) = answer.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Sends a body a byte at a time.
fn dripping(body: Bytes) -> AnyBody {
    let (mut sender, channel) = Channel::<Bytes, AnyError>::new(1);
    tokio::spawn(async move {
        for at in 0..body.len() {
            if sender.send_data(body.slice(at..=at)).await.is_err() {
                return;
            }
            tokio::time::sleep(DRIP).await;
        }
    });
    channel.boxed_unsync()
}

/// Promises a whole body and sends half of it.
fn cut(mut head: hyper::http::response::Parts, body: Bytes) -> Response<AnyBody> {
    let (mut sender, channel) = Channel::<Bytes, AnyError>::new(1);
    head.headers
        .insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    let half = body.slice(..body.len() / 2);
    tokio::spawn(async move {
        let _ = sender.send_data(half).await;
        // Else it would never leave.
        tokio::time::sleep(DRIP).await;
        sender.abort(Closed.into());
    });
    Response::from_parts(head, channel.boxed_unsync())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::super::fault;
    use super::*;

    const BODY: &str = r#"{"kind":"ConfigMap","data":{}}"#;

    /// A server that answers everything the same, and counts.
    async fn upstream(served: Arc<AtomicUsize>) -> Client {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let served = served.clone();
                tokio::spawn(async move {
                    let mut head = [0; 4096];
                    while stream.read(&mut head).await.unwrap_or(0) > 0 {
                        served.fetch_add(1, Ordering::SeqCst);
                        let length = BODY.len();
                        let answer = format!(
                            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{BODY}"
                        );
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        let config = kube::Config::new(format!("http://{address}").parse().unwrap());
        Client::try_from(config).unwrap()
    }

    /// Asks twice, each over a connection of its own; returns what came, and how often the server was asked.
    async fn ask(fault: &Fault, reach: Reach) -> ([String; 2], usize) {
        let served = Arc::new(AtomicUsize::new(0));
        let client = upstream(served.clone()).await;
        let injection = Injection {
            fault: fault.clone(),
            at: 1,
            reach,
        };
        let handle = tokio::runtime::Handle::current();
        let proxy = Proxy::open(&handle, client, Some(injection)).unwrap();
        let address = proxy.address;
        let one = move || {
            let Ok(mut stream) = std::net::TcpStream::connect(address) else {
                return "refused".to_owned();
            };
            let time = Some(Duration::from_secs(2));
            stream.set_read_timeout(time).unwrap();
            stream
                .write_all(
                    b"GET /api/v1/configmaps HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
                )
                .unwrap();
            let mut answer = Vec::new();
            match stream.read_to_end(&mut answer) {
                Ok(_) => String::from_utf8(answer).unwrap(),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                    "reset".to_owned()
                }
                Err(_) => "nothing".to_owned(),
            }
        };
        let first = tokio::task::spawn_blocking(one).await.unwrap();
        let second = tokio::task::spawn_blocking(one).await.unwrap();
        assert!(proxy.has_met());
        ([first, second], served.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn each_fault_does_what_it_says() {
        for kind in fault::kills().into_iter().chain(fault::faults()) {
            let ([first, second], served) = ask(&kind.fault, Reach::Once).await;
            let body = first.split("\r\n\r\n").nth(1).unwrap_or(&first).to_owned();
            let half = &BODY[..BODY.len() / 2];
            let (expected, carried_out) = match &kind.fault {
                Fault::KillBefore | Fault::Hang => ("nothing", false),
                Fault::KillAfter => ("nothing", true),
                Fault::Reset => ("reset", false),
                Fault::Refused => ("", false),
                Fault::LostAnswer => ("", true),
                Fault::CutBody | Fault::Truncated => (half, true),
                Fault::SlowBody | Fault::Mutated(_) => continue,
                Fault::Answered(answer) => {
                    assert_eq!(body, answer.body(), "{}", kind.word);
                    assert!(first.starts_with(&format!("HTTP/1.1 {}", answer.code)));
                    (body.as_str(), answer.is_carried_out)
                }
            };
            assert_eq!(body, expected, "{}", kind.word);
            let again = match kind.fault {
                Fault::Refused => "refused",
                _ => "HTTP/1.1 200",
            };
            assert!(second.starts_with(again), "{}: {second}", kind.word);
            let second = usize::from(again != "refused");
            assert_eq!(served, usize::from(carried_out) + second, "{}", kind.word);
        }
    }

    #[tokio::test]
    async fn a_fault_may_last() {
        for reach in [Reach::Alike, Reach::Onward] {
            let (answers, served) = ask(&Fault::Reset, reach).await;
            assert_eq!(
                (answers, served),
                (["reset".to_owned(), "reset".to_owned()], 0)
            );
        }
    }
}
