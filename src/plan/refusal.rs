//! The error that a request cannot be planned.

use std::fmt;

use crate::error::{Classified, ErrorClass};
use crate::suggestion::Suggestion;

/// A submission that cannot be, with what can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub message: String,
    /// What the user can do, best first.
    pub hints: Vec<Suggestion>,
    /// The object it is about.
    pub object: Option<String>,
}

impl Refusal {
    /// Creates a refusal that says `message`.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hints: Vec::new(),
            object: None,
        }
    }

    /// Adds a hint after those it has.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Suggestion>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Names the object it is about.
    #[must_use]
    pub fn about(mut self, object: impl Into<String>) -> Self {
        self.object = Some(object.into());
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl Classified for Refusal {
    fn class(&self) -> ErrorClass {
        ErrorClass::Refused
    }

    fn hints(&self) -> Vec<Suggestion> {
        self.hints.clone()
    }

    fn object(&self) -> Option<String> {
        self.object.clone()
    }
}
