//! The state that a command waits for a workload to reach.

use std::fmt;
use std::str::FromStr;

use super::WorkloadKind;

/// What a workload is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// All its pods run, or of a service one.
    Running,
    /// All its pods are ready; of a service, all are of the newest version.
    Ready,
    /// It has ended well.
    Done,
}

impl Goal {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Running, Self::Ready, Self::Done];

    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Ready => "ready",
            Self::Done => "done",
        }
    }

    /// Returns whether a workload of this kind can get there.
    pub fn is_in_reach(self, kind: WorkloadKind) -> bool {
        self != Self::Done || kind.descriptor().may_end
    }
}

impl FromStr for Goal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|goal| goal.name() == text)
            .ok_or_else(|| "expected running, ready or done".to_owned())
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
