//! Links: of Markdown before the site is built, and of its pages afterwards.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use anyhow::Result;

/// A link to a file, in Markdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link<'a> {
    /// All of it: `[name](path#heading)`.
    pub whole: &'a str,
    /// What is shown.
    pub name: &'a str,
    /// The path alone.
    pub path: &'a str,
}

/// Returns the links of a document that lead to files, except those in code.
pub fn links(text: &str) -> Vec<Link<'_>> {
    let (mut found, mut is_block) = (Vec::new(), false);
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_block = !is_block;
        }
        if is_block {
            continue;
        }
        for (at, _) in line.match_indices("](") {
            let Some(open) = line[..at].rfind('[') else {
                continue;
            };
            let Some(length) = line[at..].find(')') else {
                continue;
            };
            let target = &line[at + 2..at + length];
            let path = target.split('#').next().unwrap_or_default();
            let is_file = !path.is_empty() && !path.contains("://") && !path.contains(' ');
            if is_file && line[..open].matches('`').count() % 2 == 0 {
                found.push(Link {
                    whole: &line[open..=at + length],
                    name: &line[open + 1..at],
                    path,
                });
            }
        }
    }
    found
}

/// Returns a path without `.` and `..`.
pub fn normal(path: &Path) -> PathBuf {
    let mut found = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                found.pop();
            }
            Component::CurDir => {}
            part => found.push(part),
        }
    }
    found
}

/// Checks the links of every page below `book` to files and anchors there. Returns the
/// number of pages, and what is broken.
pub fn check(book: &Path) -> Result<(usize, Vec<String>)> {
    let mut pages = Vec::new();
    collect(book, &mut pages)?;
    // The links of that page are relative to the root of a server.
    pages.retain(|page| page.file_name().is_none_or(|name| name != "404.html"));
    let mut broken = BTreeSet::new();
    for page in &pages {
        let text = std::fs::read_to_string(page)?;
        let folder = page.parent().unwrap_or(book);
        for target in attributes(&text, "href") {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            if path.contains(':') || path.starts_with("//") {
                continue;
            }
            let file = match path {
                "" => page.clone(),
                path => normal(&folder.join(path.split('?').next().unwrap_or_default())),
            };
            let file = match file.is_dir() {
                true => file.join("index.html"),
                false => file,
            };
            let what = if !file.is_file() {
                "no such file"
            } else if anchor.is_empty()
                || file.extension().is_none_or(|kind| kind != "html")
                || has_anchor(&std::fs::read_to_string(&file)?, anchor)
            {
                continue;
            } else {
                "no such heading"
            };
            let page = page.strip_prefix(book)?;
            broken.insert(format!("{}: {target}: {what}", page.display()));
        }
    }
    Ok((pages.len(), broken.into_iter().collect()))
}

fn has_anchor(text: &str, anchor: &str) -> bool {
    let anchor = anchor.replace("%E2%80%A6", "…");
    attributes(text, "id").any(|id| id == anchor)
}

/// Returns the values of an attribute, in order.
fn attributes<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let begin = format!(" {name}=\"");
    let mut rest = text;
    std::iter::from_fn(move || {
        let at = rest.find(&begin)? + begin.len();
        let value = rest[at..].split('"').next()?;
        rest = &rest[at..];
        Some(value)
    })
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|kind| kind == "html") {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_a_document_are_those_to_files() {
        let text = "a [b](c.md#d) and [e](https://f)\n```\n[g](h)\n```\n`[i](j)` [k](#l)\n";
        let found = links(text);
        assert_eq!(
            found,
            [Link {
                whole: "[b](c.md#d)",
                name: "b",
                path: "c.md"
            }]
        );
        assert_eq!(normal(Path::new("docs/../a/./b")), Path::new("a/b"));
    }

    #[test]
    fn attributes_are_found() {
        let text = "<a href=\"b.html#c\">x</a><h2 id=\"c\">";
        assert_eq!(attributes(text, "href").collect::<Vec<_>>(), ["b.html#c"]);
        assert!(has_anchor(text, "c") && !has_anchor(text, "d"));
    }
}
