//! Lines of logs, and what is said while there are none.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use super::wait;
use crate::observe::Snapshot;
use crate::observe::log::LogLine;

/// Colours that tell pods apart; none that means something elsewhere.
const COLORS: [&str; 6] = ["36", "35", "34", "96", "95", "94"];

/// Makes lines of logs ready to be written.
#[derive(Debug)]
pub struct LogLines {
    painted: bool,
    timestamps: bool,
    colors: HashMap<String, usize>,
}

impl LogLines {
    /// Begins. `timestamps` puts the time before each line.
    pub fn new(painted: bool, timestamps: bool) -> Self {
        Self {
            painted,
            timestamps,
            colors: HashMap::new(),
        }
    }

    /// Adds a line to `text`, after the name of its pod if that is given.
    pub fn add(&mut self, text: &mut Vec<u8>, label: Option<&str>, line: &LogLine) {
        if let Some(label) = label {
            text.extend_from_slice(self.prefix(label).as_bytes());
        }
        text.extend_from_slice(match self.timestamps {
            true => line.with_stamp(),
            false => line.text(),
        });
        text.push(b'\n');
    }

    fn prefix(&mut self, label: &str) -> String {
        if !self.painted {
            return format!("[{label}] ");
        }
        let next = self.colors.len();
        let color = match self.colors.get(label) {
            Some(color) => *color,
            None => *self.colors.entry(label.to_owned()).or_insert(next),
        };
        format!("\x1b[{}m[{label}]\x1b[0m ", COLORS[color % COLORS.len()])
    }
}

/// A file that gets the lines as they were written, without colours.
#[derive(Debug)]
pub struct LogFile {
    file: File,
    lines: LogLines,
    text: Vec<u8>,
}

impl LogFile {
    /// Opens a file, to which the lines are appended.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn append_to(path: &Path, timestamps: bool) -> io::Result<Self> {
        Ok(Self {
            file: File::options().append(true).create(true).open(path)?,
            lines: LogLines::new(false, timestamps),
            text: Vec::new(),
        })
    }

    /// Returns whether something was written to it before.
    pub fn has_content(&self) -> bool {
        self.file.metadata().is_ok_and(|found| found.len() > 0)
    }

    /// Adds a line, after the name of its pod if that is given.
    pub fn add(&mut self, label: Option<&str>, line: &LogLine) {
        self.lines.add(&mut self.text, label, line);
    }

    /// Writes what was added.
    ///
    /// # Errors
    /// For instance if the disk is full.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.text)?;
        self.text.clear();
        Ok(())
    }
}

/// Returns how a workload fares that writes nothing.
pub fn waiting(snapshot: &Snapshot) -> String {
    let line = wait::line(snapshot, &snapshot.standing());
    format!("{}: {line}", snapshot.workload.display_name())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(painted: bool, timestamps: bool, lines: &[(Option<&str>, &str)]) -> String {
        let mut log = LogLines::new(painted, timestamps);
        let mut text = Vec::new();
        for (label, line) in lines {
            log.add(
                &mut text,
                *label,
                &LogLine::new(format!("2026-01-02T03:04:05Z {line}").into_bytes()),
            );
        }
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_line_begins_with_its_pod_and_time_if_wanted() {
        assert_eq!(written(true, false, &[(None, "a"), (None, "")]), "a\n\n");
        assert_eq!(
            written(false, true, &[(Some("0-x"), "a")]),
            "[0-x] 2026-01-02T03:04:05Z a\n"
        );
    }

    #[test]
    fn a_pod_keeps_its_colour() {
        let lines = [(Some("a"), "1"), (Some("b"), "2"), (Some("a"), "3")];
        assert_eq!(
            written(true, false, &lines),
            "\x1b[36m[a]\x1b[0m 1\n\x1b[35m[b]\x1b[0m 2\n\x1b[36m[a]\x1b[0m 3\n"
        );
    }
}
