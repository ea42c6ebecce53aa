//! Reads files. All of kaiwo reads them here, so that no file makes it wait
//! without end or fills the memory: a file is opened once, what it is is asked
//! of what was opened, and it is read up to a limit, whatever its size is said
//! to be.

#[cfg_attr(unix, path = "file/unix.rs")]
#[cfg_attr(not(unix), path = "file/other.rs")]
mod system;
#[cfg(all(test, unix))]
mod tests;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use crate::quantity::ByteSize;
use crate::secrecy;
use crate::shell;

pub use system::Tree;

/// Most bytes of a file that people write: settings, variables, patterns,
/// templates and what they are given. What becomes of it goes into objects, of
/// which etcd takes 1.5 MiB.
pub const WRITTEN: ByteSize = ByteSize(1 << 20);
/// Most bytes of a certificate, a key or a token. The authorities of all the
/// web, in one file, are a quarter of it.
pub const CREDENTIAL: ByteSize = ByteSize(1 << 20);
/// Most bytes of a kubeconfig: thousands of clusters, each with certificates.
pub const KUBECONFIG: ByteSize = ByteSize(16 << 20);
/// Most bytes of a prompt. The largest models take a few million tokens.
pub const PROMPT: ByteSize = ByteSize(16 << 20);

/// How long the other end of a pipe may take to be opened. Who writes to one in
/// the background does that at once; how long it then writes is its own affair.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(unix), expect(dead_code, reason = "there are fewer kinds"))]
enum Kind {
    File,
    Directory,
    Pipe,
    Socket,
    /// A device that is read byte by byte: `/dev/null`, a terminal.
    Stream,
    Device,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "a file",
            Self::Directory => "a directory",
            Self::Pipe => "a pipe",
            Self::Socket => "a socket",
            Self::Stream | Self::Device => "a device",
        })
    }
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// The operating system says so.
    #[error(transparent)]
    System(#[from] io::Error),
    /// It is something else.
    #[error("it is {0}, not a file")]
    NoFile(NoFile),
    /// It is longer than such a file may be.
    #[error("it is longer than {0}, the most that is read of such a file")]
    TooLong(ByteSize),
    /// It is a pipe, and nothing opens its other end.
    #[error("it is a pipe, and nothing writes to it")]
    NoWriter,
    /// It is not what it was when it was found.
    #[error("it became something else while it was read")]
    Changed,
    /// It holds bytes that are no text.
    #[error("it is no UTF-8 text")]
    NoText,
}

/// What is there in the place of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoFile(Kind);

impl fmt::Display for NoFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Reason {
    /// Returns the path for messages. What is there is shown as it is called; what
    /// is not may be the content of a file instead of its path.
    pub fn shown(&self, path: &Path) -> String {
        match self {
            Self::System(error) if error.kind() != io::ErrorKind::PermissionDenied => {
                secrecy::path(path)
            }
            _ => path.display().to_string(),
        }
    }

    /// Returns what to do about it.
    pub fn hint(&self, path: &Path) -> String {
        if self.shown(path) != path.to_string_lossy() {
            return "a path belongs there, and not what a file holds; kaiwo config show lists the \
                    settings, and where each comes from"
                .to_owned();
        }
        let shown = shell::quoted(&path.display().to_string());
        match self {
            Self::System(error) if error.kind() == io::ErrorKind::NotFound => {
                match path == Path::new("-") {
                    true => "standard input is /dev/stdin".to_owned(),
                    false => "check the path; it is taken from the working directory".to_owned(),
                }
            }
            Self::System(_) => format!("see its rights with: ls -ld {shown}"),
            Self::NoFile(NoFile(Kind::Directory)) => format!("see what is in it: ls -la {shown}"),
            Self::NoFile(_) => format!("see what it is: ls -lL {shown}"),
            Self::TooLong(_) => format!("see its size: ls -lL {shown}"),
            Self::NoWriter => "start first what writes to it, in the background".to_owned(),
            Self::Changed => "run the same command again when nothing changes it".to_owned(),
            Self::NoText => "save it as UTF-8".to_owned(),
        }
    }
}

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}", reason.shown(path))]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// Why not.
    #[source]
    pub reason: Reason,
}

