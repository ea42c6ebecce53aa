//! The ways out where another workload has the name.

use crate::cluster::existing::Relation;
use crate::cluster::submission::SubmissionError;
use crate::error::CommandError;
use crate::plan;
use crate::plan::request::WorkloadRequest;

use super::command_line::CommandLine;

/// Adds, to the error that the name is taken, the commands that get out of it:
/// the one that was typed, with one flag changed.
pub fn ways_out(error: SubmissionError, request: &WorkloadRequest) -> CommandError {
    let SubmissionError::Exists { relation, .. } = &error else {
        return error.into();
    };
    let typed = CommandLine::typed();
    let replace: &[&str] = if *relation == Relation::Foreign {
        &["--replace", "--force"]
    } else {
        &["--replace"]
    };
    let beside = plan::name::beside(&request.name, request.kind);
    let ways = [
        (typed.with(replace), "deletes it and submits anew"),
        (
            typed.with(&["--generate-name"]),
            "submits beside it, under a name of its own",
        ),
        (
            typed.with(&["--name", &beside]),
            "submits beside it, under that name",
        ),
    ];
    let mut error = CommandError::from(error);
    if let Some(asking) = typed.asking() {
        error = error.hint(format!(
            "{asking}  # first, for the commands below: values are not repeated here"
        ));
    }
    for (command, what) in ways {
        error = error.hint(format!("{command}  # {what}"));
    }
    error
}
