//! The workload directory: its special files, and everything else, which is
//! uploaded. What is special are files; a directory of such a name is one like
//! others.

use std::fs;
use std::path::{Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::WorkloadError;
use super::entrypoint::{self, Entrypoint};
use super::special::{self, DANGLING, RESTORE, removal};
use super::template_values::CustomTemplate;
use super::upload::{PART_LIMIT, UploadFile};
use crate::file::{self, FileError, Reason, Tree};
use crate::quantity::ByteSize;
use crate::shell;
use crate::yaml;

/// Files in the top directory that are read by kaiwo and not uploaded. The
/// entrypoint is uploaded too, but in the form it is executed in.
const SPECIAL: [&str; 6] = [
    entrypoint::FILE_NAME,
    ENV,
    PROJECT_SETTINGS,
    TEMPLATE,
    SERVE_CONFIG,
    IGNORE,
];
/// Name of the file with variables.
const ENV: &str = "env";
/// Name of the file with a template of the user's own.
pub const TEMPLATE: &str = "template";
/// Name of the file with the configuration of Ray Serve.
pub const SERVE_CONFIG: &str = "serveconfig";
/// Name of the file with settings.
pub const PROJECT_SETTINGS: &str = "kaiwoconfig";
/// Name of the file that says what is not uploaded.
const IGNORE: &str = ".kaiwoignore";
/// What no workload needs, wherever it lies: the first lines of every ignore
/// file, so that a user's `!.venv` takes one back.
const LEFT_OUT: [&str; 3] = [".git", "__pycache__", ".venv"];

/// Most bytes of all files together, unless `--upload-limit` says other.
pub const DEFAULT_LIMIT: ByteSize = ByteSize(8 << 20);
/// Most bytes of one file: it shares a ConfigMap with its own path.
const MOST_OF_A_FILE: ByteSize = ByteSize(PART_LIMIT as u64 - 200);
/// Most files: each is named in every pod, and the workload that lists them
/// has to stay below what etcd takes.
pub const MOST_FILES: usize = 1_000;

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
            .to_owned(),
    }
    };
    match yaml::parse_documents(&file, &text) {
        Ok(documents) if matches!(documents[..], [serde_json::Value::Object(_)]) => Ok(Some(text)),
        Ok(_) => Err(wrong(
            file,
            0,
            "the configuration of Ray Serve is no mapping".to_owned(),
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
    let root = path
        .canonicalize()
        .map_err(|source| unreadable(path, source))?;
    let mut walk = Walk {
        tree: Tree::open(&root).map_err(|source| unreadable(path, source))?,
        top: path,
        env_file: env_file.and_then(|file| file.canonicalize().ok()),
        found: Vec::new(),
        left_out: Vec::new(),
        open: vec![root.clone()],
        root,
        limit,
        ignored: ignored(path)?,
    };
    // The entrypoint is a file like the others, read in a form of its own.
    let file = path.join(entrypoint::FILE_NAME);
    if file.symlink_metadata().is_ok() && !file.is_dir() {
        walk.entry(&file, entrypoint::FILE_NAME.to_owned())?;
        if walk.found.is_empty() {
            return Err(refused(
                &file,
                "it is the file with variables, too",
                "keep the variables in a file of their own",
            ));
        }
    }
    let has_entrypoint = !walk.found.is_empty();
    walk.directory(path, "")?;
    walk.check_limits()?;
    Ok((walk, has_entrypoint))
}

/// Reads what was found. What it became since then counts, within the limits.
fn load(walk: &mut Walk<'_>, has_entrypoint: bool) -> Result<WorkloadDirectory, WorkloadError> {
    let mut files = Vec::with_capacity(walk.found.len());
    let mut entrypoint = None;
    let mut total = 0;
    for index in 0..walk.found.len() {
        let Found {
            file, real, path, ..
        } = &walk.found[index];
        let (content, metadata) = match walk.tree.read(real, MOST_OF_A_FILE) {
            Ok(read) => read,
            Err(Reason::TooLong(most)) => return Err(too_large(file, most)),
            Err(reason) => return Err(FileError::new(file, reason).into()),
        };
        let size = content.len() as u64;
        total += size;
        if has_entrypoint && index == 0 {
            entrypoint = Some(Entrypoint::parse(file, content)?);
        } else {
            files.push(UploadFile {
                path: path.clone(),
                content,
                executable: is_executable(&metadata),
            });
        }
        walk.found[index].size = size;
        if ByteSize(total) > walk.limit {
            walk.check_limits()?;
        }
    }
    walk.left_out.sort();
    Ok(WorkloadDirectory {
        entrypoint,
        files,
        left_out: std::mem::take(&mut walk.left_out),
    })
}

/// A file to upload, before it is read.
struct Found {
    file: PathBuf,
    /// Where it lies, from the root, with no symlink on the way.
    real: PathBuf,
    path: String,
    size: u64,
}

/// A walk through the directory that follows symlinks, but not out of it.
struct Walk<'a> {
    top: &'a Path,
    root: PathBuf,
    tree: Tree,
    env_file: Option<PathBuf>,
    found: Vec<Found>,
    left_out: Vec<String>,
    /// Real paths of the directories being walked, to notice a circle.
    open: Vec<PathBuf>,
    limit: ByteSize,
    ignored: Gitignore,
}

impl Walk<'_> {
    fn directory(&mut self, directory: &Path, prefix: &str) -> Result<(), WorkloadError> {
        let mut entries = fs::read_dir(directory)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|source| unreadable(directory, source))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        if entries.is_empty() && !prefix.is_empty() {
            self.left_out.push(format!("{prefix} (empty)"));
        }
        for entry in entries {
            let Ok(name) = entry.file_name().into_string() else {
                return Err(refused(&entry.path(), "its name is not UTF-8", "rename it"));
            };
            let path = format!("{prefix}{name}");
            let is_directory = entry.path().is_dir();
            if SPECIAL.contains(&path.as_str()) && !is_directory {
                continue;
            }
            if self.ignored.matched(&path, is_directory).is_ignore() {
                self.left_out.push(path);
                continue;
            }
            self.entry(&entry.path(), path)?;
        }
        Ok(())
    }

    fn entry(&mut self, file: &Path, path: String) -> Result<(), WorkloadError> {
        let real = file
            .canonicalize()
            .map_err(|_| refused(file, DANGLING, RESTORE))?;
        let Ok(below) = real.strip_prefix(&self.root) else {
            let reason = format!(
                "it is a symlink out of the directory, to {}",
                real.display()
            );
            return Err(refused(file, &reason, &self.without(&path)));
        };
        if self.env_file.as_deref() == Some(&real) {
            return Ok(());
        }
        let metadata = fs::metadata(&real).map_err(|source| unreadable(file, source))?;
        if metadata.is_dir() {
            if self.open.contains(&real) {
                return Err(refused(
                    file,
                    "it is a symlink to a directory around it",
                    "remove it",
                ));
            }
            self.open.push(real);
            self.directory(file, &format!("{path}/"))?;
            self.open.pop();
            return Ok(());
        }
        if !metadata.is_file() {
            let reason = "it is neither file nor directory";
            return Err(refused(file, reason, &removal(file)));
        }
        // Projected volumes refuse such names (validateLocalNonReservedPath).
        if path.starts_with("..") {
            return Err(refused(file, "its name begins with two dots", "rename it"));
        }
        let size = metadata.len();
        if ByteSize(size) > MOST_OF_A_FILE {
            return Err(too_large(file, ByteSize(size)));
        }
        // What is far beyond the limits is not walked to its end: it may be a
        // home directory, or a maze of symlinks.
        if self.found.len() > 10 * MOST_FILES {
            return self.check_limits();
        }
        self.found.push(Found {
            file: file.to_path_buf(),
            real: below.to_path_buf(),
            path,
            size,
        });
        Ok(())
    }

    /// Says what to do about a symlink out of the directory.
    fn without(&self, path: &str) -> String {
        let copy = "copy what it points to into the directory";
        // A virtual environment links to the Python it was made of (PEP 405).
        let environment = Path::new(path).ancestors().skip(1).find(|above| {
            !above.as_os_str().is_empty() && self.top.join(above).join("pyvenv.cfg").is_file()
        });
        match environment {
            Some(above) => format!(
                "leave the virtual environment out: {}",
                leaving_out(self.top, &above.to_string_lossy())
            ),
            None if path == entrypoint::FILE_NAME => copy.to_owned(),
            None => format!("{copy}, or leave it out: {}", leaving_out(self.top, path)),
        }
    }

    fn check_limits(&self) -> Result<(), WorkloadError> {
        let total = ByteSize(self.found.iter().map(|found| found.size).sum());
        let crossed = if total > self.limit {
            format!("{}, --upload-limit", self.limit)
        } else if self.found.len() > MOST_FILES {
            format!("{MOST_FILES} files")
        } else {
            return Ok(());
        };
        let mut by_size: Vec<&Found> = self.found.iter().collect();
        by_size.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.path.cmp(&b.path)));
        Err(WorkloadError::TooLarge {
            directory: self.top.to_path_buf(),
            total,
            files: self.found.len(),
            limit: crossed,
            largest: by_size
                .iter()
                .take(3)
                .map(|found| (found.path.clone(), ByteSize(found.size)))
                .collect(),
        })
    }
}

