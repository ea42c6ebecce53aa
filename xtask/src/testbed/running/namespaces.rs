//! Runs a command in user and network namespaces of its own, where the machine allows it.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::testbed::instance::Mode;

/// Returns xtask as a command that runs where the mode says.
pub fn xtask(mode: Mode, executable: &Path) -> Command {
    match mode {
        Mode::Namespaces => {
            let mut command = Command::new("unshare");
            command
                .args(["--map-root-user", "--net", "--"])
                .arg(executable);
            command
        }
        Mode::Root => {
            let mut command = Command::new("unshare");
            command.args(["--net", "--"]).arg(executable);
            command
        }
        Mode::Loopback => Command::new(executable),
    }
}

/// Tries what the testbed needs; the error says why it cannot be had.
///
/// Some systems let anybody make namespaces and then forbid every use of them, so only a trial tells.
pub fn probe(mode: Mode, executable: &Path) -> Result<(), String> {
    let output = xtask(mode, executable)
        .args([
            "testbed",
            "probe",
            if mode.has_network() {
                "namespaces"
            } else {
                "root"
            },
        ])
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let message = String::from_utf8_lossy(&output.stderr);
            Err(message
                .lines()
                .last()
                .unwrap_or("it ended without a message")
                .to_owned())
        }
        Err(error) => Err(format!("unshare (package util-linux): {error}")),
    }
}
