//! krew, built from its Go module, and kubectl with the plugin that it installs.

use std::process::Command;

use anyhow::{Result, bail};

use super::super::architecture::is_there;
use super::super::managers::KREW;
use super::{Offer, Outcome, output, works_here};

/// The module, with its version.
const MODULE: &str = "sigs.k8s.io/krew/cmd/krew@v0.4.3";

/// Installs the plugin from the local manifest and archive, and has kubectl run it.
pub fn krew(offer: &Offer) -> Result<Outcome> {
    let missing = ["go", "kubectl"]
        .into_iter()
        .find(|program| !is_there(program));
    if let Some(program) = missing {
        return Ok(Outcome::LeftOut(format!("{program} is not installed")));
    }
    let bin = offer.place.join("bin");
    let built = output(
        Command::new("go")
            .args(["install", MODULE])
            .env("GOBIN", &bin),
    );
    if let Err(error) = built {
        return Ok(Outcome::LeftOut(format!("krew cannot be built: {error:#}")));
    }
    let root = offer.place.join("krew");
    output(
        Command::new(bin.join("krew"))
            .env("KREW_ROOT", &root)
            .env("KREW_NO_UPGRADE_CHECK", "1")
            .args(["install", "--manifest"])
            .arg(offer.folder.join(KREW))
            .arg("--archive")
            .arg(offer.file(".tar.gz")?),
    )?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(root.join("bin")).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(paths)?;
    let kubectl = || {
        let mut kubectl = Command::new("kubectl");
        kubectl.env("PATH", &path).arg("kaiwo");
        kubectl
    };
    let seen = works_here(offer.product, kubectl)?;
    let help = output(kubectl().args(["submit", "--help"]))?;
    let hint = kubectl().arg("logs").output()?;
    let hint = String::from_utf8_lossy(&hint.stderr).into_owned();
    if !help.contains("Usage: kubectl kaiwo submit") || !hint.contains(": kubectl kaiwo list") {
        bail!("help or hints do not name kubectl kaiwo: {hint}");
    }
    Ok(Outcome::Worked(format!(
        "{seen}; help and hints say kubectl kaiwo"
    )))
}
