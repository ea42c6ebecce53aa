//! Puts the words of a command line where clap expects them: what kubectl and other
//! programs take elsewhere, or without a flag. What is in order stays as it is.

use std::ffi::OsStr;

use clap::Command;

use super::line::{Place, places};
use crate::kind::WorkloadKind;
use crate::names::is_dns_1123_subdomain;

/// Commands whose first word is a workload.
const OF_ONE: [&str; 9] = [
    "status",
    "why",
    "logs",
    "wait",
    "resize",
    "exec",
    "port-forward",
    "endpoint",
    "top",
];

/// Makes `-t` of the `-it` of `kaiwo run`, as other programs take it: `-i` is the image.
pub fn terminal<T: AsRef<OsStr> + From<&'static str>>(words: &mut [T]) {
    let end = words.iter().position(|word| word.as_ref() == "--");
    let end = end.unwrap_or(words.len());
    let own = &mut words[..end];
    let is_flag = |word: &T| word.as_ref().to_string_lossy().starts_with('-');
    let verb = own.iter().find(|word| !is_flag(word));
    if verb.is_some_and(|verb| verb.as_ref() == "run") {
        let both = own
            .iter_mut()
            .filter(|word| ["-it", "-ti"].iter().any(|it| (**word).as_ref() == *it));
        both.for_each(|word| *word = "-t".into());
    }
}

/// Returns `words`, which follow the program's name, in the order that kaiwo takes.
/// `command` has been built.
pub fn repaired(
    command: &Command,
    words: Vec<String>,
    is_directory: impl Fn(&str) -> bool,
) -> Vec<String> {
    let mut words = behind_the_verb(command, words);
    terminal(&mut words);
    let at = places(command, &words);
    let own = at.positionals.clone();
    let first = own.first().copied();
    match at.verb.as_str() {
        "submit" | "serve" | "run" => match first {
            Some(first) if !at.is_given("path") && is_directory(&words[first]) => {
                inserted(words, first, "-p")
            }
            _ => words,
        },
        "list" => match first.filter(|_| own.len() == 1) {
            Some(first) => match kind(&words[first]) {
                Some(kind) => replaced(words, first..first + 1, &["--kind", &kind.word()]),
                None => words,
            },
            None => words,
        },
        "status" if first.is_none() && !at.is_escaped => as_list(command, words, &at),
        "delete" => several(words, &own),
        "exec" => {
            let words = one(words, &own);
            let at = places(command, &words);
            match (at.is_escaped, at.positionals.get(1)) {
                (false, Some(second)) => inserted(words, *second, "--"),
                _ => words,
            }
        }
        verb if OF_ONE.contains(&verb) => one(words, &own),
        _ => words,
    }
}

/// Puts flags that stand before the command behind it.
fn behind_the_verb(command: &Command, words: Vec<String>) -> Vec<String> {
    let mut verb = 0;
    while let Some(word) = words
        .get(verb)
        .filter(|word| word.starts_with('-') && *word != "--")
    {
        let next = words.get(verb + 1);
        let is_verb = next.is_some_and(|next| command.find_subcommand(next).is_some());
        verb += 1 + usize::from(takes_next(command, word, is_verb));
    }
    if verb == 0 || verb >= words.len() {
        return words;
    }
    let mut end = verb;
    let mut at = command;
    while let Some(next) = words.get(end).and_then(|word| at.find_subcommand(word)) {
        (at, end) = (next, end + 1);
    }
    let (before, rest) = words.split_at(verb);
    let (verb, rest) = rest.split_at(end - verb);
    [verb, before, rest].concat()
}

/// Returns whether the word after a flag is its value, before the command is known.
/// Where that depends on the command, the name of a command is not a value.
fn takes_next(command: &Command, word: &str, is_verb: bool) -> bool {
    let line = [word.to_owned()];
    let own = places(command, &line);
    if own.is_flag {
        return own.waiting.is_some();
    }
    let of_all = command.get_subcommands().map(|of| places(of, &line));
    let (mut all, mut some) = (true, false);
    for place in of_all.filter(|place| place.is_flag) {
        all &= place.waiting.is_some();
        some |= place.waiting.is_some();
    }
    some && (all || !is_verb)
}

/// Returns the kind that a bare word means, as in `kubectl get jobs`.
fn kind(word: &str) -> Option<WorkloadKind> {
    WorkloadKind::meant(word).filter(|_| !word.contains('/'))
}

