//! Changes where a queued workload is in Kueue's queues: its queue, its priority,
//! and whether it may be admitted at all.
//!
//! What Kueue v0.19 accepts and then does not do, or does wrongly, is refused here
//! before anything is changed. Nothing here talks to a cluster.

pub mod activity;
pub mod preempted;
pub mod priority;
pub mod queue;
pub mod slots;

use serde_json::{Value, json};

use crate::api::Readable;
use crate::api::keys::PRIORITY_CLASS_LABEL;
use crate::api::kueue_workload::{KueueWorkload, QueueState, QueuedObject};
use crate::api::metadata::Metadata;
use crate::api::workload::Workload;
use crate::kind::WorkloadKind;
use crate::plan::Refusal;
use crate::render::manifest::Manifest;
use crate::suggestion::{kaiwo, kubectl};

/// What is asked of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Another queue.
    Move,
    /// Another priority.
    Priority,
    /// Not to be admitted.
    Pause,
    /// To be admitted again.
    Resume,
}

impl Wish {
    /// Returns the command.
    pub fn command(self) -> &'static str {
        match self {
            Self::Move => "move",
            Self::Priority => "priority",
            Self::Pause => "pause",
            Self::Resume => "resume",
        }
    }

    fn participle(self) -> &'static str {
        match self {
            Self::Move => "moved",
            Self::Priority => "given another priority",
            Self::Pause => "paused",
            Self::Resume => "resumed",
        }
    }
}

/// A workload that Kueue queues as a whole.
#[derive(Debug, Clone, Copy)]
pub struct QueuedSubject<'a> {
    pub workload: &'a Workload,
    /// All of it, as it was read.
    pub object: &'a Value,
    /// Kueue's Workload of it.
    pub queued: &'a KueueWorkload,
}

/// A patch that is to be merged into an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Patch {
    /// The object: its kind and name.
    pub target: Manifest,
    /// What changes, with the identity that the object must have.
    pub content: Value,
}

/// What a wish comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum QueueingDecision {
    /// It is so already.
    Unchanged,
    /// This does it.
    Patch(Box<Patch>),
}

impl<'a> QueuedSubject<'a> {
    /// Finds Kueue's Workload of a workload, of which the cluster has `queued`.
    /// `parts` are the objects between a workload and its pods.
    ///
    /// # Errors
    /// [`Refusal`] if there is none that stands for all of it: it has ended, it is
    /// not queued, or Kueue queues its Jobs or pods separately.
    pub fn new(
        workload: &'a Workload,
        object: &'a Value,
        queued: &'a [KueueWorkload],
        parts: &[Metadata],
        wish: Wish,
    ) -> Result<Self, Refusal> {
        match &workload.stands_for {
            Some(object) => check_other(workload, object, wish)?,
            None if workload.kind.descriptor().workload_has_its_uid => {}
            None => return Err(separate(workload, parts, wish)),
        }
        let open = queued
            .iter()
            .filter(|one| one.state() != QueueState::Finished)
            .max_by_key(|one| one.metadata.creation_timestamp);
        match open {
            Some(queued) => Ok(Self {
                workload,
                object,
                queued,
            }),
            None => Err(not_queued(workload, !queued.is_empty(), wish)),
        }
    }

    /// Returns the namespace.
    pub fn namespace(&self) -> &'a str {
        &self.workload.metadata.namespace
    }

    /// Returns whether it holds quota.
    pub fn holds_quota(&self) -> bool {
        matches!(
            self.queued.state(),
            QueueState::Admitted | QueueState::Reserved
        )
    }

    /// Returns the class that the workload asks for.
    pub fn class(&self) -> Option<&'a str> {
        self.workload.metadata.label(PRIORITY_CLASS_LABEL)
    }

    /// Returns how it is asked for once more, from the beginning.
    fn resubmission(&self) -> &'static str {
        match self.workload.kind.is_batch() {
            true => "submit it again",
            false => "serve it again",
        }
    }

    /// Begins a refusal about it.
    fn refuse(&self, message: impl Into<String>) -> Refusal {
        Refusal::new(message).about(self.workload.display_name())
    }

    /// Has a label of the workload changed. The patch fails if the workload was
    /// changed since it was read, unless `any_version`.
    fn label(&self, key: &str, value: &str, any_version: bool) -> QueueingDecision {
        let Workload {
            kind,
            api_version,
            metadata,
            ..
        } = self.workload;
        let mut content = json!({"metadata": {"uid": metadata.uid, "labels": {key: value}}});
        if !any_version {
            content["metadata"]["resourceVersion"] =
                self.object["metadata"]["resourceVersion"].clone();
        }
        patch(api_version, kind.name(), metadata, content)
    }
}

/// Has an object of this kind and these metadata changed.
fn patch(api_version: &str, kind: &str, metadata: &Metadata, content: Value) -> QueueingDecision {
    let target = json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": metadata.name, "namespace": metadata.namespace},
    });
    match Manifest::new(target) {
        Ok(target) => QueueingDecision::Patch(Box::new(Patch { target, content })),
        // What was read has a name.
        Err(_) => QueueingDecision::Unchanged,
    }
}

