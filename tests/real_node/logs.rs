//! What is said beside the lines of a log, and what must not be among them.

use std::io::{BufRead as _, BufReader, Read as _};
use std::time::Duration;

use super::Node;

/// Takes its time to end, and says so.
const SLOW_TO_END: &str = "#!/bin/bash\n\
    trap 'echo got TERM; exit 0' TERM\n\
    i=0; while :; do echo step $i; i=$((i + 1)); sleep 0.2; done\n";

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn the_nodes_own_words_are_no_output() {
    let node = Node::new("log-words");
    node.script("job", SLOW_TO_END);
    _ = node.run("job", &[]).exits(0);
    let follower = node.follow("job");
    _ = node.kaiwo("delete", &["job", "-y"]).exits(0);
    let outcome = follower.ended();
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let foreign = outcome.stdout.lines().find(|line| {
        let is_own = line.starts_with("step ") || *line == "got TERM";
        !is_own
    });
    assert_eq!(foreign, None);
    _ = outcome.says("→ it was deleted");
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_container_that_never_started_is_named() {
    let node = Node::new("log-never");
    let said = "container workload never started: exec: \"nosuchprog\": executable file not found";
    let submit = [
        "-q",
        super::QUEUE,
        "-i",
        super::PYTHON,
        "--name",
        "job",
        "--follow",
    ];
    let command = ["--", "nosuchprog"];
    let followed = node.kaiwo("submit", &[&submit[..], &command].concat());
    let followed = followed.exits(128).says(said);
    assert_eq!(followed.stdout, "");
    let later = node.kaiwo("logs", &["job"]).exits(0).says(said);
    assert_eq!(later.stdout, "");
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn the_next_attempt_is_told() {
    let node = Node::new("log-attempts");
    node.script("job", "echo once\nexit 9\n");
    let outcome = node.run("job", &["--retries", "1", "--follow"]).exits(9);
    assert_eq!(outcome.stdout, "once\nonce\n");
    _ = outcome.says("→ attempt 2 of 2, pod job-");
    _ = node
        .kaiwo("logs", &["job", "--previous"])
        .exits(3)
        .says("show earlier attempts: kaiwo logs job/job");
    let all = node.kaiwo("logs", &["job", "--all-pods"]).exits(0).stdout;
    assert_eq!(all.matches("once").count(), 2, "{all}");
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn an_index_that_was_deleted_with_its_gang_is_named() {
    let node = Node::new("log-gang");
    node.script(
        "job",
        "if [ \"$JOB_COMPLETION_INDEX\" = 1 ]; then trap exit TERM; echo loss is NaN; sleep 600 & wait; fi\n\
         until [ -e /scratch/go ]; do sleep 0.2; done\nexit 42\n",
    );
    _ = node.run("job", &["-g", "2", "--replicas", "2"]).exits(0);
    node.wait_for_log("job", "loss is NaN");
    node.running(2);
    let go = ["job", "--worker", "0", "--", "touch", "/scratch/go"];
    _ = node.kaiwo("exec", &go).exits(0);
    _ = node.kaiwo("wait", &["job"]).exits(42);
    node.wait("one pod", || (node.list("Pod").len() == 1).then_some(()));
    _ = node
        .kaiwo("logs", &["job"])
        .exits(0)
        .says("→ the pod with index 1 and its log are gone");
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn deleting_a_schedule_waits_for_what_it_has_started() {
    let node = Node::new("log-cron");
    node.script("nightly", "trap 'sleep 3; exit 0' TERM\nsleep 600 & wait\n");
    _ = node.run("nightly", &["--schedule", "* * * * *"]).exits(0);
    node.running(1);
    _ = node.kaiwo("delete", &["nightly", "-y"]).exits(0);
    assert!(node.list("Pod").is_empty(), "{:?}", node.list("Pod"));
}

/// Answers after so many seconds as the path says, also when it is to end.
const SERVER: &str = r#"
import http.server, signal, threading, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'begun\n')
        time.sleep(float(self.path.strip('/') or 0))
        self.wfile.write(b'done\n')
    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(('0.0.0.0', 8000), Handler)
server.daemon_threads = False
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
server.server_close()
"#;

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn an_answer_is_not_cut_because_its_pod_is_to_end() {
    let node = Node::new("log-forward");
    node.python("app", SERVER);
    _ = node
        .serve("app", &["--port", "8000", "--health-path", "/0", "--wait"])
        .exits(0);
    let mut forward = node.start("port-forward", &["app", ":8000"]);
    let mut lines = BufReader::new(forward.0.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    let address = line.split(' ').next().unwrap().to_owned();
    let mut slow = std::net::TcpStream::connect(&address).unwrap();
    std::io::Write::write_all(&mut slow, b"GET /8 HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = BufReader::new(slow);
    let mut seen = String::new();
    while !seen.contains("begun") {
        assert!(answer.read_line(&mut seen).unwrap() > 0, "{seen}");
    }
    let [pod] = &node.running(1)[..] else {
        panic!("one pod")
    };
    node.delete("Pod", pod);
    answer.read_to_string(&mut seen).unwrap();
    assert!(seen.ends_with("done\n"), "{seen}");
    // The next ones lead to the pod that took its place.
    node.wait("an answer of the next pod", || {
        let mut next = std::net::TcpStream::connect(&address).ok()?;
        next.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
        std::io::Write::write_all(&mut next, b"GET /0 HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        next.read_to_string(&mut text).ok()?;
        text.ends_with("done\n").then_some(())
    });
}
