//! `kaiwo move`.

use crate::change::queueing::{Wish, queue};
use crate::cli::MoveArgs;
use crate::cluster::read::kueue::queueing;
use crate::error::CommandError;
use crate::settings::Format;
use crate::ui::Ui;
use crate::ui::queueing::ChangeOutcome;

use super::super::block_on;
use super::{Change, TRIES, cannot_change, outcome};

/// Moves a workload to another queue.
pub fn run(args: &MoveArgs, ui: Ui, output: Option<Format>) -> Result<u8, CommandError> {
    block_on(async {
        let mut change = Change::begin(&args.change, Wish::Move, ui, output).await?;
        let mut tries = 1..TRIES;
        loop {
            let place = &change.target.place;
            let namespace = &place.namespace;
            change.subject()?;
            let facts = queueing::queues(&place.cluster, &place.served, namespace).await?;
            let subject = change.subject()?;
            let moved = queue::to(&subject, &args.queue, &facts, args.force)?;
            let mut report = change.report(subject.queued);
            report.warnings = moved.warnings;
            if let Some(outcome) = outcome(&moved.verdict, args.change.dry_run) {
                report.outcome = outcome;
                return change.print(report);
            }
            match change.write(&moved.verdict).await {
                // It may run by now: that is decided again.
                Err(error) if error.is_conflict() && tries.next().is_some() => {
                    drop(report);
                    change.look_again().await?;
                    continue;
                }
                written => written.map_err(|error| {
                    cannot_change(error, "cluster-admins/rbac/researchers.yaml grants patch")
                })?,
            }
            let target = &moved.to.local_queue;
            let after = change.follow(|queued| queued.spec.queue_name == *target);
            let Some(after) = after.await? else {
                return Err(change.not_followed());
            };
            report.outcome = ChangeOutcome::Changed;
            report.after = Some(after);
            return change.print(report);
        }
    })
}
