//! The host under which a service is reached from outside, as the one text that
//! a flag, a variable and a file share.

use std::fmt;
use std::str::FromStr;

use crate::names::is_dns_1123_subdomain;
use crate::schema::{self, Schema};
use crate::secrecy::is_name;
use crate::yaml::{deserialize_from_text, serialize_as_text};

/// A host that an Ingress leads to a service: `HOST[,CLASS][,TLS-SECRET]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngressHost {
    /// The host, of which the first label may be `*`.
    pub host: String,
    /// IngressClass; the cluster's default if absent.
    pub class: Option<String>,
    /// Secret with its certificate; without TLS if absent.
    pub tls_secret: Option<String>,
}

impl FromStr for IngressHost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let host = parts.next().unwrap_or_default();
        // Before a Secret the class may be left open: HOST,,SECRET.
        let (class, tls_secret) = match (parts.next(), parts.next()) {
            (Some(""), Some(secret)) => (None, Some(secret)),
            (class, secret) => (class, secret),
        };
        if parts.next().is_some() {
            return Err("expected at most HOST,CLASS,TLS-SECRET".to_owned());
        }
        let name = host.strip_prefix("*.").unwrap_or(host);
        if !is_dns_1123_subdomain(name) {
            let bare = name.split("://").last().unwrap_or_default();
            let bare = bare.split(['/', ':']).next().unwrap_or_default();
            let bare = bare.to_lowercase();
            let instead = match is_name(host) && is_dns_1123_subdomain(&bare) {
                true => format!("; try {bare}"),
                false => " such as chat.example.org, or HOST,CLASS".to_owned(),
            };
            return Err(format!("not a host name{instead}"));
        }
        // An address has no name by which an Ingress could tell it.
        let number = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if name.split('.').count() == 4 && name.split('.').all(number) {
            return Err("an Ingress needs a host name, not an IP address".to_owned());
        }
        match class {
            Some(class) if !is_dns_1123_subdomain(class) => {
                Err("the part after the comma is not a valid IngressClass name".to_owned())
            }
            _ if tls_secret.is_some_and(|secret| !is_dns_1123_subdomain(secret)) => {
                Err("the part after the second comma is not a valid Secret name".to_owned())
            }
            class => Ok(Self {
                host: host.to_owned(),
                class: class.map(str::to_owned),
                tls_secret: tls_secret.map(str::to_owned),
            }),
        }
    }
}

impl fmt::Display for IngressHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        match (&self.class, &self.tls_secret) {
            (None, None) => Ok(()),
            (Some(class), None) => write!(f, ",{class}"),
            (class, Some(secret)) => {
                write!(f, ",{},{secret}", class.as_deref().unwrap_or_default())
            }
        }
    }
}

deserialize_from_text!(IngressHost);
serialize_as_text!(IngressHost);

impl Schema for IngressHost {
    fn schema() -> serde_json::Value {
        let pattern = r"^(\*\.)?[a-z0-9][a-z0-9.-]*(,[a-z0-9][a-z0-9.-]*|,([a-z0-9][a-z0-9.-]*)?,[a-z0-9][a-z0-9.-]*)?$";
        let examples = ["chat.example.org", "chat.example.org,nginx,chat-tls"];
        schema::text(pattern, &examples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_their_classes() {
        for text in [
            "chat.example.org",
            "chat.example.org,nginx",
            "chat.example.org,nginx,chat-tls",
            "chat.example.org,,chat-tls",
            "*.ml.local",
        ] {
            assert_eq!(text.parse::<IngressHost>().unwrap().to_string(), text);
        }
        for (text, said) in [
            (
                "https://Chat.example.org/v1",
                "not a host name; try chat.example.org",
            ),
            (
                "chat.example.org:443",
                "not a host name; try chat.example.org",
            ),
            (
                "",
                "not a host name such as chat.example.org, or HOST,CLASS",
            ),
            (
                "10.0.0.1",
                "an Ingress needs a host name, not an IP address",
            ),
            (
                "a.b,",
                "the part after the comma is not a valid IngressClass name",
            ),
            (
                "a.b,Nginx",
                "the part after the comma is not a valid IngressClass name",
            ),
            (
                "a.b,,",
                "the part after the second comma is not a valid Secret name",
            ),
            (
                "a.b,nginx,TLS",
                "the part after the second comma is not a valid Secret name",
            ),
            ("a.b,nginx,tls,x", "expected at most HOST,CLASS,TLS-SECRET"),
        ] {
            assert_eq!(text.parse::<IngressHost>().unwrap_err(), said);
        }
    }
}
