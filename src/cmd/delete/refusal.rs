//! Refuses to delete what is not kaiwo's, or not a whole.

use crate::api::kueue_workload::QueuedObject;
use crate::api::metadata::OwnerReference;
use crate::api::workload::Workload;
use crate::api::workload::commands::whole_of;
use crate::cluster::read::lookup::Found;
use crate::error::{CommandError, ErrorClass};
use crate::observe::WorkloadRef;

/// Returns why a workload that was found is not to be deleted, if it is not.
pub(super) fn for_found(found: &Found, wanted: &WorkloadRef, force: bool) -> Option<CommandError> {
    let workload = &found.workload;
    let object = workload.stands_for.as_ref();
    let part_of = object.and_then(QueuedObject::part_of);
    match part_of.filter(|owner| owner.name != wanted.name) {
        Some(owner) => Some(is_a_group(workload, owner)),
        None if force || workload.is_kaiwos() => None,
        None => Some(not_made_by_kaiwo(workload)),
    }
}

/// Returns the error that a workload is not kaiwo's to delete. What is part of a
/// workload is not offered: that goes as a whole.
fn not_made_by_kaiwo(workload: &Workload) -> CommandError {
    let name = workload.display_name();
    let mut owners = workload.metadata.owner_references.iter();
    // What Kueue's Workload stands for is a whole.
    let whole = owners.find(|_| workload.stands_for.is_none());
    let error = match whole {
        Some(owner) => {
            let message = format!("{name} belongs to {}", whole_of(owner));
            let command = workload.deletion();
            let noted = command.noted("deletes it with everything that belongs to it");
            CommandError::new(ErrorClass::Refused, message).hint(noted)
        }
        None => CommandError::new(
            ErrorClass::Refused,
            format!("{name} was not created by kaiwo"),
        )
        .hint(workload.deletion().to("delete it anyway")),
    };
    error.about(name)
}

/// Returns the error that only the whole of an object can be deleted, of which Kueue
/// queues each group by itself.
fn is_a_group(workload: &Workload, owner: &OwnerReference) -> CommandError {
    let name = workload.display_name();
    let whole = whole_of(owner);
    CommandError::new(
        ErrorClass::Refused,
        format!("{name} is a group of {whole}, which would make it again"),
    )
    .hint(
        workload
            .deletion()
            .noted("deletes it with all of its groups"),
    )
    .about(name)
}
