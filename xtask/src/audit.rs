//! `cargo xtask audit`: the crates of `Cargo.lock`, beside the advisories of RustSec.
//!
//! Reads the advisories themselves (<https://github.com/rustsec/advisory-db>): one
//! Markdown file each, which begins with a block of TOML.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail, ensure};
use semver::{Version, VersionReq};
use serde::Deserialize;

use crate::checkout;

/// Where cargo-audit keeps its checkout, below the home of cargo.
const KEPT: &str = "advisory-db";
/// A database older than this misses too much, days.
const OLD: u64 = 30;
/// What the lock file calls crates.io.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Compare Cargo.lock with RustSec's advisories
///
/// Fails if a dependency has a vulnerability, and if there is no database: then nothing
/// was checked. To get one: git clone <https://github.com/rustsec/advisory-db>
#[derive(Debug, clap::Args)]
pub struct Audit {
    /// Checkout of the database [default: advisory-db in cargo's home]
    #[arg(long, value_name = "PATH")]
    db: Option<PathBuf>,
    /// Also fail for what is only unmaintained, unsound or worth knowing
    #[arg(long)]
    strict: bool,
}

/// A file of the database, as far as it decides something.
#[derive(Debug, Deserialize)]
struct File {
    advisory: Advisory,
    #[serde(default)]
    versions: Versions,
}

#[derive(Debug, Deserialize)]
struct Advisory {
    id: String,
    package: String,
    #[serde(default)]
    informational: Option<String>,
    #[serde(default)]
    withdrawn: Option<String>,
}

/// Requirements of which a version that is not affected meets one.
#[derive(Debug, Default, Deserialize)]
struct Versions {
    #[serde(default)]
    patched: Vec<String>,
    #[serde(default)]
    unaffected: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    version: String,
    source: Option<String>,
}

impl Audit {
    pub fn run(&self) -> Result<()> {
        let db = match &self.db {
            Some(db) => db.clone(),
            None => kept().context(
                "the audit did not run: there is no advisory database; \
                 git clone <https://github.com/rustsec/advisory-db>, then --db PATH",
            )?,
        };
        let advisories = read(&db)?;
        let lock = std::fs::read_to_string(Path::new(checkout()).join("Cargo.lock"))?;
        let lock: Lock = toml::from_str(&lock).context("cannot read Cargo.lock")?;
        let packages = lock.package.iter();
        let packages: Vec<&Package> = packages
            .filter(|package| package.source.as_deref() == Some(REGISTRY))
            .collect();
        say(&format!(
            "{} crates, {} advisories",
            packages.len(),
            advisories.values().map(Vec::len).sum::<usize>()
        ));
        if let Some(days) = age(&db).filter(|days| *days > OLD) {
            say(&format!(
                "warning: the database was last changed {days} days ago"
            ));
        }
        let mut vulnerable = 0;
        let mut known = 0;
        for package in packages {
            for file in advisories.get(&package.name).into_iter().flatten() {
                if !file.affects(&Version::parse(&package.version)?)? {
                    continue;
                }
                let about = &file.advisory;
                let word = about.informational.as_deref().unwrap_or("vulnerable");
                match about.informational {
                    Some(_) => known += 1,
                    None => vulnerable += 1,
                }
                say(&format!(
                    "{word}: {} {}: https://rustsec.org/advisories/{}{}",
                    package.name,
                    package.version,
                    about.id,
                    match &file.versions.patched[..] {
                        [] => String::new(),
                        patched => format!(" (patched in {})", patched.join(" or ")),
                    }
                ));
            }
        }
        say(&format!("{vulnerable} vulnerabilities, {known} notes"));
        ensure!(vulnerable == 0, "dependencies have vulnerabilities");
        ensure!(known == 0 || !self.strict, "dependencies have notes");
        Ok(())
    }
}

impl File {
    /// Returns whether a version is affected.
    fn affects(&self, version: &Version) -> Result<bool> {
        let fine = self
            .versions
            .patched
            .iter()
            .chain(&self.versions.unaffected);
        for requirement in fine {
            let parsed = VersionReq::parse(requirement);
            let parsed = parsed.with_context(|| format!("{}: {requirement}", self.advisory.id))?;
            if parsed.matches(version) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Returns the checkout that cargo-audit keeps, if there is one.
fn kept() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    home.map(|home| home.join(KEPT)).filter(|db| db.is_dir())
}

/// Returns for how many days nothing was added.
fn age(db: &Path) -> Option<u64> {
    let changed = db.join("crates").metadata().ok()?.modified().ok()?;
    let age: Duration = SystemTime::now().duration_since(changed).ok()?;
    Some(age.as_secs() / 86400)
}

/// Reads the advisories that hold, by package.
fn read(db: &Path) -> Result<BTreeMap<String, Vec<File>>> {
    let mut found: BTreeMap<String, Vec<File>> = BTreeMap::new();
    let crates = db.join("crates");
    let folders = std::fs::read_dir(&crates).with_context(|| {
        format!(
            "the audit did not run: {} is no checkout of the advisory database",
            db.display()
        )
    })?;
    for folder in folders {
        let folder = folder?.path();
        if !folder.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(&folder)? {
            let file = file?.path();
            if file.extension().is_some_and(|kind| kind == "md") {
                let text = std::fs::read_to_string(&file)?;
                let parsed = parse(&text).with_context(|| format!("{}", file.display()))?;
                if parsed.advisory.withdrawn.is_none() {
                    let own = found.entry(parsed.advisory.package.clone());
                    own.or_default().push(parsed);
                }
            }
        }
    }
    if found.is_empty() {
        bail!("the audit did not run: {} is empty", crates.display());
    }
    Ok(found)
}

/// Reads the block at the beginning of a file.
fn parse(text: &str) -> Result<File> {
    let block = text
        .strip_prefix("```toml")
        .and_then(|rest| rest.split_once("\n```"))
        .context("it does not begin with a block of TOML")?
        .0;
    Ok(toml::from_str(block)?)
}

fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADVISORY: &str = "```toml
[advisory]
id = \"RUSTSEC-2021-0072\"
package = \"tokio\"
date = \"2021-07-07\"

[affected]
functions = { \"tokio::task::JoinHandle::abort\" = [\"<= 1.8.0, >= 0.3.0\"] }

[versions]
patched = [\">= 1.5.1, < 1.6.0\", \">= 1.8.1\"]
unaffected = [\"< 0.3.0\"]
```

# Task dropped in wrong thread
";

    #[test]
    fn a_version_is_affected_unless_it_is_patched_or_older() {
        let file = parse(ADVISORY).unwrap();
        for (version, is_affected) in [
            ("0.2.9", false),
            ("1.0.0", true),
            ("1.5.1", false),
            ("1.6.0", true),
            ("1.52.3", false),
        ] {
            let version = Version::parse(version).unwrap();
            assert_eq!(file.affects(&version).unwrap(), is_affected, "{version}");
        }
    }

    #[test]
    fn what_is_no_database_is_no_success() {
        let nowhere = Audit {
            db: Some("/nonexistent".into()),
            strict: false,
        };
        let error = format!("{:#}", nowhere.run().unwrap_err());
        assert!(error.contains("did not run"), "{error}");
    }
}
