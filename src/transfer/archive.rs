//! Small files travel in tar archives. One holds regular files only: what a directory or
//! a link is, the list says, and an archive is believed only where it has what was asked
//! for.

use std::collections::HashMap;
use std::io::{self, Read as _};

use tar::{Archive, Builder, EntryType, Header};

use super::entry::{Entry, RelPath};

/// Returns an archive of files with these contents.
///
/// # Errors
/// If a name or a size does not fit.
pub fn pack<'a>(
    files: impl IntoIterator<Item = (&'a RelPath, &'a Entry, &'a [u8])>,
) -> io::Result<Vec<u8>> {
    let mut builder = Builder::new(Vec::new());
    for (path, entry, content) in files {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(entry.mode);
        header.set_mtime(u64::try_from(entry.modified).unwrap_or(0));
        header.set_size(content.len() as u64);
        header.set_uid(0);
        header.set_gid(0);
        let name = super::entry::local_name(&path.dotted())
            .ok_or_else(|| io::Error::other("a name is not valid here"))?;
        builder.append_data(&mut header, name, content)?;
    }
    builder.into_inner()
}

/// Returns the contents of the files that were asked for, by their place in `wanted`.
/// Whatever else an archive has is passed over, and so is what is no regular file.
///
/// # Errors
/// If the archive is cut off or broken.
pub fn unpack(bytes: &[u8], wanted: &[&RelPath]) -> io::Result<Vec<(usize, Vec<u8>)>> {
    let places: HashMap<&RelPath, usize> = wanted
        .iter()
        .enumerate()
        .map(|(index, path)| (*path, index))
        .collect();
    let mut archive = Archive::new(bytes);
    // Of many files there are several archives, one behind the other.
    archive.set_ignore_zeros(true);
    let mut found = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        if !matches!(
            entry.header().entry_type(),
            EntryType::Regular | EntryType::Continuous
        ) {
            continue;
        }
        let path = RelPath::new(&entry.path_bytes());
        let Some(index) = path.and_then(|path| places.get(&path).copied()) else {
            continue;
        };
        let size = entry.size();
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        if content.len() as u64 != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        found.push((index, content));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::transfer::entry::EntryKind;

    fn path(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).unwrap()
    }

    fn file(text: &str, size: u64) -> Entry {
        Entry {
            path: path(text),
            kind: EntryKind::File(size),
            mode: 0o640,
            modified: 1_700_000_000,
        }
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let long = "d/".repeat(90) + "ä";
        let files = [file("a b", 3), file(&long, 0), file("line\nbreak", 2)];
        let contents: [&[u8]; 3] = [b"one", b"", b"\0\xff"];
        let packed = files.iter().zip(contents);
        let bytes = pack(packed.map(|(entry, bytes)| (&entry.path, entry, bytes))).unwrap();
        let wanted: Vec<&RelPath> = files.iter().map(|entry| &entry.path).collect();
        let found = unpack(&[&bytes[..], &bytes[..]].concat(), &wanted).unwrap();
        assert_eq!(found.len(), 6);
        for (index, content) in found {
            assert_eq!(content, contents[index]);
        }
    }

    /// Writes a name that the library would refuse.
    fn hostile(name: &[u8], kind: EntryType, link: &str) -> Vec<u8> {
        let mut header = Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name);
        header.set_entry_type(kind);
        if !link.is_empty() {
            header.set_link_name(link).unwrap();
        }
        let content: &[u8] = if kind == EntryType::Regular {
            b"evil"
        } else {
            b""
        };
        header.set_size(content.len() as u64);
        header.set_mode(0o777);
        header.set_cksum();
        let mut builder = Builder::new(Vec::new());
        builder.append(&header, content).unwrap();
        builder.into_inner().unwrap()
    }

    #[test]
    fn nothing_comes_out_that_was_not_asked_for() {
        let wanted = path("a");
        for (name, kind, link) in [
            (&b"/etc/passwd"[..], EntryType::Regular, ""),
            (b"../../a", EntryType::Regular, ""),
            (b"./b", EntryType::Regular, ""),
            (b"a", EntryType::Symlink, "/etc/passwd"),
            (b"a", EntryType::Link, "/etc/passwd"),
            (b"a", EntryType::Directory, ""),
            (b"a", EntryType::Fifo, ""),
            (b"a/../b", EntryType::Regular, ""),
        ] {
            let found = unpack(&hostile(name, kind, link), &[&wanted]).unwrap();
            assert!(found.is_empty(), "{}", String::from_utf8_lossy(name));
        }
        let found = unpack(&hostile(b"./a", EntryType::Regular, ""), &[&wanted]).unwrap();
        assert_eq!(found, [(0, b"evil".to_vec())]);
    }

    #[test]
    fn an_archive_that_is_cut_off_is_an_error() {
        let entry = file("a", 2000);
        let bytes = pack([(&entry.path, &entry, &[7; 2000][..])]).unwrap();
        assert!(unpack(&bytes[..1500], &[&entry.path]).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn every_text_is_an_archive_or_an_error(
            at in 0usize..2048, byte: u8, cut in 0usize..3000)
        {
            let entry = file("a", 100);
            let mut bytes = pack([(&entry.path, &entry, &[7; 100][..])]).unwrap();
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            bytes.truncate(cut);
            if let Ok(found) = unpack(&bytes, &[&entry.path]) {
                prop_assert!(found.iter().all(|(index, _)| *index == 0));
            }
        }
    }
}
