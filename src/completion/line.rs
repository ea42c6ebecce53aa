//! Reads an unfinished command line.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Arg, ArgAction, Command};

use super::source::{self, Candidate, Candidates, Live};

/// A command line with a cursor, as far as it can be understood.
///
/// clap itself cannot be asked: it stops at the first mistake, and a line that
/// is being typed is full of them.
#[derive(Debug)]
pub struct TypedLine {
    /// What of the word at the cursor stays in front of every candidate:
    /// `--queue=` of `--queue=res`.
    pub head: String,
    /// The rest of that word, up to the cursor.
    pub start: String,
    /// What may stand there.
    pub source: Candidates,
    given: BTreeSet<String>,
    values: BTreeMap<String, Vec<String>>,
    /// The first word that is neither command, flag nor value.
    named: Option<String>,
}

/// Where the walk through the words is.
struct Cursor<'a> {
    root: &'a Command,
    command: &'a Command,
    /// Flag that waits for its value.
    pending: Option<&'a Arg>,
    /// Positional arguments of `command` so far.
    positionals: usize,
    /// Whether `--` went by.
    escaped: bool,
}

impl TypedLine {
    /// Reads `words`, the first of which follows the program's name.
    /// `words[index]` ends at the cursor; beyond the last one, a new word
    /// begins there. `command` has been built.
    pub fn read(command: &Command, words: &[String], index: usize) -> Self {
        let mut place = Cursor {
            root: command,
            command,
            pending: None,
            positionals: 0,
            escaped: false,
        };
        let mut values = BTreeMap::<String, Vec<String>>::new();
        let mut given = BTreeSet::new();
        let mut cursor = None;
        let mut named = None;
        for (at, word) in words.iter().enumerate() {
            if at == index {
                cursor = Some(place.at_cursor(word));
                // Whatever the word becomes, it is one word.
                if place.pending.take().is_none() && !word.starts_with('-') {
                    place.positionals += 1;
                }
                continue;
            }
            let mut value = |flag: &Arg, value: &str| {
                let values = values.entry(flag.get_id().to_string()).or_default();
                values.push(value.to_owned());
            };
            if let Some(flag) = place.pending.take() {
                value(flag, word);
            } else if place.escaped {
                place.positionals += 1;
            } else if word == "--" {
                place.escaped = true;
            } else if let Some((flag, attached)) = place.flag(word) {
                given.insert(flag.get_id().to_string());
                match attached {
                    Some(attached) => value(flag, &attached.1),
                    None if waits(flag) => place.pending = Some(flag),
                    None => {}
                }
            } else if !word.starts_with('-') {
                match place.command.find_subcommand(word) {
                    Some(command) if place.positionals == 0 => place.command = command,
                    _ => {
                        named.get_or_insert_with(|| word.clone());
                        place.positionals += 1;
                    }
                }
            }
        }
        let (head, start, mut source) = cursor.unwrap_or_else(|| place.at_cursor(""));
        if let Candidates::Words(words) = &mut source {
            words.retain(|word| !word.flag.as_ref().is_some_and(|id| given.contains(id)));
        }
        Self {
            head,
            start,
            source,
            given,
            values,
            named,
        }
    }

    /// Returns the name of the workload that the line is about.
    pub fn named(&self) -> Option<&str> {
        let named = self.named.as_deref()?;
        // Of `NAME:/path` the name.
        let named = named.split(':').next().unwrap_or(named);
        Some(named.rsplit('/').next().unwrap_or(named))
    }

    /// Returns whether the word at the cursor is a path on this machine: it has begun as
    /// one, or the other end of the copy is where a workload runs.
    pub fn is_local_end(&self) -> bool {
        let other = self.named.as_deref();
        self.start.starts_with(['/', '.', '~']) || other.is_some_and(|it| it.contains(':'))
    }

    /// Returns whether the flag with this id was typed.
    pub fn is_given(&self, id: &str) -> bool {
        self.given.contains(id)
    }

