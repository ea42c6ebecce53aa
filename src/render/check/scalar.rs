//! Single values, by the rules of the API server.

use serde_json::Value;

use super::finding::{FieldPath, Findings, ReadBy};

/// A kind of value that has no fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    Text,
    /// A whole number of 32 bits.
    Int32,
    /// A whole number of 64 bits.
    Int64,
    /// Any number.
    Number,
    /// True or false.
    Boolean,
    /// A number of 32 bits or a text, as ports have it.
    IntOrString,
    /// An amount such as `500m`.
    Quantity,
    /// A time by RFC 3339.
    Time,
    /// Bytes, as base64.
    Bytes,
}

impl Scalar {
    fn expected(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Int32 | Self::Int64 => "an integer",
            Self::Number => "a number",
            Self::Boolean => "a boolean",
            Self::IntOrString => "an integer or a string",
            Self::Quantity => "a quantity such as 4, 500m or 32Gi",
            Self::Time => "a time",
            Self::Bytes => "base64",
        }
    }

    fn accepts(self, value: &Value, read_by: ReadBy) -> bool {
        match (self, value) {
            (Self::Text | Self::Time | Self::IntOrString, Value::String(_)) => true,
            (Self::Boolean, Value::Bool(_)) => true,
            (Self::Number, Value::Number(_)) => true,
            (Self::Int32 | Self::IntOrString, Value::Number(number)) => {
                whole(number, read_by).is_some_and(|n| i32::try_from(n).is_ok())
            }
            (Self::Int64, Value::Number(number)) => whole(number, read_by).is_some(),
            // A schema has quantities as integers and texts.
            (Self::Quantity, Value::Number(number)) => {
                read_by != ReadBy::Schema || whole(number, read_by).is_some()
            }
            (Self::Quantity, Value::String(text)) => is_quantity(text),
            (Self::Bytes, Value::String(text)) => is_base64(text),
            // Go takes a list of bytes too.
            (Self::Bytes, Value::Array(bytes)) => bytes.iter().all(Value::is_u64),
            // Null is the same as nothing.
            (_, Value::Null) => true,
            _ => false,
        }
    }
}

/// Checks a value.
pub(super) fn check(scalar: Scalar, value: &Value, place: FieldPath<'_>, findings: &mut Findings) {
    if !scalar.accepts(value, findings.read_by) {
        findings.wrong_type(place, value, scalar.expected());
    }
}

/// Returns the number, if it passes for an integer.
fn whole(number: &serde_json::Number, read_by: ReadBy) -> Option<i64> {
    const LARGEST: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        _ if !number.is_f64() => number.as_i64(),
        Some(float)
            if read_by != ReadBy::Decoder && float.fract() == 0.0 && float.abs() < LARGEST =>
        {
            format!("{float:.0}").parse().ok()
        }
        _ => None,
    }
}

/// Returns whether `text` is written as a quantity; what no number can hold
/// is cut down to the largest (`resource.ParseQuantity`, v0.36).
fn is_quantity(text: &str) -> bool {
    const SUFFIXES: [&str; 16] = [
        "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
    ];
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let end = unsigned
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let exponent = suffix
        .strip_prefix(['e', 'E'])
        .map(|exponent| exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
    number.contains(|c: char| c.is_ascii_digit())
        && number.matches('.').count() <= 1
        && (SUFFIXES.contains(&suffix)
            || exponent.is_some_and(|digits| {
                !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
            }))
}

/// Returns whether `text` is base64 to Go, which reads past line ends.
fn is_base64(text: &str) -> bool {
    let symbols: Vec<u8> = text
        .bytes()
        .filter(|byte| !matches!(byte, b'\r' | b'\n'))
        .collect();
    let padding = symbols.iter().rev().take_while(|b| **b == b'=').count();
    symbols.len().is_multiple_of(4)
        && padding <= 2
        && symbols[..symbols.len() - padding]
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"+/".contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_recognised_as_they_are_written() {
        for text in [
            "0", "1", "500m", "32Gi", "0.5", ".5", "5.", "+1", "-1Ki", "1e3", "1E-3", "1E", "1e99",
        ] {
            assert!(is_quantity(text), "{text}");
        }
        for text in [
            "", ".", "Gi", "4 Gi", "1.2.3", "1x", "--1", "1e", "32GB", "0x10",
        ] {
            assert!(!is_quantity(text), "{text}");
        }
    }

    #[test]
    fn base64_is_recognised_as_go_reads_it() {
        for text in ["", "YQ==", "YWI=", "YWJj", "YW\nJj\n", "+/+/"] {
            assert!(is_base64(text), "{text:?}");
        }
        for text in ["a", "plain text", "YQ=", "Y===", "YQ==YQ==", "YW-_"] {
            assert!(!is_base64(text), "{text:?}");
        }
    }
}
