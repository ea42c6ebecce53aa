//! Every command of kaiwo's in documents, examples and help can be typed, and those that
//! submit a directory of this checkout render.

use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use kaiwo::cli::Cli;

use crate::common::{Sandbox, checkout, commands};

/// Returns the documents for users, and files with commands in comments.
fn documents(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let is_document = path.extension().is_some_and(|kind| kind == "md");
        match path.is_dir() {
            true => documents(&path, found),
            false if is_document => found.push(path),
            false => {}
        }
    }
}

/// Returns the commands of kaiwo's in a line of a document: up to a pipe, a
/// redirection or a comment.
fn in_line(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("kaiwo ") {
        let before = line[..at].chars().next_back();
        let begins = before.is_none_or(|c| " `$(\t".contains(c));
        if !begins || line[..at].ends_with("-- ") {
            continue;
        }
        let rest = &line[at..];
        let ends = [
            " \\| ", " | ", " > ", " < ", " && ", " || ", "; ", "  ", " #", "`", ")", " >/", " 2>",
            " &",
        ];
        let end = ends.iter().filter_map(|end| rest.find(end)).min();
        let command = rest[..end.unwrap_or(rest.len())]
            .trim_end_matches(['.', ',', ':'])
            .trim();
        let words = commands::words(command);
        let is_command = |word: &String| Cli::command().find_subcommand(word).is_some();
        // What stands for something else is not typed as it is.
        let is_form = command.contains('[') || command.contains('…') || command.contains("...");
        if words.get(1).is_some_and(is_command) && !is_form {
            found.push(command.to_owned());
        }
    }
    found
}

/// Returns the lines of a document that are code: in blocks, and between backticks.
fn code(text: &str) -> Vec<String> {
    let (mut found, mut is_block) = (Vec::new(), false);
    let joined = text.replace("\\\n", " ");
    for line in joined.lines() {
        if line.trim_start().starts_with("```") {
            is_block = !is_block;
        } else if is_block {
            found.push(line.to_owned());
        } else {
            found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}

fn in_documents() -> Vec<(String, String)> {
    let mut files = ["README.md", "CONTRIBUTING.md", "SECURITY.md"]
        .map(checkout)
        .to_vec();
    for directory in ["docs", "workloads", "cluster-admins"] {
        documents(&checkout(directory), &mut files);
    }
    let mut found = Vec::new();
    for file in files {
        // Decisions tell of what was, too.
        if file.starts_with(checkout("docs/decisions")) {
            continue;
        }
        let name = file
            .strip_prefix(checkout(""))
            .unwrap()
            .display()
            .to_string();
        for line in code(&fs::read_to_string(&file).unwrap()) {
            found.extend(
                in_line(&line)
                    .into_iter()
                    .map(|command| (name.clone(), command)),
            );
        }
    }
    found
}

fn in_help() -> Vec<(String, String)> {
    fn of(command: &mut clap::Command, found: &mut Vec<(String, String)>) {
        let help = command.render_long_help().to_string().replace("\\\n", " ");
        let lines = help.lines().flat_map(in_line);
        let name = command.get_name().to_owned();
        found.extend(lines.map(|line| (format!("{name} --help"), line)));
        command
            .get_subcommands_mut()
            .for_each(|command| of(command, found));
    }
    let mut command = Cli::command();
    command.build();
    let mut found = Vec::new();
    of(&mut command, &mut found);
    found
}

#[test]
fn every_command_that_is_told_can_be_typed() {
    let all: Vec<(String, String)> = in_documents().into_iter().chain(in_help()).collect();
    assert!(all.len() > 200, "they are found: {}", all.len());
    let wrong: Vec<String> = all
        .iter()
        .filter_map(|(place, line)| Some(format!("{place}: {}", commands::wrong_form(line)?)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn examples_of_this_checkout_render_as_they_are_told() {
    let sandbox = Sandbox::new();
    let (mut tried, mut found) = (0, Vec::new());
    for (place, line) in in_documents() {
        let mut words = commands::words(&line);
        let submits = matches!(words[1].as_str(), "submit" | "serve");
        if !submits || !words.iter().any(|word| word.starts_with("workloads/")) {
            continue;
        }
        tried += 1;
        words.retain(|word| !word.starts_with("--dry-run") && word != "-d");
        if let Some(output) = words.iter().position(|word| word == "-o") {
            words.drain(output..output + 2);
        }
        let end = words
            .iter()
            .position(|word| word == "--")
            .unwrap_or(words.len());
        words.retain(|word| word != "--wait" && word != "--follow");
        let end = end.min(words.len());
        words.insert(end, "--dry-run".to_owned());
        let arguments: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
        let mut command = sandbox.command(&arguments);
        let output = command.current_dir(checkout("")).output().unwrap();
        if !output.status.success() {
            found.push(format!(
                "{place}: {line}\n{}",
                String::from_utf8_lossy(&output.stderr)
            ));
        }
    }
    assert!(tried > 20, "they are found: {tried}");
    assert!(found.is_empty(), "{}", found.join("\n"));
}
