//! What the layers of tests came to.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How a layer ended, unless it failed.
#[derive(Debug, PartialEq)]
pub enum End {
    Done,
    Passed(u32),
    LeftOut(String),
}

/// What tests have said besides whether they passed.
#[derive(Default)]
pub struct Notes {
    /// What tests that passed have left out.
    pub skipped: BTreeSet<String>,
    /// Tests that failed, and passed when they ran again alone.
    pub flaky: BTreeSet<String>,
}

/// What ran, how it ended and how long it took, and what tests said of themselves.
#[derive(Default)]
pub struct Report {
    layers: Vec<(&'static str, Result<End>, Duration)>,
    notes: Notes,
    only: Option<String>,
}

impl Report {
    /// Runs only layers whose name contains this.
    pub fn new(only: Option<String>) -> Self {
        Self {
            only,
            ..Self::default()
        }
    }

    /// Runs a layer, unless only others are wanted, and returns whether it has not failed.
    pub fn layer(
        &mut self,
        name: &'static str,
        run: impl FnOnce(&mut Notes) -> Result<End>,
    ) -> bool {
        if self.only.as_ref().is_some_and(|only| !name.contains(only)) {
            return true;
        }
        say(name);
        let start = Instant::now();
        let end = run(&mut self.notes);
        let succeeded = end.is_ok();
        self.layers.push((name, end, start.elapsed()));
        succeeded
    }

    /// Fails if a layer has failed, or none was to run.
    pub fn verdict(&self) -> Result<()> {
        if let (Some(only), true) = (&self.only, self.layers.is_empty()) {
            bail!("no layer's name contains {only:?}");
        }
        let failed: Vec<&str> = self
            .layers
            .iter()
            .filter(|(_, end, _)| end.is_err())
            .map(|(name, ..)| *name)
            .collect();
        match failed[..] {
            [] => Ok(()),
            _ => bail!("failed: {}", failed.join(", ")),
        }
    }

    pub fn table(&self) -> String {
        let mut table = String::from("\n");
        for (name, end, took) in &self.layers {
            let word = match end {
                Ok(End::Done) => "done".to_owned(),
                Ok(End::Passed(count)) => format!("{count} passed"),
                Ok(End::LeftOut(why)) => format!("left out: {why}"),
                Err(error) => format!("FAILED: {error:#}"),
            };
            let word = word.trim_end().replace('\n', "\n    ");
            table += &format!("{name:<26} {:>6.1} s  {word}\n", took.as_secs_f64());
        }
        let of_tests = [
            (
                "skipped by tests that passed otherwise",
                &self.notes.skipped,
            ),
            (
                "flaky, to be fixed: failed, then passed alone",
                &self.notes.flaky,
            ),
        ];
        for (title, lines) in of_tests {
            if !lines.is_empty() {
                table += &format!("\n{title}:\n");
            }
            for line in lines {
                table += &format!("  {line}\n");
            }
        }
        table
    }
}

/// Begins a part of the output.
pub fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "\n== {what}");
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn the_summary_has_every_layer_and_what_was_skipped() {
        let mut report = Report::default();
        assert!(report.layer("one", |_| Ok(End::Passed(3))));
        assert!(!report.layer("two", |notes| {
            notes.skipped.insert("kubectl: not installed".to_owned());
            notes.flaky.insert("real_node::x".to_owned());
            Err(anyhow!("the log says\nno space"))
        }));
        let table = report.table();
        assert!(table.contains("3 passed\n"), "{table}");
        assert!(
            table.contains("FAILED: the log says\n    no space\n"),
            "{table}"
        );
        assert!(table.contains("  kubectl: not installed\n"), "{table}");
        assert!(table.ends_with("  real_node::x\n"), "{table}");
        assert_eq!(report.verdict().unwrap_err().to_string(), "failed: two");
        let mut some = Report::new(Some("pack".to_owned()));
        assert!(some.layer("one", |_| Err(anyhow!("it is not run"))));
        assert!(some.verdict().is_err());
        assert!(some.layer("packages", |_| Ok(End::Passed(1))));
        assert!(some.verdict().is_ok());
    }
}
