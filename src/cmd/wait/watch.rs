//! Waits for a workload: judges each snapshot of it.

use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::cluster::Cluster;
use crate::cluster::read::snapshot::{LostTrack, Seen, SnapshotStream};
use crate::cluster::read::workload_details::progress_of;
use crate::error::{CommandError, ErrorClass};
use crate::kind::Goal;
use crate::observe::Snapshot;
use crate::observe::log::progress::Progress;
use crate::observe::wait::{PassedLimit, WaitTracker, WaitVerdict};
use crate::ui::span;

use super::progress::{Ended, ProgressVoice};
use super::{FollowedWorkload, PAUSE, Wait, about};
use crate::cmd::target::Reached;
use crate::suggestion::Command;

/// Time after which a look is due though no watch has told of a change:
/// positions in the queue cannot be watched.
const LOOK: Duration = Duration::from_secs(10);

/// A wait under way.
pub struct WaitLoop<'a> {
    /// What for.
    pub wait: &'a Wait,
    /// Where.
    pub place: &'a Reached,
    /// Who waits for the first sight of the workload.
    pub first: Option<oneshot::Sender<Snapshot>>,
    /// The workload.
    pub subject: FollowedWorkload,
    /// How it gets back to the version before this one, if that is kept.
    pub way_back: Option<Command>,
    /// Whether it is an array, each of whose tasks has a log.
    pub is_array: bool,
    /// Tells of it.
    pub voice: ProgressVoice,
    /// When it began.
    pub start: Instant,
}

/// What is still awaited of a log when its workload is no longer waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Nothing: it continues.
    Nothing,
    /// What it has by now: it continues, and may never be fixed.
    Present,
    /// All of it, as long as any comes: it has ended.
    Whole,
}

impl Rest {
    /// How long it may be silent. What has ended is read to its end by limits of
    /// its own, which are shorter.
    pub fn longest_silence(self) -> Duration {
        match self {
            Self::Nothing => Duration::ZERO,
            Self::Present => Duration::from_secs(10),
            Self::Whole => Duration::from_secs(90),
        }
    }
}

