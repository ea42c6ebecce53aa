//! Builds the control plane from its pinned Go modules, once per content.
//!
//! What a component is built from decides the name of its folder in the cache, so an edited `go.mod` builds anew and
//! an old checkout finds its old binaries. Beside each binary lie the manifests its module ships, already as JSON: a
//! start from the cache needs neither Go nor a YAML parser's time.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::components::{CONTROL_PLANE, Component, REAL_NODE};
use super::toolchain::Go;
use crate::testbed::progress::Progress;
use crate::testbed::{Platform, files};

/// Where the binaries of a real node lie.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NodeBinaries {
    /// The kubelet and kube-proxy.
    pub node: PathBuf,
    pub dns: PathBuf,
    /// A program that waits to be ended, for images.
    pub still: PathBuf,
}

impl NodeBinaries {
    /// Returns the binaries of the modules under `sources`, after building those the cache has not.
    pub fn ensure(sources: &Path, cache: &Path, progress: &Progress) -> Result<Self> {
        let sources = (sources, Platform::Current);
        let [node, dns, still] = ensure(&REAL_NODE, "the real node", sources, cache, progress)?;
        Ok(Self { node, dns, still })
    }
}

/// Where each binary and its manifests lie.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Binaries {
    pub etcd: PathBuf,
    pub kube: PathBuf,
    pub kueue: PathBuf,
    pub kuberay: PathBuf,
    pub kwok: PathBuf,
}

impl Binaries {
    /// Returns the binaries of the modules under `sources`, after building those the cache has not.
    pub fn ensure(
        sources: &Path,
        platform: Platform,
        cache: &Path,
        progress: &Progress,
    ) -> Result<Self> {
        let [etcd, kube, kueue, kuberay, kwok] = ensure(
            &CONTROL_PLANE,
            "the control plane",
            (sources, platform),
            cache,
            progress,
        )?;
        Ok(Self {
            etcd,
            kube,
            kueue,
            kuberay,
            kwok,
        })
    }
}

/// Returns where the binary of one more component is, after building it unless the cache has it.
pub fn ensure_one(
    component: &'static [Component; 1],
    what: &str,
    sources: &Path,
    cache: &Path,
    progress: &Progress,
) -> Result<[PathBuf; 1]> {
    ensure(
        component,
        what,
        (sources, Platform::Current),
        cache,
        progress,
    )
}

/// Returns where the components' binaries are, after building those the cache has not.
fn ensure<const N: usize>(
    components: &'static [Component; N],
    what: &str,
    (sources, platform): (&Path, Platform),
    cache: &Path,
    progress: &Progress,
) -> Result<[PathBuf; N]> {
    files::create_dir(&cache.join("built"))?;
    let source = |component: &Component| component.source(sources, platform);
    let folders = components
        .iter()
        .map(|component| {
            let key = component.key(&source(component))?;
            Ok(cache.join("built").join(key))
        })
        .collect::<Result<Vec<_>>>()?;
    let missing = |folder: &PathBuf| !folder.join("manifests.json").exists();
    if folders.iter().any(missing) {
        let _lock = lock(&cache.join("build.lock"), "another build", progress)?;
        // Who held the lock may just have built them.
        let wanted: Vec<_> = components
            .iter()
            .zip(&folders)
            .filter(|(_, folder)| missing(folder))
            .collect();
        if !wanted.is_empty() {
            let go = Go::find(cache, progress)?;
            progress.note(&format!(
                "building {what} from source: minutes the first time, then it is cached"
            ));
            std::thread::scope(|scope| {
                // The network is idle while the first is compiled.
                scope.spawn(|| {
                    for (component, _) in wanted.iter().skip(1) {
                        component.fetch(&go, &source(component));
                    }
                });
                for (number, (component, folder)) in wanted.iter().enumerate() {
                    let step = format!(
                        "build {} ({} of {})",
                        component.name,
                        number + 1,
                        wanted.len()
                    );
                    let running = progress.running(&step);
                    component.build(&go, &source(component), folder)?;
                    drop(running);
                    progress.done(&step);
                }
                anyhow::Ok(())
            })?;
        }
    }
    Ok(std::array::from_fn(|i| folders[i].join(components[i].name)))
}

/// Takes a lock that other runs of xtask wait for; it ends with the returned file.
pub fn lock(path: &Path, holder: &str, progress: &Progress) -> Result<File> {
    let file = File::create(path).with_context(|| format!("failed to write {}", path.display()))?;
    if file.try_lock().is_err() {
        progress.note(&format!("waiting for {holder} to end"));
        file.lock()
            .with_context(|| format!("failed to lock {}", path.display()))?;
    }
    Ok(file)
}
