//! `cargo xtask site`: the documents as a website, built by mdBook.
//!
//! The chapters are those of `docs/SUMMARY.md`, and every document that they link to. The
//! checkout's layout is kept, so that links need no change, and what is linked and no
//! document is copied.

mod links;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::cargo::cargo;
use crate::checkout;
use links::{Link, links, normal};

/// The list of chapters.
const SUMMARY: &str = "docs/SUMMARY.md";
/// Release of mdBook that is installed.
const MDBOOK: &str = "0.5.4";
/// What mdBook is told.
const BOOK: &str = r#"[book]
title = "kaiwo"
description = "From a directory and a GPU count to a running AI workload on Kubernetes"
language = "en"
src = "src"

# A README stays a README, so that links to it lead there.
[build]
use-default-preprocessors = false

[output.html]
no-section-label = true

[output.html.fold]
enable = true
level = 0

[output.html.print]
enable = false

[output.html.search]
limit-results = 20
"#;

/// Build the documents as a website, with mdBook, and check its links
#[derive(Debug, clap::Args)]
pub struct Site {
    /// Where it is built
    #[arg(long, value_name = "DIR", default_value = "target/site")]
    output: PathBuf,
}

impl Site {
    pub fn run(&self) -> Result<()> {
        let root = Path::new(checkout()).canonicalize()?;
        let output = root.join(&self.output);
        let source = output.join("src");
        // Only what an earlier run has written is removed.
        ensure!(
            !output.exists() || output.join("book.toml").is_file(),
            "{} exists, and no site was built there",
            output.display()
        );
        if output.exists() {
            std::fs::remove_dir_all(&output)?;
        }
        std::fs::create_dir_all(&source)?;
        std::fs::write(output.join("book.toml"), BOOK)?;
        let chapters = stage(&root, &source)?;
        let status = mdbook(&root)?
            .arg("build")
            .arg(&output)
            .status()
            .context("cannot run mdbook")?;
        ensure!(status.success(), "mdbook ended with {status}");
        let book = output.join("book");
        let (pages, broken) = links::check(&book)?;
        for link in &broken {
            say(link);
        }
        ensure!(broken.is_empty(), "{} broken links", broken.len());
        say(&format!(
            "{chapters} chapters, {pages} pages, no broken link: {}",
            book.join("index.html").display()
        ));
        Ok(())
    }
}

/// Copies the documents and what they link to, and returns the number of chapters.
fn stage(root: &Path, source: &Path) -> Result<usize> {
    let summary = std::fs::read_to_string(root.join(SUMMARY))?;
    let folder = Path::new("docs");
    let listed: Vec<PathBuf> = links(&summary)
        .into_iter()
        .map(|link| normal(&folder.join(link.path)))
        .collect();
    let mut open = listed.clone();
    let mut seen = BTreeSet::new();
    while let Some(document) = open.pop() {
        if !seen.insert(document.clone()) {
            continue;
        }
        let text = std::fs::read_to_string(root.join(&document))
            .with_context(|| format!("cannot read {}", document.display()))?;
        let (text, linked) = staged(root, &document, &text)?;
        write(&source.join(&document), text.as_bytes())?;
        for path in linked {
            match path.extension().is_some_and(|kind| kind == "md") {
                true => open.push(path),
                false => write(&source.join(&path), &std::fs::read(root.join(&path))?)?,
            }
        }
    }
    let more: Vec<&PathBuf> = seen.iter().filter(|it| !listed.contains(it)).collect();
    let chapters = summary_of_book(root, &summary, &more)?;
    write(&source.join("SUMMARY.md"), chapters.as_bytes())?;
    Ok(seen.len())
}

/// Returns a document as the site has it, and the files that it links to. A link to a
/// directory leads to its README, or is no link.
fn staged(root: &Path, document: &Path, text: &str) -> Result<(String, Vec<PathBuf>)> {
    let folder = document.parent().unwrap_or(Path::new(""));
    let (mut changed, mut linked) = (text.to_owned(), Vec::new());
    for Link { whole, name, path } in links(text) {
        let to = normal(&folder.join(path));
        let file = root.join(&to);
        if file.is_file() {
            linked.push(to);
        } else if file.join("README.md").is_file() {
            let slash = if path.ends_with('/') { "" } else { "/" };
            let to_readme = format!("[{name}]({path}{slash}README.md)");
            changed = changed.replace(whole, &to_readme);
            linked.push(to.join("README.md"));
        } else if file.is_dir() {
            changed = changed.replace(whole, name);
        } else {
            bail!("{}: {path} does not exist", document.display());
        }
    }
    Ok((changed, linked))
}

/// Returns the list of chapters with the layout of the checkout, and with further ones:
/// those below a chapter's folder after it, the rest at the end.
fn summary_of_book(root: &Path, summary: &str, more: &[&PathBuf]) -> Result<String> {
    let mut left: Vec<&PathBuf> = more.to_vec();
    let mut text = String::new();
    for line in summary.lines() {
        let link = links(line).pop();
        let Some(Link { name, path, .. }) = link else {
            text += &format!("{line}\n");
            continue;
        };
        let to = normal(&Path::new("docs").join(path));
        let mark = if line.starts_with('-') { "- " } else { "" };
        text += &format!("{mark}[{name}]({})\n", to.display());
        if mark.is_empty() || !to.ends_with("README.md") {
            continue;
        }
        let folder = to.parent().unwrap_or(Path::new(""));
        let (below, rest) = left.into_iter().partition(|it| it.starts_with(folder));
        left = rest;
        for document in below {
            text += &format!("  - [{}]({})\n", title(root, document)?, document.display());
        }
    }
    if !left.is_empty() {
        text += "\n# More\n\n";
    }
    for document in left {
        text += &format!("- [{}]({})\n", title(root, document)?, document.display());
    }
    Ok(text)
}

/// Returns the heading of a document.
fn title(root: &Path, document: &Path) -> Result<String> {
    let text = std::fs::read_to_string(root.join(document))?;
    let heading = text.lines().find_map(|line| line.strip_prefix("# "));
    let heading = heading.with_context(|| format!("{} has no heading", document.display()))?;
    Ok(heading.replace(['[', ']'], ""))
}

/// Returns mdBook: the one on the PATH, else one that is installed below `target`.
fn mdbook(root: &Path) -> Result<Command> {
    let answers = |program: &Path| {
        let version = Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        version.is_ok_and(|status| status.success())
    };
    if answers(Path::new("mdbook")) {
        return Ok(Command::new("mdbook"));
    }
    let tools = root.join("target/tools");
    let own = tools.join("bin/mdbook");
    if !answers(&own) {
        say(&format!(
            "installing mdbook {MDBOOK} in {}",
            tools.display()
        ));
        let status = cargo()
            .args(["install", "mdbook", "--locked", "--no-default-features"])
            .args(["--features", "search", "--version", MDBOOK, "--root"])
            .arg(&tools)
            .status()
            .context("cannot run cargo")?;
        ensure!(status.success(), "mdbook could not be installed");
    }
    Ok(Command::new(own))
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
