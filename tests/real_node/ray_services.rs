//! RayServices whose applications really answer.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::ray::alone;
use super::{Node, RAY, takes_long};
use crate::testbed::reach::Running;

const SERVER: &str = "\
from ray import serve
print('imported here')
@serve.deployment
class App:
    def __init__(self):
        print('made here')
        self.greeting = 'ok'
    def reconfigure(self, config):
        self.greeting = config.get('greeting', self.greeting)
    async def __call__(self, request):
        print('asked for', request.url.path)
        return self.greeting
app = App.bind()
";

/// Writes what configures the application: its greeting, and where its code is.
fn configure(node: &Node, module: &str, greeting: &str) {
    node.sandbox.write(
        "app/serveconfig",
        format!(
            "applications:\n- name: app\n  route_prefix: /\n  import_path: {module}:app\n  \
             deployments:\n  - name: App\n    user_config: {{greeting: {greeting}}}\n"
        ),
    );
}

fn serve(node: &Node) -> crate::common::Outcome {
    let arguments = ["-i", RAY, "--ray", "-g", "1", "--cpus-per-gpu", "2"];
    let more = ["--memory-per-gpu", "3Gi", "--wait"];
    node.serve("app", &[&arguments[..], &more].concat())
}

/// Forwards a port, and returns its address.
fn forwarded(node: &Node, more: &[&str]) -> (Running, String) {
    let mut forward = node.start("port-forward", &[&["rayservice/app"], more].concat());
    let mut lines = BufReader::new(forward.0.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    let address = line.split(' ').find(|word| word.starts_with("127.0.0.1:"));
    let address = address.unwrap_or_else(|| panic!("no address in {line:?}"));
    let address = address.to_owned();
    // The rest must go somewhere.
    std::thread::spawn(move || lines.for_each(drop));
    (forward, address)
}

/// Asks for a path, and returns the answer if there is one.
fn answer(address: &str, path: &str) -> Option<String> {
    let mut request = TcpStream::connect(address).ok()?;
    let limit = Some(Duration::from_secs(60));
    request.set_read_timeout(limit).ok()?;
    write!(request, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    request.read_to_string(&mut answer).ok()?;
    answer.contains("200 OK").then_some(answer)
}

/// Waits for an answer that has a text; it may come in chunks.
#[track_caller]
fn wait_for_answer(node: &Node, address: &str, path: &str, text: &str) {
    node.wait(&format!("{path} to answer {text}"), || {
        answer(address, path)
            .filter(|answer| answer.contains(text))
            .map(drop)
    });
}

fn clusters(node: &Node) -> Vec<String> {
    let clusters = node.list("RayCluster");
    let names = clusters.iter().map(|it| it["metadata"]["name"].to_string());
    names.collect()
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn applications_answer_print_and_are_configured_in_place() {
    let _alone = alone();
    let node = Node::new("ray-app");
    configure(&node, "app.server", "ok");
    node.sandbox.write("app/server.py", SERVER);
    _ = serve(&node).exits(0);
    let (_forward, address) = forwarded(&node, &[":8000"]);
    wait_for_answer(&node, &address, "/this", "\r\nok");
    for text in ["imported here", "made here", "asked for /this"] {
        node.wait_for_log("rayservice/app", text);
    }
    let why = node.kaiwo("why", &["rayservice/app"]).exits(0).stdout;
    assert!(!why.contains("not ready"), "{why}");

    let (_dashboard, dashboard) = forwarded(&node, &["--dashboard", "--address", "127.0.0.1"]);
    let version = node.wait("Ray's dashboard", || answer(&dashboard, "/api/version"));
    assert!(version.contains("\"ray_version\""), "{version}");
    let page = node.wait("its page", || answer(&dashboard, "/"));
    assert!(page.contains("<html"), "{page}");

    let before = clusters(&node);
    configure(&node, "app.server", "hello");
    _ = serve(&node).exits(0);
    wait_for_answer(&node, &address, "/that", "\r\nhello");
    assert_eq!(clusters(&node), before);
    // Ray has its processes import from the directory as well.
    configure(&node, "server", "plain");
    _ = serve(&node).exits(0);
    wait_for_answer(&node, &address, "/that", "\r\nplain");
}

#[test]
#[ignore = "needs a real node: cargo xtask test --all"]
fn a_version_that_fails_takes_no_request_from_the_one_before() {
    if takes_long("the rollout of a RayService that fails") {
        return;
    }
    let _alone = alone();
    let node = Node::new("ray-broken");
    configure(&node, "app.server", "ok");
    node.sandbox.write("app/server.py", SERVER);
    _ = serve(&node).exits(0);
    let (_forward, address) = forwarded(&node, &[":8000"]);
    wait_for_answer(&node, &address, "/", "\r\nok");
    let broken = SERVER.replace(
        "print('made here')",
        "raise RuntimeError('weights missing')",
    );
    node.sandbox.write("app/server.py", broken);
    let (ended, is_over) = std::sync::mpsc::channel::<()>();
    let asked = address.clone();
    let requests = std::thread::spawn(move || {
        let mut answers = Vec::new();
        while is_over.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            answers.push(answer(&asked, "/").is_some());
            std::thread::sleep(Duration::from_millis(100));
        }
        answers
    });
    let outcome = serve(&node);
    assert_eq!(outcome.code, 1, "{outcome:?}");
    _ = outcome.says("RuntimeError: weights missing");
    let back = ["--rollback", "rayservice/app", "--wait"];
    _ = node.kaiwo("serve", &back).exits(0);
    wait_for_answer(&node, &address, "/", "\r\nok");
    drop(ended);
    let answers = requests.join().unwrap();
    let failed = answers.iter().filter(|answered| !**answered).count();
    assert_eq!(failed, 0, "of {}", answers.len());
}
