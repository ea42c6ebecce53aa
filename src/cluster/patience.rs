//! What passes by itself, and how long to wait for it.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::ClusterError;

/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long a cluster may stay away before it is given up.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);

/// Returns whether an error says nothing about the request: the API server is
/// being restarted, or does not reach a node at the moment.
pub(super) fn passes(error: &ClusterError) -> bool {
    match error {
        ClusterError::Unreachable { .. } | ClusterError::Slow { .. } => true,
        ClusterError::Api(status) => status.code >= 500 || status.code == 429,
        _ => false,
    }
}

/// Pauses that grow until something succeeds.
#[derive(Debug)]
pub(super) struct Patience {
    pause: Cell<Duration>,
    since: Cell<Option<Instant>>,
}

const FIRST_PAUSE: Duration = Duration::from_millis(500);

impl Patience {
    pub(super) fn new() -> Self {
        Self {
            pause: Cell::new(FIRST_PAUSE),
            since: Cell::new(None),
        }
    }

    /// Something succeeded.
    pub(super) fn restore(&self) {
        self.pause.set(FIRST_PAUSE);
        self.since.set(None);
    }

    /// Returns since when nothing succeeds.
    pub(super) fn tried_for(&self) -> Duration {
        self.since
            .get()
            .map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Waits before the next attempt.
    pub(super) async fn wait(&self) {
        if self.since.get().is_none() {
            self.since.set(Some(Instant::now()));
        }
        let pause = self.pause.get();
        self.pause.set((pause * 2).min(LONGEST_PAUSE));
        sleep(pause).await;
    }
}
