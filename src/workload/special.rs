//! Special files of a workload directory: those whose name has a meaning. Only a
//! file has it; a directory of such a name is uploaded like any other.

use std::path::Path;

use super::WorkloadError;
use crate::file::{self, FileError, Reason};
use crate::shell;

pub(super) const DANGLING: &str = "it is a broken symlink";
pub(super) const RESTORE: &str = "remove it, or restore its target";

/// Returns the text of a special file, if there is one.
pub(super) fn read(path: &Path) -> Result<Option<String>, WorkloadError> {
    let wrong = |message, hint: String| WorkloadError::Value {
        file: path.to_path_buf(),
        line: 0,
        message,
        hint: hint.into(),
    };
    match file::found(path, file::WRITTEN) {
        Ok(bytes) => Ok(Some(file::text(path, bytes)?)),
        Err(error) if error.is_directory() => Ok(None),
        Err(error) if error.is_missing() => match path.symlink_metadata() {
            Ok(_) => Err(wrong(DANGLING.to_owned(), RESTORE.to_owned())),
            Err(_) => Ok(None),
        },
        Err(FileError { reason, .. }) if matches!(reason, Reason::NoFile(_)) => {
            Err(wrong(reason.to_string(), removal(path)))
        }
        Err(error) => Err(error.into()),
    }
}

/// Returns what removes a file.
pub(super) fn removal(path: &Path) -> String {
    format!(
        "remove it: rm {}",
        shell::quoted(&path.display().to_string())
    )
}
