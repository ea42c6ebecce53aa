//! `kaiwo logs`.

mod array;

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::api::pod::ContainerStatus;
use crate::api::pod::Pod;
use crate::cli::LogsArgs;
use crate::cluster::ClusterError;
use crate::cluster::reach::logs::{self, ContainerLog, LogEvent, LogOptions};
use crate::error::{CommandError, ErrorClass};
use crate::observe::Snapshot;
use crate::observe::log::{LogLine, LogNote};
use crate::observe::pod_selection::PodChoice;
use crate::observe::storage::mounts;
use crate::secrecy;
use crate::ui::log::{LogFile, LogLines, waiting};
use crate::ui::{Ui, WaitingNote};

use crate::cmd::help::cannot_write;
use crate::cmd::target::{FoundWorkload, Reached};
use crate::cmd::{block_on, stdout_closed};
use crate::suggestion::{Suggestion, kaiwo};

/// Bytes that are written at once, if there are so many.
const BATCH: usize = 32 << 10;
/// Events that wait to be written.
const EVENTS: usize = 64;

/// What is shown of a workload's logs.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// Which pods and which container.
    pub choice: PodChoice,
    /// From where on.
    pub options: LogOptions,
    /// Whether each line begins with its time.
    pub timestamps: bool,
    /// Whether somebody else says what the workload waits for.
    pub says_no_status: bool,
    /// The file that gets the lines, too.
    pub log: Option<PathBuf>,
}

impl Shown {
    /// Returns what is to be said before the lines: where a log is that says
    /// more than those that are shown.
    fn elsewhere(&self, snapshot: &Snapshot) -> Option<Suggestion> {
        if self.choice.container.is_some() {
            return None;
        }
        let shown = snapshot.chosen(&self.choice).ok()?;
        let all: Vec<&Pod> = snapshot.pods().iter().collect();
        let pods = if shown.is_empty() { &all } else { &shown };
        let workload = &snapshot.workload;
        if let Some((pod, container)) = snapshot.failing_init(pods) {
            let which = match (&self.choice.pod, shown.len()) {
                (None, 1) => Vec::new(),
                _ => vec!["--pod".to_owned(), snapshot.label(pod)],
            };
            let own = workload.command("logs {} -n {}").args(which);
            return Some(own.form("-c {}", &[&container]).to(format!(
                "pod {}: init container {container} has its own log",
                pod.name()
            )));
        }
        let pod = snapshot.keeps_own_log(pods)?;
        let files = "tail -n 100 /tmp/ray/session_latest/logs/worker-*";
        let read = workload.command("exec {} -n {}");
        let read = read.form("--pod {} -- sh -c {}", &[&snapshot.label(pod), files]);
        Some(read.to("the output of its applications is in Ray's log files"))
    }
}

/// Shows the logs of a workload.
pub fn run(args: &LogsArgs, ui: Ui) -> Result<(), CommandError> {
    let shown = Shown {
        choice: PodChoice {
            pod: args.pod.clone(),
            workers: args.workers,
            all: args.all_pods,
            container: args.container.clone(),
        },
        options: LogOptions {
            tail: args.tail,
            since: args.since.map(|since| since.0),
            previous: args.previous,
        },
        timestamps: args.timestamps,
        says_no_status: false,
        log: args.log.clone(),
    };
    begin_log(shown.log.as_deref(), ui)?;
    block_on(async {
        let target = FoundWorkload::find(&args.named, ui).await?;
        if target.found.workload.is_array() && args.pod.is_none() {
            return array::run(&target, args, &shown, ui).await;
        }
        if let Some(flag) = args.task_flag() {
            return Err(array::refuse(&target, flag));
        }
        let snapshot = target.snapshot().await?;
        match args.follow {
            true => follow(&target.place, snapshot, &shown, &Cell::default(), ui).await,
            false => show(&target.place, &snapshot, &target.found.object, &shown, ui).await,
        }
    })
}

