//! pip, uv, dpkg and the script.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::super::architecture::is_there;
use super::super::{SCRIPT, SUMS};
use super::{Offer, Outcome, output, works_here};

/// Installs the wheel into an environment of its own, without a package index.
pub fn pip(offer: &Offer) -> Result<Outcome> {
    let venv = offer.place.join("venv");
    if !is_there("python3") {
        return Ok(Outcome::LeftOut("python3 is not installed".to_owned()));
    }
    if let Err(error) = output(Command::new("python3").args(["-m", "venv"]).arg(&venv)) {
        return Ok(Outcome::LeftOut(format!("no virtual environment: {error}")));
    }
    let wheel = offer.file(".whl")?;
    output(
        Command::new(venv.join("bin/pip"))
            .args([
                "install",
                "--quiet",
                "--no-index",
                "--disable-pip-version-check",
            ])
            .arg(&wheel),
    )?;
    let kaiwo = venv.join("bin/kaiwo");
    let seen = works_here(offer.product, || Command::new(&kaiwo))?;
    let listed = output(Command::new(venv.join("bin/pip")).args(["show", "--files", "kaiwo"]))?;
    let files = listed.lines().skip_while(|line| *line != "Files:").skip(1);
    let outside = files.filter(|line| !line.contains(".dist-info/"));
    let outside: Vec<&str> = outside.map(str::trim).collect();
    if outside != ["../../../bin/kaiwo"] {
        bail!("the wheel has more than the executable: {outside:?}");
    }
    let size = std::fs::metadata(&wheel)?.len();
    let size = super::super::mebibytes(size);
    Ok(Outcome::Worked(format!("{seen}; wheel of {size}")))
}

/// Runs the wheel as `uvx kaiwo` does.
pub fn uv(offer: &Offer) -> Result<Outcome> {
    if !is_there("uv") {
        return Ok(Outcome::LeftOut("uv is not installed".to_owned()));
    }
    let wheel = offer.file(".whl")?;
    let seen = works_here(offer.product, || {
        let mut uv = Command::new("uv");
        uv.args(["tool", "run", "--offline", "--from"])
            .arg(&wheel)
            .arg("kaiwo");
        uv
    })?;
    Ok(Outcome::Worked(seen))
}

/// Installs Debian's package into a root of its own.
pub fn dpkg(offer: &Offer) -> Result<Outcome> {
    if !is_there("dpkg") {
        return Ok(Outcome::LeftOut("dpkg is not installed".to_owned()));
    }
    let root = offer.place.join("root");
    let state = root.join("var/lib/dpkg");
    std::fs::create_dir_all(state.join("updates"))?;
    std::fs::create_dir_all(state.join("info"))?;
    std::fs::write(state.join("status"), "")?;
    let mut dpkg = Command::new("dpkg");
    dpkg.arg(format!("--root={}", root.display()))
        .args(["--force-not-root", "--log=/dev/null"]);
    if !offer.executable.is_static {
        // The root has no C library; the machine has.
        dpkg.arg("--force-depends");
    }
    output(dpkg.arg("--install").arg(offer.file(".deb")?))?;
    let kaiwo = root.join("usr/bin/kaiwo");
    let seen = works_here(offer.product, || Command::new(&kaiwo))?;
    let help = output(Command::new(root.join("usr/bin/kubectl-kaiwo")).arg("--help"))?;
    if !help.contains("Usage: kubectl kaiwo ") {
        bail!("kubectl-kaiwo --help does not name kubectl kaiwo");
    }
    for file in [
        "usr/share/man/man1/kaiwo-submit.1.gz",
        "usr/share/bash-completion/completions/kaiwo",
        "usr/share/doc/kaiwo/copyright",
    ] {
        if !root.join(file).is_file() {
            bail!("the package has no {file}");
        }
    }
    Ok(Outcome::Worked(format!(
        "{seen}, kubectl-kaiwo, manual pages"
    )))
}

/// Runs the script on the release's files, as they are and with a wrong byte.
pub fn script(offer: &Offer) -> Result<Outcome> {
    let bin = offer.place.join("bin");
    let run = |release: &Path| {
        let mut script = Command::new("sh");
        script
            .arg(offer.folder.join(SCRIPT))
            .env("KAIWO_RELEASE", format!("file://{}", release.display()))
            .env("KAIWO_BIN", &bin);
        script
    };
    if !is_there("curl") {
        return Ok(Outcome::LeftOut("curl is not installed".to_owned()));
    }
    let release = offer.folder.canonicalize()?;
    output(&mut run(&release))?;
    let kaiwo = bin.join("kaiwo");
    let seen = works_here(offer.product, || Command::new(&kaiwo))?;

    let wrong = offer.place.join("wrong");
    std::fs::create_dir(&wrong)?;
    let file = offer.executable.architecture.file_name();
    let mut content = offer.executable.content.clone();
    *content.last_mut().context("the executable is empty")? ^= 1;
    std::fs::write(wrong.join(file), content)?;
    std::fs::copy(release.join(SUMS), wrong.join(SUMS))?;
    std::fs::remove_file(&kaiwo)?;
    let refused = run(&wrong).output()?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    if refused.status.success() || !said.contains("checksum") || kaiwo.exists() {
        bail!("a wrong byte is not refused: {said}");
    }
    let left = std::fs::read_dir(&bin)?.count();
    if left > 0 {
        bail!("a refusal leaves {left} files in {}", bin.display());
    }
    Ok(Outcome::Worked(format!(
        "{seen}; a wrong checksum is refused"
    )))
}
