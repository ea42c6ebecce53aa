//! Reads and writes YAML. The only file that names the YAML library, so that its
//! churn stays here.

mod tree;
mod written;

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeSeed as _;

use crate::secrecy::{is_name, named};

pub use serde_saphyr::Spanned;
pub use tree::Tree;

/// Reads a type from a YAML scalar by its `FromStr`.
#[macro_export]
macro_rules! deserialize_from_text {
    ($type:ty) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(deserializer)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }
    };
}
pub use deserialize_from_text;

/// Writes a type as the one text that its `FromStr` reads.
#[macro_export]
macro_rules! serialize_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}
pub use serialize_as_text;

/// Reads a value that is there if its key is: null does not leave it away.
///
/// # Errors
/// Those of the type; it may take null itself.
pub fn not_null<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// What is said of a key without a value where a text is needed.
pub const MISSING: &str = "a value is missing";

/// A file that is not the YAML it should be.
#[derive(Debug, thiserror::Error)]
#[error("{}: {message}", place(file, *line))]
pub struct YamlError {
    /// The file, as the user named it.
    pub file: PathBuf,
    /// Line of the mistake, counted from 1; 0 where none is known.
    pub line: u64,
    /// What is wrong.
    pub message: String,
}

/// Returns `file:line`, or the file alone where the line is unknown.
pub fn place(file: &Path, line: u64) -> String {
    match line {
        0 => file.display().to_string(),
        line => format!("{}:{line}", file.display()),
    }
}

/// Parses the text of `file` into a type; an empty text is a mapping without
/// keys. Duplicate keys are errors.
///
/// # Errors
/// [`YamlError`] with the line, the library's message without its snippet.
pub fn parse<T: serde::de::DeserializeOwned>(file: &Path, text: &str) -> Result<T, YamlError> {
    serde_saphyr::from_str(text).map_err(|error| describe(file, &error))
}

/// Parses a stream of YAML documents into untyped values, reading scalars by
/// YAML 1.2 rules as Kubernetes' own parser does for the ones it accepts.
///
/// # Errors
/// [`YamlError`] with the line in the stream.
pub fn parse_documents(file: &Path, text: &str) -> Result<Vec<serde_json::Value>, YamlError> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
    };
    documents(file, text, options)
}

/// Parses a stream of manifests as Kubernetes' own parser reads them
/// (sigs.k8s.io/yaml, `goyaml.v2`): by YAML 1.1, in which `yes` and `on` are true,
/// `0400` is octal and `1_000` a number.
///
/// # Errors
/// [`YamlError`] with the line in the stream.
pub fn parse_manifests(file: &Path, text: &str) -> Result<Vec<serde_json::Value>, YamlError> {
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    documents(file, text, options)
}

fn documents(
    file: &Path,
    text: &str,
    options: serde_saphyr::Options,
) -> Result<Vec<serde_json::Value>, YamlError> {
    let mut documents: Vec<serde_json::Value> =
        serde_saphyr::from_multiple_with_options(text, options)
            .map_err(|error| describe(file, &error))?;
    documents.retain(|document| !document.is_null());
    Ok(documents)
}

/// Parses documents as [`parse_documents`] does. Numbers that would be written
/// otherwise than they are, `1.10` and `1e3`, are texts: most of them are versions.
///
/// # Errors
/// [`YamlError`] with the line in the stream.
pub fn parse_as_written(file: &Path, text: &str) -> Result<Vec<serde_json::Value>, YamlError> {
    let mut documents = parse_documents(file, text)?;
    if let [document] = &mut documents[..] {
        // Read once, it can be read again.
        let _ = serde_saphyr::with_deserializer_from_str(text, |deserializer| {
            written::AsWritten(document).deserialize(deserializer)
        });
    }
    Ok(documents)
}

/// Returns whether a number is written as it was read.
pub fn is_as_written(number: &serde_json::Number, text: &str) -> bool {
    number.to_string() == text
}

/// Parses the first document of a text as Go programs do, by YAML 1.1: `yes`
/// is true, and of two equal keys the last one counts. An empty text is null.
///
/// # Errors
/// The line of the mistake, 0 where none is known. Nothing else: the text may
/// hold secrets.
pub fn parse_first(text: &str) -> Result<serde_json::Value, u64> {
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
    };
    serde_saphyr::from_multiple_with_options::<serde_json::Value>(text, options)
        .map(|documents| documents.into_iter().next().unwrap_or_default())
        .map_err(|error| {
            let place = error.without_snippet().location();
            place.map_or(0, |place| place.line())
        })
}

