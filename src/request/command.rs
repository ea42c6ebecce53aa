//! Decides what a workload runs, and what is uploaded for it.

use std::path::Path;

use super::{Typed, instead};
use crate::error::{CommandError, ErrorClass};
use crate::kind::WorkloadKind;
use crate::plan::request::Run;
use crate::plan::request::session::{SHELL, Session};
use crate::secrecy::named;
use crate::workload::directory::WorkloadDirectory;
use crate::workload::entrypoint::{Entrypoint, FILE_NAME};
use crate::workload::ignore_file::leaving_out;
use crate::workload::script::SingleScript;
use crate::workload::upload::{Upload, UploadFile};

/// Returns what runs a script that is uploaded alone, with its arguments.
fn of_script(script: SingleScript, arguments: &[String]) -> (Run, Upload) {
    let words = script.command.into_iter().chain(arguments.to_vec());
    let upload = Upload::new(vec![script.file]);
    (Run::Command(words.collect()), upload)
}

/// Returns the command of a session. Where none is known it is a shell, with a terminal.
pub(super) fn of_session(run: Run, session: Option<&Session>) -> Result<Run, CommandError> {
    let Some(session) = session.filter(|_| run == Run::Image) else {
        return Ok(run);
    };
    let shell = SHELL.map(str::to_owned).to_vec();
    match session.tty {
        true => Ok(Run::Command(shell)),
        false => Err(CommandError::new(
            ErrorClass::Refused,
            "no command given: the image's own cannot be attached to",
        )
        .hint("put the command last, after --")
        .hint("or open a shell: add -it")),
    }
}

/// What is known before a command is decided on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// The kind of the workload.
    pub(super) kind: WorkloadKind,
    /// What was typed to get it.
    pub(super) verb: &'static str,
    /// Whether it cannot run without an entrypoint.
    pub(super) needs_entrypoint: bool,
    /// Whether an image was named.
    pub(super) has_image: bool,
}

/// Returns the command of kaiwo's that makes a workload.
pub(super) fn verb(kind: WorkloadKind, is_session: bool) -> &'static str {
    match (is_session, kind.is_batch()) {
        (true, _) => "run",
        (false, true) => "submit",
        (false, false) => "serve",
    }
}

pub(super) fn nothing_to_run(command: &str) -> CommandError {
    CommandError::new(
        ErrorClass::Refused,
        "nothing to run: no directory or image given",
    )
    .hint(format!(
        "kaiwo {command} -p DIR   to run the entrypoint of a directory"
    ))
    .hint(format!("kaiwo {command} -i IMAGE to run an image"))
}

/// Decides what runs and what is uploaded for it.
pub(super) fn run(
    typed: Typed<'_>,
    wanted: Wanted,
    script: Option<SingleScript>,
    directory: Option<WorkloadDirectory>,
) -> Result<(Run, Upload), CommandError> {
    if let Some(script) = script {
        return Ok(of_script(script, typed.command));
    }
    let kind = wanted.kind;
    let (script, mut files) = match directory {
        Some(directory) => (directory.entrypoint, directory.files),
        None => (None, Vec::new()),
    };
    if typed.command.first().is_some_and(String::is_empty) {
        return Err(
            CommandError::new(ErrorClass::Refused, "the command after -- is empty").hint(format!(
                "name a program, or remove the --: kaiwo {} … -- python main.py",
                wanted.verb
            )),
        );
    }
    let begins = typed.command.first().filter(|word| word.starts_with('-'));
    // Words that begin with - are for the program of an image.
    let takes_words = wanted.has_image && !kind.is_ray() && wanted.verb != "run";
    if let Some(word) = begins.filter(|_| !takes_words) {
        return Err(no_program(word, wanted));
    }
    let script = match (typed.command.is_empty(), kind) {
        (true, _) => script,
        // Ray is given one line; a script spares the words two shells.
        (false, WorkloadKind::RayJob) => Some(Entrypoint::of_command(typed.command)),
        (false, _) => None,
    };
    let run = match script {
        Some(entrypoint) => {
            if let Some(path) = typed.path
                && files
                    .iter()
                    .any(|file| file.path.starts_with(BELOW_ENTRYPOINT))
            {
                return Err(no_room(path));
            }
            let run = Run::Script(entrypoint.script);
            files.push(UploadFile {
                path: FILE_NAME.to_owned(),
                content: entrypoint.content,
                executable: true,
            });
            run
        }
        None if !typed.command.is_empty() => Run::Command(typed.command.to_vec()),
        None if wanted.needs_entrypoint => return Err(no_entrypoint(typed, wanted)),
        None => Run::Image,
    };
    Ok((run, Upload::new(files)))
}

/// What lies in a directory of the entrypoint's name.
const BELOW_ENTRYPOINT: &str = "entrypoint/";

/// Says that a directory stands where the command of a RayJob would.
fn no_room(path: &Path) -> CommandError {
    let folder = path.join(FILE_NAME);
    let mut error = CommandError::new(
        ErrorClass::Refused,
        format!(
            "{} is a directory, but a RayJob needs a file with that name for its command",
            folder.display()
        ),
    )
    .hint(format!(
        "exclude it: {}",
        leaving_out(path, &[BELOW_ENTRYPOINT])
    ))
    .hint("or rename it");
    error.object = Some(folder.display().to_string());
    error
}

/// Says that a command after `--` names no program, and no image has one to take
/// it.
fn no_program(word: &str, wanted: Wanted) -> CommandError {
    let command = wanted.verb;
    let why = match (wanted.kind.is_ray(), command) {
        (true, _) => "Ray runs a command, not an image's own program",
        (false, "run") => "kaiwo run starts a command, not an image's own program",
        (false, _) => "there is no image with a program to pass it to",
    };
    let error = CommandError::new(
        ErrorClass::Refused,
        format!(
            "the command after -- begins with {}, which is not a program: {why}",
            named(word)
        ),
    )
    .hint(format!(
        "put the program first: kaiwo {command} … -- python main.py {}",
        named(word)
    ));
    match command {
        "run" => error,
        _ => error.hint(format!(
            "or specify the image that it is for: kaiwo {command} -i IMAGE … -- {}",
            named(word)
        )),
    }
}

fn no_entrypoint(typed: Typed<'_>, wanted: Wanted) -> CommandError {
    let why = match wanted.kind {
        WorkloadKind::RayJob => "a RayJob needs one",
        _ => "without --image there is nothing to run",
    };
    let command = wanted.verb;
    match typed.path {
        Some(path) => {
            let file = path.join(FILE_NAME);
            let is_directory = typed.inputs.is_directory(&file);
            let mut error = CommandError::new(
                ErrorClass::Refused,
                format!("{} {}, and {why}", file.display(), instead(is_directory)),
            )
            .hint(format!(
                "{}write the commands to run to {}",
                match is_directory {
                    true => "rename the directory, and ",
                    false => "",
                },
                file.display()
            ))
            .hint(format!(
                "or put the command after --: kaiwo {command} … -- python main.py"
            ));
            error.object = Some(file.display().to_string());
            error
        }
        None => CommandError::new(
            ErrorClass::Refused,
            format!("no entrypoint given, and {why}"),
        )
        .hint("use -p with a directory that contains one")
        .hint(format!(
            "or put the command after --: kaiwo {command} … -- python main.py"
        )),
    }
}
