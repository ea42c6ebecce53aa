//! Builds a second time, in a copy of the checkout at another place.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use super::architecture::Architecture;
use super::{hex, say};
use crate::checkout;

/// Fails unless a second build has these bytes.
pub fn run(architecture: &Architecture, compiler: &str, profile: &str, first: &[u8]) -> Result<()> {
    let place = std::env::temp_dir().join(format!("kaiwo-again-{}", std::process::id()));
    let source = place.join("another/checkout");
    copy(&source)?;
    let executable = place.join("kaiwo");
    say(&format!("building again in {}", source.display()));
    let built = architecture.build(compiler, profile, &source, &executable);
    let second = built.and_then(|()| Ok(std::fs::read(&executable)?));
    let removed = std::fs::remove_dir_all(&place);
    let second = second?;
    removed.with_context(|| format!("cannot remove {}", place.display()))?;
    let sums = [first, &second].map(|content| hex(&Sha256::digest(content)));
    if sums[0] != sums[1] {
        bail!(
            "two builds differ: {} here, {} in {}",
            sums[0],
            sums[1],
            source.display()
        );
    }
    say(&format!("two builds are the same: {}", sums[0]));
    Ok(())
}

/// Copies what git knows or would add.
fn copy(to: &Path) -> Result<()> {
    let output = std::process::Command::new("git")
        .current_dir(checkout())
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .output()
        .context("cannot run git")?;
    if !output.status.success() {
        bail!(
            "git ls-files: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let names = String::from_utf8(output.stdout)?;
    for name in names.split_terminator('\0') {
        let from = Path::new(checkout()).join(name);
        // One that was removed is still known.
        if !from.is_file() {
            continue;
        }
        let to = to.join(name);
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::copy(&from, &to).with_context(|| name.to_owned())?;
    }
    Ok(())
}
