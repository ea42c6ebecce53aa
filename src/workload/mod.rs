//! Reads the workload directory: the only room that knows which files in it
//! mean something. Touches the file system, never the network or the
//! process's environment.

pub mod directory;
mod dotenv;
pub mod entrypoint;
pub mod env_file;
pub mod environment;
pub mod example;
pub mod ignore_file;
pub mod new_files;
pub mod script;
pub mod serve_config;
pub mod special;
pub mod starter;
pub mod template_values;
pub mod upload;
mod walk;

use std::path::{Path, PathBuf};

use crate::error::{Classified, ErrorClass};
use crate::file::FileError;
use crate::quantity::ByteSize;
use crate::suggestion::Suggestion;
use crate::yaml::{YamlError, place};

/// Something in the workload directory that cannot be used as it is.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    /// A file or directory cannot be read.
    #[error(transparent)]
    Read(#[from] FileError),
    /// The path is no directory.
    #[error("{} is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// A special file is not YAML, or has keys it may not have.
    #[error("{0}")]
    Yaml(#[from] YamlError),
    /// A value in a special file cannot be.
    #[error("{}: {message}", place(file, *line))]
    Value {
        /// The file.
        file: PathBuf,
        /// Its line.
        line: u64,
        /// What is wrong.
        message: String,
        /// What would be right.
        hint: Suggestion,
    },
    /// A file in the directory cannot be uploaded.
    #[error("{} cannot be uploaded: {reason}", path.display())]
    NotUploadable {
        /// The file, relative to the directory.
        path: PathBuf,
        /// Why not.
        reason: String,
        /// What to do instead.
        hint: Suggestion,
    },
    /// Files that no ConfigMap holds.
    #[error("{}", too_large(directory, files))]
    FilesTooLarge {
        /// The directory.
        directory: PathBuf,
        /// The files, relative to it, with their sizes.
        files: Vec<(String, ByteSize)>,
    },
    /// All files together are too large.
    #[error(
        "{} contains {total} in {files} files, more than the limit of {limit}",
        directory.display()
    )]
    TooLarge {
        /// The directory.
        directory: PathBuf,
        /// Size of all files.
        total: ByteSize,
        /// Number of all files.
        files: usize,
        /// The limit that was crossed, in words.
        limit: String,
        /// Largest files, with sizes.
        largest: Vec<(String, ByteSize)>,
    },
}

/// Most files that a message names.
const MOST_NAMED: usize = 10;

fn too_large(directory: &Path, files: &[(String, ByteSize)]) -> String {
    match files {
        [(file, size)] => format!(
            "{} cannot be uploaded: {size} is more than the limit of a ConfigMap (976 KiB)",
            directory.join(file).display()
        ),
        files => format!(
            "{} files of {} cannot be uploaded, each exceeds the limit of a ConfigMap (976 KiB): {}",
            files.len(),
            directory.display(),
            sizes(files)
        ),
    }
}

/// Returns files with their sizes.
fn sizes(files: &[(String, ByteSize)]) -> String {
    let named = files.iter().take(MOST_NAMED);
    let mut words: Vec<String> = named
        .map(|(path, size)| format!("{path} ({size})"))
        .collect();
    if files.len() > MOST_NAMED {
        words.push(format!("{} more", files.len() - MOST_NAMED));
    }
    words.join(", ")
}

impl Classified for WorkloadError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Refused
    }

    fn hints(&self) -> Vec<Suggestion> {
        match self {
            Self::Read(error) => error.hints(),
            Self::NotADirectory(_) => {
                vec!["use -p with the directory that contains the entrypoint".into()]
            }
            Self::Yaml(error) => {
                let hint = env_file::yaml_hint(error);
                hint.into_iter().map(Suggestion::from).collect()
            }
            Self::Value { hint, .. } | Self::NotUploadable { hint, .. } => vec![hint.clone()],
            Self::FilesTooLarge { directory, files } => ignore_file::offers(directory, files),
            Self::TooLarge {
                directory, largest, ..
            } => {
                let mut hints = vec![format!("largest: {}", sizes(largest)).into()];
                hints.extend(ignore_file::offers(directory, largest));
                hints
            }
        }
    }

    fn object(&self) -> Option<String> {
        match self {
            Self::Read(error) => error.object(),
            Self::NotADirectory(path) | Self::NotUploadable { path, .. } => {
                Some(path.display().to_string())
            }
            Self::Yaml(error) => Some(place(&error.file, error.line)),
            Self::Value { file, line, .. } => Some(place(file, *line)),
            Self::FilesTooLarge { directory, files } => Some(match &files[..] {
                [(file, _)] => directory.join(file).display().to_string(),
                _ => directory.display().to_string(),
            }),
            Self::TooLarge { directory, .. } => Some(directory.display().to_string()),
        }
    }
}
