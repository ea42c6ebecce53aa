//! The words for how a workload stands, one vocabulary for all kinds.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::api::kueue_workload::{KueueWorkload, QueueState};

macro_rules! vocabulary {
    ($( $(#[$meta:meta])* $status:ident, )*) => {
        /// How a workload stands. The rules that lead to each word are in
        /// [`super::kind::standing`], each with the field of the API it follows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Status {
            $( $(#[$meta])* $status, )*
        }

        impl Status {
            /// All of them, in the order of a workload's life.
            pub const ALL: &[Self] = &[$( Self::$status, )*];

            /// Returns the word for people and programs.
            pub fn name(self) -> &'static str {
                match self {
                    $( Self::$status => stringify!($status), )*
                }
            }
        }
    };
}

vocabulary! {
    /// It waits in a queue.
    Pending,
    /// Kueue has let it in, and nothing of it exists yet.
    Admitted,
    /// Its pods are on their way.
    Starting,
    /// It runs, and will end.
    Running,
    /// It serves, or waits for its schedule.
    Ready,
    /// It serves less than it should.
    Degraded,
    /// It ended well.
    Succeeded,
    /// It ended badly, or cannot begin.
    Failed,
    /// Somebody stopped it.
    Suspended,
    /// It made room for another workload and waits again.
    Preempted,
}

impl Status {
    /// Returns whether it stays as it is.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }

    /// Returns whether it waits for a queue to let it in.
    pub fn is_waiting(self) -> bool {
        matches!(self, Self::Pending | Self::Preempted)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().copied();
        known
            .clone()
            .find(|status| status.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| {
                let names: Vec<String> = known.map(|status| status.name().to_lowercase()).collect();
                format!("expected one of {}", names.join(", "))
            })
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Status {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Status".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let words: Vec<&str> = Self::ALL.iter().map(|status| status.name()).collect();
        schemars::json_schema!({"type": "string", "enum": words})
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A status that stays as it is, as words of a command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinalStatus(pub Status);

impl FromStr for FinalStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let status = text.parse::<Status>().ok().filter(|it| it.is_final());
        let expected = || "expected one of succeeded, failed".to_owned();
        status.map(Self).ok_or_else(expected)
    }
}

/// How a workload stands, and why, on one line; the reason may be empty.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The word for it.
    pub status: Status,
    /// Why, as shortly as it can be said.
    pub reason: String,
}

impl Standing {
    pub(super) fn new(status: Status, reason: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.into(),
        }
    }
}

/// Returns the one of several that has farthest to go: where pods are queued
/// each by itself, it tells how the whole stands.
pub fn farthest(queued: &[KueueWorkload]) -> Option<&KueueWorkload> {
    queued.iter().min_by_key(|queued| rank(queued.state()))
}

fn rank(state: QueueState) -> u8 {
    match state {
        QueueState::Inactive => 0,
        QueueState::Preempted => 1,
        QueueState::Evicted => 2,
        QueueState::Pending => 3,
        QueueState::Reserved => 4,
        QueueState::Admitted => 5,
        QueueState::Finished => 6,
    }
}
