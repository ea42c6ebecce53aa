//! YAML in and out. The only file that names the YAML library, so that its
//! churn stays here.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use serde_saphyr::Spanned;

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
    let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|error| describe(file, &error))?;
    Ok(documents
        .into_iter()
        .filter(|document| !document.is_null())
        .collect())
}

/// Returns `value` as one YAML document, with texts of several lines as
/// literal blocks.
pub fn to_string<T: Serialize>(value: &T) -> String {
    // Serialising plain data into a string cannot fail; an error here would
    // be a bug in this crate, and the message is the best that can be shown.
    serde_saphyr::to_string(value).unwrap_or_else(|error| format!("# not serialisable: {error}\n"))
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
        message: message.to_owned(),
    }
}
