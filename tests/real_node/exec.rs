//! `kaiwo exec`: exit codes, streams, and terminals.

use std::io::Write as _;
use std::process::Stdio;

use super::Node;
use crate::common::{Outcome, binary};

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_command_ends_as_it_does_in_the_container() {
    let node = Node::new("exec-codes");
    node.sleeper("job");
    let exec = |command: &[&str]| node.kaiwo("exec", &[&["job", "--"], command].concat());
    _ = exec(&["true"]).exits(0);
    _ = exec(&["false"]).exits(1);
    _ = exec(&["sh", "-c", "exit 42"]).exits(42);
    _ = exec(&["sh", "-c", "kill -KILL $$"]).exits(137);
    _ = exec(&["sh", "-c", "nosuchprogram"]).exits(127);
    _ = exec(&["nosuchprogram"]).exits(127);
    let both = exec(&["sh", "-c", "echo out; echo err >&2"]).exits(0);
    assert_eq!(both.stdout, "out\n");
    assert!(both.stderr.contains("err\n"), "{}", both.stderr);
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn bytes_pass_unchanged_in_both_directions() {
    let node = Node::new("exec-bytes");
    node.sleeper("job");
    // Numbers that a generator makes on either side.
    let generator = "import random, sys; r = random.Random(7); \
        [sys.stdout.buffer.write(r.randbytes(1 << 20)) for _ in range(50)]";
    let line = format!(
        "set -o pipefail; exec 3>&1; \
         python3 -c '{generator}' | tee >(sha256sum >&3) | {0} exec -i -n {1} job -- sha256sum; wait; \
         {0} exec -n {1} job -- python -c '{generator}' | sha256sum; \
         {0} exec -n {1} job -- sh -c 'yes | head -c 1000000' | head -c 10 | wc -c",
        binary(),
        node.name
    );
    let outcome = Outcome::of(node.sandbox.shell(&line).output().unwrap());
    let lines: Vec<&str> = outcome.stdout.lines().map(str::trim).collect();
    assert_eq!(lines.len(), 4, "{outcome:?}");
    assert!(lines[0].len() > 64 && lines[0] == lines[1], "{outcome:?}");
    assert_eq!(lines[0], lines[2]);
    assert_eq!(lines[3], "10");
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_terminal_has_its_size_is_resized_and_is_given_back() {
    let node = Node::new("exec-terminal");
    node.sleeper("job");
    let terminal = node.sandbox.path("terminal");
    let inside = format!(
        "tty > {}; stty rows 33 cols 111; before=$(stty -g); \
         {} exec -n {} -it job -- bash --norc -i; echo code $?; \
         test \"$(stty -g)\" = \"$before\" && echo given back",
        terminal.display(),
        binary(),
        node.name
    );
    let mut command = node
        .sandbox
        .shell(&format!("exec script -qfec '{inside}' /dev/null"));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keys = child.stdin.take().unwrap();
    let reader = std::thread::spawn(move || child.wait_with_output().unwrap());
    // Each waits for what the one before has shown, by way of a file in the
    // container: keys that come before a program is there are taken by another.
    let wait_for = |file: &str| {
        node.wait(&format!("{file} in the container"), || {
            let test = ["job", "--", "test", "-e", file];
            (node.kaiwo("exec", &test).code == 0).then_some(())
        });
    };
    keys.write_all(b"stty size; touch /tmp/one\n").unwrap();
    wait_for("/tmp/one");
    // Ctrl-C ends the command in the container, and nothing else.
    keys.write_all(b"touch /tmp/two; sleep 10000\n").unwrap();
    wait_for("/tmp/two");
    keys.write_all(b"\x03").unwrap();
    keys.write_all(b"echo interrupted $?; touch /tmp/three\n")
        .unwrap();
    wait_for("/tmp/three");
    // As a window that is dragged.
    let terminal = std::fs::read_to_string(terminal).unwrap();
    let resized = std::process::Command::new("stty")
        .args(["-F", terminal.trim(), "rows", "44", "cols", "122"])
        .status();
    assert!(resized.unwrap().success());
    keys.write_all(
        b"until [ \"$(stty size)\" = '44 122' ]; do sleep 0.1; done; stty size; touch /tmp/four\n",
    )
    .unwrap();
    wait_for("/tmp/four");
    keys.write_all(b"exit 7\n").unwrap();
    let outcome = Outcome::of(reader.join().unwrap()).exits(0);
    for words in [
        "33 111",
        "interrupted 130",
        "44 122",
        "code 7",
        "given back",
    ] {
        assert!(
            outcome.stdout.contains(words),
            "{words}: {}",
            outcome.stdout
        );
    }
}
