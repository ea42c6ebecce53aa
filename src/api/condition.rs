//! Conditions, by which controllers report the state of their objects.

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

/// Entry of `status.conditions`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Word for programs.
    pub reason: String,
    /// Words for people.
    pub message: String,
    /// When the status changed last.
    pub last_transition_time: Option<Timestamp>,
}

impl Condition {
    /// Returns whether it holds.
    pub fn holds(&self) -> bool {
        self.status == "True"
    }

    /// Returns the words for people, or the one for programs if there are none.
    pub fn words(&self) -> &str {
        match self.message.as_str() {
            "" => &self.reason,
            message => message,
        }
    }
}

/// Returns the condition of this type.
pub fn condition<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.kind == kind)
}

/// Returns the condition of this type if it holds.
pub fn holds<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    condition(conditions, kind).filter(|condition| condition.holds())
}
