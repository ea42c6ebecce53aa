//! A conversation, on a terminal of its own.

use super::*;

/// A conversation on a terminal.
struct Terminal {
    child: Running,
    /// What it prints, as it comes; closed at its end.
    output: Receiver<Vec<u8>>,
    said: String,
}

impl Terminal {
    fn new(testbed: &Testbed, arguments: &str) -> Self {
        let line = format!("{} chat -n {} {arguments}", binary(), testbed.name);
        let child = testbed
            .sandbox
            .shell(&format!("exec script -qec '{line}' /dev/null"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut child = Running(child);
        let mut stdout = child.0.stdout.take().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = stdout.read(&mut bytes) {
                if sender.send(bytes[..read].to_vec()).is_err() {
                    break;
                }
            }
        });
        let said = String::new();
        Self {
            child,
            output,
            said,
        }
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.child.0.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Reads on; returns whether there was more, or it has ended.
    #[track_caller]
    fn read(&mut self, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        match self.output.recv_timeout(left) {
            Ok(bytes) => {
                self.said += &String::from_utf8_lossy(&bytes);
                true
            }
            Err(RecvTimeoutError::Disconnected) => false,
            Err(RecvTimeoutError::Timeout) => panic!("it takes too long: {}", self.said),
        }
    }

    /// Types a line, and reads on until the answer has come.
    #[track_caller]
    fn ask(&mut self, question: &str, answer: &str) {
        self.tell(question);
        let before = self.said.len();
        let until = Instant::now() + HANG;
        while !self.said[before..].contains(answer) {
            assert!(self.read(until), "{answer}: {}", self.said);
        }
    }

    #[track_caller]
    fn end(mut self) -> String {
        self.tell("/quit");
        let until = Instant::now() + HANG;
        while self.read(until) {}
        let code = self.child.0.wait().unwrap().code();
        assert_eq!(code, Some(0), "{}", self.said);
        self.said
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_conversation_is_remembered_and_forgotten() {
    if lacks("pod-addresses") {
        return;
    }
    let testbed = Testbed::with_namespace("converse");
    serve(&testbed, "llm", "8000");
    _ = answered(&testbed, &["llm", "hello"]).exits(0);

    // From a pipe, all of it is one question.
    let mut command = testbed
        .sandbox
        .command(&["chat", "-n", &testbed.name, "llm"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"one\ntwo\n").unwrap();
    drop(stdin);
    let outcome = Outcome::of(child.wait_with_output().unwrap()).exits(0);
    assert_eq!(outcome.stdout, "1 messages, last: one\ntwo\n");

    // On a terminal it goes on.
    let mut terminal = Terminal::new(&testbed, "llm");
    terminal.ask("first", "1 messages, last: first");
    terminal.ask("second", "3 messages, last: second");
    terminal.ask("/clear", "forgotten");
    terminal.ask("third", "1 messages, last: third");
    _ = terminal.end();
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_conversation_outlives_the_pod() {
    if lacks("pod-addresses") {
        return;
    }
    let testbed = Testbed::with_namespace("outlives");
    serve(&testbed, "llm", "8000");
    _ = answered(&testbed, &["llm", "hello", "--via", "pod"]);
    let first = running(&testbed, 1);
    let mut terminal = Terminal::new(&testbed, "llm --via pod");
    terminal.ask("first", "1 messages, last: first");
    testbed.delete("Pod", &first[0]);
    let second = testbed.wait("another pod", || {
        let pods = running(&testbed, 1);
        let deployment = testbed.find("Deployment", "llm")?;
        (pods != first && has_condition(&deployment, "Available")).then_some(pods)
    });
    testbed.wait("it to be ready", || {
        let pod = testbed.find("Pod", &second[0])?;
        has_condition(&pod, "Ready").then_some(())
    });
    terminal.ask("second", "3 messages, last: second");
    let said = terminal.end();
    for pod in [&first[0], &second[0]] {
        assert!(
            said.contains(&format!("through a port of pod {pod}")),
            "{pod}: {said}"
        );
    }
}
