//! `kaiwo completion`, and the scripts that are committed.

use std::fs;
use std::process::Command;

use crate::common::{Sandbox, checkout};

/// Shells and the names of their scripts.
const SCRIPTS: [(&str, &str); 5] = [
    ("bash", "kaiwo.bash"),
    ("zsh", "_kaiwo"),
    ("fish", "kaiwo.fish"),
    ("elvish", "kaiwo.elv"),
    ("powershell", "_kaiwo.ps1"),
];

/// `KAIWO_BLESS=1 cargo test completion` writes them anew.
#[test]
fn committed_scripts_are_current() {
    let sandbox = Sandbox::new();
    for (shell, name) in SCRIPTS {
        let script = sandbox.kaiwo(&["completion", shell]).exits(0).stdout;
        let file = checkout("completions").join(name);
        if std::env::var_os("KAIWO_BLESS").is_some() {
            fs::write(&file, &script).unwrap();
        }
        let committed = fs::read_to_string(&file).unwrap_or_default();
        assert!(committed == script, "{} is not current", file.display());
    }
}

/// Bash runs the script as it would at a press of the tab key.
#[test]
fn bash_completes_commands_and_flags() {
    let sandbox = Sandbox::new();
    let script = sandbox.write(
        "kaiwo.bash",
        sandbox.kaiwo(&["completion", "bash"]).exits(0).stdout,
    );
    for (line, expected) in [
        ("kaiwo sub", "submit"),
        ("kaiwo submit --gpus-per-n", "--gpus-per-node"),
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let ask = format!(
            "source {}; COMP_WORDS=({line}); COMP_CWORD={}; _kaiwo kaiwo {} {}; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            script.display(),
            words.len() - 1,
            words[words.len() - 1],
            words[words.len() - 2],
        );
        let output = Command::new("bash").args(["-c", &ask]).output().unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            format!("{expected}\n"),
            "{line}"
        );
    }
}