/// Returns `value` as one YAML document, with texts of several lines as
/// literal blocks where every parser reads those alike.
pub fn to_string(value: &serde_json::Value) -> String {
    // Serialising plain data into a string cannot fail; an error here would
    // be a bug in this crate, and the message is the best that can be shown.
    if any_text(value, &|text| text.contains(is_unprintable)) {
        return as_json(value).unwrap_or_else(|error| format!("# not serialisable: {error}\n"));
    }
    let options =
        serde_saphyr::ser_options! { prefer_block_scalars: !any_text(value, &disagreed_on) };
    serde_saphyr::to_string_with_options(value, options)
        .unwrap_or_else(|error| format!("# not serialisable: {error}\n"))
}

/// Writes a document as JSON, which is YAML too, with escapes for everything
/// that a YAML parser may refuse as not printable, even in quotes.
fn as_json(value: &serde_json::Value) -> serde_json::Result<String> {
    let json = serde_json::to_string_pretty(value)? + "\n";
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\n' => escaped.push(c),
            c if is_unprintable(c) => escaped += &format!("\\u{:04x}", u32::from(c)),
            c => escaped.push(c),
        }
    }
    Ok(escaped)
}

/// Returns whether a character is outside of what YAML 1.1 and 1.2 both call
/// printable, or is a line break to one of them.
pub fn is_unprintable(c: char) -> bool {
    (c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

/// Returns whether parsers disagree about a text as a literal block: by its
/// beginning, from which they take the indentation (Kubernetes' own refuses a
/// tab there), or by its line breaks.
fn disagreed_on(text: &str) -> bool {
    let first = text.lines().find(|line| !line.is_empty());
    text.starts_with('\n')
        || text.contains('\r')
        || first.is_some_and(|line| line.starts_with([' ', '\t']))
}

fn any_text(value: &serde_json::Value, matches: &impl Fn(&str) -> bool) -> bool {
    match value {
        serde_json::Value::String(text) => matches(text),
        serde_json::Value::Array(items) => items.iter().any(|item| any_text(item, matches)),
        serde_json::Value::Object(fields) => fields.values().any(|field| any_text(field, matches)),
        _ => false,
    }
}

/// A value and the line it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Its line, counted from 1.
    pub line: u64,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        Ok(Self {
            value: spanned.value,
            line: spanned.referenced.line(),
        })
    }
}

fn describe(file: &Path, error: &serde_saphyr::Error) -> YamlError {
    let bare = error.without_snippet();
    let line = bare.location().map_or(0, |location| location.line());
    // The library ends its text with the place, which stands before ours.
    let text = bare.to_string();
    let message = text
        .split(" at line ")
        .next()
        .unwrap_or(&text)
        .trim_end_matches([',', ':', ' ']);
    YamlError {
        file: file.to_path_buf(),
        line,
        message: plain_words(bare, message),
    }
}

