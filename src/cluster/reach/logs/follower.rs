//! Follows one container through restarts, broken streams and its end.

use std::collections::VecDeque;
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
use crate::cluster::client::backoff::{Backoff, GIVE_UP_AFTER, is_transient};
use crate::observe::log::{Cursor, Line, Splitter};

/// A stream on which nothing came for so long is opened anew: it may have died
/// unnoticed.
const IDLE: Duration = Duration::from_secs(120);
/// After the container has ended, the rest comes at once, or another stream
/// has it.
const REST: Duration = Duration::from_millis(500);
/// After the workload has ended, what still runs is given up when it is silent
/// for so long.
const QUIET: Duration = Duration::from_secs(5);
/// Time between two looks at a container that does not write.
const LOOK: Duration = Duration::from_secs(5);
/// How long a node may stay away whose container has ended.
const DEAD_NODE: Duration = Duration::from_secs(60);
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
) -> Result<(), LogError> {
    let mut follower = Follower {
        shared,
        looks,
        of: Of::new(&pod, &container),
        uid: pod.metadata.uid.clone(),
        label,
        cursor: Cursor::default(),
        instance: None,
        is_begun: false,
        is_whole: true,
        is_listed: false,
        narrowly: false,
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
    cursor: Cursor,
    /// How often the container had been started again when it was read last.
    instance: Option<i64>,
    /// Whether any of it was read.
    is_begun: bool,
    /// Whether the last stream ended by itself.
    is_whole: bool,
    is_listed: bool,
    narrowly: bool,
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
    rest: Option<Line>,
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
            match self.read_instance(status, part).await {
                Ok(read) => {
                    self.patience.restore();
                    self.shared.back().await;
                    refusals = 0;
                    let is_cut = !read.is_whole && read.new == 0;
                    if has_ended && read.is_whole && read.new == 0 {
                        self.show(read.rest.into_iter().collect()).await;
                        read_to_end = Some(status.restart_count);
                        self.unlist();
                    } else if is_cut || (read.is_whole && read.new == 0) {
                        self.narrowly = is_cut;
                        if self.looks.borrow().is_over && !has_ended {
                            return Ok(());
                        }
                        self.wait(Duration::from_secs(1)).await;
                    } else {
                        self.narrowly = false;
                    }
                }
                Err(error) if is_transient(&error) => {
                    self.shared.lost(&error).await;
                    let patience = if has_ended { DEAD_NODE } else { GIVE_UP_AFTER };
                    if self.patience.tried_for() >= patience {
                        self.missing(&error.to_string()).await;
                        return if has_ended { Ok(()) } else { Err(error) };
                    }
                    self.patience.wait().await;
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
            let event = LogEvent::Restarted { pod, times: count };
            self.shared.tell(event).await;
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
        let mut deadline = Instant::now() + IDLE;
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
                        self.missing("its node began a new file, and keeps only that").await;
                    }
                    deadline = Instant::now() + self.patience_with_silence();
                }
                Ok(()) = self.looks.changed() => {
                    deadline = deadline.min(Instant::now() + self.patience_with_silence());
                }
                () = sleep_until(deadline) => {
                    read.is_whole = true;
                    return Ok(read);
                }
            }
        }
    }

    /// How long a stream may be silent.
    fn patience_with_silence(&self) -> Duration {
        let look = self.looks.borrow();
        let pod = look.pods.get(&self.uid);
        let status = pod.and_then(|pod| pod.container_status(&self.of.container));
        let runs = status.is_some_and(|status| {
            status.state.running.is_some() && Some(status.restart_count) == self.instance
        });
        match (
            runs && pod.is_some_and(|pod| !pod.has_ended()),
            look.is_over,
        ) {
            (false, _) => REST,
            (true, true) => QUIET,
            (true, false) => IDLE,
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

    /// Passes on the lines that are new, and returns how many these are.
    async fn show(&mut self, mut lines: Vec<Line>) -> usize {
        lines.retain(|line| self.cursor.take(line));
        let new = lines.len();
        if new > 0 {
            let label = self.shared.several.get().then(|| self.label.clone());
            self.shared.tell(LogEvent::Lines(label, lines)).await;
        }
        new
    }

    /// Reads the pod; `None` if it is gone.
    async fn pod(&self) -> Result<Option<Pod>, ClusterError> {
        let resource = Resource::known("v1", "Pod");
        loop {
            let found = self
                .shared
                .cluster
                .find::<Pod>(&resource, &self.of.namespace, &self.of.pod)
                .await;
            match found {
                Ok(pod) => return Ok(pod.filter(|pod| pod.metadata.uid == self.uid)),
                Err(error) if is_transient(&error) && self.patience.tried_for() < GIVE_UP_AFTER => {
                    self.shared.lost(&error).await;
                    self.patience.wait().await;
                }
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
            (true, false) => self.missing("it was deleted, its last lines with it").await,
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
