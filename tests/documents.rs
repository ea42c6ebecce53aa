//! Whether what `docs/architecture.md` and the decisions name is there: paths,
//! modules and items of modules, dependencies.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::common::checkout;

/// Words that an item begins with where it is declared.
const DECLARES: &str =
    r"(?:fn|struct|enum|trait|type|const|static|macro_rules!|impl(?:<[^>]*>)?(?: \S+ for)?)";

/// Returns the documents that tell about the code.
fn documents() -> Vec<PathBuf> {
    let decisions = fs::read_dir(checkout("docs/decisions")).unwrap();
    let mut found: Vec<PathBuf> = decisions.map(|entry| entry.unwrap().path()).collect();
    found.push(checkout("docs/architecture.md"));
    assert!(found.len() > 20, "{found:?}");
    found
}

/// Returns the text between backticks, and in blocks of code line by line.
fn code(markdown: &str) -> Vec<String> {
    let (mut found, mut is_block) = (Vec::new(), false);
    // A span may go over the end of a line.
    let mut prose = String::new();
    for line in markdown.lines() {
        if line.starts_with("```") {
            is_block = !is_block;
        } else if is_block {
            found.push(line.to_owned());
        } else {
            prose += line;
            prose.push('\n');
        }
    }
    found.extend(prose.split('`').skip(1).step_by(2).map(str::to_owned));
    found
}

/// Returns the directories whose names modules may begin with: `src`, and the
/// source of every crate.
fn roots() -> Vec<PathBuf> {
    let crates = fs::read_dir(checkout("crates")).into_iter().flatten();
    let crates = crates.map(|entry| entry.unwrap().path().join("src"));
    std::iter::once(checkout("src")).chain(crates).collect()
}

/// Returns the file of a module.
fn file(root: &Path, module: &[&str]) -> Option<PathBuf> {
    let place = root.join(module.join("/"));
    [place.with_extension("rs"), place.join("mod.rs")]
        .into_iter()
        .find(|file| file.is_file())
}

/// Returns what is wrong with a path such as `plan::gpu::GpuRequest::split`.
/// What begins with no room is not of this project.
fn wrong(path: &str) -> Option<String> {
    let mut segments: Vec<&str> = path.split("::").collect();
    let is_known = |root: &PathBuf| file(root, &segments[..1]).is_some();
    let root = match segments[0].strip_prefix("kaiwo_") {
        Some(name) => {
            segments.remove(0);
            checkout("crates").join(name).join("src")
        }
        None => roots().into_iter().find(is_known)?,
    };
    let modules = (1..=segments.len()).rev();
    let found = modules
        .filter_map(|length| Some((length, file(&root, &segments[..length])?)))
        .next();
    let Some((length, file)) = found else {
        return Some(format!("{path}: there is no such module"));
    };
    let text = fs::read_to_string(&file).unwrap();
    let items = segments[length..].iter();
    let missing = items.copied().find(|item| {
        let declared = Regex::new(&format!(r"(?:^|\s){DECLARES} {item}\b")).unwrap();
        !declared.is_match(&text)
    })?;
    let file = file.strip_prefix(checkout("")).unwrap();
    Some(format!("{path}: {} has no {missing}", file.display()))
}

#[test]
fn what_documents_name_is_there() {
    let top: Vec<String> = fs::read_dir(checkout(""))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.'))
        .collect();
    let paths = Regex::new(r"[\w./-]+").unwrap();
    let modules = Regex::new(r"\b[a-z_0-9]+(?:::\w+)+").unwrap();
    let (mut found, mut seen) = (Vec::new(), 0);
    for document in documents() {
        let name = document.file_name().unwrap().to_str().unwrap();
        for span in code(&fs::read_to_string(&document).unwrap()) {
            for path in paths.find_iter(&span).map(|found| found.as_str()) {
                let first = path.split_once('/').map(|(first, _)| first);
                if first.is_some_and(|first| top.iter().any(|known| known == first)) {
                    seen += 1;
                    if !checkout(path).exists() {
                        found.push(format!("{name}: there is no {path}"));
                    }
                }
            }
            for path in modules.find_iter(&span) {
                seen += 1;
                found.extend(wrong(path.as_str()).map(|wrong| format!("{name}: {wrong}")));
            }
        }
    }
    assert!(seen > 60, "the documents are read: {seen}");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn what_is_not_there_is_seen() {
    for path in [
        "plan",
        "plan::gpu",
        "plan::gpu::GpuRequest::split",
        "cmd::run",
        "kaiwo_client::request::Cluster::open",
        "std::env::no_such_thing",
    ] {
        assert_eq!(wrong(path), None);
    }
    for path in [
        "plan::gpus",
        "kaiwo_client::requests",
        "plan::gpu::GpuRequest::join",
        // Named there, and declared elsewhere.
        "kind::Descriptor",
    ] {
        assert!(wrong(path).is_some(), "{path}");
    }
    let markdown = "a `b\nc` d\n```text\ne → f\n```\n`g`";
    assert_eq!(code(markdown), ["e → f", "b\nc", "g"]);
}

#[test]
fn every_decision_is_listed() {
    let list = fs::read_to_string(checkout("docs/decisions/README.md")).unwrap();
    let mut expected = Vec::new();
    let mut files: Vec<PathBuf> = documents();
    files.retain(|file| !file.ends_with("README.md") && !file.ends_with("architecture.md"));
    files.sort();
    for (number, file) in (1..).zip(&files) {
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with(&format!("{number:04}-")), "{name}");
        let text = fs::read_to_string(file).unwrap();
        let title = text.lines().next().unwrap().trim_start_matches("# ");
        expected.push(format!("{number}. [{title}]({name})"));
    }
    let listed: Vec<&str> = list.lines().filter(|line| line.contains("](")).collect();
    assert_eq!(listed, expected);
}

/// Returns the dependencies of a manifest, those of tests only apart.
fn dependencies(manifest: &str) -> [BTreeSet<String>; 2] {
    let mut found = [BTreeSet::new(), BTreeSet::new()];
    let mut section = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        }
        let name = line.split([' ', '.', '=']).next().unwrap();
        let is_name = name.starts_with(|c: char| c.is_ascii_lowercase());
        let at = match section {
            "[dev-dependencies]" => 1,
            section if section.ends_with("dependencies]") && !section.contains("workspace") => 0,
            _ => continue,
        };
        // A crate of this workspace is no decision.
        if is_name && !name.starts_with("kaiwo-") {
            found[at].insert(name.to_owned());
        }
    }
    found
}

#[test]
fn every_dependency_has_its_reason() {
    let decision = checkout("docs/decisions/0008-further-dependencies.md");
    let decision = fs::read_to_string(decision).unwrap();
    let rows = decision.lines().filter(|line| line.starts_with("| `"));
    let named: BTreeSet<String> = rows
        .flat_map(|row| code(row.split('|').nth(1).unwrap()))
        .collect();
    let [mut of_code, mut of_tests] = dependencies(include_str!("../Cargo.toml"));
    for root in roots().into_iter().skip(1) {
        let manifest = fs::read_to_string(root.with_file_name("Cargo.toml")).unwrap();
        let [code, tests] = dependencies(&manifest);
        of_code.extend(code);
        of_tests.extend(tests);
    }
    assert_eq!(named, of_code);
    for name in of_tests.difference(&of_code) {
        assert!(decision.contains(&format!("`{name}`")), "{name}");
    }
}
