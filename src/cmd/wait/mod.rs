//! `kaiwo wait`, and the waiting of `kaiwo submit` and `kaiwo serve`.

mod progress;
mod watch;

use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::cli::WaitArgs;
use crate::cluster::Cluster;
use crate::cluster::read::api_versions::Served;
use crate::error::{CommandError, ErrorClass};
use crate::kind::Goal;
use crate::kind::WorkloadKind;
use crate::names::with_article;
use crate::observe::wait::Limits;
use crate::plan::Refusal;
use crate::plan::request::pod::Seconds;
use crate::request::is_on;
use crate::settings::{Merged, Origin, OutputFormat, Settings, Sourced};
use crate::ui::Ui;

use super::reach::logs::{self, Shown};
use super::target::{self, FoundWorkload, Reached};
use super::{block_on, signals, sources};

use progress::ProgressVoice;
use watch::Watch;

/// Time without any answer of the cluster after which nobody can tell any more
/// what has become of the workload.
const UNREACHABLE: Duration = Duration::from_secs(600);
/// First pause before asking again a cluster that does not answer.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest wait for the rest of the log of what has ended.
const REST: Duration = Duration::from_secs(10);

/// Waits for a workload.
pub fn run(args: &WaitArgs, ui: Ui, output: Option<OutputFormat>) -> Result<(), CommandError> {
    let result = limits(args).and_then(|limits| {
        block_on(async {
            let FoundWorkload { place, found } = FoundWorkload::find(&args.named, ui).await?;
            let workload = found.workload;
            let goal = args.goal.unwrap_or_else(|| workload.kind.descriptor().goal);
            check(goal, workload.kind)?;
            let wait = Wait {
                goal,
                limits,
                follow: false,
                as_json: output == Some(OutputFormat::Json),
            };
            let subject = Subject {
                kind: workload.kind,
                namespace: workload.metadata.namespace,
                name: workload.metadata.name,
                uid: Some(workload.metadata.uid),
            };
            wait.attend(place.cluster, subject, ui).await
        })
    });
    target::connected(result, &args.named.connection)
}

fn limits(args: &WaitArgs) -> Result<Limits, CommandError> {
    let typed = Settings {
        timeout: args.timeout,
        queue_timeout: args.queue_timeout,
        ..Settings::default()
    };
    Ok(limits_of(&sources::merged(typed, None)?))
}

/// Returns the limits that the settings say.
pub fn limits_of(settings: &Merged) -> Limits {
    let duration = |setting: &Option<Sourced<Seconds>>| {
        let seconds = setting.as_ref()?.value.0;
        u64::try_from(seconds).ok().map(Duration::from_secs)
    };
    Limits {
        total: duration(&settings.timeout),
        queue: duration(&settings.queue_timeout),
    }
}

/// Returns how a submission is waited for, if it is.
///
/// # Errors
/// [`Refusal`] if something was typed that has no meaning.
pub fn of_submission(
    settings: &Merged,
    kind: WorkloadKind,
    output: Option<OutputFormat>,
) -> Result<Option<Wait>, Refusal> {
    fn is_typed<T>(setting: &Option<Sourced<T>>) -> bool {
        let sourced = setting.as_ref();
        sourced.is_some_and(|sourced| sourced.origin == Origin::Flag)
    }
    let follow = is_on(&settings.follow);
    if !follow && !is_on(&settings.wait) {
        for (flag, typed) in [
            ("--timeout", is_typed(&settings.timeout)),
            ("--queue-timeout", is_typed(&settings.queue_timeout)),
        ] {
            if typed {
                return Err(
                    Refusal::new(format!("{flag} limits a wait, and there is none"))
                        .hint("add --wait"),
                );
            }
        }
        return Ok(None);
    }
    if kind == WorkloadKind::CronJob {
        return match is_typed(&settings.wait) || is_typed(&settings.follow) {
            true => Err(
                Refusal::new("a CronJob waits for its time, and never ends").hint(
                    "leave --wait and --follow away; of a Job that it started: kaiwo wait job/NAME",
                ),
            ),
            // Said in a file, of what ends.
            false => Ok(None),
        };
    }
    if follow && output.is_some() {
        return Err(
            Refusal::new("stdout is either for -o or for what the workload prints")
                .hint("leave -o away, or take --wait instead of --follow"),
        );
    }
    Ok(Some(Wait {
        goal: kind.descriptor().goal,
        limits: limits_of(settings),
        follow,
        as_json: output == Some(OutputFormat::Json),
    }))
}