    /// Returns what was typed for the flag with this id, the last one if it
    /// was given more than once.
    pub fn value(&self, id: &str) -> Option<&str> {
        self.values(id).last().map(String::as_str)
    }

    /// Returns everything that was typed for the flag with this id.
    pub fn values(&self, id: &str) -> &[String] {
        self.values.get(id).map_or(&[], Vec::as_slice)
    }

    /// Returns the candidate's whole word, if it continues what was typed.
    pub fn complete(&self, word: &str) -> Option<String> {
        word.starts_with(&self.start)
            .then(|| format!("{}{word}", self.head))
    }
}

impl<'a> Cursor<'a> {
    /// Returns head and start of the word at the cursor, and what it may be.
    fn at_cursor(&self, word: &str) -> (String, String, Candidates) {
        let whole = |source| (String::new(), word.to_owned(), source);
        if let Some(flag) = self.pending {
            return within(flag, String::new(), word.to_owned());
        }
        if self.escaped {
            return whole(match self.positional() {
                Some(argument) => source::of_value(argument),
                None => Candidates::Files,
            });
        }
        if word.starts_with('-') {
            return match self.flag(word) {
                Some((flag, Some((head, start)))) => within(flag, head, start),
                _ => whole(Candidates::Words(flags(self.command))),
            };
        }
        if let Some(argument) = self.positional()
            && !argument.is_last_set()
        {
            return whole(match self.command.get_name() {
                "help" => Candidates::Words(self.topics()),
                "endpoint" | "chat" if argument.get_id() == "workload" => {
                    Candidates::Live(Live::Services)
                }
                _ => source::of_value(argument),
            });
        }
        let mut words = Vec::new();
        if self.positionals == 0 {
            words.extend(subcommands(self.command));
        }
        // After a word too many nothing can be right.
        let wanted = |argument: &&Arg| !argument.is_last_set();
        let most = self.command.get_positionals().filter(wanted).count();
        if words.is_empty() && word.is_empty() && self.positionals <= most {
            words = flags(self.command);
        }
        whole(Candidates::Words(words))
    }

    /// Returns what `kaiwo help` explains.
    fn topics(&self) -> Vec<Candidate> {
        let mut topics: Vec<Candidate> = subcommands(self.root).collect();
        let more = [
            ("exit-codes", "What the exit codes mean"),
            ("agents", "How programs and agents use kaiwo"),
        ];
        topics.extend(more.map(|(word, description)| Candidate {
            word: word.to_owned(),
            description: description.to_owned(),
            flag: None,
        }));
        topics
    }

    /// Returns the positional argument whose turn it is: in the order of their
    /// indices, and the last one again and again where it takes several.
    fn positional(&self) -> Option<&'a Arg> {
        let mut positionals: Vec<&Arg> = self.command.get_positionals().collect();
        if self.escaped {
            let mut positionals = positionals.into_iter();
            return positionals.find(|argument| argument.is_last_set());
        }
        positionals.sort_by_key(|argument| argument.get_index());
        let again = |argument: &&&Arg| matches!(argument.get_action(), ArgAction::Append);
        let turn = positionals.get(self.positionals);
        let last = positionals.last().filter(again);
        turn.or(last).copied()
    }

    /// Returns the flag that a word gives and, if the word holds a value, the
    /// text in front of it and the value. Of several short ones in a word it
    /// is the last that counts.
    fn flag(&self, word: &str) -> Option<(&'a Arg, Option<(String, String)>)> {
        let split = |at: usize| Some((word[..at].to_owned(), word[at..].to_owned()));
        if let Some(long) = word.strip_prefix("--") {
            let name = long.split('=').next().unwrap_or(long);
            let flag = self.find(|flag| {
                flag.get_long() == Some(name)
                    || flag
                        .get_all_aliases()
                        .is_some_and(|all| all.contains(&name))
            })?;
            let value = (name.len() < long.len() && takes_value(flag))
                .then(|| split("--".len() + name.len() + 1));
            return Some((flag, value.flatten()));
        }
        let mut last = None;
        if !word.starts_with('-') {
            return None;
        }
        for (at, letter) in word.char_indices().skip(1) {
            let flag = self.find(|flag| flag.get_short() == Some(letter))?;
            let rest = at + letter.len_utf8();
            let with_equals = word[rest..].starts_with('=');
            if takes_value(flag) && rest < word.len() && (with_equals || waits(flag)) {
                return Some((flag, split(rest + usize::from(with_equals))));
            }
            last = Some((flag, None));
        }
        last
    }

    fn find(&self, is_it: impl Fn(&Arg) -> bool) -> Option<&'a Arg> {
        self.command.get_arguments().find(|flag| is_it(flag))
    }
}

