//! `kaiwo exec`: exit codes and streams.

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
fn tar_copies_directories_in_and_out() {
    let node = Node::new("exec-tar");
    node.sleeper("job");
    node.sandbox.write("there/a b/ünïcode", "one\n");
    node.sandbox.write("there/two", "2".repeat(3 << 20));
    let line = format!(
        "set -eo pipefail; tar c -C there . | {0} exec -i -n {1} job -- tar x -C /scratch; \
         mkdir back; {0} exec -n {1} job -- tar c -C /scratch . | tar x -C back; \
         diff -r there back && echo alike",
        binary(),
        node.name
    );
    let mut shell = node.sandbox.shell(&line);
    let copied = Outcome::of(shell.current_dir(node.sandbox.path("")).output().unwrap()).exits(0);
    assert_eq!(copied.stdout, "alike\n");
}
