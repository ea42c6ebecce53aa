//! Suggests ways out when a name is taken.

use crate::change::existing::Existing;
use crate::cluster::submission::SubmissionError;
use crate::error::CommandError;
use crate::names;
use crate::plan;
use crate::plan::action::Relation;
use crate::plan::namesake::{self, Claimant, Namesake};
use crate::plan::request::WorkloadRequest;

use crate::cmd::command_line::CommandLine;

/// Refuses a name under which a workload would meet objects that are not its
/// own, or that is that of another workload's part: neither is deleted to make
/// room.
///
/// # Errors
/// [`CommandError`] with the commands that take another name.
pub fn check(
    request: &WorkloadRequest,
    existing: Option<&Existing>,
    namesakes: &[Namesake],
) -> Result<(), CommandError> {
    if let Some(clash) = namesake::clash(&Claimant::from_request(request), namesakes) {
        return Err(beside(asking(clash.into()), request));
    }
    let Some(owner) = existing.and_then(Existing::controller) else {
        return Ok(());
    };
    let owned = SubmissionError::Owned {
        object: request.display_name(),
        owner: owner.display_name(),
    };
    Err(beside(asking(owned.into()), request))
}

/// Adds, to the error that the name is taken, the commands that get out of it:
/// the one that was typed, with one flag changed. What is somebody else's is named
/// as that, and deleting it comes last.
pub fn ways_out(
    error: SubmissionError,
    request: &WorkloadRequest,
    existing: Option<&Existing>,
) -> CommandError {
    let SubmissionError::Exists { relation, .. } = &error else {
        return error.into();
    };
    let typed = CommandLine::typed();
    let replace: &[&str] = if *relation == Relation::Foreign {
        &["--replace", "--force"]
    } else {
        &["--replace"]
    };
    let again = typed.with(replace).noted("deletes it and submits again");
    let own = names::label_value(&request.user);
    let others = existing
        .and_then(Existing::origin)
        .filter(|(user, _)| *user != own);
    let Some((user, since)) = others else {
        return beside(asking(error.into()).hint(again), request);
    };
    let mut error = beside(asking(error.into()), request).hint(again);
    error.notes.push(match since {
        "" => format!("it belongs to {user}"),
        since => format!("it has belonged to {user} since {since}"),
    });
    error
}

/// Adds, to the error that something has the name which stays, the commands that
/// take another one.
fn beside(error: CommandError, request: &WorkloadRequest) -> CommandError {
    let typed = CommandLine::typed();
    let beside = plan::name::beside(&request.name, request.kind);
    let generated = typed.with(&["--generate-name"]);
    let named = typed.with(&["--name", &beside]);
    error
        .hint(generated.noted("submits under a generated name"))
        .hint(named.noted("submits under that name"))
}

/// Adds, where values are not repeated, the line that asks for them first.
fn asking(error: CommandError) -> CommandError {
    match CommandLine::typed().asking() {
        Some(asking) => error.hint(format!(
            "{asking}  # run this first: the commands below do not repeat secret values"
        )),
        None => error,
    }
}
