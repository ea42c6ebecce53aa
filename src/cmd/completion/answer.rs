//! Prints what may stand at the cursor, in lines for the scripts in
//! `completions/`: `WORD<tab>DESCRIPTION`, or one of [`FILES`] and
//! [`DIRECTORIES`].
//!
//! Scripts are installed once and outlive many a kaiwo, so this form stays.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::CommandFactory;

use crate::cli::{Cli, CompleteArgs, ConnectionArgs};
use crate::cluster::read::candidates::{self, CandidateSource, NamedObject};
use crate::cmd::{block_on, command_line, sources};
use crate::completion::{Candidate, Candidates, Live, TypedLine};
use crate::error::CommandError;
use crate::names::is_dns_1123_label;
use crate::request::DEFAULT_NAMESPACE;
use crate::secrecy::names_a_secret;
use crate::settings::Settings;
use crate::ui::Ui;

use super::attempt;

/// The shell is to offer files.
const FILES: &str = ":files\n";
/// The shell is to offer directories.
const DIRECTORIES: &str = ":directories\n";

/// Answers a completion script. Whatever is wrong with line, settings or
/// cluster, the answer is then shorter, never an error.
pub fn answer(args: &CompleteArgs, ui: Ui) -> Result<(), CommandError> {
    let deadline = Instant::now() + Duration::from_millis(args.within);
    let words: Vec<String> = args
        .words
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let mut command = Cli::command();
    command.build();
    let line = TypedLine::read(&command, &words, args.index);
    let text = match &line.source {
        Candidates::Nothing => String::new(),
        Candidates::Files => FILES.to_owned(),
        Candidates::Directories => DIRECTORIES.to_owned(),
        Candidates::Variables => {
            let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
            let mut names: Vec<String> = names.filter(|name| names_a_secret(name)).collect();
            names.sort();
            let nothing = String::new();
            lines(&line, names.iter().map(|name| (name, &nothing)))
        }
        Candidates::Words(candidates) => lines(
            &line,
            candidates.iter().map(
                |Candidate {
                     word, description, ..
                 }| (word, description),
            ),
        ),
        Candidates::Live(Live::CopyEnds) if line.is_local_end() => FILES.to_owned(),
        Candidates::Live(Live::CopyEnds) if args.ask => {
            let mut entries = look_up(&line, Live::CopyEnds, deadline);
            entries.iter_mut().for_each(|entry| entry.name.push(':'));
            let found = entries.iter().map(|it| (&it.name, &it.description));
            match lines(&line, found) {
                text if text.is_empty() => FILES.to_owned(),
                text => text,
            }
        }
        Candidates::Live(live) if args.ask => lines(
            &line,
            look_up(&line, *live, deadline)
                .iter()
                .map(|NamedObject { name, description }| (name, description)),
        ),
        Candidates::Live(_) => attempt::ask(args.index, &words, deadline),
    };
    // A shell that no longer listens is no error either.
    let _ = ui.data(&text);
    Ok(())
}

fn lines<'a>(
    line: &TypedLine,
    candidates: impl Iterator<Item = (&'a String, &'a String)>,
) -> String {
    candidates
        .filter_map(|(word, description)| {
            // A name with a line break would be two candidates.
            let word = line
                .complete(word)
                .filter(|word| !word.contains(char::is_control))?;
            let description = description.replace(char::is_control, " ");
            Some(format!("{word}\t{description}\n"))
        })
        .collect()
}

/// Asks the cluster that the line names, as the user that it names.
fn look_up(line: &TypedLine, live: Live, deadline: Instant) -> Vec<NamedObject> {
    let connection = ConnectionArgs {
        kubeconfig: line.value("kubeconfig").map(at_home),
        context: line.value("context").map(str::to_owned),
        as_user: line.value("as_user").map(str::to_owned),
        as_group: line.values("as_group").to_vec(),
        // The deadline comes first.
        request_timeout: None,
        insecure_skip_tls_verify: line.is_given("insecure_skip_tls_verify"),
    };
    let target = command_line::optional_target(&connection);
    let namespace = match live {
        Live::Contexts | Live::Namespaces | Live::PriorityClasses | Live::Nodes => String::new(),
        _ => match namespace(line, &connection) {
            Some(namespace) => namespace,
            None => return Vec::new(),
        },
    };
    let choice = match live {
        Live::Contexts => CandidateSource::Contexts,
        Live::Namespaces => CandidateSource::Namespaces,
        Live::PriorityClasses => CandidateSource::PriorityClasses,
        Live::Queues => CandidateSource::Queues(&namespace),
        Live::Workloads | Live::CopyEnds => CandidateSource::Workloads(&namespace),
        Live::Secrets => CandidateSource::Secrets(&namespace),
        Live::ServiceAccounts => CandidateSource::ServiceAccounts(&namespace),
        Live::Services => CandidateSource::Services(&namespace),
        Live::Claims => CandidateSource::Claims(&namespace),
        Live::Pods => CandidateSource::Pods(&namespace, line.named().unwrap_or_default()),
        Live::Nodes => CandidateSource::Nodes,
    };
    let entries = async { Ok(candidates::entries(&target, choice, deadline).await) };
    block_on(entries).unwrap_or_default()
}

/// Returns the namespace that the line would run in, unless it could not be
/// one.
fn namespace(line: &TypedLine, connection: &ConnectionArgs) -> Option<String> {
    let namespace = match line.value("namespace") {
        Some(typed) => typed.to_owned(),
        None => {
            let path = line.value("path").map(at_home);
            let typed = Settings::default();
            let settings = sources::merged(typed, path.as_deref(), connection).ok()?;
            settings.namespace.map_or_else(
                || DEFAULT_NAMESPACE.to_owned(),
                |namespace| namespace.value.into(),
            )
        }
    };
    is_dns_1123_label(&namespace).then_some(namespace)
}

/// Returns the path of a word that no shell has expanded yet.
fn at_home(word: &str) -> PathBuf {
    match (word.strip_prefix("~/"), dirs::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(word),
    }
}
