//! Where settings come from, and which of their words cannot be.

use std::path::{Path, PathBuf};

use crate::error::CommandError;
use crate::file::{self, FileError};
use crate::names::{is_dns_1123_label, is_dns_1123_subdomain, is_label_value, is_qualified_name};
use crate::plan::Refusal;
use crate::secrecy::named;
use crate::settings::{Merged, Origin, Settings, Sourced, Switch};
use crate::workload::directory;

/// Namespace unless another is given, as in the original kaiwo.
pub const DEFAULT_NAMESPACE: &str = "kaiwo";
/// Queue unless another is given, as in the original kaiwo.
pub const DEFAULT_QUEUE: &str = "kaiwo";

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

/// Refuses words that Kubernetes would refuse later, with their origin.
///
/// # Errors
/// [`Refusal`] for the first of them.
pub fn check_words(settings: &Merged) -> Result<(), CommandError> {
    let check = |what: &str,
                 word: &Option<Sourced<String>>,
                 right: fn(&str) -> bool,
                 form: &str| match word {
        Some(Sourced { value, origin }) if !right(value) => Err(Refusal::new(format!(
            "{what} {} (from {origin}) cannot be",
            named(value)
        ))
        .hint(format!("write {form}"))),
        _ => Ok(()),
    };
    let not_empty = |word: &str| !word.trim().is_empty() && !word.contains('\0');
    let resource = |word: &str| {
        word.split_once('/').is_some_and(|(domain, name)| {
            is_dns_1123_subdomain(domain) && !name.is_empty() && is_label_value(name)
        })
    };
    let tag = |word: &str| !word.is_empty() && is_label_value(word);
    check(
        "namespace",
        &settings.namespace,
        is_dns_1123_label,
        "up to 63 of a-z, 0-9 and -, with a letter or digit at both ends",
    )?;
    check(
        "queue",
        &settings.queue,
        is_dns_1123_subdomain,
        "the name of a queue: a-z, 0-9, - and .",
    )?;
    check(
        "priority class",
        &settings.priority_class,
        is_dns_1123_subdomain,
        "the name of a WorkloadPriorityClass: a-z, 0-9, - and .",
    )?;
    check(
        "image",
        &settings.image,
        is_image,
        "the name of an image, without white space",
    )?;
    check(
        "model",
        &settings.model,
        is_image,
        "a model of KAITO's catalogue such as phi-4, or org/name",
    )?;
    check(
        "instance type",
        &settings.instance_type,
        is_image,
        "a type of virtual machine such as Standard_NC24ads_A100_v4",
    )?;
    check("version", &settings.version, not_empty, "a word")?;
    check("user", &settings.user, not_empty, "a word")?;
    check(
        "GPU resource",
        &settings.gpu_resource,
        resource,
        "an extended resource such as amd.com/gpu",
    )?;
    check(
        "GPU node label",
        &settings.gpu_node_label_key,
        is_qualified_name,
        "the key of a label such as nvidia.com/gpu.count",
    )?;
    check(
        "Ray version",
        &settings.ray_version,
        tag,
        "a version such as 2.46.0",
    )?;
    Ok(())
}

fn is_image(word: &str) -> bool {
    !word.is_empty() && !word.contains(char::is_whitespace)
}

/// Returns whether a switch is on.
pub fn is_on(setting: &Option<Sourced<Switch>>) -> bool {
    setting.as_ref().is_some_and(|sourced| sourced.value.0)
}

/// Returns the value of a setting, wherever it was given.
pub fn value<T: Clone>(setting: &Option<Sourced<T>>) -> Option<T> {
    setting.as_ref().map(|sourced| sourced.value.clone())
}
