//! `kaiwo wait`, and the waiting of `kaiwo submit` and `kaiwo serve`.

mod notify;
mod progress;
mod watch;

use std::cell::Cell;
use std::path::PathBuf;
use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::cli::WaitArgs;
use crate::cluster::Cluster;
use crate::cluster::read::api_versions::Served;
pub use crate::cluster::read::snapshot::FollowedWorkload;
use crate::cluster::read::snapshot::UNANSWERED;
use crate::cluster::read::watch::{Polled, Poller};
use crate::error::{CommandError, ErrorClass};
use crate::kind::Goal;
use crate::kind::WorkloadKind;
use crate::observe::wait::Limits;
use crate::plan::Refusal;
use crate::request::{self, is_on};
use crate::settings::{Format, Merged, Notify, Settings, Sourced};
use crate::suggestion::{Command, kaiwo};
use crate::time::Seconds;
use crate::ui::Ui;

use super::reach::logs::{self, Shown};
use super::signals::{self, SignalEffect};
use super::target::{FoundWorkload, Reached};
use super::{block_on, sources};

pub use progress::Ended;
use progress::ProgressVoice;
pub use watch::span;
use watch::{Rest, WaitLoop};

/// Shortest time in which the cluster is to answer, whatever the limits.
const PAUSE: Duration = Duration::from_secs(1);

/// Waits for a workload.
pub fn run(args: &WaitArgs, ui: Ui, output: Option<Format>) -> Result<(), CommandError> {
    let start = Instant::now();
    limits(args).and_then(|(limits, notify)| {
        block_on(async {
            let longest = limits.total.unwrap_or(Duration::MAX).max(PAUSE);
            let found = timeout(longest, FoundWorkload::find(&args.named, ui)).await;
            let FoundWorkload { place, found } = match found {
                Ok(found) => found?,
                Err(_) => {
                    let error = unanswered(args, longest);
                    notify::tell(notify.as_ref(), Err(&error), ui).await;
                    return Err(error);
                }
            };
            let workload = found.workload;
            let goal = args.goal.unwrap_or_else(|| workload.kind.descriptor().goal);
            request::wait::check(goal, workload.kind)?;
            let wait = Wait {
                goal,
                limits,
                follow: false,
                log: None,
                as_json: output == Some(Format::Json),
                notify,
                start: Some(start),
            };
            let subject = FollowedWorkload::of_workload(&workload);
            wait.attend(place.cluster, subject, ui).await
        })
    })
}

/// Returns the error that the time was over before anything was known.
fn unanswered(args: &WaitArgs, limit: Duration) -> CommandError {
    let name = args.named.workload.to_string();
    let words = format!("{name} was not found within {}: {UNANSWERED}", span(limit));
    CommandError::new(ErrorClass::TimedOut, words).about(name)
}

fn limits(args: &WaitArgs) -> Result<(Limits, Option<Notify>), CommandError> {
    let typed = Settings {
        timeout: args.timeout,
        queue_timeout: args.queue_timeout,
        notify: args.notify.clone(),
        ..Settings::default()
    };
    let used = ["KAIWO_TIMEOUT", "KAIWO_QUEUE_TIMEOUT", "KAIWO_NOTIFY"];
    let merged = sources::merged_of(&used, typed, &args.named.connection)?;
    Ok((limits_of(&merged), notify_of(&merged)))
}

/// Returns the limits that the settings say.
pub fn limits_of(settings: &Merged) -> Limits {
    let duration = |setting: &Option<Sourced<Seconds>>| {
        setting.as_ref().map(|sourced| sourced.value.duration())
    };
    Limits {
        total: duration(&settings.timeout),
        queue: duration(&settings.queue_timeout),
    }
}

/// Returns who is told of the end.
fn notify_of(settings: &Merged) -> Option<Notify> {
    let sourced = settings.notify.as_ref();
    sourced.map(|sourced| sourced.value.clone())
}

/// Notifies whoever the settings name of an end.
pub async fn tell_end(settings: &Merged, ended: Result<&Ended, &CommandError>, ui: Ui) {
    notify::tell(notify_of(settings).as_ref(), ended, ui).await;
}

/// Waits until a session runs; a line for each change.
///
/// # Errors
/// [`CommandError`] if it does not get there.
pub async fn until_running(
    place: &Reached,
    subject: &FollowedWorkload,
    limits: Limits,
    ui: Ui,
) -> Result<(), CommandError> {
    let wait = Wait {
        goal: Goal::Running,
        limits: Limits {
            total: None,
            ..limits
        },
        follow: true,
        log: None,
        as_json: false,
        notify: None,
        start: None,
    };
    let watch = WaitLoop {
        voice: ProgressVoice::new(&subject.display_name(), ui, &wait),
        wait: &wait,
        place,
        first: None,
        subject: subject.clone(),
        way_back: None,
        is_array: false,
        start: Instant::now(),
    };
    let (_, result) = watch.run().await;
    // What is left of it is deleted, and nothing to look at.
    result.map(|_| ()).map_err(|error| CommandError {
        notes: Vec::new(),
        hints: Vec::new(),
        ..error
    })
}

