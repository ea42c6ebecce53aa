//! The walk through a workload directory: what is uploaded and what stays. It follows
//! symlinks within the directory, and ends whatever they lead to.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::vec;

use ignore::gitignore::Gitignore;

use super::WorkloadError;
use super::entrypoint;
use super::ignore_file::{self, leaving_out};
use super::special::{DANGLING, RESTORE, removal};
use crate::file::{DirectoryTree, FileError};
use crate::quantity::ByteSize;

/// Most files: each is named in every pod, and the workload that lists them
/// has to stay below what etcd takes.
pub const MOST_FILES: usize = 1_000;
/// Most files and directories that are walked.
const MOST_SEEN: usize = 10 * MOST_FILES;
/// Most bytes of a path in the directory. Linux takes 4096 of a whole one.
const LONGEST_PATH: usize = 4_000;

/// A file to upload, before it is read.
pub(super) struct Found {
    pub(super) file: PathBuf,
    /// Where it lies, from the root, with no symlink on the way.
    pub(super) real: PathBuf,
    pub(super) path: String,
    pub(super) size: u64,
}

/// A walk through the directory that follows symlinks, but not out of it.
pub(super) struct Walk<'a> {
    pub(super) top: &'a Path,
    root: PathBuf,
    pub(super) tree: DirectoryTree,
    env_file: Option<PathBuf>,
    pub(super) found: Vec<Found>,
    pub(super) left_out: Vec<String>,
    /// The directories that are being walked, from the top down.
    open: Vec<Level>,
    /// Files and directories so far, each as often as symlinks lead to it.
    seen: usize,
    pub(super) limit: ByteSize,
    ignored: Gitignore,
    /// Names at the top that are read and not uploaded, if they are files.
    special: &'a [&'a str],
}

/// A directory that is being walked.
struct Level {
    /// As the user named it.
    shown: PathBuf,
    /// With no symlink on the way.
    real: PathBuf,
    /// Path of what is in it, up to its name.
    prefix: String,
    entries: vec::IntoIter<OsString>,
}

