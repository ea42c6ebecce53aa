//! Decides which errors are worth another try, and how long to pause before it.

use std::cell::Cell;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::ClusterError;

/// First and longest pause between two attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long a cluster may stay away before it is given up.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(600);

/// Returns whether an error says nothing about the request: the API server is
/// being restarted, or does not reach a node at the moment.
pub fn is_transient(error: &ClusterError) -> bool {
    match error {
        ClusterError::Unreachable { .. }
        | ClusterError::Slow { .. }
        | ClusterError::Busy { .. } => true,
        ClusterError::Api(status) => status.code >= 500 || status.code == 429,
        _ => false,
    }
}

/// Pauses, each about twice as long as the one before, up to a longest. What
/// many wait for at once, they do not all ask for at once afterwards.
#[derive(Debug, Clone, Copy)]
pub struct Pauses {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Pauses {
    /// Begins with about `first`.
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
        shortened(pause, random())
    }

    /// Returns a pause that is longer than `asked` by up to half of the first one.
    pub(crate) fn at_least(&self, asked: Duration) -> Duration {
        asked + self.first - shortened(self.first, random())
    }

    /// Starts over, after a success.
    pub fn restart(&mut self) {
        self.next = self.first;
    }
}

/// Returns a length between the half of `pause` and the whole, by `lot`.
fn shortened(pause: Duration, lot: u32) -> Duration {
    pause / 2 + (pause / 2).mul_f64(f64::from(lot) / f64::from(u32::MAX))
}

/// Returns a number that no other process has but by chance.
fn random() -> u32 {
    // Each RandomState has keys from the operating system's randomness.
    let word = RandomState::new().hash_one(());
    u32::try_from(word >> 32).unwrap_or_default()
}

/// What is done while an API server cannot be reached.
#[derive(Debug)]
pub(crate) struct Absence {
    tell: Option<fn(&str)>,
    told: AtomicBool,
}

impl Absence {
    /// Has the connection tried again, and `tell` told of it. `None`: whoever
    /// asks goes on without an answer, at once.
    pub(crate) fn new(tell: Option<fn(&str)>) -> Self {
        Self {
            tell,
            told: AtomicBool::new(false),
        }
    }

    /// Returns whether the connection is tried again.
    pub(crate) fn is_waited_out(&self) -> bool {
        self.tell.is_some()
    }

    /// Tells of it, once each time the API server goes away.
    pub(crate) fn tell(&self, words: &str) {
        if let Some(tell) = self.tell
            && !self.told.swap(true, Ordering::Relaxed)
        {
            tell(words);
        }
    }

    /// The API server has answered.
    pub(crate) fn ends(&self) {
        self.told.store(false, Ordering::Relaxed);
    }
}

/// Pauses until something succeeds, and account of how long it has not.
#[derive(Debug)]
pub struct Backoff {
    pauses: Cell<Pauses>,
    since: Cell<Option<Instant>>,
}

impl Backoff {
    /// Begins with the first pause.
    #[expect(
        clippy::new_without_default,
        reason = "it begins, which no default says"
    )]
    pub fn new() -> Self {
        Self {
            pauses: Cell::new(Pauses::new(FIRST_PAUSE, LONGEST_PAUSE)),
            since: Cell::new(None),
        }
    }

    /// Something succeeded.
    pub fn restore(&self) {
        let mut pauses = self.pauses.get();
        pauses.restart();
        self.pauses.set(pauses);
        self.since.set(None);
    }

    /// Returns since when nothing succeeds.
    pub fn tried_for(&self) -> Duration {
        self.since
            .get()
            .map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Waits before the next attempt.
    pub async fn wait(&self) {
        if self.since.get().is_none() {
            self.since.set(Some(Instant::now()));
        }
        let mut pauses = self.pauses.get();
        let pause = pauses.advance();
        self.pauses.set(pauses);
        sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_drawn_between_the_half_and_the_whole() {
        let pause = Duration::from_millis(250);
        assert_eq!(shortened(pause, 0), pause / 2);
        assert_eq!(shortened(pause, u32::MAX), pause);
        let middle = shortened(pause, u32::MAX / 2);
        assert!(pause / 2 < middle && middle < pause, "{middle:?}");
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let [first, longest] = [100, 1000].map(Duration::from_millis);
        let mut pauses = Pauses::new(first, longest);
        for expected in [100, 200, 400, 800, 1000, 1000].map(Duration::from_millis) {
            let pause = pauses.advance();
            assert!(expected / 2 <= pause && pause <= expected, "{pause:?}");
        }
        pauses.restart();
        assert!(pauses.advance() <= first);
    }

    #[test]
    fn no_two_pauses_are_alike() {
        let first = Duration::from_secs(1);
        let drawn = || Pauses::new(first, first).advance();
        let other = drawn();
        assert!((0..8).any(|_| drawn() != other));
    }

    #[test]
    fn who_asks_for_a_pause_gets_it() {
        let [first, asked] = [250, 1000].map(Duration::from_millis);
        for _ in 0..32 {
            let pause = Pauses::new(first, first).at_least(asked);
            assert!(asked <= pause && pause <= asked + first / 2, "{pause:?}");
        }
    }
}
