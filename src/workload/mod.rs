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
pub mod packed;
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
use upload::MOST_BYTES;

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
        file: PathBuf,
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
    /// Files that no ConfigMap holds, and nothing that joins their pieces.
    #[error("{}", too_large(directory, files, *mount))]
    FilesTooLarge {
        directory: PathBuf,
        /// The files, relative to it, with their sizes.
        files: Vec<(String, ByteSize)>,
        /// Why they are not copied.
        mount: ReadOnlyMount,
    },
    /// All files together are too large.
    #[error(
        "{} contains {total} in {files} files, more than the limit of {limit}",
        directory.display()
    )]
    TooLarge {
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

/// Why uploads are mounted in the working directory instead of being copied there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOnlyMount {
    /// `--read-only-workdir` asks for it.
    Asked,
    /// The image's own program runs, so there is no command to put the copy before.
    OwnProgram,
}

impl ReadOnlyMount {
    fn reason(self) -> &'static str {
        match self {
            Self::Asked => "--read-only-workdir mounts files without joining their pieces",
            Self::OwnProgram => "no command joins pieces before the image's own program",
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Self::Asked => "remove --read-only-workdir, if the image has sh, cp and cat",
            Self::OwnProgram => "add an entrypoint, or the command to run: -- COMMAND",
        }
    }
}

/// The flag that sets how much may be uploaded.
const UPLOAD_LIMIT: &str = "--upload-limit";

/// Most files that a message names.
const MOST_NAMED: usize = 10;

fn too_large(directory: &Path, files: &[(String, ByteSize)], mount: ReadOnlyMount) -> String {
    let reason = mount.reason();
    match files {
        [(file, size)] => format!(
            "{} cannot be uploaded: {size} is more than the limit of a ConfigMap (976 KiB), and {reason}",
            directory.join(file).display()
        ),
        files => format!(
            "{} files of {} cannot be uploaded, each exceeds the limit of a ConfigMap (976 KiB), and {reason}: {}",
            files.len(),
            directory.display(),
            sizes(files)
        ),
    }
}

/// Returns files with their sizes, in words.
pub fn sizes(files: &[(String, ByteSize)]) -> String {
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
            Self::FilesTooLarge {
                directory,
                files,
                mount,
            } => {
                let mut hints = vec![mount.hint().into()];
                hints.extend(ignore_file::offers(directory, files));
                hints
            }
            Self::TooLarge {
                directory,
                largest,
                total,
                limit,
                ..
            } => {
                let mut hints = vec![format!("largest: {}", sizes(largest)).into()];
                if *total <= MOST_BYTES && limit.contains(UPLOAD_LIMIT) {
                    let whole = total.0.div_ceil(1 << 20);
                    hints.push(format!("raise the limit: {UPLOAD_LIMIT} {whole}Mi").into());
                }
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
            Self::FilesTooLarge {
                directory, files, ..
            } => Some(match &files[..] {
                [(file, _)] => directory.join(file).display().to_string(),
                _ => directory.display().to_string(),
            }),
            Self::TooLarge { directory, .. } => Some(directory.display().to_string()),
        }
    }
}