/// Writes the logs of a workload to stdout until it has ended, or is deleted,
/// and all was read; or until nobody reads them any more. Waits for pods that
/// do not exist yet. `written` counts the bytes.
///
/// # Errors
/// [`CommandError`] if they may not be read, or the cluster stays away.
pub async fn follow(
    place: &Reached,
    snapshot: Snapshot,
    shown: &Shown,
    written: &Cell<u64>,
    ui: Ui,
) -> Result<(), CommandError> {
    let (sender, mut events) = mpsc::channel(EVENTS);
    let Reached {
        cluster, served, ..
    } = place;
    let Shown {
        choice, options, ..
    } = shown;
    let elsewhere = shown.elsewhere(&snapshot);
    if let Some(elsewhere) = &elsewhere {
        ui.status(format!("→ {}", elsewhere.text(ui.connection())));
    }
    let mut all = std::pin::pin!(logs::follow(
        cluster, served, snapshot, choice, options, sender
    ));
    let has_log = shown.log.is_some();
    let mut gone = std::pin::pin!(stdout_closed::gone(ui));
    let mut writer = Writer::new(shown, elsewhere, ui)?;
    loop {
        tokio::select! {
            biased;
            Some(event) = events.recv() => {
                writer.take(event);
                while writer.has_room()
                    && let Ok(event) = events.try_recv()
                {
                    writer.take(event);
                }
                written.update(|all| all + writer.text.len() as u64);
                if !writer.flush()? {
                    return Ok(());
                }
            }
            // A file is to have all of it.
            () = &mut gone, if !has_log => return Ok(()),
            result = &mut all => {
                while let Ok(event) = events.try_recv() {
                    writer.take(event);
                }
                writer.flush()?;
                return Ok(result?);
            }
        }
    }
}

/// Makes sure, before anything else is done, that the file can be written, and says if it
/// has something already.
///
/// # Errors
/// If it cannot be written.
pub fn begin_log(path: Option<&Path>, ui: Ui) -> Result<(), CommandError> {
    let Some(path) = path else { return Ok(()) };
    let file = LogFile::append_to(path, false).map_err(|error| unwritable(path, error))?;
    if file.has_content() {
        ui.status(format!("→ appending to {}", secrecy::path(path)));
    }
    Ok(())
}

fn unwritable(path: &Path, error: std::io::Error) -> CommandError {
    let path = secrecy::path(path);
    CommandError::new(
        ErrorClass::Refused,
        format!("cannot write the log {path}: {error}"),
    )
    .about(path)
}

/// Turns events into text.
struct Writer<'a> {
    shown: &'a Shown,
    /// What was said about other logs.
    elsewhere: Option<Suggestion>,
    lines: LogLines,
    text: Vec<u8>,
    file: Option<LogFile>,
    waiting: WaitingNote,
    says_status: bool,
    ui: Ui,
}

impl<'a> Writer<'a> {
    fn new(shown: &'a Shown, elsewhere: Option<Suggestion>, ui: Ui) -> Result<Self, CommandError> {
        let file = shown.log.as_deref();
        let file = file.map(|path| {
            LogFile::append_to(path, shown.timestamps).map_err(|it| unwritable(path, it))
        });
        Ok(Self {
            file: file.transpose()?,
            shown,
            elsewhere,
            lines: LogLines::new(ui.paints_data(), shown.timestamps),
            text: Vec::new(),
            waiting: ui.waiting(),
            says_status: !shown.says_no_status,
            ui,
        })
    }

