//! `kaiwo wait`, and the waiting of `kaiwo submit` and `kaiwo serve`.

use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use tokio::sync::Notify;

use crate::cli::WaitArgs;
use crate::cluster::lookup::{self, Found};
use crate::cluster::pulse::Pulse;
use crate::cluster::served::Served;
use crate::cluster::{Cluster, ClusterError, snapshot};
use crate::error::{CommandError, ErrorClass};
use crate::observe::belonging;
use crate::observe::event::Event;
use crate::observe::verdict::{Goal, Limit, Limits, Verdict, Vigil};
use crate::observe::{Snapshot, Standing, Workload};
use crate::plan::Refusal;
use crate::plan::name::WorkloadKind;
use crate::plan::pod::Seconds;
use crate::settings::{Merged, Origin, OutputFormat, Settings, Sourced};
use crate::ui::wait::{WaitEvent, line};
use crate::ui::{Progress, Ui, report, span};

use super::help::cannot_write;
use super::target::{self, Target};
use super::{block_on, request, sources};

/// Time without any answer of the cluster after which nobody can tell any more
/// what has become of the workload.
const UNREACHABLE: Duration = Duration::from_secs(600);
/// First pause before asking again a cluster that does not answer.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Time after which an object that is not found is believed to be gone: an API
/// server that has just started may not know its custom resources yet.
const GONE: Duration = Duration::from_secs(2);
/// Time after which a look is due though no watch has told of a change:
/// positions in the queue cannot be watched.
const LOOK: Duration = Duration::from_secs(10);
/// Pods whose events are read at most.
const PODS: usize = 3;

