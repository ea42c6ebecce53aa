//! The workload directory: its special files, and everything else, which is
//! uploaded. What is special are files; a directory of such a name is one like
//! others.

use std::fs;
use std::path::{Path, PathBuf};

use super::WorkloadError;
use super::entrypoint::{self, Entrypoint};
use super::ignore_file;
use super::special;
use super::template_values::CustomTemplate;
use super::upload::UploadFile;
use super::walk::{Found, Walk, refused, unreadable};
use crate::file::{self, FileError, Reason};
use crate::quantity::ByteSize;
use crate::secrecy::Confidential;
use crate::yaml;

pub use super::walk::MOST_FILES;

/// Files in the top directory that are read by kaiwo and not uploaded. The
/// entrypoint is uploaded too, but in the form it is executed in.
const SPECIAL: [&str; 6] = [
    entrypoint::FILE_NAME,
    ENV,
    PROJECT_SETTINGS,
    TEMPLATE,
    SERVE_CONFIG,
    ignore_file::NAME,
];
/// Name of the file with variables.
const ENV: &str = "env";
/// Name of the file with a template of the user's own.
pub const TEMPLATE: &str = "template";
/// Name of the file with the configuration of Ray Serve.
pub const SERVE_CONFIG: &str = "serveconfig";
/// Name of the file with settings.
pub const PROJECT_SETTINGS: &str = "kaiwoconfig";
/// Most bytes of all files together, unless `--upload-limit` says other.
pub const DEFAULT_LIMIT: ByteSize = ByteSize(8 << 20);
/// What a directory holds besides its settings.
#[derive(Debug)]
pub struct WorkloadDirectory {
    /// The script to run, if there is one.
    pub entrypoint: Option<Entrypoint>,
    /// Files to upload, without the entrypoint.
    pub files: Vec<UploadFile>,
    /// What was not uploaded: what no workload needs, and empty directories,
    /// which no ConfigMap can hold.
    pub left_out: Vec<String>,
    /// That git ignores some of the files, if the directory does not say itself what is not
    /// uploaded.
    pub ignored_by_git: Option<String>,
}

/// Files that list what a program in Python needs.
const REQUIREMENTS: [&str; 3] = ["uv.lock", "pyproject.toml", "requirements.txt"];
/// What an entrypoint runs to install them.
const INSTALLERS: [&str; 5] = ["pip", "uv ", "poetry", "conda", "mamba"];

impl WorkloadDirectory {
    /// Returns a file with requirements which the entrypoint, if it is a script, does
    /// not mention, and nothing like an installer either.
    pub fn uninstalled(&self) -> Option<&'static str> {
        let text = std::str::from_utf8(self.entrypoint.as_ref()?.content.expose()).ok()?;
        let mentions = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let is_there = |name: &&str| self.files.iter().any(|file| file.path == *name);
        let found = REQUIREMENTS.into_iter().find(is_there)?;
        (!mentions(&REQUIREMENTS) && !mentions(&INSTALLERS)).then_some(found)
    }
}

/// Returns the settings file of a directory and its text, if it has one.
///
/// # Errors
/// [`WorkloadError`] if `path` is no directory, or the file unreadable.
pub fn read_settings(path: &Path) -> Result<Option<(PathBuf, String)>, WorkloadError> {
    check(path)?;
    let file = path.join(PROJECT_SETTINGS);
    Ok(special::read(&file)?.map(|text| (file, text)))
}

/// Returns the text of the file with variables: `chosen`, which must exist,
/// else `env` in the directory, which may be missing.
///
/// # Errors
/// [`WorkloadError`] if it cannot be read.
pub fn read_env(
    path: Option<&Path>,
    chosen: Option<&Path>,
) -> Result<Option<(PathBuf, String)>, WorkloadError> {
    chosen_or_beside(path, ENV, chosen)
}

/// Returns the user's own template: `chosen`, which must exist, else
/// `template` in the directory, which may be missing.
///
/// # Errors
/// [`WorkloadError`] if it cannot be read.
pub fn read_template(
    path: Option<&Path>,
    chosen: Option<&Path>,
) -> Result<Option<CustomTemplate>, WorkloadError> {
    let found = chosen_or_beside(path, TEMPLATE, chosen)?;
    Ok(found.map(|(file, text)| CustomTemplate { file, text }))
}

