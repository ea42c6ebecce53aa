//! Tries an executable before it counts: whether it starts, and finds a server by its name.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::json;

/// Longest wait for what takes a second on an idle machine; emulated ones are slow.
const LIMIT: Duration = Duration::from_secs(120);

/// Returns a command of the executable with an environment of its own.
pub fn command(file: &Path, runner: Option<&str>) -> Command {
    let mut command = match runner {
        None => Command::new(file),
        Some(emulator) => {
            let mut command = Command::new(emulator);
            command.arg(file);
            command
        }
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    command
        .env_clear()
        .env("PATH", path)
        .env("HOME", "/nonexistent")
        .env("USER", "dist");
    command
}

/// Returns what it says of its version, which must be this.
pub fn runs(file: &Path, runner: Option<&str>, version: &str) -> Result<String> {
    let output = command(file, runner)
        .arg("--version")
        .output()
        .context("it does not start")?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() || said.split_whitespace().nth(1) != Some(version) {
        bail!(
            "--version of {version} ends with {} and says {said:?}",
            output.status
        );
    }
    Ok(said)
}

/// Checks that it finds a server by its name. A static executable carries its own
/// resolver, and one with glibc's finds nothing where glibc is another.
pub fn looks_up_names(file: &Path, runner: Option<&str>) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    let kubeconfig = file.with_extension("kubeconfig");
    let content = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "here", "users": [],
        "clusters": [{"name": "here", "cluster": {"server": format!("https://localhost:{port}")}}],
        "contexts": [{"name": "here", "context": {"cluster": "here"}}],
    });
    std::fs::write(&kubeconfig, content.to_string())?;
    let mut child = command(file, runner)
        .env("KUBECONFIG", &kubeconfig)
        .args(["submit", "--image", "busybox"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let start = Instant::now();
    let connected = loop {
        let ended = child.try_wait()?.is_some();
        // After a look at the child: it may have connected just before its end.
        if listener.accept().is_ok() {
            break true;
        }
        if ended || start.elapsed() > LIMIT {
            break false;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    // It may have ended by itself.
    let _ = child.kill();
    let output = child.wait_with_output()?;
    std::fs::remove_file(&kubeconfig)?;
    if !connected {
        bail!(
            "it does not connect to https://localhost:{port}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_start_or_says_another_version_is_no_release() {
        let error = |file: &str| format!("{:#}", runs(Path::new(file), None, "0.1.0").unwrap_err());
        assert!(error("/nonexistent/kaiwo").contains("does not start"));
        assert!(
            error("/bin/echo").contains("--version of "),
            "{}",
            error("/bin/echo")
        );
        assert!(error("/bin/false").contains("ends with"));
    }

    #[test]
    fn a_program_that_connects_to_nothing_is_no_release() {
        let here = std::env::temp_dir().join(format!("xtask-dist-{}", std::process::id()));
        std::fs::write(&here, "#!/bin/sh\necho 'no such host' >&2\nexit 7\n").unwrap();
        std::fs::set_permissions(&here, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        let error = looks_up_names(&here, None).unwrap_err().to_string();
        assert!(error.contains("no such host"), "{error}");
        std::fs::remove_file(&here).unwrap();
    }
}
