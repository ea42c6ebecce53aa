//! Runs programs and says how long they took and how much memory they had.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A program as a bench runs it: with an environment that holds nothing of the caller's but the PATH.
#[derive(Clone, Debug)]
pub struct Program {
    pub path: PathBuf,
    home: PathBuf,
}

/// How a run went.
#[derive(Debug)]
pub struct Run {
    pub begun: Instant,
    pub elapsed: Duration,
    pub stdout: String,
    pub stderr: String,
}

impl Program {
    /// `home` is an empty directory: a user's settings and caches would make runs incomparable.
    pub fn new(path: impl Into<PathBuf>, home: &Path) -> Self {
        Self {
            path: path.into(),
            home: home.to_owned(),
        }
    }

    /// Runs it to its end, which must be a good one.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Result<Run> {
        self.finish(self.command(arguments))
    }

    /// Returns it ready to be started.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(&self.path);
        command.args(arguments);
        self.isolate(&mut command);
        command
    }

    /// Returns the most memory it had resident, in bytes; `None` where GNU time is missing.
    ///
    /// Linux counts into a process's peak what its image had before it was replaced by `exec`, so a process started
    /// from here would report at least what xtask has. GNU time is small, forks, and asks for the usage of that child.
    pub fn peak_memory(&self, arguments: &[&str]) -> Result<Option<u64>> {
        let report = self.home.join("peak");
        let mut command = Command::new("time");
        command.args(["--format", "%M", "--output"]).arg(&report);
        command.arg(&self.path).args(arguments);
        self.isolate(&mut command);
        let run = match self.finish(command) {
            Err(error) if is_missing(&error) => return Ok(None),
            run => run?,
        };
        let text = std::fs::read_to_string(&report)
            .with_context(|| format!("`time` left no report; it said: {}", run.stderr))?;
        std::fs::remove_file(&report)?;
        let kib: u64 = text
            .trim()
            .parse()
            .with_context(|| format!("`time` reported {text:?}"))?;
        Ok(Some(kib << 10))
    }

    fn isolate(&self, command: &mut Command) {
        command
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", &self.home)
            .stdin(Stdio::null());
    }

    fn finish(&self, mut command: Command) -> Result<Run> {
        let begun = Instant::now();
        let output = command
            .output()
            .with_context(|| format!("failed to run {}", command.get_program().display()))?;
        let elapsed = begun.elapsed();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        if !output.status.success() {
            bail!(
                "{command:?} ended with {}:\n{}",
                output.status,
                stderr.trim_end()
            );
        }
        Ok(Run {
            begun,
            elapsed,
            stdout,
            stderr,
        })
    }
}

/// Returns whether an error of [`Program::run`] says that there is no such program.
pub fn is_missing(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// Returns the middle of some measurements.
pub fn median<T: Ord + Copy>(values: &[T]) -> Option<T> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(path: &str) -> Program {
        Program::new(path, &std::env::temp_dir())
    }

    #[test]
    fn a_failure_tells_what_the_program_said() {
        let error = program("sh")
            .run(["-c", "echo because >&2; exit 3"])
            .unwrap_err();
        assert!(error.to_string().ends_with("\nbecause"), "{error}");
        assert!(!is_missing(&error));
        assert!(is_missing(
            &program("no-such-program").run([""; 0]).unwrap_err()
        ));
    }

    #[test]
    fn programs_see_none_of_the_callers_settings() {
        let run = program("env").run([""; 0]).unwrap();
        let names: Vec<&str> = run
            .stdout
            .lines()
            .filter_map(|line| Some(line.split_once('=')?.0))
            .collect();
        assert!(
            names.iter().all(|name| ["PATH", "HOME"].contains(name)),
            "{names:?}"
        );
    }

    #[test]
    fn the_peak_is_the_programs_own() {
        // More than this test process has is found; without GNU time there is nothing to find.
        if let Some(peak) = program("sh").peak_memory(&["-c", "true"]).unwrap() {
            assert!((200 << 10..8 << 20).contains(&peak), "{peak}");
        }
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3, 1, 2]), Some(2));
        assert_eq!(median::<u8>(&[]), None);
    }
}
