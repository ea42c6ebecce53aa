//! `kaiwo cp`: what is wrong with the command line is said before a cluster is asked.

use crate::common::Sandbox;

#[test]
fn one_end_is_a_workload() {
    let sandbox = Sandbox::new();
    for (arguments, words) in [
        (&["a", "b"][..], "both paths are on this machine"),
        (&["x:/a", "y:/b"], "both paths are in workloads"),
        (&["x:", "b"], "the path is missing after x"),
        (&["ns/pod:/a", "b"], "is not a kind of workload"),
        (&["A_b:/a", "b"], "for a local file, use ./A_b:/a"),
        (&["x:/a"], "<TO>"),
        (&["x:/a", "-"], "kaiwo exec NAME -- cat FILE"),
        (
            &["-r", "x:/a", "b"],
            "not needed: directories are copied whole",
        ),
        (
            &["x:/a", "b", "--worker", "1", "--head"],
            "cannot be used with",
        ),
    ] {
        let outcome = sandbox.kaiwo(&[&["cp"], arguments].concat()).exits(2);
        assert!(
            outcome.stderr.contains(words),
            "{arguments:?}: {}",
            outcome.stderr
        );
        assert_eq!(outcome.stdout, "");
    }
}

#[test]
fn words_of_other_tools_lead_here() {
    let sandbox = Sandbox::new();
    for (line, own) in [
        (&["scp", "x:/a", "b"][..], "kaiwo cp x:/a b"),
        (&["download", "x:/a", "."], "kaiwo cp x:/a ."),
        (&["pvc"], "kaiwo volumes"),
    ] {
        _ = sandbox.kaiwo(line).exits(2).says(own);
    }
}

#[test]
fn a_log_needs_somebody_who_follows() {
    let sandbox = Sandbox::new();
    sandbox.write("w/entrypoint", "true\n");
    _ = sandbox
        .kaiwo(&["submit", "-p", "w", "--log", "out"])
        .exits(3)
        .says("--log has no effect without --follow");
    _ = sandbox.kaiwo(&["logs", "x", "--log", "out"]).exits(2);
    _ = sandbox
        .kaiwo(&["submit", "-p", "w", "--follow", "--log", "missing/out"])
        .exits(3)
        .says("cannot write the log");
    assert!(!sandbox.path("out").exists());
}
