//! Holds the code to the tables of rooms in the `lib.rs` of each crate, and to the
//! sizes that keep a file readable.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::checkout;

/// What the words of the table's last column stand for.
const WORDS: [(&str, &[&str]); 9] = [
    (
        "I/O",
        &[
            "std::fs",
            "std::net",
            "std::env",
            "std::process",
            "tokio",
            "hyper",
        ],
    ),
    ("network", &["std::net", "tokio::net", "hyper"]),
    ("environment", &["std::env", "std::process"]),
    ("variables", &["std::env::var"]),
    (
        "clock",
        &[
            "std::time::Instant",
            "std::time::SystemTime",
            "Timestamp::now",
            "RandomState",
        ],
    ),
    ("kube", &["kube"]),
    ("tera", &["tera"]),
    ("clap", &["clap"]),
    ("–", &[]),
];

/// Most lines of a file.
const LONGEST_FILE: usize = 500;
/// Most lines of a function.
const LONGEST_FUNCTION: usize = 79;
/// Most files of a room on one level.
const LARGEST_ROOM: usize = 18;

/// The crates, from the top down: what is below knows nothing of what is above.
const CRATES: [&str; 3] = ["src", "crates/client/src", "crates/base/src"];

/// A row of the table.
struct Room {
    name: String,
    may_name: Vec<String>,
    forbidden: Vec<&'static str>,
}

/// Returns the rooms of a crate.
fn rooms(root: &str) -> Vec<Room> {
    let table = fs::read_to_string(checkout(root).join("lib.rs")).unwrap();
    let rows = table.lines().filter(|line| line.starts_with("//! | [`"));
    let rooms: Vec<Room> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let [_, name, _, may_name, must_not, _] = cells[..] else {
                panic!("not a row of the table: {row}");
            };
            let forbidden = must_not.split(", ").flat_map(|word| {
                let known = WORDS.iter().find(|(known, _)| *known == word);
                known.unwrap_or_else(|| panic!("{word:?} in {row}")).1
            });
            Room {
                name: name.trim_matches(['[', ']', '`']).to_owned(),
                may_name: may_name.split(", ").map(str::to_owned).collect(),
                forbidden: forbidden.copied().collect(),
            }
        })
        .collect();
    assert!(!rooms.is_empty(), "the table of {root} is read");
    rooms
}

/// Returns the files of all crates that are not tests only.
pub(crate) fn sources() -> Vec<PathBuf> {
    CRATES.into_iter().flat_map(sources_of).collect()
}

/// Returns those of one crate.
fn sources_of(root: &str) -> Vec<PathBuf> {
    fn below(room: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(room).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, found);
            } else if !path.ends_with("tests.rs") && !path.ends_with("testing.rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    below(&checkout(root), &mut found);
    found
}

/// Returns the path of a file's module, `plan::kueue::queue`.
fn module(root: &str, file: &Path) -> String {
    let path = file.strip_prefix(checkout(root)).unwrap();
    let path = path.with_extension("").to_str().unwrap().replace('/', "::");
    path.strip_suffix("::mod").unwrap_or(&path).to_owned()
}

/// Returns code without comments and without the items that only tests have.
pub(crate) fn code(text: &str) -> String {
    let mut kept = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            skip_item(&mut lines);
        } else if !line.trim_start().starts_with("//") {
            kept.push(line);
        }
    }
    kept.join("\n")
}

/// Passes over an item: to its `;`, or to the brace that closes it.
fn skip_item<'a>(lines: &mut impl Iterator<Item = &'a str>) {
    let mut indent = None;
    for line in lines {
        let own = line.len() - line.trim_start().len();
        let first = *indent.get_or_insert(own);
        let ends = line.ends_with(';') || line.trim_end_matches(',').ends_with('}');
        if own == first && ends {
            return;
        }
    }
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

/// Returns every path that begins with `crate` or `super`, those of braces
/// written out.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for word in ["crate::", "super::"] {
        for (at, _) in code.match_indices(word) {
            let before = code[..at].chars().next_back();
            if before.is_none_or(|c| !c.is_alphanumeric() && c != ':' && c != '$') {
                spell_out("", &code[at..], &mut found);
            }
        }
    }
    found
}

/// Adds the paths at the beginning of `text` to `found`, and returns what
/// follows them.
fn spell_out<'a>(prefix: &str, text: &'a str, found: &mut Vec<String>) -> &'a str {
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':')
        .unwrap_or(text.len());
    let path = format!("{prefix}{}", &text[..end]);
    let mut rest = &text[end..];
    if !path.ends_with("::") || !rest.starts_with('{') {
        found.push(path);
        return rest;
    }
    rest = &rest[1..];
    loop {
        rest = rest.trim_start_matches([',', ' ', '\n']);
        match rest.strip_prefix('}') {
            Some(after) => return after,
            None if rest.is_empty() => return rest,
            None => {
                let before = rest.len();
                rest = spell_out(&path, rest, found);
                // An alias, a glob: on to the next name.
                if let Some(next) = rest.find([',', '}', '{']) {
                    rest = &rest[next..];
                }
                assert!(rest.len() < before, "{path} is no list of names");
            }
        }
    }
}

