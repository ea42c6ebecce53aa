//! What is built, and from which pinned Go modules.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::testbed::{Platform, files};

/// One Go module under `testbed/` and what it gives.
pub struct Component {
    pub name: &'static str,
    /// The module that is built; its version is looked up in `go.mod`.
    pub module: &'static str,
    pub package: &'static str,
    pub manifests: &'static [(Kind, &'static str)],
}

/// What a manifest is for.
#[derive(Clone, Copy)]
pub enum Kind {
    Crd,
    Role,
    Webhook,
    Stage,
}

pub const CONTROL_PLANE: [Component; 5] = [
    Component {
        name: "etcd",
        module: "go.etcd.io/etcd/server/v3",
        package: "go.etcd.io/etcd/server/v3",
        manifests: &[],
    },
    Component {
        name: "kube",
        module: "k8s.io/kubernetes",
        package: ".",
        manifests: &[],
    },
    Component {
        name: "kueue",
        module: "sigs.k8s.io/kueue",
        package: "sigs.k8s.io/kueue/cmd/kueue",
        manifests: &[
            (Kind::Crd, "config/components/crd/bases"),
            (Kind::Role, "config/components/rbac"),
            (Kind::Webhook, "config/components/webhook/manifests.yaml"),
        ],
    },
    Component {
        name: "kuberay",
        module: "github.com/ray-project/kuberay/ray-operator",
        package: "github.com/ray-project/kuberay/ray-operator",
        manifests: &[(Kind::Crd, "config/crd/bases")],
    },
    Component {
        name: "kwok",
        module: "sigs.k8s.io/kwok",
        package: "sigs.k8s.io/kwok/cmd/kwok",
        manifests: &[
            (Kind::Crd, "kustomize/crd/bases"),
            (
                Kind::Stage,
                "kustomize/stage/node/fast/node-initialize.yaml",
            ),
            (Kind::Stage, "kustomize/stage/pod/fast/pod-ready.yaml"),
            (Kind::Stage, "kustomize/stage/pod/fast/pod-complete.yaml"),
            (Kind::Stage, "kustomize/stage/pod/fast/pod-delete.yaml"),
        ],
    },
];

/// What a real node needs besides.
pub const REAL_NODE: [Component; 3] = [
    Component {
        name: "node",
        module: "k8s.io/kubernetes",
        package: ".",
        manifests: &[],
    },
    Component {
        name: "dns",
        module: "github.com/coredns/coredns",
        package: ".",
        manifests: &[],
    },
    Component {
        name: "still",
        // Of nothing but Go's own library.
        module: "",
        package: ".",
        manifests: &[],
    },
];

/// The objects a component's module ships.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Manifests {
    pub crds: Vec<Value>,
    pub roles: Vec<Value>,
    pub webhooks: Vec<Value>,
    pub stages: Vec<Value>,
}

impl Manifests {
    /// Reads what was kept beside `binary`.
    pub fn beside(binary: &Path) -> Result<Self> {
        files::read_json(&binary.with_file_name("manifests.json"))
    }

    pub fn list(kind: Kind, manifests: &mut Self) -> &mut Vec<Value> {
        match kind {
            Kind::Crd => &mut manifests.crds,
            Kind::Role => &mut manifests.roles,
            Kind::Webhook => &mut manifests.webhooks,
            Kind::Stage => &mut manifests.stages,
        }
    }
}

impl Component {
    /// Returns the folder of the module that pins this component.
    pub fn source(&self, sources: &Path, platform: Platform) -> PathBuf {
        match (platform, self.name) {
            (Platform::Previous, "kueue") => sources.join("previous").join(self.name),
            _ => sources.join(self.name),
        }
    }
}

/// Returns the version `go.mod` requires of a module.
pub fn required_version(go_mod: &Path, module: &str) -> Result<String> {
    let text = std::fs::read_to_string(go_mod)
        .with_context(|| format!("failed to read {}", go_mod.display()))?;
    text.lines()
        .map(|line| line.trim().trim_start_matches("require "))
        .find_map(|line| {
            line.strip_prefix(module)?
                .strip_prefix(' ')?
                .split_whitespace()
                .next()
        })
        .map(ToOwned::to_owned)
        .with_context(|| format!("{} does not require {module}", go_mod.display()))
}

/// Returns the documents of a YAML text; CRDs of megabytes are expected, so there is no budget.
pub fn parse_yaml(text: &str) -> Result<Vec<Value>> {
    Ok(serde_saphyr::from_multiple_with_options(
        text,
        serde_saphyr::options! { budget: None },
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../testbed")
    }

    #[test]
    fn every_component_is_pinned_and_only_kueue_to_two_releases() {
        for component in CONTROL_PLANE.iter().chain(&REAL_NODE) {
            if component.module.is_empty() {
                continue;
            }
            let pinned = |platform| {
                let source = component.source(&sources(), platform);
                required_version(&source.join("go.mod"), component.module).unwrap()
            };
            let (current, previous) = (pinned(Platform::Current), pinned(Platform::Previous));
            assert!(current.starts_with('v'), "{}: {current}", component.name);
            assert_eq!(current != previous, component.name == "kueue", "{previous}");
        }
    }

    #[test]
    fn several_documents_are_several_objects() {
        let documents = parse_yaml("kind: A\n---\nkind: B\n").unwrap();
        assert_eq!(documents.len(), 2);
    }
}
