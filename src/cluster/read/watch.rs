//! Tells when something may have changed, so that whoever waits can look again.
//!
//! Watches carry no state here: each event only says "look". What is seen then
//! is the truth of that moment, whatever events were lost, doubled or late; and
//! where a watch is not allowed or breaks, looking from time to time goes on.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{AsyncBufReadExt, FutureExt, StreamExt};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::api::resource::Resource;
use crate::cluster::Cluster;
use crate::cluster::client::backoff::Pauses;
use crate::cluster::client::pages::Selection;

/// Seconds after which the API server ends a watch, which is then begun anew.
/// A connection that died unnoticed is given up by then.
const WATCH_SECONDS: u64 = 240;
/// Time in which several changes count as one.
const SETTLE: Duration = Duration::from_millis(100);
/// First and longest pause before a broken watch is begun anew.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Watches several collections.
pub struct ChangeWatcher<'a> {
    cluster: &'a Cluster,
    changed: &'a Notify,
    watches: FuturesUnordered<LocalBoxFuture<'a, ()>>,
    watched: HashSet<String>,
}

impl<'a> ChangeWatcher<'a> {
    /// Watches nothing yet. `changed` is where the watches meet.
    pub fn new(cluster: &'a Cluster, changed: &'a Notify) -> Self {
        Self {
            cluster,
            changed,
            watches: FuturesUnordered::new(),
            watched: HashSet::new(),
        }
    }

    /// Watches the selected objects of a collection, too, unless it does so
    /// already: what belongs to a workload becomes known bit by bit.
    pub fn watch(&mut self, resource: &Resource, namespace: &str, selection: &Selection) {
        let path = format!(
            "{}?watch=true&timeoutSeconds={WATCH_SECONDS}{}",
            resource.collection_path(namespace),
            selection.parameters()
        );
        if self.watched.insert(path.clone()) {
            self.watches
                .push(watch(self.cluster, self.changed, path).boxed_local());
        }
    }

    /// Returns when something may have changed, at the latest after `longest`:
    /// then nothing is known to have.
    pub async fn next(&mut self, longest: Duration) -> bool {
        let mut deadline = std::pin::pin!(sleep(longest));
        loop {
            tokio::select! {
                () = self.changed.notified() => break,
                () = &mut deadline => return false,
                // A watch that is not allowed ends.
                Some(()) = self.watches.next(), if !self.watches.is_empty() => {}
            }
        }
        sleep(SETTLE).await;
        true
    }
}

async fn watch(cluster: &Cluster, changed: &Notify, path: String) {
    let mut pauses = Pauses::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        match cluster.open(&path).await {
            Ok(stream) => {
                let mut lines = stream.lines();
                while let Some(Ok(line)) = lines.next().await {
                    pauses.restart();
                    // What it says is looked up, not believed.
                    if !line.is_empty() {
                        changed.notify_one();
                    }
                }
            }
            Err(error) if error.is_forbidden() || error.is_not_found() => return,
            Err(error) => tracing::info!("watch {path}: {error}"),
        }
        sleep(pauses.advance()).await;
    }
}
