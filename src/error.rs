//! The error that a command reports to its user: an exit code of a documented
//! class, one message with its causes, the object it is about, and what mends
//! it.
//!
//! Every room has an error type of its own and says here, once, which class
//! each of its errors belongs to; [`CommandError`] is what reaches the user.

use std::fmt;

use crate::file::FileError;
use crate::suggestion::Suggestion;

macro_rules! classes {
    ($( $(#[$meta:meta])* $class:ident = $code:literal, $name:literal, $meaning:literal; )*) => {
        /// Class of a failure. Its number is the exit code, listed for users by
        /// `kaiwo help exit-codes`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ErrorClass {
            $( $(#[$meta])* $class, )*
        }

        impl ErrorClass {
            /// All classes, in the order of their exit codes.
            pub const ALL: &[Self] = &[$( Self::$class, )*];

            /// Returns the process exit code of this class.
            pub const fn exit_code(self) -> u8 {
                match self {
                    $( Self::$class => $code, )*
                }
            }

            /// Returns the word that stands for this class in JSON output.
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$class => $name, )*
                }
            }

            /// Returns what it means, for users.
            pub fn meaning(self) -> &'static str {
                match self {
                    $( Self::$class => $meaning, )*
                }
            }
        }
    };
}

classes! {
    /// Nothing more precise is known: a bug, or an answer nobody foresaw.
    Unclassified = 1, "unclassified",
        "an unexpected error";
    /// The workload failed; its container's exit code comes before this one,
    /// see [`CommandError::exit_code`].
    Failed = 1, "failed",
        "the workload failed without a known exit code";
    /// The command line is wrong.
    Usage = 2, "usage",
        "the command line is invalid";
    /// Refused before anything was created.
    Refused = 3, "refused",
        "refused before anything was created: bad input, an impossible request, or the API server would not accept it";
    /// Not authenticated, or not allowed.
    Denied = 4, "denied",
        "not allowed, or not authenticated";
    /// The object exists already and differs.
    Conflict = 5, "conflict",
        "a workload of that name exists and differs or has ended, or someone else changed it at the same time";
    /// Some objects were created and could not be removed again.
    Partial = 6, "partial",
        "partly created and could not be undone; what is left is listed";
    /// The cluster cannot be reached.
    Unreachable = 7, "unreachable",
        "the cluster cannot be reached or does not answer";
    /// It is not ready, or has not finished.
    NotReady = 8, "notReady",
        "not ready, or not finished";
    /// A deadline passed.
    TimedOut = 124, "timedOut",
        "a deadline passed: a wait, a deletion, or a model's answer";
    /// What became of a workload that was waited for cannot be told.
    LostTrack = 125, "lostTrack",
        "the workload was deleted during the wait, or the cluster has not answered for ten minutes";
    /// A signal ended the command; which, the exit code says, see
    /// [`CommandError::exit_code`].
    Interrupted = 130, "interrupted",
        "ended by a signal: SIGINT (Ctrl-C); 143 after SIGTERM, 129 after SIGHUP";
}

/// Exit code after SIGINT.
pub const INTERRUPTED: u8 = 130;

/// An error type of a room, which knows how its errors concern the user.
pub trait Classified: std::error::Error + Send + Sync + 'static {
    /// Returns the class, and by it the exit code.
    fn class(&self) -> ErrorClass;

    /// Returns what the user can do, best first. A runnable command where
    /// there is one.
    fn hints(&self) -> Vec<Suggestion> {
        Vec::new()
    }

    /// Returns the object or place the error is about: `kind/name`, a path,
    /// or `path:line`.
    fn object(&self) -> Option<String> {
        None
    }
}

impl Classified for FileError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Refused
    }

    fn hints(&self) -> Vec<Suggestion> {
        vec![self.reason.hint(&self.path).into()]
    }

    fn object(&self) -> Option<String> {
        Some(self.reason.shown(&self.path))
    }
}

