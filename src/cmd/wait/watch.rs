//! Waits for a workload: looks again whenever something may have changed.

use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};

use crate::api::event::Event;
use crate::api::workload::Workload;
use crate::cluster::ClusterError;
use crate::cluster::client::backoff::Pauses;
use crate::cluster::read::lookup::{self, Found};
use crate::cluster::read::snapshot;
use crate::cluster::read::watch::ChangeWatcher;
use crate::error::{CommandError, ErrorClass};
use crate::observe::Snapshot;
use crate::observe::kind::meaning;
use crate::observe::wait::{Limit, Verdict, WaitTracker};
use crate::ui::span;

use super::progress::ProgressVoice;
use super::{PAUSE, Subject, UNREACHABLE, Wait};
use crate::cmd::target::Reached;

/// Longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Time after which an object that is not found is believed to be gone: an API
/// server that has just started may not know its custom resources yet.
const GONE: Duration = Duration::from_secs(2);
/// Time after which a kind that the API server does not serve is believed to be
/// gone: another one beside it may know it.
const UNSERVED: Duration = Duration::from_secs(60);
/// Time after which a look is due though no watch has told of a change:
/// positions in the queue cannot be watched.
const LOOK: Duration = Duration::from_secs(10);
/// Pods whose events are read at most.
const PODS: usize = 3;

/// A wait under way.
pub struct Watch<'a> {
    /// What for.
    pub wait: &'a Wait,
    /// Where.
    pub place: &'a Reached,
    /// Who waits for the first sight of the workload.
    pub first: Option<oneshot::Sender<Snapshot>>,
    /// The workload.
    pub subject: Subject,
    /// How it gets back to the version before this one, if that is kept.
    pub way_back: Option<String>,
    /// Tells of it.
    pub voice: ProgressVoice,
    /// When it began.
    pub start: Instant,
}

