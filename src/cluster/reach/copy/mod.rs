//! Copies files between this machine and a container, over connections that may break.

mod download;
pub mod helper;
mod remote;
mod scripts;
mod upload;

use std::collections::HashMap;

pub use download::Download;
pub use remote::{Container, CopyFailed, Remote, Voice};
pub use upload::CopyUpload;

use crate::transfer::checksum::Method;
use crate::transfer::entry::{Entry, RelPath};
use crate::transfer::plan::{self, CopyPlan};

/// What was copied.
#[derive(Debug, Clone, Copy)]
pub struct Copied {
    pub files: usize,
    pub bytes: u64,
    /// How they were compared.
    pub method: Method,
}

impl Copied {
    fn new(plan: &CopyPlan, method: Method) -> Self {
        Self {
            files: plan.files().count(),
            bytes: plan.bytes(),
            method,
        }
    }
}

/// Returns names as `xargs -0` takes them.
fn names<'a>(paths: impl IntoIterator<Item = &'a RelPath>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for path in paths {
        bytes.extend(path.dotted());
        bytes.push(0);
    }
    bytes
}

/// Returns pairs of a word and a name likewise.
fn pairs<'a>(all: impl IntoIterator<Item = (&'a [u8], &'a RelPath)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (word, path) in all {
        bytes.extend_from_slice(word);
        bytes.push(0);
        bytes.extend(path.dotted());
        bytes.push(0);
    }
    bytes
}

/// Returns an absolute path, or one that is no flag.
fn as_path(text: &str) -> String {
    match text.starts_with('/') || text == "~" || text.starts_with("~/") {
        true => text.to_owned(),
        false => format!("./{text}"),
    }
}

/// Returns the path of something below a directory of the container.
fn below(directory: &str, path: &RelPath) -> Vec<u8> {
    let directory = directory.trim_end_matches('/');
    [directory.as_bytes(), b"/", path.bytes()].concat()
}

fn shown(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.path.to_string()).collect()
}

/// Returns the small files that were copied, by `sums`, and are otherwise there than
/// here, or of which the container cannot tell.
async fn differing(
    remote: &Remote<'_>,
    base: &str,
    plan: &CopyPlan,
    method: Method,
    sums: &HashMap<RelPath, String>,
    voice: &Voice<'_>,
) -> Result<Vec<Entry>, CopyFailed> {
    let copied = plan.batches.iter().flatten();
    let copied = copied.filter(|entry| sums.contains_key(&entry.path));
    let (plain, odd): (Vec<&Entry>, Vec<&Entry>) =
        copied.partition(|entry| Method::writes_plainly(&entry.path));
    let mut differing: Vec<Entry> = odd.into_iter().cloned().collect();
    if !plain.is_empty() {
        let base = plan::octal(base.as_bytes());
        let names = names(plain.iter().map(|entry| &entry.path));
        let arguments = [base.as_str(), method.program()];
        let (_, written) = remote.ask(voice, scripts::SUMS, &arguments, &names).await?;
        let there = method.read(&written);
        let differs = |entry: &&&Entry| there.get(&entry.path) != sums.get(&entry.path);
        differing.extend(plain.iter().filter(differs).map(|entry| (*entry).clone()));
    }
    for entry in &differing {
        (voice.bytes)(-signed(entry.size()));
    }
    Ok(differing)
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