    fn take(&mut self, event: LogEvent) {
        match event {
            LogEvent::Lines(label, lines) => {
                self.waiting.end();
                for line in &lines {
                    self.lines.add(&mut self.text, label.as_deref(), line);
                    if let Some(file) = &mut self.file {
                        file.add(label.as_deref(), line);
                    }
                }
            }
            LogEvent::Waiting(snapshot) if self.says_status => {
                self.waiting.say(&waiting(&snapshot));
            }
            LogEvent::Over(Some(snapshot)) => {
                if self.says_status {
                    self.note(&waiting(&snapshot));
                }
                let elsewhere = self.shown.elsewhere(&snapshot);
                if let Some(elsewhere) = elsewhere.filter(|it| Some(it) != self.elsewhere.as_ref())
                {
                    self.note(&elsewhere.text(self.ui.connection()));
                }
            }
            LogEvent::Over(None) => self.note("it was deleted"),
            LogEvent::Outage(outage) if self.says_status => self.note(&outage.to_string()),
            LogEvent::Waiting(..) | LogEvent::Outage(_) => {}
            LogEvent::Note(note) => self.note(&note.to_string()),
            LogEvent::Missing { pod, why } => {
                self.waiting.end();
                self.ui
                    .warn(format!("lines of pod {pod} may be missing: {why}"));
            }
        }
    }

    fn note(&mut self, text: &str) {
        self.waiting.end();
        self.ui.status(format!("→ {text}"));
    }

    fn has_room(&self) -> bool {
        self.text.len() < BATCH
    }

    /// Writes what is ready, and returns whether anybody still reads it.
    fn flush(&mut self) -> Result<bool, CommandError> {
        let text = std::mem::take(&mut self.text);
        if text.is_empty() {
            return Ok(true);
        }
        let is_read = self.ui.bytes(&text).map_err(cannot_write)?;
        let (Some(file), Some(path)) = (&mut self.file, &self.shown.log) else {
            return Ok(is_read);
        };
        file.flush().map_err(|error| unwritable(path, error))?;
        Ok(true)
    }
}

/// Returns where the output of a workload may be whose pods are gone.
fn elsewhere_after(snapshot: &Snapshot, object: &Value) -> Vec<Suggestion> {
    let workload = &snapshot.workload;
    let namespace = &workload.metadata.namespace;
    let mounted = mounts::pod_spec(object).map_or_else(Vec::new, mounts::of_spec);
    let mut places: Vec<Suggestion> = mounted
        .iter()
        .map(|mount| {
            let from = format!("{}:{}", workload.display_name(), mount.path);
            let copy = kaiwo("cp {} . -n {}", &[&from, namespace]);
            copy.to(format!(
                "files that it wrote may be on claim {}",
                mount.claim
            ))
        })
        .collect();
    places.push(
        "logs may be where the cluster collects them: ask an admin for the pods of this workload"
            .into(),
    );
    places
}

/// Writes what there is.
///
/// # Errors
/// [`CommandError`] if they may not be read.
async fn show(
    place: &Reached,
    snapshot: &Snapshot,
    object: &Value,
    shown: &Shown,
    ui: Ui,
) -> Result<(), CommandError> {
    logs::readable(&place.cluster, snapshot).await?;
    let pods = snapshot
        .chosen(&shown.choice)
        .map_err(logs::LogError::from)?;
    let mut begun: Vec<(&Pod, &str)> = Vec::new();
    for pod in &pods {
        let container = pod
            .container(shown.choice.container.as_deref())
            .map_err(logs::LogError::from)?;
        let status = pod.container_status(container);
        if status.is_some_and(ContainerStatus::has_begun) {
            begun.push((pod, container));
        }
    }
    let name = snapshot.workload.display_name();
    let elsewhere = shown.elsewhere(snapshot);
    match (begun.len(), pods.len()) {
        (0, 0) if logs::is_over(snapshot) => {
            ui.warn(format!(
                "{name} has ended, and its pods and their logs are gone"
            ));
            for place in elsewhere_after(snapshot, object) {
                ui.suggest(&place);
            }
        }
        (0, _) => {
            ui.status(format!("→ {}", waiting(snapshot)));
            if elsewhere.is_none() {
                let wait = snapshot.workload.command("logs -f {} -n {}");
                ui.suggest(&wait.to("no output yet; wait for it"));
            }
        }
        (begun, all) if begun < all => {
            ui.status(format!("→ {begun} of {all} pods have started"));
        }
        _ => {}
    }
    if let Some(elsewhere) = elsewhere {
        ui.status(format!("→ {}", elsewhere.text(ui.connection())));
    }
    if shown.choice.pod.is_none() {
        for note in snapshot.lost_indexes(&HashSet::new()) {
            ui.status(format!("→ {note}"));
        }
    }
    let containers = pods.first().map_or(0, |pod| pod.spec.containers.len());
    if containers > 1 && shown.choice.container.is_none() {
        for (pod, container) in begun.iter().take(1) {
            ui.detail(format!(
                "container {container} of {containers} in pod {}",
                pod.name()
            ));
        }
    }
    let merged = merge(place, snapshot, &begun, shown, ui).await;
    let has_earlier = snapshot
        .matching(&shown.choice)
        .is_ok_and(|all| all.len() > pods.len());
    // Retries of a Job are pods of their own.
    match shown.options.previous && has_earlier {
        true => merged.map_err(|error| {
            let all = snapshot.workload.command("logs {} -n {} --all-pods");
            error.hint(all.to("show earlier attempts"))
        }),
        false => merged,
    }
}

