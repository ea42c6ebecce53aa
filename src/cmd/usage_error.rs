//! Reads the command line, and reports one that cannot be understood, as any other
//! error is.

mod number;

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory, FromArgMatches as _};

use crate::cli::{self, Cli, ConnectionArgs};
use crate::completion::{aliases, repair};
use crate::error::{CommandError, ErrorClass};
use crate::names::is_slip;
use crate::plan::request::claim::ClaimMount;
use crate::secrecy::{HIDDEN, may_be_secret, secret_in};
use crate::settings::{Format, WordError};
use crate::suggestion::{Connection, Suggestion, kaiwo};
use crate::ui::Ui;

use super::command_line::{self, CommandLine};
use super::{tell as tell_error, tell_programs};

/// Reads the words after the program's name. What clap cannot read is tried again
/// in the order in which it would.
pub fn parse(mut words: Vec<OsString>) -> Result<Cli, clap::Error> {
    repair::terminal(&mut words);
    let parsed = read(with_name(&words));
    let is_wrong = parsed.as_ref().is_err_and(|error| error.exit_code() != 0);
    // `delete job x` can be read, and would mean two workloads.
    let is_delete = || words.iter().any(|word| word == "delete");
    if !is_wrong && !is_delete() {
        return parsed;
    }
    let texts: Option<Vec<String>> = words
        .iter()
        .map(|word| word.to_str().map(str::to_owned))
        .collect();
    let Some(texts) = texts else {
        return parsed;
    };
    let repaired = repair::repaired(&built(), texts.clone(), |word| Path::new(word).is_dir());
    match repaired == texts {
        true => parsed,
        false => read(with_name(&repaired)),
    }
}

fn with_name<T: Into<OsString> + Clone>(words: &[T]) -> impl Iterator<Item = OsString> {
    let words = words.iter().cloned().map(Into::into);
    std::iter::once(OsString::from("kaiwo")).chain(words)
}

/// Reads a whole line, as [`clap::Parser`] does, under the name that was typed.
fn read(line: impl Iterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut command = cli::command(command_line::program());
    let mut found = command.try_get_matches_from_mut(line)?;
    Cli::from_arg_matches_mut(&mut found).map_err(|error| error.format(&mut command))
}

fn built() -> Command {
    let mut command = Cli::command();
    command.build();
    command
}

/// Tells what is wrong with the command line, or gives the help that was asked
/// for.
pub fn tell(error: clap::Error, typed: &CommandLine, output: Option<Format>) -> ExitCode {
    let words = typed.words();
    let ui = Ui::new(false, false, None).connected(connection_of(words));
    // Then clap's text is the help.
    let is_help = error.exit_code() == 0
        || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if !is_help {
        let refused = refusal(&error, words);
        let error = refused.unwrap_or_else(|| match is_ours(error.kind()) {
            true => usage_error(error, words),
            false => with_tips(&discreet(error), words),
        });
        tell_error(&error, ui, output);
        return ExitCode::from(error.exit_code());
    }
    let error = discreet(error);
    if error.exit_code() != 0 {
        tell_programs(&with_tips(&error, words), ui, output);
    }
    // Nobody is left to be told that this could not be told.
    let _ = error.print();
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Returns whether kaiwo has more to say than clap.
fn is_ours(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::UnknownArgument
            | ErrorKind::InvalidSubcommand
            | ErrorKind::MissingRequiredArgument
    )
}

/// Returns the refusal of a word that was typed: it has the class that it would have in
/// a variable or a file.
fn refusal(error: &clap::Error, words: &[String]) -> Option<CommandError> {
    let why = error.source()?.downcast_ref::<WordError>()?;
    let flag = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) => flag.split(['[', ' ']).next().unwrap_or_default(),
        _ => "",
    };
    let place = match flag {
        "" => String::new(),
        flag => format!("{flag}: "),
    };
    let (path, _) = command(&built(), words);
    let mut error = CommandError::new(ErrorClass::Refused, format!("{place}{}", why.message));
    error.hints.clone_from(&why.hints);
    Some(error.hint(help(&path)))
}

