//! A small HTTP server that plays an API server with Kueue and KubeRay, until
//! a test tells it otherwise.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};

use super::rights;
use crate::common::relay::Relay;
use crate::common::{Outcome, Sandbox};

/// A request as it arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// `POST`
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Parameters in their order, as one text.
    pub query: String,
    /// JSON body; null without one.
    pub body: Value,
    /// Whether it has an `Authorization` header.
    pub is_authorized: bool,
    /// `Sec-WebSocket-Key`, if it asks for a WebSocket.
    pub socket_key: String,
}

impl Request {
    /// Returns whether nothing would be stored.
    pub fn is_dry_run(&self) -> bool {
        self.query.contains("dryRun=All")
    }

    /// Returns method and path, with a mark for a dry run.
    pub fn line(&self) -> String {
        let mark = if self.is_dry_run() { " (dry run)" } else { "" };
        format!("{} {}{mark}", self.method, self.path)
    }

    /// Returns whether this would change something.
    pub fn is_write(&self) -> bool {
        self.method != "GET" && !self.is_dry_run()
    }
}

/// What the server does about a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A JSON document.
    Json(u16, Value),
    /// A refusal, as `Status`.
    Refuse(u16, &'static str),
    /// Nothing, ever.
    Hang,
    /// The connection is closed without an answer.
    Close,
    /// Bytes as they are, after which the connection is closed.
    Raw(Vec<u8>),
    /// Bytes as they are, after which nothing comes.
    Hold(Vec<u8>),
    /// Parts of an answer, each after such a pause; then the connection is closed.
    Slow(Vec<String>, Duration),
    /// Something, once this says so; others are answered meanwhile.
    Late(Arc<Mutex<Receiver<()>>>, Box<Answer>),
    /// A WebSocket, which this talks over.
    Socket(fn(&mut WebSocket<TcpStream>)),
}

impl Answer {
    /// Returns a document as an answer after which the connection is closed.
    pub fn closing(self) -> Self {
        let (code, body) = match self {
            Self::Json(code, body) => (code, body),
            Self::Refuse(code, message) => (code, status(code, message)),
            other => return other,
        };
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {code} X\r\ncontent-type: application/json\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        Self::Raw((head + &body).into_bytes())
    }
}

type Script = Box<dyn FnMut(&Request) -> Option<Answer> + Send>;

/// A scripted API server and a sandbox whose kubeconfig points at it.
pub struct MockApi {
    /// Where the binary runs.
    pub sandbox: Sandbox,
    address: SocketAddr,
    log: Log,
}

/// What arrived, which is looked through in the end.
struct Log(Arc<Mutex<Vec<Request>>>);

impl MockApi {
    /// Starts a server. `script` answers what it wants to; everything else
    /// gets the answer of a healthy cluster with one queue of 32 GPUs.
    pub fn new(script: impl FnMut(&Request) -> Option<Answer> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(Box::new(script)));
        let shared = log.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (log, script) = (shared.clone(), script.clone());
                std::thread::spawn(move || serve(stream, &log, &script));
            }
        });
        let sandbox = Sandbox::new();
        sandbox.write("w/entrypoint", "#!/bin/sh\necho\n");
        sandbox.write("w/train.py", "pass\n");
        let kubeconfig = sandbox.write("kubeconfig", kubeconfig(address));
        Self {
            sandbox: sandbox.set("KUBECONFIG", kubeconfig.to_str().unwrap()),
            address,
            log: Log(log),
        }
    }

    /// Has the kubeconfig lead here by another port.
    pub fn relayed(&self) -> Relay {
        let relay = Relay::to(self.address);
        self.sandbox
            .write("kubeconfig", kubeconfig(relay.address()));
        relay
    }

    /// Runs `kaiwo submit -p w`.
    pub fn submit(&self, arguments: &[&str]) -> Outcome {
        self.sandbox
            .kaiwo(&[&["submit", "-p", "w"], arguments].concat())
    }

    /// Runs `kaiwo serve -p w`.
    pub fn serve(&self, arguments: &[&str]) -> Outcome {
        let common = ["serve", "-p", "w", "--gpu-resource", "amd.com/gpu"];
        self.sandbox.kaiwo(&[&common, arguments].concat())
    }

    /// Returns what arrived so far.
    pub fn requests(&self) -> Vec<Request> {
        self.log.0.lock().unwrap().clone()
    }

    /// Returns the requests that would change something, as lines.
    pub fn writes(&self) -> Vec<String> {
        self.requests()
            .iter()
            .filter(|request| request.is_write())
            .map(Request::line)
            .collect()
    }
}

