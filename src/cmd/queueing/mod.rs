//! The commands that change where a workload is in Kueue's queues. Each decides first,
//! changes one field, and then looks until Kueue has done it.

pub mod activity;
pub mod priority;
pub mod queue;

use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;

use crate::api::kueue_workload::{KueueWorkload, QueueState};
use crate::change::queueing::{self, QueuedSubject, QueueingDecision, Wish};
use crate::cli::ChangeArgs;
use crate::cluster::ClusterError;
use crate::cluster::client::request::Write;
use crate::cluster::read::lookup;
use crate::cluster::read::snapshot;
use crate::error::{CommandError, ErrorClass};
use crate::observe::Snapshot;
use crate::settings::Format;
use crate::suggestion::kaiwo;
use crate::ui::Ui;
use crate::ui::document::document;
use crate::ui::queueing::{ChangeOutcome, Place, Preempted, QueueingReport, preempted_lines};

use super::confirmation::agreed;
use super::help::cannot_write;
use super::signals::{self, SignalEffect};
use super::target::{FoundWorkload, Reached};

/// Longest wait until Kueue has followed a change.
const FOLLOWED: Duration = Duration::from_secs(30);
/// Longest wait for the new place after that: what is admitted at once has none.
const PLACED: Duration = Duration::from_secs(5);
/// Pause between two looks.
const POLL: Duration = Duration::from_millis(250);
/// How often a change is decided again because the workload has changed meanwhile.
const TRIES: usize = 5;

/// A workload that is about to be changed.
struct Change<'a> {
    args: &'a ChangeArgs,
    ui: Ui,
    output: Option<Format>,
    wish: Wish,
    target: FoundWorkload,
    before: Snapshot,
}

impl<'a> Change<'a> {
    /// Connects, and reads how it is.
    async fn begin(
        args: &'a ChangeArgs,
        wish: Wish,
        ui: Ui,
        output: Option<Format>,
    ) -> Result<Self, CommandError> {
        signals::set_effect(SignalEffect::Note("nothing was changed"));
        let progress = ui.progress("contacting the cluster");
        let target = FoundWorkload::find(&args.named, ui).await?;
        let before = target.snapshot().await?;
        drop(progress);
        Ok(Self {
            args,
            ui,
            output: args.output.or(output),
            wish,
            target,
            before,
        })
    }

    /// Reads it again.
    async fn look_again(&mut self) -> Result<(), CommandError> {
        let Reached {
            cluster,
            served,
            namespace,
        } = &self.target.place;
        let wanted = &self.args.named.workload;
        self.target.found = lookup::find(cluster, served, namespace, wanted).await?;
        self.before = self.target.snapshot().await?;
        Ok(())
    }

