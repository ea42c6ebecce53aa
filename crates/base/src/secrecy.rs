//! Decides what may be secret, and quotes words of others safely in messages.
//!
//! The rule for every message, in every form of output:
//!
//! - A **value** that cannot be what it should be (a number, `SECRET/KEY`, the
//!   value of a variable, a line of a file) is not repeated. The message names
//!   the flag, variable or line, and the form that is expected.
//! - A **name** (of an object, a file, an image, a key) is repeated, by
//!   [`named`] and [`path`], as long as it looks like one. What is pasted where
//!   a name belongs, such as the content of a file or a token, does not.
//! - **Contents** are never repeated.
//!
//! What a workload is given (values of variables, contents of files, objects) is
//! [`Confidential`], which cannot be formatted, and serialises only where asked to.

pub mod redaction;

mod confidential;

use std::path::Path;

use k8s_openapi::ByteString;
use serde_json::Value;

pub use confidential::{Confidential, Expose, exposed};

/// Stands for what is left out.
pub const HIDDEN: &str = "…";

/// Longest name that is repeated: that of an object of Kubernetes.
const LONGEST_NAME: usize = 253;
/// Longest path that is repeated. File systems take 255 bytes for each part of
/// one, so that far longer ones are rare, and pasted contents are not.
const LONGEST_PATH: usize = 300;

/// What well-known services begin their tokens with, and fewest characters of
/// those: a name may begin so, too.
const TOKENS: [(&str, usize); 16] = [
    ("hf_", 6),
    ("ghp_", 12),
    ("gho_", 12),
    ("ghs_", 12),
    ("github_pat_", 16),
    ("glpat-", 12),
    ("nvapi-", 12),
    ("dckr_pat_", 14),
    ("pypi-", 20),
    ("npm_", 16),
    ("xoxb-", 12),
    ("xoxp-", 12),
    ("sk-", 20),
    ("AKIA", 20),
    ("AIza", 20),
    ("eyJ", 12),
];

/// Returns a name in quotes, or the length of a text that is not a name.
pub fn named(word: &str) -> String {
    match is_name(word) {
        true => format!("{word:?}"),
        false => measured(word),
    }
}

/// Returns whether a word looks like a name, so that it may be repeated.
pub fn is_name(word: &str) -> bool {
    looks_like_a_name(word, LONGEST_NAME)
}

/// Returns a path as people write it, or how much text there is where it is
/// none.
pub fn path(path: &Path) -> String {
    let text = path.to_string_lossy();
    // Signs that people put into the names of files, and seldom into others.
    let names: String = text
        .chars()
        .map(|c| match "()[]&'!^;$".contains(c) {
            true => '_',
            false => c,
        })
        .collect();
    let in_a_folder = |(before, _): (&str, &str)| before.contains(['/', '\\']);
    let names = match names.split_once('=').is_some_and(in_a_folder) {
        true => names.replace('=', "_"),
        false => names,
    };
    match looks_like_a_name(&names, LONGEST_PATH) {
        true => text.into_owned(),
        false => measured(&text),
    }
}

/// Returns the name of a variable, or how much text there is where the word
/// could be its value: names that are not in capitals could.
pub fn variable(word: &str) -> String {
    let capital = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    match word.chars().all(capital) && is_name(word) {
        true => word.to_owned(),
        false => measured(word),
    }
}

/// Returns how much text there is, in words.
fn measured(text: &str) -> String {
    match (text.chars().count(), text.lines().count()) {
        (0, _) => "\"\"".to_owned(),
        (1, _) => "(1 character, not shown)".to_owned(),
        (characters, 0 | 1) => format!("({characters} characters, not shown)"),
        (_, lines) => format!("({lines} lines, not shown)"),
    }
}

fn looks_like_a_name(word: &str, longest: usize) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "-_./\\:@+,%~*# ".contains(c);
    // What stands before the @ of a URL is a password.
    let has_password = word.contains("://") && word.contains('@');
    let is_other = word.contains(": ") || has_password || looks_secret(word);
    (1..=longest).contains(&word.len())
        && word.chars().all(plain)
        && !is_other
        && !holds_text_as_base64(word)
}

/// Returns whether a text holds what looks like a token or a key: by its
/// beginning, or because nobody would choose such a word.
pub fn looks_secret(text: &str) -> bool {
    let separates = |c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_';
    text.split(separates).any(|word| {
        TOKENS
            .iter()
            .any(|(beginning, fewest)| word.starts_with(beginning) && word.len() >= *fewest)
            || word.split(['-', '_']).any(is_random)
    })
}

