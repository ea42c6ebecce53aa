//! `kaiwo port-forward` to servers that really listen.

use std::io::{BufRead as _, BufReader};

use super::Node;
use crate::common::Outcome;
use crate::testbed::reach::Running;

/// Serves files of any size, and digests of what it is sent.
const SERVER: &str = r#"
import hashlib, http.server, random

def content(size):
    r = random.Random(size)
    while size > 0:
        part = min(size, 1 << 20)
        yield r.randbytes(part)
        size -= part

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        size = int(self.path.strip('/') or 0)
        self.send_response(200)
        self.send_header('content-length', str(size))
        self.end_headers()
        for part in content(size):
            self.wfile.write(part)
    def do_POST(self):
        digest, left = hashlib.sha256(), int(self.headers['content-length'])
        while left > 0:
            part = self.rfile.read(min(left, 1 << 20))
            digest.update(part)
            left -= len(part)
        answer = digest.hexdigest().encode()
        self.send_response(200)
        self.send_header('content-length', str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    def log_message(self, *_):
        pass

class Server(http.server.ThreadingHTTPServer):
    # Python has a queue of 5, and resets what finds no place in it.
    request_queue_size = 128

print('listening')
Server(('0.0.0.0', 8000), Handler).serve_forever()
"#;

/// Starts the server and a port-forward to it; returns that with the address.
fn forwarded(node: &Node) -> (Running, String) {
    node.python("job", SERVER);
    _ = node.run("job", &[]).exits(0);
    node.wait_for_log("job", "listening");
    let mut forward = node.start("port-forward", &["job", ":8000"]);
    let mut lines = BufReader::new(forward.0.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    // The rest must go somewhere.
    std::thread::spawn(move || lines.for_each(drop));
    let address = line
        .split_whitespace()
        .find(|word| word.starts_with("127.0.0.1:"))
        .unwrap_or_else(|| panic!("no address in {line:?}"))
        .to_owned();
    (forward, address)
}

fn shell(node: &Node, line: &str) -> String {
    let mut bash = node.sandbox.shell(line);
    Outcome::of(bash.current_dir(node.sandbox.path("")).output().unwrap())
        .exits(0)
        .stdout
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn large_bodies_arrive_whole_in_both_directions() {
    let node = Node::new("forward-large");
    let (_forward, address) = forwarded(&node);
    let size = 200 << 20;
    let content = format!(
        "import random, sys; r = random.Random({size}); \
         [sys.stdout.buffer.write(r.randbytes(1 << 20)) for _ in range({})]",
        size >> 20
    );
    let digests = shell(
        &node,
        &format!(
            "set -e; python3 -c '{content}' > body; sha256sum < body | cut -c1-64; \
             curl -sS --fail http://{address}/{size} | sha256sum | cut -c1-64; \
             curl -sS --fail -H 'Expect:' --data-binary @body http://{address}/"
        ),
    );
    let digests: Vec<&str> = digests.lines().collect();
    assert_eq!(digests.len(), 3, "{digests:?}");
    assert!(
        digests.iter().all(|digest| *digest == digests[0]),
        "{digests:?}"
    );
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn many_requests_at_once_are_all_answered() {
    let node = Node::new("forward-many");
    let (_forward, address) = forwarded(&node);
    let sizes = shell(
        &node,
        &format!(
            "seq 300 | xargs -P 50 -I '{{}}' \
             curl -sS -o /dev/null -w '%{{http_code}} %{{size_download}}\\n' http://{address}/100000"
        ),
    );
    let whole = sizes.lines().filter(|line| *line == "200 100000").count();
    assert_eq!(whole, 300, "{sizes}");
}