/// The one error type of the commands.
#[derive(Debug)]
pub struct CommandError {
    /// Class, and by it the exit code.
    pub class: ErrorClass,
    /// The error with its chain of causes.
    pub error: anyhow::Error,
    /// What is to be known besides: what was cleared up, what is left.
    pub notes: Vec<String>,
    /// What the user can do, best first.
    pub hints: Vec<Suggestion>,
    /// The object or place the error is about.
    pub object: Option<String>,
}

/// A workload that failed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct WorkloadFailure {
    message: String,
    container_exit_code: Option<u8>,
}

/// A signal that ended a command.
#[derive(Debug, thiserror::Error)]
#[error("interrupted{}", by(*.0))]
struct Interruption(u8);

/// Returns which signal it was, unless it was the usual.
fn by(code: u8) -> &'static str {
    match code {
        129 => " by SIGHUP",
        143 => " by SIGTERM",
        _ => "",
    }
}

impl CommandError {
    /// Creates an error of `class` that says `message`.
    pub fn new(class: ErrorClass, message: impl fmt::Display) -> Self {
        Self {
            class,
            error: anyhow::anyhow!("{message}"),
            notes: Vec::new(),
            hints: Vec::new(),
            object: None,
        }
    }

    /// Creates the error that a workload failed, `message`, with the exit code
    /// of its container if that is known.
    pub fn failed(message: String, container_exit_code: Option<u8>) -> Self {
        let failure = WorkloadFailure {
            message,
            container_exit_code,
        };
        Self {
            error: anyhow::Error::new(failure),
            ..Self::new(ErrorClass::Failed, "")
        }
    }

    /// Creates the error that a signal ended a command, with the exit code that
    /// shells have for it: 128 and the signal's number.
    pub fn interrupted(code: u8) -> Self {
        Self {
            error: anyhow::Error::new(Interruption(code)),
            ..Self::new(ErrorClass::Interrupted, "")
        }
    }

    /// Returns whether a signal ended the command, and nothing else is to be said.
    pub fn is_bare_interruption(&self) -> bool {
        self.class == ErrorClass::Interrupted && self.notes.is_empty() && self.hints.is_empty()
    }

    /// Returns the process exit code: of a workload that failed its
    /// container's, as `docker run` does, of a signal its own, else that of the
    /// class.
    pub fn exit_code(&self) -> u8 {
        let interruption = self.error.downcast_ref::<Interruption>();
        match (self.class, interruption) {
            (ErrorClass::Interrupted, Some(Interruption(code))) => *code,
            _ => self
                .container_exit_code()
                .unwrap_or_else(|| self.class.exit_code()),
        }
    }

    /// Returns the exit code of the container that failed, if one did.
    pub fn container_exit_code(&self) -> Option<u8> {
        let failure = self.error.downcast_ref::<WorkloadFailure>()?;
        failure.container_exit_code
    }

    /// Adds a hint after those it has.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Suggestion>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Says which object or place it is about.
    #[must_use]
    pub fn about(mut self, object: impl Into<String>) -> Self {
        self.object = Some(object.into());
        self
    }

    /// Returns the messages below the first: why it happened, outermost
    /// first. A cause whose text the message above it already ends with is
    /// left out, because many libraries print their source in their own text;
    /// and so is what only says which step of the HTTP client failed.
    pub fn causes(&self) -> Vec<String> {
        let mut above = self.error.to_string();
        let mut causes = Vec::new();
        for cause in self.error.chain().skip(1) {
            let text = cause.to_string();
            let step = text.trim_start_matches("ServiceError: ");
            if !above.contains(&text) && !step.starts_with("client error (") {
                causes.push(step.to_owned());
                above = text;
            }
        }
        causes
    }
}

impl<E: Classified> From<E> for CommandError {
    fn from(error: E) -> Self {
        Self {
            class: error.class(),
            notes: Vec::new(),
            hints: error.hints(),
            object: error.object(),
            error: anyhow::Error::new(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_already_told_is_not_told_again() {
        let inner = anyhow::anyhow!("connection refused");
        let error = CommandError {
            class: ErrorClass::Unreachable,
            error: inner
                .context("cannot connect: connection refused")
                .context("cannot read queues"),
            notes: vec![],
            hints: vec![],
            object: None,
        };
        assert_eq!(error.causes(), ["cannot connect: connection refused"]);
    }
}