/// Checks that a workload of this kind can get there.
pub fn check(goal: Goal, kind: WorkloadKind) -> Result<(), Refusal> {
    match goal.is_in_reach(kind) {
        true => Ok(()),
        false => Err(Refusal::new(format!(
            "{} is never {goal}: it goes on until it is deleted",
            with_article(kind.name())
        ))
        .hint("wait for it with: --for ready")),
    }
}

/// What to wait for, how long, and how to tell of it.
#[derive(Debug, Clone, Copy)]
pub struct Wait {
    /// What for.
    pub goal: Goal,
    /// How long.
    pub limits: Limits,
    /// Whether stdout gets what the workload prints.
    pub follow: bool,
    /// Whether stdout gets an event for each change.
    pub as_json: bool,
}

/// The workload that is waited for.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its kind.
    pub kind: WorkloadKind,
    /// Where it is.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its identity; if it is not known yet, whoever has the name first.
    pub uid: Option<String>,
}

impl Subject {
    fn display_name(&self) -> String {
        format!("{}/{}", self.kind.word(), self.name)
    }

    /// Returns the end of a command about it.
    fn arguments(&self) -> String {
        format!("{} -n {}", self.display_name(), self.namespace)
    }
}

impl Wait {
    /// Waits, unless a signal comes first.
    ///
    /// # Errors
    /// [`CommandError`] if the workload does not get there, or that cannot be
    /// told.
    pub async fn attend(
        &self,
        cluster: Cluster,
        subject: Subject,
        ui: Ui,
    ) -> Result<(), CommandError> {
        let name = subject.display_name();
        let back = format!("come back with: kaiwo wait {}", subject.arguments());
        tokio::select! {
            result = self.stay(cluster, subject, ui) => result,
            code = signals::ended() => {
                let mut error = CommandError::interrupted(code).hint(back);
                let words = format!("{}; {name} goes on", error.error);
                error.error = error.error.context(words);
                Err(error)
            }
        }
    }
}

impl Wait {
    /// Waits, and follows the log meanwhile.
    async fn stay(&self, cluster: Cluster, subject: Subject, ui: Ui) -> Result<(), CommandError> {
        let place = self.place(cluster, &subject).await?;
        let (first, seen) = oneshot::channel();
        let watch = Watch {
            wait: self,
            place: &place,
            voice: ProgressVoice::new(&subject.display_name(), ui, self),
            subject,
            way_back: None,
            start: Instant::now(),
            first: self.follow.then_some(first),
        };
        let shown = Shown {
            says_no_status: true,
            ..Shown::default()
        };
        let mut watch = pin!(watch.run());
        let mut follow = pin!(async {
            // Nothing is sent to who does not follow, or sees nothing.
            match seen.await {
                Ok(snapshot) => logs::follow(&place, snapshot, &shown, ui).await,
                Err(_) => Ok(()),
            }
        });
        let mut follows = self.follow;
        loop {
            tokio::select! {
                result = &mut watch => {
                    // What has ended was read to its end a moment later.
                    let is_over = match &result {
                        Ok(()) => self.goal == Goal::Done,
                        Err(error) => error.container_exit_code().is_some(),
                    };
                    if follows && is_over {
                        let rest = tokio::time::timeout(REST, &mut follow).await;
                        tell(rest.unwrap_or(Ok(())), ui);
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
    async fn place(&self, cluster: Cluster, subject: &Subject) -> Result<Reached, CommandError> {
        let start = Instant::now();
        let longest = self
            .limits
            .total
            .map_or(UNREACHABLE, |total| total.min(UNREACHABLE));
        let served = loop {
            match Served::read(&cluster).await {
                Ok(served) => break served,
                Err(error) if start.elapsed() >= longest => {
                    let name = subject.display_name();
                    let words = format!("lost track of {name}: the cluster does not answer");
                    let mut lost = CommandError::new(ErrorClass::LostTrack, &words).about(name);
                    lost.error = anyhow::Error::from(error).context(words);
                    return Err(lost);
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        };
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