/// Takes out of an error the words that were typed, which may be secret: values,
/// and those that have no place. Flags stay, and the words that clap knows
/// something like.
fn discreet(mut error: clap::Error) -> clap::Error {
    let typed = typed_in(&error);
    // It says how a word would be passed on to a program, which it is not meant for.
    error.remove(ContextKind::Suggested);
    let word = match error.get(typed) {
        Some(ContextValue::String(word)) if !word.is_empty() => word.clone(),
        _ => return error,
    };
    let shown = match typed {
        // `kaiwo submit train/`, beside a -p.
        ContextKind::InvalidArg => {
            is_flag(&word) || Path::new(&word).exists() || word.parse::<ClaimMount>().is_ok()
        }
        ContextKind::InvalidSubcommand => is_word(&word),
        _ => false,
    };
    if !shown {
        error.insert(typed, ContextValue::String(HIDDEN.to_owned()));
    }
    error
}

fn typed_in(error: &clap::Error) -> ContextKind {
    match error.kind() {
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        _ => ContextKind::InvalidValue,
    }
}

/// Returns whether a word has the form of kaiwo's flags.
fn is_flag(word: &str) -> bool {
    match word.strip_prefix("--") {
        Some(name) => name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'),
        None => word.starts_with('-') && word.chars().count() <= 2,
    }
}

/// Returns whether kaiwo or another program has a command of this name, or one like
/// it.
fn is_word(word: &str) -> bool {
    let command = built();
    aliases::verb(&command, &[word.to_owned()]).is_some() || aliases::near(&command, word).is_some()
}

/// Says what is wrong, and how kaiwo would be told. `words` follow the program's
/// name.
fn usage_error(error: clap::Error, words: &[String]) -> CommandError {
    let root = built();
    let (path, command) = command(&root, words);
    let safe = safe(words);
    let typed = error.get(typed_in(&error)).cloned();
    let typed = match &typed {
        Some(ContextValue::String(word)) => word.as_str(),
        _ => "",
    };
    let kind = error.kind();
    let told = with_tips(&discreet(error), words);
    let of_config = path == ["config"];
    if kind == ErrorKind::InvalidSubcommand && (path.is_empty() || of_config) {
        let words: Vec<String> = match of_config {
            true => safe.iter().filter(|it| *it != "config").cloned().collect(),
            false => safe.clone(),
        };
        let hints = match aliases::verb(&root, &words) {
            Some((own, "")) => vec![own.to("try")],
            Some((own, more)) => vec![own.to("try"), more.into()],
            None => aliases::near(&root, typed)
                .map(|near| format!("did you mean {near}?").into())
                .into_iter()
                .collect(),
        };
        return CommandError {
            hints: hints.into_iter().chain([help(&path)]).collect(),
            ..told
        };
    }
    if kind == ErrorKind::MissingRequiredArgument && told.error.to_string().contains("<NAME>") {
        return CommandError::new(
            ErrorClass::Usage,
            format!("{} needs the name of a workload", path.join(" ")),
        )
        .hint(kaiwo("list", &[]).to("list workloads"))
        .hint(help(&path));
    }
    let at = words
        .iter()
        .position(|word| word.split('=').next() == typed.split('=').next());
    let is_unescaped = kind == ErrorKind::UnknownArgument && !words.iter().any(|word| word == "--");
    let of_run = at.filter(|_| is_unescaped && command.get_name() == "run");
    if let Some(at) = of_run.and_then(|at| aliases::missing_dashes(&root, command, words, at)) {
        return behind_dashes(told, &safe, at, true);
    }
    if let Some(hints) = as_docker(&root, command.get_name(), (kind, typed), &safe) {
        return CommandError {
            hints: hints.into_iter().chain([help(&path)]).collect(),
            ..told
        };
    }
    let value = at.and_then(|at| match words[at].split_once('=') {
        Some((_, value)) if words[at].starts_with("--") => Some(value),
        _ => words.get(at + 1).map(String::as_str),
    });
    let value = value.filter(|value| !value.starts_with('-') && !may_be_secret(value));
    let own = aliases::flag(command, typed, value);
    let before = at.and_then(|at| at.checked_sub(1));
    let own = own.or_else(|| match (before, typed.parse::<ClaimMount>()) {
        (Some(before), Ok(mount)) if words[before] == "-v" => {
            Some(format!("use --volume {mount}").into())
        }
        _ => None,
    });
    let is_command =
        is_unescaped && !typed.starts_with('-') && matches!(command.get_name(), "submit" | "serve");
    if let (Some(at), None, true) = (at, &own, is_command) {
        return behind_dashes(told, &safe, at, false);
    }
    match own {
        Some(own) => CommandError {
            hints: vec![own, help(&path)],
            ..told
        },
        None => told,
    }
}

