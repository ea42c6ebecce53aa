//! Runs tests, counts what passed, and tries what failed once more.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, anyhow, bail};

use super::report::{End, Notes, say};

/// Most tests of a layer that are tried again: more are no accident.
const SECOND_TRIES: usize = 3;

/// How tests say that they have left something out, at the start of a line.
const SKIPPED: [&str; 2] = ["skipped: ", "SKIPPED "];

/// Runs `cargo test`, passes on what it prints, counts what passed and keeps
/// what was skipped. A layer in which no test ran has failed: its filter is
/// wrong.
///
/// A few tests that fail run again, alone: what then passes is named in the summary as
/// flaky, a defect of its own, and does not hide what the change broke or not.
pub fn tests(mut command: Command, notes: &mut Notes) -> Result<End> {
    let first = run_tests(&mut command, notes)?;
    match (first.succeeded, first.passed) {
        (true, 0) => bail!("no test ran"),
        (true, passed) => return Ok(End::Passed(passed)),
        (false, _) if first.failed.is_empty() => bail!("tests failed"),
        (false, _) if first.failed.len() > SECOND_TRIES => {
            bail!("failed: {}", first.failed.join(", "))
        }
        (false, _) => {}
    }
    say(&format!("once more, alone: {}", first.failed.join(", ")));
    let second = run_tests(&mut rerun(&command, &first.failed), notes)?;
    let all = u32::try_from(first.failed.len()).is_ok_and(|failed| failed == second.passed);
    if !second.succeeded || !all {
        bail!("failed: {}", first.failed.join(", "));
    }
    notes.flaky.extend(first.failed);
    Ok(End::Passed(first.passed + second.passed))
}

/// Returns the command that runs just these tests, one at a time.
fn rerun(command: &Command, failed: &[String]) -> Command {
    let mut alone = Command::new(command.get_program());
    let of_cargo = command.get_args().take_while(|argument| *argument != "--");
    alone
        .args(of_cargo)
        .args(["--", "--include-ignored", "--nocapture"]);
    alone.args(["--test-threads=1", "--exact"]).args(failed);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => alone.env(name, value),
            None => alone.env_remove(name),
        };
    }
    alone
}

/// What one run of `cargo test` came to.
struct Outcome {
    succeeded: bool,
    passed: u32,
    failed: Vec<String>,
}

fn run_tests(command: &mut Command, notes: &mut Notes) -> Result<Outcome> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run cargo")?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    // Both at once, or the one that is not read fills up and stops the tests.
    let (passed, errors) = std::thread::scope(|scope| {
        let errors = scope.spawn(|| {
            let mut found = Vec::new();
            let passed_on = pass_on(stderr, std::io::stderr(), |line| {
                found.extend(skip_in(line).map(str::to_owned));
            });
            passed_on.map(|()| found)
        });
        let (mut passed, mut failed) = (0, Failed::default());
        let passed_on = pass_on(stdout, std::io::stdout(), |line| {
            passed += passed_in(line);
            failed.read(line);
        });
        (passed_on.map(|()| (passed, failed.names)), errors.join())
    });
    let succeeded = child.wait()?.success();
    let skipped = errors.map_err(|_| anyhow!("a thread of xtask has panicked"))??;
    notes.skipped.extend(skipped);
    let (passed, failed) = passed?;
    Ok(Outcome {
        succeeded,
        passed,
        failed,
    })
}

/// The names that a test binary lists at its end, after what they printed.
#[derive(Default)]
struct Failed {
    names: Vec<String>,
    listed: bool,
}

impl Failed {
    fn read(&mut self, line: &str) {
        match line.strip_prefix("    ") {
            Some(name) if self.listed && !name.contains(' ') => self.names.push(name.to_owned()),
            _ => self.listed = line == "failures:",
        }
    }
}

/// Copies a stream line by line and shows each line to `look`. Reads to the
/// end even if nobody takes the copy: the tests must not stall.
fn pass_on(
    from: Option<impl Read>,
    mut to: impl Write,
    mut look: impl FnMut(&str),
) -> std::io::Result<()> {
    let Some(from) = from else { return Ok(()) };
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    // Bytes, because a test may print what is no text.
    while from.read_until(b'\n', &mut line)? > 0 {
        let _ = to.write_all(&line);
        look(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    let _ = to.flush();
    Ok(())
}

/// Reads what a line says was left out.
fn skip_in(line: &str) -> Option<&str> {
    SKIPPED.iter().find_map(|word| line.strip_prefix(word))
}

/// Reads the number of passed tests from the line that closes a test binary.
fn passed_in(line: &str) -> u32 {
    let count = || {
        let (_, after) = line.strip_prefix("test result: ")?.split_once(". ")?;
        after.split_once(" passed")?.0.parse().ok()
    };
    count().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_of_a_test_binary_is_counted() {
        let line = "test result: ok. 14 passed; 0 failed; 2 ignored; 0 measured; 78 filtered out";
        assert_eq!(passed_in(line), 14);
        assert_eq!(passed_in("test result: FAILED. 3 passed; 1 failed"), 3);
        assert_eq!(passed_in("test a_test ... ok"), 0);
    }

    #[test]
    fn failed_tests_are_read_from_the_list_at_the_end_and_run_alone() {
        let output = "test a::b ... FAILED\n\nfailures:\n\n---- a::b stdout ----\n    left: 1\n\n\n\
                      failures:\n    a::b\n    c::d\n\ntest result: FAILED. 3 passed; 2 failed\n";
        let mut failed = Failed::default();
        output.lines().for_each(|line| failed.read(line));
        assert_eq!(failed.names, ["a::b", "c::d"]);
        let mut command = Command::new("cargo");
        command.args(["test", "--test", "it", "--", "--ignored", "real_node::"]);
        command.env("KUBECONFIG", "/k").env_remove("HOME");
        let alone = rerun(&command, &failed.names);
        let arguments: Vec<&str> = alone
            .get_args()
            .filter_map(std::ffi::OsStr::to_str)
            .collect();
        let expected =
            "test --test it -- --include-ignored --nocapture --test-threads=1 --exact a::b c::d";
        assert_eq!(arguments.join(" "), expected);
        assert_eq!(alone.get_envs().count(), 2);
    }

    #[test]
    fn lines_are_passed_on_as_they_are() {
        let from = b"SKIPPED a test: why\nno text: \xff\nlast".as_slice();
        let (mut to, mut skips) = (Vec::new(), Vec::new());
        pass_on(Some(from), &mut to, |line| {
            skips.extend(skip_in(line).map(str::to_owned));
        })
        .unwrap();
        assert_eq!(to, from);
        assert_eq!(skips, ["a test: why"]);
    }
}
