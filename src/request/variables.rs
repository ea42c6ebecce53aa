//! The variables of a workload, from every place where they can be said.

use super::{DEFAULT_NAMESPACE, Note, Typed, word};
use crate::error::CommandError;
use crate::names::is_variable_name;
use crate::plan::Refusal;
use crate::plan::request::pod::{SecretKey, VariableName};
use crate::secrecy::{self, Confidential, variable};
use crate::settings::{Merged, Origin, Sourced};
use crate::suggestion::create_secret;
use crate::workload::env_file;
use crate::workload::environment::{EnvSource, Environment, LocalValue};

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
    let namespace = word(&settings.namespace).unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
    let from_secret = |sourced: &Sourced<Confidential<String>>| {
        let SecretKey { secret, key } = sourced.value.expose().parse()?;
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
            return Err(wrong("invalid variable name")
                .hint("use letters, digits and _, beginning with a letter or _")
                .into());
        }
        if flag == "secret" && settings.env.contains_key(name) {
            return Err(wrong("the same variable is also set with env")
                .hint("keep one of them")
                .into());
        }
        if sourced.value.expose().contains('\0') {
            return Err(wrong("its value contains a NUL character")
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
                .hint(
                    create_secret(&namespace, &secret, name)
                        .noted("create a Secret from a value that you type"),
                )
                .hint(format!("then use --secret {name}={secret}/{name}"))
        })?;
        if !(matches!(sourced.origin, Origin::User(_)) && environment.sets(name)) {
            environment.set(name, source);
        }
    }
    from_here(typed, settings, &mut environment)?;
    for name in environment.exposed_secrets() {
        notes.push(Note::Warning(format!(
            "{name} looks like a secret, and everyone who may read the workload can read its value; use --secret-from {name}, or store it in a Secret and use --secret {name}=SECRET/KEY"
        )));
    }
    Ok(environment)
}

/// Takes the variables that a Secret of the workload's own will hold, with the values
/// that they have on this machine.
fn from_here(
    typed: Typed<'_>,
    settings: &Merged,
    environment: &mut Environment,
) -> Result<(), Refusal> {
    let Some(Sourced { value, origin }) = &settings.secret_from else {
        return Ok(());
    };
    for VariableName(name) in &value.0 {
        let shown = variable(name);
        let wrong = |why: &str| Refusal::new(format!("secret-from {shown} (from {origin}): {why}"));
        let others = [("env", &settings.env), ("secret", &settings.secret)];
        if let Some((other, _)) = others.iter().find(|(_, given)| given.contains_key(name)) {
            return Err(
                wrong(&format!("the same variable is also set with {other}"))
                    .hint("keep one of them"),
            );
        }
        if matches!(origin, Origin::User(_)) && environment.sets(name) {
            continue;
        }
        let value = typed.inputs.variable(name).filter(|it| !it.is_empty());
        let Some(value) = value else {
            let refusal = wrong("the variable is not set");
            return Err(match shown == *name {
                true => refusal
                    .hint(format!("type it unseen: read -rs {name} && export {name}"))
                    .hint(format!(
                        "or use an existing Secret: --secret {name}=SECRET/KEY"
                    )),
                false => refusal.hint("export it, or use an existing Secret with --secret"),
            });
        };
        environment.set(name, EnvSource::Local(LocalValue::new(value)));
    }
    Ok(())
}
