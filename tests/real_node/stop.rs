//! Programs that are told to end, behind every kind of shell.

use super::drain::urgent;
use super::restarts::Followed;
use super::{BUSYBOX, Node, PYTHON, USER};

/// Says that it was told, saves for a while, and ends with 42. What it started
/// itself must not be told.
const PROGRAM: &str = "\
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
    let started = ENTRYPOINTS.map(|(name, image, entrypoint, after)| {
        write(&node, name, entrypoint);
        _ = node.run(name, &["-i", image]).exits(0);
        node.wait_for_log(name, "ready");
        (
            name,
            after,
            Followed::new(node.start("logs", &["-f", name])),
        )
    });
    for (name, ..) in ENTRYPOINTS {
        _ = node.kaiwo("delete", &[name, "-y"]).exits(0);
    }
    for (name, after, logs) in started {
        let expected = format!("ready\ntold TERM\nsaved\n{after}");
        assert_eq!(logs.ended().stdout, expected, "{name}");
    }
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_deadline_and_a_preemption_tell_the_program() {
    let node = Node::alone("preempted");
    write(&node, "late", "python -u main.py\n");
    let outcome = node.run("late", &["--max-runtime", "20s", "--follow"]);
    assert_ne!(outcome.code, 0, "{outcome:?}");
    assert!(
        outcome.stdout.ends_with("told TERM\nsaved\n"),
        "{outcome:?}"
    );

    let class = urgent(&node);
    // An end with 0 is not taken for success: it was not by itself.
    let program = PROGRAM.replace("_exit(42)", "_exit(0)");
    write(&node, "job", "python -u main.py\n");
    node.sandbox.write("job/main.py", program);
    let gpus = (8 * super::real_nodes().len()).to_string();
    let pods = super::real_nodes().len().to_string();
    let all = ["-g", &gpus, "--replicas", &pods];
    _ = node.run("job", &all).exits(0);
    node.wait_for_log("job", "ready");
    let logs = Followed::new(node.start("logs", &["-f", "job"]));
    node.script("urgent", "echo here\nexec sleep 600\n");
    let more = [&all[..], &["--priority-class", &class]].concat();
    _ = node.run("urgent", &more).exits(0);
    node.wait_for_log("urgent", "here");
    _ = node.kaiwo("delete", &["urgent", "-y"]).exits(0);
    node.wait_for_log("job", "ready");
    _ = node.kaiwo("delete", &["job", "-y"]).exits(0);
    let printed = logs.ended().stdout;
    assert!(
        printed.contains("told TERM") && printed.contains("saved"),
        "{printed}"
    );
    node.delete("WorkloadPriorityClass", &class);
}
