//! Refuses to delete what is not kaiwo's, or not a whole.

use crate::api::kueue_workload::QueuedObject;
use crate::api::metadata::OwnerReference;
use crate::api::workload::Workload;
use crate::cluster::read::lookup::Found;
use crate::cluster::submission::deletion;
use crate::error::{CommandError, ErrorClass};
use crate::kind::WorkloadKind;
use crate::observe::WorkloadRef;
use crate::suggestion::{kaiwo, kubectl};

/// Returns why a workload that was found is not to be deleted, if it is not.
pub(super) fn for_found(
    found: &Found,
    wanted: &WorkloadRef,
    namespace: &str,
    force: bool,
) -> Option<CommandError> {
    let workload = &found.workload;
    let object = workload.stands_for.as_ref();
    let part_of = object.and_then(QueuedObject::part_of);
    match part_of.filter(|owner| owner.name != wanted.name) {
        Some(owner) => Some(is_a_group(workload, owner, namespace)),
        None if force || deletion::is_kaiwos(found) => None,
        None => Some(not_made_by_kaiwo(workload, namespace)),
    }
}

/// Returns the error that a workload is not kaiwo's to delete. What is part of a
/// workload is not offered: that goes as a whole.
fn not_made_by_kaiwo(workload: &Workload, namespace: &str) -> CommandError {
    let name = workload.display_name();
    let mut owners = workload.metadata.owner_references.iter();
    // What Kueue's Workload stands for is a whole.
    let whole = owners.find(|_| workload.stands_for.is_none());
    let error = match whole {
        Some(owner) => {
            let whole = format!("{}/{}", owner.kind.to_lowercase(), owner.name);
            let message = format!("{name} belongs to {whole}");
            let command = match WorkloadKind::named(&owner.kind) {
                Some(_) => kaiwo("delete {} -n {}", &[&whole, namespace]),
                // kaiwo knows only what belongs to it.
                None => {
                    let (group, _) = owner.api_version.split_once('/').unwrap_or_default();
                    let kind = format!("{}.{group}", owner.kind.to_lowercase());
                    let kind = kind.trim_end_matches('.');
                    kubectl("-n {} delete {} {}", &[namespace, kind, &owner.name])
                }
            };
            let noted = command.noted("deletes it with everything that belongs to it");
            CommandError::new(ErrorClass::Refused, message).hint(noted)
        }
        None => CommandError::new(
            ErrorClass::Refused,
            format!("{name} was not created by kaiwo"),
        )
        .hint("to delete it anyway, add --force"),
    };
    error.about(name)
}

/// Returns the error that only the whole of an object can be deleted, of which Kueue
/// queues each group by itself.
fn is_a_group(workload: &Workload, owner: &OwnerReference, namespace: &str) -> CommandError {
    let name = workload.display_name();
    let whole = format!("{}/{}", owner.kind.to_lowercase(), owner.name);
    let delete = kaiwo("delete {} -n {} --force", &[&whole, namespace]);
    CommandError::new(
        ErrorClass::Refused,
        format!("{name} is a group of {whole}, which would make it again"),
    )
    .hint(delete.noted("deletes it with all of its groups"))
    .about(name)
}