/// Returns whether a word of letters and digits reads like what a machine made
/// to be unguessable.
fn is_random(word: &str) -> bool {
    let has = |is: fn(&u8) -> bool| word.as_bytes().iter().any(is);
    let digits = has(u8::is_ascii_digit);
    let letters = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    let hexadecimal = word.bytes().all(|b| b.is_ascii_hexdigit());
    digits && ((word.len() >= 20 && letters) || (word.len() >= 32 && hexadecimal))
}

/// Returns whether a text that can be used as it stands may be secret all the
/// same, or hold something secret: a token, the content of a file, an address
/// with a password or a signature.
pub fn may_be_secret(text: &str) -> bool {
    looks_secret(text)
        || text.contains(['\n', '{'])
        || text.contains(": ")
        || holds_text_as_base64(text)
        || (text.contains("://") && text.contains(['@', '?']))
}

/// Returns what seems secret in the word of a program, and what it is called.
pub fn secret_in<'a>(before: &'a str, word: &'a str) -> Option<(&'a str, &'a str)> {
    let bare = |flag: &'a str| flag.trim_start_matches('-');
    if let Some((name, value)) = word.split_once('=')
        && names_a_secret(bare(name))
        && !value.is_empty()
    {
        return Some((name, value));
    }
    if before.starts_with('-') && !word.starts_with('-') && names_a_secret(bare(before)) {
        return Some((before, word));
    }
    let mut last = "";
    let in_script = word.contains(char::is_whitespace)
        && word.split_whitespace().any(|part| {
            let found = secret_in(last, part).is_some();
            last = part;
            found
        });
    let has_password = word.contains("://") && word.contains('@');
    (in_script || has_password || looks_secret(word)).then_some((before, word))
}

/// Returns whether people call something secret by such a name.
pub fn names_a_secret(name: &str) -> bool {
    const ENDINGS: [&str; 12] = [
        "TOKEN",
        "PASSWORD",
        "PASSWD",
        "PASSPHRASE",
        "SECRET",
        "API_KEY",
        "APIKEY",
        "ACCESS_KEY",
        "SECRET_KEY",
        "PRIVATE_KEY",
        "ENCRYPTION_KEY",
        "SIGNING_KEY",
    ];
    let name = name.to_ascii_uppercase().replace('-', "_");
    // Alone, it may be the how-manieth.
    let is_short = name.ends_with("_PASS");
    is_short
        || ENDINGS.iter().any(|ending| {
            name.strip_suffix(ending)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('_'))
        })
}

/// Returns a line of a manifest, or of the template of one, without what may be
/// secret: values of variables, and what looks so. It keeps its length, for the
/// marks below it, and what stands in the braces of a template.
pub fn line(text: &str) -> String {
    let value = text.find("value:").map(|at| at + "value:".len());
    starred(text, value.unwrap_or(text.len()))
}

/// Returns a line of what a template made, likewise, and without the texts in
/// it: those in double quotes.
pub fn made_line(text: &str) -> String {
    let (mut in_text, mut is_escaped) = (false, false);
    let without: String = text
        .chars()
        .map(|c| {
            let is_end = c == '"' && !is_escaped;
            is_escaped = in_text && c == '\\' && !is_escaped;
            in_text ^= is_end;
            match in_text && !is_end {
                true => '*',
                false => c,
            }
        })
        .collect();
    line(&without)
}

/// Returns a message without what looks secret in it.
pub fn message(text: &str) -> String {
    starred(text, text.len())
}

/// Puts stars for words that look secret, and for all words from `value` on
/// that do not stand in the braces of a template.
fn starred(text: &str, value: usize) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut in_braces = false;
    let (mut at, mut rest) = (0, text);
    while let Some(first) = rest.chars().next() {
        in_braces = (in_braces || rest.starts_with("{{") || rest.starts_with("{%"))
            && !(rest.starts_with("}}") || rest.starts_with("%}"));
        let end = rest
            .find(|c: char| c.is_whitespace() || "\"'`{}[]()%,:=".contains(c))
            .unwrap_or(rest.len());
        let word = &rest[..end.max(first.len_utf8())];
        let braces = in_braces || matches!(first, '{' | '}' | '%');
        let hidden = end > 0 && (looks_secret(word) || (at >= value && !braces));
        match hidden {
            true => shown.extend(word.chars().map(|_| '*')),
            false => shown.push_str(word),
        }
        at += word.len();
        rest = &rest[word.len()..];
    }
    shown
}

