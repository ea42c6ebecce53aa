//! Reads the settings from wherever they come.

use std::path::{Path, PathBuf};

use crate::cli::ConnectionArgs;
use crate::cluster::ClusterError;
use crate::cluster::client::connection;
use crate::error::{CommandError, ErrorClass};
use crate::file::{self, FileError};
use crate::settings::{self, Merged, Origin, Settings};
use crate::workload::directory;

use super::command_line;

/// What files and variables say of the namespace for the one of the context.
const OF_CONTEXT: &str = "context";

/// Merges all sources of settings, in order of precedence: what was typed, the
/// variables, the file in the directory, the user's file.
pub fn merged(
    typed: Settings,
    path: Option<&Path>,
    connection: &ConnectionArgs,
) -> Result<Merged, CommandError> {
    follow_context(Merged::merge(all(typed, path, |_| true)?), connection)
}

/// Merges all sources as they say it.
pub fn as_said(path: Option<&Path>) -> Result<Merged, CommandError> {
    Ok(Merged::merge(all(Settings::default(), path, |_| true)?))
}

/// Merges the sources for a command that uses few settings, by their variables:
/// the others may hold anything.
pub fn merged_of(
    used: &[&'static str],
    typed: Settings,
    connection: &ConnectionArgs,
) -> Result<Merged, CommandError> {
    let sources = all(typed, None, |name| used.contains(&name))?;
    follow_context(Merged::merge(sources), connection)
}

/// Merges all sources of a service's settings. It is queued only where that was
/// said of it, in the command or in its own directory: the queue in a user's
/// file or variable is for jobs.
pub fn merged_for_service(
    typed: Settings,
    path: Option<&Path>,
    connection: &ConnectionArgs,
) -> Result<Merged, CommandError> {
    let mut sources = all(typed, path, |_| true)?;
    for (origin, settings) in &mut sources {
        if matches!(origin, Origin::Variable(_) | Origin::User(_)) {
            settings.queue = None;
        }
    }
    follow_context(Merged::merge(sources), connection)
}

/// Puts the namespace of the context in the place of the word for it. What was
/// typed is a namespace, whatever it is called.
fn follow_context(mut merged: Merged, connection: &ConnectionArgs) -> Result<Merged, CommandError> {
    if let Some(namespace) = &mut merged.namespace
        && *namespace.value == *OF_CONTEXT
        && namespace.origin != Origin::Flag
    {
        let target = command_line::optional_target(connection);
        let found = connection::context_namespace(&target).map_err(ClusterError::from)?;
        namespace.value = found.parse().map_err(|why| {
            let error = CommandError::new(ErrorClass::Refused, format!("{why}"));
            error
                .hint("choose another with -n; show the context with: kubectl config view --minify")
        })?;
    }
    Ok(merged)
}

fn all(
    typed: Settings,
    path: Option<&Path>,
    is_used: impl Fn(&'static str) -> bool,
) -> Result<Vec<(Origin, Settings)>, CommandError> {
    let mut sources = vec![(Origin::Flag, typed)];
    let variable = |name| std::env::var(name).ok().filter(|_| is_used(name));
    sources.extend(Settings::from_variables(variable)?);
    if let Some(path) = path
        && let Some((file, text)) = directory::read_settings(path)?
    {
        let settings = Settings::parse_file(&file, &text)?;
        if settings.notify.is_some() {
            return Err(notifies(&file));
        }
        sources.push((Origin::Project(file), settings));
    }
    for file in user_settings_files() {
        if let Some(text) = user_settings(&file)? {
            let settings = Settings::parse_file(&file, &text)?;
            sources.push((Origin::User(file), settings));
            break;
        }
    }
    Ok(sources)
}

/// Refuses a directory that says what is run on this machine: others may have written
/// it.
fn notifies(file: &Path) -> CommandError {
    let file = file.display().to_string();
    CommandError::new(
        ErrorClass::Refused,
        format!(
            "{file}: notify is not allowed in a directory, because it would run on your machine"
        ),
    )
    .hint("remove it, and use --notify, KAIWO_NOTIFY or ~/.config/kaiwo/config.yaml")
    .about(file)
}

/// Reads the user's own settings, if there are some.
fn user_settings(file: &Path) -> Result<Option<String>, FileError> {
    match file::found(file, file::WRITTEN) {
        Ok(bytes) => file::text(file, bytes).map(Some),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns where the user's own settings may be, the place that counts first: on every
/// platform the one that people expect of a command-line tool, then the platform's.
fn user_settings_files() -> Vec<PathBuf> {
    let chosen = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let places = match chosen.filter(|path| path.is_absolute()) {
        Some(chosen) => vec![chosen],
        None => {
            let common = dirs::home_dir().map(|home| home.join(".config"));
            common.into_iter().chain(dirs::config_dir()).collect()
        }
    };
    let file = |place: PathBuf| place.join("kaiwo/config.yaml");
    places.into_iter().map(file).collect()
}

/// Beginnings of what Kubernetes sets in pods for a Service called kaiwo.
const OF_A_SERVICE: [&str; 3] = ["KAIWO_SERVICE_HOST", "KAIWO_SERVICE_PORT", "KAIWO_PORT_"];

/// Says which `KAIWO_*` variables are none of kaiwo's, and which is probably meant.
/// Others of that prefix are somebody else's: those of a Service called kaiwo.
pub fn unknown_variables() -> Vec<String> {
    let known: Vec<&str> = Settings::table()
        .iter()
        .map(|setting| setting.variable)
        .collect();
    let names = std::env::vars_os().filter(|(_, value)| !value.is_empty());
    let names = names.filter_map(|(name, _)| name.into_string().ok());
    let mut unknown: Vec<String> = names
        .filter(|name| name.starts_with("KAIWO_") && !known.contains(&name.as_str()))
        .filter(|name| !OF_A_SERVICE.iter().any(|own| name.starts_with(own)))
        .filter_map(|name| {
            let near = settings::nearest_variable(&name)?;
            Some(format!(
                "{name} is not a variable of kaiwo: did you mean {near}?"
            ))
        })
        .collect();
    unknown.sort();
    unknown
}
