//! The port of a service, as the one text that a flag, a variable and a file share:
//! `3000`, or `80:3000` where its Service has another.

use std::fmt;
use std::str::FromStr;

use serde_json::json;

use crate::schema::Schema;
use crate::yaml::{deserialize_from_text, serialize_as_text};

/// A port of a Service, and the one of the containers behind it, as numbers that may
/// be none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortPair {
    service: i64,
    container: i64,
}

impl PortPair {
    /// Returns the port of the Service and that of the containers.
    ///
    /// # Errors
    /// The number that is no port.
    pub fn checked(self) -> Result<(u16, u16), i64> {
        let port = |number: i64| {
            let port = u16::try_from(number).ok().filter(|port| *port > 0);
            port.ok_or(number)
        };
        Ok((port(self.service)?, port(self.container)?))
    }
}

impl FromStr for PortPair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let port = |text: &str| {
            text.trim()
                .parse()
                .map_err(|_| "expected a port, or two: SERVICE:CONTAINER, as in 80:3000".to_owned())
        };
        let (service, container) = text.split_once(':').unwrap_or((text, text));
        Ok(Self {
            service: port(service)?,
            container: port(container)?,
        })
    }
}

impl fmt::Display for PortPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.service == self.container {
            true => write!(f, "{}", self.container),
            false => write!(f, "{}:{}", self.service, self.container),
        }
    }
}

deserialize_from_text!(PortPair);
serialize_as_text!(PortPair);

impl Schema for PortPair {
    fn schema() -> serde_json::Value {
        json!({"type": ["integer", "string"], "pattern": r"^\s*[-+]?[0-9]+\s*(:\s*[-+]?[0-9]+\s*)?$", "examples": [8000, "80:3000"]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_port_or_two() {
        for (text, service, container) in [("8000", 8000, 8000), ("80:3000", 80, 3000)] {
            let port: PortPair = text.parse().unwrap();
            assert_eq!(port.checked(), Ok((service, container)));
            assert_eq!(port.to_string(), text);
        }
        for text in ["", "80:", ":80", "80:3000:1", "http", "tcp://x:1"] {
            assert!(text.parse::<PortPair>().is_err(), "{text}");
        }
        for (text, number) in [("0", 0), ("65536", 65536), ("80:-1", -1)] {
            assert_eq!(text.parse::<PortPair>().unwrap().checked(), Err(number));
        }
    }
}