/// Returns what kaiwo has for an image and its command in the form of other programs.
fn as_docker(
    root: &Command,
    command: &str,
    (kind, typed): (ErrorKind, &str),
    words: &[String],
) -> Option<Vec<Suggestion>> {
    let is_bare = !typed.starts_with('-') || aliases::attaches(typed);
    let is_escaped = words.iter().any(|word| word == "--");
    match command {
        "submit" | "serve" => aliases::attached(root, words).map(Vec::from),
        "run" if kind == ErrorKind::UnknownArgument && is_bare && !is_escaped => {
            let rest = words.iter().filter(|word| *word != "run").cloned();
            let rest: Vec<String> = rest.collect();
            Some(vec![aliases::run(root, "run", &rest).to("try")])
        }
        _ => None,
    }
}

/// Takes message and hints from the text that clap has for people: its first
/// paragraph and its tips.
fn with_tips(error: &clap::Error, words: &[String]) -> CommandError {
    let text = error.render().to_string();
    let message: Vec<&str> = text
        .trim_start_matches("error: ")
        .lines()
        .take_while(|line| !line.is_empty())
        .map(str::trim)
        .collect();
    let message = match error.kind() {
        // Then the text is the help.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "no command given".to_owned(),
        _ => number::plain(error, message.join(" ")),
    };
    let mut told = CommandError::new(ErrorClass::Usage, message);
    let tips = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("tip: "));
    for tip in tips.filter(|_| !is_far_fetched(error)) {
        told = told.hint(tip);
    }
    let (path, _) = command(&built(), words);
    told.hint(help(&path))
}

/// Suggests the help of a command.
fn help(path: &[String]) -> Suggestion {
    kaiwo("", &[])
        .args(path)
        .args(["--help"])
        .as_typed()
        .to("see")
}

/// Says where a command belongs whose words begin at `at`. Of `run` that is all that the
/// line lacks.
fn behind_dashes(
    mut told: CommandError,
    words: &[String],
    at: usize,
    of_run: bool,
) -> CommandError {
    let has = |flag: &str| words[..at].iter().any(|word| word == flag);
    let (before, after) = words.split_at(at);
    let line = kaiwo("", &[]).args(before).args(["--"]).args(after);
    let hint: Suggestion = match words[at].as_str() {
        "Ki" | "Mi" | "Gi" | "Ti" | "MB" | "GB" | "TB" => {
            "write number and unit as one word: 100Gi".into()
        }
        _ if of_run || ["-i", "--image", "-p", "--path"].into_iter().any(has) => {
            line.as_typed().to("put the command last, after --")
        }
        _ => "put the command last, after --, and -p DIR or -i IMAGE before it".into(),
    };
    told.hints.insert(0, hint);
    told
}

/// Returns whether clap's nearest flag has little in common with the one that was typed.
fn is_far_fetched(error: &clap::Error) -> bool {
    let bare = |word: &str| word.trim_start_matches('-').to_owned();
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(bare(word)),
        _ => None,
    };
    let (typed, near) = (
        text(ContextKind::InvalidArg),
        text(ContextKind::SuggestedArg),
    );
    typed.zip(near).is_some_and(|(typed, near)| {
        let is_begun = typed.len() >= 3 && near.starts_with(&typed);
        !is_begun && !is_slip(&typed, &near)
    })
}

/// Returns the words, without those that may be secret.
fn safe(words: &[String]) -> Vec<String> {
    let before = std::iter::once("").chain(words.iter().map(String::as_str));
    let pairs = before.zip(words);
    let is_private = |before: &str, word: &str| {
        let is_pair = matches!(before, "--env" | "-e" | "--set") && word.contains('=');
        let is_notified = before == "--notify" || word.starts_with("--notify=");
        is_pair || is_notified || may_be_secret(word) || secret_in(before, word).is_some()
    };
    let shown = pairs.map(|(before, word)| match is_private(before, word) {
        true => HIDDEN.to_owned(),
        false => word.clone(),
    });
    shown.collect()
}

/// Returns which cluster and which namespace the words name, as far as they can be
/// read.
fn connection_of(words: &[String]) -> Connection {
    let own = words.split(|word| word == "--").next().unwrap_or_default();
    let mut args = ConnectionArgs::default();
    let mut namespace = None;
    for (at, word) in own.iter().enumerate() {
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (word.as_str(), own.get(at + 1).cloned()),
        };
        match flag {
            "--context" => args.context = value,
            "--kubeconfig" => args.kubeconfig = value.map(PathBuf::from),
            "--as" => args.as_user = value,
            "--as-group" => args.as_group.extend(value),
            "-n" | "--namespace" => namespace = value,
            _ => {}
        }
    }
    command_line::connection(Some((&args, namespace.as_deref())))
}

