//! `kaiwo help`.

use clap::CommandFactory;

use crate::cli::Cli;
use crate::error::{CommandError, ErrorClass};
use crate::secrecy::named;
use crate::ui::Ui;

/// What the exit codes mean, as text for people.
const EXIT_CODES: &str = "\
Exit codes of kaiwo

    0  done
    1  the workload failed, and no exit code of it is known; or unclassified:
       something nobody foresaw
    2  the command line is wrong
    3  refused before anything was created: bad input, an impossible request,
       or the API server would not take it
    4  not allowed, or not authenticated
    5  a workload of that name exists: it differs, or has ended
    6  partly created and could not be undone; what is left is listed
    7  the cluster cannot be reached
    8  it is not ready, or has not finished
  124  it took too long: a wait, something that was to be deleted is still
       there, or a model said nothing
  125  lost track of a workload: it was deleted while it was waited for, or the
       cluster has not answered for ten minutes
  129  ended by SIGHUP: the terminal was closed
  130  interrupted: Ctrl-C, or SIGINT
  143  ended by SIGTERM, as CI, systemd and timeout send it

After a signal, submit and serve remove again what they have made, and say so.
Another signal, a second or more after the first, ends that too, and what may be
left is listed. What waits or follows only stops: the workload goes on. A signal
that is ignored when kaiwo is started, as by nohup, stays ignored.

Under kaiwo wait and --wait, once the workload exists, a failure has the exit
code of the container, as with docker run: of several, of the first that failed.
Killed for want of memory that is 137. A workload that can never run, because
its image cannot be pulled for instance, exits with 1.

kaiwo status --exit-status exits with 0 if the workload runs, is ready or has
succeeded, with 1 if it has failed, and with 8 if it waits, starts, is degraded
or suspended.

With -o json an error is also written to stdout, with its class and code; class
is \"failed\", with containerExitCode, for the container's own.
";

/// Explains a command, named word by word, or a topic.
pub fn run(topic: &[String], ui: Ui) -> Result<(), CommandError> {
    if topic == ["exit-codes"] {
        return ui.data(EXIT_CODES).map_err(cannot_write);
    }
    let mut cli = Cli::command();
    // Global flags reach the subcommands only when the command is built.
    cli.build();
    let mut command = &mut cli;
    for word in topic {
        command = command.find_subcommand_mut(word).ok_or_else(|| {
            CommandError::new(
                ErrorClass::Usage,
                format!("no command or topic {}", named(&topic.join(" "))),
            )
            .hint("see: kaiwo --help")
        })?;
    }
    ui.data(&command.render_help().to_string())
        .map_err(cannot_write)
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
