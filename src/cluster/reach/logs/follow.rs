//! Follows everything that a workload writes, until it ends.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::{Notify, mpsc, watch};

use super::shared::{Look, Shared};
use super::{LogError, LogEvent, LogOptions, follower};
use crate::api::pod::ContainerStatus;
use crate::api::pod::Pod;
use crate::api::workload::Workload;
use crate::cluster::client::backoff::{Backoff, GIVE_UP_AFTER, is_transient};
use crate::cluster::read::api_versions::Served;
use crate::cluster::read::snapshot;
use crate::cluster::read::watch::ChangeWatcher;
use crate::cluster::{Cluster, ClusterError};
use crate::observe::Snapshot;
use crate::observe::kind::meaning;
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
    meaning(&snapshot.workload).is_over(snapshot.standing().status)
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
    let (look, looks) = watch::channel(Rc::new(Look::default()));
    let shared = Shared {
        cluster,
        options,
        events,
        several: Cell::new(false),
        active: Cell::new(0),
        outage: RefCell::new(None),
    };
    let mut followed = Followed::new(&first, choice)?;
    let changed = Notify::new();
    let mut pulse = ChangeWatcher::new(cluster, &changed);
    let mut readers = Readers::new();
    let workload = first.workload.clone();
    let longest = match workload.kind.descriptor().is_recurring {
        true => LOOK_OFTEN,
        false => LOOK,
    };
    // Not known before the first look.
    let mut is_waiting = None;
    let mut present = Some(first);
    loop {
        let is_over = present.as_ref().is_none_or(is_over);
        if let Some(snapshot) = &present {
            super::readable(cluster, snapshot).await?;
            snapshot::watch(&mut pulse, served, snapshot);
            let pods = snapshot.pods().iter();
            let pods = pods.map(|pod| (pod.metadata.uid.clone(), pod.clone()));
            let pods = pods.collect();
            look.send_replace(Rc::new(Look { pods, is_over }));
            for (pod, container, label) in followed.add(snapshot, choice)? {
                let reader = follower::run(&shared, looks.clone(), pod, container, label);
                readers.push(reader.boxed_local());
            }
        } else {
            let pods = look.borrow().pods.clone();
            look.send_replace(Rc::new(Look { pods, is_over }));
        }
        if readers.len() > 1 {
            shared.several.set(true);
        }
        if readers.is_empty() && (is_over || choice.pod.is_some()) {
            if is_over {
                shared.tell(LogEvent::Over(present.map(Box::new))).await;
            }
            return Ok(());
        }
        let mut longest = longest;
        let was_waiting = is_waiting.replace(false);
        if let Some(snapshot) = present.take()
            && shared.active.get() == 0
            && !is_over
            && !followed.has_begun(&snapshot)
        {
            is_waiting = Some(true);
            if was_waiting == Some(false) {
                // Between two pods, or before the end, it may be a moment.
                longest = SETTLE;
            } else {
                let told = shared.tell(LogEvent::Waiting(Box::new(snapshot)));
                while_reading(&mut readers, told).await?;
            }
        }
        tokio::select! {
            _ = pulse.next(longest) => {}
            Some(read) = readers.next(), if !readers.is_empty() => read?,
        }
        let again = look_again(&shared, served, &workload);
        present = while_reading(&mut readers, again).await??;
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

/// Reads how the workload stands, as soon as that can be had.
async fn look_again(
    shared: &Shared<'_>,
    served: &Served,
    workload: &Workload,
) -> Result<Option<Snapshot>, ClusterError> {
    let patience = Backoff::new();
    loop {
        match snapshot::read_snapshot_again(shared.cluster, served, workload).await {
            Ok(present) => {
                shared.back().await;
                return Ok(present);
            }
            Err(error) if is_transient(&error) && patience.tried_for() < GIVE_UP_AFTER => {
                shared.lost(&error).await;
                patience.wait().await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Which pods were seen.
struct Followed {
    seen: HashSet<String>,
    /// Containers that are read, by the UID of their pod.
    containers: HashMap<String, String>,
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
        })
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
                new.push((pod.clone(), container, label));
            }
        }
        Ok(new)
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
