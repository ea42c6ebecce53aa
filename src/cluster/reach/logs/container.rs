//! Reads one container's log, from a given point to its present end.

use std::collections::VecDeque;

use futures_util::AsyncBufReadExt as _;

use super::{LogOptions, Of, Stream, next_bytes};
use crate::api::pod::Pod;
use crate::cluster::client::backoff::{Backoff, is_transient};
use crate::cluster::{Cluster, ClusterError};
use crate::observe::log::{Cursor, LogLine, Splitter};

/// Streams that may break off, one after another, without a new line.
const MOST_FAILURES: u32 = 5;

/// Reads a log as far as it goes. A stream that breaks off is resumed.
pub struct ContainerLog<'a> {
    cluster: &'a Cluster,
    of: Of,
    options: LogOptions,
    cursor: Cursor,
    splitter: Splitter,
    stream: Option<Stream>,
    lines: VecDeque<LogLine>,
    failures: u32,
    ended: bool,
}

impl<'a> ContainerLog<'a> {
    /// Opens nothing yet.
    pub fn new(cluster: &'a Cluster, pod: &Pod, container: &str, options: &LogOptions) -> Self {
        let mut cursor = Cursor::default();
        if options.tail.is_some() {
            cursor.limit();
        }
        Self {
            cluster,
            of: Of::new(pod, container),
            options: options.clone(),
            cursor,
            splitter: Splitter::default(),
            stream: None,
            lines: VecDeque::new(),
            failures: 0,
            ended: false,
        }
    }

    /// Returns the next line; `None` after the last.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub async fn next(&mut self) -> Result<Option<LogLine>, ClusterError> {
        let patience = Backoff::new();
        loop {
            while let Some(line) = self.lines.pop_front() {
                if self.cursor.take(&line) {
                    self.failures = 0;
                    return Ok(Some(line));
                }
            }
            if self.ended {
                return Ok(None);
            }
            match self.advance().await {
                Ok(()) => {}
                Err(error) if is_transient(&error) && self.failures < MOST_FAILURES => {
                    self.failures += 1;
                    self.splitter = Splitter::default();
                    self.stream = None;
                    patience.wait().await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn advance(&mut self) -> Result<(), ClusterError> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let parameters = match self.cursor.rewind(self.failures > 1, true) {
                    Some(since) if self.options.previous => {
                        format!("&sinceTime={since}&previous=true")
                    }
                    Some(since) => format!("&sinceTime={since}"),
                    None => self.options.parameters(),
                };
                none.insert(self.of.open(self.cluster, &parameters).await?)
            }
        };
        match next_bytes(stream).await {
            Ok([]) => {
                self.ended = true;
                self.lines.extend(self.splitter.rest());
            }
            Ok(bytes) => {
                let taken = bytes.len();
                self.splitter.push(bytes, &mut self.lines);
                stream.consume_unpin(taken);
            }
            Err(error) => return Err(self.of.broken(self.cluster, error)),
        }
        Ok(())
    }
}

impl Of {
    pub(in crate::cluster) fn new(pod: &Pod, container: &str) -> Self {
        Self {
            namespace: pod.metadata.namespace.clone(),
            pod: pod.metadata.name.clone(),
            container: container.to_owned(),
        }
    }

    /// Returns the error of a stream that broke off.
    pub(in crate::cluster) fn broken(
        &self,
        cluster: &Cluster,
        error: std::io::Error,
    ) -> ClusterError {
        ClusterError::broken(kube::Error::Service(Box::new(error)), cluster.server())
    }
}
