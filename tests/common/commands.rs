//! Commands of kaiwo's in texts that people read, and whether they can be typed.

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use kaiwo::cli::Cli;
use kaiwo::completion::repair;

/// Returns the command lines of kaiwo's that stand in a text of the program: after a
/// colon or in backticks, up to the end of the line or what is said of them.
pub fn in_text(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        for (at, _) in line.match_indices("kaiwo ") {
            let before = &line[..at];
            let is_quoted = before.ends_with('`');
            if !(is_quoted || before.ends_with(": ") || before.trim().is_empty()) {
                continue;
            }
            let rest = &line[at..];
            let end = match is_quoted {
                true => rest.find('`'),
                false => ["  ", " (", ";"]
                    .iter()
                    .filter_map(|end| rest.find(end))
                    .min(),
            };
            let command = rest[..end.unwrap_or(rest.len())].trim();
            // A sentence that begins with the name is no command.
            if words(command).get(1).is_some_and(|word| is_command(word)) {
                found.push(command.to_owned());
            }
        }
    }
    found
}

fn is_command(word: &str) -> bool {
    let is_flag = word.starts_with("--");
    is_flag || Cli::command().find_subcommand(word).is_some()
}

/// Returns what is wrong with a command line, as kaiwo sees it.
pub fn wrong(line: &str) -> Option<String> {
    let error = parse(words(line)).err()?;
    (error.exit_code() != 0).then(|| format!("`{line}` cannot be typed: {error}"))
}

/// Returns the same for documents, where a command may be named without what it needs,
/// and `NAME` and `$NAME` stand for something.
pub fn wrong_form(line: &str) -> Option<String> {
    let stands = |word: &String| {
        let capitals = word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_uppercase());
        capitals || word.starts_with('$')
    };
    let plain = words(line).into_iter().map(|word| match stands(&word) {
        true => "x".to_owned(),
        false => word,
    });
    let error = parse(plain.collect()).err()?;
    let is_incomplete = match error.kind() {
        ErrorKind::MissingRequiredArgument
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => true,
        ErrorKind::InvalidValue => error.to_string().contains("but none was supplied"),
        // What stands for a value need not be one.
        ErrorKind::ValueValidation => line.contains('$') || line.chars().any(char::is_uppercase),
        _ => error.exit_code() == 0,
    };
    (!is_incomplete).then(|| format!("`{line}` cannot be typed: {error}"))
}

fn parse(words: Vec<String>) -> Result<Cli, clap::Error> {
    let mut command = Cli::command();
    command.build();
    let words = words.into_iter().skip(1).collect();
    let words = repair::repaired(&command, words, |word| word.ends_with('/'));
    Cli::try_parse_from(std::iter::once("kaiwo".to_owned()).chain(words))
}

/// Splits a line as a shell does, as far as documents need that: quotes, and no more.
pub fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut is_word, mut quote) = (String::new(), false, None);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.push(c),
            ('\'' | '"', None) => (is_word, quote) = (true, Some(c)),
            (c, None) if c.is_whitespace() => {
                if is_word {
                    words.push(std::mem::take(&mut word));
                }
                is_word = false;
            }
            (c, None) => {
                is_word = true;
                word.push(c);
            }
        }
    }
    words.extend(is_word.then_some(word));
    words
}
