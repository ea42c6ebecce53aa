//! `kaiwo priority`.

use crate::api::Readable;
use crate::api::kueue_workload::KueueWorkload;
use crate::change::queueing::priority::NewPriority;
use crate::change::queueing::{QueuedSubject, Wish, preempted, priority};
use crate::cli::PriorityArgs;
use crate::cluster::read::kueue::{queueing, queues};
use crate::error::{CommandError, ErrorClass};
use crate::plan::kueue::queue;
use crate::settings::Format;
use crate::ui::Ui;
use crate::ui::queueing::{ChangeOutcome, Preempted};

use super::super::block_on;
use super::{Change, cannot_change, outcome};

/// Gives a workload another priority.
pub fn run(args: &PriorityArgs, ui: Ui, output: Option<Format>) -> Result<u8, CommandError> {
    let class: &str = &args.class;
    block_on(async {
        let change = Change::begin(&args.change, Wish::Priority, ui, output).await?;
        let subject = change.subject()?;
        let classes =
            queueing::priority_classes(&change.target.place.cluster, change.kueue()).await?;
        let new = priority::to_class(&subject, class, &classes)?;
        let mut report = change.report(subject.queued);
        if let Some(value) = new.value {
            let Prediction {
                preempted,
                is_all,
                doubt,
            } = predict(&change, &subject, value).await?;
            report.preempted = preempted;
            let is_raised = value > subject.queued.spec.priority;
            report.warnings.extend(doubt.filter(|_| is_raised));
            if !is_all && is_raised {
                report.warnings.push(
                    "you may not list the Workloads of all namespaces: others may also be preempted"
                        .to_owned(),
                );
            }
        }
        if classes == Readable::Forbidden {
            report.warnings.push(
                "you may not list WorkloadPriorityClasses: the class is checked by its effect, and it is unknown who would be preempted".to_owned(),
            );
        }
        change.tell_preempted(&report.preempted);
        if let Some(outcome) = outcome(&new.verdict, args.change.dry_run) {
            report.outcome = outcome;
            return change.print(report);
        }
        let is_harmless = report.preempted.is_empty();
        if !change.agreed(args.yes || is_harmless, "change the priority?")? {
            return Ok(ErrorClass::Refused.exit_code());
        }
        change.write(&new.verdict).await.map_err(|error| {
            cannot_change(error, "cluster-admins/rbac/researchers.yaml grants patch")
        })?;
        let after = change.follow(|queued| is_done(queued, class, &new));
        let Some(after) = after.await? else {
            return Err(not_followed(&change, &subject, class).await);
        };
        report.outcome = ChangeOutcome::Changed;
        report.after = Some(after);
        change.print(report)
    })
}

fn is_done(queued: &KueueWorkload, class: &str, new: &NewPriority) -> bool {
    let has_value = new.value.is_none_or(|value| queued.spec.priority == value);
    has_value && queued.spec.priority_class() == Some(class)
}

/// Who would be preempted.
struct Prediction {
    preempted: Vec<Preempted>,
    /// Whether the Workloads of all namespaces can be seen.
    is_all: bool,
    /// Why it may be others.
    doubt: Option<String>,
}

/// Finds who would be preempted, and how sure that is.
async fn predict(
    change: &Change<'_>,
    subject: &QueuedSubject<'_>,
    value: i64,
) -> Result<Prediction, CommandError> {
    let nobody = |is_all| Prediction {
        preempted: Vec::new(),
        is_all,
        doubt: None,
    };
    // What holds quota needs none.
    if subject.holds_quota() || subject.queued.spec.active == Some(false) {
        return Ok(nobody(true));
    }
    let place = &change.target.place;
    let (cluster, served, namespace) = (&place.cluster, &place.served, &place.namespace);
    let (facts, admitted, configuration) = tokio::join!(
        queueing::queues(cluster, served, namespace),
        queueing::admitted(cluster, served, namespace),
        queues::configuration(cluster),
    );
    let (facts, (admitted, is_all)) = (facts?, admitted?);
    let shares_fairly = configuration?.map(|it| it.shares_fairly());
    let own = queue::choose(&subject.queued.spec.queue_name, &facts, namespace, true);
    let Some(queue) = own.ok().and_then(|choice| choice.cluster_queue) else {
        return Ok(nobody(false));
    };
    let found = preempted::by(subject.queued, value, &queue, &facts, &admitted);
    Ok(Prediction {
        preempted: found.into_iter().map(Preempted::new).collect(),
        is_all,
        doubt: preempted::doubt(&queue, &facts, shares_fairly),
    })
}

/// Takes the class back that Kueue does not know: it would count from the day on which
/// somebody creates it.
async fn not_followed(
    change: &Change<'_>,
    subject: &QueuedSubject<'_>,
    class: &str,
) -> CommandError {
    let mut error = change.not_followed();
    error = error.hint(format!(
        "does WorkloadPriorityClass {class} exist? Kueue ignores one that does not"
    ));
    error.notes.push(match priority::back(subject) {
        Some(back) => match change.write(&back).await {
            Ok(()) => "the label was changed back".to_owned(),
            Err(failed) => format!("the label could not be changed back: {failed}"),
        },
        None => "the label stays: Kueue does not let a priority class be removed, only changed"
            .to_owned(),
    });
    error
}
