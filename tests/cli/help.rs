//! What `--help` says, pinned.

use crate::common::Sandbox;

#[test]
fn help_of_every_command() {
    let sandbox = Sandbox::new();
    for (name, arguments) in [
        ("kaiwo", &["--help"][..]),
        ("init", &["init", "--help"]),
        ("submit", &["submit", "--help"]),
        ("run", &["run", "--help"]),
        ("serve", &["serve", "--help"]),
        ("why", &["why", "--help"]),
        ("list", &["list", "--help"]),
        ("status", &["status", "--help"]),
        ("queues", &["queues", "--help"]),
        ("top", &["top", "--help"]),
        ("doctor", &["doctor", "--help"]),
        ("wait", &["wait", "--help"]),
        ("resize", &["resize", "--help"]),
        ("exec", &["exec", "--help"]),
        ("port_forward", &["port-forward", "--help"]),
        ("cp", &["cp", "--help"]),
        ("volumes", &["volumes", "--help"]),
        ("delete", &["delete", "--help"]),
        ("move", &["move", "--help"]),
        ("priority", &["priority", "--help"]),
        ("pause", &["pause", "--help"]),
        ("resume", &["resume", "--help"]),
        ("logs", &["logs", "--help"]),
        ("models", &["models", "--help"]),
        ("exit_codes", &["help", "exit-codes"]),
        ("agents", &["help", "agents"]),
        ("version", &["version", "--help"]),
        ("template", &["template", "--help"]),
        (
            "template_context_serve",
            &["template", "context", "serve", "--help"],
        ),
        ("template_show", &["template", "show", "--help"]),
        ("template_eject", &["template", "eject", "--help"]),
        ("config_show", &["config", "show", "--help"]),
    ] {
        let outcome = sandbox.kaiwo(arguments).exits(0);
        assert_eq!(outcome.stderr, "");
        for line in outcome.stdout.lines() {
            assert!(line.chars().count() <= 80, "over 80 columns: {line}");
        }
        insta::assert_snapshot!(name, outcome.stdout);
    }
}

#[test]
fn help_on_a_command_is_its_help() {
    let sandbox = Sandbox::new();
    let flag = sandbox.kaiwo(&["submit", "--help"]).exits(0);
    let command = sandbox.kaiwo(&["help", "submit"]).exits(0);
    assert_eq!(flag.stdout, command.stdout);
    let flag = sandbox.kaiwo(&["template", "eject", "--help"]).exits(0);
    let command = sandbox.kaiwo(&["help", "template", "eject"]).exits(0);
    assert_eq!(flag.stdout, command.stdout);
    for unknown in [&["nonsense"][..], &["exit-codes", "1"], &["submit", "all"]] {
        let _ = sandbox
            .kaiwo(&[&["help"], unknown].concat())
            .exits(2)
            .says(&unknown.join(" "))
            .says("kaiwo --help");
    }
}

#[test]
fn the_version_is_the_packages() {
    let outcome = Sandbox::new().kaiwo(&["--version"]).exits(0);
    assert_eq!(
        outcome.stdout,
        format!("kaiwo {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    let sandbox = Sandbox::new();
    for arguments in [
        &["submti"][..],
        &["submit", "--gpu", "1"],
        &["submit", "-g", "many"],
        &[],
    ] {
        let outcome = sandbox.kaiwo(arguments).exits(2);
        assert_eq!(outcome.stdout, "");
    }
}
