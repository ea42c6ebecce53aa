//! `kaiwo help`.

mod agents;

use crate::cli;
use crate::error::{CommandError, ErrorClass};
use crate::secrecy::named;
use crate::suggestion::kaiwo;
use crate::ui::Ui;

use super::command_line;

/// What else there is to know of exit codes.
const MORE_ON_EXIT_CODES: &str = "\
After a signal, submit and serve remove what they have created, and report it.
Another signal, a second or more after the first, ends that too, and what may be
left is listed. Waiting and following just stop: the workload continues. A
signal that is ignored when kaiwo is started, as by nohup, stays ignored.

With kaiwo wait and --wait, once the workload exists, a failure has the exit
code of the container, as with docker run: of several, of the first that failed.
Killed for lack of memory, that is 137. A workload that can never run, for
example because its image cannot be pulled, exits with 1.

kaiwo status --exit-status exits with 0 if the workload is running, ready or has
succeeded, with 1 if it has failed, and with 8 if it is pending, starting,
degraded or suspended.

With -o json an error is also written to stdout, with its class and code; class
is \"failed\", with containerExitCode, for the container's own.
";

/// Explains a command, named word by word, or a topic.
pub fn run(topic: &[String], ui: Ui) -> Result<(), CommandError> {
    if topic == ["exit-codes"] {
        let text = command_line::program().in_text(&exit_codes());
        return ui.data(&text).map_err(cannot_write);
    }
    if topic == ["agents"] {
        let text = command_line::program().in_text(&agents::guide());
        return ui.data(&text).map_err(cannot_write);
    }
    let mut cli = cli::command(command_line::program());
    // Global flags reach the subcommands only when the command is built.
    cli.build();
    let mut command = &mut cli;
    for word in topic {
        command = command.find_subcommand_mut(word).ok_or_else(|| {
            CommandError::new(
                ErrorClass::Usage,
                format!("no command or topic {}", named(&topic.join(" "))),
            )
            .hint(kaiwo("--help", &[]).to("see"))
        })?;
    }
    ui.data(&command.render_help().to_string())
        .map_err(cannot_write)
}

/// Returns what the exit codes mean, as text for people.
pub fn exit_codes() -> String {
    const WIDTH: usize = 80;
    let mut text = "Exit codes of kaiwo\n\n    0  done\n".to_owned();
    for class in ErrorClass::ALL {
        let mut line = format!("  {:>3} ", class.exit_code());
        for word in class.meaning().split(' ') {
            if line.len() + 1 + word.len() > WIDTH {
                text += &line;
                line = "\n      ".to_owned();
            }
            line = line + " " + word;
        }
        text += &line;
        text.push('\n');
    }
    format!("{text}\n{MORE_ON_EXIT_CODES}")
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
