//! What is copied: files, directories and links below one directory.

use std::fmt;
use std::path::{Path, PathBuf};

/// A path below a directory: no part of it is empty, `.` or `..`. Its bytes need not
/// be text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelPath(Vec<u8>);

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file of this size.
    File(u64),
    Directory,
    /// A symbolic link, and where it points, once that is known.
    Link(Vec<u8>),
    /// A socket, a device or a named pipe.
    Special,
}

/// A file, directory or link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub path: RelPath,
    /// What it is.
    pub kind: EntryKind,
    /// Its permissions.
    pub mode: u32,
    /// When it was changed, in seconds since 1970.
    pub modified: i64,
}

impl RelPath {
    /// Reads a path as `find .` and archives write it, `./a/b`.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.strip_prefix(b"./").unwrap_or(bytes);
        let is_part = |part: &[u8]| !part.is_empty() && part != b"." && part != b"..";
        let is_path = bytes.split(|byte| *byte == b'/').all(is_part) && !bytes.contains(&0);
        is_path.then(|| Self(bytes.to_vec()))
    }

    /// Returns its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns it as an argument that is no flag: `./a/b`.
    pub fn dotted(&self) -> Vec<u8> {
        [b"./", &self.0[..]].concat()
    }

    /// Returns the directory that it is in; none if it is the topmost.
    pub fn parent(&self) -> Option<Self> {
        let end = self.0.iter().rposition(|byte| *byte == b'/')?;
        Some(Self(self.0[..end].to_vec()))
    }

    /// Returns its last part.
    pub fn name(&self) -> &[u8] {
        let begin = self.0.iter().rposition(|byte| *byte == b'/');
        &self.0[begin.map_or(0, |at| at + 1)..]
    }

    /// Returns the path beside it with another last part.
    pub fn beside(&self, name: &[u8]) -> Self {
        let mut bytes = self.0[..self.0.len() - self.name().len()].to_vec();
        bytes.extend_from_slice(name);
        Self(bytes)
    }

    /// Returns the path below a directory of this machine; nothing if this machine has
    /// no such names.
    pub fn below(&self, directory: &Path) -> Option<PathBuf> {
        Some(directory.join(local_name(&self.0)?))
    }

    /// Returns whether a link at this path that points to `target` stays within what is
    /// copied.
    pub fn holds_target(&self, target: &[u8]) -> bool {
        if target.is_empty() || target.starts_with(b"/") || target.contains(&0) {
            return false;
        }
        let mut depth = self.0.iter().filter(|byte| **byte == b'/').count();
        for part in target.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." if depth == 0 => return false,
                b".." => depth -= 1,
                _ => depth += 1,
            }
        }
        true
    }
}

/// Returns bytes as a name of this machine's.
#[cfg(unix)]
pub fn local_name(bytes: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt as _;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(bytes)))
}

/// Returns bytes as a name of this machine's.
#[cfg(not(unix))]
pub fn local_name(bytes: &[u8]) -> Option<PathBuf> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.contains(['\\', ':', '*', '?', '"', '<', '>', '|'])).then(|| PathBuf::from(text))
}

/// Returns the bytes of a name of this machine's.
#[cfg(unix)]
pub fn name_bytes(name: &std::ffi::OsStr) -> Option<Vec<u8>> {
    use std::os::unix::ffi::OsStrExt as _;
    Some(name.as_bytes().to_vec())
}

/// Returns the bytes of a name of this machine's.
#[cfg(not(unix))]
pub fn name_bytes(name: &std::ffi::OsStr) -> Option<Vec<u8>> {
    let text = name.to_str()?;
    Some(text.replace('\\', "/").into_bytes())
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&on_one_line(&String::from_utf8_lossy(&self.0)))
    }
}

/// Returns a name as messages show it: a line break in it does not end their line.
pub(super) fn on_one_line(name: &str) -> String {
    let escaped = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    name.chars().map(escaped).collect()
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl Entry {
    /// Returns its size; 0 if it is no file.
    pub fn size(&self) -> u64 {
        match self.kind {
            EntryKind::File(size) => size,
            _ => 0,
        }
    }

    /// Returns whether it is a file.
    pub fn is_file(&self) -> bool {
        matches!(self.kind, EntryKind::File(_))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_paths_are_none() {
        for path in [
            "",
            ".",
            "..",
            "/",
            "/etc/passwd",
            "../x",
            "a/../../x",
            "a//b",
            "a/",
            "./../x",
            "a/./b",
            "././a",
            "x\0y",
        ] {
            assert_eq!(RelPath::new(path.as_bytes()), None, "{path}");
        }
        for path in [
            "a",
            "./a",
            "a/b",
            "..a",
            "a..",
            "a/...",
            "ä/日本",
            "-rf",
            "a\nb",
        ] {
            assert!(RelPath::new(path.as_bytes()).is_some(), "{path}");
        }
    }

    #[test]
    fn links_that_lead_out_are_known() {
        let path = |text: &str| RelPath::new(text.as_bytes()).unwrap();
        for (link, target, stays) in [
            ("a", "b", true),
            ("a/b", "../c", true),
            ("a/b", "../../c", false),
            ("a", "../c", false),
            ("a", "/etc/passwd", false),
            ("a", "b/../../c", false),
            ("a", "b/../c", true),
            ("a", "", false),
        ] {
            assert_eq!(
                path(link).holds_target(target.as_bytes()),
                stays,
                "{link} {target}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// Whatever an archive or a listing calls a file, it is below the directory.
        #[test]
        fn no_path_leads_out(bytes in proptest::collection::vec(
            prop_oneof![Just(b'.'), Just(b'/'), Just(b'a'), Just(b'\\'), any::<u8>()], 0..12))
        {
            if let Some(path) = RelPath::new(&bytes)
                && let Some(below) = path.below(Path::new("/root/dir"))
            {
                prop_assert!(below.starts_with("/root/dir"));
                prop_assert!(below.components().all(|part| part != std::path::Component::ParentDir));
            }
        }

        /// A link that is said to stay, does.
        #[test]
        fn no_link_leads_out(link in "[ab](/[ab]){0,3}", target in "(\\.\\./|\\./|[ab]/|/){0,6}[ab]?") {
            let path = RelPath::new(link.as_bytes()).unwrap();
            if path.holds_target(target.as_bytes()) {
                let mut at: Vec<&str> = link.split('/').collect();
                at.pop();
                for part in target.split('/') {
                    match part {
                        "" | "." => {}
                        ".." => prop_assert!(at.pop().is_some()),
                        part => at.push(part),
                    }
                }
            }
        }
    }
}