/// Waits for a workload.
pub fn run(args: &WaitArgs, ui: Ui, output: Option<OutputFormat>) -> Result<(), CommandError> {
    let result = limits(args).and_then(|limits| {
        block_on(async {
            let interrupt = std::pin::pin!(tokio::signal::ctrl_c());
            let Target { place, found } = Target::find(&args.named, ui).await?;
            let workload = found.workload;
            let goal = args.goal.unwrap_or_else(|| Goal::of(workload.kind));
            check(goal, workload.kind)?;
            let wait = Wait {
                goal,
                limits,
                as_json: output == Some(OutputFormat::Json),
            };
            let subject = Subject {
                kind: workload.kind,
                namespace: workload.metadata.namespace,
                name: workload.metadata.name,
                uid: Some(workload.metadata.uid),
            };
            wait.attend(&place.cluster, subject, ui, async { _ = interrupt.await })
                .await
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
    as_json: bool,
) -> Result<Option<Wait>, Refusal> {
    fn is_typed<T>(setting: &Option<Sourced<T>>) -> bool {
        let sourced = setting.as_ref();
        sourced.is_some_and(|sourced| sourced.origin == Origin::Flag)
    }
    let waits = request::is_on(&settings.wait);
    if !waits {
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
        return match is_typed(&settings.wait) {
            true => Err(Refusal::new("a CronJob waits for its time, and never ends")
                .hint("leave --wait away; of a Job that it started: kaiwo wait job/NAME")),
            // Said in a file, of what ends.
            false => Ok(None),
        };
    }
    Ok(Some(Wait {
        goal: Goal::of(kind),
        limits: limits_of(settings),
        as_json,
    }))
}

/// Checks that a workload of this kind can get there.
pub fn check(goal: Goal, kind: WorkloadKind) -> Result<(), Refusal> {
    match goal.is_in_reach(kind) {
        true => Ok(()),
        false => Err(Refusal::new(format!(
            "a {} is never {goal}: it goes on until it is deleted",
            kind.name()
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
        format!("{}/{}", self.kind.name().to_lowercase(), self.name)
    }

    /// Returns the end of a command about it.
    fn arguments(&self) -> String {
        format!("{} -n {}", self.display_name(), self.namespace)
    }
}

impl Wait {
    /// Waits, unless `interrupt` comes first.
    ///
    /// # Errors
    /// [`CommandError`] if the workload does not get there, or that cannot be
    /// told.
    pub async fn attend(
        &self,
        cluster: &Cluster,
        subject: Subject,
        ui: Ui,
        interrupt: impl Future<Output = ()>,
    ) -> Result<(), CommandError> {
        let name = subject.display_name();
        let back = format!("come back with: kaiwo wait {}", subject.arguments());
        let watch = Watch {
            wait: self,
            cluster,
            subject,
            voice: Voice::new(&name, ui, self.as_json),
            start: Instant::now(),
        };
        tokio::select! {
            result = watch.run() => result,
            () = interrupt => Err(CommandError::new(
                ErrorClass::Interrupted,
                format!("interrupted; {name} goes on"),
            )
            .hint(back)),
        }
    }
}

/// A wait under way.
struct Watch<'a> {
    wait: &'a Wait,
    cluster: &'a Cluster,
    subject: Subject,
    voice: Voice,
    start: Instant,
}

impl Watch<'_> {
    async fn run(mut self) -> Result<(), CommandError> {
        let mut vigil = Vigil::new(self.wait.goal, self.wait.limits);
        let changed = Notify::new();
        let mut pulse = Pulse::new(self.cluster, &changed);
        let mut watched = None;
        let mut served = None;
        let (mut answered, mut gone_since) = (Instant::now(), None);
        let mut pause = PAUSE;
        loop {
            let look = self.look(&mut served);
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
                    (answered, gone_since, pause) = (Instant::now(), None, PAUSE);
                    self.subject.uid = Some(snapshot.workload.metadata.uid.clone());
                    let standing = snapshot.standing();
                    let verdict = vigil.judge(&snapshot, &events, self.start.elapsed());
                    self.voice.tell(&snapshot, &standing, &events, &verdict)?;
                    // What a RayJob's pods are selected by is known late.
                    let selected = belonging::pod_labels(&snapshot.workload, &[]);
                    if watched.as_ref() != Some(&selected)
                        && let Some(served) = &served
                    {
                        pulse = Pulse::new(self.cluster, &changed);
                        snapshot::watch(&mut pulse, served, &snapshot.workload);
                        watched = Some(selected);
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
                Some(Err(error)) => {
                    if answered.elapsed() >= UNREACHABLE {
                        let mut lost = self.lost("the cluster does not answer");
                        lost.error = anyhow::Error::from(error).context(lost.error.to_string());
                        return Err(lost);
                    }
                    self.voice.say(&format!("asking again: {error}"));
                    let next = pause;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    (vigil.overdue(self.start.elapsed()), next)
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
    async fn look(
        &self,
        served: &mut Option<Served>,
    ) -> Result<Option<(Snapshot, Vec<Event>)>, ClusterError> {
        let served = match served {
            Some(served) => served,
            None => served.insert(Served::read(self.cluster).await?),
        };
        let Subject {
            kind,
            namespace,
            name,
            uid,
        } = &self.subject;
        let is_it =
            |workload: &Workload| uid.as_ref().is_none_or(|uid| workload.metadata.uid == *uid);
        match lookup::read(self.cluster, served, namespace, *kind, name).await? {
            Some(Found { workload, .. }) if is_it(&workload) => {
                let snapshot = snapshot::of(self.cluster, served, workload).await?;
                let waiting = snapshot
                    .pods()
                    .iter()
                    .filter(|pod| !(pod.is_ready() || pod.has_ended() || pod.is_terminating()))
                    .take(PODS);
                let events = snapshot::pod_events(self.cluster, waiting).await?;
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
        let remove = format!("remove it: kaiwo delete {arguments}");
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
            } => CommandError::failed(format!("{name} failed: {reason}"), container_exit_code)
                .hint(format!("see what it printed: kaiwo logs {arguments}")),
            Verdict::GoOn(_) | Verdict::Reached => unreachable!("waiting ends otherwise"),
        }
        .about(name)
    }
}

fn span(limit: Duration) -> String {
    span::human(limit.as_secs().try_into().unwrap_or(i64::MAX))
}

/// Tells how a wait goes.
struct Voice {
    name: String,
    ui: Ui,
    as_json: bool,
    /// Shown on a terminal, where it takes the place of lines.
    progress: Option<Progress>,
    said: String,
    told: String,
}

impl Voice {
    fn new(name: &str, ui: Ui, as_json: bool) -> Self {
        Self {
            name: name.to_owned(),
            ui,
            as_json,
            progress: ui.is_watched().then(|| ui.progress("waiting")),
            said: String::new(),
            told: String::new(),
        }
    }

    /// Returns what was said last.
    fn said(&self) -> &str {
        &self.said
    }

    fn say(&mut self, words: &str) {
        if self.said == words {
            return;
        }
        words.clone_into(&mut self.said);
        let line = format!("{} {words}", self.name);
        match &self.progress {
            Some(progress) => progress.say(line),
            None => self.ui.status(line),
        }
    }

    fn tell(
        &mut self,
        snapshot: &Snapshot,
        standing: &Standing,
        events: &[Event],
        verdict: &Verdict,
    ) -> Result<(), CommandError> {
        let is_last = *verdict == Verdict::Reached;
        // What went wrong is told as an error.
        if !matches!(verdict, Verdict::Failed { .. }) {
            self.say(&line(snapshot, standing, events));
        }
        if is_last && self.progress.take().is_some() {
            self.ui.status(format!("{} {}", self.name, self.said));
        }
        let event = WaitEvent::new(snapshot, standing, Timestamp::now());
        let state = event.state();
        if self.as_json && (is_last || state != self.told) {
            let event = if is_last { event.last() } else { event };
            let line = report::json_line(&event);
            self.ui.data(&line).map_err(cannot_write)?;
        }
        self.told = state;
        Ok(())
    }
}