fn refused(file: &Path, reason: &str, hint: &str) -> WorkloadError {
    WorkloadError::NotUploadable {
        path: file.to_path_buf(),
        reason: reason.to_owned(),
        hint: hint.to_owned(),
    }
}

fn too_large(file: &Path, size: ByteSize) -> WorkloadError {
    refused(
        file,
        &format!("{size} is more than one ConfigMap holds (976 KiB)"),
        "put it into the image, or fetch it when the workload starts",
    )
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

/// Reads the ignore file, in the syntax of `.gitignore`.
fn ignored(path: &Path) -> Result<Gitignore, WorkloadError> {
    let file = path.join(IGNORE);
    // Paths are matched relative to the top, so the root is of no matter.
    let mut builder = GitignoreBuilder::new("");
    let text = special::read(&file)?.unwrap_or_default();
    let own = LEFT_OUT.into_iter().map(|line| (0, line));
    for (number, line) in own.chain((1..).zip(text.lines())) {
        builder
            .add_line(None, line)
            .map_err(|error| WorkloadError::Value {
                file: file.clone(),
                line: number,
                message: match error {
                    // Without the pattern itself.
                    ignore::Error::Glob { err, .. } => format!("this is no pattern: {err}"),
                    _ => "this is no pattern".to_owned(),
                },
                hint: "write patterns as in .gitignore".to_owned(),
            })?;
    }
    builder.build().map_err(|error| WorkloadError::Value {
        file,
        line: 0,
        message: error.to_string(),
        hint: "use fewer or simpler patterns".to_owned(),
    })
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

/// Returns the command by which a file or directory is not uploaded.
pub fn leaving_out(directory: &Path, path: &str) -> String {
    format!(
        "echo {} >> {}",
        shell::quoted(&format!("/{path}")),
        shell::quoted(&directory.join(IGNORE).display().to_string())
    )
}

fn unreadable(path: &Path, source: std::io::Error) -> WorkloadError {
    FileError::new(path, source).into()
}

#[cfg(all(test, unix))]
mod tests;