impl WaitLoop<'_> {
    /// Waits until it is there, or will not be; says what its log has yet to
    /// give.
    pub async fn run(mut self) -> (Rest, Result<Ended, CommandError>) {
        match self.verdict().await {
            Ok(WaitVerdict::Reached) => {
                let rest = match self.wait.goal {
                    Goal::Done => Rest::Whole,
                    _ => Rest::Nothing,
                };
                (rest, Ok(self.voice.ended()))
            }
            Ok(verdict) => {
                let rest = match verdict {
                    WaitVerdict::Failed { .. } => Rest::Whole,
                    WaitVerdict::Hopeless { .. } => Rest::Present,
                    _ => Rest::Nothing,
                };
                (rest, Err(self.ended(verdict)))
            }
            Err(error) => (Rest::Nothing, Err(error)),
        }
    }

    async fn verdict(&mut self) -> Result<WaitVerdict, CommandError> {
        let mut tracker = WaitTracker::new(self.wait.goal, self.wait.limits);
        let Reached {
            cluster, served, ..
        } = self.place;
        let mut stream = SnapshotStream::new(cluster, served, self.subject.clone());
        let mut longest = LOOK;
        loop {
            let verdict = match self.see(&mut stream, &tracker, longest).await? {
                None => tracker.overdue(self.start.elapsed()),
                Some(Seen::Now(snapshot, progress)) => {
                    self.way_back = snapshot.workload.way_back();
                    self.is_array = snapshot.workload.is_array();
                    let standing = snapshot.standing();
                    let verdict = tracker.judge(&snapshot, self.start.elapsed());
                    self.voice
                        .tell(&snapshot, progress.as_ref(), &standing, &verdict)?;
                    if let Some(first) = self.first.take() {
                        // Who has gone needs nothing.
                        _ = first.send(*snapshot);
                    }
                    verdict
                }
                Some(Seen::Gone) => {
                    let why = "it was deleted during the wait";
                    return Err(self.subject.lost(why, None).into());
                }
                Some(Seen::Outage(outage)) => {
                    self.voice.note(&outage.to_string());
                    tracker.overdue(self.start.elapsed())
                }
            };
            match verdict {
                WaitVerdict::GoOn(left) => longest = left.map_or(LOOK, |left| left.min(LOOK)),
                verdict => return Ok(verdict),
            }
        }
    }

    /// Looks how the workload is; `None` if a limit passes before that is
    /// known: a cluster that does not answer holds up none.
    async fn see(
        &self,
        stream: &mut SnapshotStream<'_>,
        tracker: &WaitTracker,
        longest: Duration,
    ) -> Result<Option<Seen<Option<Progress>>>, LostTrack> {
        let shows_progress = self.voice.shows_progress();
        let progress = async |cluster: &Cluster, snapshot: &Snapshot| {
            Ok(match shows_progress {
                true => progress_of(cluster, snapshot).await,
                false => None,
            })
        };
        let mut next = pin!(stream.next(longest, progress));
        let mut verdict = tracker.overdue(self.start.elapsed());
        loop {
            let left = match verdict {
                WaitVerdict::GoOn(left) => left,
                // However little time there is, it is looked once.
                _ => None,
            };
            tokio::select! {
                seen = &mut next => return seen.map(Some),
                () = sleep(left.unwrap_or_default().max(PAUSE)), if left.is_some() => {}
            }
            verdict = tracker.overdue(self.start.elapsed());
            if !matches!(verdict, WaitVerdict::GoOn(_)) {
                return Ok(None);
            }
        }
    }

    /// Returns the error for a wait that ended otherwise than it should.
    fn ended(&self, verdict: WaitVerdict) -> CommandError {
        let name = self.subject.display_name();
        let why = about("why {} -n {}", &self.subject).to("see why");
        // What may still serve is not to be removed.
        let remove = match &self.way_back {
            Some(command) => command.clone().to("roll back to the previous version"),
            None => self.subject.deletion.clone().to("remove it"),
        };
        let goal = self.wait.goal;
        let timed_out = |words: String| {
            let mut error = CommandError::new(ErrorClass::TimedOut, words)
                .hint(why.clone())
                .hint(about("wait {} -n {}", &self.subject).to("continue waiting"))
                .hint(remove.clone());
            error.notes.push(format!("{name} continues"));
            error
        };
        let now = match self.voice.said() {
            "" => String::new(),
            said => format!(": {said}"),
        };
        match verdict {
            WaitVerdict::TimedOut(PassedLimit::Total(limit)) => {
                timed_out(format!("{name} is not {goal} after {}{now}", span(limit)))
            }
            WaitVerdict::TimedOut(PassedLimit::Queue(limit)) => {
                timed_out(format!("{name} did not start within {}{now}", span(limit)))
            }
            WaitVerdict::Hopeless {
                container_exit_code,
                reason,
            } => CommandError::failed(
                format!("{name} cannot be {goal} until this is fixed: {reason}"),
                container_exit_code,
            )
            .hint(why)
            .hint(remove),
            WaitVerdict::Failed {
                container_exit_code,
                reason,
            } => {
                let failed = format!("{name} failed: {reason}");
                // Who follows has just seen what it printed.
                let next = match self.wait.follow {
                    true => why,
                    false if self.is_array => about("logs {} -n {} --failed", &self.subject)
                        .to("show the logs of the tasks that failed"),
                    false => about("logs {} -n {}", &self.subject).to("show its logs"),
                };
                CommandError::failed(failed, container_exit_code).hint(next)
            }
            WaitVerdict::GoOn(_) | WaitVerdict::Reached => unreachable!("waiting ends otherwise"),
        }
        .about(name)
    }
}

/// Returns a limit in words.
pub fn span(limit: Duration) -> String {
    span::human(limit.as_secs().try_into().unwrap_or(i64::MAX))
}
