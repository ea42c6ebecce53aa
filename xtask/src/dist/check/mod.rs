//! Installs what was packed with the clients that users have, and runs it.

mod clients;
mod crates_io;
mod debian;
mod krew;
mod node;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::architecture::Architecture;
use super::product::{Executable, Product};
use super::{given, pack, product, say};
use crate::checkout;

/// How a client ended.
#[derive(Debug)]
pub enum Outcome {
    /// kaiwo was installed and ran; what was seen.
    Worked(String),
    /// The client is not here, or cannot do it; why.
    LeftOut(String),
}

/// What a client is given.
#[derive(Debug)]
struct Offer<'a> {
    product: &'a Product,
    executable: &'a Executable,
    /// The files of the release.
    folder: &'a Path,
    /// Empty directory for this client alone.
    place: PathBuf,
}

impl Offer<'_> {
    /// Returns the file of the release with this end for the executable.
    fn file(&self, end: &str) -> Result<PathBuf> {
        let Architecture { name, machine, .. } = self.executable.architecture;
        let mut files = Vec::new();
        for entry in std::fs::read_dir(self.folder)? {
            files.push(entry?.path());
        }
        let found = files.into_iter().find(|path| {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            file.ends_with(end) && (file.contains(name) || file.contains(machine))
        });
        found.with_context(|| format!("the release has no {end} for {name}"))
    }
}

type Client = (&'static str, fn(&Offer) -> Result<Outcome>);

/// The clients that need nothing but themselves.
const QUICK: [Client; 2] = [("pip", clients::pip), ("dpkg", clients::dpkg)];
/// The clients that are built first, need root, or compile kaiwo.
const SLOW: [Client; 6] = [
    ("uv", clients::uv),
    ("install.sh", clients::script),
    ("krew", krew::krew),
    ("containerd", node::containerd),
    ("Debian", debian::debian),
    ("cargo install", crates_io::install),
];

/// Runs every client.
///
/// # Errors
///
/// If one fails, or with `require_all` one is left out.
pub fn run(
    product: &Product,
    executables: &[Executable],
    folder: &Path,
    require_all: bool,
) -> Result<()> {
    let mut runnable = executables
        .iter()
        .filter(|it| it.architecture.runner() == Some(None));
    let executable = runnable
        .next()
        .context("none of the executables is for this machine")?;
    let mut bad = Vec::new();
    for (name, client) in QUICK.into_iter().chain(SLOW) {
        match attempt(name, client, product, executable, folder) {
            Ok(Outcome::Worked(seen)) => say(&format!("{name}: {seen}")),
            Ok(Outcome::LeftOut(why)) => {
                say(&format!("skipped: {name}: {why}"));
                if require_all {
                    bad.push(name);
                }
            }
            Err(error) => {
                say(&format!("{name}: failed: {error:#}"));
                bad.push(name);
            }
        }
    }
    match bad.is_empty() {
        true => Ok(()),
        false => bail!("not installed by {}", bad.join(", ")),
    }
}

/// Packs an executable that is there, installs it with the quick clients, and compiles
/// what `cargo package` packs. Returns how many passed.
///
/// # Errors
///
/// If one fails.
pub fn packages(executable: &Path, skipped: &mut BTreeSet<String>) -> Result<u32> {
    // The same place each time, so that cargo recognizes what it compiles there.
    let place = crate::cargo::target_directory()?.join("packages");
    if place.exists() {
        std::fs::remove_dir_all(&place)?;
    }
    std::fs::create_dir_all(&place)?;
    let result = packed(executable, &place, skipped);
    let removed = std::fs::remove_dir_all(&place);
    let passed = result?;
    removed.with_context(|| format!("cannot remove {}", place.display()))?;
    Ok(passed)
}

fn packed(executable: &Path, folder: &Path, skipped: &mut BTreeSet<String>) -> Result<u32> {
    // What it has for a debugger is nine tenths of it, and all is compressed twice.
    let stripped = folder.join("stripped");
    let strip = Command::new("strip")
        .arg("-o")
        .arg(&stripped)
        .arg(executable)
        .status();
    let executable = match strip.is_ok_and(|status| status.success()) {
        true => stripped.as_path(),
        false => executable,
    };
    let executables = [given(executable, folder)?];
    let product = product("https://github.com/OWNER/kaiwo", &executables, folder)?;
    pack(&product, &executables, &[], folder)?;
    let mut passed = 0;
    for (name, client) in QUICK {
        match attempt(name, client, &product, &executables[0], folder).context(name)? {
            Outcome::Worked(seen) => {
                say(&format!("{name}: {seen}"));
                passed += 1;
            }
            Outcome::LeftOut(why) => _ = skipped.insert(format!("{name}: {why}")),
        }
    }
    match crates_io::compiles(&folder.join("crates")).context("cargo package")? {
        Outcome::Worked(seen) => {
            say(&format!("cargo package: {seen}"));
            passed += 1;
        }
        Outcome::LeftOut(why) => _ = skipped.insert(format!("cargo package: {why}")),
    }
    Ok(passed)
}

/// Gives a client a directory of its own, which is removed afterwards.
fn attempt(
    name: &str,
    client: fn(&Offer) -> Result<Outcome>,
    product: &Product,
    executable: &Executable,
    folder: &Path,
) -> Result<Outcome> {
    let label = name.replace(' ', "-");
    let place = std::env::temp_dir().join(format!("kaiwo-{label}-{}", std::process::id()));
    std::fs::create_dir_all(&place)?;
    let offer = Offer {
        product,
        executable,
        folder,
        place: place.clone(),
    };
    let outcome = client(&offer);
    // The error of the client counts more.
    match (outcome, std::fs::remove_dir_all(&place)) {
        (Ok(_), Err(error)) => Err(error).with_context(|| place.display().to_string()),
        (outcome, _) => outcome,
    }
}

/// Runs a command to its end, and returns what it printed.
fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot run {name}"))?;
    if !output.status.success() {
        bail!(
            "{name} ends with {}: {}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout).trim(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Has an installed kaiwo say its version and complete, and returns what it said. `run`
/// starts it.
fn works(product: &Product, run: impl Fn() -> Command) -> Result<String> {
    let version = output(run().arg("--version"))?.trim().to_owned();
    if version != format!("kaiwo {}", product.version) {
        bail!("--version says {version:?}");
    }
    let script = output(run().args(["completion", "bash"]))?;
    if !script.contains("__complete") {
        bail!("completion bash prints no script");
    }
    Ok(format!("{version}, completion, dry run of an example"))
}

/// Has an installed kaiwo plan an example.
fn plans(run: impl Fn() -> Command, example: &Path) -> Result<()> {
    let plan = output(
        run()
            .env("USER", "dist")
            .args(["submit", "--dry-run", "-g", "1", "-p"])
            .arg(example),
    )?;
    match plan.contains("kind: Job") {
        true => Ok(()),
        false => bail!("the dry run of an example prints no Job"),
    }
}

/// Has one on this machine do both.
fn works_here(product: &Product, run: impl Fn() -> Command) -> Result<String> {
    plans(&run, &Path::new(checkout()).join("workloads/hello"))?;
    works(product, run)
}
