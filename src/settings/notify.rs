//! Who is told that a wait has ended.

use std::fmt;
use std::str::FromStr;

use crate::schema::{self, Schema};
use crate::secrecy::{Confidential, HIDDEN, looks_secret};
use crate::yaml::{deserialize_from_text, serialize_as_text};

/// A URL that gets the end as JSON, or a command that gets it as a line. Both may hold
/// secrets, so that no more is shown than the host or the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notify {
    /// `https://` or `http://`, with a host.
    Url(Confidential<String>),
    /// A line for a shell.
    Command(Confidential<String>),
}

impl FromStr for Notify {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let is_scheme = |scheme: &str| scheme.bytes().all(|b| b.is_ascii_alphanumeric());
        match text
            .split_once("://")
            .filter(|(scheme, _)| is_scheme(scheme))
        {
            _ if text.is_empty() || text.contains('\0') => {
                Err("expected a command, or a URL".to_owned())
            }
            Some((scheme, rest)) => {
                let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
                let is_plain = text.bytes().all(|b| b.is_ascii_graphic());
                match scheme.to_ascii_lowercase().as_str() {
                    _ if authority.contains('@') => Err(
                        "a URL must not contain a user or password; use a command such as curl"
                            .to_owned(),
                    ),
                    "http" | "https" if !authority.is_empty() && is_plain => {
                        Ok(Self::Url(Confidential::new(text.to_owned())))
                    }
                    _ => Err("expected a URL such as https://HOST/PATH, or a command".to_owned()),
                }
            }
            None => Ok(Self::Command(Confidential::new(text.to_owned()))),
        }
    }
}

impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => {
                let url = url.expose();
                let (scheme, rest) = url.split_once("://").unwrap_or_default();
                let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                let more = if end < rest.len() { "/…" } else { "" };
                write!(f, "{scheme}://{}{more}", &rest[..end])
            }
            Self::Command(command) => {
                let command = command.expose();
                let (program, more) = match command.split_once(char::is_whitespace) {
                    Some((program, _)) => (program, " …"),
                    None => (command.as_str(), ""),
                };
                // A variable before the program can be anything.
                match program.contains('=') || looks_secret(program) {
                    true => f.write_str(HIDDEN),
                    false => write!(f, "{program}{more}"),
                }
            }
        }
    }
}

deserialize_from_text!(Notify);
serialize_as_text!(Notify);

impl Schema for Notify {
    fn schema() -> serde_json::Value {
        schema::text(
            "\\S",
            &[
                "https://hooks.example.org/kaiwo",
                "notify-send \"$KAIWO_MESSAGE\"",
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_shown_than_the_host_or_the_program() {
        for (text, shown) in [
            (
                "https://hooks.example.org/services/T0/canary",
                "https://hooks.example.org/…",
            ),
            (
                "HTTP://127.0.0.1:9000?token=canary",
                "HTTP://127.0.0.1:9000/…",
            ),
            ("http://host", "http://host"),
            ("curl -H 'X-Token: canary' https://host", "curl …"),
            ("TOKEN=canary notify", "…"),
            ("notify-send", "notify-send"),
            ("hf_abcdefghijklmnop", "…"),
        ] {
            let notify: Notify = text.parse().unwrap();
            assert_eq!(notify.to_string(), shown);
            assert!(format!("{notify:?}").ends_with("(…)"));
            assert_eq!(serde_json::json!(notify), shown);
            let is_url = text.to_ascii_lowercase().starts_with("http");
            assert_eq!(matches!(notify, Notify::Url(_)), is_url, "{text}");
        }
        for text in [
            "",
            " ",
            "ftp://host/x",
            "https://",
            "https:///x",
            "https://a b",
            "http://u:canary@host",
        ] {
            let error = text.parse::<Notify>().unwrap_err();
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
