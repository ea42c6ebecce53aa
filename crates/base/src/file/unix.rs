//! Opens files on Unix.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::{Kind, Reason, bounded, check};
use crate::quantity::ByteSize;

pub(super) fn kind(path: &Path) -> io::Result<Kind> {
    fs::metadata(path).map(|metadata| kind_of(&metadata))
}

pub(super) fn kind_of(metadata: &Metadata) -> Kind {
    let is = metadata.file_type();
    if is.is_dir() {
        Kind::Directory
    } else if is.is_fifo() {
        Kind::Pipe
    } else if is.is_socket() {
        Kind::Socket
    } else if is.is_char_device() {
        Kind::Stream
    } else if is.is_block_device() {
        Kind::Device
    } else {
        Kind::File
    }
}

pub(super) fn is_open_to_all(path: &Path) -> bool {
    let found = fs::metadata(path);
    found
        .is_ok_and(|found| kind_of(&found) == Kind::File && found.permissions().mode() & 0o002 != 0)
}

/// Opens a file, without waiting if it became a pipe.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
}

/// A directory from which files are read that lie below it, whatever becomes of
/// them meanwhile: it is opened once, and no symlink is followed from there.
#[derive(Debug)]
pub struct DirectoryTree(OwnedFd);

impl DirectoryTree {
    /// Opens a directory.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(File::open(path)?.into()))
    }

    /// Reads a file by its real path from the directory, on which there is no
    /// symlink, and returns what it holds and is.
    ///
    /// # Errors
    /// [`Reason::Changed`] if it is not there, is no file, or there is a symlink
    /// on the way; [`Reason::TooLong`] if it is longer than `limit`.
    pub fn read(&self, path: &Path, limit: ByteSize) -> Result<(Vec<u8>, Metadata), Reason> {
        let file = self.file(path).map_err(|error| match error {
            Errno::LOOP | Errno::NOTDIR | Errno::NOENT | Errno::NXIO => Reason::Changed,
            error => Reason::System(error.into()),
        })?;
        let metadata = file.metadata()?;
        check(kind_of(&metadata)).map_err(|_| Reason::Changed)?;
        Ok((bounded(file, limit)?, metadata))
    }

    fn file(&self, path: &Path) -> Result<File, Errno> {
        let mut folder: Option<OwnedFd> = None;
        let mut parts = path.components().peekable();
        while let Some(part) = parts.next() {
            let Component::Normal(name) = part else {
                return Err(Errno::NOENT);
            };
            let from: BorrowedFd<'_> = folder.as_ref().unwrap_or(&self.0).as_fd();
            let kind = match parts.peek() {
                Some(_) => OFlags::DIRECTORY,
                None => OFlags::NONBLOCK,
            };
            let flags = kind | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            folder = Some(openat(from, name, flags, Mode::empty())?);
        }
        folder.map(File::from).ok_or(Errno::NOENT)
    }
}
