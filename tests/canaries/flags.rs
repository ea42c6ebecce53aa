//! Canaries in every position of the command line.

use clap::{Arg, Command, CommandFactory};
use kaiwo::cli::Cli;

use super::{CANARY, SECRETS, is_form, is_name, leak};
use crate::common::Sandbox;

/// The commands without subcommands, each with the words that lead to it.
fn commands() -> Vec<(Vec<String>, Command)> {
    fn add(words: Vec<String>, command: &Command, found: &mut Vec<(Vec<String>, Command)>) {
        if !command.has_subcommands() {
            found.push((words, command.clone()));
            return;
        }
        for below in command.get_subcommands() {
            let name = below.get_name().to_owned();
            add([words.clone(), vec![name]].concat(), below, found);
        }
    }
    let mut cli = Cli::command();
    cli.build();
    let mut found = Vec::new();
    add(Vec::new(), &cli, &mut found);
    found
}

/// Returns whether the argument is the same in every command, where the first
/// one stands for all.
fn is_shared(arg: &Arg) -> bool {
    let heading = arg.get_help_heading();
    matches!(heading, Some("Cluster" | "Output"))
}

/// Returns the words that a command needs besides, with `value` for `arg`.
fn line(words: &[String], command: &Command, arg: &Arg, value: &str) -> Vec<String> {
    let mut line = words.to_vec();
    let mut positionals: Vec<&Arg> = command.get_positionals().collect();
    positionals.sort_by_key(|arg| arg.get_index());
    for needed in positionals {
        let typed = match needed.get_id() {
            id if id == arg.get_id() => value.to_owned(),
            _ if !needed.is_required_set() => continue,
            id if id == "ports" => "8000".to_owned(),
            id if id == "kind" || id == "shell" => continue,
            _ => "some-name".to_owned(),
        };
        if needed.is_last_set() {
            line.push("--".to_owned());
        }
        line.push(typed);
    }
    if let Some(long) = arg.get_long() {
        // One word, so that it is a value whatever it begins with.
        line.insert(words.len(), format!("--{long}={value}"));
    }
    line
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("w/entrypoint", "echo\n");
    sandbox
}

/// Runs every command with every value in every argument of it that takes one.
#[test]
fn in_every_argument_of_every_command() {
    let sandbox = sandbox();
    let mut shared = std::collections::BTreeSet::new();
    let (mut runs, mut leaks) = (0, Vec::new());
    for (words, command) in commands() {
        if words == ["__complete"] {
            continue;
        }
        for arg in command.get_arguments() {
            let takes_value = arg.get_action().takes_values();
            let id = arg.get_id().as_str();
            if !takes_value || (is_shared(arg) && !shared.insert(id.to_owned())) {
                continue;
            }
            // The context is what a template is given, and was asked for.
            if words.starts_with(&["template".to_owned(), "context".to_owned()]) && id == "image" {
                continue;
            }
            let plain = (!is_name(id)).then_some(CANARY);
            let secrets = SECRETS.into_iter();
            let secrets = secrets.filter(|value| id != "selector" || !is_form(id, value));
            for value in secrets.chain(plain) {
                let typed = line(&words, &command, arg, value);
                let mut typed: Vec<&str> = typed.iter().map(String::as_str).collect();
                if matches!(words[0].as_str(), "submit" | "serve")
                    && !["image", "path"].contains(&id)
                {
                    typed.insert(1, "--image=x");
                }
                let at = typed
                    .iter()
                    .position(|word| *word == "--")
                    .unwrap_or(typed.len());
                for more in [&[][..], &["-vvv", "-o", "json"]] {
                    // JSON and log say the same of each: a few stand for all.
                    if !more.is_empty() && ![CANARY, SECRETS[0], SECRETS[3]].contains(&value) {
                        continue;
                    }
                    let mut typed = typed.clone();
                    if more.is_empty()
                        || command.get_arguments().any(|arg| arg.get_id() == "output")
                    {
                        typed.splice(at..at, more.iter().copied());
                    }
                    runs += 1;
                    // What is written is not in the way of the others.
                    let own = (words == ["init"]).then(self::sandbox);
                    let place = own.as_ref().unwrap_or(&sandbox);
                    if let Some(line) = leak(&place.kaiwo(&typed)) {
                        leaks.push(format!("{typed:?}\n    {line}"));
                    }
                }
            }
        }
    }
    assert!(runs > 1_000, "{runs}");
    assert!(
        leaks.is_empty(),
        "{} of {runs}:\n{}",
        leaks.len(),
        leaks.join("\n")
    );
}
