//! Programs that are told to end, behind every kind of shell.

use serde_json::json;

use super::followed::Followed;
use super::{BUSYBOX, Node, PYTHON, USER};

/// Says that it was told, saves for a while, and ends with 42. What it started
/// itself must not be told.
pub const PROGRAM: &str = "\
import os, signal, subprocess, sys, time
child = 'import signal, time; signal.signal(signal.SIGTERM, lambda *_: print(\"child told\")); time.sleep(600)'
child = subprocess.Popen([sys.executable, '-u', '-c', child])
def stop(*_):
    print('told', open(os.environ['KAIWO_SIGNAL_FILE']).read(), end='')
    time.sleep(4)
    print('saved')
    child.kill()
    os._exit(42)
signal.signal(signal.SIGTERM, stop)
print('ready')
while True:
    time.sleep(1)
";

/// The same for a machine without Python: a shell with a trap is a program.
const TRAP: &str = "\
trap 'echo told $(cat $KAIWO_SIGNAL_FILE); sleep 4; echo saved; exit 42' TERM
echo ready
while :; do sleep 1; done
";

/// Entrypoints by name, with what they print after the program has ended.
const ENTRYPOINTS: [(&str, &str, &str, &str); 9] = [
    ("last", PYTHON, "python -u main.py\n", ""),
    ("sh", PYTHON, "python -u main.py\necho next\n", "next\n"),
    (
        "bash",
        PYTHON,
        "#!/bin/bash\npython -u main.py\necho next $?\n",
        "next 42\n",
    ),
    (
        "set-e",
        PYTHON,
        "#!/bin/bash\nset -e\ntrap 'echo end' EXIT\npython -u main.py\necho next\n",
        "end\n",
    ),
    (
        "tee",
        PYTHON,
        "#!/bin/bash\npython -u main.py 2>&1 | tee log\n",
        "",
    ),
    ("exec", PYTHON, "exec python -u main.py\n", ""),
    (
        "user",
        USER,
        "bash -c 'python -u main.py; true'\necho next\n",
        "next\n",
    ),
    (
        "busybox",
        BUSYBOX,
        "sh trap.sh\necho next $?\n",
        "next 42\n",
    ),
    ("trap", BUSYBOX, TRAP, ""),
];

fn write(node: &Node, name: &str, entrypoint: &str) {
    node.script(name, entrypoint);
    node.sandbox.write(&format!("{name}/main.py"), PROGRAM);
    node.sandbox.write(&format!("{name}/trap.sh"), TRAP);
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_program_is_told_whatever_started_it() {
    let node = Node::new("told");
    for (name, image, entrypoint, _) in ENTRYPOINTS {
        write(&node, name, entrypoint);
        _ = node.run(name, &["-i", image]).exits(0);
    }
    // They start, and end, beside one another.
    let followed = ENTRYPOINTS.map(|(name, ..)| node.follow(name));
    let names = ENTRYPOINTS.map(|(name, ..)| name);
    _ = node
        .kaiwo("delete", &[&names[..], &["-y"]].concat())
        .exits(0);
    for ((name, _, _, after), logs) in ENTRYPOINTS.into_iter().zip(followed) {
        let expected = format!("ready\ntold TERM\nsaved\n{after}");
        assert_eq!(logs.ended().stdout, expected, "{name}");
    }
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_deadline_tells_the_program_and_is_the_reason_afterwards() {
    let node = Node::new("deadline");
    write(&node, "late", "python -u main.py\n");
    _ = node.run("late", &["--max-runtime", "1h"]).exits(0);
    let waiter = Followed::new(node.start("wait", &["late"]));
    let logs = node.follow("late");
    // Now: a deadline from the beginning may be over before the program has begun.
    let spec = json!({"spec": {"activeDeadlineSeconds": 1}});
    node.merge("Job", "late", &spec);
    let printed = logs.ended().stdout;
    assert_eq!(printed, "ready\ntold TERM\nsaved\n");
    let waited = waiter.ended().exits(1);
    let (_, after) = waited.stderr.split_once("running, 1 of 1").unwrap();
    assert!(!after.contains("starting"), "{waited:?}");
    for command in ["status", "why"] {
        let said = node.kaiwo(command, &["late"]).exits(0).stdout;
        assert!(
            said.contains("longer than its deadline"),
            "{command}: {said}"
        );
    }
    // Kubernetes has deleted the pod.
    let logs = node.kaiwo("logs", &["late"]).exits(0);
    _ = logs.says("its pods and their logs are gone");
}
