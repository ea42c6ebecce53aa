//! Chooses the proxy between kaiwo and an API server, by the rules of Go's
//! `net/http`, which kubectl follows. kube 5 has others: it holds `NO_PROXY`
//! against the proxy's own address, and goes to localhost through a proxy.

pub mod tunnel;

use std::net::IpAddr;

use http::{HeaderValue, Uri};
use k8s_openapi::ByteString;
use secrecy::{ExposeSecret as _, SecretString};

/// The variables about proxies, empty where they are not set.
#[derive(Debug, Clone, Default)]
pub struct ProxyVariables {
    /// `HTTPS_PROXY`, else `https_proxy`.
    pub https: String,
    /// `HTTP_PROXY`, else `http_proxy`.
    pub http: String,
    /// `NO_PROXY`, else `no_proxy`.
    pub no_proxy: String,
}

/// A proxy.
#[derive(Clone)]
pub(crate) struct Proxy {
    /// Where it is, without user and password.
    pub(crate) address: Uri,
    user: Option<(String, SecretString)>,
}

/// How a proxy is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// CONNECT, in the clear.
    Http,
    /// CONNECT, over TLS.
    Https,
    /// SOCKS 5; the proxy resolves names.
    Socks5,
}

impl Proxy {
    /// Reads the URL of a proxy. `None` if it is none: the URL may hold a
    /// password, so there is nothing more to tell about it.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "socks5h" => "socks5".to_owned(),
            scheme @ ("http" | "https" | "socks5") => scheme.to_owned(),
            _ => return None,
        };
        let authority = rest.split(['/', '?', '#']).next()?;
        let (user, address) = match authority.rsplit_once('@') {
            Some((user, address)) => {
                let (name, password) = user.split_once(':').unwrap_or((user, ""));
                (
                    Some((percent_decoded(name)?, percent_decoded(password)?.into())),
                    address,
                )
            }
            None => (None, authority),
        };
        let mut address = format!("{scheme}://{address}/").parse::<Uri>().ok()?;
        let host = address.host().filter(|host| !host.is_empty())?;
        if scheme == "socks5" && address.port().is_none() {
            address = format!("{scheme}://{host}:1080/").parse().ok()?;
        }
        Some(Self { address, user })
    }

    /// Returns the proxy that the variables name for `server`, if any.
    pub(crate) fn for_server(server: &Uri, variables: &ProxyVariables) -> Option<Self> {
        let named = match server.scheme_str() {
            Some("https") => &variables.https,
            _ => &variables.http,
        };
        if named.is_empty() || is_exempt(server, &variables.no_proxy) {
            return None;
        }
        // Go passes over what it cannot read, and reads `host:port` as HTTP.
        match named.contains("://") {
            true => Self::parse(named),
            false => Self::parse(&format!("http://{named}")),
        }
    }

    pub(crate) fn protocol(&self) -> Protocol {
        match self.address.scheme_str() {
            Some("https") => Protocol::Https,
            Some("socks5") => Protocol::Socks5,
            _ => Protocol::Http,
        }
    }

    /// Returns user and password, where the URL had them.
    pub(crate) fn user(&self) -> Option<&(String, SecretString)> {
        self.user.as_ref()
    }

    /// Returns the header by which an HTTP proxy knows its user.
    pub(crate) fn authorization(&self) -> Option<HeaderValue> {
        let (name, password) = self.user.as_ref()?;
        basic(name, password)
    }
}

/// Returns the header of basic authentication.
pub(crate) fn basic(name: &str, password: &SecretString) -> Option<HeaderValue> {
    let pair = format!("{name}:{}", password.expose_secret());
    let pair = ByteString(pair.into_bytes());
    let encoded = serde_json::to_value(pair).ok()?;
    let mut header = HeaderValue::try_from(format!("Basic {}", encoded.as_str()?)).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// Returns whether no proxy is used for `server`: this machine, and what
/// `NO_PROXY` lists (`golang.org/x/net/http/httpproxy`).
fn is_exempt(server: &Uri, no_proxy: &str) -> bool {
    let host = server.host().unwrap_or_default();
    let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
    let port = server.port_u16().unwrap_or(match server.scheme_str() {
        Some("https") => 443,
        _ => 80,
    });
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return true;
    }
    let listed = no_proxy
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty());
    listed
        .map(str::to_ascii_lowercase)
        .any(|word| word == "*" || covers(&word, &host, address, port))
}

