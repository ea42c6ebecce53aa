//! Processes that cannot be mistaken for others and do not outlive who started them.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{
    Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal, set_parent_process_death_signal,
};
use serde::{Deserialize, Serialize};

/// A process number with the time its bearer began, in clock ticks since boot: the number alone is soon another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub pid: u32,
    started: u64,
}

impl Identity {
    /// Returns the identity of a process that runs now.
    pub fn read(pid: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (state, started) = state_and_start(&stat)?;
        // What has ended but was not waited for holds nothing any more.
        (state != 'Z' && state != 'X').then_some(Self { pid, started })
    }

    pub fn is_alive(self) -> bool {
        Self::read(self.pid) == Some(self)
    }

    /// Sends a signal to this very process, never to a later one with the same number.
    pub fn signal(self, signal: Signal) {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return;
        };
        // The descriptor holds on to whoever bears the number now; only then is it worth asking who that is.
        if let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty())
            && self.is_alive()
        {
            let _ = pidfd_send_signal(descriptor, signal);
        }
    }

    /// Waits until the process is gone; returns whether it is.
    pub fn wait_gone(self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        while self.is_alive() {
            if Instant::now() > end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        true
    }

    /// Returns the resident memory in bytes.
    pub fn resident(self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let kibibytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(kibibytes.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
    }
}

/// Reads fields 3 and 22 of `/proc/PID/stat`; the second field, a name, may itself hold spaces and parentheses.
fn state_and_start(stat: &str) -> Option<(char, u64)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let started = fields.nth(18)?.parse().ok()?;
    Some((state, started))
}

/// Becomes `program`, in `root` if given, and makes the kernel end it with `parent`.
///
/// A program cannot be asked to die with its parent before it runs, so xtask runs first, asks, and is replaced.
pub fn become_daemon(
    parent: u32,
    root: Option<PathBuf>,
    program: PathBuf,
    arguments: Vec<OsString>,
) -> Result<()> {
    die_with(parent)?;
    if let Some(root) = root {
        enter(&root)?;
    }
    let error = Command::new(&program).args(arguments).exec();
    Err(error).with_context(|| format!("failed to run {}", program.display()))
}

/// Has the kernel kill this process when `parent` ends.
fn die_with(parent: u32) -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have ended just before it was asked for.
    if std::os::unix::process::parent_id() != parent {
        bail!("the supervisor is gone");
    }
    Ok(())
}

/// Makes `root` the root directory.
pub fn enter(root: &Path) -> Result<()> {
    std::os::unix::fs::chroot(root)
        .with_context(|| format!("failed to enter {}", root.display()))?;
    std::env::set_current_dir("/").context("failed to enter the new root")
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2 3";
        assert_eq!(state_and_start(stat), Some(('S', 987_654)));
        assert_eq!(state_and_start("42 (cut"), None);
    }

    #[test]
    fn another_start_time_is_another_process() {
        let own = Identity::read(std::process::id()).unwrap();
        assert!(own.is_alive());
        assert!(
            !Identity {
                started: own.started + 1,
                ..own
            }
            .is_alive()
        );
    }

    #[test]
    fn signals_reach_their_process_and_are_waited_for() {
        let mut child = Command::new("sleep")
            .arg("600")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let identity = Identity::read(child.id()).unwrap();
        assert!(!identity.wait_gone(Duration::ZERO));
        Identity {
            started: identity.started + 1,
            ..identity
        }
        .signal(Signal::KILL);
        assert!(identity.is_alive());
        identity.signal(Signal::KILL);
        assert!(identity.wait_gone(Duration::from_secs(600)));
        child.wait().unwrap();
    }
}
