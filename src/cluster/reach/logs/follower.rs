//! Follows one container through restarts, broken streams and its end.

use std::collections::{HashSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use futures_util::AsyncBufReadExt as _;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::shared::{Look, Shared};
use super::{LogError, LogEvent, Of, next_bytes};
use crate::api::pod::ContainerStatus;
use crate::api::pod::Pod;
use crate::api::resource::Resource;
use crate::cluster::ClusterError;
use crate::cluster::client::backoff::{Backoff, is_transient};
use crate::observe::log::{Cursor, LogLine, LogNote, Splitter};

/// A stream on which nothing came for so long is opened anew: it may have died
/// unnoticed.
const IDLE: Duration = Duration::from_secs(120);
/// After the container has ended, a stream of what it writes is left for one of
/// what it has written, which has an end of its own.
const REST: Duration = Duration::from_millis(500);
/// Likewise for what was written: all of it is there, but its node may be busy.
const STALLED: Duration = Duration::from_secs(30);
/// After the workload has ended, what still runs is given up when it is silent
/// for so long.
const QUIET: Duration = Duration::from_secs(5);
/// Time between two looks at a container that does not write.
const LOOK: Duration = Duration::from_secs(5);
/// How long a node may stay away, or send nothing, whose container has ended.
const DEAD_NODE: Duration = Duration::from_secs(60);
/// Attempts that fail, one after another, before it is said: an outage of the
/// whole cluster is noticed sooner.
const TOLD_AFTER: u32 = 3;
/// Times that the log of a container that has run is refused.
const MOST_REFUSALS: u32 = 10;

/// Follows a container. Returns when it has ended for good and all of its log
/// was read, or when there is nothing more to be had.
pub(in crate::cluster) async fn run(
    shared: &Shared<'_>,
    looks: watch::Receiver<Rc<Look>>,
    pod: Pod,
    container: String,
    label: Rc<str>,
    note: Option<LogNote>,
) -> Result<(), LogError> {
    let mut follower = Follower {
        shared,
        looks,
        of: Of::new(&pod, &container),
        uid: pod.metadata.uid.clone(),
        label,
        note,
        said: HashSet::new(),
        is_silent: true,
        failures: 0,
        is_stalled: false,
        is_lost: false,
        cursor: Cursor::default(),
        instance: None,
        is_begun: false,
        is_whole: true,
        is_listed: false,
        narrowly: false,
        cut_since: None,
        patience: Backoff::new(),
    };
    if shared.options.tail.is_some() {
        follower.cursor.limit();
    }
    let result = follower.follow().await;
    if follower.is_listed {
        shared.active.set(shared.active.get() - 1);
    }
    result.map_err(LogError::Cluster)
}

struct Follower<'a> {
    shared: &'a Shared<'a>,
    looks: watch::Receiver<Rc<Look>>,
    of: Of,
    uid: String,
    label: Rc<str>,
    /// What is to be told before its first line.
    note: Option<LogNote>,
    /// The node's own words that were passed on.
    said: HashSet<Vec<u8>>,
    /// Whether it has not written anything so far.
    is_silent: bool,
    /// Attempts to reach it that failed, one after another.
    failures: u32,
    /// Whether that was told.
    is_stalled: bool,
    /// Whether its node does not answer.
    is_lost: bool,
    cursor: Cursor,
    /// How often the container had been started again when it was read last.
    instance: Option<i64>,
    /// Whether any of it was read.
    is_begun: bool,
    /// Whether the last stream ended by itself.
    is_whole: bool,
    is_listed: bool,
    narrowly: bool,
    /// Since when each stream broke off before anything new came.
    cut_since: Option<Instant>,
    patience: Backoff,
}

/// How a stream ended.
#[derive(Debug, Default)]
struct Read {
    /// Whether by itself.
    is_whole: bool,
    /// Lines that were new.
    new: usize,
    /// What came after the last whole line.
    rest: Option<LogLine>,
    /// Whether it is to be opened again, because its node was away meanwhile.
    is_stale: bool,
}

/// What to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// What the container writes, as it comes.
    Live,
    /// What it has written.
    Written,
    /// What the one before it has written.
    Previous,
}

