//! `kaiwo help --man DIR`: the manual pages.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::cli;
use crate::error::{CommandError, ErrorClass};
use crate::program::Program;
use crate::secrecy;
use crate::ui::Ui;

use super::help;

/// Writes a page for kaiwo and for each of its commands, `kaiwo.1`, `kaiwo-submit.1`, into
/// a directory, which is created.
pub fn run(directory: &Path, ui: Ui) -> Result<(), CommandError> {
    let shown = secrecy::path(directory);
    let written = pages()
        .and_then(|pages| {
            fs::create_dir_all(directory)?;
            for (name, page) in &pages {
                fs::write(directory.join(name), page)?;
            }
            Ok(pages.len())
        })
        .map_err(|error| {
            CommandError::new(
                ErrorClass::Refused,
                format!("cannot write the manual pages to {shown}: {error}"),
            )
        })?;
    ui.status(format!("{shown}: {written} pages written"));
    Ok(())
}

/// Returns the pages with their file names. They are installed beside `kaiwo`, so they
/// name it as such however this process was started.
fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut root = cli::command(Program::Kaiwo);
    root.build();
    let mut pages = Vec::new();
    add(&root, &mut pages)?;
    Ok(pages)
}

fn add(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    let man = Man::new(command.clone())
        // The clock has no place in a package, and an empty date would be no argument.
        .date(" ")
        .source(format!("kaiwo {}", env!("CARGO_PKG_VERSION")))
        .manual("User Commands");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    // Not every flag in one paragraph, as clap_mangen has it.
    let usage = command.clone().render_usage().to_string();
    verbatim(&mut page, "SYNOPSIS", usage.trim_start_matches("Usage: "))?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut below = command.get_subcommands().filter(|it| !it.is_hide_set());
    if below.next().is_some() {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(more) = command.get_after_help() {
        let more = more.to_string();
        let (before, rest) = more
            .split_once("Examples:\n")
            .unwrap_or((more.as_str(), ""));
        let (examples, after) = rest.split_once("\n\n").unwrap_or((rest, ""));
        verbatim(&mut page, "EXAMPLES", examples)?;
        verbatim(&mut page, "NOTES", &format!("{before}{after}"))?;
    }
    if command.get_name() == "kaiwo" {
        let codes = help::exit_codes();
        let codes = codes.split_once("\n\n").map_or("", |(_, codes)| codes);
        verbatim(&mut page, "EXIT STATUS", codes)?;
    }
    pages.push((man.get_filename(), page));
    for below in command.get_subcommands().filter(|it| !it.is_hide_set()) {
        add(below, pages)?;
    }
    Ok(())
}

/// Writes a section whose lines stay as they are in the help.
fn verbatim(page: &mut Vec<u8>, heading: &str, text: &str) -> io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let mut section = Roff::new();
    section.control("SH", [heading]);
    section.control("nf", []);
    for line in text.trim_end().lines() {
        section.text([roman(line)]);
    }
    section.control("fi", []);
    section.to_writer(page)?;
    page.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_and_its_examples_keep_their_lines() {
        let pages = pages().unwrap();
        let page = |name: &str| {
            let found = pages.iter().find(|(file, _)| file == name);
            String::from_utf8(found.unwrap().1.clone()).unwrap()
        };
        let mut root = cli::command(Program::Kaiwo);
        root.build();
        for command in root.get_subcommands() {
            let name = format!("kaiwo-{}.1", command.get_name());
            let is_there = pages.iter().any(|(file, _)| *file == name);
            assert_eq!(is_there, !command.is_hide_set(), "{name}");
        }
        let submit = page("kaiwo-submit.1");
        assert!(
            submit.contains(".SH EXAMPLES\n.nf\n  kaiwo submit "),
            "{submit}"
        );
        assert!(submit.contains(".SH NOTES\n.nf\nEverything "), "{submit}");
        assert!(submit.contains("\nkaiwo submit [OPTIONS]"), "{submit}");
        let kaiwo = page("kaiwo.1");
        assert!(kaiwo.contains(".SH \"EXIT STATUS\"\n.nf\n"), "{kaiwo}");
        assert!(kaiwo.contains("kaiwo\\-submit(1)"), "{kaiwo}");
        assert!(!kaiwo.contains("__complete"));
    }
}
