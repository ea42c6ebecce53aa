//! Reads Rust as far as the rules of the house need it: without comments and tests, as
//! paths, as functions and as types.

use std::collections::BTreeSet;

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
pub(super) fn names(code: &str, word: &str) -> bool {
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
pub(super) fn paths(code: &str) -> Vec<String> {
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
pub(super) fn target<'m>(path: &str, own: &str, modules: &'m BTreeSet<String>) -> Option<&'m str> {
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

/// Returns the functions of rustfmt's code and how many lines each has.
pub(super) fn functions(code: &str) -> Vec<(String, usize)> {
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

/// Returns the public types that code declares.
pub(super) fn types(code: &str) -> Vec<&str> {
    let declared = |line: &'_ str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        matches!(
            words[..],
            ["pub", "struct" | "enum" | "trait" | "type" | "union", ..]
        )
    };
    let lines = code
        .lines()
        .filter(|line| line.starts_with("pub ") && declared(line));
    lines
        .filter_map(|line| line.split_whitespace().nth(2))
        .map(|name| {
            let end = name.find(|c: char| !c.is_alphanumeric() && c != '_');
            &name[..end.unwrap_or(name.len())]
        })
        .collect()
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

#[test]
fn public_types_are_seen() {
    let code = "pub struct A<T>(T);\nstruct B;\npub enum C {\n    D,\n}\npub fn e() {}\npub type F = A<u8>;\n";
    assert_eq!(types(code), ["A", "C", "F"]);
}