/// Returns head, start and candidates of a flag's value. In `K=SECRET/KEY` what comes
/// first is the user's own word.
fn within(flag: &Arg, head: String, start: String) -> (String, String, Candidates) {
    match start.split_once('=') {
        Some((name, secret)) if flag.get_id() == "secret" => (
            format!("{head}{name}="),
            secret.to_owned(),
            Candidates::Live(Live::Secrets),
        ),
        _ => (head, start, source::of_value(flag)),
    }
}

/// Where the words of a finished command line stand.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// The command.
    pub(super) verb: String,
    /// Indices of the words that are neither command, flag nor value, before `--`.
    pub(super) positionals: Vec<usize>,
    /// Ids of the flags.
    pub(super) given: BTreeSet<String>,
    /// Id of the flag that waits for its value at the end.
    pub(super) waiting: Option<String>,
    /// Whether the last word is a flag that the command has.
    pub(super) is_flag: bool,
    /// Whether there is a `--`.
    pub(super) is_escaped: bool,
}

impl Place {
    /// Returns whether the flag with this id was typed.
    pub(super) fn is_given(&self, id: &str) -> bool {
        self.given.contains(id)
    }
}

/// Reads where the words of a line stand.
pub(super) fn places(command: &Command, words: &[String]) -> Place {
    let mut cursor = Cursor {
        root: command,
        command,
        pending: None,
        positionals: 0,
        escaped: false,
    };
    let mut found = Place::default();
    for (at, word) in words.iter().enumerate() {
        found.is_flag = false;
        if cursor.pending.take().is_some() {
            continue;
        }
        if word == "--" {
            found.is_escaped = true;
            break;
        }
        if let Some((flag, attached)) = cursor.flag(word) {
            found.is_flag = true;
            found.given.insert(flag.get_id().to_string());
            if attached.is_none() && waits(flag) {
                cursor.pending = Some(flag);
            }
        } else if !word.starts_with('-') {
            match cursor.command.find_subcommand(word) {
                Some(command) if found.positionals.is_empty() => cursor.command = command,
                _ => found.positionals.push(at),
            }
        }
    }
    found.verb = cursor.command.get_name().to_owned();
    found.waiting = cursor.pending.map(|flag| flag.get_id().to_string());
    found
}

fn takes_value(flag: &Arg) -> bool {
    flag.get_num_args()
        .is_some_and(|number| number.takes_values())
}

/// Returns whether the next word is the flag's value.
fn waits(flag: &Arg) -> bool {
    takes_value(flag) && !flag.is_require_equals_set()
}

fn subcommands(command: &Command) -> impl Iterator<Item = Candidate> {
    command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(|command| Candidate {
            word: command.get_name().to_owned(),
            description: first_line(command.get_about()),
            flag: None,
        })
}

fn flags(command: &Command) -> Vec<Candidate> {
    command
        .get_arguments()
        .filter(|flag| !flag.is_hide_set())
        .filter_map(|flag| {
            let again = matches!(flag.get_action(), ArgAction::Append | ArgAction::Count);
            Some(Candidate {
                word: format!("--{}", flag.get_long()?),
                description: first_line(flag.get_help()),
                flag: (!again).then(|| flag.get_id().to_string()),
            })
        })
        .collect()
}

fn first_line(text: Option<&clap::builder::StyledStr>) -> String {
    let text = text.map(ToString::to_string).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
