//! Why something is not copied.

use std::io;
use std::path::Path;

use super::entry::on_one_line;
use crate::error::{Classified, ErrorClass};
use crate::secrecy;
use crate::suggestion::Suggestion;

/// Names that an error lists.
const LISTED: usize = 10;

/// Why something is not copied, or not whole.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Not one end is here and one where a workload runs.
    #[error("{0}: one of the two must be NAME:/path")]
    Ends(&'static str),
    /// It does not exist.
    #[error("{0} does not exist")]
    Missing(String),
    /// It is neither file nor directory.
    #[error("{0} is neither a file nor a directory")]
    Special(String),
    /// It is `/`, with devices and `/proc`.
    #[error("this is the whole file system of the container (/): copy a directory in it")]
    Root,
    /// Files exist, and are not to be overwritten.
    #[error("{} that {} already exist{}: {}", files(.0.len()), if .0.len() == 1 { "is copied" } else { "are copied" }, if .0.len() == 1 { "s" } else { "" }, shown(.0))]
    Exist(Vec<String>),
    /// Directories are in the place of files, or the other way round.
    #[error("{}", clash(.0))]
    Clash(Vec<String>),
    /// Something there cannot be read or written.
    #[error("{what}: {why}")]
    Remote {
        /// What was tried.
        what: String,
        /// What the container said.
        why: String,
    },
    /// The image lacks programs.
    #[error("the image has no {}", .0.join(", "))]
    Lacking(Vec<&'static str>),
    /// The container cannot run a shell.
    #[error("the image has no shell: {0}")]
    NoShell(String),
    /// What was listed makes no sense.
    #[error("the list of files cannot be read: {0}")]
    Listing(String),
    /// A file here cannot be read or written.
    #[error("{path}: {source}")]
    Local {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Names cannot be those of files on this machine.
    #[error("not valid as a file name on this machine: {0}")]
    Name(String),
    /// Files changed in the meantime, or arrived otherwise.
    #[error("{} changed while being copied: {}", files(.0.len()), shown(.0))]
    Changed(Vec<String>),
    /// The connection broke too often.
    #[error("the connection broke {tries} times without progress: {why}")]
    Lost {
        /// How often.
        tries: u32,
        /// Why the last time.
        why: String,
    },
}

impl CopyError {
    /// An error of a file here.
    pub fn local(path: &Path, source: io::Error) -> Self {
        Self::Local {
            path: secrecy::path(path),
            source,
        }
    }
}

impl Classified for CopyError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Ends(_) => ErrorClass::Usage,
            Self::Missing(_)
            | Self::Special(_)
            | Self::Root
            | Self::Exist(_)
            | Self::Clash(_)
            | Self::Remote { .. }
            | Self::Lacking(_)
            | Self::NoShell(_)
            | Self::Listing(_)
            | Self::Local { .. }
            | Self::Name(_) => ErrorClass::Refused,
            Self::Changed(_) => ErrorClass::Partial,
            Self::Lost { .. } => ErrorClass::Unreachable,
        }
    }

    fn hints(&self) -> Vec<Suggestion> {
        let hint = match self {
            Self::Ends(_) => "to copy between two workloads, copy to this machine first",
            Self::Exist(_) => "overwrite them with --force, or copy to another directory",
            Self::Clash(_) => "copy to another directory",
            Self::Lacking(_) | Self::NoShell(_) => {
                "use an image with a shell and the usual programs; for a kept claim, --helper-image busybox"
            }
            Self::Changed(_) => "copy them again with --force when they no longer change",
            Self::Lost { .. } => "run it again with --force when the connection is stable",
            _ => return Vec::new(),
        };
        vec![hint.into()]
    }

    fn object(&self) -> Option<String> {
        match self {
            Self::Local { path, .. } => Some(path.clone()),
            _ => None,
        }
    }
}

fn files(count: usize) -> String {
    match count {
        1 => "a file".to_owned(),
        count => format!("{count} files"),
    }
}

fn shown(names: &[String]) -> String {
    let listed = names.iter().take(LISTED).map(|name| on_one_line(name));
    let mut text = listed.collect::<Vec<_>>().join(", ");
    if names.len() > LISTED {
        text += &format!(" and {} more", names.len() - LISTED);
    }
    text
}

fn clash(names: &[String]) -> String {
    format!(
        "a directory and a file or symbolic link cannot replace each other: {}",
        shown(names)
    )
}