/// Returns how a submission is waited for, if it is.
///
/// # Errors
/// [`Refusal`] if something was typed that has no meaning.
pub fn of_submission(
    settings: &Merged,
    kind: WorkloadKind,
    output: Option<Format>,
) -> Result<Option<Wait>, Refusal> {
    let goal = request::wait::goal(settings, kind, output.is_some())?;
    let follow = is_on(&settings.follow);
    let log = settings.log.as_ref().filter(|_| follow);
    Ok(goal.map(|goal| Wait {
        goal,
        limits: limits_of(settings),
        follow,
        log: log.map(|log| log.value.clone()),
        as_json: output == Some(Format::Json),
        notify: notify_of(settings),
        start: None,
    }))
}

/// What to wait for, how long, and how to tell of it.
#[derive(Debug, Clone)]
pub struct Wait {
    /// What for.
    pub goal: Goal,
    /// How long.
    pub limits: Limits,
    /// Whether stdout gets what the workload prints.
    pub follow: bool,
    /// The file that gets it, too.
    pub log: Option<PathBuf>,
    /// Whether stdout gets an event for each change.
    pub as_json: bool,
    /// Who is told of the end.
    pub notify: Option<Notify>,
    /// When it began; nothing if it begins when it is attended to.
    pub start: Option<Instant>,
}

/// Returns a command about a workload.
pub fn about(form: &'static str, subject: &FollowedWorkload) -> Command {
    kaiwo(form, &[&subject.display_name(), &subject.namespace])
}

impl Wait {
    /// Waits, follows the log meanwhile, and notifies who wants to know the end.
    ///
    /// # Errors
    /// [`CommandError`] if the workload does not get there, or that cannot be
    /// told.
    pub async fn attend(
        &self,
        cluster: Cluster,
        subject: FollowedWorkload,
        ui: Ui,
    ) -> Result<(), CommandError> {
        let ended = self.attended(cluster, subject, ui).await;
        notify::tell(self.notify.as_ref(), ended.as_ref(), ui).await;
        ended.map(|_| ())
    }

    async fn attended(
        &self,
        cluster: Cluster,
        subject: FollowedWorkload,
        ui: Ui,
    ) -> Result<Ended, CommandError> {
        signals::set_effect(SignalEffect::GoesOn {
            workload: subject.display_name(),
            next: [
                match self.follow {
                    true => about("logs -f {} -n {}", &subject).to("follow its log again"),
                    false => about("wait {} -n {}", &subject).to("resume waiting"),
                },
                subject.deletion.clone().to("delete it"),
            ],
        });
        let mut voice = ProgressVoice::new(&subject.display_name(), ui, self);
        let start = self.start.unwrap_or_else(Instant::now);
        let place = self.place(cluster, &subject, &mut voice, start).await?;
        let (first, seen) = oneshot::channel();
        let watch = WaitLoop {
            wait: self,
            place: &place,
            voice,
            subject: subject.clone(),
            way_back: None,
            is_array: false,
            start,
            first: self.follow.then_some(first),
        };
        let written = Cell::new(0);
        let shown = Shown {
            says_no_status: true,
            log: self.log.clone(),
            ..Shown::default()
        };
        let mut watch = pin!(watch.run());
        let mut follow = pin!(async {
            // Nothing is sent to who does not follow, or sees nothing.
            match seen.await {
                Ok(snapshot) => logs::follow(&place, snapshot, &shown, &written, ui).await,
                Err(_) => Ok(()),
            }
        });
        let mut follows = self.follow;
        loop {
            tokio::select! {
                (rest, result) = &mut watch => {
                    // Its last lines come a moment later, and may be many.
                    let mut is_awaited = rest != Rest::Nothing;
                    while follows && is_awaited {
                        let before = written.get();
                        match timeout(rest.longest_silence(), &mut follow).await {
                            Ok(result) => {
                                follows = false;
                                tell(result, ui);
                            }
                            Err(_) => is_awaited = rest == Rest::Whole && written.get() > before,
                        }
                    }
                    if follows && rest == Rest::Whole {
                        ui.warn(format!(
                            "the end of the log may be missing: nothing was received for {}",
                            span(rest.longest_silence())
                        ));
                        ui.suggest(&about("logs {} -n {}", &subject).to("show all of it"));
                    }
                    return result;
                }
                result = &mut follow, if follows => {
                    follows = false;
                    tell(result, ui);
                }
            }
        }
    }

    /// Finds out which APIs the cluster serves, however long that takes within
    /// the limits.
    async fn place(
        &self,
        cluster: Cluster,
        subject: &FollowedWorkload,
        voice: &mut ProgressVoice,
        start: Instant,
    ) -> Result<Reached, CommandError> {
        let asking = cluster.failing_at_once();
        let mut poller = Poller::new(&cluster);
        poller.look_at_once();
        let find = async {
            loop {
                match poller
                    .next(PAUSE, async || Served::read(&asking).await)
                    .await
                {
                    Ok(Polled::Now(served)) => return Ok(served),
                    Ok(Polled::Outage(outage)) => voice.note(&outage.to_string()),
                    Err(error) => return Err(Some(error)),
                }
            }
        };
        let total = self.limits.total.unwrap_or(Duration::MAX);
        let longest = total.saturating_sub(start.elapsed()).max(PAUSE);
        let served = timeout(longest, find).await.unwrap_or(Err(None));
        let served = served.map_err(|error| subject.lost(UNANSWERED, error))?;
        Ok(Reached {
            cluster,
            served,
            namespace: subject.namespace.clone(),
        })
    }
}

/// Says why the log is not to be had; the wait goes on without.
fn tell(followed: Result<(), CommandError>, ui: Ui) {
    if let Err(error) = followed {
        ui.warn(format!("cannot follow the log: {:#}", error.error));
    }
}
