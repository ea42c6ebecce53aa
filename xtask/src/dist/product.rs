//! What is packed: the executables, and the texts that go with them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::architecture::Architecture;
use super::trial::command;
use crate::checkout;

/// An executable of kaiwo.
#[derive(Debug, Clone)]
pub struct Executable {
    /// For which machine it is.
    pub architecture: &'static Architecture,
    /// Its bytes.
    pub content: Vec<u8>,
    /// Whether it needs no library.
    pub is_static: bool,
}

/// What packages say about kaiwo, and have beside the executable.
#[derive(Debug, Clone)]
pub struct Product {
    /// Version of the package, as in `Cargo.toml`.
    pub version: String,
    /// What it is, in one line.
    pub about: String,
    /// The licence, as an expression of SPDX.
    pub licence: String,
    /// Text of the licence.
    pub licence_text: String,
    /// The project's page.
    pub home: String,
    /// Who packs it.
    pub maintainer: String,
    /// What the README says.
    pub readme: String,
    /// The completion scripts, by file name.
    completions: BTreeMap<String, Vec<u8>>,
    /// The manual pages, by file name.
    pub manual: BTreeMap<String, Vec<u8>>,
}

impl Product {
    /// Reads the texts of the checkout. `home` is the project's repository; `runnable`, an
    /// executable, writes the manual pages.
    pub fn read(home: &str, runnable: Option<(&Path, Option<&str>)>) -> Result<Self> {
        let root = Path::new(checkout());
        let text = |name: &str| {
            std::fs::read_to_string(root.join(name)).with_context(|| format!("cannot read {name}"))
        };
        let manifest = text("Cargo.toml")?;
        let completions = folder(&root.join("completions"))?;
        let manual = match runnable {
            Some((file, runner)) => manual(file, runner)?,
            None => BTreeMap::new(),
        };
        Ok(Self {
            version: value(&manifest, "version")?,
            about: value(&manifest, "description")?,
            licence: value(&manifest, "license")?,
            licence_text: text("LICENSE")?,
            home: home.trim_end_matches('/').to_owned(),
            maintainer: "The kaiwo authors".to_owned(),
            readme: text("README.md")?,
            completions,
            manual,
        })
    }

    /// Returns a completion script.
    pub fn completion(&self, file: &str) -> Result<Vec<u8>> {
        let script = self.completions.get(file);
        script
            .cloned()
            .with_context(|| format!("completions/{file} does not exist"))
    }

    /// Returns the names of the completion scripts with them.
    pub fn completions(&self) -> impl Iterator<Item = (&String, &Vec<u8>)> {
        self.completions.iter()
    }

    /// Returns where a file of the release is downloaded from.
    pub fn download(&self, file: &str) -> String {
        format!("{}/releases/download/v{}/{file}", self.home, self.version)
    }
}

/// Returns the first value of a key in `Cargo.toml` that is a text.
fn value(manifest: &str, key: &str) -> Result<String> {
    let start = format!("{key} = \"");
    // The workspace's part comes first, and has no version of its own.
    let line = manifest.lines().find_map(|line| line.strip_prefix(&start));
    let value = line.and_then(|rest| rest.strip_suffix('"'));
    value
        .map(str::to_owned)
        .with_context(|| format!("Cargo.toml has no {key}"))
}

fn folder(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        files.insert(name.into_owned(), std::fs::read(&path)?);
    }
    Ok(files)
}

/// Has an executable write its manual pages.
fn manual(executable: &Path, runner: Option<&str>) -> Result<BTreeMap<String, Vec<u8>>> {
    let place = executable.with_extension("man");
    let output = command(executable, runner)
        .args(["help", "--man"])
        .arg(&place)
        .output()
        .context("cannot start it for its manual pages")?;
    if !output.status.success() {
        bail!(
            "help --man ends with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let pages = folder(&place);
    std::fs::remove_dir_all(&place)?;
    pages
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::dist::architecture::ARCHITECTURES;

    /// Returns what packages say, with one manual page.
    pub fn product() -> Product {
        let mut product = Product::read("https://example.org/kaiwo/", None).unwrap();
        product.version = "1.2.3".to_owned();
        let page = ("kaiwo.1".to_owned(), b".TH kaiwo 1\n".to_vec());
        product.manual = BTreeMap::from([page]);
        product
    }

    /// Returns an executable for amd64.
    pub fn executable(is_static: bool) -> Executable {
        Executable {
            architecture: &ARCHITECTURES[0],
            content: b"program".to_vec(),
            is_static,
        }
    }

    #[test]
    fn the_manifest_says_what_it_is() {
        let product = Product::read("https://example.org/kaiwo/", None).unwrap();
        assert_eq!(product.licence, "Apache-2.0");
        assert!(product.about.contains("Kubernetes"));
        assert!(product.version.contains('.'));
        assert_eq!(
            self::product().download("SHA256SUMS"),
            "https://example.org/kaiwo/releases/download/v1.2.3/SHA256SUMS"
        );
    }
}
