//! Reads the workload directory: the only room that knows which files in it
//! mean something. Touches the file system, never the network or the
//! process's environment.

pub mod directory;
pub mod entrypoint;
pub mod env_file;
pub mod environment;
pub mod serve_config;
pub mod special;
pub mod template_values;
pub mod upload;

use std::path::PathBuf;

use crate::error::{Classified, ErrorClass};
use crate::file::FileError;
use crate::quantity::ByteSize;
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
        hint: String,
    },
    /// A file in the directory cannot be uploaded.
    #[error("{} cannot be uploaded: {reason}", path.display())]
    NotUploadable {
        /// The file, relative to the directory.
        path: PathBuf,
        /// Why not.
        reason: String,
        /// What to do instead.
        hint: String,
    },
    /// All files together are too large.
    #[error(
        "{} holds {total} in {files} files, more than can be uploaded ({limit})",
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

impl Classified for WorkloadError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Refused
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Read(error) => error.hints(),
            Self::NotADirectory(_) => {
                vec!["-p takes the directory that holds entrypoint".to_owned()]
            }
            Self::Yaml(error) => env_file::yaml_hint(error).into_iter().collect(),
            Self::Value { hint, .. } | Self::NotUploadable { hint, .. } => vec![hint.clone()],
            Self::TooLarge { largest, .. } => {
                let rows: Vec<String> = largest
                    .iter()
                    .map(|(path, size)| format!("{path} ({size})"))
                    .collect();
                vec![
                    format!("largest: {}", rows.join(", ")),
                    "put data and weights into the image, or fetch them when the workload starts"
                        .to_owned(),
                ]
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
            Self::TooLarge { directory, .. } => Some(directory.display().to_string()),
        }
    }
}
