//! Decides what is copied how, and where to.

use std::collections::BTreeSet;

use super::entry::{Entry, EntryKind, RelPath};
use super::error::CopyError;
use super::listing::PlaceKind;

/// Files up to this size travel in archives; larger ones alone, so that a broken
/// connection costs no more than the rest of them.
pub const SMALL: u64 = 4 << 20;
/// Bytes of one archive, which is repeated as a whole.
const BATCH: u64 = 8 << 20;
/// Files of one archive.
const BATCH_FILES: usize = 2000;

/// What is copied, in the order in which it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopyPlan {
    /// Directories, each before what is in it.
    pub directories: Vec<Entry>,
    /// Small files, in archives.
    pub batches: Vec<Vec<Entry>>,
    /// Large files.
    pub large: Vec<Entry>,
    pub links: Vec<Entry>,
    /// What is not copied, and why.
    pub skipped: Vec<String>,
}

impl CopyPlan {
    /// Sorts out what was listed. Without `tar` every file travels alone.
    ///
    /// # Errors
    /// [`CopyError::Listing`] if something is in a place that is no directory, or twice
    /// in one place.
    pub fn new(mut entries: Vec<Entry>, has_tar: bool) -> Result<Self, CopyError> {
        entries.sort_by(|one, other| one.path.cmp(&other.path));
        let mut plan = Self::default();
        let mut known: BTreeSet<&RelPath> = BTreeSet::new();
        for entry in entries.iter().filter(|it| it.kind == EntryKind::Directory) {
            known.insert(&entry.path);
        }
        let mut last = None;
        for entry in &entries {
            let is_in_place = entry.path.parent().is_none_or(|it| known.contains(&it));
            if !is_in_place || last.replace(&entry.path) == Some(&entry.path) {
                return Err(CopyError::Listing(entry.path.to_string()));
            }
        }
        let mut batch: Vec<Entry> = Vec::new();
        let mut size = 0;
        for entry in entries {
            match &entry.kind {
                EntryKind::Directory => plan.directories.push(entry),
                EntryKind::File(bytes) if !has_tar || *bytes > SMALL => plan.large.push(entry),
                EntryKind::File(bytes) => {
                    if size + bytes > BATCH || batch.len() == BATCH_FILES {
                        plan.batches.push(std::mem::take(&mut batch));
                        size = 0;
                    }
                    size += bytes;
                    batch.push(entry);
                }
                EntryKind::Link(target) if !entry.path.holds_target(target) => {
                    let target = String::from_utf8_lossy(target);
                    plan.skipped.push(format!(
                        "{}: a symbolic link to {target}, outside of what is copied",
                        entry.path
                    ));
                }
                EntryKind::Link(_) => plan.links.push(entry),
                EntryKind::Special => plan
                    .skipped
                    .push(format!("{}: a socket, pipe or device", entry.path)),
            }
        }
        if !batch.is_empty() {
            plan.batches.push(batch);
        }
        Ok(plan)
    }

    /// Returns all files.
    pub fn files(&self) -> impl Iterator<Item = &Entry> {
        self.batches.iter().flatten().chain(&self.large)
    }

    /// Returns the bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files().map(Entry::size).sum()
    }

    /// Returns what would be in the place of something else: files to be overwritten,
    /// and what cannot be. `existing` says of each path there whether it is a directory.
    pub fn conflicts(&self, existing: &[(bool, RelPath)]) -> (Vec<String>, Vec<String>) {
        let directories: BTreeSet<&RelPath> = self.directories.iter().map(|it| &it.path).collect();
        let (mut overwritten, mut clashes) = (Vec::new(), Vec::new());
        for (is_directory, path) in existing {
            match (directories.contains(path), is_directory) {
                (true, true) => {}
                (false, false) => overwritten.push(path.to_string()),
                _ => clashes.push(path.to_string()),
            }
        }
        (overwritten, clashes)
    }
}

/// Where something goes: a directory, and the name in it; with no name, the directory
/// itself takes the contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    pub directory: String,
    /// The name of what is copied in it.
    pub name: Option<String>,
}

/// Returns the last part of a path; none if it ends in `.`, `..` or is the root.
pub fn base_name(path: &str) -> Option<&str> {
    let name = path.trim_end_matches('/').rsplit('/').next()?;
    (!["", ".", "..", "~"].contains(&name)).then_some(name)
}