impl Follower<'_> {
    async fn follow(&mut self) -> Result<(), ClusterError> {
        let mut refusals = 0;
        let mut read_to_end = None;
        loop {
            let Some(pod) = self.pod().await? else {
                self.gone().await;
                return Ok(());
            };
            let status = pod.container_status(&self.of.container);
            let Some(status) = status.filter(|status| status.has_begun()) else {
                if pod.has_ended() || self.looks.borrow().is_over {
                    return Ok(());
                }
                self.wait(LOOK).await;
                continue;
            };
            if let Some(note) = self.note.take() {
                self.shared.tell(LogEvent::Note(note)).await;
            }
            let has_ended = pod.has_ended() || status.state.running.is_none();
            if read_to_end == Some(status.restart_count) {
                if pod.has_ended() || pod.is_terminating() || self.looks.borrow().is_over {
                    return Ok(());
                }
                self.wait(LOOK).await;
                continue;
            }
            self.list();
            let part = match has_ended {
                true => Part::Written,
                false => Part::Live,
            };
            let begun = Instant::now();
            match self.read_instance(status, part).await {
                Ok(read) => {
                    self.reached().await;
                    refusals = 0;
                    if read.is_stale {
                        continue;
                    }
                    let is_cut = !read.is_whole && read.new == 0;
                    if self.is_given_up(is_cut, begun) && has_ended {
                        self.missing("its node does not send them").await;
                        return Ok(());
                    }
                    if has_ended && read.is_whole && read.new == 0 {
                        read_to_end = Some(status.restart_count);
                        self.finish(&pod, read.rest).await;
                    } else if is_cut || (read.is_whole && read.new == 0) {
                        self.narrowly = is_cut;
                        if self.looks.borrow().is_over && self.runs() {
                            return Ok(());
                        }
                        self.wait(Duration::from_secs(1)).await;
                    } else {
                        self.narrowly = false;
                    }
                }
                Err(error) if is_transient(&error) => {
                    if has_ended && self.patience.tried_for() >= DEAD_NODE {
                        self.missing(&error.to_string()).await;
                        return Ok(());
                    }
                    self.pause(&error).await;
                }
                // Gone, or not there yet: the pod tells.
                Err(error) if matches!(error.code(), Some(400 | 404)) => {
                    refusals += 1;
                    if refusals >= MOST_REFUSALS {
                        self.missing(&error.to_string()).await;
                        return Ok(());
                    }
                    self.wait(Duration::from_millis(500)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads the log of the container that runs, or ran last; before, if that
    /// is another one than was read so far, the rest of the one before it.
    async fn read_instance(
        &mut self,
        status: &ContainerStatus,
        part: Part,
    ) -> Result<Read, ClusterError> {
        let count = status.restart_count;
        let is_same = self.instance.is_none_or(|instance| instance == count);
        if !is_same {
            match self.read(Part::Previous, true).await {
                Ok(read) => _ = self.show(read.rest.into_iter().collect()).await,
                // It was cleared away.
                Err(error) if matches!(error.code(), Some(400 | 404)) => {}
                Err(error) => return Err(error),
            }
            let pod = self.of.pod.clone();
            let note = LogNote::Restarted { pod, times: count };
            self.shared.tell(LogEvent::Note(note)).await;
        }
        self.instance = Some(count);
        self.read(part, is_same).await
    }

    async fn read(&mut self, part: Part, is_same: bool) -> Result<Read, ClusterError> {
        let cluster = self.shared.cluster;
        let is_first = self.cursor.is_new() && self.instance.is_none_or(|_| is_same);
        if is_first && !self.is_begun && self.shared.options.tail == Some(0) {
            self.anchor().await?;
        }
        let mut parameters = match self.cursor.rewind(self.narrowly, is_same) {
            Some(since) => format!("&sinceTime={since}"),
            None if is_first => self.shared.options.parameters(),
            None => String::new(),
        };
        parameters += match part {
            Part::Live => "&follow=true",
            Part::Written => "",
            Part::Previous => "&previous=true",
        };
        let mut stream = self.of.open(cluster, &parameters).await?;
        self.is_begun = true;
        self.is_whole = false;
        let mut splitter = Splitter::default();
        let mut lines = VecDeque::new();
        let mut read = Read::default();
        let mut deadline = match part {
            Part::Live => Instant::now() + IDLE,
            Part::Written | Part::Previous => Instant::now() + STALLED,
        };
        loop {
            tokio::select! {
                bytes = next_bytes(&mut stream) => {
                    match bytes {
                        Ok([]) => {
                            self.is_whole = true;
                            read.is_whole = true;
                            read.rest = splitter.rest();
                            return Ok(read);
                        }
                        Ok(bytes) => {
                            let taken = bytes.len();
                            splitter.push(bytes, &mut lines);
                            stream.consume_unpin(taken);
                        }
                        Err(error) => {
                            tracing::info!("log of {}: {error}", self.of.pod);
                            return Ok(read);
                        }
                    }
                    read.new += self.show(lines.drain(..).collect()).await;
                    if self.cursor.take_gap() {
                        self.missing("its node rotated the log and kept only the new file").await;
                    }
                    deadline = Instant::now() + self.patience_with_silence(part);
                }
                Ok(()) = self.looks.changed() => {
                    if self.look_at_node().await {
                        read.is_stale = true;
                        return Ok(read);
                    }
                    deadline = deadline.min(Instant::now() + self.patience_with_silence(part));
                }
                () = sleep_until(deadline) => {
                    read.is_whole = part == Part::Live;
                    return Ok(read);
                }
            }
        }
    }

    /// Tells that the pod's node does not answer, and returns whether it does again:
    /// what is open may have died unnoticed then.
    async fn look_at_node(&mut self) -> bool {
        let node = {
            let look = self.looks.borrow();
            let pod = look.pods.get(&self.uid);
            pod.and_then(|pod| pod.lost_node().map(str::to_owned))
        };
        let Some(node) = node else {
            return std::mem::take(&mut self.is_lost);
        };
        if !std::mem::replace(&mut self.is_lost, true) {
            self.is_stalled = true;
            let pod = self.of.pod.clone();
            self.shared
                .tell(LogEvent::Note(LogNote::NodeLost { pod, node }))
                .await;
        }
        false
    }

    /// Shows what came after the last whole line of a container that has ended, and
    /// says so if it never wrote anything.
    async fn finish(&mut self, pod: &Pod, rest: Option<LogLine>) {
        self.show(rest.into_iter().collect()).await;
        let is_silent = std::mem::take(&mut self.is_silent);
        if is_silent && self.shared.options.shows_all() {
            let note = LogNote::silent(pod, &self.of.container);
            self.shared.tell(LogEvent::Note(note)).await;
        }
        self.unlist();
    }

    /// Whether streams broke off, before anything new came, for as long as a node may
    /// stay away; this one began then.
    fn is_given_up(&mut self, is_cut: bool, begun: Instant) -> bool {
        self.cut_since = is_cut.then(|| self.cut_since.unwrap_or(begun));
        let cut_for = self.cut_since.map(|since| since.elapsed());
        cut_for.is_some_and(|cut_for| cut_for >= DEAD_NODE)
    }

    /// Whether the container was seen to run that is read.
    fn runs(&self) -> bool {
        let look = self.looks.borrow();
        look.pods.get(&self.uid).is_some_and(|pod| {
            let status = pod.container_status(&self.of.container);
            !pod.has_ended()
                && status.is_some_and(|status| {
                    status.state.running.is_some() && Some(status.restart_count) == self.instance
                })
        })
    }

    /// How long a stream may be silent.
    fn patience_with_silence(&self, part: Part) -> Duration {
        match (part, self.runs(), self.looks.borrow().is_over) {
            (Part::Written | Part::Previous, ..) => STALLED,
            (Part::Live, false, _) => REST,
            (Part::Live, true, true) => QUIET,
            (Part::Live, true, false) => IDLE,
        }
    }

    /// Notes the last line, so that what comes after it is new: a stream of no
    /// old lines would not say where it began if it broke off.
    async fn anchor(&mut self) -> Result<(), ClusterError> {
        let mut stream = self.of.open(self.shared.cluster, "&tailLines=1").await?;
        let mut splitter = Splitter::default();
        let mut lines = VecDeque::new();
        while let Ok(bytes @ [_, ..]) = next_bytes(&mut stream).await {
            let taken = bytes.len();
            splitter.push(bytes, &mut lines);
            stream.consume_unpin(taken);
        }
        for line in lines {
            self.cursor.take(&line);
        }
        self.is_begun = true;
        Ok(())
    }

    /// Passes on the lines that are new, and returns how many these are. What
    /// the node says instead counts for none, and is told once.
    async fn show(&mut self, lines: Vec<LogLine>) -> usize {
        let (mut lines, own): (Vec<LogLine>, Vec<LogLine>) =
            lines.into_iter().partition(|line| line.stamp.is_some());
        lines.retain(|line| self.cursor.take(line));
        let new = lines.len();
        if new > 0 {
            self.is_silent = false;
            let label = self.shared.several.get().then(|| self.label.clone());
            self.shared.tell(LogEvent::Lines(label, lines)).await;
        }
        for line in own {
            if self.said.insert(line.text().to_vec()) {
                self.is_silent = false;
                let note = line.of_node(&self.of.pod);
                self.shared.tell(LogEvent::Note(note)).await;
            }
        }
        new
    }

    /// Pauses after an attempt that failed. Whether the whole cluster is away
    /// is found out elsewhere, and waited for; else it is the node.
    async fn pause(&mut self, error: &ClusterError) {
        self.failures += 1;
        self.shared.changed.notify_one();
        self.look_at_node().await;
        if self.failures == TOLD_AFTER && !self.is_stalled && !self.shared.is_away.get() {
            let (pod, why) = (self.of.pod.clone(), error.to_string());
            let note = LogNote::Stalled { pod, why };
            self.is_stalled = true;
            self.shared.tell(LogEvent::Note(note)).await;
        }
        self.patience.wait().await;
        while self.shared.is_away.get() {
            self.patience.restore();
            self.wait(Duration::from_secs(1)).await;
        }
    }

    /// It was reached.
    async fn reached(&mut self) {
        self.patience.restore();
        self.failures = 0;
        if std::mem::take(&mut self.is_stalled) {
            let pod = self.of.pod.clone();
            let note = LogNote::Resumed { pod };
            self.shared.tell(LogEvent::Note(note)).await;
        }
    }

    /// Reads the pod; `None` if it is gone.
    async fn pod(&mut self) -> Result<Option<Pod>, ClusterError> {
        let resource = Resource::known("v1", "Pod");
        loop {
            let found = self
                .shared
                .cluster
                .find::<Pod>(&resource, &self.of.namespace, &self.of.pod)
                .await;
            match found {
                Ok(pod) => return Ok(pod.filter(|pod| pod.metadata.uid == self.uid)),
                Err(error) if is_transient(&error) => self.pause(&error).await,
                // Listed, but not to be read one by one.
                Err(error) if error.is_forbidden() => {
                    return Ok(self.looks.borrow().pods.get(&self.uid).cloned());
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until something about the workload has changed.
    async fn wait(&mut self, longest: Duration) {
        tokio::select! {
            _ = self.looks.changed() => {}
            () = sleep(longest) => {}
        }
    }

    async fn gone(&self) {
        match (self.is_begun, self.is_whole) {
            (true, true) => {}
            (true, false) => self.missing("it was deleted with its last lines").await,
            (false, _) => self.missing("it was deleted before its log was read").await,
        }
    }

    async fn missing(&self, why: &str) {
        let event = LogEvent::Missing {
            pod: self.of.pod.clone(),
            why: why.to_owned(),
        };
        self.shared.tell(event).await;
    }

    fn list(&mut self) {
        if !std::mem::replace(&mut self.is_listed, true) {
            self.shared.active.set(self.shared.active.get() + 1);
        }
    }

    fn unlist(&mut self) {
        if std::mem::take(&mut self.is_listed) {
            self.shared.active.set(self.shared.active.get() - 1);
        }
    }
}
