//! What crates.io would get: the packages' content compiles, and `cargo install` installs
//! it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::{Offer, Outcome, output, works_here};
use crate::cargo::{cargo, target_directory};
use crate::checkout;

/// Compiles the packages as they are packed, and returns what was found. Dependencies
/// come from the checkout's target directory.
pub fn compiles(place: &Path) -> Result<Outcome> {
    if let Some(old) = too_old()? {
        return Ok(Outcome::LeftOut(old));
    }
    let packages = unpacked(place)?;
    for file in ["LICENSE", "README.md", "Cargo.lock", "build.rs"] {
        if !packages.kaiwo.join(file).is_file() {
            bail!("the package of kaiwo has no {file}");
        }
    }
    let mut check = cargo();
    check.args(["check", "--quiet", "--offline", "--manifest-path"]);
    check.arg(packages.kaiwo.join("Cargo.toml"));
    output(packages.configure(&mut check)?)?;
    Ok(Outcome::Worked(format!("{} files compile", packages.files)))
}

/// Returns why this cargo packs no workspace whose packages need each other, if so.
fn too_old() -> Result<Option<String>> {
    let version = output(cargo().arg("--version"))?;
    let numbers = version.split([' ', '.']).skip(1);
    let numbers: Vec<u32> = numbers.map_while(|it| it.parse().ok()).collect();
    let is_old = numbers.as_slice() < [1, 90].as_slice();
    Ok(is_old.then(|| format!("it needs cargo 1.90; this is {}", version.trim())))
}

/// Installs kaiwo from its package.
pub fn install(offer: &Offer) -> Result<Outcome> {
    if let Some(old) = too_old()? {
        return Ok(Outcome::LeftOut(old));
    }
    let packages = unpacked(&offer.place)?;
    let root = offer.place.join("root");
    let mut install = cargo();
    // A debug build: what is tried is the package, not the optimizer.
    install
        .args([
            "install",
            "--quiet",
            "--debug",
            "--offline",
            "--no-track",
            "--path",
        ])
        .arg(&packages.kaiwo)
        .arg("--root")
        .arg(&root);
    output(packages.configure(&mut install)?)?;
    let kaiwo = root.join("bin/kaiwo");
    let seen = works_here(offer.product, || Command::new(&kaiwo))?;
    Ok(Outcome::Worked(seen))
}

/// The packages of the workspace, unpacked.
struct Packages {
    kaiwo: PathBuf,
    /// Those that kaiwo needs, by name.
    others: Vec<(String, PathBuf)>,
    files: usize,
}

impl Packages {
    /// Has a cargo take the packages that kaiwo needs from here, and compile into the
    /// checkout's target directory.
    fn configure<'c>(&self, command: &'c mut Command) -> Result<&'c mut Command> {
        for (name, path) in &self.others {
            let path = serde_json::to_string(path)?;
            command.args(["--config", &format!("patch.crates-io.{name}.path={path}")]);
        }
        command
            .env("CARGO_TARGET_DIR", target_directory()?)
            .env("CARGO_INCREMENTAL", "0");
        Ok(command)
    }
}

/// Packs the workspace, and unpacks what is for crates.io.
fn unpacked(place: &Path) -> Result<Packages> {
    let packed = place.join("packed");
    output(
        cargo()
            .args(["package", "--workspace", "--exclude", "xtask"])
            .args(["--no-verify", "--allow-dirty", "--offline", "--quiet"])
            .arg("--target-dir")
            .arg(&packed),
    )?;
    let mut packages = Packages {
        kaiwo: PathBuf::new(),
        others: Vec::new(),
        files: 0,
    };
    let sources = place.join("sources");
    std::fs::create_dir_all(&sources)?;
    for entry in std::fs::read_dir(packed.join("package"))? {
        let path = entry?.path();
        if path.extension().is_none_or(|kind| kind != "crate") {
            continue;
        }
        let content = flate2::read::GzDecoder::new(std::fs::File::open(&path)?);
        let mut archive = tar::Archive::new(content);
        for file in archive.entries()? {
            file?.unpack_in(&sources)?;
            packages.files += 1;
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let begins = |at: usize| stem[at + 1..].starts_with(|c: char| c.is_ascii_digit());
        let mut dashes = stem.match_indices('-').map(|(at, _)| at);
        let name = &stem[..dashes.find(|at| begins(*at)).unwrap_or(stem.len())];
        let source = sources.join(&*stem);
        match name {
            "kaiwo" => packages.kaiwo = source,
            name => packages.others.push((name.to_owned(), source)),
        }
    }
    if packages.others.is_empty() || packages.kaiwo.as_os_str().is_empty() {
        bail!("cargo package has not packed kaiwo and its crates");
    }
    // It is below the checkout, and is to be no part of that workspace.
    let manifest = packages.kaiwo.join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest)?;
    std::fs::write(&manifest, text + "\n[workspace]\n")?;
    // The versions of the checkout, whose own crates are by path as here.
    std::fs::copy(
        Path::new(checkout()).join("Cargo.lock"),
        packages.kaiwo.join("Cargo.lock"),
    )?;
    Ok(packages)
}