/// Returns the directory that a path is in.
pub fn directory_name(path: &str) -> String {
    match path.trim_end_matches('/').rsplit_once('/') {
        Some(("", _)) => "/".to_owned(),
        Some((directory, _)) => directory.to_owned(),
        None => ".".to_owned(),
    }
}

/// Decides, by the rules of `cp -r`, where `from` goes if `to` is what `place` says: into
/// a directory that exists under its own name, else under the name of `to`. Of a path
/// that ends in `/.` the contents are copied.
///
/// # Errors
/// [`CopyError`] for a directory in the place of a file, and for what is neither: it
/// would be replaced, and not written to.
pub fn destination(
    from: &str,
    from_is_directory: bool,
    to: &str,
    place: PlaceKind,
) -> Result<Destination, CopyError> {
    match place {
        PlaceKind::Special => return Err(CopyError::Special(to.to_owned())),
        PlaceKind::File if from_is_directory => return Err(CopyError::Clash(vec![to.to_owned()])),
        _ => {}
    }
    let into = |directory: &str, name: Option<&str>| Destination {
        directory: directory.to_owned(),
        name: name.map(str::to_owned),
    };
    let is_there = place == PlaceKind::Directory;
    Ok(match base_name(from) {
        None => into(to, None),
        Some(name) if is_there || to.ends_with('/') => match from_is_directory {
            true => into(&format!("{}/{name}", to.trim_end_matches('/')), None),
            false => into(to, Some(name)),
        },
        Some(_) if from_is_directory => into(to, None),
        Some(_) => into(&directory_name(to), base_name(to)),
    })
}

/// A file on its way in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset {
    /// Bytes of it that have arrived.
    pub at: u64,
    pub size: u64,
}

impl Offset {
    /// Returns what `tail -c +N` takes for the rest of it: bytes are counted from 1.
    pub fn tail(self) -> String {
        format!("+{}", self.at + 1)
    }

    /// Returns how many bytes are missing.
    pub fn rest(self) -> u64 {
        self.size.saturating_sub(self.at)
    }
}

