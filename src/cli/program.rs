//! The command line under the name that was typed.

use clap::{Arg, Command, CommandFactory as _};

use super::Cli;
use crate::program::Program;

/// Returns the command line, whose usage and examples begin with the words of `program`.
pub fn command(program: Program) -> Command {
    match program {
        Program::Kaiwo => Cli::command(),
        // Examples are wider by the length of kubectl's name.
        Program::Plugin(_) => renamed(Cli::command(), program)
            .bin_name(program.words().join(" "))
            .max_term_width(88),
    }
}

/// Returns whether a word is a command of kaiwo's.
pub fn is_command(word: &str) -> bool {
    Cli::command().find_subcommand(word).is_some()
}

fn renamed(mut command: Command, program: Program) -> Command {
    let text = |text: Option<&clap::builder::StyledStr>| {
        text.map(|text| program.in_text(&text.to_string()))
    };
    if let Some(about) = text(command.get_long_about()) {
        command = command.long_about(about);
    }
    if let Some(examples) = text(command.get_after_help()) {
        command = command.after_help(examples);
    }
    command
        .mut_args(|flag: Arg| match text(flag.get_help()) {
            Some(help) => flag.help(help),
            None => flag,
        })
        .mut_subcommands(|below| renamed(below, program))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_has_no_example_that_starts_another_program() {
        let mut command = command(Program::Plugin(is_command));
        command.build();
        let submit = command.find_subcommand_mut("submit").unwrap();
        let help = submit.render_help().to_string();
        assert!(help.contains("Usage: kubectl kaiwo submit"), "{help}");
        let examples = help.lines().skip_while(|line| *line != "Examples:");
        let examples: Vec<&str> = examples.filter(|line| line.contains("kaiwo ")).collect();
        assert!(!examples.is_empty());
        for line in examples {
            assert!(line.contains("kubectl kaiwo "), "{line}");
        }
    }
}
