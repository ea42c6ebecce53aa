//! The working directory: a copy of what was uploaded, which programs write to.

use super::{BUSYBOX, NO_SHELL, Node, PYTHON, QUEUE, USER};

/// Writes a directory, over an uploaded file, and what Python caches.
const WRITES: &str = "\
set -e
mkdir outputs
echo mine >outputs/x
echo more >>note
cat outputs/x note
./tools/run
pwd
";

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn programs_write_where_they_run() {
    let node = Node::new("writes");
    for (name, image) in [("root", PYTHON), ("user", USER), ("busybox", BUSYBOX)] {
        node.script(name, WRITES);
        node.sandbox.write(&format!("{name}/note"), "uploaded\n");
        let tool = format!("{name}/tools/run");
        let tool = node.sandbox.write(&tool, "#!/bin/sh\necho a tool runs\n");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(tool, mode).unwrap();
        _ = node.run(name, &["-i", image]).exits(0);
    }
    for name in ["root", "user", "busybox"] {
        _ = node.kaiwo("wait", &[name]).exits(0);
        let printed = node.kaiwo("logs", &[name]).exits(0).stdout;
        let expected = "mine\nuploaded\nmore\na tool runs\n/workload\n";
        assert_eq!(printed, expected, "{name}");
    }
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_container_that_starts_again_finds_what_it_left() {
    let node = Node::new("again");
    node.script(
        "svc",
        "if [ -e here ]; then ls; [ -e \"$KAIWO_SIGNAL_FILE\" ] || echo no signal; exec sleep infinity; fi\n\
         rm note\necho TERM >\"$KAIWO_SIGNAL_FILE\"\n: >here\nexit 3\n",
    );
    node.sandbox.write("svc/note", "uploaded\n");
    _ = node.serve("svc", &[]).exits(0);
    node.wait_for_log("svc", "no signal");
    let logs = node.kaiwo("logs", &["svc"]).exits(0).stdout;
    assert_eq!(logs, "entrypoint\nhere\nno signal\n");
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn an_image_without_a_shell_keeps_the_read_only_directory() {
    let node = Node::new("noshell");
    node.sandbox.write("job/data", "uploaded\n");
    let submit = |more: &[&str]| {
        let fixed = ["-q", QUEUE, "-i", NO_SHELL, "-p", "job", "--name", "job"];
        let arguments = [&fixed[..], more, &["--", "/still"]].concat();
        node.kaiwo("submit", &arguments)
    };
    let outcome = submit(&["--wait"]);
    assert_ne!(outcome.code, 0, "{outcome:?}");
    _ = outcome.says("sh is not in the image");
    let why = node.kaiwo("why", &["job"]).exits(0).stdout;
    let remedy = "submit it again with --replace and --read-only-workdir";
    assert!(why.contains(remedy), "{why}");
    _ = submit(&["--replace", "--read-only-workdir"]).exits(0);
    assert_eq!(node.running(1).len(), 1);
    // It has no shell for the hook either, and is not kept from its end by that.
    _ = node.kaiwo("delete", &["job", "-y"]).exits(0);
}
