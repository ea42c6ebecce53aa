//! Names that two kinds of workload cannot share: an operator makes objects that
//! are called like the workload, and takes one that is there for its own.

use serde::Deserialize;

use super::request::WorkloadRequest;
use crate::error::{Classified, ErrorClass};
use crate::kind::{OperatorObject, OperatorObjects, WorkloadKind};

/// Of a Workspace that tunes (KAITO v0.12).
const TUNING: OperatorObjects = OperatorObjects {
    objects: &[OperatorObject::new("batch/v1", "Job", "")],
    words: "KAITO creates a Job with the name of the Workspace",
};

/// A workload as far as its name is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimant<'a> {
    pub kind: WorkloadKind,
    pub name: &'a str,
    /// Whether it is a Workspace that tunes.
    pub tunes: bool,
}

impl<'a> Claimant<'a> {
    /// Returns the workload that is asked for.
    pub fn from_request(request: &'a WorkloadRequest) -> Self {
        Self {
            kind: request.kind,
            name: &request.name,
            tunes: request.serving.kaito.tuning.is_some(),
        }
    }

    /// Returns what an operator makes for it under names that follow from its own.
    pub fn made(&self) -> &'static [OperatorObject] {
        self.named_after_it().objects
    }

    fn named_after_it(&self) -> &'static OperatorObjects {
        match self.kind {
            WorkloadKind::Workspace if self.tunes => &TUNING,
            kind => &kind.descriptor().named_after_it,
        }
    }

    /// Returns the kinds with which it may not share its name.
    pub fn rivals(&self) -> impl Iterator<Item = WorkloadKind> {
        let of_kind = |kind: WorkloadKind| {
            [false, true].iter().any(|tunes| {
                self.meets(&Claimant {
                    kind,
                    tunes: *tunes,
                    ..*self
                })
            })
        };
        let all = WorkloadKind::ALL.into_iter();
        let others: Vec<_> = all
            .filter(|kind| *kind != self.kind && of_kind(*kind))
            .collect();
        others.into_iter()
    }

    /// Returns whether one and the same object is to be of both, which have one
    /// name.
    fn meets(&self, other: &Claimant<'_>) -> bool {
        let own = |one: &Claimant<'_>| (one.kind.name(), "");
        let all = |one: &Claimant<'_>| -> Vec<(&'static str, &'static str)> {
            let made = one.made().iter().map(|made| (made.kind, made.suffix));
            std::iter::once(own(one)).chain(made).collect()
        };
        let others = all(other);
        all(self).iter().any(|object| others.contains(object))
    }

    /// Returns whether an object belongs to it, or to one that had its name.
    pub fn owns(&self, namesake: &Namesake) -> bool {
        let mut owners = namesake.metadata.owner_references.iter();
        owners.any(|owner| {
            let cluster = owner.name.strip_prefix(self.name);
            (owner.kind == self.kind.name() && owner.name == self.name)
                // KubeRay's Services, in between.
                || (self.kind.is_ray() && owner.kind == "RayCluster"
                    && cluster.is_some_and(|rest| rest.starts_with('-')))
        })
    }

    fn display_name(&self) -> String {
        format!("{}/{}", self.kind.word(), self.name)
    }
}

/// An object that is there.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Namesake {
    /// Its kind, which a single object says itself.
    pub kind: String,
    pub metadata: NamesakeMetadata,
    /// What a Workspace tunes.
    pub tuning: Option<serde::de::IgnoredAny>,
}

impl Namesake {
    /// Returns `kind/name`.
    pub fn display_name(&self) -> String {
        format!("{}/{}", self.kind.to_lowercase(), self.metadata.name)
    }
}

/// `metadata` of such an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NamesakeMetadata {
    pub name: String,
    /// Identity.
    pub uid: String,
    /// What it belongs to.
    pub owner_references: Vec<NameOwner>,
}

/// Entry of `ownerReferences`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct NameOwner {
    pub kind: String,
    pub name: String,
    /// Its identity.
    pub uid: String,
    /// Whether it manages the object.
    pub controller: bool,
}

impl NameOwner {
    /// Returns `kind/name`.
    pub fn display_name(&self) -> String {
        format!("{}/{}", self.kind.to_lowercase(), self.name)
    }
}

/// Why a workload cannot have its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{other} already exists and conflicts with {workload}: {words}")]
pub struct Clash {
    /// `kind/name` of what would be made.
    pub workload: String,
    /// `kind/name` of what is there: a workload, or another object that belongs
    /// to none.
    pub other: String,
    /// What both need the name for.
    words: &'static str,
}

impl Classified for Clash {
    fn class(&self) -> ErrorClass {
        ErrorClass::Conflict
    }

