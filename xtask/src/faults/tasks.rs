//! What can be run, several at once, each once.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Result, anyhow};

use super::journal::{Journal, Row};
use super::say;
use super::table::Table;

/// Something that can be run and gives a row.
pub struct Task<'a> {
    pub key: String,
    pub layer: &'static str,
    pub command: String,
    pub fault: String,
    /// Runs of kaiwo that it stands for.
    pub runs: usize,
    pub run: Box<dyn Fn() -> Result<Row> + Send + Sync + 'a>,
}

/// Runs what was not run before, and adds all of it to the table.
pub fn run(tasks: &[Task<'_>], at_once: usize, journal: &Journal, table: &mut Table) -> Result<()> {
    let todo: Vec<&Task<'_>> = tasks
        .iter()
        .filter(|task| !journal.has(&task.key))
        .collect();
    say(&format!(
        "{} points, {} of them to run",
        tasks.len(),
        todo.len()
    ));
    let next = AtomicUsize::new(0);
    let begun = Instant::now();
    let failed = AtomicBool::new(false);
    let work = || -> Result<()> {
        while !failed.load(Ordering::SeqCst) {
            let number = next.fetch_add(1, Ordering::SeqCst);
            let Some(task) = todo.get(number) else { break };
            let row = (task.run)().inspect_err(|_| failed.store(true, Ordering::SeqCst));
            let row = row.map_err(|error| error.context(format!("{} cannot be run", task.key)))?;
            if !row.counts.are_zero() {
                say(&format!("{}:\n  {}", row.key, row.notes.join("\n  ")));
            }
            journal.add(row)?;
            if number % 50 == 49 {
                let seconds = begun.elapsed().as_secs();
                say(&format!(
                    "{} of {} points after {seconds} s",
                    number + 1,
                    todo.len()
                ));
            }
        }
        Ok(())
    };
    side_by_side(at_once, work)?;
    for row in journal.rows(tasks.iter().map(|task| task.key.as_str())) {
        table.add(&row);
    }
    Ok(())
}

/// Shows what can be run.
pub fn list(tasks: &[Task<'_>]) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    for task in tasks {
        writeln!(stdout, "{}", task.key)?;
    }
    Ok(())
}

/// Does the same on several threads, until all are done.
pub fn side_by_side(at_once: usize, work: impl Fn() -> Result<()> + Sync) -> Result<()> {
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..at_once).map(|_| scope.spawn(&work)).collect();
        lanes.into_iter().try_for_each(|lane| {
            let ended = lane.join();
            ended.unwrap_or_else(|_| Err(anyhow!("a thread of xtask has panicked")))
        })
    })
}
