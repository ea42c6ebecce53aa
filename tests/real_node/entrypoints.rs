//! Entrypoints as people write them.

use super::Node;

/// By name: what is in the file, how it ends, and what it prints.
const ENTRYPOINTS: [(&str, &[u8], i32, &str); 7] = [
    ("no-newline", b"echo last", 0, "last\n"),
    (
        "python",
        b"#!/usr/bin/env python3\nprint('by its shebang')\n",
        0,
        "by its shebang\n",
    ),
    ("spaces", b"#!  /bin/sh   -eu\necho spaces\n", 0, "spaces\n"),
    (
        "strict",
        b"#!/bin/bash -eu\necho before\nfalse\necho after\n",
        1,
        "before\n",
    ),
    (
        "unset",
        b"#!/bin/bash\nset -u\necho before\necho \"$NOT_SET\"\n",
        1,
        "before\n",
    ),
    // No text, and a script for all that.
    ("latin-1", b": caf\xe9\necho latin\n", 0, "latin\n"),
    ("interpreter", b"#!/no/such/interpreter\n", 127, ""),
];

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn entrypoints_run_as_they_are_written() {
    let node = Node::new("entrypoints");
    for (name, entrypoint, ..) in ENTRYPOINTS {
        node.sandbox
            .write(&format!("{name}/entrypoint"), entrypoint);
        _ = node.run(name, &[]).exits(0);
    }
    for (name, _, code, printed) in ENTRYPOINTS {
        let waited = node.kaiwo("wait", &[name]);
        assert_eq!(waited.code, code, "{name}: {waited:?}");
        let logs = node.kaiwo("logs", &[name]).exits(0).stdout;
        // The node keeps no order between stdout and stderr.
        assert!(logs.contains(printed), "{name}: {logs}");
        assert!(!logs.contains("after"), "{name}: {logs}");
    }
    let why = node.kaiwo("why", &["interpreter"]).exits(0).stdout;
    assert!(
        why.contains("/no/such/interpreter") || why.contains("not found"),
        "{why}"
    );
}
