//! Keeps the state that the followers of one workload's pods share.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use tokio::sync::{Notify, mpsc};

use super::{LogEvent, LogOptions};
use crate::api::pod::Pod;
use crate::cluster::Cluster;
use crate::observe::Snapshot;

/// What is known of the workload, for those who follow its pods.
#[derive(Debug, Default)]
pub(in crate::cluster) struct Look {
    /// Its pods by UID.
    pub pods: HashMap<String, Pod>,
    /// Whether it has ended, or is gone.
    pub is_over: bool,
}

impl Look {
    /// Takes it from a snapshot.
    pub fn new(snapshot: &Snapshot, is_over: bool) -> Self {
        let pods = snapshot.pods().iter();
        let pods = pods.map(|pod| (pod.metadata.uid.clone(), pod.clone()));
        Self {
            pods: pods.collect(),
            is_over,
        }
    }
}

/// What those who follow its pods share.
pub(in crate::cluster) struct Shared<'a> {
    pub cluster: &'a Cluster,
    pub options: &'a LogOptions,
    pub events: mpsc::Sender<LogEvent>,
    /// Whether lines say which pod they are of.
    pub several: Cell<bool>,
    /// How many logs are read.
    pub active: Cell<usize>,
    /// Whether the cluster cannot be asked at the moment.
    pub is_away: Cell<bool>,
    /// Has the workload looked at again, which tells whether it can be.
    pub changed: Rc<Notify>,
}

impl Shared<'_> {
    /// Says something. Who no longer listens is about to drop all this.
    pub async fn tell(&self, event: LogEvent) {
        let _ = self.events.send(event).await;
    }

    /// Says how the workload has ended, and what of it nobody has read.
    pub async fn end(&self, last: Box<Snapshot>, read: &HashSet<u64>) {
        for note in last.lost_indexes(read) {
            self.tell(LogEvent::Note(note)).await;
        }
        self.tell(LogEvent::Over(Some(last))).await;
    }
}
