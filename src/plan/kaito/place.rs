//! Places of data that KAITO reads or writes, each as the one text that a flag,
//! a variable and a file share.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::fmt;
use std::str::FromStr;

use crate::names::is_dns_1123_subdomain;
use crate::schema::{self, Schema};
use crate::yaml::{deserialize_from_text, serialize_as_text};

/// What a claim begins with.
const CLAIM: &str = "pvc:";

/// An image, or a PersistentVolumeClaim: `IMAGE` or `pvc:CLAIM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageOrClaim {
    /// An image of a registry.
    Image(String),
    Claim(String),
}

impl ImageOrClaim {
    /// Returns the image, if it is one.
    pub fn image(&self) -> Option<&str> {
        match self {
            Self::Image(image) => Some(image),
            Self::Claim(_) => None,
        }
    }

    /// Returns the claim, if it is one.
    pub fn claim(&self) -> Option<&str> {
        match self {
            Self::Claim(claim) => Some(claim),
            Self::Image(_) => None,
        }
    }
}

impl FromStr for ImageOrClaim {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(claim) = text.strip_prefix(CLAIM) {
            return match is_dns_1123_subdomain(claim) {
                true => Ok(Self::Claim(claim.to_owned())),
                false => Err("the part after pvc: is not a valid claim name".to_owned()),
            };
        }
        if text.contains("://") {
            return Err("expected an image or pvc:CLAIM".to_owned());
        }
        match is_image(text) {
            true => Ok(Self::Image(text.to_owned())),
            false => Err("not a valid image; for a claim use pvc:CLAIM".to_owned()),
        }
    }
}

impl fmt::Display for ImageOrClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(image) => f.write_str(image),
            Self::Claim(claim) => write!(f, "{CLAIM}{claim}"),
        }
    }
}

deserialize_from_text!(ImageOrClaim);
serialize_as_text!(ImageOrClaim);

impl Schema for ImageOrClaim {
    fn schema() -> serde_json::Value {
        schema::text("^[^ ]+$", &["registry/adapter:1", "pvc:adapters"])
    }
}

/// Where the data to tune with is: a URL, or an [`ImageOrClaim`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TuningInput {
    /// A file that is fetched by `http` or `https`.
    Url(String),
    /// An image or a claim.
    Place(ImageOrClaim),
}

impl FromStr for TuningInput {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return text.parse().map(Self::Place);
        };
        check_url(text, scheme, rest)?;
        Ok(Self::Url(text.to_owned()))
    }
}

impl fmt::Display for TuningInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.write_str(url),
            Self::Place(place) => place.fmt(f),
        }
    }
}

deserialize_from_text!(TuningInput);
serialize_as_text!(TuningInput);

impl Schema for TuningInput {
    fn schema() -> serde_json::Value {
        schema::text(
            "^[^ ]+$",
            &["https://host/data.parquet", "registry/data:1", "pvc:data"],
        )
    }
}

/// Checks the URL of data, as KAITO's webhook does (`validateDataSourceURL`,
/// v0.12).
///
/// # Errors
/// Why the webhook would reject it.
pub fn check_url(url: &str, scheme: &str, rest: &str) -> Result<(), String> {
    if !["http", "https"].contains(&scheme.to_lowercase().as_str()) {
        return Err("KAITO only downloads data over http or https".to_owned());
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let host = host.to_lowercase();
    if host.is_empty() || url.contains(char::is_whitespace) {
        return Err("not a valid URL".to_owned());
    }
    match is_local(&host) {
        true => Err("KAITO rejects local and private hosts and metadata endpoints".to_owned()),
        false => Ok(()),
    }
}

fn is_local(host: &str) -> bool {
    const METADATA: [&str; 3] = [
        "metadata.google.internal",
        "metadata.google",
        "instance-data.ec2.internal",
    ];
    if host == "localhost" || host.ends_with(".localhost") || METADATA.contains(&host) {
        return true;
    }
    match host.split('%').next().unwrap_or(host).parse() {
        Ok(IpAddr::V4(address)) => is_private(address),
        Ok(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
            Some(mapped) => is_private(mapped),
            None => is_private_v6(address),
        },
        Err(_) => false,
    }
}

fn is_private(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || (a, b, c) == (224, 0, 0)
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    address.is_loopback()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        || address.segments()[0] & 0xff0f == 0xff02
}

fn is_image(text: &str) -> bool {
    let words = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    !text.is_empty() && text.chars().all(words) && !text.starts_with(['/', ':', '@', '-'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_a_claim_or_a_url() {
        for text in ["registry:5000/data@sha256:abc", "pvc:data", "data"] {
            assert_eq!(text.parse::<ImageOrClaim>().unwrap().to_string(), text);
            assert_eq!(text.parse::<TuningInput>().unwrap().to_string(), text);
        }
        assert_eq!("pvc:d".parse(), Ok(ImageOrClaim::Claim("d".into())));
        let url = "https://huggingface.co/datasets/x/data.parquet?download=true";
        assert_eq!(url.parse(), Ok(TuningInput::Url(url.into())));
        for text in ["", "pvc:", "pvc:A", "a b", "/x", "https://x/y"] {
            assert!(text.parse::<ImageOrClaim>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn urls_that_kaito_rejects_are_refused() {
        for url in [
            "http://localhost/x",
            "https://a.localhost:80/x",
            "http://127.0.0.1/x",
            "http://10.1.2.3/x",
            "http://172.16.0.1",
            "http://192.168.1.1?x",
            "http://169.254.169.254/latest/meta-data",
            "http://metadata.google.internal/x",
            "http://user@LOCALHOST/x",
            "http://[::1]:80/x",
            "http://[fe80::1%25eth0]/x",
            "http://[fd00::1]/x",
            "http://[::ffff:10.0.0.1]/x",
        ] {
            let why = url.parse::<TuningInput>().unwrap_err();
            assert!(why.contains("local and private"), "{url}: {why}");
        }
        for url in [
            "ftp://x/y",
            "s3://bucket/x",
            "hf://org/data",
            "http://",
            "http:///x",
        ] {
            assert!(url.parse::<TuningInput>().is_err(), "{url}");
        }
        for url in ["http://8.8.8.8/x", "http://[2001:db8::1]/x", "HTTPS://host"] {
            let _: TuningInput = url.parse().unwrap();
        }
    }
}
