//! `cargo xtask test`: every layer of tests, cheapest first.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::checkout;
use crate::testbed::{Options, Testbed};

/// Name of the testbed that the tests have for themselves.
const TESTBED: &str = "test";

/// Run all tests, cheapest layers first.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Leave out the layer that needs the testbed
    #[arg(long, conflicts_with = "require_testbed")]
    no_testbed: bool,
    /// Fail if the testbed cannot be built here, instead of leaving it out
    #[arg(long)]
    require_testbed: bool,
    /// Leave the testbed running afterwards, for a look at what failed
    #[arg(long)]
    keep_testbed: bool,
}

/// Layers of their own target: name, and the arguments that select it.
const TARGETS: [(&str, &[&str]); 2] = [
    ("unit and property tests", &["--lib"]),
    ("unit tests of xtask", &["--bin", "xtask"]),
];

/// Layers that are modules of the integration tests.
const MODULES: [(&str, &str); 6] = [
    ("structure of the code", "architecture::"),
    ("dependencies", "dependencies::"),
    ("golden manifests", "golden::"),
    ("hostile values", "hostile::"),
    ("command line", "cli::"),
    ("scripted API server", "mock_api::"),
];

/// How a layer ended.
enum End {
    Passed(u32),
    Failed(&'static str),
    LeftOut(String),
}

/// Runs the layers, and fails if one has failed.
pub fn run(args: &TestArgs) -> Result<()> {
    let mut report = Report::default();
    report.layer("compiling", || {
        // The whole workspace at once everywhere, so that all layers share
        // one set of features and nothing is compiled twice.
        let compiled = cargo(&["test", "--workspace", "--no-run"])
            .status()
            .context("cannot run cargo")?;
        match compiled.success() {
            true => Ok(End::Passed(0)),
            false => bail!("the tests do not compile"),
        }
    })?;
    for (name, target) in TARGETS {
        let mut command = cargo(&["test", "--workspace"]);
        command.args(target);
        report.layer(name, || tests(command))?;
    }
    for (name, module) in MODULES {
        let command = cargo(&["test", "--workspace", "--test", "it", "--", module]);
        report.layer(name, || tests(command))?;
    }
    let mut rest = cargo(&["test", "--workspace", "--test", "it", "--"]);
    for (_, module) in MODULES {
        rest.args(["--skip", module]);
    }
    report.layer("the tests' own tools", || tests(rest))?;
    report.layer("testbed", || match args.no_testbed {
        true => Ok(End::LeftOut("--no-testbed".to_owned())),
        false => on_testbed(args),
    })?;
    report.summarise()
}

/// Runs the tests that need a control plane, on one of their own.
fn on_testbed(args: &TestArgs) -> Result<End> {
    let options = Options {
        name: TESTBED.to_owned(),
        ..Options::default()
    };
    let testbed = match Testbed::up(&options) {
        Ok(testbed) => testbed,
        Err(error) if args.require_testbed => {
            return Err(error.context("the testbed is required and did not start"));
        }
        Err(error) => return Ok(End::LeftOut(format!("{error:#}"))),
    };
    for skip in testbed.skips() {
        say(&format!(
            "this testbed has no {}: {}",
            skip.word(),
            skip.meaning()
        ));
    }
    let mut command = cargo(&["test", "--workspace", "--test", "it", "--"]);
    command
        .args(["--ignored", "--nocapture", "testbed::"])
        .envs(testbed.environment());
    let end = tests(command)?;
    if args.keep_testbed {
        say(&format!(
            "the testbed stays up: eval \"$(cargo xtask testbed env --name {TESTBED})\""
        ));
    } else {
        Testbed::down(TESTBED)?;
    }
    Ok(end)
}

/// Runs `cargo test`, passes on what it prints, and counts what passed. A
/// layer in which no test ran has failed: its filter is wrong.
fn tests(mut command: Command) -> Result<End> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run cargo")?;
    let mut passed = 0;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            passed += passed_in(&line);
            writeln!(std::io::stdout(), "{line}")?;
        }
    }
    Ok(match (child.wait()?.success(), passed) {
        (false, _) => End::Failed("FAILED"),
        (true, 0) => End::Failed("FAILED: no test ran"),
        (true, passed) => End::Passed(passed),
    })
}

/// Reads the number of passed tests from the line that closes a test binary.
fn passed_in(line: &str) -> u32 {
    let count = || {
        let (_, after) = line.strip_prefix("test result: ")?.split_once(". ")?;
        after.split_once(" passed")?.0.parse().ok()
    };
    count().unwrap_or(0)
}

/// What ran, how it ended and how long it took.
#[derive(Default)]
struct Report(Vec<(&'static str, End, Duration)>);

impl Report {
    fn layer(&mut self, name: &'static str, run: impl FnOnce() -> Result<End>) -> Result<()> {
        say(name);
        let start = Instant::now();
        let end = run()?;
        self.0.push((name, end, start.elapsed()));
        Ok(())
    }

    fn summarise(self) -> Result<()> {
        let mut table = String::from("\n");
        let mut failed = Vec::new();
        for (name, end, took) in self.0 {
            let word = match end {
                End::Passed(0) => "done".to_owned(),
                End::Passed(count) => format!("{count} passed"),
                End::Failed(how) => {
                    failed.push(name);
                    how.to_owned()
                }
                End::LeftOut(why) => format!("left out: {why}"),
            };
            table += &format!("{name:<26} {:>6.1} s  {word}\n", took.as_secs_f64());
        }
        std::io::stderr().write_all(table.as_bytes())?;
        match failed[..] {
            [] => Ok(()),
            _ => bail!("failed: {}", failed.join(", ")),
        }
    }
}

/// Returns a command of the cargo that runs us, in the checkout.
fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(checkout());
    command
}

fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "\n== {what}");
}

#[cfg(test)]
mod tests {
    use super::passed_in;

    #[test]
    fn the_closing_line_of_a_test_binary_is_counted() {
        let line = "test result: ok. 14 passed; 0 failed; 2 ignored; 0 measured; 78 filtered out";
        assert_eq!(passed_in(line), 14);
        assert_eq!(passed_in("test result: FAILED. 3 passed; 1 failed"), 3);
        assert_eq!(passed_in("test a_test ... ok"), 0);
    }
}