impl FileError {
    /// Creates the error that `path` cannot be read.
    pub fn new(path: &Path, reason: impl Into<Reason>) -> Self {
        Self {
            path: path.to_path_buf(),
            reason: reason.into(),
        }
    }

    /// Returns whether there is nothing at its path.
    pub fn is_missing(&self) -> bool {
        matches!(&self.reason, Reason::System(error) if error.kind() == io::ErrorKind::NotFound)
    }

    /// Returns whether a directory is there.
    pub fn is_directory(&self) -> bool {
        matches!(self.reason, Reason::NoFile(NoFile(Kind::Directory)))
    }
}

/// Reads what somebody named: a file, `/dev/null`, or a pipe, such as a shell
/// makes of `<(command)`, to its end.
///
/// # Errors
/// [`FileError`] for what cannot be read, is none of these, or is longer than
/// `limit`.
pub fn named(path: &Path, limit: ByteSize) -> Result<Vec<u8>, FileError> {
    named_within(path, limit, PATIENCE)
}

fn named_within(path: &Path, limit: ByteSize, patience: Duration) -> Result<Vec<u8>, FileError> {
    let wrong = |reason| FileError::new(path, reason);
    let file = match system::kind(path).map_err(|error| wrong(error.into()))? {
        Kind::Pipe | Kind::Stream => open_stream(path, patience).map_err(wrong)?,
        _ => open(path).map_err(wrong)?,
    };
    bounded(file, limit).map_err(wrong)
}

/// Reads what was found by its name: a file and nothing else.
///
/// # Errors
/// [`FileError`] for what cannot be read, is no file, or is longer than `limit`.
pub fn found(path: &Path, limit: ByteSize) -> Result<Vec<u8>, FileError> {
    open(path)
        .and_then(|file| bounded(file, limit))
        .map_err(|reason| FileError::new(path, reason))
}

/// Returns the text that the bytes of a file are.
///
/// # Errors
/// [`FileError`] if they are none.
pub fn text(path: &Path, bytes: Vec<u8>) -> Result<String, FileError> {
    String::from_utf8(bytes).map_err(|_| FileError::new(path, Reason::NoText))
}

/// Reads to the end of what is open, unless that is beyond `limit`.
///
/// # Errors
/// [`Reason`] if it is, or cannot be read.
pub fn bounded(open: impl Read, limit: ByteSize) -> Result<Vec<u8>, Reason> {
    let mut bytes = Vec::new();
    open.take(limit.0.saturating_add(1))
        .read_to_end(&mut bytes)?;
    match bytes.len() as u64 > limit.0 {
        true => Err(Reason::TooLong(limit)),
        false => Ok(bytes),
    }
}

/// Opens a file. Nothing else is even opened, as far as it can be told before;
/// what decides is what was opened.
fn open(path: &Path) -> Result<File, Reason> {
    check(system::kind(path)?)?;
    let file = system::open(path)?;
    check(system::kind_of(&file.metadata()?))?;
    Ok(file)
}

fn check(kind: Kind) -> Result<(), Reason> {
    match kind {
        Kind::File => Ok(()),
        other => Err(Reason::NoFile(NoFile(other))),
    }
}

/// Opens a pipe, or a device that is read like one. That waits for the other
/// end, and only a thread can give it up.
fn open_stream(path: &Path, patience: Duration) -> Result<File, Reason> {
    let (done, opened) = mpsc::channel();
    let of = path.to_path_buf();
    std::thread::spawn(move || done.send(File::open(of)));
    let file = match opened.recv_timeout(patience) {
        Ok(file) => file?,
        Err(_) => return Err(Reason::NoWriter),
    };
    match system::kind_of(&file.metadata()?) {
        Kind::Pipe | Kind::Stream => Ok(file),
        _ => Err(Reason::Changed),
    }
}