/// Returns which of `modules` a path is in that stands in `own`.
fn target<'m>(path: &str, own: &str, modules: &'m BTreeSet<String>) -> Option<&'m str> {
    let mut segments: Vec<&str> = path.split("::").collect();
    let mut at: Vec<&str> = Vec::new();
    if segments.first() == Some(&"crate") {
        segments.remove(0);
    } else {
        at = own.split("::").collect();
        while segments.first() == Some(&"super") {
            segments.remove(0);
            at.pop();
        }
    }
    at.extend(segments);
    (1..=at.len())
        .rev()
        .find_map(|length| modules.get(&at[..length].join("::")))
        .map(String::as_str)
}

#[test]
fn every_room_keeps_to_its_rules() {
    for root in CRATES {
        keeps_to_its_rules(root);
    }
}

fn keeps_to_its_rules(root: &str) {
    let rooms = rooms(root);
    for file in sources_of(root) {
        let module = module(root, &file);
        let own = module.split("::").next().unwrap();
        if matches!(own, "lib" | "main") {
            continue;
        }
        let mut rows = rooms.iter();
        let room = rows.find(|room| room.name == own || room.name == "crate");
        let room = room.unwrap_or_else(|| panic!("{own} is not in the table of {root}/lib.rs"));
        let code = code(&fs::read_to_string(&file).unwrap());
        for part in code.split("crate::").skip(1) {
            let named: String = part
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            let may = named.is_empty()
                || named == own
                || room.may_name.contains(&named)
                || room.may_name.contains(&"every room".to_owned())
                // A macro of the crate, which is at its root.
                || part[named.len()..].starts_with('!');
            assert!(may, "{} names crate::{named}", file.display());
        }
        for word in &room.forbidden {
            assert!(
                !names(&code, word),
                "{} names {word}, which room {own} must not",
                file.display()
            );
        }
    }
}

/// The crates below could serve another program, and what is in them is reached
/// under one name.
#[test]
fn crates_know_nothing_of_what_is_above() {
    for file in sources() {
        let code = code(&fs::read_to_string(&file).unwrap());
        let is_in = |root: &str| file.starts_with(checkout(root));
        let is = |path: &str| file == checkout(path);
        let rest = match (is_in("crates/base/src"), is_in("crates/client/src")) {
            (true, _) => code.replace("kaiwo config show", ""),
            (_, true) => code.replace("kaiwo_base::", ""),
            _ if is("src/lib.rs") || is("src/api/mod.rs") => code.replace("kaiwo_base", ""),
            _ if is("src/cluster/mod.rs") => code.replace("kaiwo_client", ""),
            _ => {
                let below = ["kaiwo_base", "kaiwo_client"].map(|name| code.contains(name));
                assert_eq!(below, [false; 2], "{} names a crate", file.display());
                continue;
            }
        };
        let above = match is_in("crates") {
            true => "kaiwo",
            false => "kaiwo_",
        };
        assert!(!rest.contains(above), "{} names kaiwo", file.display());
    }
}

#[test]
fn files_form_no_circle() {
    for root in CRATES {
        forms_no_circle(root);
    }
}

fn forms_no_circle(root: &str) {
    let files = sources_of(root);
    let modules: BTreeSet<String> = files.iter().map(|file| module(root, file)).collect();
    let mut named: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for file in &files {
        let own = module(root, file);
        let own = modules.get(&own).unwrap().as_str();
        let code = code(&fs::read_to_string(file).unwrap());
        for path in paths(&code) {
            let Some(target) = target(&path, own, &modules) else {
                continue;
            };
            // A parent is one with its children: it declares them.
            if target != own && !target.starts_with(&format!("{own}::")) {
                named.entry(own).or_default().insert(target);
            }
        }
    }
    // What names nothing that is left is in no circle.
    loop {
        let before = named.len();
        let left: BTreeSet<&str> = named.keys().copied().collect();
        named.retain(|_, targets| {
            targets.retain(|target| left.contains(target));
            !targets.is_empty()
        });
        if named.len() == before {
            break;
        }
    }
    assert!(
        named.is_empty(),
        "these are in a circle, or lead to one: {named:#?}"
    );
}

