//! Cargo, as it is where nobody has started it yet.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::checkout;

/// Lists the directories where the linker looks for libraries. `cargo run` puts
/// its own before the user's.
const LIBRARIES: &str = "LD_LIBRARY_PATH";

/// Returns a command of the cargo that runs us, in the checkout.
///
/// The only way for xtask to start one. `cargo run` tells a program about its
/// package. If the next cargo inherited that, it would build what depends on such
/// variables, as ring does, once more, and whoever runs cargo after it a third time.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(checkout());
    tidy(&mut command, std::env::vars_os());
    command
}

/// Builds kaiwo, with these arguments of `cargo build`, and copies it to `place`,
/// where no later build replaces it.
pub fn build(mut cargo: Command, place: &Path) -> Result<()> {
    let output = cargo
        .args(["--package", "kaiwo", "--bin", "kaiwo"])
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!("kaiwo does not build");
    }
    // Cargo tells where it put the executable, wherever the target directory is.
    let built = String::from_utf8(output.stdout)?
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == "kaiwo")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .context("cargo did not say where the executable is")?;
    std::fs::copy(&built, place)
        .with_context(|| format!("cannot copy {} to {}", built.display(), place.display()))?;
    Ok(())
}

/// Returns the directory that cargo builds into.
pub fn target_directory() -> Result<PathBuf> {
    let output = cargo()
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .output()
        .context("cannot run cargo")?;
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let target = metadata["target_directory"].as_str();
    Ok(target
        .context("cargo metadata has no target_directory")?
        .into())
}

/// Takes from a command what `cargo run` has added to the variables that it would
/// inherit.
fn tidy(command: &mut Command, inherited: impl IntoIterator<Item = (OsString, OsString)>) {
    for (name, value) in inherited {
        let left = match name == LIBRARIES {
            true => users(&value),
            false if name.to_str().is_some_and(is_about_a_package) => OsString::new(),
            false => continue,
        };
        match left.is_empty() {
            true => command.env_remove(name),
            false => command.env(name, left),
        };
    }
}

/// Returns whether cargo sets this variable for the programs it runs, and never
/// reads it (the Cargo Book, "Environment variables Cargo sets for crates").
fn is_about_a_package(variable: &str) -> bool {
    const NAMES: [&str; 7] = [
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_PATH",
        "CARGO_CRATE_NAME",
        "CARGO_BIN_NAME",
        "CARGO_PRIMARY_PACKAGE",
        "CARGO_TARGET_TMPDIR",
        "OUT_DIR",
    ];
    NAMES.contains(&variable)
        || ["CARGO_PKG_", "CARGO_BIN_EXE_"]
            .iter()
            .any(|prefix| variable.starts_with(prefix))
}

/// Leaves of the libraries' directories those that are not cargo's: it adds some
/// of the target directory, which this program is in, and Rust's own.
fn users(libraries: &OsStr) -> OsString {
    let program = std::env::current_exe().unwrap_or_default();
    let target = program
        .ancestors()
        .find(|place| place.join("CACHEDIR.TAG").is_file());
    let is_cargos = |place: &PathBuf| {
        target.is_some_and(|target| place.starts_with(target))
            || place.components().any(|part| part.as_os_str() == "rustlib")
    };
    let left = std::env::split_paths(libraries).filter(|place| !is_cargos(place));
    std::env::join_paths(left).unwrap_or_else(|_| libraries.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cargo_inherits_nothing_about_our_package() {
        let inherited = [
            ("PATH", "/usr/bin"),
            ("CARGO_TERM_COLOR", "never"),
            ("CARGO_MANIFEST_DIR", "/src/xtask"),
            ("CARGO_PKG_NAME", "xtask"),
            ("LD_LIBRARY_PATH", "/r/lib/rustlib/x/lib:/opt/lib"),
        ];
        let mut command = Command::new("cargo");
        tidy(
            &mut command,
            inherited.map(|(name, value)| (name.into(), value.into())),
        );
        let changed: Vec<_> = command.get_envs().collect();
        assert_eq!(
            changed,
            [
                (OsStr::new("CARGO_MANIFEST_DIR"), None),
                (OsStr::new("CARGO_PKG_NAME"), None),
                (OsStr::new("LD_LIBRARY_PATH"), Some(OsStr::new("/opt/lib"))),
            ]
        );
    }

    #[test]
    fn what_a_user_tells_cargo_reaches_it() {
        for variable in [
            "CARGO_TARGET_DIR",
            "CARGO_TERM_COLOR",
            "CARGO_HOME",
            "CARGO_BUILD_JOBS",
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER",
            "RUSTFLAGS",
            "RUSTUP_TOOLCHAIN",
        ] {
            assert!(!is_about_a_package(variable), "{variable}");
        }
        assert_eq!(
            users(OsStr::new("/opt/rocm/lib:/usr/lib")),
            "/opt/rocm/lib:/usr/lib"
        );
        assert_eq!(
            users(OsStr::new("/r/lib/rustlib/x/lib:/opt/lib")),
            "/opt/lib"
        );
    }
}
