//! What package managers are told: a manifest for krew, a formula for Homebrew. Both name
//! archives of the release with their checksums.

use anyhow::Result;

use super::archive::{Entry, gzip, tar, with_directories};
use super::product::{Executable, Product};

/// The manifest for krew.
pub const KREW: &str = "kaiwo.yaml";
/// The formula for Homebrew.
pub const BREW: &str = "kaiwo.rb";

/// An archive of the release: for which system and architecture, by Go's names, its file
/// name, and its SHA-256.
#[derive(Debug, Clone, PartialEq)]
pub struct Archive {
    /// `linux` or `darwin`.
    pub system: String,
    /// `amd64` or `arm64`.
    pub architecture: String,
    /// Name among the downloads.
    pub file: String,
    /// Its checksum, in hexadecimal.
    pub sum: String,
}

impl Archive {
    /// Recognizes an archive by its name: `kaiwo_darwin_arm64.tar.gz`.
    pub fn named(file: &str, sum: &str) -> Option<Self> {
        let name = file.strip_prefix("kaiwo_")?.strip_suffix(".tar.gz")?;
        let (system, architecture) = name.split_once('_')?;
        Some(Self {
            system: system.to_owned(),
            architecture: architecture.to_owned(),
            file: file.to_owned(),
            sum: sum.to_owned(),
        })
    }
}

/// Returns the archive of an executable, with its name.
pub fn archive(product: &Product, executable: &Executable) -> Result<(String, Vec<u8>)> {
    let mut entries = vec![
        Entry::program("kaiwo", executable.content.as_slice()),
        Entry::file("LICENSE", product.licence_text.as_str()),
    ];
    for (name, script) in product.completions() {
        entries.push(Entry::file(
            format!("completions/{name}"),
            script.as_slice(),
        ));
    }
    for (name, page) in &product.manual {
        entries.push(Entry::file(format!("man/{name}"), page.as_slice()));
    }
    let name = format!("{}.tar.gz", executable.architecture.file_name());
    Ok((name, gzip(&tar("", &with_directories(&entries))?)?))
}

/// Returns the manifest for krew.
pub fn krew(product: &Product, archives: &[Archive]) -> String {
    let mut manifest = format!(
        "apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: kaiwo
spec:
  version: v{version}
  homepage: {home}
  shortDescription: Run AI workloads on GPUs, queued by Kueue
  description: |
    {about}.
    Submits batch jobs (Job, RayJob) and services (Deployment, RayService, KAITO
    Workspace), and shows where they are and why they wait.
  platforms:
",
        version = product.version,
        home = product.home,
        about = product.about,
    );
    for archive in archives {
        manifest += &format!(
            "  - selector:
      matchLabels:
        os: {}
        arch: {}
    uri: {}
    sha256: {}
    files:
      - from: kaiwo
        to: .
      - from: LICENSE
        to: .
    bin: kaiwo
",
            archive.system,
            archive.architecture,
            product.download(&archive.file),
            archive.sum,
        );
    }
    manifest
}

/// Returns the formula for Homebrew.
pub fn brew(product: &Product, archives: &[Archive]) -> String {
    let mut formula = format!(
        "class Kaiwo < Formula
  desc \"{about}\"
  homepage \"{home}\"
  version \"{version}\"
  license \"{licence}\"
",
        about = product.about,
        home = product.home,
        version = product.version,
        licence = product.licence,
    );
    for (system, block) in [("darwin", "macos"), ("linux", "linux")] {
        let here: Vec<&Archive> = archives.iter().filter(|it| it.system == system).collect();
        if here.is_empty() {
            continue;
        }
        formula += &format!("\n  on_{block} do\n");
        for archive in here {
            let cpu = match archive.architecture.as_str() {
                "arm64" => "arm",
                _ => "intel",
            };
            formula += &format!(
                "    on_{cpu} do\n      url \"{}\"\n      sha256 \"{}\"\n    end\n",
                product.download(&archive.file),
                archive.sum,
            );
        }
        formula += "  end\n";
    }
    formula
        + "
  def install
    bin.install \"kaiwo\"
    bin.install_symlink \"kaiwo\" => \"kubectl-kaiwo\"
    man1.install Dir[\"man/*.1\"]
    bash_completion.install \"completions/kaiwo.bash\" => \"kaiwo\"
    zsh_completion.install \"completions/_kaiwo\"
    fish_completion.install \"completions/kaiwo.fish\"
  end

  test do
    assert_match version.to_s, shell_output(\"#{bin}/kaiwo --version\")
  end
end
"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::product::tests::{executable, product};

    fn archives() -> Vec<Archive> {
        ["kaiwo_linux_amd64.tar.gz", "kaiwo_darwin_arm64.tar.gz"]
            .iter()
            .filter_map(|file| Archive::named(file, "abc"))
            .collect()
    }

    #[test]
    fn archives_are_known_by_their_names() {
        assert_eq!(archives().len(), 2);
        assert_eq!(archives()[1].system, "darwin");
        assert_eq!(archives()[1].architecture, "arm64");
        assert_eq!(Archive::named("kaiwo_0.1.0_amd64.deb", "abc"), None);
        assert_eq!(Archive::named("SHA256SUMS", "abc"), None);
    }

    #[test]
    fn krew_gets_yaml_with_every_platform() {
        let text = krew(&product(), &archives());
        let manifest: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        let platforms = manifest["spec"]["platforms"].as_array().unwrap();
        assert_eq!(platforms.len(), 2);
        assert_eq!(platforms[1]["selector"]["matchLabels"]["os"], "darwin");
        assert_eq!(
            platforms[0]["uri"],
            "https://example.org/kaiwo/releases/download/v1.2.3/kaiwo_linux_amd64.tar.gz"
        );
        // krew-index's rule: at most 50 letters.
        let short = manifest["spec"]["shortDescription"].as_str().unwrap();
        assert!(short.len() <= 50, "{short}");
    }

    #[test]
    fn the_formula_has_a_block_for_each_system() {
        let text = brew(&product(), &archives());
        assert!(text.contains("on_macos do\n    on_arm do\n"), "{text}");
        assert!(text.contains("on_linux do\n    on_intel do\n"), "{text}");
        let opened = text.matches(" do\n").count() + text.matches("  def ").count() + 1;
        let ended = text.lines().filter(|line| line.trim() == "end").count();
        assert_eq!(opened, ended);
        let (name, content) = archive(&product(), &executable(true)).unwrap();
        assert_eq!(name, "kaiwo_linux_amd64.tar.gz");
        assert!(content.starts_with(&[0x1f, 0x8b]));
    }
}
