//! What has been run: a line per point, in a file that a later run of the same binary goes on with.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// How often something was found that should not be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// End states that are not those of a run that never failed.
    pub wrong: usize,
    /// Workloads more than were asked for.
    pub duplicates: usize,
    /// What is left after `kaiwo delete`.
    pub orphans: usize,
    /// Words or exit codes that claim what is not.
    pub untruths: usize,
    pub hangs: usize,
    pub panics: usize,
    pub leaks: usize,
    /// Exit codes that are not of the fault's class.
    pub codes: usize,
}

impl Counts {
    pub fn all(&self) -> [usize; 8] {
        [
            self.wrong,
            self.duplicates,
            self.orphans,
            self.untruths,
            self.hangs,
            self.panics,
            self.leaks,
            self.codes,
        ]
    }

    pub fn add(&mut self, other: &Self) {
        self.wrong += other.wrong;
        self.duplicates += other.duplicates;
        self.orphans += other.orphans;
        self.untruths += other.untruths;
        self.hangs += other.hangs;
        self.panics += other.panics;
        self.leaks += other.leaks;
        self.codes += other.codes;
    }

    pub fn are_zero(&self) -> bool {
        self.all().iter().all(|count| *count == 0)
    }
}

/// A point that was run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Row {
    pub key: String,
    pub layer: String,
    pub command: String,
    pub fault: String,
    /// Runs that this point stands for.
    pub runs: usize,
    /// Runs that a parser let pass, where that is of interest.
    pub passed: usize,
    pub counts: Counts,
    /// What was found, in words.
    pub notes: Vec<String>,
    pub seconds: f64,
}

/// The file, and what it says already.
pub struct Journal {
    file: Mutex<File>,
    pub path: PathBuf,
    rows: Mutex<HashMap<String, Row>>,
}

impl Journal {
    /// Opens the journal of a binary. `anew` forgets what was run before.
    pub fn open(folder: &Path, kaiwo: &Path, anew: bool) -> Result<Self> {
        let binary =
            std::fs::read(kaiwo).with_context(|| format!("failed to read {}", kaiwo.display()))?;
        let digest: String = Sha256::digest(&binary)
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        std::fs::create_dir_all(folder)?;
        let path = folder.join(format!("{digest}.jsonl"));
        if anew {
            let _ = std::fs::remove_file(&path);
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        // The last line of a run that was killed may be half of one.
        let rows = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Row>(line).ok());
        let rows = rows.map(|row| (row.key.clone(), row)).collect();
        let file = File::options().create(true).append(true).open(&path);
        let mut file = file.with_context(|| format!("failed to write {}", path.display()))?;
        if !text.is_empty() && !text.ends_with('\n') {
            file.write_all(b"\n")?;
        }
        Ok(Self {
            file: Mutex::new(file),
            path,
            rows: Mutex::new(rows),
        })
    }

    pub fn has(&self, key: &str) -> bool {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.contains_key(key)
    }

    pub fn add(&self, row: Row) -> Result<()> {
        let line = serde_json::to_string(&row)? + "\n";
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(line.as_bytes())?;
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.insert(row.key.clone(), row);
        Ok(())
    }

    /// Returns what was run of these points.
    pub fn rows<'a>(&self, keys: impl Iterator<Item = &'a str>) -> Vec<Row> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        keys.filter_map(|key| rows.get(key).cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Scratch;

    #[test]
    fn a_later_run_goes_on_even_after_half_a_line() {
        let scratch = Scratch::new("journal").unwrap();
        let kaiwo = scratch.0.join("kaiwo");
        std::fs::write(&kaiwo, "binary").unwrap();
        let row = |key: &str| Row {
            key: key.to_owned(),
            ..Row::default()
        };
        let journal = Journal::open(&scratch.0, &kaiwo, false).unwrap();
        journal.add(row("a")).unwrap();
        let mut file = File::options().append(true).open(&journal.path).unwrap();
        file.write_all(b"{\"key\": \"b").unwrap();
        let journal = Journal::open(&scratch.0, &kaiwo, false).unwrap();
        assert!(journal.has("a") && !journal.has("b"));
        journal.add(row("b")).unwrap();
        let journal = Journal::open(&scratch.0, &kaiwo, false).unwrap();
        assert_eq!(journal.rows(["a", "b", "c"].into_iter()).len(), 2);
        std::fs::write(&kaiwo, "another binary").unwrap();
        assert!(!Journal::open(&scratch.0, &kaiwo, false).unwrap().has("a"));
    }
}