/// Returns the command that the words are meant for, as far as they name one.
fn command<'a>(root: &'a Command, words: &[String]) -> (Vec<String>, &'a Command) {
    let (mut found, mut at) = (Vec::new(), root);
    for word in words.iter().filter(|word| !word.starts_with('-')) {
        let Some(subcommand) = at.find_subcommand(word) else {
            break;
        };
        found.push(word.clone());
        at = subcommand;
    }
    (found, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> (String, Vec<String>) {
        let words: Vec<String> = line.split(' ').skip(1).map(str::to_owned).collect();
        let error = parse(words.iter().map(OsString::from).collect()).unwrap_err();
        let error = match is_ours(error.kind()) {
            true => usage_error(error, &words),
            false => with_tips(&discreet(error), &words),
        };
        assert_eq!(error.class, ErrorClass::Usage);
        let typed = connection_of(&words);
        let hints = error.hints.iter().map(|hint| hint.text(&typed));
        (error.error.to_string(), hints.collect())
    }

    #[test]
    fn the_message_comes_without_the_usage() {
        let (message, hints) = told("kaiwo submit --gpuz 1");
        assert_eq!(message, "unexpected argument '--gpuz' found");
        assert_eq!(
            hints,
            [
                "a similar argument exists: '--gpus'",
                "see: kaiwo submit --help"
            ]
        );
        for far in ["--region x", "--spot", "--privileged", "--zzz"] {
            let hints = told(&format!("kaiwo list {far}")).1;
            assert_eq!(hints, ["see: kaiwo list --help"], "{far}");
        }
        let (message, hints) = told("kaiwo submti");
        assert_eq!(message, "unrecognized subcommand 'submti'");
        assert_eq!(hints, ["did you mean submit?", "see: kaiwo --help"]);
        let (message, hints) = told("kaiwo completion");
        assert_eq!(
            message,
            "the following required arguments were not provided: <SHELL>"
        );
        assert_eq!(hints, ["see: kaiwo completion --help"]);
        let (message, hints) = told("kaiwo config");
        assert_eq!(message, "no command given");
        assert_eq!(hints, ["see: kaiwo config --help"]);
        let (message, hints) = told("kaiwo submit -o jsno");
        assert_eq!(
            hints,
            ["a similar value exists: 'json'", "see: kaiwo submit --help"]
        );
        assert_eq!(
            message,
            "invalid value '…' for '--output <FORMAT>' [possible values: json, yaml, name]"
        );
    }

    #[test]
    fn what_others_call_it_is_known() {
        let first = |line: &str| told(line).1[0].clone();
        assert_eq!(first("kaiwo rm a -n team"), "try: kaiwo delete a -n team");
        assert_eq!(first("kaiwo get jobs -A"), "try: kaiwo list --kind job -A");
        assert_eq!(first("kaiwo get job a"), "try: kaiwo status job/a");
        assert_eq!(
            first("kaiwo submit --shm-size 8Gi"),
            "use --shm SIZE for the size of /dev/shm, which is part of the pod's memory (default: half of it)"
        );
        assert_eq!(
            first("kaiwo submit --nodes=2"),
            "use --replicas 2 for the number of pods; -g alone splits the GPUs over nodes automatically"
        );
        assert_eq!(
            first("kaiwo submit -v data:/data"),
            "use --volume data:/data"
        );
        assert_eq!(
            first("kaiwo submit -i registry/x -g 1 python train.py --lr 1"),
            "put the command last, after --: kaiwo submit -i registry/x -g 1 -- python train.py --lr 1"
        );
        assert_eq!(
            first("kaiwo submit python train.py"),
            "put the command last, after --, and -p DIR or -i IMAGE before it"
        );
        assert_eq!(
            first("kaiwo run -g 1 -i registry/x python train.py --lr 1"),
            "put the command last, after --: kaiwo run -g 1 -i registry/x -- python train.py --lr 1"
        );
        assert_eq!(
            first("kaiwo run train.py -g 1 --lr 1"),
            "put the command last, after --: kaiwo run train.py -g 1 -- --lr 1"
        );
        assert_eq!(
            first("kaiwo submit -p w --storage 100 Gi"),
            "write number and unit as one word: 100Gi"
        );
        let (message, hints) = told("kaiwo logs -n team");
        assert_eq!(message, "logs needs the name of a workload");
        assert_eq!(hints[0], "list workloads: kaiwo list -n team");
    }
}