/// Writes several logs as one, in the order of the lines' times.
async fn merge(
    place: &Reached,
    snapshot: &Snapshot,
    begun: &[(&Pod, &str)],
    shown: &Shown,
    ui: Ui,
) -> Result<(), CommandError> {
    let mut logs: Vec<ContainerLog<'_>> = begun
        .iter()
        .map(|(pod, container)| ContainerLog::new(&place.cluster, pod, container, &shown.options))
        .collect();
    let labels: Vec<Option<String>> = begun
        .iter()
        .map(|(pod, _)| (begun.len() > 1).then(|| snapshot.label(pod)))
        .collect();
    let mut lines = LogLines::new(ui.paints_data(), shown.timestamps);
    let mut is_silent = vec![shown.options.shows_all(); begun.len()];
    let mut failed: Option<ClusterError> = None;
    let mut heads: Vec<Option<LogLine>> = Vec::new();
    let mut queue = BinaryHeap::new();
    let firsts = join_all(logs.iter_mut().map(ContainerLog::next)).await;
    for (index, first) in firsts.into_iter().enumerate() {
        let first = first.unwrap_or_else(|error| {
            note_failure(&mut failed, error, begun, index, ui);
            is_silent[index] = false;
            None
        });
        if let Some(line) = &first {
            queue.push(Reverse((line.stamp, index)));
        }
        heads.push(first);
    }
    let mut text = Vec::new();
    while let Some(Reverse((stamp, index))) = queue.pop() {
        if let Some(line) = heads[index].take() {
            is_silent[index] = false;
            match line.stamp {
                Some(_) => lines.add(&mut text, labels[index].as_deref(), &line),
                None => ui.status(format!("→ {}", line.of_node(begun[index].0.name()))),
            }
        }
        match logs[index].next().await {
            Ok(Some(line)) => {
                // What has no time stays with what it stands after.
                queue.push(Reverse((line.stamp.or(stamp), index)));
                heads[index] = Some(line);
            }
            Ok(None) => {}
            Err(error) => note_failure(&mut failed, error, begun, index, ui),
        }
        if text.len() >= BATCH {
            if !ui.bytes(&text).map_err(cannot_write)? {
                return Ok(());
            }
            text.clear();
        }
    }
    ui.bytes(&text).map_err(cannot_write)?;
    for ((pod, container), _) in begun.iter().zip(is_silent).filter(|(_, is)| *is) {
        ui.status(format!("→ {}", LogNote::silent(pod, container)));
    }
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

/// Says which log could not be read; the first error is the command's.
fn note_failure(
    failed: &mut Option<ClusterError>,
    error: ClusterError,
    begun: &[(&Pod, &str)],
    index: usize,
    ui: Ui,
) {
    if begun.len() > 1 && !error.is_forbidden() {
        ui.warn(format!("the log of pod {}: {error}", begun[index].0.name()));
    }
    failed.get_or_insert(error);
}
