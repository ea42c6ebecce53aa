//! Follows everything that a workload writes, until it ends.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::{mpsc, watch};

use super::shared::{Look, Shared};
use super::{LogError, LogEvent, LogOptions, follower};
use crate::api::pod::ContainerStatus;
use crate::api::pod::Pod;
use crate::cluster::Cluster;
use crate::cluster::read::api_versions::Served;
use crate::cluster::read::snapshot::{Seen, SnapshotStream};
use crate::cluster::read::watch::Outage;
use crate::observe::Snapshot;
use crate::observe::kind::rules;
use crate::observe::log::LogNote;
use crate::observe::pod_selection::PodChoice;

/// Longest time without a look at the workload.
const LOOK: Duration = Duration::from_secs(15);
/// Likewise where nothing tells of changes: what a CronJob starts is not
/// known before.
const LOOK_OFTEN: Duration = Duration::from_secs(3);

/// Time after which it is said that nothing runs.
const SETTLE: Duration = Duration::from_secs(1);

/// Returns whether a workload will write nothing more.
pub fn is_over(snapshot: &Snapshot) -> bool {
    rules(&snapshot.workload).is_over(snapshot.standing().status)
}

/// Follows the logs of a workload until it has ended and all is read, or it is
/// gone. The snapshot says which pods are there already: of those the present
/// ones are read, of later ones all.
///
/// # Errors
/// [`LogError`] if the cluster does not allow it, or stays away for too long.
pub async fn follow(
    cluster: &Cluster,
    served: &Served,
    first: Snapshot,
    choice: &PodChoice,
    options: &LogOptions,
    events: mpsc::Sender<LogEvent>,
) -> Result<(), LogError> {
    let usual = match first.workload.kind.descriptor().is_recurring {
        true => LOOK_OFTEN,
        false => LOOK,
    };
    let mut followed = Followed::new(&first, choice)?;
    let mut stream = SnapshotStream::beginning_with(cluster, served, first);
    let cluster = &cluster.failing_at_once();
    let (look, looks) = watch::channel(Rc::new(Look::default()));
    let shared = Shared {
        cluster,
        options,
        events,
        several: Cell::new(false),
        active: Cell::new(0),
        is_away: Cell::new(false),
        changed: stream.changed(),
    };
    let mut readers = Readers::new();
    let mut longest = usual;
    // Not known before the first look.
    let mut is_waiting = None;
    loop {
        let seen = tokio::select! {
            seen = stream.next(longest, async |_, _| Ok(())) => seen?,
            Some(read) = readers.next(), if !readers.is_empty() => {
                read?;
                stream.look_at_once();
                continue;
            }
        };
        longest = usual;
        let snapshot = match seen {
            Seen::Now(snapshot, ()) => snapshot,
            Seen::Outage(outage) => {
                shared.is_away.set(outage != Outage::Ends);
                while_reading(&mut readers, shared.tell(LogEvent::Outage(outage))).await?;
                continue;
            }
            Seen::Gone => {
                let pods = look.borrow().pods.clone();
                let is_over = true;
                look.send_replace(Rc::new(Look { pods, is_over }));
                while let Some(read) = readers.next().await {
                    read?;
                }
                shared.tell(LogEvent::Over(None)).await;
                return Ok(());
            }
        };
        super::readable(cluster, &snapshot).await?;
        let is_over = is_over(&snapshot);
        look.send_replace(Rc::new(Look::new(&snapshot, is_over)));
        followed.begin(&snapshot, choice, &shared, &looks, &mut readers)?;
        if readers.is_empty() && (is_over || choice.pod.is_some()) {
            if is_over {
                shared.end(snapshot, &followed.indexes).await;
            }
            return Ok(());
        }
        let was_waiting = is_waiting.replace(false);
        if shared.active.get() == 0 && !is_over && !followed.has_begun(&snapshot) {
            is_waiting = Some(true);
            if was_waiting == Some(false) {
                // Between two pods, or before the end, it may be a moment.
                longest = SETTLE;
            } else {
                let told = shared.tell(LogEvent::Waiting(snapshot));
                while_reading(&mut readers, told).await?;
            }
        }
    }
}

