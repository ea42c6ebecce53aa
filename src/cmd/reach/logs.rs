//! `kaiwo logs`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use futures_util::future::join_all;
use tokio::sync::mpsc;

use crate::api::pod::ContainerStatus;
use crate::api::pod::Pod;
use crate::cli::LogsArgs;
use crate::cluster::ClusterError;
use crate::cluster::reach::logs::{self, ContainerLog, LogEvent, LogOptions};
use crate::error::CommandError;
use crate::observe::Snapshot;
use crate::observe::log::Line;
use crate::observe::pod_selection::PodChoice;
use crate::ui::log::{LogLines, waiting};
use crate::ui::{Ui, Waiting};

use crate::cmd::help::cannot_write;
use crate::cmd::target::{self, FoundWorkload, Reached};
use crate::cmd::{block_on, command_line, stdout_closed};

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
    };
    let result = block_on(async {
        let target = FoundWorkload::find(&args.named, ui).await?;
        let snapshot = target.snapshot().await?;
        match args.follow {
            true => follow(&target.place, snapshot, &shown, ui).await,
            false => {
                let note = |text: &str| {
                    ui.status(command_line::with_connection(text, &args.named.connection));
                };
                show(&target.place, &snapshot, &shown, ui, &note).await
            }
        }
    });
    target::connected(result, &args.named.connection)
}

/// Writes the logs of a workload to stdout until it has ended, or is deleted,
/// and all was read; or until nobody reads them any more. Waits for pods that
/// do not exist yet.
///
/// # Errors
/// [`CommandError`] if they may not be read, or the cluster stays away.
pub async fn follow(
    place: &Reached,
    snapshot: Snapshot,
    shown: &Shown,
    ui: Ui,
) -> Result<(), CommandError> {
    let (sender, mut events) = mpsc::channel(EVENTS);
    let Reached {
        cluster, served, ..
    } = place;
    let Shown {
        choice, options, ..
    } = shown;
    let mut all = std::pin::pin!(logs::follow(
        cluster, served, snapshot, choice, options, sender
    ));
    let mut gone = std::pin::pin!(stdout_closed::gone(ui));
    let mut writer = Writer::new(shown, ui);
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
                if !writer.flush()? {
                    return Ok(());
                }
            }
            () = &mut gone => return Ok(()),
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

/// Turns events into text.
struct Writer {
    lines: LogLines,
    text: Vec<u8>,
    waiting: Waiting,
    says_status: bool,
    ui: Ui,
}

impl Writer {
    fn new(shown: &Shown, ui: Ui) -> Self {
        Self {
            lines: LogLines::new(ui.paints_data(), shown.timestamps),
            text: Vec::new(),
            waiting: ui.waiting(),
            says_status: !shown.says_no_status,
            ui,
        }
    }

    fn take(&mut self, event: LogEvent) {
        match event {
            LogEvent::Lines(label, lines) => {
                self.waiting.end();
                for line in &lines {
                    self.lines.add(&mut self.text, label.as_deref(), line);
                }
            }
            LogEvent::Waiting(snapshot) if self.says_status => {
                self.waiting.say(&waiting(&snapshot))
            }
            LogEvent::Over(Some(snapshot)) if self.says_status => {
                self.note(&format!("→ {}", waiting(&snapshot)));
            }
            LogEvent::Over(None) => self.note("→ it was deleted"),
            LogEvent::Waiting(_) | LogEvent::Over(_) => {}
            LogEvent::Restarted { pod, times } => self.note(&format!(
                "→ pod {pod}: the container was started again ({times})"
            )),
            LogEvent::Missing { pod, why } => {
                self.waiting.end();
                self.ui
                    .warn(format!("lines of pod {pod} may be missing: {why}"));
            }
            LogEvent::Lost(reason) => self.note(&format!("→ {reason}; trying again")),
            LogEvent::Back => self.note("→ the cluster answers again"),
        }
    }

    fn note(&mut self, text: &str) {
        self.waiting.end();
        self.ui.status(text);
    }

    fn has_room(&self) -> bool {
        self.text.len() < BATCH
    }

    /// Writes what is ready, and returns whether anybody still reads it.
    fn flush(&mut self) -> Result<bool, CommandError> {
        let text = std::mem::take(&mut self.text);
        match text.is_empty() {
            true => Ok(true),
            false => self.ui.bytes(&text).map_err(cannot_write),
        }
    }
}

/// Writes what there is.
async fn show(
    place: &Reached,
    snapshot: &Snapshot,
    shown: &Shown,
    ui: Ui,
    note: &dyn Fn(&str),
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
    match (begun.len(), pods.len()) {
        (0, 0) if logs::is_over(snapshot) => ui.warn(format!(
            "{} has ended and its pods are gone, and their logs with them",
            snapshot.workload.display_name()
        )),
        (0, _) => {
            let name = snapshot.workload.display_name();
            note(&format!(
                "→ {}\n  nothing is written yet; wait for it with: kaiwo logs -f {name} -n {}",
                waiting(snapshot),
                snapshot.workload.metadata.namespace,
            ));
        }
        (begun, all) if begun < all => {
            ui.status(format!("→ {begun} of {all} pods have started"));
        }
        _ => {}
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
    merge(place, snapshot, &begun, shown, ui).await
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
    let mut failed: Option<ClusterError> = None;
    let mut heads: Vec<Option<Line>> = Vec::new();
    let mut queue = BinaryHeap::new();
    let firsts = join_all(logs.iter_mut().map(ContainerLog::next)).await;
    for (index, first) in firsts.into_iter().enumerate() {
        let first = first.unwrap_or_else(|error| {
            note_failure(&mut failed, error, begun, index, ui);
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
            lines.add(&mut text, labels[index].as_deref(), &line);
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
