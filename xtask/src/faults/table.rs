//! The one table at the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::journal::{Counts, Row};

/// What one line of the table stands for.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    possible: usize,
    run: usize,
    passed: usize,
    counts: Counts,
}

/// Lines by layer, command and fault.
#[derive(Default)]
pub struct Table {
    lines: BTreeMap<(String, String, String), Line>,
}

const HEADINGS: [&str; 13] = [
    "layer",
    "command",
    "fault",
    "possible",
    "run",
    "wrong state",
    "duplicates",
    "orphans",
    "untruths",
    "hangs",
    "panics",
    "leaks",
    "wrong codes",
];

impl Table {
    /// Counts a point that could be run, in one run of kaiwo or more.
    pub fn possible(&mut self, layer: &str, command: &str, fault: &str, runs: usize) {
        self.line(layer, command, fault).possible += runs;
    }

    pub fn add(&mut self, row: &Row) {
        let line = self.line(&row.layer, &row.command, &row.fault);
        line.run += row.runs;
        line.passed += row.passed;
        line.counts.add(&row.counts);
    }

    fn line(&mut self, layer: &str, command: &str, fault: &str) -> &mut Line {
        let key = (layer.to_owned(), command.to_owned(), fault.to_owned());
        self.lines.entry(key).or_default()
    }

    /// Returns the sum of all that should not be.
    pub fn wrong(&self) -> usize {
        let lines = self.lines.values();
        lines
            .map(|line| line.counts.all().iter().sum::<usize>())
            .sum()
    }

    /// Writes the table for Markdown, with the sums of each layer.
    pub fn markdown(&self) -> String {
        let mut rows: Vec<Vec<String>> = vec![HEADINGS.map(str::to_owned).to_vec()];
        let mut sums: BTreeMap<&str, Line> = BTreeMap::new();
        for ((layer, command, fault), line) in &self.lines {
            let sum = sums.entry(layer).or_default();
            sum.possible += line.possible;
            sum.run += line.run;
            sum.passed += line.passed;
            sum.counts.add(&line.counts);
            if line.run > 0 {
                rows.push(cells(layer, command, fault, line));
            }
        }
        for (layer, sum) in &sums {
            rows.push(cells(layer, "**all**", "", sum));
        }
        let mut text = aligned(&rows);
        for (layer, sum) in sums {
            if sum.passed > 0 {
                let _ = writeln!(
                    text,
                    "\n{layer}: the parser let {} of {} pass ({} %).",
                    sum.passed,
                    sum.run,
                    sum.passed * 100 / sum.run.max(1)
                );
            }
        }
        text
    }
}

fn cells(layer: &str, command: &str, fault: &str, line: &Line) -> Vec<String> {
    let mut cells = vec![layer.to_owned(), command.to_owned(), fault.to_owned()];
    let numbers = [line.possible, line.run]
        .into_iter()
        .chain(line.counts.all());
    cells.extend(numbers.map(|number| number.to_string()));
    cells
}

fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEADINGS.len()).map(width).collect();
    let mut text = String::new();
    for (place, row) in rows.iter().enumerate() {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = match column < 3 {
                true => write!(text, "| {cell:<width$} "),
                false => write!(text, "| {cell:>width$} "),
            };
        }
        text += "|\n";
        if place == 0 {
            for (column, width) in widths.iter().enumerate() {
                let dashes = "-".repeat(width + 1);
                let _ = match column < 3 {
                    true => write!(text, "|{dashes}-"),
                    false => write!(text, "|{dashes}:"),
                };
            }
            text += "|\n";
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn possible_and_run_points_are_told_apart() {
        let mut table = Table::default();
        table.possible("kill", "submit", "kill before", 1);
        table.possible("kill", "submit", "kill before", 1);
        table.possible("kill", "serve", "kill after", 1);
        table.add(&Row {
            layer: "kill".to_owned(),
            command: "submit".to_owned(),
            fault: "kill before".to_owned(),
            runs: 1,
            counts: Counts {
                orphans: 3,
                ..Counts::default()
            },
            ..Row::default()
        });
        let text = table.markdown();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(
            lines[2].contains("| submit  | kill before |        2 |   1 |"),
            "{text}"
        );
        assert!(
            lines[3].contains("| **all** |             |        3 |   1 |"),
            "{text}"
        );
        assert_eq!(table.wrong(), 3);
    }
}
