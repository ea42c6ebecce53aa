//! What proxies, gateways and login pages answer in the place of an API server.

use http::header::{CONTENT_TYPE, HeaderName, LOCATION, SERVER, VIA};
use http::response::Parts;
use http::{HeaderMap, StatusCode};

use kaiwo_base::printable;

/// Most characters of each of its words.
const MOST: usize = 120;
/// Most bytes of a page that are looked at.
const HEAD: usize = 64 << 10;

/// An answer that is not the API server's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{who} answered {code}{}", said(title))]
pub struct GatewayAnswer {
    /// Its status, which is that of success for many a login page.
    pub code: u16,
    /// Who answered, as far as it says so.
    pub who: String,
    /// Title of the page, or where it leads; empty if it has neither.
    pub title: String,
    /// Whether it wants somebody to log in.
    pub is_login: bool,
}

fn said(title: &str) -> String {
    match title {
        "" => String::new(),
        title => format!(": {title}"),
    }
}

impl From<GatewayAnswer> for kube::Error {
    fn from(page: GatewayAnswer) -> Self {
        Self::Service(Box::new(page))
    }
}

impl GatewayAnswer {
    /// Returns what a refusal is that has not the form of the API server's; `None`
    /// if it is in its words. It speaks plain text itself where it has no such
    /// path, is too busy, or fails (404, 429, 5xx), and never for want of a right.
    pub(super) fn instead_of_refusal(
        code: StatusCode,
        headers: &HeaderMap,
        text: &str,
    ) -> Option<Self> {
        let is_others = code.is_redirection() || matches!(code.as_u16(), 402 | 403 | 407 | 502);
        // What these credentials are not good for may be good for others.
        let is_own = code == StatusCode::UNAUTHORIZED;
        (!is_own && (is_others || is_html(headers, text))).then(|| Self::new(code, headers, text))
    }

    /// Returns what stands where JSON was asked for.
    pub(super) fn instead_of_json(head: &Parts, bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(HEAD)]);
        is_html(&head.headers, &text).then(|| Self::new(head.status, &head.headers, &text))
    }

    fn new(code: StatusCode, headers: &HeaderMap, text: &str) -> Self {
        let header = |name: HeaderName| {
            let value = headers.get(name)?.to_str().ok()?;
            Some(printable::beginning(value, MOST)).filter(|value| !value.is_empty())
        };
        let text = head(text);
        let location = header(LOCATION).filter(|_| code.is_redirection());
        // What follows the path may be secret.
        let location =
            location.map(|url| url.split(['?', '#']).next().unwrap_or_default().to_owned());
        let title = title(text);
        let is_login = is_login(text, title.as_deref(), location.as_deref());
        let plain = (!text.trim_start().starts_with('<')).then(|| printable::beginning(text, MOST));
        let title = match (title, location) {
            (Some(title), None) => title,
            (_, Some(location)) => format!("go to {location}"),
            (None, None) => plain.unwrap_or_default(),
        };
        let reason = code.canonical_reason().unwrap_or_default();
        let who = match (is_login, header(SERVER).or_else(|| header(VIA))) {
            (true, None) => "a login page".to_owned(),
            (true, Some(server)) => format!("a login page ({server})"),
            (false, Some(server)) => server,
            (false, None) => "a proxy or gateway".to_owned(),
        };
        Self {
            code: code.as_u16(),
            who,
            title: match title.is_empty() {
                true => reason.to_owned(),
                false => title,
            },
            is_login,
        }
    }
}

/// Returns the title of a page, or its first heading; `None` if it is no page, or has
/// neither.
pub(super) fn title(text: &str) -> Option<String> {
    let text = head(text);
    let is_page = text.trim_start().starts_with('<');
    let title = || between(text, "title").or_else(|| between(text, "h1"));
    is_page.then(title).flatten()
}

/// Returns the beginning of a page.
fn head(text: &str) -> &str {
    let end = (0..=text.len().min(HEAD))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

/// A log is plain text, and may begin as it likes.
fn is_html(headers: &HeaderMap, text: &str) -> bool {
    let kind = headers.get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let begins = text.trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t']);
    kind.contains("html") || (begins.starts_with('<') && !kind.contains("text/plain"))
}

/// Returns whether a page asks for a password, or leads to one that does.
fn is_login(text: &str, title: Option<&str>, location: Option<&str>) -> bool {
    const WORDS: [&str; 8] = [
        "login", "log in", "log-in", "sign in", "signin", "sign-in", "/auth", "/oauth",
    ];
    let names = |text: &str| {
        let text = text.to_ascii_lowercase();
        WORDS.iter().any(|word| text.contains(word)) || text.contains("saml")
    };
    let lower = text.to_ascii_lowercase();
    title.is_some_and(names)
        || location.is_some_and(names)
        || lower.contains("type=\"password\"")
        || lower.contains("type=password")
}

/// Returns what stands in the first element of this name, on one line.
fn between(text: &str, name: &str) -> Option<String> {
    // Lower case keeps the place of every byte in ASCII.
    let lower = text.to_ascii_lowercase();
    let start = lower.find(&format!("<{name}"))?;
    let start = start + lower[start..].find('>')? + 1;
    let end = start + lower[start..].find('<')?;
    let words: Vec<&str> = text[start..end].split_whitespace().collect();
    let title = words.join(" ");
    let title = [
        ("&amp;", "&"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
    ]
    .into_iter()
    .fold(title, |title, (code, sign)| title.replace(code, sign));
    Some(printable::beginning(&title, MOST)).filter(|title| !title.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn told(code: u16, headers: &[(HeaderName, &'static str)], text: &str) -> Option<String> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect();
        let code = StatusCode::from_u16(code).unwrap();
        GatewayAnswer::instead_of_refusal(code, &headers, text).map(|page| page.to_string())
    }

    #[test]
    fn a_page_is_told_by_who_made_it() {
        let nginx = "<html>\n<head><title>503 Service Temporarily Unavailable</title></head>";
        for (code, headers, text, expected) in [
            (
                503,
                &[(SERVER, "nginx/1.25.3")][..],
                nginx,
                "nginx/1.25.3 answered 503: 503 Service Temporarily Unavailable",
            ),
            (
                403,
                &[(VIA, "1.1 squid")],
                "Access\x1b[31m denied\nby rule 7",
                "1.1 squid answered 403: Access denied…",
            ),
            (502, &[], "", "a proxy or gateway answered 502: Bad Gateway"),
            (
                302,
                &[(LOCATION, "https://sso.corp/login?state=secret")],
                "",
                "a login page answered 302: go to https://sso.corp/login",
            ),
            (
                200,
                &[],
                "<!doctype html><TITLE lang=en> Sign in\n &amp; go </TITLE>",
                "a login page answered 200: Sign in & go",
            ),
            (
                404,
                &[],
                "<h1>Not here</h1>",
                "a proxy or gateway answered 404: Not here",
            ),
            (
                403,
                &[],
                "<form><input type=\"password\">",
                "a login page answered 403: Forbidden",
            ),
        ] {
            assert_eq!(told(code, headers, text).as_deref(), Some(expected));
        }
        for (code, text) in [
            (404, "404 page not found"),
            (429, "Too many requests"),
            (401, "<html>"),
            (500, "This request caused apiserver to panic"),
        ] {
            assert_eq!(told(code, &[], text), None, "{text}");
        }
        let pages = format!("<title>{}", "ä".repeat(HEAD));
        assert!(told(503, &[], &pages).unwrap().len() < 200);
    }
}
