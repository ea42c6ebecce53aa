//! The host under which a service is reached from outside, as the one text that
//! a flag, a variable and a file share.

use std::fmt;
use std::str::FromStr;

use crate::names::is_dns_1123_subdomain;
use crate::schema::{self, Schema};
use crate::secrecy::is_name;
use crate::yaml::{deserialize_from_text, serialize_as_text};

/// A host that an Ingress leads to a service: `HOST[,CLASS]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngressHost {
    /// The host, of which the first label may be `*`.
    pub host: String,
    /// IngressClass; the cluster's default if absent.
    pub class: Option<String>,
}

impl FromStr for IngressHost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, class) = match text.split_once(',') {
            Some((host, class)) => (host, Some(class)),
            None => (text, None),
        };
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
            return Err("this is an address; an Ingress goes by names".to_owned());
        }
        match class {
            Some(class) if !is_dns_1123_subdomain(class) => {
                Err("what follows the comma cannot name an IngressClass".to_owned())
            }
            class => Ok(Self {
                host: host.to_owned(),
                class: class.map(str::to_owned),
            }),
        }
    }
}

impl fmt::Display for IngressHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.class {
            Some(class) => write!(f, "{},{class}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

deserialize_from_text!(IngressHost);
serialize_as_text!(IngressHost);

impl Schema for IngressHost {
    fn schema() -> serde_json::Value {
        let pattern = r"^(\*\.)?[a-z0-9][a-z0-9.-]*(,[a-z0-9][a-z0-9.-]*)?$";
        schema::text(pattern, &["chat.example.org", "chat.example.org,nginx"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_their_classes() {
        for text in ["chat.example.org", "chat.example.org,nginx", "*.ml.local"] {
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
            ("10.0.0.1", "this is an address; an Ingress goes by names"),
            ("a.b,", "what follows the comma cannot name an IngressClass"),
            (
                "a.b,Nginx",
                "what follows the comma cannot name an IngressClass",
            ),
        ] {
            assert_eq!(text.parse::<IngressHost>().unwrap_err(), said);
        }
    }
}
