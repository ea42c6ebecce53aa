//! Gives a workload another priority.
//!
//! Kueue v0.19 follows the label with the class, of what waits and of what runs. It
//! ignores a class that does not exist, without a word.

use super::{QueuedSubject, QueueingDecision};
use crate::api::Readable;
use crate::api::keys::PRIORITY_CLASS_LABEL;
use crate::api::queue::WorkloadPriorityClass;
use crate::names::nearest;
use crate::plan::Refusal;
use crate::suggestion::kaiwo;

/// Another priority that Kueue will take.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPriority {
    /// What does it.
    pub verdict: QueueingDecision,
    /// The priority that it will have; unknown if the classes may not be read.
    pub value: Option<i64>,
}

/// Decides whether a workload can have the priority of `class`, one of `classes`.
///
/// # Errors
/// [`Refusal`] if the class does not exist, or Kueue refuses it.
pub fn to_class(
    subject: &QueuedSubject,
    class: &str,
    classes: &Readable<Vec<WorkloadPriorityClass>>,
) -> Result<NewPriority, Refusal> {
    let name = subject.workload.display_name();
    let value = match classes {
        Readable::Known(classes) => Some(find(class, classes)?.value),
        Readable::Forbidden => None,
    };
    let has_it =
        subject.class() == Some(class) && subject.queued.spec.priority_class() == Some(class);
    if has_it && value.is_none_or(|value| value == subject.queued.spec.priority) {
        return Ok(NewPriority {
            verdict: QueueingDecision::Unchanged,
            value,
        });
    }
    if subject.class().is_none() && subject.holds_quota() {
        return Err(subject
            .refuse(format!(
                "{name} has no priority class, and Kueue adds none to what is running"
            ))
            .hint(kaiwo("wait {} -n {}", &[&name, subject.namespace()]).to("let it finish"))
            .hint(format!(
                "or {} with --priority-class {class} and --replace",
                subject.resubmission()
            )));
    }
    Ok(NewPriority {
        verdict: subject.label(PRIORITY_CLASS_LABEL, class, true),
        value,
    })
}

/// Returns what takes a change of the class back; nothing if there was none before,
/// because Kueue does not let one be removed.
pub fn back(subject: &QueuedSubject) -> Option<QueueingDecision> {
    let before = subject.class()?;
    Some(subject.label(PRIORITY_CLASS_LABEL, before, true))
}

fn find<'a>(
    class: &str,
    classes: &'a [WorkloadPriorityClass],
) -> Result<&'a WorkloadPriorityClass, Refusal> {
    let mut known = classes.iter();
    if let Some(found) = known.find(|known| known.metadata.name == class) {
        return Ok(found);
    }
    let refusal = Refusal::new(format!("WorkloadPriorityClass {class:?} does not exist"))
        .about(format!("workloadpriorityclass/{class}"));
    let mut by_value: Vec<&WorkloadPriorityClass> = classes.iter().collect();
    by_value.sort_by_key(|class| -class.value);
    let names = || classes.iter().map(|class| class.metadata.name.clone());
    let refusal = match nearest(class, names()) {
        Some(near) => refusal.hint(format!("did you mean {near}?")),
        None => refusal,
    };
    let known: Vec<String> = by_value
        .iter()
        .map(|class| format!("{} ({})", class.metadata.name, class.value))
        .collect();
    Err(match known.is_empty() {
        true => refusal.hint("the cluster has none; ask an admin to create some"),
        false => refusal.hint(format!("classes: {}", known.join(", "))),
    })
}
