//! kaiwo as a plugin of kubectl, and what packages need of it.

use std::os::unix::fs::symlink;
use std::process::Command;

use crate::common::{Sandbox, binary};

/// Runs the program under another name.
fn plugin(sandbox: &Sandbox, arguments: &[&str]) -> (String, String) {
    let link = sandbox.path("kubectl-kaiwo");
    if !link.exists() {
        symlink(binary(), &link).unwrap();
    }
    let output = Command::new(link)
        .args(arguments)
        .env_clear()
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

#[test]
fn help_examples_and_suggestions_say_kubectl_kaiwo() {
    let sandbox = Sandbox::new();
    let (help, _) = plugin(&sandbox, &["submit", "--help"]);
    assert!(help.contains("Usage: kubectl kaiwo submit "), "{help}");
    assert!(help.contains("\n  kubectl kaiwo submit -p "), "{help}");
    let (_, error) = plugin(&sandbox, &["logs"]);
    assert!(
        error.contains("help: list workloads: kubectl kaiwo list"),
        "{error}"
    );
    assert!(error.contains("kubectl kaiwo logs --help"), "{error}");
    let (report, _) = plugin(&sandbox, &["submit", "-g", "many", "-o", "json"]);
    assert!(report.contains("kubectl kaiwo submit --help"), "{report}");
}

#[test]
fn manual_pages_are_written_and_overwritten() {
    let sandbox = Sandbox::new();
    for _ in 0..2 {
        let outcome = sandbox.kaiwo(&["help", "--man", "share/man1"]).exits(0);
        assert_eq!(outcome.stdout, "");
        let _ = outcome.says("pages written");
    }
    let page = std::fs::read_to_string(sandbox.path("share/man1/kaiwo-submit.1")).unwrap();
    assert!(page.contains(".TH kaiwo-submit 1"), "{page}");
    let _ = sandbox.write("file", "");
    let _ = sandbox
        .kaiwo(&["help", "--man", "file"])
        .exits(3)
        .says("cannot write the manual pages to file");
}
