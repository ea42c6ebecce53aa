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
            sums.entry(layer).or_default().add(line);
            if line.run > 0 {
                let names = [layer.clone(), command.clone()].into_iter();
                rows.push(names.chain(cells(fault, line)).collect());
            }
        }
        for (layer, sum) in &sums {
            let names = [(*layer).to_owned(), "**all**".to_owned()].into_iter();
            rows.push(names.chain(cells("", sum)).collect());
        }
        let mut text = aligned(&rows, 3);
        for (layer, sum) in sums {
            if sum.passed > 0 {
                let _ = writeln!(text, "\n{}", passed(layer, &sum));
            }
        }
        text
    }
}

impl Table {
    /// Writes a table for each layer as `docs/reliability.md` has them: a line for each command, or for each thing that
    /// was tried where a layer has several of one command.
    pub fn summary(&self) -> String {
        let mut layers: BTreeMap<&str, BTreeMap<String, Line>> = BTreeMap::new();
        for ((layer, command, fault), line) in &self.lines {
            let by_command = matches!(layer.as_str(), "kill" | "fault");
            let name = match by_command || fault.is_empty() {
                true => command.clone(),
                false => format!("{command}: {fault}"),
            };
            let lines = layers.entry(layer).or_default();
            lines.entry(name).or_default().add(line);
        }
        let mut text = String::new();
        for (layer, lines) in layers {
            let mut sum = Line::default();
            let mut titles = vec![layer];
            titles.extend(&HEADINGS[3..]);
            let mut rows = vec![titles.into_iter().map(str::to_owned).collect()];
            for (name, line) in &lines {
                sum.add(line);
                rows.push(cells(name, line));
            }
            rows.push(cells("**all**", &sum));
            let _ = writeln!(text, "{}", aligned(&rows, 1));
            if sum.passed > 0 {
                let _ = writeln!(text, "{}\n", passed(layer, &sum));
            }
        }
        text
    }
}

impl Line {
    fn add(&mut self, other: &Self) {
        self.possible += other.possible;
        self.run += other.run;
        self.passed += other.passed;
        self.counts.add(&other.counts);
    }
}

fn passed(layer: &str, sum: &Line) -> String {
    let percent = sum.passed * 100 / sum.run.max(1);
    format!(
        "{layer}: {} of {} ({percent} %) passed the parser.",
        sum.passed, sum.run
    )
}

fn cells(name: &str, line: &Line) -> Vec<String> {
    let mut cells = vec![name.to_owned()];
    let numbers = [line.possible, line.run]
        .into_iter()
        .chain(line.counts.all());
    cells.extend(numbers.map(|number| number.to_string()));
    cells
}

/// Returns rows as a table for Markdown, with `names` columns of words before those of numbers.
fn aligned(rows: &[Vec<String>], names: usize) -> String {
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let mut text = String::new();
    for (place, row) in rows.iter().enumerate() {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = match column < names {
                true => write!(text, "| {cell:<width$} "),
                false => write!(text, "| {cell:>width$} "),
            };
        }
        text += "|\n";
        if place == 0 {
            for (column, width) in widths.iter().enumerate() {
                let dashes = "-".repeat(width + 1);
                let _ = match column < names {
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
        let text = table.summary();
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with("| kill    | possible | run | wrong state |"),
            "{text}"
        );
        assert!(
            lines[3]
                .starts_with("| submit  |        2 |   1 |           0 |          0 |       3 |"),
            "{text}"
        );
        assert!(
            lines[4].starts_with("| **all** |        3 |   1 |"),
            "{text}"
        );
    }
}
