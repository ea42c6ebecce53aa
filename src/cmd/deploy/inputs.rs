//! Supplies what a request is built from: files, the login name, chance.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};

use crate::cli::WorkloadArgs;
use crate::error::CommandError;
use crate::file::{self, FileError};
use crate::plan::request::WorkloadRequest;
use crate::quantity::ByteSize;
use crate::request::{Inputs, Note, Typed};
use crate::settings::Merged;
use crate::ui::Ui;
use crate::workload::WorkloadError;
use crate::workload::directory::{self, WorkloadDirectory};
use crate::workload::script::{self, SingleScript};
use crate::workload::template_values::{CustomConfig, CustomTemplate};

/// Builds the request of what was typed, and says what there is to say of it.
pub fn request(
    args: &WorkloadArgs,
    settings: &Merged,
    ui: Ui,
    build: impl FnOnce(Typed<'_>, &Merged, &mut Vec<Note>) -> Result<WorkloadRequest, CommandError>,
) -> Result<WorkloadRequest, CommandError> {
    let typed = Typed {
        path: args.path.as_deref(),
        command: &args.command,
        inputs: &Machine,
    };
    let mut notes = Vec::new();
    let request = build(typed, settings, &mut notes);
    for note in notes {
        match note {
            Note::Status(text) => ui.status(text),
            Note::Detail(text) => ui.detail(text),
            Note::Warning(text) => ui.warn(text),
        }
    }
    request
}

/// The machine that kaiwo runs on.
#[derive(Debug)]
pub struct Machine;

impl Inputs for Machine {
    fn env_file(
        &self,
        directory: Option<&Path>,
        chosen: Option<&Path>,
    ) -> Result<Option<(PathBuf, String)>, WorkloadError> {
        directory::read_env(directory, chosen)
    }

    fn directory(
        &self,
        path: &Path,
        env_file: Option<&Path>,
        limit: ByteSize,
    ) -> Result<WorkloadDirectory, WorkloadError> {
        directory::read(path, env_file, limit)
    }

    fn template(
        &self,
        directory: Option<&Path>,
        chosen: Option<&Path>,
    ) -> Result<Option<CustomTemplate>, WorkloadError> {
        directory::read_template(directory, chosen)
    }

    fn custom_config(&self, file: &Path) -> Result<CustomConfig, WorkloadError> {
        CustomConfig::read(file)
    }

    fn serve_config(&self, directory: &Path) -> Result<Option<String>, WorkloadError> {
        directory::read_serve_config(directory)
    }

    fn text(&self, file: &Path) -> Result<String, FileError> {
        file::text(file, file::named(file, file::WRITTEN)?)
    }

    fn script(&self, path: &Path) -> Result<SingleScript, WorkloadError> {
        script::read(path)
    }

    fn is_directory(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn base_name(&self, path: &Path) -> String {
        let real = path.canonicalize();
        let path = real.as_deref().unwrap_or(path);
        path.file_name().map_or_else(
            || "root".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        )
    }

    fn login_name(&self) -> String {
        ["USER", "LOGNAME", "USERNAME"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()))
            .or_else(user_of_uid)
            .unwrap_or_else(|| "user".to_owned())
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn random_word(&self, length: usize) -> String {
        random_word(length)
    }
}

/// Returns the name that the system has for who runs this, where no variable says
/// it: in a container, under cron.
#[cfg(unix)]
fn user_of_uid() -> Option<String> {
    let uid = rustix::process::getuid().as_raw().to_string();
    let passwd = file::found(Path::new("/etc/passwd"), file::WRITTEN).unwrap_or_default();
    let passwd = String::from_utf8_lossy(&passwd);
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1) == Some(uid.as_str())).then(|| name.to_owned())
    });
    Some(name.unwrap_or_else(|| format!("uid{uid}")))
}

#[cfg(not(unix))]
fn user_of_uid() -> Option<String> {
    None
}

/// Returns a word that no other run of kaiwo has, in letters and digits.
pub fn random_word(length: usize) -> String {
    // Each RandomState has keys from the operating system's randomness.
    let word = || RandomState::new().build_hasher().finish();
    let digest = crate::digest::sha256(format!("{}-{}", word(), word()).as_bytes());
    digest[..length].to_owned()
}
