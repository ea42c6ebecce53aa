//! Reads an unfinished command line.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Arg, ArgAction, Command};

use super::source::{self, Candidate, Candidates};

/// A command line with a cursor, as far as it can be understood.
///
/// clap itself cannot be asked: it stops at the first mistake, and a line that
/// is being typed is full of them.
#[derive(Debug)]
pub struct Line {
    /// What of the word at the cursor stays in front of every candidate:
    /// `--queue=` of `--queue=res`.
    pub head: String,
    /// The rest of that word, up to the cursor.
    pub start: String,
    /// What may stand there.
    pub source: Candidates,
    given: BTreeSet<String>,
    values: BTreeMap<String, Vec<String>>,
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

impl Line {
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
                    _ => place.positionals += 1,
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
        }
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
            return whole(source::of_value(flag));
        }
        if self.escaped {
            return whole(match self.positional() {
                Some(argument) => source::of_value(argument),
                None => Candidates::Files,
            });
        }
        if word.starts_with('-') {
            return match self.flag(word) {
                Some((flag, Some((head, start)))) => (head, start, source::of_value(flag)),
                _ => whole(Candidates::Words(flags(self.command))),
            };
        }
        if let Some(argument) = self.positional()
            && !argument.is_last_set()
        {
            return whole(match self.command.get_name() {
                "help" => Candidates::Words(self.topics()),
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
        topics.push(Candidate {
            word: "exit-codes".to_owned(),
            description: "What the exit codes mean".to_owned(),
            flag: None,
        });
        topics
    }

    /// Returns the positional argument whose turn it is.
    fn positional(&self) -> Option<&'a Arg> {
        let mut positionals = self.command.get_positionals();
        match self.escaped {
            true => positionals.find(|argument| argument.is_last_set()),
            false => positionals.nth(self.positionals),
        }
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
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;
    use crate::completion::Live;

    /// Reads a line in which `|` is the cursor.
    fn read(text: &str) -> Line {
        let mut command = Cli::command();
        command.build();
        let (before, after) = text.split_once('|').unwrap();
        let mut words: Vec<String> = before.split(' ').map(str::to_owned).collect();
        let index = words.len() - 1;
        words.extend(after.split(' ').skip(1).map(str::to_owned));
        Line::read(&command, &words, index)
    }

    fn words(text: &str) -> Vec<String> {
        let line = read(text);
        match &line.source {
            Candidates::Words(words) => words
                .iter()
                .filter_map(|candidate| line.complete(&candidate.word))
                .collect(),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn commands_and_flags() {
        assert_eq!(
            words("|"),
            [
                "submit",
                "serve",
                "list",
                "status",
                "why",
                "logs",
                "wait",
                "exec",
                "port-forward",
                "delete",
                "queues",
                "top",
                "models",
                "chat",
                "endpoint",
                "completion",
                "config",
                "template",
                "help"
            ]
        );
        assert_eq!(words("su|"), ["submit"]);
        assert_eq!(words("config |"), ["show"]);
        assert_eq!(words("--quiet co|"), ["completion", "config"]);
        assert_eq!(
            words("submit --gpus-per-n|"),
            ["--gpus-per-node"],
            "a flag by its beginning"
        );
        assert!(words("submit |").contains(&"--queue".to_owned()));
        assert!(words("submit -|").contains(&"--quiet".to_owned()));
        assert_eq!(words("submit train|"), [] as [&str; 0]);
        assert_eq!(words("nonsense su|"), [] as [&str; 0]);
        assert_eq!(words("nonsense |"), [] as [&str; 0]);
        assert!(words("completion bash |").contains(&"--quiet".to_owned()));
    }

    #[test]
    fn a_flag_that_was_given_is_offered_again_only_if_it_may_be() {
        for line in ["submit -q x --|", "submit --| -q x", "submit --queue=x --|"] {
            let words = words(line);
            assert!(!words.contains(&"--queue".to_owned()), "{line}");
            assert!(words.contains(&"--namespace".to_owned()), "{line}");
        }
        assert!(words("submit --env A=1 --env|").contains(&"--env".to_owned()));
    }

    #[test]
    fn words_that_are_known() {
        assert_eq!(words("submit -o |"), ["yaml", "json", "name"]);
        assert_eq!(words("submit --dry-run=s|"), ["--dry-run=server"]);
        assert_eq!(words("submit -d=|"), ["-d=client", "-d=server"]);
        assert_eq!(words("submit --ray=f|"), ["--ray=false"]);
        assert_eq!(
            words("submit --gpu-resource |"),
            ["amd.com/gpu", "nvidia.com/gpu"]
        );
        assert_eq!(words("serve -m phi-4|"), ["phi-4", "phi-4-mini-instruct"]);
        assert_eq!(words("models mistralai/|").len(), 3);
        assert_eq!(words("models -o w|"), ["wide"]);
        assert_eq!(
            words("serve --instance-type=Standard_ND96isr_H2|"),
            ["--instance-type=Standard_ND96isr_H200_v5"]
        );
        assert_eq!(words("--color n|"), ["never"]);
        assert_eq!(words("submit --color=al|"), ["--color=always"]);
        assert_eq!(words("config show -o |"), ["json"]);
        assert_eq!(words("completion f|"), ["fish"]);
        assert_eq!(words("help e|"), ["exec", "endpoint", "exit-codes"]);
        // The next word is not the value of a flag that wants `=`.
        assert!(words("submit --ray |").contains(&"--queue".to_owned()));
    }

    #[test]
    fn values_that_only_the_cluster_knows() {
        for (text, live) in [
            ("submit -n |", Live::Namespaces),
            ("submit --namespace te|", Live::Namespaces),
            ("submit --namespace=te|", Live::Namespaces),
            ("submit -nte|", Live::Namespaces),
            ("submit -n=te|", Live::Namespaces),
            ("submit -q |", Live::Queues),
            ("submit --priority-class |", Live::PriorityClasses),
            ("submit --context |", Live::Contexts),
            ("submit --name |", Live::Workloads),
            ("submit --image-pull-secret |", Live::Secrets),
            ("submit --imagepullsecret |", Live::Secrets),
            ("submit --service-account |", Live::ServiceAccounts),
        ] {
            assert_eq!(read(text).source, Candidates::Live(live), "{text}");
        }
        let line = read("submit -nte|");
        assert_eq!(line.complete("team").as_deref(), Some("-nteam"));
        assert_eq!(line.complete("other"), None);
        let line = read("submit --context=arn:aws|");
        assert_eq!(
            line.complete("arn:aws:eks").as_deref(),
            Some("--context=arn:aws:eks")
        );
    }

    #[test]
    fn files_and_directories() {
        assert_eq!(read("submit -p |").source, Candidates::Directories);
        assert_eq!(read("config show -p tr|").source, Candidates::Directories);
        assert_eq!(read("submit --env-file=|").source, Candidates::Files);
        assert_eq!(read("submit --kubeconfig |").source, Candidates::Files);
        assert_eq!(read("submit -- python -|").source, Candidates::Files);
        assert_eq!(read("submit -- -n |").source, Candidates::Files);
    }

    #[test]
    fn what_nobody_knows_is_not_guessed() {
        assert_eq!(read("submit -i |").source, Candidates::Nothing);
        assert_eq!(read("submit -g |").source, Candidates::Nothing);
        assert_eq!(read("submit --nonsense=|").head, "");
    }

    #[test]
    fn the_rest_of_the_line_is_read_whatever_it_holds() {
        let line = read(
            "submit -g abc --bad --context=a --as bob --as-group=g -n x -q | --kubeconfig k --as-group h -- --as eve",
        );
        assert_eq!(line.value("context"), Some("a"));
        assert_eq!(line.value("as_user"), Some("bob"));
        assert_eq!(line.values("as_group"), ["g", "h"]);
        assert_eq!(line.value("namespace"), Some("x"));
        assert_eq!(line.value("kubeconfig"), Some("k"));
        assert_eq!(line.value("queue"), None);
        let line = read("submit -vnx -n y --queue |");
        assert_eq!(line.values("namespace"), ["x", "y"]);
    }
}
