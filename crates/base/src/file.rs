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

pub use system::DirectoryTree;

/// Most bytes of a file that people write: settings, variables, patterns,
/// templates and what they are given. What becomes of it goes into objects, of
/// which etcd takes 1.5 MiB.
pub const WRITTEN: ByteSize = ByteSize(1 << 20);
/// UTF-8's byte order mark.
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

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
    #[error("it is larger than the limit of {0}")]
    TooLong(ByteSize),
    /// It is a pipe, and nothing opens its other end.
    #[error("it is a pipe that nothing writes to")]
    NoWriter,
    /// It is not what it was when it was found.
    #[error("it changed while it was being read")]
    Changed,
    /// It holds bytes that are no text.
    #[error("it is not UTF-8 text")]
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
            return "use a path, not the content of a file; kaiwo config show lists the settings and their origins"
                .to_owned();
        }
        let shown = shell::quoted(&path.display().to_string());
        match self {
            Self::System(error) if error.kind() == io::ErrorKind::NotFound => {
                match path == Path::new("-") {
                    true => "for standard input, use /dev/stdin".to_owned(),
                    false => "check the path; it is relative to the working directory".to_owned(),
                }
            }
            Self::System(_) => format!("check its permissions: ls -ld {shown}"),
            Self::NoFile(NoFile(Kind::Directory)) => format!("list its content: ls -la {shown}"),
            Self::NoFile(_) => format!("check its type: ls -lL {shown}"),
            Self::TooLong(_) => format!("check its size: ls -lL {shown}"),
            Self::NoWriter => {
                "first start the program that writes to it, in the background".to_owned()
            }
            Self::Changed => {
                "run the same command again when the file no longer changes".to_owned()
            }
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

/// Returns the text that the bytes of a file are, without the byte order mark that
/// editors of other systems put before it.
///
/// # Errors
/// [`FileError`] if they are none.
pub fn text(path: &Path, bytes: Vec<u8>) -> Result<String, FileError> {
    let bytes = match bytes.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => rest.to_vec(),
        None => bytes,
    };
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

/// Returns whether everybody on this machine may change a file.
pub fn is_open_to_all(path: &Path) -> bool {
    system::is_open_to_all(path)
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
