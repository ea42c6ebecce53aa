//! Adds the manifests that grant a missing right to the error that reports it.

use super::preflight::PreflightError;
use crate::change::rbac::{Needed, for_admins};
use crate::cluster::ClusterError;
use crate::error::{CommandError, ErrorClass};

/// Adds to an error about a missing right what gives all the rights that the
/// submission needs: who lacks one often lacks others, and the API server names
/// only the first.
#[must_use]
pub fn explain(error: CommandError, needed: &Needed<'_>) -> CommandError {
    let denied = error.error.chain().find_map(|cause| {
        let cause = cause.downcast_ref::<ClusterError>()?;
        cause.denied_user()
    });
    let user = match denied {
        Some(user) if error.class == ErrorClass::Denied => user.to_owned(),
        _ => return error,
    };
    // A LocalQueue to be made by somebody else is in the error already.
    let is_said = error.error.chain().any(|cause| {
        let cause = cause.downcast_ref::<PreflightError>();
        matches!(cause, Some(PreflightError::QueueForbidden { .. }))
    });
    match is_said {
        true => error,
        false => error.hint(for_admins(&needed.grant(&user))),
    }
}
