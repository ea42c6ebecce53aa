//! Opens files where directories hold neither pipes nor devices.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use super::{Kind, Reason, bounded, check};
use crate::quantity::ByteSize;

/// Who may change what, no mode tells here.
pub(super) fn is_open_to_all(_: &Path) -> bool {
    false
}

pub(super) fn kind(path: &Path) -> io::Result<Kind> {
    fs::metadata(path).map(|metadata| kind_of(&metadata))
}

pub(super) fn kind_of(metadata: &Metadata) -> Kind {
    if metadata.is_dir() {
        Kind::Directory
    } else if metadata.is_file() {
        Kind::File
    } else {
        Kind::Stream
    }
}

pub(super) fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// A directory from which files are read that lie below it.
#[derive(Debug)]
pub struct DirectoryTree(PathBuf);

impl DirectoryTree {
    /// Takes a directory.
    ///
    /// # Errors
    /// None here.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(path.to_path_buf()))
    }

    /// Reads a file by its path from the directory, and returns what it holds
    /// and is.
    ///
    /// # Errors
    /// [`Reason`] if it is no file, or longer than `limit`.
    pub fn read(&self, path: &Path, limit: ByteSize) -> Result<(Vec<u8>, Metadata), Reason> {
        let file = open(&self.0.join(path))?;
        let metadata = file.metadata()?;
        check(kind_of(&metadata)).map_err(|_| Reason::Changed)?;
        Ok((bounded(file, limit)?, metadata))
    }
}
