//! The number of a service's pods that must stay available while nodes are
//! drained.

use std::fmt;
use std::str::FromStr;

use serde_json::{Value, json};

use crate::schema::Schema;
use crate::yaml::{deserialize_from_text, serialize_as_text};

/// Pods that an eviction has to leave: `1`, or `50%` of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MinAvailable {
    /// So many pods, at least 1.
    Pods(i64),
    /// So many of a hundred, from 1 to 100.
    Percent(i64),
}

impl MinAvailable {
    /// Returns how many of so many pods these are, as the disruption controller
    /// counts them: a part of a pod is a whole one.
    pub fn out_of(self, pods: i64) -> i64 {
        match self {
            Self::Pods(count) => count,
            Self::Percent(percent) => pods
                .saturating_mul(percent)
                .saturating_add(99)
                .saturating_div(100),
        }
    }

    /// Returns it as a PodDisruptionBudget takes it.
    pub fn to_json(self) -> Value {
        match self {
            Self::Pods(count) => json!(count),
            Self::Percent(_) => json!(self.to_string()),
        }
    }
}

impl FromStr for MinAvailable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || "expected a number of pods such as 1, or a percentage such as 50%".to_owned();
        let (digits, percent) = match text.strip_suffix('%') {
            Some(digits) => (digits, true),
            None => (text, false),
        };
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        let number = digits.parse::<i32>().map(i64::from).map_err(|_| wrong())?;
        match (number, percent) {
            (0, _) => Err(format!("{text:?} protects no pods; try 1, or remove it")),
            (101.., true) => Err(format!("{text:?} is more than all pods; try 50%")),
            (_, true) => Ok(Self::Percent(number)),
            (_, false) => Ok(Self::Pods(number)),
        }
    }
}

impl fmt::Display for MinAvailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pods(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

deserialize_from_text!(MinAvailable);
serialize_as_text!(MinAvailable);

impl Schema for MinAvailable {
    fn schema() -> Value {
        json!({"type": ["integer", "string"], "minimum": 1, "pattern": "^[0-9]+%?$",
               "examples": [1, "50%"]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_parts() {
        assert_eq!("2".parse(), Ok(MinAvailable::Pods(2)));
        assert_eq!("50%".parse(), Ok(MinAvailable::Percent(50)));
        assert_eq!(MinAvailable::Percent(50).out_of(3), 2);
        assert_eq!(MinAvailable::Percent(100).out_of(3), 3);
        assert_eq!(MinAvailable::Pods(2).out_of(9), 2);
        for (text, said) in [
            ("0", "\"0\" protects no pods; try 1, or remove it"),
            ("0%", "\"0%\" protects no pods; try 1, or remove it"),
            ("101%", "\"101%\" is more than all pods; try 50%"),
            (
                "half",
                "expected a number of pods such as 1, or a percentage such as 50%",
            ),
            (
                "",
                "expected a number of pods such as 1, or a percentage such as 50%",
            ),
            (
                "-1",
                "expected a number of pods such as 1, or a percentage such as 50%",
            ),
        ] {
            assert_eq!(text.parse::<MinAvailable>().unwrap_err(), said);
        }
    }
}
