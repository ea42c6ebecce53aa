//! Holds the code to the tables of rooms in the `lib.rs` of each crate, and to the
//! sizes that keep a file readable.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::checkout;
use code::{functions, names, paths, target, types};

pub(crate) use code::code;

mod code;

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
                if !path.ends_with("tests") {
                    below(&path, found);
                }
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
    for root in CRATES.into_iter().chain(["xtask/src"]) {
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
    for file in sources().into_iter().chain(sources_of("xtask/src")) {
        let text = fs::read_to_string(&file).unwrap();
        for (name, _) in functions(&text) {
            if SAY_NOTHING.contains(&name.as_str()) {
                found.push(format!("{}: {name}", file.display()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
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

/// It asks the other rooms: what it would refuse by itself could not be tested without it.
#[test]
fn cmd_decides_nothing() {
    for file in sources_of("src/cmd") {
        let code = code(&fs::read_to_string(&file).unwrap());
        assert!(
            !code.contains("Refusal::new"),
            "{} refuses a request, which plan, request, observe or change does",
            file.display()
        );
    }
}

/// What a name means is known without looking where it comes from.
#[test]
fn a_public_type_has_a_name_of_its_own() {
    let mut declared: BTreeMap<String, BTreeSet<PathBuf>> = BTreeMap::new();
    for file in sources() {
        let code = code(&fs::read_to_string(&file).unwrap());
        // One of the two is compiled, for the system that it is for.
        let of_system = file.ends_with("unix.rs") || file.ends_with("other.rs");
        let place = match of_system {
            true => file.parent().unwrap().to_owned(),
            false => file,
        };
        for name in types(&code) {
            let places = declared.entry(name.to_owned()).or_default();
            places.insert(place.clone());
        }
    }
    declared.retain(|_, places| places.len() > 1);
    assert!(declared.is_empty(), "{declared:#?}");
}

/// A field is often told by its name; a type or a function is not. Those of clap have
/// help.
#[test]
fn public_types_and_functions_are_documented() {
    let mut found = Vec::new();
    for file in sources_of("src") {
        let text = fs::read_to_string(&file).unwrap();
        let own = text.lines().take_while(|line| line.trim() != "mod tests {");
        let lines: Vec<&str> = own.map(str::trim).collect();
        let is_of_clap = file.starts_with(checkout("src/cli"));
        for (at, line) in lines.iter().enumerate().filter(|_| !is_of_clap) {
            let words = line.strip_prefix("pub ").unwrap_or_default();
            let mut words = words
                .split(' ')
                .skip_while(|word| matches!(*word, "const" | "async"));
            if !matches!(words.next(), Some("fn" | "struct" | "enum" | "trait")) {
                continue;
            }
            let is_outside = |line: &&&str| line.is_empty() || line.ends_with(['{', '}', ';']);
            let mut above = lines[..at]
                .iter()
                .rev()
                .take_while(|line| !is_outside(line));
            if !above.any(|line| line.starts_with("///") || line.contains("#[doc")) {
                found.push(format!("{}: {line}", file.display()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