type Readers<'a> = FuturesUnordered<LocalBoxFuture<'a, Result<(), LogError>>>;

/// Awaits something while the logs are read on.
async fn while_reading<T>(
    readers: &mut Readers<'_>,
    future: impl Future<Output = T>,
) -> Result<T, LogError> {
    let mut future = std::pin::pin!(future);
    loop {
        tokio::select! {
            done = &mut future => return Ok(done),
            Some(read) = readers.next(), if !readers.is_empty() => read?,
        }
    }
}

/// Which pods were seen.
struct Followed {
    seen: HashSet<String>,
    /// Containers that are read, by the UID of their pod.
    containers: HashMap<String, String>,
    /// Indexes of an Indexed Job of which a pod is read.
    indexes: HashSet<u64>,
}

impl Followed {
    fn new(snapshot: &Snapshot, choice: &PodChoice) -> Result<Self, LogError> {
        let uid = |pod: &&Pod| pod.metadata.uid.clone();
        let present: HashSet<String> = snapshot.chosen(choice)?.iter().map(uid).collect();
        let all = snapshot.matching(choice)?;
        let old = all.iter().map(uid).filter(|uid| !present.contains(uid));
        Ok(Self {
            seen: old.collect(),
            containers: HashMap::new(),
            indexes: HashSet::new(),
        })
    }

    /// Begins to read what has come.
    fn begin<'a>(
        &mut self,
        snapshot: &Snapshot,
        choice: &PodChoice,
        shared: &'a Shared<'a>,
        looks: &watch::Receiver<Rc<Look>>,
        readers: &mut Readers<'a>,
    ) -> Result<(), LogError> {
        // What takes the place of pods that have ended comes after their last lines: it
        // is looked for again when these are read.
        if !readers.is_empty() && self.have_all_ended(snapshot) {
            return Ok(());
        }
        let has_followed = !self.containers.is_empty();
        let new = self.add(snapshot, choice)?;
        // Of several, their names are told with each line.
        let follows = has_followed && readers.is_empty() && new.len() == 1;
        for (pod, container, label) in new {
            let note = follows.then(|| LogNote::Replaced {
                pod: pod.name().to_owned(),
                attempt: snapshot.attempt(),
            });
            let reader = follower::run(shared, looks.clone(), pod, container, label, note);
            readers.push(reader.boxed_local());
        }
        if readers.len() > 1 {
            shared.several.set(true);
        }
        Ok(())
    }

    /// Returns pods that are to be followed from now on, with the container
    /// and the short name of each.
    fn add(
        &mut self,
        snapshot: &Snapshot,
        choice: &PodChoice,
    ) -> Result<Vec<(Pod, String, Rc<str>)>, LogError> {
        let pods = match snapshot.matching(choice) {
            Ok(pods) => pods,
            // The pod that was named is gone by now: that is for its reader.
            Err(_) if !self.containers.is_empty() => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut new = Vec::new();
        for pod in pods {
            let uid = &pod.metadata.uid;
            if self.seen.insert(uid.clone()) {
                let container = pod.container(choice.container.as_deref())?.to_owned();
                self.containers.insert(uid.clone(), container.clone());
                let label = Rc::from(snapshot.label(pod));
                self.indexes.extend(pod.index());
                new.push((pod.clone(), container, label));
            }
        }
        Ok(new)
    }

    /// Returns whether pods that are followed are there, and none of them can still run.
    fn have_all_ended(&self, snapshot: &Snapshot) -> bool {
        let is_followed = |pod: &&Pod| self.containers.contains_key(&pod.metadata.uid);
        let mut followed = snapshot.pods().iter().filter(is_followed).peekable();
        followed.peek().is_some() && followed.all(Pod::has_ended)
    }

    /// Returns whether one of the containers runs, or waits to run again.
    fn has_begun(&self, snapshot: &Snapshot) -> bool {
        let mut pods = snapshot.pods().iter().filter(|pod| !pod.has_ended());
        pods.any(|pod| {
            let container = self.containers.get(&pod.metadata.uid);
            container
                .and_then(|container| pod.container_status(container))
                .is_some_and(ContainerStatus::has_begun)
        })
    }
}