/// Returns whether a word of `NO_PROXY` means this host: an address, a range
/// of them, or a domain, each but the range with or without a port.
fn covers(word: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if let Some((network, bits)) = word.split_once('/')
        && let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>())
    {
        return address.is_some_and(|address| is_within(address, network, bits));
    }
    let (name, wanted) = match word.rsplit_once(':') {
        Some((name, wanted)) if word.parse::<IpAddr>().is_err() => (name, Some(wanted)),
        _ => (word, None),
    };
    if wanted.is_some_and(|wanted| wanted.parse() != Ok(port)) {
        return false;
    }
    let name = name.trim_matches(['[', ']']);
    if let Ok(listed) = name.parse::<IpAddr>() {
        return address == Some(listed);
    }
    let name = name.strip_prefix('*').unwrap_or(name);
    match name.strip_prefix('.') {
        // `.example.com` means what is below it, `example.com` itself as well.
        Some(domain) => !domain.is_empty() && host.ends_with(name),
        None => !name.is_empty() && (host == name || host.ends_with(&format!(".{name}"))),
    }
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let (address, network, width) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => (u128::from(a.to_bits()), u128::from(n.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(n)) => (a.to_bits(), n.to_bits(), 128),
        _ => return false,
    };
    bits <= width && (bits == 0 || (address ^ network) >> (width - bits) == 0)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(server: &str, no_proxy: &str) -> Option<String> {
        let variables = ProxyVariables {
            https: "proxy:3128".to_owned(),
            http: "http://plain".to_owned(),
            no_proxy: no_proxy.to_owned(),
        };
        Proxy::for_server(&server.parse().unwrap(), &variables)
            .map(|proxy| proxy.address.to_string())
    }

    #[test]
    fn the_scheme_of_the_server_chooses() {
        assert_eq!(
            proxy("https://api:6443", "").as_deref(),
            Some("http://proxy:3128/")
        );
        assert_eq!(proxy("http://api", "").as_deref(), Some("http://plain/"));
    }

    #[test]
    fn no_proxy_as_go_reads_it() {
        // https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config
        for (server, no_proxy) in [
            ("https://localhost:6443", ""),
            ("https://127.0.0.2:6443", ""),
            ("https://[::1]:6443", ""),
            ("https://api.example.com", "*"),
            ("https://api.example.com", "example.com"),
            ("https://example.com", "other, example.com"),
            ("https://api.example.com", ".example.com"),
            ("https://api.example.com", "*.example.com"),
            ("https://API.example.com:6443", "api.EXAMPLE.com:6443"),
            ("https://10.1.2.3:6443", "10.0.0.0/8"),
            ("https://10.1.2.3:6443", "10.1.2.3"),
            ("https://10.1.2.3:6443", "10.1.2.3:6443"),
            ("https://[fd00::1]:6443", "fd00::/8"),
            ("https://[fd00::1]:6443", "fd00::1"),
            ("https://[fd00::1]:6443", "[fd00::1]:6443"),
        ] {
            assert_eq!(proxy(server, no_proxy), None, "{server} {no_proxy}");
        }
        for (server, no_proxy) in [
            ("https://example.com", ".example.com"),
            ("https://notexample.com", "example.com"),
            ("https://api.example.com:6443", "example.com:443"),
            ("https://11.1.2.3", "10.0.0.0/8"),
            ("https://10.1.2.3", "10.0.0.0/33"),
            ("https://10.1.2.3", "proxy"),
            ("https://[fe00::1]", "fd00::/8"),
        ] {
            assert!(proxy(server, no_proxy).is_some(), "{server} {no_proxy}");
        }
    }

    #[test]
    fn user_and_password_are_taken_out_of_the_address() {
        let proxy = Proxy::parse("http://me:p%40ss@proxy:3128").unwrap();
        assert_eq!(proxy.address.to_string(), "http://proxy:3128/");
        let (name, password) = proxy.user().unwrap();
        assert_eq!((name.as_str(), password.expose_secret()), ("me", "p@ss"));
        let header = proxy.authorization().unwrap();
        assert_eq!(header.to_str().unwrap(), "Basic bWU6cEBzcw==");
        assert!(Proxy::parse("ftp://proxy").is_none());
        assert!(Proxy::parse("http://").is_none());
    }
}
