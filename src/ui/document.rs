//! Reports as documents: nothing else knows how a form for programs is written.

use std::io;

use serde::Serialize;

use super::Ui;
use super::report::API_VERSION;
use crate::settings::Format;
use crate::yaml;

/// Returns a report in the form that was asked for, if that is one for programs.
pub fn document<T: Serialize>(report: &T, format: Option<Format>) -> Option<String> {
    // Plain data always serialises.
    match format? {
        Format::Json => Some(serde_json::to_string_pretty(report).unwrap_or_default() + "\n"),
        Format::Yaml => Some(yaml::to_string(
            &serde_json::to_value(report).unwrap_or_default(),
        )),
        Format::Name | Format::Wide | Format::Csv => None,
    }
}

impl Ui {
    /// Writes a report in the form that was asked for: for people, that is `page`.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub fn show<T: Serialize>(
        &self,
        report: &T,
        format: Option<Format>,
        page: impl FnOnce() -> String,
    ) -> io::Result<()> {
        match document(report, format) {
            Some(text) => self.data(&text),
            None => self.page(&page()),
        }
    }
}

/// Returns a report as JSON on one line: where several documents follow one another,
/// a line is one.
pub fn json_line<T: Serialize>(report: &T) -> String {
    serde_json::to_string(report).unwrap_or_default() + "\n"
}

/// A list that is written as its items come.
#[derive(Debug)]
pub struct ItemList {
    format: Option<Format>,
    count: usize,
}

impl ItemList {
    /// Begins a list in this form.
    pub fn new(format: Option<Format>) -> Self {
        Self { format, count: 0 }
    }

    /// Returns what stands before the first item.
    pub fn head(&self, kind: &str) -> String {
        match self.format {
            Some(Format::Json) => format!(
                "{{\n  \"apiVersion\": \"{API_VERSION}\",\n  \"kind\": \"{kind}\",\n  \"items\": ["
            ),
            Some(Format::Yaml) => format!("apiVersion: {API_VERSION}\nkind: {kind}\nitems:\n"),
            Some(Format::Name | Format::Wide | Format::Csv) | None => String::new(),
        }
    }

    /// Returns the next item.
    pub fn item<T: Serialize>(&mut self, item: &T) -> String {
        let text = document(item, self.format).unwrap_or_default();
        let comma = if self.count == 0 { "" } else { "," };
        self.count += 1;
        match self.format {
            Some(Format::Json) => {
                let lines = text.lines().map(|line| format!("\n    {line}"));
                std::iter::once(comma.to_owned()).chain(lines).collect()
            }
            Some(Format::Yaml) => {
                let lines = text.lines().enumerate();
                lines
                    .map(|(index, line)| match (index, line) {
                        (0, line) => format!("- {line}\n"),
                        (_, "") => "\n".to_owned(),
                        (_, line) => format!("  {line}\n"),
                    })
                    .collect()
            }
            Some(Format::Name | Format::Wide | Format::Csv) | None => text,
        }
    }

    /// Returns what stands after the last item.
    pub fn tail(&self) -> &'static str {
        match (self.format, self.count) {
            (Some(Format::Json), 0) => "]\n}\n",
            (Some(Format::Json), _) => "\n  ]\n}\n",
            // Below `items:`, as the value of it.
            (Some(Format::Yaml), 0) => "  []\n",
            (Some(Format::Yaml | Format::Name | Format::Wide | Format::Csv) | None, _) => "",
        }
    }
}
