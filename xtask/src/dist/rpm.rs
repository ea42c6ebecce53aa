//! The package for Fedora, RHEL and openSUSE, which needs `rpmbuild`: the format is too old
//! and too large to be written here.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::architecture::is_there;
use super::archive::{Kind, MODIFIED, tar, with_directories};
use super::deb;
use super::product::{Executable, Product};

/// The program that packs.
const PACKER: &str = "rpmbuild";

/// Packs into `folder`, and returns the file's name; none where nothing can pack.
pub fn rpm(product: &Product, executable: &Executable, folder: &Path) -> Result<Option<String>> {
    if !is_there(PACKER) {
        return Ok(None);
    }
    let mut files = deb::files(product, executable)?;
    for entry in &mut files {
        // Fedora's places, where they differ.
        entry.path = entry
            .path
            .replace("zsh/vendor-completions", "zsh/site-functions")
            .replace("fish/vendor_completions.d", "fish/completions")
            .replace("share/doc/kaiwo/copyright", "share/licenses/kaiwo/LICENSE");
    }
    let place = folder.join("rpm");
    std::fs::create_dir_all(&place)?;
    std::fs::write(place.join("root.tar"), tar("", &with_directories(&files))?)?;
    std::fs::write(place.join("kaiwo.spec"), spec(product, &files)?)?;
    let machine = executable.architecture.machine;
    let output = Command::new(PACKER)
        .args(["-bb", "--target", machine])
        .arg("--define")
        .arg(format!("_topdir {}", place.canonicalize()?.display()))
        .args(["--define", "_buildhost nowhere"])
        .args(["--define", "use_source_date_epoch_as_buildtime 1"])
        .args(["--define", "clamp_mtime_to_source_date_epoch 1"])
        .env("SOURCE_DATE_EPOCH", MODIFIED.to_string())
        .arg("--define")
        .arg("_rpmfilename %%{NAME}-%%{VERSION}.%%{ARCH}.rpm")
        .arg(place.join("kaiwo.spec"))
        .output()
        .context("cannot run rpmbuild")?;
    if !output.status.success() {
        bail!(
            "rpmbuild: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let name = format!(
        "kaiwo-{}.{machine}.rpm",
        deb::debian_version(&product.version)
    );
    std::fs::copy(place.join("RPMS").join(&name), folder.join(&name))?;
    std::fs::remove_dir_all(&place)?;
    Ok(Some(name))
}

/// Returns what rpmbuild is told.
fn spec(product: &Product, files: &[super::archive::Entry]) -> Result<String> {
    let mut spec = format!(
        "Name: kaiwo\nVersion: {}\nRelease: 1\nSummary: {}\nLicense: {}\nURL: {}\n\
         AutoReqProv: no\n%define _build_id_links none\n%define debug_package %{{nil}}\n%define __strip /bin/true\n\
         %description\n{}.\n%install\ntar -xf %{{_topdir}}/root.tar -C %{{buildroot}}\n%files\n",
        deb::debian_version(&product.version),
        product.about,
        product.licence,
        product.home,
        product.about,
    );
    for entry in files {
        match entry.kind {
            Kind::Directory(_) => {}
            _ => writeln!(spec, "/{}", entry.path)?,
        }
    }
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::product::tests::{executable, product};

    #[test]
    fn every_file_is_listed() {
        let files = deb::files(&product(), &executable(true)).unwrap();
        let spec = spec(&product(), &files).unwrap();
        assert!(spec.contains("\nVersion: 1.2.3\n"), "{spec}");
        assert!(spec.contains("\n/usr/bin/kubectl-kaiwo\n"), "{spec}");
        assert!(spec.contains("%define debug_package %{nil}"), "{spec}");
    }
}
