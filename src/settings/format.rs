//! The forms of data on stdout, and which command has which.

use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;
use serde_json::{Value, json};

use crate::schema::Schema;
use crate::yaml::deserialize_from_text;

/// Form of the data on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A `kaiwo/v1` report, for programs.
    Json,
    /// The same as YAML; of what is submitted, the manifests.
    Yaml,
    /// `kind.group/name` of every object, one to a line.
    Name,
    /// The table for people, with more columns.
    Wide,
    /// A table for spreadsheets.
    Csv,
}

impl Format {
    /// Of events, which follow one another.
    pub const EVENTS: &[Self] = &[Self::Json];
    /// Of reports.
    pub const REPORTS: &[Self] = &[Self::Json, Self::Yaml];
    /// Of reports on objects, which have names.
    pub const OBJECTS: &[Self] = &[Self::Json, Self::Yaml, Self::Name];
    /// Of rows that are added up elsewhere.
    pub const ROWS: &[Self] = &[Self::Json, Self::Yaml, Self::Csv];
    /// Of tables.
    pub const TABLES: &[Self] = &[Self::Json, Self::Yaml, Self::Name, Self::Wide];

    fn word(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Name => "name",
            Self::Wide => "wide",
            Self::Csv => "csv",
        }
    }

    /// Returns whether programs read it.
    pub fn is_document(self) -> bool {
        Self::REPORTS.contains(&self)
    }

    /// Returns the parser of a flag that takes these forms.
    pub fn parser(forms: &'static [Self]) -> impl TypedValueParser<Value = Self> {
        PossibleValuesParser::new(forms.iter().map(|form| form.word()))
            .try_map(|word| Self::among(forms, &word))
    }

    fn among(forms: &[Self], text: &str) -> Result<Self, String> {
        let found = forms.iter().find(|form| form.word() == text);
        found.copied().ok_or_else(|| {
            let words: Vec<&str> = forms.iter().map(|form| form.word()).collect();
            format!("expected one of: {}", words.join(", "))
        })
    }
}

/// Reads what a setting may say, for the commands that have this form.
impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::among(Self::OBJECTS, text)
    }
}

deserialize_from_text!(Format);

impl Schema for Format {
    fn schema() -> Value {
        json!({"enum": Self::OBJECTS})
    }
}
