//! The variables of a workload, from every place where they can be said.

use super::{DEFAULT_NAMESPACE, Note, Typed, value};
use crate::error::CommandError;
use crate::names::is_variable_name;
use crate::plan::Refusal;
use crate::plan::request::pod::SecretKey;
use crate::secrecy::{self, variable};
use crate::settings::{Merged, Origin, Sourced};
use crate::workload::env_file;
use crate::workload::environment::{EnvSource, Environment};

/// Reads the file with variables, and lays what the settings say over it.
/// Only the user's own file ranks below the directory's.
pub(super) fn environment(
    typed: Typed<'_>,
    settings: &Merged,
    notes: &mut Vec<Note>,
) -> Result<Environment, CommandError> {
    let chosen = settings.env_file.as_ref().map(|file| file.value.as_path());
    let mut environment = match typed.inputs.env_file(typed.path, chosen)? {
        Some((file, text)) => env_file::parse(&file, &text)?,
        None => Environment::default(),
    };
    let namespace = value(&settings.namespace).unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
    let from_secret = |sourced: &Sourced<String>| {
        let SecretKey { secret, key } = sourced.value.parse()?;
        Ok::<_, String>(EnvSource::Secret { secret, key })
    };
    for (flag, name, sourced, source) in settings
        .env
        .iter()
        .map(|(name, sourced)| {
            (
                "env",
                name,
                sourced,
                Ok(EnvSource::Value(sourced.value.clone())),
            )
        })
        .chain(
            settings
                .secret
                .iter()
                .map(|(name, sourced)| ("secret", name, sourced, from_secret(sourced))),
        )
    {
        let wrong = |why: &str| {
            let name = variable(name);
            Refusal::new(format!("{flag} {name} (from {}): {why}", sourced.origin))
        };
        if !is_variable_name(name) {
            return Err(wrong("this cannot name a variable")
                .hint("use letters, digits and _, beginning with a letter or _")
                .into());
        }
        if flag == "secret" && settings.env.contains_key(name) {
            return Err(wrong("the same variable is given as env, too")
                .hint("keep one of them")
                .into());
        }
        if sourced.value.contains('\0') {
            return Err(wrong("its value holds a NUL, which no variable can")
                .hint("put the value into a file")
                .into());
        }
        let source = source.map_err(|why| {
            // A name that could be a value has no place in a command.
            let name = match variable(name) == *name {
                true => name,
                false => "TOKEN",
            };
            let secret = secrecy::secret_of(name);
            wrong(&why)
                .hint(format!(
                    "{}  # makes a Secret of a value that you type",
                    secrecy::making_a_secret(name, &namespace)
                ))
                .hint(format!("then give --secret {name}={secret}/{name}"))
        })?;
        if !(matches!(sourced.origin, Origin::User(_)) && environment.sets(name)) {
            environment.set(name, source);
        }
    }
    for name in environment.exposed_secrets() {
        notes.push(Note::Warning(format!(
            "{name} looks like a secret, and its value can be read by everybody who may read the workload; \
             put it into a Secret and give --secret {name}=SECRET/KEY"
        )));
    }
    Ok(environment)
}
