//! KubeRay from a source tree, for a release that Go's module proxy does not serve.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::testbed::files;

/// Names a checkout of KubeRay, or the `ray-operator` in it.
const VARIABLE: &str = "KAIWO_KUBERAY_SOURCE";
/// The directory of the module in KubeRay's repository.
const MODULE: &str = "ray-operator";

/// Returns the module that stands in for KubeRay's, where the variable names one.
pub fn kuberay() -> Result<Option<PathBuf>> {
    let Some(named) = std::env::var_os(VARIABLE).filter(|named| !named.is_empty()) else {
        return Ok(None);
    };
    find(Path::new(&named)).map(Some)
}

fn find(named: &Path) -> Result<PathBuf> {
    let named = std::path::absolute(named)?;
    for tree in [named.join(MODULE), named.clone()] {
        if tree.join("go.mod").is_file() && tree.join("config/crd/bases").is_dir() {
            return Ok(tree);
        }
    }
    bail!(
        "{VARIABLE}={} is no source tree of KubeRay: it has neither {MODULE}/go.mod nor go.mod beside config/crd/bases",
        named.display()
    )
}

/// Hashes what Go and the manifests are built from: names and contents of all files but Git's.
pub fn digest(tree: &Path) -> Result<[u8; 32]> {
    let mut found = Vec::new();
    let mut folders = vec![tree.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)
            .with_context(|| format!("failed to read {}", folder.display()))?
        {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() && entry.file_name() != ".git" {
                folders.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    let mut hash = Sha256::new();
    for file in found {
        let content =
            std::fs::read(&file).with_context(|| format!("failed to read {}", file.display()))?;
        hash.update(file.strip_prefix(tree)?.as_os_str().as_encoded_bytes());
        hash.update([0]);
        hash.update(content.len().to_le_bytes());
        hash.update(content);
    }
    Ok(hash.finalize().into())
}

/// Writes `go.mod` and `go.sum` of `source` to `copy`, with `replacement` at the end, and returns that `go.mod`.
pub fn replaced(source: &Path, copy: &Path, replacement: &str) -> Result<PathBuf> {
    files::create_dir(copy)?;
    let mut text = std::fs::read_to_string(source.join("go.mod"))?;
    text += &format!("\n{replacement}\n");
    let go_mod = copy.join("go.mod");
    files::write(&go_mod, text)?;
    files::write(&copy.join("go.sum"), std::fs::read(source.join("go.sum"))?)?;
    Ok(go_mod)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_known_by_what_is_in_it() {
        let root = std::env::temp_dir().join(format!("xtask-tree-{}", std::process::id()));
        let module = root.join(MODULE);
        files::create_dir(&module.join("config/crd/bases")).unwrap();
        let error = find(&root).unwrap_err().to_string();
        assert!(error.contains("is no source tree of KubeRay"), "{error}");
        files::write(&module.join("go.mod"), "module x\n").unwrap();
        assert_eq!(find(&root).unwrap(), module);
        assert_eq!(find(&module).unwrap(), module);
        let before = digest(&module).unwrap();
        files::create_dir(&module.join(".git")).unwrap();
        files::write(&module.join(".git/HEAD"), "main").unwrap();
        assert_eq!(digest(&module).unwrap(), before);
        files::write(&module.join("main.go"), "package main\n").unwrap();
        assert_ne!(digest(&module).unwrap(), before);
        files::remove(&root).unwrap();
    }
}
