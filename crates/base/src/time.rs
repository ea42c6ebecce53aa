//! The one form of a length of time, in flags, variables and files.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::yaml::{deserialize_from_text, serialize_as_text};

/// A length of time: `90`, `90s`, `30m`, `1h30m`, `2d`. Whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds(pub i64);

impl Seconds {
    /// Returns it for clocks, which cannot count further than some ages.
    pub fn duration(self) -> Duration {
        Duration::from_secs(u32::try_from(self.0).unwrap_or(u32::MAX).into())
    }
}

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        seconds(text)
            .map(Self)
            .ok_or_else(|| "expected a time such as 90s, 30m, 1h30m or 7d".to_owned())
    }
}

fn seconds(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<i64>() {
        return (seconds >= 0).then_some(seconds);
    }
    let mut total: i64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let unit = after.chars().next()?;
        let scale = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        let seconds = number.parse::<i64>().ok()?.checked_mul(scale)?;
        total = total.checked_add(seconds)?;
        rest = &after[unit.len_utf8()..];
    }
    (!text.is_empty()).then_some(total)
}

deserialize_from_text!(Seconds);
serialize_as_text!(Seconds);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0)
    }
}

/// A length of time in which something has to happen: more than none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(Duration);

impl Limit {
    /// Returns it for clocks.
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<Seconds>()? {
            Seconds(0) => Err("must be 1s or more".to_owned()),
            time => Ok(Self(time.duration())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, seconds) in [
            ("0", 0),
            ("90", 90),
            ("90s", 90),
            ("1h30m", 5_400),
            ("2d", 172_800),
        ] {
            assert_eq!(text.parse(), Ok(Seconds(seconds)), "{text}");
        }
        for text in [
            "",
            "h",
            "1x",
            "-1",
            "1h-2m",
            "99999999999999999999s",
            "9223372036854775807d",
            "1é",
        ] {
            assert!(text.parse::<Seconds>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_read_is_written_back() {
        assert_eq!("90s".parse::<Seconds>().unwrap().to_string(), "90s");
    }

    #[test]
    fn a_limit_is_more_than_nothing() {
        let limit = |text: &str| text.parse::<Limit>().map(Limit::duration);
        assert_eq!(limit("15s"), Ok(Duration::from_secs(15)));
        for text in ["0", "0s", "soon"] {
            assert!(limit(text).is_err(), "{text}");
        }
        let longest = limit("9223372036854775807").unwrap();
        assert!(std::time::Instant::now().checked_add(longest).is_some());
    }
}
