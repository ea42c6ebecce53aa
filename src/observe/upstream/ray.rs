//! Reads what Ray and KubeRay say about a driver or an application that failed
//! (Ray v2.50, KubeRay v1.6).

use super::output;
use crate::printable;

/// What Ray says of a driver that failed (`JobSupervisor.run`): `Job entrypoint
/// command failed with exit code 42, last available logs (truncated to 20,000
/// chars):`, and its last lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DriverFailure<'a> {
    /// Its exit code; of a signal 128 and more, as a shell has it.
    pub exit_code: i64,
    /// What it printed last.
    pub output: &'a str,
}

impl<'a> DriverFailure<'a> {
    /// Reads `status.message` of a RayJob; nothing if it says something else.
    pub fn read(message: &'a str) -> Option<Self> {
        let (first, output) = message.split_once('\n').unwrap_or((message, ""));
        let (_, rest) = first.split_once("exit code ")?;
        let end = rest
            .char_indices()
            .find(|(at, c)| !(c.is_ascii_digit() || (*at == 0 && *c == '-')))
            .map_or(rest.len(), |(at, _)| at);
        let code: i64 = rest[..end].parse().ok()?;
        Some(Self {
            exit_code: if code < 0 { 128 - code } else { code },
            output,
        })
    }

    /// Says it: `the driver ended with exit code 17: ValueError: bad sample 3`.
    pub fn words(&self) -> String {
        let code = self.exit_code;
        let output = printable::text(self.output);
        let lines: Vec<String> = output.lines().map(str::to_owned).collect();
        match output::exception(&lines) {
            Some(said) => format!("the driver ended with exit code {code}: {said}"),
            None => format!("the driver ended with exit code {code}"),
        }
    }
}

/// Returns whether an application of Ray Serve is unwell (`ApplicationStatus`).
pub fn is_unwell(status: &str) -> bool {
    matches!(status, "DEPLOY_FAILED" | "UNHEALTHY" | "DELETING")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_told_by_its_exit_code_and_exception() {
        let message = "Job entrypoint command failed with exit code 17, last available logs (truncated to 20,000 chars):\nTraceback (most recent call last):\nValueError: bad sample 3\n\u{1b}[36m(f pid=644)\u{1b}[0m task 0\n";
        let failure = DriverFailure::read(message).unwrap();
        assert_eq!(
            failure.words(),
            "the driver ended with exit code 17: ValueError: bad sample 3"
        );
        let killed =
            DriverFailure::read("… failed with exit code -9, last available logs").unwrap();
        assert_eq!(killed.words(), "the driver ended with exit code 137");
        assert_eq!(DriverFailure::read("Job was intentionally stopped."), None);
    }
}
