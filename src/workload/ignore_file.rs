//! What is not uploaded: `.kaiwoignore`, in the syntax of `.gitignore`, and the
//! commands that add to it.

use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::WorkloadError;
use super::special;
use crate::names::counted;
use crate::quantity::ByteSize;
use crate::shell;
use crate::suggestion::Suggestion;

/// Name of the file that says what is not uploaded.
pub(super) const NAME: &str = ".kaiwoignore";
/// What git leaves out, which kaiwo offers and does not read.
const OF_GIT: &str = ".gitignore";
/// What no workload needs, wherever it lies: the first lines of every ignore
/// file, so that a user's `!.venv` takes one back.
const LEFT_OUT: [&str; 3] = [".git", "__pycache__", ".venv"];
/// Files that are named one by one in a command; more of them go by their endings.
const MOST_NAMED: usize = 5;

/// Reads the ignore file of a directory.
pub(super) fn read(directory: &Path) -> Result<Gitignore, WorkloadError> {
    let file = directory.join(NAME);
    // Paths are matched relative to the top, so the root is of no matter.
    let mut builder = GitignoreBuilder::new("");
    let text = special::read(&file)?.unwrap_or_default();
    let own = LEFT_OUT.into_iter().map(|line| (0, line));
    for (number, line) in own.chain((1..).zip(text.lines())) {
        builder
            .add_line(None, line)
            .map_err(|error| WorkloadError::Value {
                file: file.clone(),
                line: number,
                message: match error {
                    // Without the pattern itself.
                    ignore::Error::Glob { err, .. } => format!("invalid pattern: {err}"),
                    _ => "invalid pattern".to_owned(),
                },
                hint: "use the syntax of .gitignore".into(),
            })?;
    }
    builder.build().map_err(|error| WorkloadError::Value {
        file,
        line: 0,
        message: error.to_string(),
        hint: "use fewer or simpler patterns".into(),
    })
}

/// Returns the command by which files or directories are not uploaded.
pub fn leaving_out(directory: &Path, paths: &[&str]) -> String {
    let mut patterns: Vec<String> = match paths.len() <= MOST_NAMED {
        true => paths
            .iter()
            .map(|path| format!("/{}", escaped(path)))
            .collect(),
        false => paths.iter().map(|path| by_ending(path)).collect(),
    };
    patterns.sort();
    patterns.dedup();
    let words: Vec<String> = patterns.iter().map(|line| shell::quoted(line)).collect();
    let file = shell::quoted(&directory.join(NAME).display().to_string());
    match &words[..] {
        [word] => format!("echo {word} >> {file}"),
        words => format!("printf '%s\\n' {} >> {file}", words.join(" ")),
    }
}

/// Returns what to do about files that are too large: to leave them out, by a line
/// of one's own or those of git, and where else they can be.
pub(super) fn offers(directory: &Path, files: &[(String, ByteSize)]) -> Vec<Suggestion> {
    let paths: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
    let mut offers = Vec::new();
    if leaves_out(&directory.join(OF_GIT), &paths) {
        let file = |name: &str| shell::quoted(&directory.join(name).display().to_string());
        offers.push(
            format!(
                "git ignores them; to ignore them here: cat {} >> {}",
                file(OF_GIT),
                file(NAME)
            )
            .into(),
        );
    }
    offers.push(format!("exclude them: {}", leaving_out(directory, &paths)).into());
    offers.push(
        "put what the workload needs into the image or a claim (--volume), or download it at startup"
            .into(),
    );
    offers
}

/// Returns that git ignores some of these files, and how kaiwo does, too; nothing where a
/// directory says itself what is not uploaded.
pub(super) fn ignored_by_git(directory: &Path, paths: &[&str]) -> Option<String> {
    let (own, of_git) = (directory.join(NAME), directory.join(OF_GIT));
    if own.symlink_metadata().is_ok() {
        return None;
    }
    let count = left_out(&of_git, paths);
    let (files, them) = match count {
        0 => return None,
        1 => (counted(count, "file"), "it"),
        _ => (counted(count, "file"), "them"),
    };
    let file = |file: &Path| shell::quoted(&file.display().to_string());
    Some(format!(
        "{files} that git ignores will be uploaded; to exclude {them}: cp {} {}",
        file(&of_git),
        file(&own)
    ))
}

/// Returns whether a file of git's would leave out any of these.
fn leaves_out(file: &Path, paths: &[&str]) -> bool {
    left_out(file, paths) > 0
}

/// Returns how many of these a file of git's would leave out.
fn left_out(file: &Path, paths: &[&str]) -> usize {
    let Ok(Some(text)) = special::read(file) else {
        return 0;
    };
    let mut builder = GitignoreBuilder::new("");
    for line in text.lines() {
        // What git does not understand either, it passes over.
        let _ = builder.add_line(None, line);
    }
    let Ok(ignored) = builder.build() else {
        return 0;
    };
    let ignores = |path: &&&str| ignored.matched_path_or_any_parents(path, false).is_ignore();
    paths.iter().filter(ignores).count()
}

/// Returns a path as a pattern that means nothing else.
fn escaped(path: &str) -> String {
    let mut pattern = String::new();
    for c in path.chars() {
        if matches!(c, '*' | '?' | '[' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

/// Returns the pattern of all files that end as this one.
fn by_ending(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && !ending.is_empty() => {
            format!("*.{}", escaped(ending))
        }
        _ => format!("/{}", escaped(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_leave_out_what_they_name() {
        let of = |paths: &[&str]| leaving_out(Path::new("w"), paths);
        assert_eq!(of(&["a b.bin"]), "echo '/a b.bin' >> w/.kaiwoignore");
        assert_eq!(
            of(&["b", "a[1].pt"]),
            "printf '%s\\n' '/a\\[1].pt' /b >> w/.kaiwoignore"
        );
        let many = ["a.pt", "b.pt", "c.pt", "d.pt", "e/f.ipynb", "noending"];
        assert_eq!(
            of(&many),
            "printf '%s\\n' '*.ipynb' '*.pt' /noending >> w/.kaiwoignore"
        );
    }
}
