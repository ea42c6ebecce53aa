//! Checks that what `docs/architecture.md`, `docs/style.md` and the decisions name
//! exists: paths, modules and items of modules, dependencies; and that links lead somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::common::checkout;

/// Words that an item begins with where it is declared.
const DECLARES: &str =
    r"(?:fn|struct|enum|trait|type|const|static|macro_rules!|impl(?:<[^>]*>)?(?: \S+ for)?)";

/// Documents about the code that are not decisions.
const ABOUT_CODE: [&str; 2] = ["docs/architecture.md", "docs/style.md"];

/// Returns the documents about the code.
fn documents() -> Vec<PathBuf> {
    let decisions = fs::read_dir(checkout("docs/decisions")).unwrap();
    let mut found: Vec<PathBuf> = decisions.map(|entry| entry.unwrap().path()).collect();
    found.extend(ABOUT_CODE.map(checkout));
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
    files.retain(|file| file.parent() == Some(&checkout("docs/decisions")));
    files.retain(|file| !file.ends_with("README.md"));
    files.sort();
    let mut last = 0;
    for file in &files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let number: u32 = name.split('-').next().unwrap().parse().unwrap();
        assert!(
            number > last && name.starts_with(&format!("{number:04}-")),
            "{name}"
        );
        last = number;
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

/// `cargo xtask site` builds what is listed there, and what that links to.
#[test]
fn every_document_is_in_the_summary_of_the_site() {
    let summary = fs::read_to_string(checkout("docs/SUMMARY.md")).unwrap();
    for entry in fs::read_dir(checkout("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") && name != "SUMMARY.md" {
            assert!(
                summary.contains(&format!("]({name})")),
                "{name} is not in it"
            );
        }
    }
    for name in [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
    ] {
        assert!(summary.contains(&format!("](../{name})")), "{name}");
    }
}

/// Adds the Markdown files below `path`, except what is built.
fn markdown(path: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                markdown(&path, found);
            }
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// Returns a text without its blocks of code.
fn without_blocks(text: &str) -> String {
    let mut is_block = false;
    let kept = text.lines().filter(|line| {
        let is_fence = line.starts_with("```");
        is_block ^= is_fence;
        !is_fence && !is_block
    });
    kept.collect::<Vec<_>>().join("\n")
}

/// Returns the anchor of a heading, as GitHub forms it.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        _ => c.is_alphanumeric().then_some(c),
    });
    kept.collect()
}

/// Returns what is wrong with a link of the file `from`.
fn broken(from: &Path, link: &str) -> Option<String> {
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    let to = match path {
        "" => from.to_owned(),
        _ => from.parent().unwrap().join(path),
    };
    let wrong = match to.exists() {
        false => "no such file",
        true if heading.is_empty() => return None,
        true => {
            let text = without_blocks(&fs::read_to_string(&to).unwrap());
            let mut headings = text.lines().filter(|line| line.starts_with('#'));
            if headings.any(|line| anchor(line) == heading) {
                return None;
            }
            "no such heading"
        }
    };
    Some(format!("{}: {link}: {wrong}", from.display()))
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let (mut files, mut found, mut seen) = (Vec::new(), Vec::new(), 0);
    markdown(&checkout(""), &mut files);
    for file in files {
        let text = without_blocks(&fs::read_to_string(&file).unwrap());
        for link in link.captures_iter(&text) {
            if !link[1].contains("://") {
                seen += 1;
                found.extend(broken(&file, &link[1]));
            }
        }
    }
    assert!(seen > 100, "the links are read: {seen}");
    assert!(found.is_empty(), "{}", found.join("\n"));
    let readme = checkout("README.md");
    for wrong in ["docs/nothing.md", "docs/logs.md#nothing", "#nothing"] {
        assert!(broken(&readme, wrong).is_some(), "{wrong}");
    }
    assert_eq!(broken(&readme, "#see-it-run"), None);
}