/// Writes bytes so that `printf %b` gives them back (POSIX), in characters that no
/// shell, URL or runtime minds.
pub fn octal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' => {
                text.push((*byte).into());
            }
            byte => text += &format!("\\0{byte:03o}"),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(path: &str, kind: EntryKind) -> Entry {
        Entry {
            path: RelPath::new(path.as_bytes()).unwrap(),
            kind,
            mode: 0o644,
            modified: 0,
        }
    }

    #[test]
    fn files_are_sorted_by_how_they_travel() {
        let entries = vec![
            entry("d/small", EntryKind::File(SMALL)),
            entry("large", EntryKind::File(SMALL + 1)),
            entry("d", EntryKind::Directory),
            entry("d/in", EntryKind::Link(b"../large".to_vec())),
            entry("out", EntryKind::Link(b"/etc".to_vec())),
            entry("pipe", EntryKind::Special),
        ];
        let plan = CopyPlan::new(entries.clone(), true).unwrap();
        let names = |entries: &[Entry]| -> Vec<String> {
            entries.iter().map(|entry| entry.path.to_string()).collect()
        };
        assert_eq!(names(&plan.directories), ["d"]);
        assert_eq!(names(&plan.batches[0]), ["d/small"]);
        assert_eq!(names(&plan.large), ["large"]);
        assert_eq!(names(&plan.links), ["d/in"]);
        assert_eq!(
            plan.skipped,
            [
                "out: a symbolic link to /etc, outside of what is copied",
                "pipe: a socket, pipe or device"
            ]
        );
        assert_eq!(plan.bytes(), 2 * SMALL + 1);
        let plan = CopyPlan::new(entries, false).unwrap();
        assert_eq!((plan.batches.len(), plan.large.len()), (0, 2));
    }

    #[test]
    fn what_is_below_no_directory_or_twice_is_refused() {
        let link = entry("a", EntryKind::Link(b"b".to_vec()));
        let below = entry("a/b", EntryKind::File(1));
        assert!(CopyPlan::new(vec![link.clone(), below], true).is_err());
        assert!(CopyPlan::new(vec![link, entry("a", EntryKind::File(1))], true).is_err());
    }

    #[test]
    fn what_exists_is_overwritten_or_clashes() {
        let plan = CopyPlan::new(
            vec![
                entry("d", EntryKind::Directory),
                entry("f", EntryKind::File(1)),
            ],
            true,
        )
        .unwrap();
        let path = |text: &str| RelPath::new(text.as_bytes()).unwrap();
        let existing = |all: &[(bool, &str)]| {
            let all: Vec<_> = all.iter().map(|(is, text)| (*is, path(text))).collect();
            plan.conflicts(&all)
        };
        assert_eq!(existing(&[(true, "d")]), (vec![], vec![]));
        assert_eq!(existing(&[(false, "f")]), (vec!["f".to_owned()], vec![]));
        assert_eq!(existing(&[(true, "f")]), (vec![], vec!["f".to_owned()]));
        assert_eq!(existing(&[(false, "d")]), (vec![], vec!["d".to_owned()]));
    }

    #[test]
    fn it_goes_where_cp_would_put_it() {
        use PlaceKind::{Directory, File, Missing};
        for (from, is_directory, to, place, expected) in [
            ("/o/run", true, "out", Missing, ("out", None)),
            ("/o/run", true, "out", Directory, ("out/run", None)),
            ("/o/run/", true, "out/", Missing, ("out/run", None)),
            ("/o/run/.", true, "out", Directory, ("out", None)),
            (".", true, "/scratch", Directory, ("/scratch", None)),
            ("/", true, "out", Missing, ("out", None)),
            ("/o/f", false, "out", Directory, ("out", Some("f"))),
            ("/o/f", false, "out/", Missing, ("out/", Some("f"))),
            ("/o/f", false, "g", Missing, (".", Some("g"))),
            ("/o/f", false, "/g", File, ("/", Some("g"))),
            ("/o/f", false, "a/g", File, ("a", Some("g"))),
        ] {
            let found = destination(from, is_directory, to, place).unwrap();
            let found = (found.directory.as_str(), found.name.as_deref());
            assert_eq!(found, expected, "{from} {to}");
        }
        for (is_directory, place) in [
            (true, File),
            (true, PlaceKind::Special),
            (false, PlaceKind::Special),
        ] {
            assert!(destination("/o/x", is_directory, "/dev/null", place).is_err());
        }
    }

    #[test]
    fn offsets_are_counted_from_one() {
        let offset = Offset { at: 0, size: 10 };
        assert_eq!((offset.tail().as_str(), offset.rest()), ("+1", 10));
        let offset = Offset { at: 10, size: 10 };
        assert_eq!((offset.tail().as_str(), offset.rest()), ("+11", 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Every file travels once, and no archive is larger than it may be.
        #[test]
        fn every_file_travels_once(sizes in proptest::collection::vec(0..2 * SMALL, 0..300)) {
            let entries: Vec<Entry> = sizes
                .iter()
                .enumerate()
                .map(|(index, size)| entry(&format!("f{index}"), EntryKind::File(*size)))
                .collect();
            let plan = CopyPlan::new(entries, true).unwrap();
            prop_assert_eq!(plan.files().count(), sizes.len());
            prop_assert_eq!(plan.bytes(), sizes.iter().sum::<u64>());
            for batch in &plan.batches {
                prop_assert!(!batch.is_empty() && batch.len() <= BATCH_FILES);
                prop_assert!(batch.iter().map(Entry::size).sum::<u64>() <= BATCH.max(SMALL));
            }
        }

        /// However often it breaks, the parts are the file.
        #[test]
        fn parts_make_the_file(content in proptest::collection::vec(any::<u8>(), 0..200), cuts in proptest::collection::vec(0usize..80, 0..6)) {
            let mut arrived: Vec<u8> = Vec::new();
            let size = content.len() as u64;
            for cut in cuts.into_iter().chain([usize::MAX]) {
                let offset = Offset { at: arrived.len() as u64, size };
                let from: usize = offset.tail()[1..].parse::<usize>().unwrap() - 1;
                let part = content[from..].iter().take(offset.rest().try_into().unwrap()).take(cut);
                arrived.extend(part);
            }
            prop_assert_eq!(arrived, content);
        }

        #[test]
        fn octal_is_plain_and_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            let text = octal(&bytes);
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._\\".contains(&byte)));
            let mut back = Vec::new();
            let mut rest = text.as_bytes();
            while let Some((first, tail)) = rest.split_first() {
                if *first == b'\\' {
                    let digits = std::str::from_utf8(&tail[1..4]).unwrap();
                    back.push(u8::from_str_radix(digits, 8).unwrap());
                    rest = &tail[4..];
                } else {
                    back.push(*first);
                    rest = tail;
                }
            }
            prop_assert_eq!(back, bytes);
        }
    }
}
