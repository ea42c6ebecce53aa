//! The commands: each calls the rooms in order and adds context to their
//! errors.

mod command_line;
mod completion;
mod config;
mod confirmation;
mod delete;
mod deploy;
mod endpoint;
mod help;
mod init;
mod list;
mod man;
mod overview;
mod queueing;
mod reach;
mod resize;
mod signals;
mod sources;
mod status;
mod stdout_closed;
mod target;
mod template;
mod usage_error;
mod wait;
mod why;

use deploy::serve;
use deploy::submit;
use overview::{doctor, history, models, nodes, queues, top, usage, version, volumes};
use reach::chat;
use reach::cp;
use reach::exec;
use reach::logs;
use reach::port_forward;
use std::ffi::OsString;
use std::process::ExitCode;

use tracing_subscriber::filter::LevelFilter;

use crate::cli::{ColorChoice, ConfigCommand, Subcommand};
use crate::error::{CommandError, INTERRUPTED};
use crate::settings::Format;
use crate::ui::Ui;
use crate::ui::document::json_line;
use crate::ui::report::ErrorReport;

use command_line::CommandLine;

/// Runs the command that was typed and returns the process's exit code. `words`
/// follow the program's name.
pub fn run(words: impl Iterator<Item = OsString>) -> ExitCode {
    // Before anything else can fail: programs are owed their JSON even then.
    let line = CommandLine::typed();
    let mut output = line.output(std::env::var("KAIWO_OUTPUT").ok().as_deref());
    let cli = match usage_error::parse(words.collect()) {
        Ok(cli) => cli,
        Err(error) => return usage_error::tell(error, &line, output),
    };
    let ui = Ui::new(
        cli.talk.quiet,
        cli.talk.verbose > 0,
        color(cli.talk.color, |name| std::env::var_os(name)),
    )
    .connected(command_line::connection(cli.command.place()));
    start_log(cli.talk.verbose);
    // What completes a line has nothing to give back, and little time.
    if !matches!(cli.command, Subcommand::Complete(_) | Subcommand::Render) {
        signals::watch(ui, move |error, to_programs| {
            tell(error, ui, output.filter(|_| to_programs));
        });
    }
    let done = |()| 0;
    let result = match cli.command {
        Subcommand::Init(args) => init::run(&args, ui).map(done),
        Subcommand::Submit(args) => submit::run(&args, ui, &mut output).map(done),
        Subcommand::Run(args) => deploy::run::run(&args, ui, &mut output),
        Subcommand::Serve(args) => serve::run(&args, ui, &mut output).map(done),
        Subcommand::List(args) => list::run(&args, ui, &mut output).map(done),
        Subcommand::Status(args) => status::run(&args, ui, output),
        Subcommand::Why(args) => why::run(&args, ui, output),
        Subcommand::Delete(args) => delete::run(&args, ui, output),
        Subcommand::Move(args) => queueing::queue::run(&args, ui, output),
        Subcommand::Priority(args) => queueing::priority::run(&args, ui, output),
        Subcommand::Pause(args) => queueing::activity::pause(&args, ui, output),
        Subcommand::Resume(args) => queueing::activity::resume(&args, ui, output),
        Subcommand::Logs(args) => logs::run(&args, ui).map(done),
        Subcommand::Wait(args) => wait::run(&args, ui, output).map(done),
        Subcommand::Resize(args) => resize::run(&args, ui),
        Subcommand::Doctor(args) => doctor::run(&args, ui, output),
        Subcommand::Version(args) => version::run(&args, ui, output).map(done),
        Subcommand::Queues(args) => queues::run(&args, ui, output).map(done),
        Subcommand::Exec(args) => exec::run(&args, ui),
        Subcommand::Cp(args) => cp::run(&args, ui).map(done),
        Subcommand::PortForward(args) => port_forward::run(&args, ui),
        Subcommand::Nodes(args) => nodes::run(&args, ui, output).map(done),
        Subcommand::Volumes(args) => volumes::run(&args, ui, output).map(done),
        Subcommand::Top(args) => top::run(&args, ui, output).map(done),
        Subcommand::History(args) => history::run(&args, ui, output).map(done),
        Subcommand::Usage(args) => usage::run(&args, ui, output).map(done),
        Subcommand::Models(args) => models::run(&args, ui, output).map(done),
        Subcommand::Chat(args) => chat::run(&args, ui).map(done),
        Subcommand::Endpoint(args) => endpoint::run(&args, ui, output).map(done),
        Subcommand::Config(ConfigCommand::Show(args)) => config::show(&args, ui, output).map(done),
        Subcommand::Template(command) => template::run(&command, ui, &mut output).map(done),
        Subcommand::Completion { shell } => completion::run(shell, ui).map(done),
        Subcommand::Complete(args) => completion::answer(&args, ui).map(done),
        Subcommand::Render => return deploy::render_limits::answer(),
        Subcommand::Help {
            man: Some(folder), ..
        } => man::run(&folder, ui).map(done),
        Subcommand::Help { topic, .. } => help::run(&topic, ui).map(done),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            signals::tell_once(|| tell(&error, ui, output));
            ExitCode::from(error.exit_code())
        }
    }
}

