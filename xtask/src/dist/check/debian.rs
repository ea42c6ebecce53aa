//! A Debian with nothing but pip, in which the wheel and the package are installed.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::super::architecture::is_there;
use super::{Offer, Outcome, output, plans, works};
use crate::checkout;

/// The release of Debian, the one of the testbed's images.
const RELEASE: &str = "bookworm";

/// Installs both, one after the other.
pub fn debian(offer: &Offer) -> Result<Outcome> {
    if !offer.executable.is_static {
        return Ok(Outcome::LeftOut("the executable is not static".to_owned()));
    }
    if !rustix::process::getuid().is_root() || !is_there("debootstrap") {
        return Ok(Outcome::LeftOut(
            "debootstrap and root are needed".to_owned(),
        ));
    }
    let root = offer.place.join("root");
    let made = output(
        Command::new("debootstrap")
            .args(["--variant=minbase", "--include=python3-pip", RELEASE])
            .arg(&root),
    );
    if let Err(error) = made {
        return Ok(Outcome::LeftOut(format!("debootstrap: {error:#}")));
    }
    let inside = |words: &[&str]| {
        let mut chroot = Command::new("chroot");
        chroot.arg(&root).args(words).env("HOME", "/root");
        chroot
    };
    let put = |file: &Path| -> Result<String> {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        std::fs::copy(file, root.join(&*name))?;
        Ok(format!("/{name}"))
    };
    let example = put(&Path::new(checkout()).join("workloads/hello/entrypoint"))?;
    std::fs::create_dir(root.join("hello"))?;
    std::fs::rename(
        root.join(example.trim_start_matches('/')),
        root.join("hello/entrypoint"),
    )?;

    let wheel = put(&offer.file(".whl")?)?;
    let pip = ["pip", "--disable-pip-version-check"];
    output(
        inside(&pip)
            .args([
                "install",
                "--quiet",
                "--no-index",
                "--root-user-action=ignore",
            ])
            .args(["--break-system-packages", &wheel]),
    )?;
    let kaiwo = || inside(&["kaiwo"]);
    let seen = works(offer.product, kaiwo)?;
    plans(kaiwo, Path::new("/hello"))?;
    output(
        inside(&pip)
            .args(["uninstall", "--quiet", "--yes", "--root-user-action=ignore"])
            .args(["--break-system-packages", "kaiwo"]),
    )?;

    let package = put(&offer.file(".deb")?)?;
    output(&mut inside(&["dpkg", "--install", &package]))?;
    works(offer.product, kaiwo)?;
    plans(kaiwo, Path::new("/hello"))?;
    output(&mut inside(&["dpkg", "--remove", "kaiwo"]))?;
    Ok(Outcome::Worked(format!(
        "{seen}; by pip and dpkg in {RELEASE}"
    )))
}
