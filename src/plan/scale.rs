//! How many replicas a service may have at its least and at its busiest.

use std::fmt;
use std::str::FromStr;

use serde_json::json;

use crate::schema::Schema;
use crate::yaml::{deserialize_from_text, serialize_as_text};

/// Bounds of the replicas of a service: `1-5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// Least, at least 0.
    pub min: i64,
    /// Most, at least 1.
    pub max: i64,
}

impl FromStr for Scale {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} are no bounds such as 1-5");
        let (min, max) = text.split_once('-').ok_or_else(wrong)?;
        let number = |text: &str| match text.bytes().all(|b| b.is_ascii_digit()) {
            true => text.parse::<i32>().map(i64::from).map_err(|_| wrong()),
            false => Err(wrong()),
        };
        let (min, max) = (number(min)?, number(max)?);
        match (min <= max, max) {
            (true, 1..) => Ok(Self { min, max }),
            (true, _) => Err(format!("{text:?} allows no replica; try 0-1")),
            (false, _) => Err(format!("the bounds {text:?} are reversed; try {max}-{min}")),
        }
    }
}

deserialize_from_text!(Scale);
serialize_as_text!(Scale);

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.min, self.max)
    }
}

impl Schema for Scale {
    fn schema() -> serde_json::Value {
        json!({"type": "string", "pattern": "^[0-9]+-[0-9]+$", "examples": ["1-5"]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_and_checked() {
        assert_eq!("0-4".parse(), Ok(Scale { min: 0, max: 4 }));
        assert_eq!(Scale { min: 1, max: 5 }.to_string(), "1-5");
        for (text, said) in [
            ("5-1", "the bounds \"5-1\" are reversed; try 1-5"),
            ("0-0", "\"0-0\" allows no replica; try 0-1"),
            ("3", "\"3\" are no bounds such as 1-5"),
            ("-1-2", "\"-1-2\" are no bounds such as 1-5"),
            ("1-", "\"1-\" are no bounds such as 1-5"),
            (
                "1-99999999999",
                "\"1-99999999999\" are no bounds such as 1-5",
            ),
        ] {
            assert_eq!(text.parse::<Scale>().unwrap_err(), said);
        }
    }
}
