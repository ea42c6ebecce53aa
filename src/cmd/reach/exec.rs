//! `kaiwo exec`.

use std::io::IsTerminal as _;

use crate::cli::ExecArgs;
use crate::cluster::client::exec::{self, Ending, Execution};
use crate::cluster::reach::logs;
use crate::error::{CommandError, ErrorClass};
use crate::plan::request::session::SHELL;
use crate::ui::Ui;

use super::selection;
use super::streams::{feed, raw, read_stdin, show};
use crate::cmd::target::FoundWorkload;
use crate::cmd::{block_on, signals};

/// Exit code where it is not known how the command fared, as `docker run` has.
const LOST: u8 = 125;

/// Runs a command where a workload runs, and returns its exit code.
pub fn run(args: &ExecArgs, ui: Ui) -> Result<u8, CommandError> {
    block_on(exec(args, ui))
}

async fn exec(args: &ExecArgs, ui: Ui) -> Result<u8, CommandError> {
    let target = FoundWorkload::find(&args.named, ui).await?;
    let mut single = selection::single(args.pod.as_deref(), args.worker, args.head);
    let workload = target.found.workload.clone();
    let snapshot = selection::snapshot_for(&target.place, workload, &mut single).await?;
    logs::readable(&target.place.cluster, &snapshot).await?;
    let pod = snapshot.running(&single)?;
    let container = pod.container(args.container.as_deref())?;
    let is_terminal = std::io::stdin().is_terminal();
    let is_shell = args.command.is_empty();
    let tty = (args.tty || is_shell) && is_terminal;
    if args.tty && !tty {
        ui.warn("stdin is not a terminal, so none is allocated");
    }
    let shell = SHELL.map(str::to_owned);
    let execution = Execution {
        namespace: &pod.metadata.namespace,
        pod: pod.name(),
        container,
        command: if is_shell { &shell } else { &args.command },
        stdin: args.stdin || is_shell || tty,
        tty,
    };
    ui.status(format!("→ pod {}, container {container}", pod.name()));
    let (input, mut output) = exec::start(&target.place.cluster, &execution).await?;
    // From here on every way out gives the terminal back.
    let raw = raw(tty)?;
    let typed = execution.stdin.then(read_stdin);
    let ending = tokio::select! {
        // Where nobody reads on, it ends as a local command would.
        ending = show(&mut output, ui) => ending?.unwrap_or(Ending::Code(0)),
        () = feed(input, typed, tty, ui) => Ending::Lost("it takes no input".to_owned()),
        code = signals::ended() => return Ok(code),
    };
    drop(raw);
    Ok(match ending {
        Ending::Code(code) => code,
        Ending::Failed(message) => {
            let code = failure_code(&message);
            let why = innermost(&message);
            ui.error(&failure(format!("the command was not run: {why}")));
            code
        }
        Ending::Lost(why) => {
            let mut error = failure(format!("the connection to the command was lost: {why}"));
            error.notes = vec!["the command may still run".to_owned()];
            ui.error(&error);
            LOST
        }
    })
}

/// Container runtimes say in words why they did not run a command; the codes
/// are those that a shell has for it.
fn failure_code(message: &str) -> u8 {
    let has = |words: &str| message.contains(words);
    match () {
        () if has("executable file not found") || has("no such file or directory") => 127,
        () if has("permission denied") => 126,
        () => LOST,
    }
}

/// Returns what the runtime says of a command, without those through whom it came:
/// kubelet, the runtime's client and runc each put their words in front.
fn innermost(message: &str) -> &str {
    let inner = message
        .rsplit("unable to start container process: ")
        .next()
        .unwrap_or(message);
    inner.trim().trim_end_matches(": unknown")
}

fn failure(message: String) -> CommandError {
    CommandError {
        class: ErrorClass::Unclassified,
        error: anyhow::Error::msg(message),
        notes: Vec::new(),
        hints: Vec::new(),
        object: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_through_many_hands_is_told_once() {
        let nested = "Internal error occurred: error executing command in container: failed to exec \
                      in container: failed to start exec \"a1\": OCI runtime exec failed: exec \
                      failed: unable to start container process: exec: \"nvidia-smi\": executable \
                      file not found in $PATH: unknown";
        assert_eq!(
            innermost(nested),
            "exec: \"nvidia-smi\": executable file not found in $PATH"
        );
        assert_eq!(innermost("command terminated"), "command terminated");
    }

    #[test]
    fn what_cannot_be_run_has_the_code_of_a_shell() {
        for (message, code) in [
            ("exec: \"foo\": executable file not found in $PATH", 127),
            ("exec: \"/x\": stat /x: no such file or directory", 127),
            ("exec: \"/etc/passwd\": permission denied", 126),
            ("container is not running", 125),
        ] {
            assert_eq!(failure_code(message), code, "{message}");
        }
    }
}
