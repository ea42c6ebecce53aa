//! What a workload prints is what `--follow` and `kaiwo logs` show, whole and in
//! order.

use std::io::{BufRead as _, BufReader};
use std::time::Instant;

use super::followed::Followed;
use super::{NO_SHELL, Node, takes_long};
use crate::common::HANG;

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn follow_shows_all_and_ends_as_the_container() {
    let node = Node::new("follow");
    node.script(
        "job",
        "echo first\necho to stderr >&2\necho \"stdin: $(wc -c)\"\nprintf 'no newline'\nexit 7\n",
    );
    let outcome = node.run("job", &["--follow"]).exits(7);
    for line in ["first", "to stderr", "stdin: 0", "no newline"] {
        assert!(outcome.stdout.contains(line), "{line}: {}", outcome.stdout);
    }
    // Afterwards, too.
    let later = node.kaiwo("logs", &["job"]).exits(0);
    assert_eq!(later.stdout, outcome.stdout);
}

/// Prints a text and waits until it may end. containerd gives a program's last words
/// two seconds to be written down after its end (1.6), which is too little on a busy
/// machine: what the node never had is nothing that kaiwo could show.
const PRINTS: &str = "\
while not os.path.exists('/scratch/end'):
    time.sleep(0.1)
";

/// Follows the Job until so many bytes have come, lets it end, and returns what came.
fn followed_whole(node: &Node, bytes: usize) -> String {
    let follower = Followed::new(node.start("logs", &["-f", "job"]));
    node.wait(&format!("{bytes} bytes"), || {
        (follower.bytes() >= bytes).then_some(())
    });
    let end = ["job", "--", "touch", "/scratch/end"];
    _ = node.kaiwo("exec", &end).exits(0);
    follower.ended().exits(0).stdout
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_hundred_thousand_lines_come_whole_and_in_order() {
    let node = Node::new("lines");
    let lines = "for i in range(100_000):\n    sys.stdout.write(f'line {i}\\n')\n";
    node.python("job", &format!("import os, sys, time\n{lines}{PRINTS}"));
    _ = node.run("job", &[]).exits(0);
    let expected: String = (0..100_000).map(|i| format!("line {i}\n")).collect();
    let followed = followed_whole(&node, expected.len());
    assert!(followed == expected, "{}", difference(&followed, &expected));
    let later = node.kaiwo("logs", &["job"]).exits(0).stdout;
    assert!(later == expected, "{}", difference(&later, &expected));
}

#[test]
#[ignore = "needs a real node: cargo xtask test --all"]
fn a_log_that_its_node_rotates_is_followed_whole() {
    if takes_long("120 MB of output") {
        return;
    }
    let node = Node::new("flood");
    // The node starts a new file at each 10 MiB, if that is time enough for a look.
    let lines = "for i in range(600_000):\n    \
         sys.stdout.write(f'line {i} '.ljust(199, '.') + '\\n')\n    \
         if i % 2500 == 0: time.sleep(0.1)\n";
    node.python("job", &format!("import os, sys, time\n{lines}{PRINTS}"));
    _ = node.run("job", &[]).exits(0);
    let followed = followed_whole(&node, 600_000 * 200);
    assert_eq!(followed.lines().count(), 600_000);
    for (number, line) in followed.lines().enumerate() {
        let is_whole = line.len() == 199 && line.starts_with(&format!("line {number} "));
        assert!(is_whole, "line {number}: {line}");
    }
    let later = node.kaiwo("logs", &["job"]).exits(0);
    assert!(later.stdout.len() < followed.len(), "it was not rotated");
    assert!(
        followed.ends_with(&later.stdout),
        "{} bytes",
        later.stdout.len()
    );
    if later.stdout.is_empty() {
        _ = later.says("its log is empty");
    }
}

/// Says where two texts differ first; all of them is too much to read.
fn difference(seen: &str, expected: &str) -> String {
    let at = seen
        .lines()
        .zip(expected.lines())
        .position(|(seen, expected)| seen != expected);
    let (seen, expected) = (seen.lines().count(), expected.lines().count());
    format!("{seen} lines of {expected}; the first that differs: {at:?}")
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn python_is_seen_as_it_prints() {
    let node = Node::new("unbuffered");
    // Without `-u`: it waits for an answer to what it has printed.
    node.script("job", "python main.py\n");
    node.sandbox.write(
        "job/main.py",
        "import os, time\nprint('step 1')\nwhile not os.path.exists('/scratch/go'):\n    \
         time.sleep(0.05)\nprint('step 2')\n",
    );
    _ = node.run("job", &[]).exits(0);
    let mut logs = node.start("logs", &["-f", "job"]);
    let mut lines = BufReader::new(logs.0.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "step 1");
    _ = node
        .kaiwo("exec", &["job", "--", "touch", "/scratch/go"])
        .exits(0);
    assert_eq!(lines.next().unwrap().unwrap(), "step 2");
    let start = Instant::now();
    while logs.0.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < HANG, "logs -f does not end");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn bytes_that_are_no_text_arrive_as_they_are() {
    let node = Node::new("bytes");
    node.python(
        "job",
        "import sys\nout = sys.stdout.buffer\nout.write(bytes(b for b in range(256) if b not in (10, 13)))\n\
         out.write(b'\\n\\x1b[31mred\\x1b[0m \\xc3\\xa4\\n' + b'x' * 300_000 + b'\\n')\n",
    );
    let output = node
        .sandbox
        .command(&node.directory("submit", "job", &["--follow"]))
        .output()
        .unwrap();
    let mut expected: Vec<u8> = (0..=255).filter(|byte| !matches!(byte, 10 | 13)).collect();
    expected.extend(b"\n\x1b[31mred\x1b[0m \xc3\xa4\n");
    expected.extend(vec![b'x'; 300_000]);
    expected.push(b'\n');
    assert!(output.stdout == expected, "{} bytes", output.stdout.len());
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn an_image_without_a_shell_runs_its_own_command() {
    let node = Node::new("no-shell");
    let arguments = ["-q", "real", "-i", NO_SHELL, "--name", "job"];
    _ = node.kaiwo("submit", &arguments).exits(0);
    node.wait_for_log("job", "there is no shell here");
    _ = node
        .kaiwo("exec", &["job", "--", "sh"])
        .exits(127)
        .says("executable file not found");
}
