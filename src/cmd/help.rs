//! `kaiwo help`.

use clap::CommandFactory;

use crate::cli::Cli;
use crate::error::{CommandError, ErrorClass};
use crate::ui::Ui;

/// What the exit codes mean, as text for people.
const EXIT_CODES: &str = "\
Exit codes of kaiwo

    0  done
    1  unclassified: something nobody foresaw
    2  the command line is wrong
    3  refused before anything was created: bad input, an impossible request,
       or the API server would not take it
    4  not allowed, or not authenticated
    5  a workload of that name exists: it differs, or has ended
    6  partly created and could not be undone; what is left is listed
    7  the cluster cannot be reached
  124  something that was to be deleted first is still there
  130  interrupted

With -o json an error is also written to stdout, with its class and code.
";

/// Explains a command or a topic.
pub fn run(topic: Option<&str>, ui: Ui) -> Result<(), CommandError> {
    let mut cli = Cli::command();
    // Global flags reach the subcommands only when the command is built.
    cli.build();
    let text = match topic {
        None => cli.render_help().to_string(),
        Some("exit-codes") => EXIT_CODES.to_owned(),
        Some(name) => match cli.find_subcommand_mut(name) {
            Some(command) => command.render_help().to_string(),
            None => {
                return Err(CommandError::new(
                    ErrorClass::Usage,
                    format!("no command or topic {name:?}"),
                )
                .hint("see: kaiwo --help"));
            }
        },
    };
    ui.data(&text).map_err(cannot_write)
}

/// Returns the error for data that could not be written to stdout.
pub fn cannot_write(error: std::io::Error) -> CommandError {
    CommandError {
        class: ErrorClass::Unclassified,
        error: anyhow::Error::new(error).context("cannot write to stdout"),
        notes: Vec::new(),
        hints: Vec::new(),
        object: None,
    }
}
