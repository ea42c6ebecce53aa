//! What passes by itself, and how long to wait for it.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::ClusterError;

/// First and longest pause between two attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
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

/// Pauses, each twice as long as the one before, up to a longest.
#[derive(Debug, Clone, Copy)]
pub struct Pauses {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Pauses {
    /// Begins with `first`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
        }
    }

    /// Returns the length of the next pause.
    pub fn advance(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        pause
    }

    /// Begins anew: something succeeded.
    pub fn restart(&mut self) {
        self.next = self.first;
    }
}

/// Pauses until something succeeds, and account of how long it has not.
#[derive(Debug)]
pub(super) struct Patience {
    pauses: Cell<Pauses>,
    since: Cell<Option<Instant>>,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self {
            pauses: Cell::new(Pauses::new(FIRST_PAUSE, LONGEST_PAUSE)),
            since: Cell::new(None),
        }
    }

    /// Something succeeded.
    pub(super) fn restore(&self) {
        let mut pauses = self.pauses.get();
        pauses.restart();
        self.pauses.set(pauses);
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
        let mut pauses = self.pauses.get();
        let pause = pauses.advance();
        self.pauses.set(pauses);
        sleep(pause).await;
    }
}
