//! Builds a request from the settings, what was typed beside them, and what the
//! files hold. What is read is asked of [`Inputs`], and only where it matters:
//! what is refused without a file does not wait for one.

mod array;
pub mod array_run;
mod build;
mod command;
mod gpus;
mod kaito;
pub mod run;
pub mod serve;
pub mod submit;
#[cfg(test)]
mod tests;
mod uploads;
mod variables;
pub mod wait;

use std::path::{Path, PathBuf};

use crate::file::FileError;
use crate::kind::WorkloadKind;
use crate::plan::Refusal;
use crate::plan::request::service_settings::Serving;
use crate::plan::request::session::Session;
use crate::quantity::ByteSize;
use crate::settings::{Merged, Origin, Sourced, Switch};
use crate::workload::WorkloadError;
use crate::workload::directory::WorkloadDirectory;
use crate::workload::script::SingleScript;
use crate::workload::template_values::{CustomConfig, CustomTemplate};

/// Namespace unless another is given, as in the original kaiwo.
pub const DEFAULT_NAMESPACE: &str = "kaiwo";
/// Queue unless another is given, as in the original kaiwo.
pub const DEFAULT_QUEUE: &str = "kaiwo";

/// What was typed beside the settings.
#[derive(Clone, Copy)]
pub struct Typed<'a> {
    /// The directory to run.
    pub path: Option<&'a Path>,
    /// The command after `--`.
    pub command: &'a [String],
    /// What else there is.
    pub inputs: &'a dyn Inputs,
}

/// What a request takes from the machine it is made on.
pub trait Inputs {
    /// Returns the file with variables and its text: `chosen`, else that of the
    /// directory, which may be missing.
    ///
    /// # Errors
    /// [`WorkloadError`] if it cannot be read.
    fn env_file(
        &self,
        directory: Option<&Path>,
        chosen: Option<&Path>,
    ) -> Result<Option<(PathBuf, String)>, WorkloadError>;

    /// Reads what is uploaded of a directory, up to `limit`, but `env_file`.
    ///
    /// # Errors
    /// [`WorkloadError`] for what cannot be read or uploaded.
    fn directory(
        &self,
        path: &Path,
        env_file: Option<&Path>,
        limit: ByteSize,
    ) -> Result<WorkloadDirectory, WorkloadError>;

    /// Returns the user's own template: `chosen`, else that of the directory,
    /// which may be missing.
    ///
    /// # Errors
    /// [`WorkloadError`] if it cannot be read.
    fn template(
        &self,
        directory: Option<&Path>,
        chosen: Option<&Path>,
    ) -> Result<Option<CustomTemplate>, WorkloadError>;

    /// Returns the values for a template.
    ///
    /// # Errors
    /// [`WorkloadError`] if they cannot be read.
    fn custom_config(&self, file: &Path) -> Result<CustomConfig, WorkloadError>;

    /// Returns the configuration of Ray Serve in a directory, if it has one.
    ///
    /// # Errors
    /// [`WorkloadError`] if it is no mapping.
    fn serve_config(&self, directory: &Path) -> Result<Option<String>, WorkloadError>;

    /// Returns the text of a file that the user names.
    ///
    /// # Errors
    /// [`FileError`] if it cannot be read.
    fn text(&self, file: &Path) -> Result<String, FileError>;

    /// Reads a script that is uploaded alone.
    ///
    /// # Errors
    /// [`WorkloadError`] if it cannot be read or uploaded.
    fn script(&self, path: &Path) -> Result<SingleScript, WorkloadError>;

    /// Returns whether something is a directory.
    fn is_directory(&self, path: &Path) -> bool;

    /// Returns the directory's own name, also for `.` and `..`.
    fn base_name(&self, path: &Path) -> String;

    /// Returns the name of who is logged in.
    fn login_name(&self) -> String;

    /// Returns the value that a variable has here.
    fn variable(&self, name: &str) -> Option<String>;

    /// Returns a word that no other run of kaiwo has, in letters and digits.
    fn random_word(&self, length: usize) -> String;
}

/// What is said of a request while it is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// What is done, for who watches.
    Status(String),
    /// The same, for who asks for more.
    Detail(String),
    /// What may be wrong.
    Warning(String),
}

/// What a command has decided before the request is built.
#[derive(Debug)]
struct Intent {
    kind: WorkloadKind,
    /// Its queue, if it is queued.
    queue: Option<String>,
    /// What only services have.
    serving: Serving,
    /// How someone is attached to it, if someone is.
    session: Option<Session>,
    /// What is uploaded instead of a directory.
    script: Option<SingleScript>,
}

/// Returns who submits: what the settings say, else the login name.
pub fn user(settings: &Merged, inputs: &dyn Inputs) -> String {
    word(&settings.user).unwrap_or_else(|| inputs.login_name())
}

/// Returns whether a switch is on.
pub fn is_on(setting: &Option<Sourced<Switch>>) -> bool {
    setting.as_ref().is_some_and(|sourced| sourced.value.0)
}

/// Returns whether a setting was typed, and not said in a file or variable.
fn is_typed<T>(setting: &Option<Sourced<T>>) -> bool {
    let sourced = setting.as_ref();
    sourced.is_some_and(|sourced| sourced.origin == Origin::Flag)
}

/// Returns whether the claim for `/scratch` outlives the workload.
///
/// # Errors
/// [`Refusal`] without such a claim.
fn keeps_storage(settings: &Merged) -> Result<bool, Refusal> {
    match (is_on(&settings.keep_storage), &settings.storage) {
        (true, None) => Err(
            Refusal::new("--keep-storage has no effect without --storage")
                .hint("add --storage 100Gi"),
        ),
        (is_kept, _) => Ok(is_kept),
    }
}

/// Returns what is loaded before a workload starts, and by which image.
///
/// # Errors
/// [`Refusal`] for an image that has nothing to load.
fn preloads(settings: &Merged) -> Result<Serving, Refusal> {
    if settings.preload.is_none() && is_typed(&settings.preload_image) {
        return Err(
            Refusal::new("--preload-image has no effect without --preload")
                .hint("add --preload hf://ORG/MODEL:/models"),
        );
    }
    Ok(Serving {
        preloads: value(&settings.preload)
            .map(|list| list.0)
            .unwrap_or_default(),
        preload_image: word(&settings.preload_image).filter(|_| settings.preload.is_some()),
        ..Serving::default()
    })
}

/// Returns the word of a setting, wherever it was given.
fn word<T: Clone + Into<String>>(setting: &Option<Sourced<T>>) -> Option<String> {
    value(setting).map(Into::into)
}

/// Returns the value of a setting, wherever it was given.
fn value<T: Clone>(setting: &Option<Sourced<T>>) -> Option<T> {
    setting.as_ref().map(|sourced| sourced.value.clone())
}

/// Returns what is there in the place of a file that is lacking.
fn instead(is_directory: bool) -> &'static str {
    match is_directory {
        true => "is a directory",
        false => "does not exist",
    }
}
