//! Writes the files of a copy on this machine.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::checksum::{Hasher, Method};
use super::entry::{self, Entry, EntryKind, RelPath};
use super::error::CopyError;
use super::plan::CopyPlan;

/// Where files are written.
#[derive(Debug, Clone)]
pub struct WriteTarget {
    directory: PathBuf,
    /// The name of the one file that is copied, if it is one.
    name: Option<RelPath>,
}

impl WriteTarget {
    /// Writes into a directory; one file under this name.
    ///
    /// # Errors
    /// [`CopyError::Name`] if it is no name.
    pub fn new(directory: &Path, name: Option<&str>) -> Result<Self, CopyError> {
        let name = match name {
            Some(name) => match RelPath::new(name.as_bytes()) {
                Some(name) => Some(name),
                None => return Err(CopyError::Name(name.to_owned())),
            },
            None => None,
        };
        Ok(Self {
            directory: directory.to_owned(),
            name,
        })
    }

    /// Returns where an entry is written.
    ///
    /// # Errors
    /// [`CopyError::Name`] if it cannot be here.
    pub fn path(&self, entry: &Entry) -> Result<PathBuf, CopyError> {
        let rel = self.name.as_ref().unwrap_or(&entry.path);
        rel.below(&self.directory)
            .ok_or_else(|| CopyError::Name(rel.to_string()))
    }

    /// Makes sure, before anything is written, that nothing is overwritten unless that
    /// is wanted, and that no link leads out.
    ///
    /// # Errors
    /// [`CopyError::Exist`], [`CopyError::Clash`].
    pub fn check(&self, plan: &CopyPlan, force: bool) -> Result<(), CopyError> {
        let (mut exist, mut clashes) = (Vec::new(), Vec::new());
        for entry in &plan.directories {
            let path = self.path(entry)?;
            if is_there(&path)?.is_some_and(|found| !found.is_dir()) {
                clashes.push(path.display().to_string());
            }
        }
        for entry in plan.files().chain(&plan.links) {
            let path = self.path(entry)?;
            match is_there(&path)? {
                Some(found) if found.is_dir() => clashes.push(path.display().to_string()),
                Some(_) => exist.push(path.display().to_string()),
                None => {}
            }
        }
        match () {
            () if !clashes.is_empty() => Err(CopyError::Clash(clashes)),
            () if !exist.is_empty() && !force => Err(CopyError::Exist(exist)),
            () => Ok(()),
        }
    }

    /// Creates the directories, writable until [`WriteTarget::finish`].
    ///
    /// # Errors
    /// [`CopyError::Local`].
    pub fn create_directories(&self, plan: &CopyPlan) -> Result<(), CopyError> {
        let create =
            |path: &Path| fs::create_dir_all(path).map_err(|error| CopyError::local(path, error));
        create(&self.directory)?;
        for entry in &plan.directories {
            let path = self.path(entry)?;
            create(&path)?;
            set_mode(&path, entry.mode | 0o700).map_err(|it| CopyError::local(&path, it))?;
        }
        Ok(())
    }

    /// Writes a small file.
    ///
    /// # Errors
    /// [`CopyError::Local`].
    pub fn write(&self, entry: &Entry, content: &[u8]) -> Result<(), CopyError> {
        let mut part = Part::new(self.path(entry)?, Method::Size)?;
        part.write(content)?;
        part.finish(entry).map(|_| ())
    }

    /// Begins a large file.
    ///
    /// # Errors
    /// [`CopyError::Local`].
    pub fn begin(&self, entry: &Entry, method: Method) -> Result<Part, CopyError> {
        Part::new(self.path(entry)?, method)
    }

    /// Creates the links, and sets the permissions and times of directories.
    ///
    /// # Errors
    /// [`CopyError::Local`].
    pub fn finish(&self, plan: &CopyPlan) -> Result<(), CopyError> {
        for entry in &plan.links {
            let path = self.path(entry)?;
            if let EntryKind::Link(target) = &entry.kind {
                let target = entry::local_name(target)
                    .ok_or_else(|| CopyError::Name(entry.path.to_string()))?;
                link(&target, &path).map_err(|error| CopyError::local(&path, error))?;
            }
        }
        // What is below is done first.
        for entry in plan.directories.iter().rev() {
            let path = self.path(entry)?;
            let done = File::open(&path)
                .and_then(|directory| directory.set_modified(time(entry.modified)))
                .and_then(|()| set_mode(&path, entry.mode));
            // Some systems set no times of directories.
            if let Err(error) = done
                && error.kind() != io::ErrorKind::PermissionDenied
            {
                return Err(CopyError::local(&path, error));
            }
        }
        Ok(())
    }
}

/// Returns what is at a path itself.
fn is_there(path: &Path) -> Result<Option<fs::Metadata>, CopyError> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(CopyError::local(path, error)),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

#[cfg(unix)]
fn link(target: &Path, path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::os::unix::fs::symlink(target, path)
}

#[cfg(not(unix))]
fn link(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

fn time(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.try_into().unwrap_or(0))
}

