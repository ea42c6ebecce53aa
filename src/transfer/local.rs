//! Reads the files of a copy on this machine.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::checksum::Method;
use super::entry::{self, Entry, EntryKind, RelPath};
use super::error::CopyError;
use super::listing::PlaceKind;

/// Bytes that are read at once.
const PART: usize = 64 << 10;

/// Returns what is at a path, links followed.
///
/// # Errors
/// [`CopyError::Local`] if that cannot be told.
pub fn place(path: &Path) -> Result<PlaceKind, CopyError> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(PlaceKind::Directory),
        Ok(found) if found.is_file() => Ok(PlaceKind::File),
        Ok(_) => Ok(PlaceKind::Special),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(PlaceKind::Missing),
        Err(error) => Err(CopyError::local(path, error)),
    }
}

/// Lists what is below a directory; of a file, the file itself with the name `x`.
///
/// # Errors
/// [`CopyError::Local`] if something cannot be read.
pub fn list(root: &Path) -> Result<Vec<Entry>, CopyError> {
    let metadata = fs::metadata(root).map_err(|error| CopyError::local(root, error))?;
    if metadata.is_file() {
        let path = RelPath::new(b"x").into_iter();
        return Ok(path
            .map(|path| entry_of(path, &metadata, Vec::new()))
            .collect());
    }
    let mut entries = Vec::new();
    let mut open = vec![(root.to_owned(), Vec::new())];
    while let Some((directory, above)) = open.pop() {
        let wrong = |error| CopyError::local(&directory, error);
        for found in fs::read_dir(&directory).map_err(wrong)? {
            let found = found.map_err(wrong)?;
            let path = found.path();
            let metadata = fs::symlink_metadata(&path).map_err(|it| CopyError::local(&path, it))?;
            let name = entry::name_bytes(&found.file_name());
            let mut bytes: Vec<u8> = above.clone();
            bytes.extend(name.unwrap_or_default());
            let Some(rel) = RelPath::new(&bytes) else {
                return Err(CopyError::Name(path.display().to_string()));
            };
            let target = match metadata.is_symlink() {
                true => fs::read_link(&path).map_err(|it| CopyError::local(&path, it))?,
                false => PathBuf::new(),
            };
            let target = entry::name_bytes(target.as_os_str()).unwrap_or_default();
            entries.push(entry_of(rel, &metadata, target));
            if metadata.is_dir() {
                bytes.push(b'/');
                open.push((path, bytes));
            }
        }
    }
    Ok(entries)
}

fn entry_of(path: RelPath, metadata: &fs::Metadata, target: Vec<u8>) -> Entry {
    let kind = match () {
        () if metadata.is_symlink() => EntryKind::Link(target),
        () if metadata.is_dir() => EntryKind::Directory,
        () if metadata.is_file() => EntryKind::File(metadata.len()),
        () => EntryKind::Special,
    };
    let modified = metadata.modified().ok();
    let modified = modified.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    Entry {
        path,
        mode: mode(metadata, &kind),
        kind,
        modified: modified.map_or(0, |since| since.as_secs().try_into().unwrap_or(0)),
    }
}

#[cfg(unix)]
fn mode(metadata: &fs::Metadata, _: &EntryKind) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o777
}

#[cfg(not(unix))]
fn mode(_: &fs::Metadata, kind: &EntryKind) -> u32 {
    match kind {
        EntryKind::Directory => 0o755,
        _ => 0o644,
    }
}

/// A file that is read in parts.
#[derive(Debug)]
pub struct PartReader {
    path: PathBuf,
    file: File,
    /// Bytes that are still to come.
    rest: u64,
}

/// Returns all of a small file.
///
/// # Errors
/// [`CopyError::Local`] if it cannot be read.
pub fn content(path: &Path) -> Result<Vec<u8>, CopyError> {
    fs::read(path).map_err(|error| CopyError::local(path, error))
}

impl PartReader {
    /// Opens a file from an offset on.
    ///
    /// # Errors
    /// [`CopyError::Local`] if it cannot be read.
    pub fn open(path: &Path, at: u64, size: u64) -> Result<Self, CopyError> {
        let wrong = |error| CopyError::local(path, error);
        let mut file = File::open(path).map_err(wrong)?;
        file.seek(SeekFrom::Start(at)).map_err(wrong)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            rest: size.saturating_sub(at),
        })
    }

    /// Returns the next part; nothing at the end.
    ///
    /// # Errors
    /// [`CopyError::Local`] if it cannot be read or has become shorter.
    pub fn next_part(&mut self) -> Result<Option<Vec<u8>>, CopyError> {
        if self.rest == 0 {
            return Ok(None);
        }
        let most = self.rest.min(PART as u64);
        let mut part = Vec::with_capacity(PART);
        let read = (&mut self.file).take(most).read_to_end(&mut part);
        let read = read.map_err(|error| CopyError::local(&self.path, error))?;
        if read == 0 {
            return Err(CopyError::Changed(vec![self.path.display().to_string()]));
        }
        self.rest -= read as u64;
        Ok(Some(part))
    }
}

/// Returns the checksum of the first bytes of a file.
///
/// # Errors
/// As [`PartReader::next_part`].
pub fn sum(path: &Path, size: u64, method: Method) -> Result<String, CopyError> {
    let mut hasher = method.hasher();
    let mut reading = PartReader::open(path, 0, size)?;
    while let Some(part) = reading.next_part()? {
        hasher.update(&part);
    }
    Ok(hasher.finish())
}
