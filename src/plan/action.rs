//! Decides what becomes of a workload that has the wanted name already.

use crate::kind::WorkloadKind;

/// How an existing workload relates to the one that is submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// The same submission, not finished.
    Same,
    /// The same submission, which has run already.
    Finished,
    /// The same submission, and changed by other means since.
    Changed,
    /// Another submission.
    Different,
    /// Not made by kaiwo at all.
    Foreign,
    /// On its way out.
    Terminating,
    /// A service in another queue, or in none: Kueue's webhooks let none that
    /// is ready change it.
    OtherwiseQueued,
    /// A Deployment with another selector, which Kubernetes lets nobody change.
    OtherwiseSelected,
    /// A queued RayService with other pods. Kueue would take its quota away to
    /// queue it anew, and wait for the pods that serve to end, which they do not
    /// before the new ones are ready (Kueue v0.18 with KubeRay v1.6).
    HeldByQueue,
    /// An InferenceSet with other Workspaces: KAITO would leave those that there
    /// are as they are (v0.12).
    KeptByKaito,
}

impl Relation {
    /// Returns the end of the sentence "it exists already and …".
    pub fn words(self) -> &'static str {
        match self {
            Self::Same => "is the same",
            Self::Finished => "has finished",
            Self::Changed => "has changed since it was submitted",
            Self::Different => "differs",
            Self::Foreign => "was not created by kaiwo",
            Self::Terminating => "is being deleted",
            Self::OtherwiseQueued => {
                "is in a different queue, and Kueue does not let a service change its queue"
            }
            Self::OtherwiseSelected => {
                "selects its pods by different labels, which cannot be changed"
            }
            Self::KeptByKaito => "differs, and KAITO can only change the number of its replicas",
            Self::HeldByQueue => "is queued by Kueue, which does not let its pods change in place",
        }
    }
}

/// What a submission does with what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing has the name: it is made.
    Create,
    /// It is there already, and stays or becomes again what was asked for.
    Keep,
    /// It is changed in place.
    Update,
    /// It is deleted to make room for the new one.
    Replace,
    /// The new one is made once the old one has gone.
    WaitThenCreate,
}

/// Returns whether a workload that differs is changed in place.
pub fn is_in_place(kind: WorkloadKind, replace: bool) -> bool {
    kind.updates_in_place() && !replace
}

/// Decides what becomes of a workload that has the name, `relation` to the one
/// that is submitted.
///
/// # Errors
/// The relation, where taking its place was not asked for.
pub fn decide(
    relation: Option<Relation>,
    kind: WorkloadKind,
    replace: bool,
    force: bool,
) -> Result<Action, Relation> {
    let Some(relation) = relation else {
        return Ok(Action::Create);
    };
    match relation {
        Relation::Same => Ok(Action::Keep),
        Relation::Terminating => Ok(Action::WaitThenCreate),
        Relation::Different if is_in_place(kind, replace) => Ok(Action::Update),
        // Deleting what somebody made by other means takes two words.
        Relation::Foreign if replace && force => Ok(Action::Replace),
        Relation::Foreign => Err(relation),
        _ if replace => Ok(Action::Replace),
        _ => Err(relation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_the_kind_and_two_flags_decide() {
        use Action::{Create, Keep, Replace, Update, WaitThenCreate};
        use Relation::{Different, Finished, Foreign, HeldByQueue, Same, Terminating};
        let job = WorkloadKind::Job;
        let service = WorkloadKind::Deployment;
        // What is done without a flag, with --force, --replace, and both.
        for (relation, kind, expected) in [
            (None, job, [Ok(Create); 4]),
            (Some(Same), job, [Ok(Keep); 4]),
            (Some(Same), service, [Ok(Keep); 4]),
            (Some(Terminating), job, [Ok(WaitThenCreate); 4]),
            (Some(Terminating), service, [Ok(WaitThenCreate); 4]),
            (Some(Different), job, replaced(Different)),
            (
                Some(Different),
                service,
                [Ok(Update), Ok(Update), Ok(Replace), Ok(Replace)],
            ),
            (
                Some(Different),
                WorkloadKind::Workspace,
                replaced(Different),
            ),
            (Some(Finished), job, replaced(Finished)),
            (Some(HeldByQueue), service, replaced(HeldByQueue)),
            (
                Some(Foreign),
                service,
                [Err(Foreign), Err(Foreign), Err(Foreign), Ok(Replace)],
            ),
        ] {
            let flags = [(false, false), (false, true), (true, false), (true, true)];
            for ((replace, force), expected) in flags.into_iter().zip(expected) {
                assert_eq!(
                    decide(relation, kind, replace, force),
                    expected,
                    "{relation:?} {kind:?}, replace {replace}, force {force}"
                );
            }
        }
    }

    /// What takes `--replace`, and nothing more.
    fn replaced(relation: Relation) -> [Result<Action, Relation>; 4] {
        let (refused, done) = (Err(relation), Ok(Action::Replace));
        [refused, refused, done, done]
    }
}
