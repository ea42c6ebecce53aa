//! Archives whose bytes depend on nothing but their content: no user, no clock, no order
//! of a file system.

use std::io::Write as _;

use anyhow::Result;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc, GzBuilder};
use tar::{Builder, EntryType, Header};

/// When every file was changed: 1980-01-01, the first day that a zip file can name, in
/// seconds since 1970.
pub const MODIFIED: u64 = 315_532_800;
/// The same date as zip files write it: year since 1980, month and day.
const ZIP_DATE: u16 = (1 << 5) | 1;

/// An entry of an archive.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Path in the archive, without a slash at its start.
    pub path: String,
    /// What it is.
    pub kind: Kind,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A file, and whether it is a program.
    File(Vec<u8>, bool),
    /// A symbolic link to this path.
    Link(String),
    /// A directory with this mode.
    Directory(u32),
}

impl Entry {
    /// Returns a file that everyone can read.
    pub fn file(path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self {
            path: path.into(),
            kind: Kind::File(content.into(), false),
        }
    }

    /// Returns a file that everyone can run.
    pub fn program(path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self {
            path: path.into(),
            kind: Kind::File(content.into(), true),
        }
    }

    /// Returns its mode.
    pub fn mode(&self) -> u32 {
        match self.kind {
            Kind::File(_, false) => 0o644,
            Kind::File(_, true) => 0o755,
            Kind::Link(_) => 0o777,
            Kind::Directory(mode) => mode,
        }
    }
}

/// Returns the entries with the directories that they are in, in the order of their paths.
pub fn with_directories(entries: &[Entry]) -> Vec<Entry> {
    let mut all = entries.to_vec();
    for entry in entries {
        for (at, _) in entry.path.match_indices('/') {
            let path = &entry.path[..at];
            if !all.iter().any(|known| known.path == path) {
                all.push(Entry {
                    path: path.to_owned(),
                    kind: Kind::Directory(0o755),
                });
            }
        }
    }
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}

/// Returns a tar archive. Every path begins with `prefix`.
pub fn tar(prefix: &str, entries: &[Entry]) -> Result<Vec<u8>> {
    let mut archive = Builder::new(Vec::new());
    for entry in entries {
        let mut header = Header::new_gnu();
        header.set_mode(entry.mode());
        header.set_mtime(MODIFIED);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(0);
        let mut path = format!("{prefix}{}", entry.path);
        match &entry.kind {
            Kind::File(content, _) => {
                header.set_size(content.len().try_into()?);
                archive.append_data(&mut header, path, content.as_slice())?;
            }
            Kind::Link(target) => {
                header.set_entry_type(EntryType::Symlink);
                archive.append_link(&mut header, path, target)?;
            }
            Kind::Directory(_) => {
                header.set_entry_type(EntryType::Directory);
                path.push('/');
                archive.append_data(&mut header, path, [].as_slice())?;
            }
        }
    }
    Ok(archive.into_inner()?)
}

/// Returns a content compressed by gzip.
pub fn gzip(content: &[u8]) -> Result<Vec<u8>> {
    let mut to = GzBuilder::new().write(Vec::new(), Compression::best());
    to.write_all(content)?;
    Ok(to.finish()?)
}

/// Returns an archive of `ar`, the outer form of Debian's packages: names of at most 15
/// letters.
pub fn ar(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = b"!<arch>\n".to_vec();
    for (name, content) in members {
        let size = content.len();
        let header = format!("{name:<16}{MODIFIED:<12}0     0     100644  {size:<10}`\n");
        archive.extend(header.as_bytes());
        archive.extend(content);
        if size % 2 == 1 {
            archive.push(b'\n');
        }
    }
    archive
}

/// Returns a zip archive of files (APPNOTE.TXT, 4.3): deflated, without extensions.
pub fn zip(entries: &[Entry]) -> Result<Vec<u8>> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    let mut count = 0_u16;
    for entry in entries {
        let Kind::File(content, _) = &entry.kind else {
            continue;
        };
        count += 1;
        let mut crc = Crc::new();
        crc.update(content);
        let mut deflated = DeflateEncoder::new(Vec::new(), Compression::best());
        deflated.write_all(content)?;
        let deflated = deflated.finish()?;
        // From "version needed to extract" to "extra field length", in both headers.
        let mut shared = Vec::new();
        for number in [20_u16, 0, 8, 0, ZIP_DATE] {
            shared.extend(number.to_le_bytes());
        }
        for number in [
            crc.sum(),
            u32::try_from(deflated.len())?,
            u32::try_from(content.len())?,
        ] {
            shared.extend(number.to_le_bytes());
        }
        shared.extend(u16::try_from(entry.path.len())?.to_le_bytes());
        shared.extend(0_u16.to_le_bytes());

        let offset = u32::try_from(archive.len())?;
        archive.extend(b"PK\x03\x04");
        archive.extend(&shared);
        archive.extend(entry.path.as_bytes());
        archive.extend(deflated);

        directory.extend(b"PK\x01\x02");
        // Written on Unix, so that the mode counts.
        directory.extend([20, 3]);
        directory.extend(&shared);
        directory.extend([0; 6]);
        directory.extend(((0o100_000 | entry.mode()) << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(entry.path.as_bytes());
    }
    let (start, size) = (archive.len(), directory.len());
    archive.extend(directory);
    archive.extend(b"PK\x05\x06");
    archive.extend([0; 4]);
    archive.extend(count.to_le_bytes());
    archive.extend(count.to_le_bytes());
    archive.extend(u32::try_from(size)?.to_le_bytes());
    archive.extend(u32::try_from(start)?.to_le_bytes());
    archive.extend([0; 2]);
    Ok(archive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_directory_comes_before_what_is_in_it() {
        let files = [Entry::program("usr/bin/kaiwo", "x"), Entry::file("a", "")];
        let paths = with_directories(&files).into_iter().map(|it| it.path);
        let paths: Vec<String> = paths.collect();
        assert_eq!(paths, ["a", "usr", "usr/bin", "usr/bin/kaiwo"]);
    }

    #[test]
    fn headers_have_the_lengths_of_their_formats() {
        let packed = ar(&[("odd", b"abc".to_vec()), ("even", b"ab".to_vec())]);
        assert_eq!(packed.len(), 8 + 60 + 4 + 60 + 2);
        assert!(packed[8..].starts_with(b"odd             315532800   0     0     100644  3 "));
        let packed = zip(&[Entry::file("a", "aaaaaaaaaaaaaaaaaaaaaaaa")]).unwrap();
        let end = packed.len() - 22;
        assert!(packed[end..].starts_with(b"PK\x05\x06"));
        let directory = u32::from_le_bytes(packed[end + 16..end + 20].try_into().unwrap());
        let directory = usize::try_from(directory).unwrap();
        assert!(packed[directory..].starts_with(b"PK\x01\x02"));
        assert_eq!(end - directory, 46 + 1);
    }
}
