//! Tells when something may have changed, and looks again then.
//!
//! Watches carry no state here: each event only says "look". What is seen then
//! is the truth of that moment, whatever events were lost, doubled or late; and
//! where a watch is not allowed or breaks, looking from time to time goes on.
//! What an outage of the cluster is, how long it is borne and what is said of it
//! is decided here, for every command that follows something.

use std::collections::HashSet;
use std::fmt;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{AsyncBufRead as _, AsyncBufReadExt as _, FutureExt, StreamExt};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::api::resource::Resource;
use crate::cluster::client::backoff::{Backoff, GIVE_UP_AFTER, Pauses};
use crate::cluster::client::pages::Selection;
use crate::cluster::{Cluster, ClusterError};

/// Seconds after which the API server ends a watch, which is then begun anew.
/// A connection that died unnoticed is given up by then.
const WATCH_SECONDS: u64 = 240;
/// Time in which several changes count as one.
const SETTLE: Duration = Duration::from_millis(100);
/// First and longest pause before a broken watch is begun anew.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Looks that fail, one after another, before it is said: what a load balancer
/// drops is there again a moment later.
const TOLD_AFTER: u32 = 2;

/// What happens to the connection while something is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outage {
    /// The cluster does not answer, and this is how.
    Begins(String),
    /// It answers again.
    Ends,
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begins(why) => {
                let minutes = GIVE_UP_AFTER.as_secs() / 60;
                write!(f, "{why}; retrying for up to {minutes} min")
            }
            Self::Ends => f.write_str("the cluster is reachable again"),
        }
    }
}

/// What comes of looking again.
#[derive(Debug)]
pub enum Polled<T> {
    /// What there is now.
    Now(T),
    /// The cluster cannot be asked, or can again.
    Outage(Outage),
}

/// Looks again whenever something may have changed, through outages.
pub struct Poller {
    changes: Changes,
    patience: Backoff,
    /// Looks that have failed, one after another.
    failures: u32,
    is_told: bool,
    /// Whether a look is due that was not finished.
    is_due: bool,
}

impl Poller {
    /// Watches nothing yet.
    pub fn new(cluster: &Cluster) -> Self {
        Self {
            changes: Changes::new(cluster),
            patience: Backoff::new(),
            failures: 0,
            is_told: false,
            is_due: false,
        }
    }

    /// Returns what to notify of something that only a look can tell.
    pub fn changed(&self) -> Rc<Notify> {
        self.changes.changed.clone()
    }

    /// Has the next look not wait for a change.
    pub fn look_at_once(&mut self) {
        self.is_due = true;
    }

    /// Watches the selected objects of a collection, too, unless it does so
    /// already: what belongs to a workload becomes known bit by bit.
    pub fn watch(&mut self, resource: &Resource, namespace: &str, selection: &Selection) {
        self.changes.watch(resource, namespace, selection);
    }

    /// Looks when something may have changed, at the latest after `longest`,
    /// and as often as it takes to see something. Nothing is lost if this is
    /// dropped before its end.
    ///
    /// What was answered once may be refused for a moment, by a proxy, an
    /// authorizer or a login that cannot be reached, so no error is final.
    ///
    /// # Errors
    /// The last one, when the cluster has been away for [`GIVE_UP_AFTER`].
    pub async fn next<T>(
        &mut self,
        longest: Duration,
        mut look: impl AsyncFnMut() -> Result<T, ClusterError>,
    ) -> Result<Polled<T>, ClusterError> {
        if !self.is_due {
            self.changes.next(longest).await;
            self.is_due = true;
        }
        loop {
            if self.failures > 0 {
                self.patience.wait().await;
            }
            match look().await {
                Ok(_) if std::mem::take(&mut self.is_told) => {
                    // It is looked once more for what to show.
                    self.failures = 0;
                    return Ok(Polled::Outage(Outage::Ends));
                }
                Ok(found) => {
                    self.failures = 0;
                    self.is_due = false;
                    self.patience.restore();
                    return Ok(Polled::Now(found));
                }
                Err(error) if self.patience.tried_for() >= GIVE_UP_AFTER => return Err(error),
                Err(error) => {
                    self.failures += 1;
                    if self.failures >= TOLD_AFTER && !std::mem::replace(&mut self.is_told, true) {
                        let why = match error.unconnected() {
                            Some(why) => format!("{error}: {why}"),
                            None => error.to_string(),
                        };
                        return Ok(Polled::Outage(Outage::Begins(why)));
                    }
                }
            }
        }
    }
}

/// Watches several collections.
struct Changes {
    cluster: Cluster,
    changed: Rc<Notify>,
    watches: FuturesUnordered<LocalBoxFuture<'static, ()>>,
    watched: HashSet<String>,
}

impl Changes {
    fn new(cluster: &Cluster) -> Self {
        Self {
            cluster: cluster.failing_at_once(),
            changed: Rc::default(),
            watches: FuturesUnordered::new(),
            watched: HashSet::new(),
        }
    }

    fn watch(&mut self, resource: &Resource, namespace: &str, selection: &Selection) {
        let path = format!(
            "{}?watch=true&timeoutSeconds={WATCH_SECONDS}{}",
            resource.collection_path(namespace),
            selection.parameters()
        );
        if self.watched.insert(path.clone()) {
            let watch = watch(self.cluster.clone(), self.changed.clone(), path);
            self.watches.push(watch.boxed_local());
        }
    }

    /// Returns when something may have changed, at the latest after `longest`.
    async fn next(&mut self, longest: Duration) {
        let mut deadline = std::pin::pin!(sleep(longest));
        loop {
            tokio::select! {
                () = self.changed.notified() => break,
                () = &mut deadline => return,
                // A watch that is not allowed ends.
                Some(()) = self.watches.next(), if !self.watches.is_empty() => {}
            }
        }
        sleep(SETTLE).await;
    }
}

async fn watch(cluster: Cluster, changed: Rc<Notify>, path: String) {
    let mut pauses = Pauses::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        match cluster.open(&path).await {
            Ok(stream) => {
                let mut stream = pin!(stream);
                // What it says is looked up, not believed, and so not kept.
                while let Ok(bytes @ [_, ..]) = stream.fill_buf().await {
                    let (length, is_said) = (bytes.len(), bytes != b"\n");
                    stream.as_mut().consume(length);
                    pauses.restart();
                    if is_said {
                        changed.notify_one();
                    }
                }
                // Whoever ended it, the API server may be gone.
                changed.notify_one();
            }
            Err(error) if error.is_forbidden() || error.is_not_found() => return,
            Err(error) => tracing::info!("watch {path}: {error}"),
        }
        sleep(pauses.advance()).await;
    }
}
