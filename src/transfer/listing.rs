//! Reads the list of files that a container writes.
//!
//! ```text
//! find stat tar …          programs that the image has
//! directory                what the path is: directory, file, special, missing, root
//! MARK 81a4 12 1700000000 ./name      type and mode in hex, size, time, name
//! ```
//!
//! A name may hold anything but NUL, line breaks too. A record begins with a word that
//! nobody can know in advance, so that no name can pass for one.

use super::entry::{Entry, EntryKind, RelPath};
use super::error::CopyError;

/// Programs without which nothing is copied.
const NEEDED: [&str; 5] = ["find", "stat", "xargs", "head", "tail"];

/// What a container says about a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathListing {
    /// Programs that the image has.
    pub programs: Vec<String>,
    /// What the path is.
    pub place: PlaceKind,
    /// What is below it, or the file itself with the name `x`.
    pub entries: Vec<Entry>,
}

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceKind {
    Directory,
    /// A regular file.
    File,
    /// Something else.
    Special,
    /// Nothing.
    Missing,
}

impl PathListing {
    /// Reads what a container wrote. `mark` begins each record.
    ///
    /// # Errors
    /// [`CopyError::Lacking`] if the image lacks programs, [`CopyError::Listing`] if it
    /// is no list.
    pub fn read(bytes: &[u8], mark: &str) -> Result<Self, CopyError> {
        let wrong = |what: &str| CopyError::Listing(what.to_owned());
        let (programs, rest) = line(bytes).ok_or_else(|| wrong("it is empty"))?;
        let programs = String::from_utf8_lossy(programs);
        let programs: Vec<String> = programs.split_whitespace().map(str::to_owned).collect();
        let has = |name: &str| programs.iter().any(|known| known == name);
        let lacking: Vec<&str> = NEEDED.into_iter().filter(|name| !has(name)).collect();
        if !lacking.is_empty() {
            return Err(CopyError::Lacking(lacking));
        }
        let (place, mut rest) = line(rest).ok_or_else(|| wrong("it ends too early"))?;
        let place = match place {
            b"directory" => PlaceKind::Directory,
            b"file" => PlaceKind::File,
            b"special" => PlaceKind::Special,
            b"missing" => PlaceKind::Missing,
            b"root" => return Err(CopyError::Root),
            _ => return Err(wrong("it does not say what the path is")),
        };
        let head = format!("{mark} ").into_bytes();
        let next = [b"\n", &head[..]].concat();
        let mut entries = Vec::new();
        while !rest.is_empty() {
            let record = rest
                .strip_prefix(&head[..])
                .ok_or_else(|| wrong("a line is not a record"))?;
            let end = find(record, &next);
            let whole = end.map_or(record, |end| &record[..end]);
            let whole = match end {
                Some(_) => whole,
                None => whole
                    .strip_suffix(b"\n")
                    .ok_or_else(|| wrong("it is cut off"))?,
            };
            entries.extend(entry(whole)?);
            rest = end.map_or(&[], |end| &record[end + 1..]);
        }
        Ok(Self {
            programs,
            place,
            entries,
        })
    }

    /// Returns whether the image has a program.
    pub fn has(&self, program: &str) -> bool {
        self.programs.iter().any(|known| known == program)
    }
}

/// Reads a record; the directory itself is none.
fn entry(record: &[u8]) -> Result<Option<Entry>, CopyError> {
    let wrong = || CopyError::Listing(String::from_utf8_lossy(record).into_owned());
    let mut fields = record.splitn(4, |byte| *byte == b' ');
    let mut field = || fields.next().and_then(|it| std::str::from_utf8(it).ok());
    let mode = field().and_then(|text| u32::from_str_radix(text, 16).ok());
    let size = field().and_then(|text| text.parse().ok());
    let modified = field().and_then(|text| text.parse().ok());
    let (Some(mode), Some(size), Some(modified)) = (mode, size, modified) else {
        return Err(wrong());
    };
    let name = fields.next().ok_or_else(wrong)?;
    if name == b"." {
        return Ok(None);
    }
    let kind = match mode & 0o170_000 {
        0o100_000 => EntryKind::File(size),
        0o040_000 => EntryKind::Directory,
        0o120_000 => EntryKind::Link(Vec::new()),
        _ => EntryKind::Special,
    };
    Ok(Some(Entry {
        path: RelPath::new(name).ok_or_else(wrong)?,
        kind,
        mode: mode & 0o777,
        modified,
    }))
}

fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|part| part == wanted)
}

/// Reads where links point: each target with a line break and NUL after it, in the
/// order in which they were asked for.
pub fn targets(bytes: &[u8]) -> Vec<Vec<u8>> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    let targets = bytes.split(|byte| *byte == 0);
    let target = |text: &[u8]| text.strip_suffix(b"\n").unwrap_or(text).to_vec();
    targets.map(target).collect()
}

/// Reads what exists there: a letter and a name each, with NUL after them.
pub fn existing(bytes: &[u8]) -> Vec<(bool, RelPath)> {
    let records = bytes.split(|byte| *byte == 0);
    records
        .filter_map(|record| {
            let (kind, name) = record.split_first()?;
            Some((*kind == b'd', RelPath::new(name)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &str = "find stat xargs head tail tar sha256sum \ndirectory\n";

    fn read(records: &[u8]) -> Result<PathListing, CopyError> {
        PathListing::read(&[HEAD.as_bytes(), records].concat(), "MARK")
    }

    #[test]
    fn a_list_is_read() {
        let listing = read(
            b"MARK 41ed 4096 1700000000 .\nMARK 81a4 12 1700000001 ./a b\nMARK 41c0 4096 1 ./d\n\
              MARK a1ff 3 2 ./d/link\nMARK 81ed 0 3 ./line\nbreak\n\nMARK 11a4 0 4 ./pipe\n",
        )
        .unwrap();
        assert_eq!(listing.place, PlaceKind::Directory);
        assert!(listing.has("tar") && !listing.has("cksum"));
        let shown: Vec<String> = listing
            .entries
            .iter()
            .map(|entry| {
                format!(
                    "{} {:?} {:o} {}",
                    entry.path, entry.kind, entry.mode, entry.modified
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "a b File(12) 644 1700000001",
                "d Directory 700 1",
                "d/link Link([]) 777 2",
                "line\\nbreak\\n File(0) 755 3",
                "pipe Special 644 4",
            ]
        );
    }

    #[test]
    fn what_is_hostile_or_cut_off_is_refused() {
        for records in [
            &b"MARK 81a4 12 1 ../x\n"[..],
            b"MARK 81a4 12 1 /etc/passwd\n",
            b"MARK 81a4 12 1 ./a/../../x\n",
            b"MARK 81a4 12 1 ./a",
            b"MARK 81a4 -1 1 ./a\n",
            b"MARK zz 1 1 ./a\n",
            b"MARK 81a4 1\n",
            b"find: something\n",
        ] {
            assert!(
                read(records).is_err(),
                "{}",
                String::from_utf8_lossy(records)
            );
        }
        let lacking = PathListing::read(b"stat head \ndirectory\n", "MARK").unwrap_err();
        assert_eq!(lacking.to_string(), "the image has no find, xargs, tail");
        assert!(PathListing::read(b"", "MARK").is_err());
    }

    #[test]
    fn targets_and_what_exists_are_read() {
        assert_eq!(
            targets(b"a\n\0b c\n\0x\n\n\0"),
            [&b"a"[..], b"b c", b"x\n"].map(<[u8]>::to_vec)
        );
        assert!(targets(b"").is_empty());
        let path = |text: &str| RelPath::new(text.as_bytes()).unwrap();
        assert_eq!(
            existing(b"f./a\0d./b c\0f../x\0"),
            [(false, path("a")), (true, path("b c"))]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// Names come back as they were, whatever is in them.
        #[test]
        fn every_name_comes_back(names in proptest::collection::vec("[^\0/]{1,12}", 0..5)) {
            let names: Vec<String> = names
                .into_iter()
                .filter(|name| name != "." && name != "..")
                .collect();
            let records: String = names
                .iter()
                .map(|name| format!("MARK 81a4 1 2 ./{name}\n"))
                .collect();
            let listing = read(records.as_bytes()).unwrap();
            let back = listing.entries.iter().map(|it| String::from_utf8(it.path.bytes().to_vec()).unwrap());
            let back: Vec<String> = back.collect();
            prop_assert_eq!(back, names);
        }

        #[test]
        fn every_text_is_a_list_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
            let _ = PathListing::read(&bytes, "MARK");
            let _ = targets(&bytes);
            let _ = existing(&bytes);
        }
    }
}