    fn object(&self) -> Option<String> {
        Some(self.other.clone())
    }
}

/// Returns what keeps a workload from having its name, among objects that are
/// there. What belongs, or belonged, to a workload of its own kind and name is
/// not in its way.
pub fn clash(workload: &Claimant<'_>, found: &[Namesake]) -> Option<Clash> {
    found.iter().find_map(|namesake| {
        let Namesake { kind, metadata, .. } = namesake;
        if workload.owns(namesake) {
            return None;
        }
        let is_found = |made: &&OperatorObject| {
            made.kind == *kind && format!("{}{}", workload.name, made.suffix) == metadata.name
        };
        let words = match workload.made().iter().find(is_found) {
            Some(_) => workload.named_after_it().words,
            None => {
                let other = Claimant {
                    kind: WorkloadKind::named(kind)?,
                    name: workload.name,
                    tunes: namesake.tuning.is_some(),
                };
                let meets = other.kind != workload.kind && workload.meets(&other);
                match meets {
                    true if !other.made().is_empty() => other.named_after_it().words,
                    true => workload.named_after_it().words,
                    false => return None,
                }
            }
        };
        let controller = metadata
            .owner_references
            .iter()
            .find(|owner| owner.controller);
        Some(Clash {
            workload: workload.display_name(),
            other: controller.map_or_else(|| namesake.display_name(), NameOwner::display_name),
            words,
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claimant(kind: WorkloadKind) -> Claimant<'static> {
        Claimant {
            kind,
            name: "x",
            tunes: false,
        }
    }

    fn found(kind: &str, name: &str, owner: Option<(&str, &str)>) -> Namesake {
        let owners: Vec<_> = owner
            .into_iter()
            .map(|(kind, name)| json!({"kind": kind, "name": name, "controller": true}))
            .collect();
        let metadata = json!({"name": name, "ownerReferences": owners});
        serde_json::from_value(json!({"kind": kind, "metadata": metadata})).unwrap()
    }

    #[test]
    fn kinds_that_meet_do_so_both_ways() {
        use WorkloadKind::{CronJob, Deployment, InferenceSet, Job, RayJob, RayService, Workspace};
        let rivals = |kind| claimant(kind).rivals().collect::<Vec<_>>();
        assert_eq!(rivals(Job), [RayJob, Workspace]);
        assert_eq!(rivals(RayJob), [Job, Workspace]);
        assert_eq!(rivals(Deployment), [Workspace]);
        assert_eq!(rivals(Workspace), [Deployment]);
        for kind in [CronJob, RayService, InferenceSet] {
            assert_eq!(rivals(kind), [], "{kind:?}");
        }
        let tuning = Claimant {
            tunes: true,
            ..claimant(Workspace)
        };
        assert_eq!(tuning.rivals().collect::<Vec<_>>(), [Job, RayJob]);
    }

    #[test]
    fn whatever_has_the_name_is_in_the_way_but_for_what_is_its_own() {
        use WorkloadKind::{Deployment, Job, RayJob, RayService, Workspace};
        for (workload, there, other) in [
            (RayJob, found("Job", "x", None), Some("job/x")),
            (Job, found("RayJob", "x", None), Some("rayjob/x")),
            // The RayJob that it submits is not to be read.
            (
                RayJob,
                found("Job", "x", Some(("CronJob", "n"))),
                Some("cronjob/n"),
            ),
            (RayJob, found("Job", "x", Some(("RayJob", "x"))), None),
            (
                Deployment,
                found("Workspace", "x", None),
                Some("workspace/x"),
            ),
            (
                Workspace,
                found("Deployment", "x", None),
                Some("deployment/x"),
            ),
            (
                Workspace,
                found("Service", "x", Some(("Job", "x"))),
                Some("job/x"),
            ),
            (
                Workspace,
                found("Service", "x", Some(("Workspace", "x"))),
                None,
            ),
            (
                RayService,
                found("Service", "x-serve-svc", None),
                Some("service/x-serve-svc"),
            ),
            // It serves, and makes no Job.
            (Job, found("Workspace", "x", None), None),
        ] {
            let clash = clash(&claimant(workload), std::slice::from_ref(&there));
            let named = clash.as_ref().map(|clash| clash.other.as_str());
            assert_eq!(named, other, "{workload:?} {there:?}");
        }
        let tuning = json!({"kind": "Workspace", "metadata": {"name": "x"}, "tuning": {}});
        let tuning: Namesake = serde_json::from_value(tuning).unwrap();
        let clash = clash(&claimant(Job), &[tuning]).unwrap();
        assert_eq!(
            clash.to_string(),
            "workspace/x already exists and conflicts with job/x: KAITO creates a Job with the name of the Workspace"
        );
    }
}