impl Drop for Log {
    /// Whatever a test has kaiwo read, a researcher may.
    fn drop(&mut self) {
        let missing = rights::missing(&self.0.lock().unwrap());
        assert!(
            std::thread::panicking() || missing.is_empty(),
            "cluster-admins/rbac/researchers.yaml lacks {missing:#?}"
        );
    }
}

fn kubeconfig(address: SocketAddr) -> String {
    format!(
        "{{apiVersion: v1, kind: Config, current-context: mock, \
         clusters: [{{name: c, cluster: {{server: 'http://{address}'}}}}], \
         contexts: [{{name: mock, context: {{cluster: c, user: u}}}}], \
         users: [{{name: u, user: {{token: t}}}}]}}"
    )
}

fn serve(stream: TcpStream, log: &Mutex<Vec<Request>>, script: &Mutex<Script>) {
    let Ok(mut writer) = stream.try_clone() else {
        return;
    };
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        let mut scripted = script.lock().unwrap()(&request);
        if let Some(Answer::Late(wait, answer)) = scripted {
            // Whoever drops the other end says so, too.
            let _ = wait.lock().unwrap().recv();
            scripted = Some(*answer);
        }
        log.lock().unwrap().push(request.clone());
        let (code, body) = match scripted.unwrap_or_else(|| healthy(&request)) {
            Answer::Json(code, body) => (code, body),
            Answer::Refuse(code, message) => (code, status(code, message)),
            Answer::Hang => {
                std::thread::sleep(Duration::from_secs(3600));
                return;
            }
            // One that is late again is none.
            Answer::Close | Answer::Late(..) => return,
            Answer::Raw(bytes) => {
                let _ = writer.write_all(&bytes);
                return;
            }
            Answer::Hold(bytes) => {
                let _ = writer.write_all(&bytes);
                std::thread::sleep(Duration::from_secs(3600));
                return;
            }
            Answer::Slow(parts, pause) => {
                for part in parts {
                    std::thread::sleep(pause);
                    let _ = writer.write_all(part.as_bytes());
                }
                return;
            }
            Answer::Socket(talk) => {
                let head = format!(
                    "HTTP/1.1 101 X\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
                     sec-websocket-protocol: v5.channel.k8s.io\r\nsec-websocket-accept: {}\r\n\r\n",
                    derive_accept_key(request.socket_key.as_bytes())
                );
                if writer.write_all(head.as_bytes()).is_ok() {
                    talk(&mut WebSocket::from_raw_socket(writer, Role::Server, None));
                }
                return;
            }
        };
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {code} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        if writer.write_all((head + &body).as_bytes()).is_err() {
            return;
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut length = 0;
    let mut is_authorized = false;
    let mut socket_key = String::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(':') else {
            break;
        };
        is_authorized |= name.eq_ignore_ascii_case("authorization");
        if name.eq_ignore_ascii_case("sec-websocket-key") {
            value.trim().clone_into(&mut socket_key);
        }
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Some(Request {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        is_authorized,
        socket_key,
    })
}

/// Returns a refusal in the API server's form.
pub fn status(code: u16, message: &str) -> Value {
    let reason = match code {
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        409 if message.contains("modified") => "Conflict",
        409 => "AlreadyExists",
        422 => "Invalid",
        _ => "InternalError",
    };
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
           "message": message, "reason": reason, "code": code})
}