/// Tells an error to programs and to people. Who presses Ctrl-C sees it on the
/// terminal, and needs no word where there is nothing else to say.
fn tell(error: &CommandError, ui: Ui, output: Option<Format>) {
    tell_programs(error, ui, output);
    let is_seen = ui.is_watched() && error.exit_code() == INTERRUPTED;
    if !(is_seen && error.is_bare_interruption()) {
        ui.error(error);
    }
}

/// Writes an error to stdout if JSON was asked for there.
fn tell_programs(error: &CommandError, ui: Ui, output: Option<Format>) {
    if output == Some(Format::Json)
        && let Err(unwritten) = ui.data(&json_line(&ErrorReport::new(error, ui.connection())))
    {
        ui.error(&help::cannot_write(unwritten));
    }
}

/// Returns the user's word about colours; `None` leaves it to the terminal. One that
/// calls itself dumb shows none.
fn color(choice: ColorChoice, variable: impl Fn(&str) -> Option<OsString>) -> Option<bool> {
    match choice {
        ColorChoice::Always => Some(true),
        ColorChoice::Never => Some(false),
        ColorChoice::Auto => {
            let variable = |name| variable(name).filter(|value| !value.is_empty());
            let is_dumb = variable("TERM").is_some_and(|term| term == "dumb");
            (is_dumb || variable("NO_COLOR").is_some()).then_some(false)
        }
    }
}

/// Sends the log to stderr: nothing by default, kaiwo's own requests under
/// `-v`, the HTTP client's too under `-vv`.
fn start_log(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(false)
        .without_time()
        // A line that cannot be written is nobody's.
        .log_internal_errors(false)
        .init();
}

/// Runs a future on this thread to its end, or until a signal comes.
fn block_on<T>(future: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError {
            class: crate::error::ErrorClass::Unclassified,
            error: anyhow::Error::new(error).context("cannot start the asynchronous runtime"),
            notes: Vec::new(),
            hints: Vec::new(),
            object: None,
        })?;
    let result = runtime.block_on(signals::until_ended(future));
    // A name that is being resolved cannot be given up.
    runtime.shutdown_background();
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dumb_terminal_and_no_color_leave_colours_out() {
        let auto = |set: &'static str, value: &'static str| {
            let variable = move |name: &str| (name == set).then(|| value.into());
            color(ColorChoice::Auto, variable)
        };
        assert_eq!(auto("TERM", "xterm"), None);
        assert_eq!(auto("TERM", "dumb"), Some(false));
        assert_eq!(auto("NO_COLOR", "1"), Some(false));
        assert_eq!(auto("NO_COLOR", ""), None);
        let dumb = |_: &str| Some("dumb".into());
        assert_eq!(color(ColorChoice::Always, dumb), Some(true));
    }
}