/// A file that is being written, under a name of its own until it is whole. Dropped
/// before that, it is removed.
#[derive(Debug)]
pub struct Part {
    path: PathBuf,
    part: PathBuf,
    file: File,
    hasher: Hasher,
    method: Method,
    written: u64,
    is_whole: bool,
}

impl Part {
    fn new(path: PathBuf, method: Method) -> Result<Self, CopyError> {
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(".kaiwo-part");
        let part = path.with_file_name(name);
        let wrong = |error| CopyError::local(&part, error);
        match fs::remove_file(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(wrong(error)),
            _ => {}
        }
        // What is there now is somebody else's, a link perhaps.
        let file = OpenOptions::new().write(true).create_new(true).open(&part);
        Ok(Self {
            file: file.map_err(wrong)?,
            path,
            hasher: method.hasher(),
            method,
            part,
            written: 0,
            is_whole: false,
        })
    }

    /// Returns how many bytes have arrived.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Writes more.
    ///
    /// # Errors
    /// [`CopyError::Local`], for instance if the disk is full.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), CopyError> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| CopyError::local(&self.part, error))?;
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Returns the checksum of what has arrived.
    pub fn sum(&self) -> String {
        self.hasher.clone().finish()
    }

    /// Begins from the first byte once more.
    ///
    /// # Errors
    /// [`CopyError::Local`].
    pub fn restart(&mut self) -> Result<(), CopyError> {
        let emptied = self
            .file
            .set_len(0)
            .and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map_err(|error| CopyError::local(&self.part, error))?;
        self.hasher = self.method.hasher();
        self.written = 0;
        Ok(())
    }

    /// Gives it its name, permissions and time.
    ///
    /// # Errors
    /// [`CopyError::Local`].
    pub fn finish(mut self, entry: &Entry) -> Result<(), CopyError> {
        let done = self
            .file
            .set_modified(time(entry.modified))
            .and_then(|()| set_mode(&self.part, entry.mode))
            .and_then(|()| fs::rename(&self.part, &self.path));
        done.map_err(|error| CopyError::local(&self.path, error))?;
        self.is_whole = true;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_whole {
            let _ = fs::remove_file(&self.part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::local::list;

    fn rel(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).unwrap()
    }

    fn entry(text: &str, kind: EntryKind) -> Entry {
        Entry {
            path: rel(text),
            kind,
            mode: 0o640,
            modified: 1_700_000_000,
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_written_is_listed() {
        let sandbox = tempfile::tempdir().unwrap();
        let root = sandbox.path().join("out");
        let target = WriteTarget::new(&root, None).unwrap();
        let mut directory = entry("d", EntryKind::Directory);
        directory.mode = 0o550;
        let entries = vec![
            directory,
            entry("d/ä b", EntryKind::File(3)),
            entry("link", EntryKind::Link("d/ä b".as_bytes().to_vec())),
        ];
        let plan = CopyPlan::new(entries.clone(), true).unwrap();
        target.check(&plan, false).unwrap();
        target.create_directories(&plan).unwrap();
        target.write(&entries[1], b"one").unwrap();
        target.finish(&plan).unwrap();
        let mut listed = list(&root).unwrap();
        listed.sort_by(|one, other| one.path.cmp(&other.path));
        let mut expected = entries.clone();
        // Systems have their own idea of the mode and time of a link.
        for all in [&mut listed, &mut expected] {
            all[2].mode = 0;
            all[2].modified = 0;
        }
        assert_eq!(listed, expected);
        let error = target.check(&plan, false).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("2 files that are copied already exist: "),
            "{error}"
        );
        target.check(&plan, true).unwrap();
        set_mode(&root.join("d"), 0o750).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_the_place_of_a_directory_is_not_followed() {
        let sandbox = tempfile::tempdir().unwrap();
        let (root, other) = (sandbox.path().join("out"), sandbox.path().join("other"));
        fs::create_dir(&root).unwrap();
        fs::create_dir(&other).unwrap();
        std::os::unix::fs::symlink(&other, root.join("d")).unwrap();
        let plan = CopyPlan::new(
            vec![
                entry("d", EntryKind::Directory),
                entry("d/f", EntryKind::File(1)),
            ],
            true,
        )
        .unwrap();
        let target = WriteTarget::new(&root, None).unwrap();
        assert!(matches!(
            target.check(&plan, true),
            Err(CopyError::Clash(_))
        ));
    }

    #[test]
    fn a_part_is_removed_unless_it_is_whole() {
        let sandbox = tempfile::tempdir().unwrap();
        let target = WriteTarget::new(sandbox.path(), Some("name")).unwrap();
        let file = entry("x", EntryKind::File(4));
        let mut part = target.begin(&file, Method::Cksum).unwrap();
        part.write(b"wrong").unwrap();
        part.restart().unwrap();
        part.write(b"four").unwrap();
        assert_eq!(
            (part.written(), part.sum()),
            (4, Method::Cksum.sum(b"four"))
        );
        drop(part);
        assert_eq!(fs::read_dir(sandbox.path()).unwrap().count(), 0);
        let mut part = target.begin(&file, Method::Size).unwrap();
        part.write(b"four").unwrap();
        part.finish(&file).unwrap();
        assert_eq!(fs::read(sandbox.path().join("name")).unwrap(), b"four");
    }
}
