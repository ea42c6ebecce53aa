//! `kaiwo run`: streams and exit codes, what is left when it is killed, and the way back.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::time::{Duration, Instant};

use super::followed::Followed;
use super::storage::own_queue;
use super::whole_node::urgent;
use super::{Node, PYTHON, QUEUE};
use crate::common::{Outcome, binary};

/// A terminal with kaiwo in it.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    shown: std::sync::mpsc::Receiver<u8>,
    seen: String,
}

impl Terminal {
    fn new(node: &Node, arguments: &str) -> Self {
        let inside = format!(
            "stty rows 33 cols 111; {} run -n {} -q {QUEUE} {arguments}; echo code $?",
            binary(),
            node.name
        );
        let mut child = node
            .sandbox
            .shell(&format!("exec script -qfec '{inside}' /dev/null"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let keys = child.stdin.take().unwrap();
        let mut output = child.stdout.take().unwrap();
        let (sender, shown) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut byte = [0];
            while output.read(&mut byte).is_ok_and(|read| read == 1) {
                if sender.send(byte[0]).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            keys,
            shown,
            seen: String::new(),
        }
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until a text is shown, and forgets what came up to there.
    #[track_caller]
    fn shows(&mut self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(90);
        while !self.seen.contains(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.shown.recv_timeout(left) {
                Ok(byte) => self.seen.push(char::from(byte)),
                Err(_) => panic!("{text:?} is not shown: {}", self.seen),
            }
        }
        let end = self.seen.find(text).unwrap() + text.len();
        self.seen.drain(..end);
    }

    /// Returns the pid of kaiwo.
    fn kaiwo(&self) -> String {
        let script = self.child.id().to_string();
        let below = |pid: &str| {
            let children = std::process::Command::new("pgrep")
                .args(["-P", pid])
                .output();
            let text = String::from_utf8(children.unwrap().stdout).unwrap();
            text.trim().to_owned()
        };
        let shell = below(&script);
        match below(&shell) {
            kaiwo if kaiwo.is_empty() => shell,
            kaiwo => kaiwo,
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn kill(signal: &str, pid: &str) {
    let killed = std::process::Command::new("kill")
        .args([signal, pid])
        .status();
    assert!(killed.unwrap().success());
}

/// Waits until nothing is left in the namespace.
#[track_caller]
fn nothing_is_left(node: &Node) {
    for kind in ["Job", "Pod"] {
        node.wait(&format!("no {kind}"), || {
            node.list(kind).is_empty().then_some(())
        });
    }
    node.wait("no uploads", || {
        let left = node.list("ConfigMap");
        let left = left
            .iter()
            .filter(|map| map["metadata"]["name"] != "kube-root-ca.crt");
        (left.count() == 0).then_some(())
    });
}

fn run(node: &Node, arguments: &[&str]) -> Outcome {
    let fixed = ["-q", QUEUE, "-i", PYTHON];
    node.kaiwo("run", &[&fixed[..], arguments].concat())
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn it_ends_as_the_command_does_and_leaves_nothing() {
    let node = Node::new("run-codes");
    for (script, code) in [("exit 0", 0), ("exit 42", 42), ("kill -KILL $$", 137)] {
        _ = run(&node, &["--", "sh", "-c", script]).exits(code);
    }
    _ = run(&node, &["--", "nosuchprogram"]).exits(127);
    let both = run(&node, &["--", "sh", "-c", "echo out; echo err >&2"]).exits(0);
    assert_eq!(both.stdout, "out\n");
    assert!(both.stderr.contains("err\n"), "{both:?}");
    node.sandbox.write(
        "alone.py",
        "# /// script\n# dependencies = []\n# ///\nimport os, sys\nprint(os.listdir(), sys.argv)\nsys.exit(3)\n",
    );
    let script = run(&node, &["alone.py", "--", "--lr", "3"])
        .exits(3)
        .says("no uv to install");
    assert_eq!(script.stdout, "['alone.py'] ['alone.py', '--lr', '3']\n");
    nothing_is_left(&node);
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn what_is_piped_arrives_whole() {
    let node = Node::new("run-pipe");
    let line = format!(
        "set -o pipefail; exec 3>&1; head -c 20000000 /dev/urandom | tee >(sha256sum >&3) \
         | {} run -n {} -q {QUEUE} -i {PYTHON} -- sha256sum",
        binary(),
        node.name
    );
    let outcome = Outcome::of(node.sandbox.shell(&line).output().unwrap()).exits(0);
    let sums: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(sums.len(), 2, "{outcome:?}");
    assert!(sums[0] == sums[1] && sums[0].len() > 64, "{outcome:?}");
    nothing_is_left(&node);
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_terminal_is_resized_interrupts_and_ends_with_the_exit_code() {
    let node = Node::new("run-terminal");
    let mut terminal = Terminal::new(&node, &format!("-i {PYTHON} -it -- bash --norc -i"));
    terminal.shows(" pod ");
    terminal.types("stty size\n");
    terminal.shows("33 111");
    // A program says itself that it is ready: between two commands of a shell's list an
    // interrupt reaches neither.
    terminal.types(
        "sh -c 'trap \"echo caught; exit 130\" INT; echo at work; while :; do sleep 1; done'\n",
    );
    terminal.shows("at work\r\n");
    terminal.types("\u{3}");
    terminal.shows("caught\r\n");
    terminal.types("echo interrupted $?\n");
    terminal.shows("interrupted 130");
    terminal.types("exit 42\n");
    terminal.shows("code 42");
    nothing_is_left(&node);
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_kaiwo_that_is_killed_leaves_nothing_after_the_idle_time() {
    let node = Node::new("run-killed");
    node.sandbox.write("w/data", "data\n");
    let directory = node.sandbox.path("w");
    let mut terminal = Terminal::new(
        &node,
        &format!(
            "-p {} -i {PYTHON} --idle 10s -it -- bash --norc -i",
            directory.display()
        ),
    );
    terminal.shows(" pod ");
    terminal.types("cat data\n");
    terminal.shows("data\r\n");
    kill("-KILL", &terminal.kaiwo());
    nothing_is_left(&node);
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn signals_delete_it_in_the_queue_and_while_it_runs() {
    let node = Node::new("run-signals");
    let waits = ["-q", QUEUE, "-i", PYTHON, "--node-selector", "no=such"];
    for (arguments, said, signal, code) in [
        (&waits[..], "job/", "-INT", 130),
        (&["-q", QUEUE, "-i", PYTHON], "→ pod", "-TERM", 143),
    ] {
        let command = ["--", "sleep", "1000"];
        let mut running = node.start("run", &[arguments, &command].concat());
        let mut lines = BufReader::new(running.0.stderr.take().unwrap()).lines();
        let found = lines.find(|line| line.as_ref().unwrap().contains(said));
        assert!(found.is_some());
        kill(signal, &running.0.id().to_string());
        let rest: Vec<String> = lines.map(Result::unwrap).collect();
        assert!(
            rest.iter().any(|line| line.contains("was deleted")),
            "{rest:?}"
        );
        assert_eq!(running.0.wait().unwrap().code(), Some(code));
        nothing_is_left(&node);
    }
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn attaching_again_comes_back_to_the_same_process() {
    let node = Node::new("run-back");
    let arguments = format!("-i {PYTHON} --name repl --idle 60s -it -- python -q");
    let mut first = Terminal::new(&node, &arguments);
    first.shows(">>> ");
    first.types("answer = 6 * 7\n");
    first.shows(">>> ");
    kill("-KILL", &first.kaiwo());
    drop(first);
    _ = run(&node, &["--name", "repl", "--", "true"])
        .exits(5)
        .says("run --attach job/repl");
    let mut second = Terminal::new(&node, "--attach repl");
    second.shows(" pod ");
    second.types("print(\"it is\", answer)\n");
    second.shows("it is 42");
    second.types("exit(7)\n");
    second.shows("code 7");
    nothing_is_left(&node);
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_published_port_leads_to_the_command() {
    let node = Node::new("run-port");
    let arguments = [
        "-q",
        QUEUE,
        "-i",
        PYTHON,
        "--publish",
        ":8123",
        "--",
        "python",
        "-m",
        "http.server",
        "8123",
    ];
    let mut running = node.start("run", &arguments);
    let mut lines = BufReader::new(running.0.stderr.take().unwrap()).lines();
    let line = lines.find_map(|line| {
        let line = line.unwrap();
        Some(
            line.strip_prefix("→ ")?
                .strip_suffix(" -> 8123")?
                .to_owned(),
        )
    });
    let url = format!("http://{}/", line.unwrap());
    let asks = || {
        std::process::Command::new("curl")
            .args(["-sf", &url])
            .output()
    };
    node.wait("an answer of the server", || {
        let answer = asks().unwrap();
        String::from_utf8_lossy(&answer.stdout)
            .contains("Directory listing")
            .then_some(())
    });
    kill("-INT", &running.0.id().to_string());
    assert_eq!(running.0.wait().unwrap().code(), Some(130));
    nothing_is_left(&node);
}

/// Says that it was told to end, and ends with 0.
const TOLD: &str = "trap 'echo told; exit 0' TERM; echo ready; while :; do sleep 1; done";

/// Starts a session in the test's own queue, and returns it when its command is at work.
fn at_work(node: &Node) -> Followed {
    let fixed = ["-q", &node.name, "-i", PYTHON, "--cpus", "1"];
    let told = [
        "--notify",
        "echo \"$KAIWO_MESSAGE\" >>ended",
        "--",
        "sh",
        "-c",
        TOLD,
    ];
    let session = Followed::new(node.start("run", &[&fixed[..], &told].concat()));
    node.wait("the command to be at work", || {
        session.stdout().contains("ready\n").then_some(())
    });
    session
}

/// Submits what takes all of the test's own queue.
fn full(node: &Node, name: &str, more: &[&str]) {
    let fixed = [
        "submit", "-n", &node.name, "-q", &node.name, "-i", PYTHON, "--cpus", "1", "--name", name,
    ];
    let command = ["--", "sh", "-c", "echo here; exec sleep infinity"];
    _ = node
        .sandbox
        .kaiwo(&[&fixed[..], more, &command].concat())
        .exits(0);
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn one_that_loses_its_pod_is_over() {
    let node = Node::new("run-taken");
    own_queue(&node, "1");
    let class = urgent(&node);
    let session = at_work(&node);
    full(&node, "urgent", &["--priority-class", &class]);
    let preempted = session
        .ended()
        .exits(1)
        .says("preempted")
        .says("was deleted");
    assert!(preempted.stdout.contains("told\n"), "{preempted:?}");
    node.wait_for_log("urgent", "here");
    _ = node.kaiwo("delete", &["urgent", "-y"]).exits(0);

    let session = at_work(&node);
    let [pod] = &node.running(1)[..] else {
        panic!("one pod")
    };
    assert_eq!(node.evict(pod), None);
    let drained = session.ended().exits(1).says("was deleted");
    assert!(drained.stdout.contains("told\n"), "{drained:?}");
    // Each end was told once.
    let told = std::fs::read_to_string(node.sandbox.path("ended")).unwrap();
    let told: Vec<&str> = told.lines().collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told.iter().all(|line| line.contains("lost its pod")),
        "{told:?}"
    );
    nothing_is_left(&node);
    node.delete("ClusterQueue", &node.name);
    node.delete("WorkloadPriorityClass", &class);
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn killed_in_a_full_queue_it_goes_once_its_turn_has_come() {
    let node = Node::new("run-full");
    own_queue(&node, "1");
    full(&node, "first", &[]);
    node.wait_for_log("first", "here");
    let arguments = [
        "-q", &node.name, "-i", PYTHON, "--cpus", "1", "--idle", "10s",
    ];
    let command = ["--", "sh", "-c", "echo it ran"];
    let mut waiting = node.start("run", &[&arguments[..], &command].concat());
    let mut lines = BufReader::new(waiting.0.stderr.take().unwrap()).lines();
    let is_queued = lines.any(|line| line.unwrap().contains("queued"));
    assert!(is_queued);
    kill("-KILL", &waiting.0.id().to_string());
    assert_eq!(node.list("Job").len(), 2);
    _ = node.kaiwo("delete", &["first", "-y", "--no-wait"]).exits(0);
    // Nobody attaches: it ends without having run the command.
    let pod = node.wait("the end of its pod", || {
        node.list("Pod").into_iter().find(|pod| {
            let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
            ended["exitCode"] == 124
        })
    });
    let job = pod["metadata"]["labels"]["batch.kubernetes.io/job-name"]
        .as_str()
        .unwrap();
    let log = node.kaiwo("logs", &[job]);
    assert!(!log.stdout.contains("it ran"), "{log:?}");
    nothing_is_left(&node);
    node.delete("ClusterQueue", &node.name);
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn several_attach_to_one_and_it_stays_as_long_as_one_of_them() {
    let node = Node::new("run-several");
    let arguments = format!("-i {PYTHON} --name both --idle 10s -it -- bash --norc -i");
    let mut first = Terminal::new(&node, &arguments);
    first.shows(" pod ");
    let mut second = Terminal::new(&node, "--attach both");
    second.shows(" pod ");
    second.types("echo of the $((1 + 1))nd\n");
    first.shows("of the 2nd");
    second.shows("of the 2nd");
    first.types("echo of the $((0 + 1))st\n");
    second.shows("of the 1st");
    kill("-KILL", &first.kaiwo());
    drop(first);
    // Longer than the idle time: the beats of the other one count.
    std::thread::sleep(Duration::from_secs(20));
    second.types("exit $((40 + 2))\n");
    second.shows("code 42");
    nothing_is_left(&node);
}
