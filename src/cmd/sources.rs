//! Reads the settings from wherever they come.

use std::path::{Path, PathBuf};

use crate::error::CommandError;
use crate::file::{self, FileError};
use crate::settings::{Merged, Origin, Settings};
use crate::workload::directory;

/// Merges all sources of settings, in order of precedence: what was typed, the
/// variables, the file in the directory, the user's file.
pub fn merged(typed: Settings, path: Option<&Path>) -> Result<Merged, CommandError> {
    Ok(Merged::merge(all(typed, path)?))
}

/// Merges all sources of a service's settings. It is queued only where that was
/// said of it, in the command or in its own directory: the queue in a user's
/// file or variable is for jobs.
pub fn merged_for_service(typed: Settings, path: Option<&Path>) -> Result<Merged, CommandError> {
    let mut sources = all(typed, path)?;
    for (origin, settings) in &mut sources {
        if matches!(origin, Origin::Variable(_) | Origin::User(_)) {
            settings.queue = None;
        }
    }
    Ok(Merged::merge(sources))
}

fn all(typed: Settings, path: Option<&Path>) -> Result<Vec<(Origin, Settings)>, CommandError> {
    let mut sources = vec![(Origin::Flag, typed)];
    sources.extend(Settings::from_variables(|name| std::env::var(name).ok())?);
    if let Some(path) = path
        && let Some((file, text)) = directory::read_settings(path)?
    {
        let settings = Settings::parse_file(&file, &text)?;
        sources.push((Origin::Project(file), settings));
    }
    if let Some(file) = user_settings_file()
        && let Some(text) = user_settings(&file)?
    {
        let settings = Settings::parse_file(&file, &text)?;
        sources.push((Origin::User(file), settings));
    }
    Ok(sources)
}

/// Reads the user's own settings, if there are some.
fn user_settings(file: &Path) -> Result<Option<String>, FileError> {
    match file::found(file, file::WRITTEN) {
        Ok(bytes) => file::text(file, bytes).map(Some),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns where the user's own settings are, on every platform the place
/// that people expect of a command-line tool.
fn user_settings_file() -> Option<PathBuf> {
    let config = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(std::env::home_dir()?.join(".config")))?;
    Some(config.join("kaiwo/config.yaml"))
}
