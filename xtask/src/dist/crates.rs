//! The crates that kaiwo is built of: in the executable, where `cargo audit bin` and
//! scanners of images find them, and as a software bill of materials.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde_json::{Value, json};

use super::product::Product;
use crate::cargo::cargo;
use crate::checkout;

/// The bill, in the form of CycloneDX.
pub const FILE: &str = "kaiwo.cdx.json";
/// Section of the executable with its crates, as `cargo auditable` names it.
pub const SECTION: &str = ".dep-v0";
/// The registry that most crates are from, as cargo names it.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// A crate of the executable.
#[derive(Debug, Clone, PartialEq)]
struct Crate {
    name: String,
    version: String,
    licence: Option<String>,
    source: Option<String>,
    /// It runs only while kaiwo is built.
    is_build: bool,
    is_root: bool,
    /// Positions of those it needs.
    needs: BTreeSet<usize>,
}

/// The crates of the executable on one target, sorted.
#[derive(Debug)]
pub struct Crates(Vec<Crate>);

impl Crates {
    /// Asks cargo what kaiwo is built of.
    pub fn read(target: &str) -> Result<Self> {
        let output = cargo()
            .args(["metadata", "--format-version=1", "--locked"])
            .args(["--filter-platform", target])
            .output()
            .context("cannot run cargo metadata")?;
        if !output.status.success() {
            bail!(
                "cargo metadata: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Self::from_metadata(&serde_json::from_slice(&output.stdout)?)
    }

    fn from_metadata(metadata: &Value) -> Result<Self> {
        let by_id = |list: &Value| -> BTreeMap<String, Value> {
            let list = list.as_array().into_iter().flatten();
            list.map(|it| (text(&it["id"]), it.clone())).collect()
        };
        let packages = by_id(&metadata["packages"]);
        let nodes = by_id(&metadata["resolve"]["nodes"]);
        let is_kaiwo = |package: &Value| package["name"] == "kaiwo" && package["source"].is_null();
        let root = packages.iter().find(|(_, package)| is_kaiwo(package));
        let root = root.context("cargo metadata has no package kaiwo")?.0;
        let all = closure(&nodes, root, |_, kind| kind != "dev");
        let runs = closure(&nodes, root, |package, kind| {
            kind.is_null() && !is_macro(&packages[package])
        });
        let mut ids: Vec<&String> = all.iter().collect();
        ids.sort_by_key(|id| {
            (
                text(&packages[*id]["name"]),
                text(&packages[*id]["version"]),
            )
        });
        let crates = ids.iter().map(|id| {
            let package = &packages[*id];
            let needs = needed(&nodes[*id], |_, kind| kind != "dev");
            let position = |need: &String| ids.iter().position(|id| *id == need);
            Crate {
                name: text(&package["name"]),
                version: text(&package["version"]),
                licence: package["license"].as_str().map(str::to_owned),
                source: package["source"].as_str().map(str::to_owned),
                is_build: !runs.contains(*id),
                is_root: *id == root,
                needs: needs.iter().filter_map(position).collect(),
            }
        });
        Ok(Self(crates.collect()))
    }

    /// Returns how many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns the content of the executable's section: JSON as `auditable-serde` defines
    /// it, compressed by zlib.
    pub fn section(&self) -> Result<Vec<u8>> {
        let packages = self.0.iter().map(|it| {
            let source = match it.source.as_deref() {
                None => "local",
                Some(CRATES_IO) => "crates.io",
                Some(other) if other.starts_with("git+") => "git",
                Some(_) => "registry",
            };
            let mut package = json!({"name": it.name, "version": it.version, "source": source});
            if it.is_build {
                package["kind"] = "build".into();
            }
            if !it.needs.is_empty() {
                package["dependencies"] = json!(it.needs);
            }
            if it.is_root {
                package["root"] = true.into();
            }
            package
        });
        let packages: Vec<Value> = packages.collect();
        let mut to = ZlibEncoder::new(Vec::new(), Compression::best());
        to.write_all(json!({"packages": packages}).to_string().as_bytes())?;
        Ok(to.finish()?)
    }

    /// Returns the bill of materials.
    pub fn bill(&self, product: &Product) -> Result<String> {
        let lock = std::fs::read_to_string(Path::new(checkout()).join("Cargo.lock"))?;
        let checksums = checksums(&lock);
        let component = |it: &Crate| {
            let link = link(it);
            let mut component = json!({
                "type": if it.is_root { "application" } else { "library" },
                "bom-ref": link,
                "name": it.name,
                "version": it.version,
                "purl": link,
                "scope": if it.is_build { "excluded" } else { "required" },
            });
            if let Some(licence) = &it.licence {
                // An old form of some manifests, which SPDX does not have.
                let expression = licence.replace('/', " OR ");
                component["licenses"] = json!([{"expression": expression}]);
            }
            if let Some(sum) = checksums.get(&(it.name.clone(), it.version.clone())) {
                component["hashes"] = json!([{"alg": "SHA-256", "content": sum}]);
            }
            component
        };
        let (roots, others): (Vec<&Crate>, Vec<&Crate>) = self.0.iter().partition(|it| it.is_root);
        let dependencies = self.0.iter().map(|it| {
            let needs = it.needs.iter().map(|need| link(&self.0[*need]));
            json!({"ref": link(it), "dependsOn": needs.collect::<Vec<_>>()})
        });
        let bill = json!({
            "bomFormat": "CycloneDX",
            "specVersion": "1.5",
            "version": 1,
            "metadata": {
                "component": roots.first().map(|it| component(it)),
                "supplier": {"name": product.maintainer, "url": [product.home]},
            },
            "components": others.iter().map(|it| component(it)).collect::<Vec<_>>(),
            "dependencies": dependencies.collect::<Vec<_>>(),
        });
        Ok(serde_json::to_string_pretty(&bill)? + "\n")
    }
}

/// Returns a crate's package URL.
fn link(it: &Crate) -> String {
    format!("pkg:cargo/{}@{}", it.name, it.version)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn is_macro(package: &Value) -> bool {
    let targets = package["targets"].as_array().into_iter().flatten();
    targets
        .filter_map(|target| target["kind"].as_array())
        .any(|kinds| kinds.iter().any(|kind| kind == "proc-macro"))
}

/// Returns what a node needs in a way that counts.
fn needed(node: &Value, counts: impl Fn(&String, &Value) -> bool) -> Vec<String> {
    let needs = node["deps"].as_array().into_iter().flatten();
    needs
        .filter_map(|need| {
            let package = text(&need["pkg"]);
            let mut kinds = need["dep_kinds"].as_array().into_iter().flatten();
            let is_needed = kinds.any(|kind| counts(&package, &kind["kind"]));
            is_needed.then_some(package)
        })
        .collect()
}

/// Returns everything that a package needs, directly or not, with itself.
fn closure(
    nodes: &BTreeMap<String, Value>,
    root: &str,
    counts: impl Fn(&String, &Value) -> bool,
) -> BTreeSet<String> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![root.to_owned()]);
    while let Some(id) = open.pop() {
        if seen.insert(id.clone())
            && let Some(node) = nodes.get(&id)
        {
            open.extend(needed(node, &counts));
        }
    }
    seen
}

/// Reads the checksums of `Cargo.lock`, by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let field = |block: &str, key: &str| {
        let start = format!("{key} = \"");
        let line = block.lines().find_map(|line| line.strip_prefix(&start));
        line.map(|rest| rest.trim_end_matches('"').to_owned())
    };
    let blocks = lock.split("[[package]]").skip(1);
    blocks
        .filter_map(|block| {
            let key = (field(block, "name")?, field(block, "version")?);
            Some((key, field(block, "checksum")?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::dist::product::tests::product;

    fn crates() -> Crates {
        let need = |id: &str, kind: Value| json!({"pkg": id, "dep_kinds": [{"kind": kind}]});
        let package = |id: &str, source: Value, kind: &str| {
            json!({
                "id": id, "name": id, "version": "1.0.0", "license": "MIT/Apache-2.0",
                "source": source, "targets": [{"kind": [kind]}],
            })
        };
        let metadata = json!({
            "packages": [
                package("kaiwo", Value::Null, "bin"),
                package("a", CRATES_IO.into(), "lib"),
                package("cc", CRATES_IO.into(), "lib"),
                package("derive", CRATES_IO.into(), "proc-macro"),
                package("insta", CRATES_IO.into(), "lib"),
            ],
            "resolve": {"nodes": [
                {"id": "kaiwo", "deps": [
                    need("a", Value::Null), need("derive", Value::Null), need("insta", "dev".into()),
                ]},
                {"id": "a", "deps": [need("cc", "build".into())]},
                {"id": "cc", "deps": []},
                {"id": "derive", "deps": []},
                {"id": "insta", "deps": []},
            ]},
        });
        Crates::from_metadata(&metadata).unwrap()
    }

    #[test]
    fn what_runs_only_while_building_is_said() {
        let section = crates().section().unwrap();
        let mut text = String::new();
        flate2::read::ZlibDecoder::new(section.as_slice())
            .read_to_string(&mut text)
            .unwrap();
        let told: Value = serde_json::from_str(&text).unwrap();
        let packages = told["packages"].as_array().unwrap();
        let names: Vec<_> = packages.iter().map(text_of).collect();
        assert_eq!(
            names,
            ["a runtime", "cc build", "derive build", "kaiwo runtime"]
        );
        assert_eq!(packages[3]["root"], true);
        assert_eq!(packages[3]["dependencies"], json!([0, 2]));
        assert_eq!(packages[3]["source"], "local");
        assert_eq!(packages[0]["source"], "crates.io");
    }

    fn text_of(package: &Value) -> String {
        let kind = package["kind"].as_str().unwrap_or("runtime");
        format!("{} {kind}", package["name"].as_str().unwrap())
    }

    #[test]
    fn the_bill_names_every_crate_with_licence_and_dependencies() {
        let bill: Value = serde_json::from_str(&crates().bill(&product()).unwrap()).unwrap();
        assert_eq!(bill["metadata"]["component"]["name"], "kaiwo");
        assert_eq!(bill["components"].as_array().unwrap().len(), 3);
        let first = &bill["components"][0];
        assert_eq!(first["purl"], "pkg:cargo/a@1.0.0");
        assert_eq!(first["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(
            bill["dependencies"][0]["dependsOn"],
            json!(["pkg:cargo/cc@1.0.0"])
        );
    }

    #[test]
    fn checksums_come_from_the_lock_file() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\
                    source = \"x\"\nchecksum = \"abc\"\n\n[[package]]\nname = \"own\"\n\
                    version = \"0.1.0\"\n";
        let sums = checksums(lock);
        assert_eq!(sums.len(), 1);
        assert_eq!(sums[&("a".to_owned(), "1.0.0".to_owned())], "abc");
    }
}
