//! Writes files that must not exist yet: all of them, or none.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::entrypoint::FILE_NAME;

/// A file that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// Path below the directory, with `/` between its parts.
    pub path: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// Why nothing was written.
#[derive(Debug)]
pub enum NotWritten {
    /// These are there already.
    Exist(Vec<PathBuf>),
    /// One could not be written.
    Failed(PathBuf, io::Error),
}

/// Writes files below `directory`, which is created if it is missing.
///
/// # Errors
/// [`NotWritten`] if one exists or cannot be written; those that were written before
/// it are removed again.
pub fn write(directory: &Path, files: &[NewFile]) -> Result<(), NotWritten> {
    let path = |file: &NewFile| directory.join(&file.path);
    let taken = files.iter().map(path);
    let taken: Vec<PathBuf> = taken.filter(|it| it.symlink_metadata().is_ok()).collect();
    if !taken.is_empty() {
        return Err(NotWritten::Exist(taken));
    }
    let mut written = Vec::new();
    for file in files {
        let path = path(file);
        if let Err(error) = write_one(&path, file, &mut written) {
            for path in written.iter().rev() {
                let _ = match path.is_dir() {
                    true => fs::remove_dir(path),
                    false => fs::remove_file(path),
                };
            }
            return Err(NotWritten::Failed(path, error));
        }
    }
    Ok(())
}

fn write_one(path: &Path, file: &NewFile, written: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut missing = Vec::new();
    let mut above = path.parent();
    while let Some(directory) = above.filter(|it| !it.as_os_str().is_empty() && !it.exists()) {
        missing.push(directory);
        above = directory.parent();
    }
    for directory in missing.into_iter().rev() {
        // `new/..` exists once `new` does.
        if !directory.exists() {
            fs::create_dir(directory)?;
            written.push(directory.to_path_buf());
        }
    }
    let mut open = fs::File::create_new(path)?;
    written.push(path.to_path_buf());
    open.write_all(&file.content)?;
    if file.path == FILE_NAME {
        make_executable(&open)?;
    }
    Ok(())
}

#[cfg(unix)]
fn make_executable(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut permissions = file.metadata()?.permissions();
    // For whoever may read it.
    permissions.set_mode(permissions.mode() | (permissions.mode() & 0o444) >> 2);
    file.set_permissions(permissions)
}

#[cfg(not(unix))]
fn make_executable(_: &fs::File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> NewFile {
        NewFile {
            path: path.to_owned(),
            content: b"new".to_vec(),
        }
    }

    #[test]
    fn all_files_are_written_or_none() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("a/b");
        write(&directory, &[file("entrypoint"), file("data/x")]).unwrap();
        assert_eq!(fs::read(directory.join("data/x")).unwrap(), b"new");
        let again = write(&directory, &[file("other"), file("data/x")]);
        assert!(
            matches!(again, Err(NotWritten::Exist(taken)) if taken == [directory.join("data/x")])
        );
        assert!(!directory.join("other").exists());
        write(&home.path().join("c/../d"), &[file("entrypoint")]).unwrap();
        assert!(home.path().join("d/entrypoint").exists());
        // A file where a directory is needed.
        let blocked = write(&directory, &[file("more/z"), file("entrypoint/y")]);
        assert!(
            matches!(blocked, Err(NotWritten::Failed(..))),
            "{blocked:?}"
        );
        assert!(!directory.join("more").exists());
    }
}
