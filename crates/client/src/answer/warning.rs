//! Warnings of the API server: headers of its answers (KEP-1693), which kubectl
//! prints.

use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use http::header::WARNING;

use kaiwo_base::printable;

/// Code of those that are meant for people (`k8s.io/apiserver/pkg/warning`).
const CODE: &str = "299";
/// Most warnings that are told, and most characters of each. The API server keeps
/// to 4 KiB altogether.
const MOST: usize = 50;
const LONGEST: usize = 1000;

/// The warnings so far, each once.
#[derive(Debug, Default)]
pub struct Warnings {
    tell: Option<fn(&str)>,
    told: Mutex<Vec<String>>,
}

impl Warnings {
    /// Begins to collect them, and tells each at once.
    pub(crate) fn new(tell: Option<fn(&str)>) -> Self {
        Self {
            tell,
            told: Mutex::default(),
        }
    }

    /// Takes those of an answer.
    pub(crate) fn take(&self, headers: &HeaderMap) {
        let texts = headers.get_all(WARNING).iter();
        let texts = texts.filter_map(|value| std::str::from_utf8(value.as_bytes()).ok());
        for text in texts.flat_map(texts_of) {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            let text = printable::beginning(&text, LONGEST);
            if text.is_empty() || told.len() == MOST || told.contains(&text) {
                continue;
            }
            told.push(text.clone());
            drop(told);
            if let Some(tell) = self.tell {
                tell(&text);
            }
        }
    }

    /// Returns those that there were.
    pub fn told(&self) -> Vec<String> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.clone()
    }
}

/// Returns the texts of a header: `299 - "text" "date", 299 - "text"` (RFC 7234,
/// 5.5). What is not of that form ends it.
fn texts_of(header: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut rest = header;
    while let Some((code, _agent, after)) = split_words(rest) {
        let Some((text, after)) = quoted(after) else {
            break;
        };
        if code == CODE {
            texts.push(text);
        }
        let after = after.trim_start();
        let after = quoted(after).map_or(after, |(_date, after)| after);
        match after.trim_start().strip_prefix(',') {
            Some(more) => rest = more,
            None => break,
        }
    }
    texts
}

fn split_words(text: &str) -> Option<(&str, &str, &str)> {
    let (code, rest) = text.trim_start().split_once(' ')?;
    let (agent, rest) = rest.trim_start().split_once(' ')?;
    Some((code, agent, rest.trim_start()))
}

/// Reads a quoted text at the beginning, and returns what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut plain = String::new();
    let mut chars = inner.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((plain, &inner[at + 1..])),
            '\\' => plain.push(chars.next()?.1),
            c => plain.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_warnings() {
        for (header, texts) in [
            (r#"299 - "a \"b\" \\ c""#, &["a \"b\" \\ c"][..]),
            (
                r#"299 - "a" "Sat, 25 Aug 2012 23:34:45 GMT", 299 x:1 "b""#,
                &["a", "b"],
            ),
            (r#"199 - "not meant", 299 - "b, c""#, &["b, c"]),
            (r#"299 - "cut"#, &[]),
            ("", &[]),
            ("299 - a", &[]),
        ] {
            assert_eq!(texts_of(header), texts, "{header}");
        }
    }

    #[test]
    fn each_is_told_once_and_as_a_line() {
        let mut headers = HeaderMap::new();
        for _ in 0..2 {
            headers.append(
                WARNING,
                r#"299 - "no \x1b]0;""#.replace("\\x1b]0;", "way").parse().unwrap(),
            );
        }
        for number in 0..100 {
            headers.append(WARNING, format!("299 - \"{number}\"").parse().unwrap());
        }
        let warnings = Warnings::default();
        warnings.take(&headers);
        warnings.take(&headers);
        let told = warnings.told();
        assert_eq!((told.len(), told[0].as_str()), (MOST, "no way"));
    }
}
