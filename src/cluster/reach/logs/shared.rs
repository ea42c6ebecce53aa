//! Keeps the state that the followers of one workload's pods share.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use tokio::sync::mpsc;

use super::{LogEvent, LogOptions};
use crate::api::pod::Pod;
use crate::cluster::{Cluster, ClusterError};

/// What is known of the workload, for those who follow its pods.
#[derive(Debug, Default)]
pub(in crate::cluster) struct Look {
    /// Its pods by UID.
    pub pods: HashMap<String, Pod>,
    /// Whether it has ended, or is gone.
    pub is_over: bool,
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
    /// Why the cluster cannot be asked, while that is so.
    pub outage: RefCell<Option<String>>,
}

impl Shared<'_> {
    /// Says something. Who no longer listens is about to drop all this.
    pub async fn tell(&self, event: LogEvent) {
        let _ = self.events.send(event).await;
    }

    /// Says that the cluster cannot be asked, once for all who find out.
    pub async fn lost(&self, error: &ClusterError) {
        let is_new = self.outage.borrow().is_none();
        if is_new {
            let reason = error.to_string();
            *self.outage.borrow_mut() = Some(reason.clone());
            self.tell(LogEvent::Lost(reason)).await;
        }
    }

    /// Says that it can be asked again.
    pub async fn back(&self) {
        let was_lost = self.outage.borrow_mut().take().is_some();
        if was_lost {
            self.tell(LogEvent::Back).await;
        }
    }
}