impl<'a> Walk<'a> {
    /// Opens a directory. `env_file` is left out wherever in it it lies, and so are
    /// the files of the names in `special`.
    pub(super) fn new(
        top: &'a Path,
        env_file: Option<&Path>,
        limit: ByteSize,
        special: &'a [&'a str],
    ) -> Result<Self, WorkloadError> {
        let root = top
            .canonicalize()
            .map_err(|source| unreadable(top, source))?;
        Ok(Self {
            tree: DirectoryTree::open(&root).map_err(|source| unreadable(top, source))?,
            top,
            env_file: env_file.and_then(|file| file.canonicalize().ok()),
            found: Vec::new(),
            left_out: Vec::new(),
            open: Vec::new(),
            seen: 0,
            limit,
            ignored: ignore_file::read(top)?,
            special,
            root,
        })
    }

    /// Takes the file of this name at the top.
    pub(super) fn first(&mut self, name: &str) -> Result<(), WorkloadError> {
        let (shown, real) = (self.top.join(name), self.root.join(name));
        self.entry(&shown, &real, name)
    }

    /// Walks everything but the special files. Nothing is taken twice but what
    /// symlinks lead to, and that is counted.
    pub(super) fn walk(&mut self) -> Result<(), WorkloadError> {
        self.enter(self.top.to_path_buf(), self.root.clone(), String::new())?;
        while let Some(level) = self.open.last_mut() {
            let Some(name) = level.entries.next() else {
                self.open.pop();
                continue;
            };
            let (shown, real) = (level.shown.join(&name), level.real.join(&name));
            let Some(name) = name.to_str() else {
                return Err(refused(&shown, "its name is not UTF-8", "rename it"));
            };
            let path = format!("{}{name}", level.prefix);
            let is_directory = real.is_dir();
            if self.special.contains(&path.as_str()) && !is_directory {
                continue;
            }
            if self.ignored.matched(&path, is_directory).is_ignore() {
                self.left_out.push(path);
                continue;
            }
            self.entry(&shown, &real, &path)?;
        }
        Ok(())
    }

    fn enter(
        &mut self,
        shown: PathBuf,
        real: PathBuf,
        prefix: String,
    ) -> Result<(), WorkloadError> {
        let entries = fs::read_dir(&real).and_then(|entries| {
            let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
            names.collect::<Result<Vec<_>, _>>()
        });
        let mut entries = entries.map_err(|source| unreadable(&shown, source))?;
        entries.sort();
        if entries.is_empty() && !prefix.is_empty() {
            self.left_out.push(format!("{prefix} (empty)"));
        }
        self.open.push(Level {
            shown,
            real,
            prefix,
            entries: entries.into_iter(),
        });
        Ok(())
    }

    /// Takes what is at `real`, where only the last part may be a symlink.
    fn entry(&mut self, shown: &Path, real: &Path, path: &str) -> Result<(), WorkloadError> {
        let dangling = || refused(shown, DANGLING, RESTORE);
        let own = real.symlink_metadata().map_err(|_| dangling())?;
        let (real, metadata) = match own.is_symlink() {
            true => {
                let real = real.canonicalize().map_err(|_| dangling())?;
                let metadata = fs::metadata(&real).map_err(|source| unreadable(shown, source))?;
                (real, metadata)
            }
            false => (real.to_path_buf(), own.clone()),
        };
        let Ok(below) = real.strip_prefix(&self.root) else {
            let reason = format!(
                "it is a symlink to a path outside the directory, {}",
                real.display()
            );
            return Err(refused(shown, &reason, &self.without(path)));
        };
        if self.env_file.as_deref() == Some(&real) {
            return Ok(());
        }
        self.count(shown, path)?;
        if metadata.is_dir() {
            let is_around = |real: &Path| self.open.iter().any(|level| level.real == real);
            if own.is_symlink() && is_around(&real) {
                return Err(refused(
                    shown,
                    "it is a symlink to a parent directory",
                    "remove it",
                ));
            }
            return self.enter(shown.to_path_buf(), real, format!("{path}/"));
        }
        if !metadata.is_file() {
            let reason = "it is neither a file nor a directory";
            return Err(refused(shown, reason, &removal(shown)));
        }
        // Projected volumes refuse such names (validateLocalNonReservedPath).
        if path.starts_with("..") {
            return Err(refused(shown, "its name begins with two dots", "rename it"));
        }
        self.found.push(Found {
            file: shown.to_path_buf(),
            real: below.to_path_buf(),
            path: path.to_owned(),
            size: metadata.len(),
        });
        Ok(())
    }

    /// Counts a file or directory. What is far beyond the limits is not walked to
    /// its end: it may be a home directory, or a maze of symlinks.
    fn count(&mut self, shown: &Path, path: &str) -> Result<(), WorkloadError> {
        self.seen += 1;
        let first = path.split('/').next().unwrap_or(path);
        if path.len() > LONGEST_PATH {
            let reason = format!("it contains a path longer than {LONGEST_PATH} bytes");
            let first_shown = self.top.join(first);
            return Err(refused(
                &first_shown,
                &reason,
                &leaving_out(self.top, &[first]),
            ));
        }
        if self.seen <= MOST_SEEN {
            return Ok(());
        }
        self.check_limits()?;
        let reason = format!(
            "there are more than {MOST_SEEN} files and directories, including those behind symlinks"
        );
        let above = shown.parent().unwrap_or(self.top);
        Err(refused(above, &reason, &leaving_out(self.top, &[first])))
    }

    /// Says what to do about a symlink out of the directory.
    fn without(&self, path: &str) -> String {
        let copy = "copy its target into the directory";
        // A virtual environment links to the Python it was made of (PEP 405).
        let environment = Path::new(path).ancestors().skip(1).find(|above| {
            !above.as_os_str().is_empty() && self.top.join(above).join("pyvenv.cfg").is_file()
        });
        match environment {
            Some(above) => format!(
                "exclude the virtual environment: {}",
                leaving_out(self.top, &[&above.to_string_lossy()])
            ),
            // It is needed.
            None if path == entrypoint::FILE_NAME => copy.to_owned(),
            None => format!("{copy}, or exclude it: {}", leaving_out(self.top, &[path])),
        }
    }

    pub(super) fn check_limits(&self) -> Result<(), WorkloadError> {
        let total = ByteSize(self.found.iter().map(|found| found.size).sum());
        let crossed = if total > self.limit {
            format!("{}, --upload-limit", self.limit)
        } else if self.found.len() > MOST_FILES {
            format!("{MOST_FILES} files")
        } else {
            return Ok(());
        };
        let mut by_size: Vec<&Found> = self.found.iter().collect();
        by_size.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.path.cmp(&b.path)));
        Err(WorkloadError::TooLarge {
            directory: self.top.to_path_buf(),
            total,
            files: self.found.len(),
            limit: crossed,
            largest: by_size
                .iter()
                .take(3)
                .map(|found| (found.path.clone(), ByteSize(found.size)))
                .collect(),
        })
    }
}

pub(super) fn refused(file: &Path, reason: &str, hint: &str) -> WorkloadError {
    WorkloadError::NotUploadable {
        path: file.to_path_buf(),
        reason: reason.to_owned(),
        hint: hint.into(),
    }
}

pub(super) fn unreadable(path: &Path, source: std::io::Error) -> WorkloadError {
    FileError::new(path, source).into()
}