/// Checks that what kaiwo knows only by Kueue's Workload can be changed by this.
fn check_other(workload: &Workload, object: &QueuedObject, wish: Wish) -> Result<(), Refusal> {
    let name = workload.display_name();
    let refusal = |reason: &str| {
        let message = format!("{name} cannot be {}: {reason}", wish.participle());
        Refusal::new(message).about(&name)
    };
    let owner = object.whole().filter(|owner| owner.kind != "Pod");
    let form = match wish {
        Wish::Resume => return Ok(()),
        Wish::Pause if owner.is_some() => return Ok(()),
        Wish::Pause => {
            return Err(
                refusal("Kueue would delete its pods, and nothing would recreate them")
                    .hint("delete it, and create it again later"),
            );
        }
        Wish::Move => "-n {} label {} --overwrite kueue.x-k8s.io/queue-name={QUEUE}",
        Wish::Priority => "-n {} label {} --overwrite kueue.x-k8s.io/priority-class={CLASS}",
    };
    let refusal = refusal("kaiwo changes the labels of its own kinds only");
    Err(match owner {
        Some(_) => {
            let object = workload.object_name();
            let command = kubectl(form, &[&workload.metadata.namespace, &object]);
            refusal.hint(command.to("if its kind allows that while it waits, change its label"))
        }
        None => refusal.hint("delete it, and create its pods again with another label"),
    })
}

/// Refuses what Kueue does not queue as a whole.
fn separate(workload: &Workload, parts: &[Metadata], wish: Wish) -> Refusal {
    let name = workload.display_name();
    let Metadata { namespace, .. } = &workload.metadata;
    let refusal = |reason: &str| {
        let message = format!("{name} cannot be {}: {reason}", wish.participle());
        Refusal::new(message).about(&name)
    };
    match workload.kind {
        WorkloadKind::CronJob => {
            let refusal = refusal("a CronJob is not in a queue, but each Job that it starts is");
            let jobs: Vec<String> = parts
                .iter()
                .map(|job| format!("job/{}", job.name))
                .collect();
            let refusal = match jobs.is_empty() {
                true => refusal.hint("it has started no Job that still exists"),
                false => refusal.hint(format!("name one of its Jobs: {}", jobs.join(", "))),
            };
            match wish {
                Wish::Pause | Wish::Resume => refusal.hint(
                    kubectl(
                        "-n {} patch cronjob {} -p {}",
                        &[
                            namespace,
                            &workload.metadata.name,
                            match wish {
                                Wish::Pause => r#"{"spec":{"suspend":true}}"#,
                                _ => r#"{"spec":{"suspend":false}}"#,
                            },
                        ],
                    )
                    .to("to change whether it starts further Jobs, run"),
                ),
                _ => refusal.hint("to change further Jobs, submit it again with --replace"),
            }
        }
        WorkloadKind::Deployment => {
            let refusal = refusal(
                "Kueue queues each pod of a Deployment separately, and a pod that is changed is replaced by a new one at the end of the queue",
            );
            match wish {
                Wish::Pause | Wish::Resume => refusal.hint(
                    kubectl(
                        "-n {} scale deployment {} --replicas={}",
                        &[
                            namespace,
                            &workload.metadata.name,
                            match wish {
                                Wish::Pause => "0",
                                _ => "1",
                            },
                        ],
                    )
                    .to("to stop or start its pods, scale it"),
                ),
                Wish::Move => refusal.hint("serve it again with -q QUEUE and --replace"),
                Wish::Priority => {
                    refusal.hint("serve it again with --priority-class CLASS and --replace")
                }
            }
        }
        _ => refusal("Kueue does not queue it"),
    }
}

/// Refuses what has no Workload that waits or runs.
fn not_queued(workload: &Workload, has_ended: bool, wish: Wish) -> Refusal {
    let name = workload.display_name();
    let participle = wish.participle();
    let is_labelled = workload.queue().is_some();
    let reason = match (has_ended, is_labelled) {
        (true, _) => "it has ended",
        (false, true) => "Kueue has no Workload for it yet, or no longer keeps it",
        (false, false) => "it is not in a queue",
    };
    let refusal = Refusal::new(format!("{name} cannot be {participle}: {reason}")).about(&name);
    match (has_ended, is_labelled) {
        (false, false) => refusal.hint("submit it again with -q QUEUE and --replace"),
        _ => refusal.hint(
            kaiwo("why {} -n {}", &[&name, &workload.metadata.namespace]).to("check its status"),
        ),
    }
}

/// Returns Kueue's Workloads, as far as the user may read them.
///
/// # Errors
/// [`Refusal`] if the user may not: then nobody could tell what a change did.
pub fn readable(queued: &Readable<Vec<KueueWorkload>>) -> Result<&[KueueWorkload], Refusal> {
    match queued {
        Readable::Known(queued) => Ok(queued),
        Readable::Forbidden => Err(Refusal::new(
            "you may not list Kueue's Workloads, so kaiwo cannot check the change",
        )
        .hint("ask an admin for the role of cluster-admins/rbac/researchers.yaml")),
    }
}

#[cfg(test)]
mod tests;