/// Returns the configuration of Ray Serve in a directory, as the user wrote it;
/// checked to be a YAML mapping.
///
/// # Errors
/// [`WorkloadError`] if it is there and no mapping.
pub fn read_serve_config(path: &Path) -> Result<Option<String>, WorkloadError> {
    let file = path.join(SERVE_CONFIG);
    let Some(text) = special::read(&file)? else {
        return Ok(None);
    };
    let wrong = |file, line, message| {
        WorkloadError::Value {
        file,
        line,
        message,
        hint: "begin with:\n\napplications:\n- name: app\n  route_prefix: /\n  import_path: app:deployment\n"
            .into(),
    }
    };
    match yaml::parse_documents(&file, &text) {
        Ok(documents) if matches!(documents[..], [serde_json::Value::Object(_)]) => Ok(Some(text)),
        Ok(_) => Err(wrong(
            file,
            0,
            "the Ray Serve configuration is not a mapping".to_owned(),
        )),
        Err(error) => Err(wrong(file, error.line, error.message)),
    }
}

/// Returns a file and its text: `chosen`, which must exist, else the one of
/// this name in the directory.
fn chosen_or_beside(
    path: Option<&Path>,
    name: &str,
    chosen: Option<&Path>,
) -> Result<Option<(PathBuf, String)>, WorkloadError> {
    match (chosen, path) {
        (Some(path), _) => {
            let text = file::text(path, file::named(path, file::WRITTEN)?)?;
            Ok(Some((path.to_path_buf(), text)))
        }
        (None, Some(path)) => {
            let file = path.join(name);
            Ok(special::read(&file)?.map(|text| (file, text)))
        }
        (None, None) => Ok(None),
    }
}

/// Reads everything else in a directory. `env_file` is left out of the
/// uploads wherever in the directory it lies.
///
/// # Errors
/// [`WorkloadError`] for what cannot be read or uploaded, and for more than
/// `limit` bytes or [`MOST_FILES`] files.
pub fn read(
    path: &Path,
    env_file: Option<&Path>,
    limit: ByteSize,
) -> Result<WorkloadDirectory, WorkloadError> {
    let (mut walk, has_entrypoint) = find(path, env_file, limit)?;
    load(&mut walk, has_entrypoint)
}

/// Finds what there is to read. Tells whether the first of it is the entrypoint.
fn find<'a>(
    path: &'a Path,
    env_file: Option<&Path>,
    limit: ByteSize,
) -> Result<(Walk<'a>, bool), WorkloadError> {
    check(path)?;
    let mut walk = Walk::new(path, env_file, limit, &SPECIAL)?;
    // The entrypoint is a file like the others, read in a form of its own.
    let file = path.join(entrypoint::FILE_NAME);
    if file.symlink_metadata().is_ok() && !file.is_dir() {
        walk.first(entrypoint::FILE_NAME)?;
        if walk.found.is_empty() {
            return Err(refused(
                &file,
                "it is also the file with variables",
                "put the variables in a separate file",
            ));
        }
    }
    let has_entrypoint = !walk.found.is_empty();
    walk.walk()?;
    walk.check_limits()?;
    Ok((walk, has_entrypoint))
}

/// Reads what was found. What it became since then counts, within the limits.
fn load(walk: &mut Walk<'_>, has_entrypoint: bool) -> Result<WorkloadDirectory, WorkloadError> {
    let mut files = Vec::with_capacity(walk.found.len());
    let mut entrypoint = None;
    let mut total = 0;
    for index in 0..walk.found.len() {
        let read = walk.tree.read(&walk.found[index].real, walk.limit);
        if let Err(Reason::TooLong(most)) = read {
            walk.found[index].size = most.0.saturating_add(1);
            walk.check_limits()?;
        }
        let Found { file, path, .. } = &walk.found[index];
        let (content, metadata) = read.map_err(|reason| FileError::new(file, reason))?;
        let size = content.len() as u64;
        total += size;
        if has_entrypoint && index == 0 {
            entrypoint = Some(Entrypoint::parse(file, content)?);
        } else {
            files.push(UploadFile {
                path: path.clone(),
                content: Confidential::new(content),
                executable: is_executable(&metadata),
            });
        }
        walk.found[index].size = size;
        if ByteSize(total) > walk.limit {
            walk.check_limits()?;
        }
    }
    walk.left_out.sort();
    let paths: Vec<&str> = files.iter().map(|file| &*file.path).collect();
    Ok(WorkloadDirectory {
        entrypoint,
        ignored_by_git: ignore_file::ignored_by_git(walk.top, &paths),
        files,
        left_out: std::mem::take(&mut walk.left_out),
    })
}

#[cfg(unix)]
fn is_executable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &fs::Metadata) -> bool {
    false
}

fn check(path: &Path) -> Result<(), WorkloadError> {
    let metadata = fs::metadata(path).map_err(|source| unreadable(path, source))?;
    if metadata.is_dir() {
        Ok(())
    } else {
        Err(WorkloadError::NotADirectory(path.to_path_buf()))
    }
}

/// Writes a file that must not exist yet.
///
/// # Errors
/// Any of the file system, `AlreadyExists` among them.
pub fn write_new(file: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    fs::File::create_new(file)?.write_all(text.as_bytes())
}

#[cfg(all(test, unix))]
mod tests;
