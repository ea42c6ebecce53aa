//! The client alone, against a server that answers from a script.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use kaiwo_client::request::{Object, ServedKind, Write};
use kaiwo_client::{Cluster, ClusterError, Target};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

/// What a server answers, and with which code.
type Answers = Vec<(u16, Value)>;

/// A server, what it was asked, and the kubeconfig that leads to it.
struct Server {
    seen: Arc<Mutex<Vec<String>>>,
    folder: TempDir,
}

impl Server {
    fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let script = (seen.clone(), Arc::new(Mutex::new(VecDeque::from(answers))));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, answers) = script.clone();
                thread::spawn(move || serve(stream.unwrap(), &seen, &answers));
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://127.0.0.1:{port}")}}],
            "users": [{"name": "u", "user": {"token": "canary"}}],
            "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        });
        fs::write(folder.path().join("config"), kubeconfig.to_string()).unwrap();
        Self { seen, folder }
    }

    async fn connect(&self) -> Cluster {
        let target = Target {
            kubeconfig: Some(self.folder.path().join("config")),
            ..Target::default()
        };
        Cluster::connect(&target).await.unwrap()
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// Answers requests until the client hangs up.
fn serve(stream: TcpStream, seen: &Mutex<Vec<String>>, answers: &Mutex<VecDeque<(u16, Value)>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let line = line.trim().to_ascii_lowercase();
            assert!(!line.contains("canary"), "no token goes in the clear");
            match line.strip_prefix("content-length: ") {
                Some(number) => length = number.parse().unwrap(),
                None if line.is_empty() => break,
                None => {}
            }
        }
        std::io::copy(
            &mut std::io::Read::take(&mut reader, length),
            &mut std::io::sink(),
        )
        .unwrap();
        let request = first.trim().trim_end_matches(" HTTP/1.1").to_owned();
        seen.lock().unwrap().push(request);
        let (code, body) = answers
            .lock()
            .unwrap()
            .pop_front()
            .expect("one more request");
        let body = body.to_string();
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {code} x\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
    }
}

/// Things of no API that anybody knows.
struct Things;

impl ServedKind for Things {
    fn kind(&self) -> &str {
        "Thing"
    }

    fn collection_path(&self, namespace: &str) -> String {
        format!("/apis/example.com/v1/namespaces/{namespace}/things")
    }
}

struct Thing;

impl Object for Thing {
    const MANAGER: &'static str = "a-test";

    fn served(&self) -> &impl ServedKind {
        &Things
    }

    fn namespace(&self) -> &str {
        "ml"
    }

    fn name(&self) -> &str {
        "x"
    }

    fn to_json(&self) -> Vec<u8> {
        json!({"metadata": {"name": "x"}}).to_string().into_bytes()
    }
}

#[derive(Debug, PartialEq, Deserialize)]
struct Item {
    name: String,
}

fn refusal(code: u16, message: &str) -> (u16, Value) {
    let status = json!({"kind": "Status", "code": code, "message": message, "reason": "x"});
    (code, status)
}

#[tokio::test]
async fn a_listing_is_read_page_by_page_and_again_where_no_answer_came() {
    let page =
        |name: &str, next: &str| json!({"metadata": {"continue": next}, "items": [{"name": name}]});
    let server = Server::start(vec![
        refusal(503, "the server is being replaced"),
        (200, page("a", "n/1")),
        (200, page("b", "")),
    ]);
    let cluster = server.connect().await;
    assert_eq!(cluster.context(), "here");
    let items: Vec<Item> = cluster.list(&Things, "ml", "app=x").await.unwrap();
    let names: Vec<String> = items.into_iter().map(|item| item.name).collect();
    assert_eq!(names, ["a", "b"]);
    let first =
        "GET /apis/example.com/v1/namespaces/ml/things?limit=500&labelSelector=app%3Dx".to_owned();
    let second = format!("{first}&continue=n%2F1");
    assert_eq!(server.seen(), [first.clone(), first, second]);
}

#[tokio::test]
async fn a_write_that_may_have_been_carried_out_is_not_sent_again() {
    let server = Server::start(vec![
        refusal(429, "too many requests"),
        refusal(503, "the server is being replaced"),
    ]);
    let cluster = server.connect().await;
    let error = cluster.create(&Thing, Write::Real).await.unwrap_err();
    assert_eq!(error.code(), Some(503));
    assert!(error.is_open());
    let create =
        "POST /apis/example.com/v1/namespaces/ml/things?fieldManager=a-test&fieldValidation=Strict";
    assert_eq!(server.seen(), [create, create]);
}

#[tokio::test]
async fn what_is_not_there_is_told_from_what_is_not_served() {
    let server = Server::start(vec![
        refusal(404, "things \"x\" not found"),
        (404, json!("404 page not found")),
        (
            200,
            json!({"resources": [
                {"name": "things/status", "kind": "Thing", "namespaced": true},
                {"name": "things", "kind": "Thing", "namespaced": true},
            ]}),
        ),
    ]);
    let cluster = server.connect().await;
    let missing: Option<Value> = cluster.find(&Things, "ml", "x").await.unwrap();
    assert_eq!(missing, None);
    let error = cluster.find::<Value>(&Things, "ml", "x").await.unwrap_err();
    assert!(matches!(error, ClusterError::NotServed { kind } if kind == "Thing"));
    let served = cluster.served_kind("example.com/v1", "Thing").await;
    assert_eq!(served.unwrap().unwrap().name, "things");
}

#[tokio::test]
async fn a_kubeconfig_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let target = Target {
        kubeconfig: Some(folder.path().join("none")),
        ..Target::default()
    };
    let error = Cluster::connect(&target).await.unwrap_err();
    assert!(matches!(&error, ClusterError::Kubeconfig(_)), "{error}");
    assert!(error.to_string().contains("does not exist"), "{error}");
}