/// Returns what a text says as base64, past line breaks, if that is a text.
pub fn from_base64(text: &str) -> Option<String> {
    let mut bare: String = text.split_ascii_whitespace().collect();
    bare.truncate(bare.trim_end_matches('=').len());
    // Some leave out what fills up the last four letters.
    bare.extend(std::iter::repeat_n('=', (4 - bare.len() % 4) % 4));
    let bytes = serde_json::from_value::<ByteString>(Value::String(bare)).ok()?;
    String::from_utf8(bytes.0).ok()
}

/// Returns whether a word is base64 of something that reads like a file.
fn holds_text_as_base64(word: &str) -> bool {
    word.len() >= 16
        && from_base64(word)
            .is_some_and(|text| text.contains(['\n', '{', '"']) || text.contains(": "))
}

/// Returns a name for the Secret that holds the value of a variable.
pub fn secret_of(variable: &str) -> String {
    let letters = variable.to_ascii_lowercase().replace(['_', '.'], "-");
    match letters.trim_matches('-') {
        "" => "secret".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_repeated() {
        for name in [
            "kaiwo",
            "My Team",
            "ghcr.io/org/image:v1.2@sha256:abc",
            "Standard_NC24ads_A100_v4",
            "meta-llama/Llama-3.1-8B-Instruct",
            "amd.com/gpu",
            "sk-learn",
            "hf",
            "größe",
        ] {
            assert_eq!(named(name), format!("{name:?}"));
        }
        assert_eq!(named(""), "\"\"");
        assert_eq!(variable("HF_TOKEN"), "HF_TOKEN");
        for text in ["/a/no such/env", "data (1)/year=2024/[x]", "C:\\a\\env"] {
            assert_eq!(path(Path::new(text)), text);
        }
    }

    #[test]
    fn what_is_no_name_is_not() {
        let kubeconfig = "apiVersion: v1\nusers: [{name: a, user: {token: canary}}]\n";
        let base64 = "YXBpVmVyc2lvbjogdjEKdXNlcnM6IFtdCg==";
        for text in [
            kubeconfig,
            base64,
            base64.trim_end_matches('='),
            "{users: [canary]}",
            "{\"token\":\"canary\"}",
            "HF_TOKEN=canary",
            "token: canary",
            "hf_canary",
            "https://me:canary@host/",
            "https://host/?sig=canary",
            "glpat-canarycanary",
            "0123456789abcdef0123456789abcdef01234567",
            "aB3dE5gH7jK9mN1pQ3sT",
            "org/eyJhbGciOiJIUzI1NiJ9.canary",
            &"x".repeat(400),
        ] {
            for told in [named(text), path(Path::new(text))] {
                assert!(told.ends_with(" not shown)"), "{told}");
            }
        }
        assert_eq!(named("a\nb"), "(2 lines, not shown)");
        assert_eq!(variable("canary"), "(6 characters, not shown)");
    }

    #[test]
    fn lines_keep_their_shape() {
        for (text, shown) in [
            ("  - name: A", "  - name: A"),
            ("    value: canary", "    value: ******"),
            ("    value: \"a canary\"", "    value: \"* ******\""),
            (
                "{name: A, value: x{{ Custom.b }}y}",
                "{name: A, value: *{{ Custom.b }}*}",
            ),
            ("args: [hf_canary, x]", "args: [*********, x]"),
            ("  größe: ä", "  größe: ä"),
        ] {
            assert_eq!(line(text), shown);
        }
        assert_eq!(
            made_line("a: \"x \\\" y\" \"z\" b"),
            "a: \"******\" \"*\" b"
        );
        assert_eq!(message("no `hf_canary`: b"), "no `*********`: b");
    }

    #[test]
    fn a_secret_is_called_after_its_variable() {
        assert_eq!(secret_of("HF_TOKEN"), "hf-token");
        assert_eq!(secret_of("_"), "secret");
        for (name, secret) in [
            ("HF_TOKEN", true),
            ("api-key", true),
            ("DB_PASS", true),
            ("pass", false),
            ("TOKENS", false),
            ("MONKEY", false),
        ] {
            assert_eq!(names_a_secret(name), secret, "{name}");
        }
    }
}
