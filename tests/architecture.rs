//! Holds the code to the table of rooms in `src/lib.rs`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::checkout;

/// Room, the rooms of this crate it may name, and what else it must not name.
const RULES: [(&str, &[&str], &[&str]); 10] = [
    (
        "cli",
        &[
            "chat", "cli", "observe", "plan", "quantity", "settings", "kind",
        ],
        &["std::fs", "std::net", "std::env", "kube", "tera", "tokio"],
    ),
    (
        "workload",
        &[
            "workload", "file", "names", "quantity", "schema", "yaml", "error", "digest", "secrecy",
        ],
        &["std::net", "std::env", "kube", "tera", "tokio", "clap"],
    ),
    (
        "plan",
        &[
            "plan", "workload", "names", "quantity", "api", "kind", "schema", "yaml", "error",
            "digest", "secrecy",
        ],
        &[
            "std::fs",
            "std::net",
            "std::env",
            "std::time",
            "std::process",
            "std::io",
            "RandomState",
            "kube",
            "tera",
            "tokio",
            "clap",
        ],
    ),
    (
        "render",
        &[
            "render", "plan", "workload", "names", "quantity", "api", "kind", "yaml", "error",
            "digest", "secrecy",
        ],
        &[
            "std::fs",
            "std::net",
            "std::env",
            "std::time",
            "kube",
            "tokio",
            "clap",
        ],
    ),
    (
        "chat",
        &["chat"],
        &[
            "std::fs",
            "std::net",
            "std::env",
            "std::time",
            "std::process",
            "std::io",
            "kube",
            "tera",
            "tokio",
            "clap",
        ],
    ),
    (
        "observe",
        &[
            "observe", "plan", "names", "quantity", "api", "kind", "secrecy",
        ],
        &[
            "std::fs",
            "std::net",
            "std::env",
            "std::time",
            "std::process",
            "std::io",
            "Timestamp::now",
            "RandomState",
            "kube",
            "tera",
            "tokio",
            "clap",
        ],
    ),
    (
        "cluster",
        &[
            "cluster", "file", "observe", "plan", "render", "api", "kind", "yaml", "digest",
            "error", "secrecy",
        ],
        &["tera", "println", "clap", "std::env::var"],
    ),
    (
        "ui",
        &[
            "ui", "observe", "plan", "render", "settings", "error", "yaml", "api", "kind",
        ],
        &["kube", "tera", "std::fs", "tokio", "clap"],
    ),
    (
        "completion",
        &["completion", "plan", "api", "kind"],
        &[
            "std::fs",
            "std::net",
            "std::env",
            "std::process",
            "std::io",
            "kube",
            "tera",
            "tokio",
        ],
    ),
    (
        "cmd",
        &[
            "chat",
            "cmd",
            "cli",
            "completion",
            "cluster",
            "observe",
            "plan",
            "render",
            "workload",
            "ui",
            "settings",
            "file",
            "names",
            "quantity",
            "error",
            "api",
            "kind",
            "yaml",
            "digest",
            "secrecy",
        ],
        &["kube", "tera"],
    ),
];

fn sources(room: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(room).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Returns the code of a file without its comments and tests.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap();
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Returns whether `code` names the crate or path `word`, as a whole word.
fn names(code: &str, word: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-' || c == '/';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at]
            .chars()
            .next_back()
            .is_none_or(|c| !part_of_word(c) && c != '.');
        let after = &code[at + word.len()..];
        before
            && (after.starts_with("::")
                || (word.contains("::") && !after.starts_with(part_of_word)))
    })
}

#[test]
fn every_room_keeps_to_its_rules() {
    for (room, rooms, forbidden) in RULES {
        let files = sources(&checkout("src").join(room));
        assert!(!files.is_empty(), "room {room} is empty");
        for file in files {
            let code = code(&file);
            for part in code.split("crate::").skip(1) {
                let named: String = part
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                assert!(
                    named.is_empty() || rooms.contains(&named.as_str()),
                    "{} names crate::{named}; room {room} may name {rooms:?}",
                    file.display()
                );
            }
            for word in forbidden {
                assert!(
                    !names(&code, word),
                    "{} names {word}, which room {room} must not",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn one_file_names_the_yaml_library() {
    for file in sources(&checkout("src")) {
        let allowed = file.ends_with("src/yaml.rs");
        assert!(
            allowed || !names(&code(&file), "serde_saphyr"),
            "{} names serde_saphyr",
            file.display()
        );
    }
}

/// Elsewhere a file may be without end, or another than it was.
#[test]
fn files_are_read_in_one_place() {
    for file in sources(&checkout("src")) {
        let code = code(&file);
        let allowed = file.starts_with(checkout("src/file")) || file.ends_with("src/file.rs");
        for way in [
            "fs::read(",
            "fs::read_to_string",
            "File::open",
            "OpenOptions",
        ] {
            assert!(
                allowed || !code.contains(way),
                "{} reads a file with {way}; crate::file is for that",
                file.display()
            );
        }
    }
}

#[test]
fn only_ui_writes_to_the_standard_streams() {
    for file in sources(&checkout("src")) {
        let is_ui = file.components().any(|part| part.as_os_str() == "ui");
        // The log goes to stderr by a library of its own, and another process
        // has a stderr of its own.
        let code = code(&file)
            .replace("with_writer(std::io::stderr)", "")
            .replace(".stderr", "")
            // Whether a command in a pod has one.
            .replace("&stderr=", "");
        assert!(
            is_ui || !(code.contains("stdout()") || code.contains("stderr")),
            "{}",
            file.display()
        );
    }
}

#[test]
fn the_rules_see_what_they_forbid() {
    assert!(names("use kube::Client;", "kube"));
    assert!(names("let x = std::env::var(\"A\");", "std::env"));
    assert!(!names("use kube_core::x; my_kube::y", "kube"));
    assert!(!names("\"/etc/kube\"", "kube"));
}
