//! GPU time: GPUs multiplied by the time for which a workload held them.

use k8s_openapi::jiff::Timestamp;
use serde::{Serialize, Serializer};

/// How exact an amount is.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Bound {
    /// It is this amount.
    #[default]
    Exact,
    /// It is this much or more: something that counts is no longer recorded.
    AtLeast,
    /// It is this much or less: pods ended before the others, at unknown times.
    AtMost,
    /// It may be more or less.
    About,
}

impl Bound {
    /// Returns how exact the sum of two amounts is.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Exact, other) => other,
            (own, Self::Exact) => own,
            (own, other) if own == other => own,
            _ => Self::About,
        }
    }

    /// Returns the mark before an amount; empty if it is exact.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Exact => "",
            Self::AtLeast => "≥ ",
            Self::AtMost => "≤ ",
            Self::About => "≈ ",
        }
    }
}

/// GPU-seconds, and how exact they are.
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(with = "f64"))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GpuTime {
    /// GPU-seconds.
    pub seconds: i64,
    /// How exact they are.
    pub bound: Bound,
}

impl GpuTime {
    /// Returns `gpus` held for `seconds`.
    pub fn new(gpus: i64, seconds: i64, bound: Bound) -> Self {
        Self {
            seconds: gpus * seconds,
            // Without GPUs the time does not matter.
            bound: if gpus == 0 { Bound::Exact } else { bound },
        }
    }

    /// Returns both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            seconds: self.seconds + other.seconds,
            bound: self.bound.and(other.bound),
        }
    }

    /// Returns GPU-hours.
    pub fn hours(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let hours = self.seconds as f64 / 3600.0;
        hours
    }

    /// Returns GPU-hours for people: `≥ 12.5`.
    pub fn text(self) -> String {
        format!("{}{:.1}", self.bound.mark(), self.hours())
    }
}

/// As GPU-hours, to the thousandth.
impl Serialize for GpuTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64((self.hours() * 1000.0).round() / 1000.0)
    }
}

/// A span of time that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
}

impl Period {
    /// Returns how many seconds of a time are in the period.
    pub fn overlap(self, begin: Timestamp, end: Timestamp) -> i64 {
        let begin = begin.max(self.from).as_second();
        (end.min(self.to).as_second() - begin).max(0)
    }

    /// Returns whether a moment is in the period.
    pub fn contains(self, moment: Timestamp) -> bool {
        self.from <= moment && moment <= self.to
    }

    /// Returns how many of `seconds`, spent at unknown times since `begin`, are in
    /// the period at least, and whether that is all of them.
    pub fn least(self, seconds: i64, begin: Option<Timestamp>) -> (i64, bool) {
        let before = begin.map_or(i64::MAX, |begin| {
            (self.from.as_second() - begin.as_second()).max(0)
        });
        let least = seconds.saturating_sub(before).max(0);
        (least, least == seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_sum_is_as_exact_as_its_parts() {
        use Bound::{About, AtLeast, AtMost, Exact};
        for (one, other, sum) in [
            (Exact, Exact, Exact),
            (Exact, AtLeast, AtLeast),
            (AtMost, Exact, AtMost),
            (AtMost, AtLeast, About),
            (About, AtLeast, About),
        ] {
            assert_eq!(one.and(other), sum, "{one:?} {other:?}");
        }
        let time = GpuTime::new(8, 5400, AtLeast);
        assert_eq!(time.text(), "≥ 12.0");
        assert_eq!(GpuTime::new(0, 5400, AtLeast).bound, Exact);
    }

    #[test]
    fn only_what_is_in_the_period_counts() {
        let period = Period {
            from: at(1000),
            to: at(2000),
        };
        assert_eq!(period.overlap(at(500), at(1200)), 200);
        assert_eq!(period.overlap(at(1900), at(5000)), 100);
        assert_eq!(period.overlap(at(0), at(900)), 0);
        // Of 300 seconds at unknown times since 900, 200 are in it at least.
        assert_eq!(period.least(300, Some(at(900))), (200, false));
        assert_eq!(period.least(300, Some(at(1000))), (300, true));
        assert_eq!(period.least(300, None), (0, false));
    }
}
