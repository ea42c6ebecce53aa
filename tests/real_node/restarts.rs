//! Programs of the cluster that are started again, as by an upgrade, while
//! somebody waits for a workload or looks into it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::Node;
use super::followed::Followed;
use super::programs::Stopped;

/// What an upgrade restarts: the API server, and on the node the kubelet and
/// containerd.
const PROGRAMS: [&str; 3] = ["apiserver", "real-0/kubelet", "real-0/containerd"];

/// Prints a numbered line fifty times a second, answers requests, and ends when
/// it is asked for `/end`.
const COUNTER: &str = "\
import http.server, itertools, threading, time

ended = threading.Event()

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'here')
        if self.path == '/end':
            ended.set()
    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(('0.0.0.0', 8000), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
for number in itertools.count():
    print(number)
    if ended.wait(0.02):
        break
print('counted', number)
";

/// Asks for a path, and returns the answer if there is one.
fn answer(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.ends_with("here").then_some(text)
}

/// Restarts take the node from all others for minutes: `cargo xtask test --all` has
/// them.
fn are_left_out(test: &str) -> bool {
    let lacks = super::real_nodes().len() < 2;
    if lacks {
        crate::common::skip(&format!("restarts are tried with two real nodes: {test}"));
    }
    lacks
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn waiting_following_and_forwarding_outlast_restarts() {
    if are_left_out("waiting, following and forwarding") {
        return;
    }
    let node = Node::alone("restarts");
    node.python("job", COUNTER);
    _ = node.run("job", &[]).exits(0);
    node.wait_for_log("job", "10");
    let waiter = Followed::new(node.start("wait", &["job"]));
    let follower = Followed::new(node.start("logs", &["-f", "job"]));
    let forward = Followed::new(node.start("port-forward", &["job", ":8000"]));
    let address = node.wait("an address", || {
        Some(forward.stdout().split_once(' ')?.0.to_owned())
    });
    for program in PROGRAMS {
        assert!(answer(&address, "/").is_some(), "before {program}");
        Stopped::new(program).start();
        let before = follower.lines();
        node.wait(&format!("lines after a restart of {program}"), || {
            (follower.lines() > before + 50).then_some(())
        });
        node.wait(&format!("an answer after a restart of {program}"), || {
            answer(&address, "/")
        });
    }
    _ = node.wait("the end", || answer(&address, "/end"));
    _ = waiter.ended().exits(0);
    let log = follower.ended().exits(0);
    let lines: Vec<&str> = log.stdout.lines().collect();
    let (last, numbers) = lines.split_last().unwrap();
    for (at, number) in numbers.iter().enumerate() {
        assert_eq!(number.parse(), Ok(at), "after {} lines", lines.len());
    }
    assert_eq!(*last, format!("counted {}", numbers.len() - 1));
    _ = forward.ended().exits(0);
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_command_that_is_cut_off_may_go_on() {
    if are_left_out("commands") {
        return;
    }
    let node = Node::alone("restarts-exec");
    node.sleeper("job");
    for (number, program) in PROGRAMS.into_iter().enumerate() {
        let marker = format!("/scratch/{number}");
        let line = format!("echo begun; sleep 5; touch {marker}; sleep 600");
        let exec = node.start("exec", &["job", "--", "sh", "-c", &line]);
        let exec = Followed::new(exec);
        node.wait("the command to begin", || (exec.lines() == 1).then_some(()));
        Stopped::new(program).start();
        let outcome = exec.ended();
        // A containerd that is told to end says that the command has succeeded
        // (1.6.20), which nobody can tell from the truth.
        if program != "real-0/containerd" || outcome.code != 0 {
            _ = outcome
                .exits(125)
                .says("the connection to the command was lost: ")
                .says("the command may still run");
        }
        node.wait(&format!("what the command does after {program}"), || {
            let test = ["job", "--", "test", "-e", &marker];
            (node.kaiwo("exec", &test).code == 0).then_some(())
        });
    }
}
