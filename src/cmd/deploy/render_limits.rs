//! Renders a template of the user's own in a process of its own first, which may
//! take little memory and time. What gets to its end there does here, too.

use std::io::{self, Write as _};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use crate::error::CommandError;
use crate::file;
use crate::plan::Plan;
use crate::quantity::ByteSize;
use crate::render::RenderError;
use crate::render::trial::{MOST_MADE, Trial};

/// Most memory of that process, its own code included.
const MEMORY: ByteSize = ByteSize(192 << 20);
/// Most seconds of computing. A template needs milliseconds.
const SECONDS: u64 = 5;
/// Most bytes that it is told: the template and what it is rendered with.
const TOLD: ByteSize = ByteSize(64 << 20);
/// Exit code that says that a template makes too much.
const TOO_MUCH: u8 = 3;

/// Checks that the template of a plan gets to its end.
pub fn check(plan: &Plan) -> Result<(), CommandError> {
    let Some(rehearsal) = Trial::for_plan(plan) else {
        return Ok(());
    };
    let status = match rehearse(&rehearsal) {
        Ok(status) => status,
        // It is a precaution: whoever cannot start a process has a template all
        // the same.
        Err(error) => {
            tracing::debug!("cannot render the template in advance: {error}");
            return Ok(());
        }
    };
    match excess(status) {
        Some(takes) => Err(RenderError::Unbounded {
            file: rehearsal.file,
            takes,
        }
        .into()),
        None => Ok(()),
    }
}

fn rehearse(rehearsal: &Trial) -> io::Result<ExitStatus> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("__render")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut told) = child.stdin.take() {
        // If it ends before it has heard all, its status says why.
        let _ = told.write_all(&serde_json::to_vec(rehearsal)?);
    }
    child.wait()
}

/// Returns what it took too much of.
fn excess(status: ExitStatus) -> Option<String> {
    match status.code() {
        Some(code) if code == i32::from(TOO_MUCH) => {
            Some(format!("produces more than {MOST_MADE}"))
        }
        // It ended; how, is told where it is rendered to be used.
        Some(_) => None,
        None => Some(match ended_by_the_clock(status) {
            true => format!("takes more than {SECONDS} s"),
            false => format!("takes more than {MEMORY} of memory"),
        }),
    }
}

#[cfg(unix)]
fn ended_by_the_clock(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;

    use rustix::process::Signal;
    let by = status.signal();
    [Signal::XCPU, Signal::KILL]
        .map(Signal::as_raw)
        .contains(&by.unwrap_or(0))
}

#[cfg(not(unix))]
fn ended_by_the_clock(_: ExitStatus) -> bool {
    true
}

/// Does so, in the process that was started for it.
pub fn answer() -> ExitCode {
    bound();
    let told = file::bounded(io::stdin().lock(), TOLD).ok();
    let rehearsal = told.and_then(|told| serde_json::from_slice::<Trial>(&told).ok());
    match rehearsal.is_none_or(|rehearsal| rehearsal.is_bounded()) {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(TOO_MUCH),
    }
}

/// Bounds this process. Where the system bounds no memory, as on macOS, time does.
#[cfg(unix)]
fn bound() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    for (resource, most) in [
        (Resource::As, MEMORY.0),
        (Resource::Cpu, SECONDS),
        // What it aborts with is nothing to keep.
        (Resource::Core, 0),
    ] {
        let known = getrlimit(resource);
        let least = |limit: Option<u64>| Some(limit.map_or(most, |limit| limit.min(most)));
        let limit = Rlimit {
            current: least(known.current),
            maximum: known.maximum,
        };
        let _ = setrlimit(resource, limit);
    }
}

#[cfg(not(unix))]
fn bound() {}