    fn subject(&self) -> Result<QueuedSubject<'_>, CommandError> {
        let found = &self.target.found;
        let queued = queueing::readable(&self.before.queued)?;
        let parts = &self.before.parts;
        let subject = QueuedSubject::new(&found.workload, &found.object, queued, parts, self.wish)?;
        Ok(subject)
    }

    /// Returns the version in which Kueue's objects are written.
    fn kueue(&self) -> &str {
        self.target
            .place
            .served
            .kueue
            .as_deref()
            .unwrap_or_default()
    }

    /// Begins the report, and says what it is about.
    fn report(&self, queued: &KueueWorkload) -> QueueingReport<'_> {
        let place = &self.target.place;
        let workload = &self.target.found.workload;
        let mut report = QueueingReport::new(
            self.wish.command(),
            (place.cluster.context(), &place.namespace),
            workload.display_name(),
            Place::new(&self.before, queued),
        );
        report.queued_at = queued.metadata.creation_timestamp;
        self.ui.status(format!(
            "→ context {}, namespace {}",
            place.cluster.context(),
            place.namespace
        ));
        let user = queued.user().or(workload.user());
        self.ui
            .status(report.head(queued.gpus(), user, Timestamp::now()));
        report
    }

    /// Names who would be preempted.
    fn tell_preempted(&self, preempted: &[Preempted]) {
        for line in preempted_lines(preempted) {
            self.ui.status(line);
        }
    }

    /// Asks before something that cannot be undone; `yes` is the answer that was typed.
    fn agreed(&self, yes: bool, question: &str) -> Result<bool, CommandError> {
        if yes || self.args.dry_run {
            return Ok(true);
        }
        agreed(self.ui, question)
    }

    /// Writes a patch, if it is one and no dry run.
    async fn write(&self, verdict: &QueueingDecision) -> Result<(), ClusterError> {
        if let QueueingDecision::Patch(patch) = verdict {
            signals::set_effect(SignalEffect::Note(
                "the change may have been sent; check it with kaiwo status",
            ));
            let cluster = &self.target.place.cluster;
            cluster
                .patch(&patch.target, &patch.content, Write::Real)
                .await?;
        }
        Ok(())
    }

    /// Looks until `is_done` holds of Kueue's Workload, and then for its new place.
    /// Returns nothing if Kueue does not follow.
    async fn follow(
        &self,
        is_done: impl Fn(&KueueWorkload) -> bool,
    ) -> Result<Option<Place>, CommandError> {
        let progress = self.ui.progress("waiting for Kueue");
        let begun = Instant::now();
        let mut done = None;
        loop {
            let after = self.look().await?;
            let queued = after.queued();
            let newest = queued
                .iter()
                .max_by_key(|it| it.metadata.creation_timestamp);
            if let Some(queued) = newest.filter(|queued| is_done(queued)) {
                let since = done.get_or_insert_with(Instant::now);
                let place = Place::new(&after, queued);
                if place.position.is_some() || !self.awaits_place(queued) {
                    drop(progress);
                    return Ok(Some(place));
                }
                if since.elapsed() >= PLACED {
                    drop(progress);
                    return Ok(Some(place));
                }
            } else if begun.elapsed() >= FOLLOWED {
                return Ok(None);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Returns whether a Workload is about to have a place that can be read.
    fn awaits_place(&self, queued: &KueueWorkload) -> bool {
        let waits = matches!(
            queued.state(),
            QueueState::Pending | QueueState::Evicted | QueueState::Preempted
        );
        waits && self.target.place.served.visibility.is_some()
    }

    async fn look(&self) -> Result<Snapshot, CommandError> {
        let Reached {
            cluster,
            served,
            namespace,
        } = &self.target.place;
        let workload = &self.target.found.workload;
        let name = &workload.metadata.name;
        let again = lookup::read(cluster, served, namespace, workload.kind, name).await?;
        let is_it = |found: &lookup::Found| found.workload.metadata.uid == workload.metadata.uid;
        match again.filter(is_it) {
            Some(found) => Ok(snapshot::read_snapshot(cluster, served, found.workload).await?),
            None => Err(CommandError::new(
                ErrorClass::LostTrack,
                format!("{} was deleted meanwhile", workload.display_name()),
            )),
        }
    }

    /// Returns the error that Kueue has not followed.
    fn not_followed(&self) -> CommandError {
        let name = self.target.found.workload.display_name();
        CommandError::new(
            ErrorClass::TimedOut,
            format!(
                "{name} is changed, but Kueue has not followed within {} s",
                FOLLOWED.as_secs()
            ),
        )
        .hint(kaiwo("why {} -n {}", &[&name, &self.target.place.namespace]).to("check its status"))
        .about(name)
    }

    /// Writes the report.
    fn print(&self, mut report: QueueingReport<'_>) -> Result<u8, CommandError> {
        for warning in &report.warnings {
            self.ui.warn(warning);
        }
        report.warnings.extend(self.target.place.cluster.warnings());
        for line in report.lines(Timestamp::now()) {
            self.ui.status(line);
        }
        let written = match (document(&report, self.output), self.output) {
            (Some(text), _) => self.ui.data(&text),
            (None, Some(Format::Name)) => {
                let name = self.target.found.workload.qualified_name();
                self.ui.data(&(name + "\n"))
            }
            _ => Ok(()),
        };
        written.map_err(cannot_write)?;
        Ok(0)
    }
}

/// Returns the outcome before anything is written.
fn outcome(verdict: &QueueingDecision, dry_run: bool) -> Option<ChangeOutcome> {
    match verdict {
        QueueingDecision::Unchanged => Some(ChangeOutcome::Unchanged),
        QueueingDecision::Patch(_) if dry_run => Some(ChangeOutcome::DryRun),
        QueueingDecision::Patch(_) => None,
    }
}

/// Returns the error of a write, with the role that allows it.
fn cannot_change(error: ClusterError, role: &'static str) -> CommandError {
    let lacks_right = error.is_missing_right();
    let mut error = CommandError::from(error);
    if lacks_right {
        error.hints = vec![format!("ask an admin for the right: {role}").into()];
    }
    error
}
