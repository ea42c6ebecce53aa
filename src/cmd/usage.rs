//! Reports a command line that cannot be understood, as any other error is.

use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::Cli;
use crate::error::{CommandError, ErrorClass};
use crate::secrecy::HIDDEN;
use crate::settings::OutputFormat;
use crate::ui::Ui;

use super::command_line::CommandLine;
use super::tell_programs;

/// Tells what is wrong with the command line, or gives the help that was asked
/// for. People read clap's own words, with the usage; programs an error like
/// all others.
pub fn tell(error: clap::Error, typed: &CommandLine, output: Option<OutputFormat>) -> ExitCode {
    let error = discreet(error);
    if error.exit_code() != 0 {
        tell_programs(
            &usage_error(&error, typed.words()),
            Ui::new(false, false, None),
            output,
        );
    }
    // Nobody is left to be told that this could not be told.
    let _ = error.print();
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Takes out of an error the words that were typed, which may be secret: values,
/// and those that have no place. Flags stay, and the words that clap knows
/// something like.
fn discreet(mut error: clap::Error) -> clap::Error {
    let typed = match error.kind() {
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        _ => ContextKind::InvalidValue,
    };
    let known = error.get(ContextKind::SuggestedSubcommand).is_some();
    let word = match error.get(typed) {
        Some(ContextValue::String(word)) if !word.is_empty() => word.clone(),
        _ => return error,
    };
    let shown = match typed {
        // `kaiwo submit train/`, where -p is missing.
        ContextKind::InvalidArg => is_flag(&word) || Path::new(&word).exists(),
        ContextKind::InvalidSubcommand => known,
        _ => false,
    };
    if !shown {
        error.insert(typed, ContextValue::String(HIDDEN.to_owned()));
        // How the word would be passed on.
        error.remove(ContextKind::Suggested);
    }
    error
}

/// Returns whether a word has the form of kaiwo's flags.
fn is_flag(word: &str) -> bool {
    match word.strip_prefix("--") {
        Some(name) => name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'),
        None => word.starts_with('-') && word.chars().count() <= 2,
    }
}

/// Takes message and hints from the text that clap has for people: its first
/// paragraph and its tips. `words` say which command's help is of use.
fn usage_error(error: &clap::Error, words: &[String]) -> CommandError {
    let text = error.render().to_string();
    let message: Vec<&str> = text
        .trim_start_matches("error: ")
        .lines()
        .take_while(|line| !line.is_empty())
        .map(str::trim)
        .collect();
    let message = match error.kind() {
        // Then the text is the help.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "no command is given".to_owned(),
        _ => message.join(" "),
    };
    let mut told = CommandError::new(ErrorClass::Usage, message);
    for tip in text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("tip: "))
    {
        told = told.hint(tip);
    }
    told.hint(format!("see: {} --help", command(words)))
}

/// Returns the command that the words are meant for, as far as they name one.
fn command(words: &[String]) -> String {
    let cli = Cli::command();
    let (mut found, mut at) = ("kaiwo".to_owned(), &cli);
    for word in words.iter().filter(|word| !word.starts_with('-')) {
        let Some(subcommand) = at.find_subcommand(word) else {
            break;
        };
        found += &format!(" {word}");
        at = subcommand;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn told(line: &str) -> (String, Vec<String>) {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let error = Cli::try_parse_from(&words).unwrap_err();
        let error = usage_error(&discreet(error), &words[1..]);
        assert_eq!(error.class, ErrorClass::Usage);
        (error.error.to_string(), error.hints)
    }

    #[test]
    fn the_message_comes_without_the_usage() {
        let (message, hints) = told("kaiwo submit --gpuz 1");
        assert_eq!(message, "unexpected argument '--gpuz' found");
        assert_eq!(
            hints,
            [
                "a similar argument exists: '--gpus'",
                "to pass '--gpuz' as a value, use '-- --gpuz'",
                "see: kaiwo submit --help"
            ]
        );
        let (message, hints) = told("kaiwo submti");
        assert_eq!(message, "unrecognized subcommand 'submti'");
        assert_eq!(hints.last().unwrap(), "see: kaiwo --help");
        let (message, hints) = told("kaiwo completion");
        assert_eq!(
            message,
            "the following required arguments were not provided: <SHELL>"
        );
        assert_eq!(hints, ["see: kaiwo completion --help"]);
        let (message, hints) = told("kaiwo config");
        assert_eq!(message, "no command is given");
        assert_eq!(hints, ["see: kaiwo config --help"]);
        let (message, hints) = told("kaiwo submit -o jsno");
        assert_eq!(hints, ["see: kaiwo submit --help"]);
        assert_eq!(
            message,
            "invalid value '…' for '--output <FORMAT>': expected yaml, json or name"
        );
    }
}
