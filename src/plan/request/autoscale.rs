//! The fewest and the most replicas of a service, and the metric by which a
//! HorizontalPodAutoscaler chooses between them.

use std::fmt;
use std::str::FromStr;

use serde_json::json;

use crate::quantity::Quantity;
use crate::schema::{self, Schema};
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
        let wrong = || "expected MIN-MAX, such as 1-5".to_owned();
        let (min, max) = text.split_once('-').ok_or_else(wrong)?;
        let number = |text: &str| match text.bytes().all(|b| b.is_ascii_digit()) {
            true => text.parse::<i32>().map(i64::from).map_err(|_| wrong()),
            false => Err(wrong()),
        };
        let (min, max) = (number(min)?, number(max)?);
        match (min <= max, max) {
            (true, 1..) => Ok(Self { min, max }),
            (true, _) => Err(format!("{text:?} allows no replicas; try 0-1")),
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

/// A metric of the pods, and what each of them is to have on the average:
/// `NAME=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricTarget {
    /// Name of the metric, as `custom.metrics.k8s.io` serves it.
    pub name: String,
    /// Average over the pods.
    pub value: Quantity,
}

impl FromStr for MetricTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("expected NAME=VALUE: {why}");
        let (name, value) = text.split_once('=').ok_or_else(|| wrong("it has no ="))?;
        // It becomes a segment of a path (autoscaling/v2, IsValidPathSegmentName).
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-.:".contains(c);
        if name.is_empty() || !name.chars().all(plain) || matches!(name, "." | "..") {
            return Err(wrong("the first part is not a valid metric name"));
        }
        let value: Quantity = value
            .parse()
            .map_err(|_| wrong("the second part must be a number such as 10 or 500m"))?;
        if value <= Quantity::default() {
            return Err(wrong("the value must be more than 0"));
        }
        Ok(Self {
            name: name.to_owned(),
            value,
        })
    }
}

impl fmt::Display for MetricTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

deserialize_from_text!(MetricTarget);
serialize_as_text!(MetricTarget);

impl Schema for MetricTarget {
    fn schema() -> serde_json::Value {
        let pattern =
            r"^[A-Za-z0-9_.:-]+=\+?[0-9]*\.?[0-9]*(n|u|m|k|[MGTPE]|[KMGTPE]i|[eE][-+]?[0-9]+)?$";
        schema::text(pattern, &["queue_length=10"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_of_metrics() {
        let target: MetricTarget = "vllm:num_requests_waiting=5".parse().unwrap();
        assert_eq!(target.name, "vllm:num_requests_waiting");
        assert_eq!(target.to_string(), "vllm:num_requests_waiting=5");
        for (text, said) in [
            ("queue", "expected NAME=VALUE: it has no ="),
            (
                "=5",
                "expected NAME=VALUE: the first part is not a valid metric name",
            ),
            (
                "a/b=5",
                "expected NAME=VALUE: the first part is not a valid metric name",
            ),
            (
                "a=many",
                "expected NAME=VALUE: the second part must be a number such as 10 or 500m",
            ),
            ("a=0", "expected NAME=VALUE: the value must be more than 0"),
        ] {
            assert_eq!(text.parse::<MetricTarget>().unwrap_err(), said);
        }
    }

    #[test]
    fn bounds_are_read_and_checked() {
        assert_eq!("0-4".parse(), Ok(Scale { min: 0, max: 4 }));
        assert_eq!(Scale { min: 1, max: 5 }.to_string(), "1-5");
        for (text, said) in [
            ("5-1", "the bounds \"5-1\" are reversed; try 1-5"),
            ("0-0", "\"0-0\" allows no replicas; try 0-1"),
            ("3", "expected MIN-MAX, such as 1-5"),
            ("-1-2", "expected MIN-MAX, such as 1-5"),
            ("1-", "expected MIN-MAX, such as 1-5"),
            ("1-99999999999", "expected MIN-MAX, such as 1-5"),
        ] {
            assert_eq!(text.parse::<Scale>().unwrap_err(), said);
        }
    }
}