/// Makes `job/x` of `job x`.
fn one(words: Vec<String>, own: &[usize]) -> Vec<String> {
    let [first, second, ..] = own[..] else {
        return words;
    };
    let is_name =
        |word: &str| is_dns_1123_subdomain(word) && !word.bytes().all(|byte| byte.is_ascii_digit());
    match kind(&words[first]).filter(|_| is_name(&words[second])) {
        Some(kind) => {
            let mut words = words;
            words[second] = format!("{}/{}", kind.word(), words[second]);
            words.remove(first);
            words
        }
        None => words,
    }
}

/// Makes `job/x job/y` of `job x y`.
fn several(mut words: Vec<String>, own: &[usize]) -> Vec<String> {
    let [first, ref names @ ..] = *own else {
        return words;
    };
    let Some(kind) = kind(&words[first]).filter(|_| !names.is_empty()) else {
        return words;
    };
    if names.iter().any(|name| words[*name].contains('/')) {
        return words;
    }
    for name in names {
        words[*name] = format!("{}/{}", kind.word(), words[*name]);
    }
    words.remove(first);
    words
}

/// Makes a listing of `status` without a name, if it has the flags.
fn as_list(command: &Command, words: Vec<String>, at: &Place) -> Vec<String> {
    let Some(list) = command.find_subcommand("list") else {
        return words;
    };
    let has = |id: &String| list.get_arguments().any(|flag| flag.get_id() == id);
    let asks_for_help = words.iter().any(|word| word == "-h" || word == "--help");
    match at.given.iter().all(has) && !asks_for_help {
        true => replaced(words, 0..1, &["list"]),
        false => words,
    }
}

fn inserted(mut words: Vec<String>, at: usize, word: &str) -> Vec<String> {
    words.insert(at, word.to_owned());
    words
}

fn replaced(mut words: Vec<String>, at: std::ops::Range<usize>, with: &[&str]) -> Vec<String> {
    words.splice(at, with.iter().map(|word| (*word).to_owned()));
    words
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    fn repaired_line(line: &str) -> String {
        let mut command = Cli::command();
        command.build();
        let words = line.split(' ').map(str::to_owned).collect();
        repaired(&command, words, |word| word.ends_with('/')).join(" ")
    }

    #[test]
    fn words_go_where_clap_expects_them() {
        for (typed, meant) in [
            ("-n ns list", "list -n ns"),
            ("--context c -n=ns list -w", "list --context c -n=ns -w"),
            ("-v --color never list", "list -v --color never"),
            ("-A list", "list -A"),
            ("-o json config show", "config show -o json"),
            ("--version", "--version"),
            ("-h", "-h"),
            ("status", "list"),
            ("status -n ns -o json", "list -n ns -o json"),
            ("status --exit-status", "status --exit-status"),
            ("status --help", "status --help"),
            ("status jobs low", "status job/low"),
            ("status job/low", "status job/low"),
            ("-n ns logs deploy web -f", "logs -n ns deployment/web -f"),
            (
                "port-forward deploy web 8000",
                "port-forward deployment/web 8000",
            ),
            ("port-forward web 8000", "port-forward web 8000"),
            ("delete job a b -y", "delete job/a job/b -y"),
            ("delete job/a b", "delete job/a b"),
            ("delete job", "delete job"),
            ("list jobs", "list --kind job"),
            ("submit dir/ -g 1", "submit -p dir/ -g 1"),
            (
                "submit -g 1 dir/ -- python x/",
                "submit -g 1 -p dir/ -- python x/",
            ),
            ("submit -p dir/ more/", "submit -p dir/ more/"),
            ("submit train.py", "submit train.py"),
            ("exec x nvidia-smi", "exec x -- nvidia-smi"),
            ("exec -n ns x ls -la", "exec -n ns x -- ls -la"),
            ("exec job x ls", "exec job/x -- ls"),
            ("exec x -- ls", "exec x -- ls"),
            ("exec x", "exec x"),
            ("chat x hello", "chat x hello"),
            (
                "run -g 1 -it -i x -- bash -it",
                "run -g 1 -t -i x -- bash -it",
            ),
            ("exec -it x", "exec -it x"),
            ("-n ns run -it x", "run -n ns -t x"),
        ] {
            assert_eq!(repaired_line(typed), meant, "{typed}");
        }
    }
}