impl Watch<'_> {
    pub async fn run(mut self) -> Result<(), CommandError> {
        let mut vigil = WaitTracker::new(self.wait.goal, self.wait.limits);
        let changed = Notify::new();
        let Reached {
            cluster, served, ..
        } = self.place;
        let mut pulse = ChangeWatcher::new(cluster, &changed);
        let mut watched = None;
        let (mut answered, mut gone_since) = (Instant::now(), None);
        let mut unserved_since = None;
        let mut pauses = Pauses::new(PAUSE, LONGEST_PAUSE);
        loop {
            let look = self.look();
            // A cluster that does not answer holds up no limit.
            let look = match vigil.overdue(self.start.elapsed()) {
                Verdict::GoOn(Some(left)) => {
                    let least = left.max(PAUSE);
                    tokio::time::timeout(least, look).await.ok()
                }
                _ => Some(look.await),
            };
            let (verdict, longest) = match look {
                None => (vigil.overdue(self.start.elapsed()), Duration::ZERO),
                Some(Ok(Some((snapshot, events)))) => {
                    (answered, gone_since, unserved_since) = (Instant::now(), None, None);
                    pauses.restart();
                    self.subject.uid = Some(snapshot.workload.metadata.uid.clone());
                    self.way_back = snapshot.workload.way_back();
                    let standing = snapshot.standing();
                    let verdict = vigil.judge(&snapshot, &events, self.start.elapsed());
                    self.voice.tell(&snapshot, &standing, &events, &verdict)?;
                    // What a RayJob's pods are selected by is known late.
                    let selected = meaning(&snapshot.workload).pod_labels(&snapshot.parts);
                    if watched.as_ref() != Some(&selected) {
                        pulse = ChangeWatcher::new(cluster, &changed);
                        snapshot::watch(&mut pulse, served, &snapshot);
                        watched = Some(selected);
                    }
                    if let Some(first) = self.first.take() {
                        // Who has gone needs nothing.
                        _ = first.send(snapshot);
                    }
                    (verdict, LOOK)
                }
                Some(Ok(None)) => {
                    answered = Instant::now();
                    if gone_since.get_or_insert(answered).elapsed() >= GONE {
                        return Err(self.lost("it was deleted while it was waited for"));
                    }
                    (vigil.overdue(self.start.elapsed()), GONE)
                }
                // Nobody has said that it is gone.
                Some(Err(error @ ClusterError::NotServed { .. })) => {
                    answered = Instant::now();
                    if unserved_since.get_or_insert(answered).elapsed() >= UNSERVED {
                        return Err(self.lost(&error.to_string()));
                    }
                    self.voice.say(&format!("asking again: {error}"));
                    (vigil.overdue(self.start.elapsed()), pauses.advance())
                }
                Some(Err(error)) => {
                    if answered.elapsed() >= UNREACHABLE {
                        let mut lost = self.lost("the cluster does not answer");
                        lost.error = anyhow::Error::from(error).context(lost.error.to_string());
                        return Err(lost);
                    }
                    self.voice.say(&format!("asking again: {error}"));
                    (vigil.overdue(self.start.elapsed()), pauses.advance())
                }
            };
            match verdict {
                Verdict::GoOn(left) => {
                    let longest = left.map_or(longest, |left| left.min(longest));
                    pulse.next(longest).await;
                }
                Verdict::Reached => return Ok(()),
                verdict => return Err(self.ended(verdict)),
            }
        }
    }

    /// Looks how the workload is; `None` if it is gone.
    async fn look(&self) -> Result<Option<(Snapshot, Vec<Event>)>, ClusterError> {
        let Reached {
            cluster, served, ..
        } = self.place;
        let Subject {
            kind,
            namespace,
            name,
            uid,
        } = &self.subject;
        let is_it =
            |workload: &Workload| uid.as_ref().is_none_or(|uid| workload.metadata.uid == *uid);
        match lookup::read(cluster, served, namespace, *kind, name).await? {
            Some(Found { workload, .. }) if is_it(&workload) => {
                let snapshot = snapshot::read_snapshot(cluster, served, workload).await?;
                let waiting = snapshot
                    .pods()
                    .iter()
                    .filter(|pod| !(pod.is_ready() || pod.has_ended() || pod.is_terminating()))
                    .take(PODS);
                let events = snapshot::pod_events(cluster, namespace, waiting).await?;
                Ok(Some((snapshot, events)))
            }
            _ => Ok(None),
        }
    }

    fn lost(&self, why: &str) -> CommandError {
        let name = self.subject.display_name();
        CommandError::new(
            ErrorClass::LostTrack,
            format!("lost track of {name}: {why}"),
        )
        .hint(format!(
            "see what is there with: kaiwo list -n {}",
            self.subject.namespace
        ))
        .about(name)
    }

    /// Returns the error for a wait that ended otherwise than it should.
    fn ended(&self, verdict: Verdict) -> CommandError {
        let name = self.subject.display_name();
        let arguments = self.subject.arguments();
        let why = format!("see why: kaiwo why {arguments}");
        // What may still serve is not to be removed.
        let remove = match &self.way_back {
            Some(command) => format!("go back to the version before: {command}"),
            None => format!("remove it: kaiwo delete {arguments}"),
        };
        let goal = self.wait.goal;
        let timed_out = |words: String| {
            let mut error = CommandError::new(ErrorClass::TimedOut, words)
                .hint(why.clone())
                .hint(format!("wait on: kaiwo wait {arguments}"))
                .hint(remove.clone());
            error.notes.push(format!("{name} goes on"));
            error
        };
        let now = match self.voice.said() {
            "" => String::new(),
            said => format!(": {said}"),
        };
        match verdict {
            Verdict::TimedOut(Limit::Total(limit)) => {
                timed_out(format!("{name} is not {goal} after {}{now}", span(limit)))
            }
            Verdict::TimedOut(Limit::Queue(limit)) => timed_out(format!(
                "{name} was not admitted within {}{now}",
                span(limit)
            )),
            Verdict::Hopeless { reason } => CommandError::failed(
                format!("{name} will not be {goal} unless somebody mends it: {reason}"),
                None,
            )
            .hint(why)
            .hint(remove),
            Verdict::Failed {
                container_exit_code,
                reason,
            } => {
                let failed = format!("{name} failed: {reason}");
                // Who follows has just seen what it printed.
                let next = match self.wait.follow {
                    true => why,
                    false => format!("see what it printed: kaiwo logs {arguments}"),
                };
                CommandError::failed(failed, container_exit_code).hint(next)
            }
            Verdict::GoOn(_) | Verdict::Reached => unreachable!("waiting ends otherwise"),
        }
        .about(name)
    }
}

fn span(limit: Duration) -> String {
    span::human(limit.as_secs().try_into().unwrap_or(i64::MAX))
}