#[test]
fn files_functions_and_rooms_have_a_size_that_can_be_read() {
    let mut levels: BTreeMap<PathBuf, usize> = BTreeMap::new();
    let mut found = Vec::new();
    for file in sources().into_iter().chain(sources_of("xtask/src")) {
        *levels.entry(file.parent().unwrap().to_owned()).or_default() += 1;
        let text = fs::read_to_string(&file).unwrap();
        if text.lines().count() > LONGEST_FILE {
            found.push(format!("{}: over {LONGEST_FILE} lines", file.display()));
        }
        for (name, length) in functions(&code(&text)) {
            if length > LONGEST_FUNCTION {
                found.push(format!("{}: {name} has {length} lines", file.display()));
            }
        }
    }
    levels.remove(&checkout("src"));
    for (room, files) in levels {
        if files > LARGEST_ROOM {
            found.push(format!("{}: {files} files", room.display()));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// A name that means something only beside its argument.
const SAY_NOTHING: [&str; 3] = ["of", "keep", "again"];

#[test]
fn functions_are_named_for_what_they_do() {
    let mut found = Vec::new();
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap();
        for (name, _) in functions(&text) {
            if SAY_NOTHING.contains(&name.as_str()) {
                found.push(format!("{}: {name}", file.display()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Returns the functions of rustfmt's code and how many lines each has.
fn functions(code: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        let words: Vec<&str> = trimmed.split_whitespace().collect();
        let Some(at) = words.iter().position(|word| *word == "fn") else {
            continue;
        };
        let is_modifier = |word: &&str| {
            matches!(*word, "async" | "const")
                || word.starts_with("pub")
                || word.starts_with("crate::")
        };
        // A declaration has no body.
        if !words[..at].iter().all(is_modifier) || line.ends_with(';') {
            continue;
        }
        let close = format!("{}}}", " ".repeat(indent));
        let declared = |line: &str| {
            let rest = line.strip_prefix(&close[..indent]);
            rest.is_some_and(|rest| rest.starts_with(')') && rest.ends_with(';'))
        };
        let mut after = lines[start..].iter();
        let end = after.position(|line| *line == close || declared(line));
        if let Some(length) = end.filter(|length| !declared(lines[start + length])) {
            let name = words.get(at + 1).unwrap_or(&"");
            let name = name.split(['<', '(']).next().unwrap();
            found.push((name.to_owned(), length + 1));
        }
    }
    found
}

#[test]
fn one_file_names_the_yaml_library() {
    for file in sources() {
        let allowed = file.ends_with("crates/base/src/yaml.rs");
        let code = code(&fs::read_to_string(&file).unwrap());
        assert!(
            allowed || !names(&code, "serde_saphyr"),
            "{} names serde_saphyr",
            file.display()
        );
    }
}

/// Elsewhere a file may be without end, or another than it was. What is copied to and
/// from pods is as large as it is.
#[test]
fn files_are_read_in_one_place() {
    for file in sources() {
        let code = code(&fs::read_to_string(&file).unwrap());
        let base = checkout("crates/base/src");
        let allowed = file.starts_with(base.join("file"))
            || file == base.join("file.rs")
            || file.starts_with(checkout("src/transfer"));
        for way in [
            "fs::read(",
            "fs::read_to_string",
            "File::open",
            "OpenOptions",
        ] {
            assert!(
                allowed || !code.contains(way),
                "{} reads a file with {way}; kaiwo_base::file is for that",
                file.display()
            );
        }
    }
}

#[test]
fn only_ui_writes_to_the_standard_streams() {
    for file in sources() {
        let is_ui = file.components().any(|part| part.as_os_str() == "ui");
        // The log goes to stderr by a library of its own, and another process
        // has a stderr of its own.
        let code = code(&fs::read_to_string(&file).unwrap())
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

#[test]
fn what_only_tests_have_is_cut_out_and_nothing_else() {
    let text = "\
#[cfg(test)]
mod testing;
use kube::Client;
#[cfg(test)]
mod tests {
    fn inner() {
    }
}
fn after() {}
";
    assert_eq!(code(text), "use kube::Client;\nfn after() {}");
}

#[test]
fn paths_are_followed_through_braces_and_parents() {
    let found = paths("use crate::a::{b::C, d, e::{F, g as h}};\nlet x = super::super::y();");
    let expected = [
        "crate::a::b::C",
        "crate::a::d",
        "crate::a::e::F",
        "crate::a::e::g",
    ];
    assert_eq!(found[..4], expected);
    let modules = ["a", "a::b", "a::e"].map(str::to_owned).into();
    assert_eq!(target("crate::a::b::C", "x", &modules), Some("a::b"));
    assert_eq!(target("super::e::F", "a::b", &modules), Some("a::e"));
    assert_eq!(target("super::F", "a::b", &modules), Some("a"));
    assert_eq!(target("crate::z", "a::b", &modules), None);
}

#[test]
fn functions_are_measured_whole() {
    let code =
        "impl A {\n    pub async fn one<T>(x: T) {\n        two();\n    }\n}\nfn three() {}\n";
    assert_eq!(functions(code), [("one".to_owned(), 3)]);
    let code = "pub(in crate::a) fn one(\n    x: i64,\n) {\n    two();\n}\n";
    assert_eq!(functions(code), [("one".to_owned(), 5)]);
    let code = "trait A {\n    fn declared();\n    fn long(\n        x: i64,\n    ) -> i64;\n    fn one() {\n    }\n}\n";
    assert_eq!(functions(code), [("one".to_owned(), 2)]);
}