/// Says what is wrong without what the library says to programmers, and without
/// what the file says: all but the names of keys may be secret.
fn plain_words(error: &serde_saphyr::Error, message: &str) -> String {
    use serde_saphyr::Error;
    match error {
        Error::NullIntoString { .. } => return MISSING.to_owned(),
        Error::DuplicateMappingKey { key: Some(key), .. } if is_name(key) => {
            return format!("duplicate key `{key}`");
        }
        Error::DuplicateMappingKey { .. } => return "duplicate key".to_owned(),
        Error::SerdeUnknownField { field, .. } if !is_name(field) => {
            return format!("unknown field {}", named(field));
        }
        Error::SerdeInvalidType { expected, .. } | Error::SerdeInvalidValue { expected, .. } => {
            return format!("expected {expected}");
        }
        Error::SerdeUnknownVariant { expected, .. } => {
            return format!("expected one of {}", expected.join(", "));
        }
        Error::QuotingRequired { .. } => return "this string must be quoted".to_owned(),
        Error::NonFiniteFloat { .. } => return "expected a finite number".to_owned(),
        Error::TaggedEnumMismatch { .. } | Error::HookError { .. } => {
            return "unexpected value".to_owned();
        }
        _ => {}
    }
    match message {
        "expected string scalar" => "expected a string",
        "expected mapping start" => "expected a mapping",
        "expected sequence start" => "expected a list",
        "invalid boolean" => "expected true or false",
        "invalid floating point" => "expected a number",
        "invalid i64" | "invalid u64" | "invalid u32" => "expected a whole number",
        // Anchors that multiply, mostly.
        other
            if ["budget ", "alias replay", "alias expansion"]
                .iter()
                .any(|limit| other.starts_with(limit)) =>
        {
            "the YAML is too large or too deeply nested"
        }
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn mistakes_are_told_in_words_for_people() {
        type Texts = std::collections::BTreeMap<String, String>;
        let many = "[*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]";
        let bomb: String = ('b'..='h').fold(
            "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned(),
            |text, letter| {
                let above = char::from(letter as u8 - 1);
                text + &format!(
                    "{letter}: &{letter} {}\n",
                    many.replace('a', &above.to_string())
                )
            },
        );
        for (text, line, message) in [
            ("a: x\na: y\n", 2, "duplicate key `a`"),
            ("a: [x]\n", 1, "expected a string"),
            ("- a\n", 1, "expected a mapping"),
            ("a:\n", 1, MISSING),
        ] {
            let error = parse::<Texts>(Path::new("t"), text).unwrap_err();
            assert_eq!(
                (error.line, error.message.as_str()),
                (line, message),
                "{text}"
            );
        }
        let wrong = |text| parse::<i64>(Path::new("t"), text).unwrap_err().message;
        assert_eq!(wrong("1.5\n"), "expected a whole number");
        assert_eq!(wrong("99999999999999999999\n"), "expected a whole number");
        let wrong = |text| parse::<bool>(Path::new("t"), text).unwrap_err().message;
        assert_eq!(wrong("maybe\n"), "expected true or false");
        let error = parse_documents(Path::new("t"), &bomb).unwrap_err();
        assert_eq!(error.message, "the YAML is too large or too deeply nested");
    }

    #[test]
    fn every_key_has_its_line() {
        let text = "a: 1\nb:\n- c: x\n  d: {e: true, f: [1.5, null]}\n";
        let tree: Tree = parse(Path::new("t"), text).unwrap();
        fn lines(tree: &Tree) -> Vec<(&str, u64)> {
            match tree {
                Tree::Scalar => Vec::new(),
                Tree::List(items) => items.iter().flat_map(lines).collect(),
                Tree::Mapping(fields) => fields
                    .iter()
                    .flat_map(|(key, below)| {
                        let own = [(key.value.as_str(), key.line)];
                        own.into_iter().chain(lines(below))
                    })
                    .collect(),
            }
        }
        let expected = [("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 4), ("f", 4)];
        assert_eq!(lines(&tree), expected);
        assert!(parse::<Tree>(Path::new("t"), "a: 1\na: 2\n").is_err());
    }

    /// As `kubectl create --dry-run` reads them.
    #[test]
    fn manifests_are_read_as_kubernetes_reads_them() {
        for (text, value) in [
            ("defaultMode: 0400", json!(256)),
            ("defaultMode: 0o400", json!(256)),
            ("defaultMode: 400", json!(400)),
            ("tty: yes", json!(true)),
            ("tty: Off", json!(false)),
            ("tty: y", json!(true)),
            ("port: 8_080", json!(8080)),
            ("mask: 0x1F", json!(31)),
            ("value: \"yes\"", json!("yes")),
            ("value: '0400'", json!("0400")),
            ("value: ~", json!(null)),
            ("image: x:1.10", json!("x:1.10")),
            ("time: 12:30", json!("12:30")),
        ] {
            let documents = parse_manifests(Path::new("t"), text).unwrap();
            let fields = documents[0].as_object().unwrap();
            assert_eq!(fields.values().next(), Some(&value), "{text}");
        }
    }

    #[test]
    fn numbers_stay_as_they_are_written() {
        let text = "tag: 1.10\nlist: [1.5, 2.0, 1e3, {deep: 0.10}]\nwhole: 3\n\
                    long: 123456789012345678901234567890\nsame: &a {x: 7.70}\nagain: *a\n";
        assert_eq!(
            parse_as_written(Path::new("t"), text).unwrap(),
            [json!({
                "tag": "1.10", "list": [1.5, 2.0, "1e3", {"deep": "0.10"}], "whole": 3,
                "long": "123456789012345678901234567890",
                "same": {"x": "7.70"}, "again": {"x": "7.70"},
            })]
        );
    }

    #[test]
    fn texts_are_blocks_only_where_parsers_agree() {
        assert_eq!(to_string(&json!({"a": "x\n\ty\n"})), "a: |\n  x\n  \ty\n");
        for text in [
            "\techo\n",
            "\n\ta\n",
            "  indented\nless\n",
            "\n\n",
            "a\r\nb\r\n",
            "a\n\0\n",
            "a\n\u{85}\u{2028}b\n",
            "\u{1b}[1m\n",
        ] {
            let written = to_string(&json!({"a": text}));
            assert!(!written.contains("|"), "{written}");
            assert_eq!(
                parse_documents(Path::new("t"), &written).unwrap(),
                [json!({"a": text})]
            );
        }
    }
}
