//! What a Workload stands for.

use super::super::metadata::{Metadata, OwnerReference};
use crate::kind::WorkloadKind;

/// What kaiwo calls pods that Kueue admits together and that no object owns.
pub const POD_GROUP: &str = "PodGroup";

/// The object that a Workload stands for, by the kind and name that people know it
/// by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedObject {
    /// Group and version.
    pub api_version: String,
    /// Kind, as in manifests, or [`POD_GROUP`].
    pub kind: String,
    /// Of a group of pods the group's name; of one of several Workloads of an owner
    /// the owner's name and its number, as the owner's pods are called.
    pub name: String,
    /// The objects that it consists of: the owner, or the pods of a group.
    pub objects: Vec<OwnerReference>,
}

impl QueuedObject {
    /// Reads it from the metadata of a Workload (Kueue v0.19).
    pub fn of_workload(metadata: &Metadata) -> Self {
        let Metadata {
            name,
            annotations,
            owner_references: owners,
            ..
        } = metadata;
        let whole = owners.iter().find(|owner| owner.kind != "Pod");
        let is_group = annotations.is_group == "true";
        let named = |kind: &str, name: String, objects: Vec<OwnerReference>| Self {
            api_version: objects
                .first()
                .map_or_else(|| "v1".to_owned(), |owner| owner.api_version.clone()),
            kind: kind.to_owned(),
            name,
            objects,
        };
        match whole {
            Some(owner) => {
                let own = match annotations.component.as_str() {
                    "" => owner.name.clone(),
                    component => format!("{}-{component}", owner.name),
                };
                named(&owner.kind, own, vec![owner.clone()])
            }
            None if is_group || owners.len() > 1 => named(POD_GROUP, name.clone(), owners.clone()),
            None => match owners.first() {
                Some(pod) => named("Pod", pod.name.clone(), owners.clone()),
                None => Self {
                    api_version: WorkloadKind::Queued.api_version().to_owned(),
                    ..named("Workload", name.clone(), Vec::new())
                },
            },
        }
    }

    /// Returns the owner of all of it, unless it is a group of pods.
    pub fn whole(&self) -> Option<&OwnerReference> {
        self.objects.first().filter(|_| self.kind != POD_GROUP)
    }

    /// Returns the owner if this is only one of its groups.
    pub fn part_of(&self) -> Option<&OwnerReference> {
        self.whole().filter(|owner| owner.name != self.name)
    }
}