/// Returns the list of API groups with these versions of Kueue and KubeRay.
pub fn groups(kueue: &[&str], ray: &[&str]) -> Value {
    let group = |name: &str, versions: &[&str]| {
        let versions: Vec<Value> = versions
            .iter()
            .map(|v| json!({"groupVersion": format!("{name}/{v}"), "version": v}))
            .collect();
        json!({"name": name, "versions": versions, "preferredVersion": versions.first()})
    };
    let mut groups = vec![group("batch", &["v1"])];
    groups.extend((!kueue.is_empty()).then(|| group("kueue.x-k8s.io", kueue)));
    groups.extend((!ray.is_empty()).then(|| group("ray.io", ray)));
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// Returns a list of the given objects.
pub fn list(items: &[Value]) -> Value {
    json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items})
}

/// Returns a ClusterQueue of 32 AMD GPUs.
pub fn cluster_queue() -> Value {
    json!({
        "metadata": {"name": "kaiwo"},
        "spec": {"namespaceSelector": {}, "resourceGroups": [{
            "coveredResources": ["cpu", "memory", "amd.com/gpu"],
            "flavors": [{"name": "mi300x", "resources": [
                {"name": "cpu", "nominalQuota": "400"},
                {"name": "memory", "nominalQuota": "4Ti"},
                {"name": "amd.com/gpu", "nominalQuota": "32"},
            ]}],
        }]},
    })
}

/// Returns the answer of a healthy cluster with one queue of 32 GPUs.
pub fn healthy(request: &Request) -> Answer {
    let not_found = || Answer::Refuse(404, "not found");
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/apis") => Answer::Json(200, groups(&["v1beta2", "v1beta1"], &["v1"])),
        ("GET", path) if path.ends_with("/namespaces/kaiwo") => {
            Answer::Json(200, json!({"metadata": {"name": "kaiwo"}}))
        }
        ("GET", path) if path.ends_with("/localqueues") => Answer::Json(
            200,
            list(&[json!({"metadata": {"name": "kaiwo"}, "spec": {"clusterQueue": "kaiwo"}})]),
        ),
        // One that has any key that tests ask for.
        ("GET", path) if path.contains("/secrets/") => Answer::Json(
            200,
            json!({"metadata": {"name": "some-secret"}, "data": {"key": "", "token": ""}}),
        ),
        ("GET", path) if path.ends_with("/pods") || path.ends_with("/workloads") => {
            Answer::Json(200, list(&[]))
        }
        ("GET", path) if path.ends_with("/clusterqueues") => {
            Answer::Json(200, list(&[cluster_queue()]))
        }
        ("GET", path) if path.ends_with("/resourceflavors") => Answer::Json(
            200,
            list(&[
                json!({"metadata": {"name": "mi300x"}, "spec": {"nodeLabels": {"beta.amd.com/gpu.family.AI": "8"}}}),
            ]),
        ),
        ("GET", _) => not_found(),
        ("POST", _) => {
            let mut created = request.body.clone();
            created["metadata"]["uid"] = json!(format!(
                "uid-of-{}",
                created["kind"].as_str().unwrap_or_default()
            ));
            if matches!(created["kind"].as_str(), Some("Job" | "RayJob")) {
                created["spec"]["suspend"] = json!(true);
            }
            Answer::Json(201, created)
        }
        ("PUT", _) => Answer::Json(200, request.body.clone()),
        ("PATCH", path) => {
            let mut patched = request.body.clone();
            patched["metadata"]["name"] = json!(path.rsplit('/').next());
            Answer::Json(200, patched)
        }
        ("DELETE", _) => Answer::Json(200, json!({"kind": "Status", "status": "Success"})),
        _ => not_found(),
    }
}
