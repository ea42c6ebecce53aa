//! Reads logs of containers, once or until the workload ends.

mod container;
mod follow;
mod follower;
mod shared;

use std::pin::Pin;
use std::rc::Rc;

use futures_util::{AsyncBufRead, AsyncBufReadExt as _};

pub use container::ContainerLog;
pub use follow::{follow, is_over};

use crate::api::pod::Pod;
use crate::api::resource::Resource;
use crate::cluster::client::request::percent_encoded;
use crate::cluster::read::snapshot::LostTrack;
use crate::cluster::read::watch::Outage;
use crate::cluster::{Cluster, ClusterError};
use crate::error::{Classified, ErrorClass};
use crate::observe::Snapshot;
use crate::observe::log::{LogLine, LogNote};
use crate::observe::pod_selection::PodChoiceError;
use crate::suggestion::Suggestion;

/// Which part of a log is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// So many lines from the end.
    pub tail: Option<u32>,
    /// So many seconds back.
    pub since: Option<i64>,
    /// Of the container that ran before the one that was started again.
    pub previous: bool,
}

/// What happens while logs are followed.
#[derive(Debug, Clone)]
pub enum LogEvent {
    /// Lines, and the short name of their pod where there are several.
    Lines(Option<Rc<str>>, Vec<LogLine>),
    /// Nothing runs yet, or no longer, that could write something.
    Waiting(Box<Snapshot>),
    /// It has ended, and this is how; `None` if it was deleted.
    Over(Option<Box<Snapshot>>),
    /// Something about the lines.
    Note(LogNote),
    /// Lines of a pod could not be read, or perhaps some of them.
    Missing { pod: String, why: String },
    /// The cluster cannot be asked, or can again.
    Outage(Outage),
}

/// Why logs cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// There is nothing of that name.
    #[error(transparent)]
    Choice(#[from] PodChoiceError),
    /// The cluster cannot be asked, or said no.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The cluster stays away.
    #[error(transparent)]
    Lost(#[from] LostTrack),
}

impl Classified for LogError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Choice(source) => source.class(),
            Self::Cluster(source) => source.class(),
            Self::Lost(source) => source.class(),
        }
    }

    fn hints(&self) -> Vec<Suggestion> {
        match self {
            Self::Choice(source) => source.hints(),
            Self::Cluster(source) => source.hints(),
            Self::Lost(source) => source.hints(),
        }
    }

    fn object(&self) -> Option<String> {
        match self {
            Self::Choice(source) => source.object(),
            Self::Cluster(source) => source.object(),
            Self::Lost(source) => source.object(),
        }
    }
}

/// Which container's log.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Of {
    namespace: String,
    pod: String,
    container: String,
}

type Stream = Pin<Box<dyn AsyncBufRead>>;

impl Of {
    /// Opens the log. `parameters` say from where on.
    async fn open(&self, cluster: &Cluster, parameters: &str) -> Result<Stream, ClusterError> {
        let Self {
            namespace,
            pod,
            container,
        } = self;
        let path = format!(
            "/api/v1/namespaces/{namespace}/pods/{pod}/log?container={}&timestamps=true{parameters}",
            percent_encoded(container)
        );
        Ok(Box::pin(cluster.open(&path).await?))
    }
}

impl LogOptions {
    /// Returns whether all of a log is asked for, so that one without a line is
    /// empty.
    pub fn shows_all(&self) -> bool {
        self.tail != Some(0) && self.since.is_none()
    }

    fn parameters(&self) -> String {
        let mut text = String::new();
        if let Some(lines) = self.tail {
            text += &format!("&tailLines={lines}");
        }
        if let Some(seconds) = self.since {
            text += &format!("&sinceSeconds={}", seconds.max(1));
        }
        if self.previous {
            text += "&previous=true";
        }
        text
    }
}

/// Returns the next bytes of a stream; none at its end. What was not taken
/// with `consume` comes again.
async fn next_bytes(stream: &mut Stream) -> std::io::Result<&[u8]> {
    stream.fill_buf().await
}

/// Makes sure that the pods of a snapshot are known.
///
/// # Errors
/// The API server's refusal if they may not be listed.
pub async fn readable(cluster: &Cluster, snapshot: &Snapshot) -> Result<(), ClusterError> {
    if snapshot.pods.known().is_none() {
        let namespace = &snapshot.workload.metadata.namespace;
        let pods = Resource::known("v1", "Pod");
        // What is refused is asked once more, for the words of the refusal.
        cluster.list::<Pod>(&pods, namespace, "").await?;
    }
    Ok(())
}
