//! Real nodes for a testbed: containerd, runc, the kubelet, kube-proxy and CoreDNS, beside the nodes that only KWOK
//! believes in.
//!
//! ```text
//! check (root, programs, a trial) -> images (Debian, PyPI, once) -> supervisor -> daemons, in namespaces of the node
//! ```
//!
//! A node's files are in its testbed's directory; its mounts and processes are in namespaces that end with it. The first
//! one's network is the testbed's, any other one has a namespace for it. What they have of the machine itself are control
//! groups, which `down` removes.

mod cgroups;
mod check;
mod daemons;
mod images;
mod layers;
mod link;
mod mounts;
pub mod nodes;
mod settings;
mod traces;

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use cgroups::Cgroups;
pub use check::{NoRealNode, check, trial};
pub use daemons::run;
pub use link::{connect, cut, restore};
pub use nodes::{NODES, Node};
pub use traces::traces;

use super::build::binaries::NodeBinaries;
use super::files;
use super::options::Options;
use super::progress::Progress;
use check::Machine;
use images::Image;
use mounts::HIDDEN;

/// Where the cluster's DNS answers.
const DNS: &str = "10.3.0.10";
/// Addresses that the testbed's namespace has for the first node and the DNS.
pub const ADDRESSES: [[u8; 4]; 2] = [[10, 3, 0, 1], [10, 3, 0, 10]];
/// The label by which pods are led to the nodes, and the taint by which others are kept away.
const LABEL: &str = "testbed.kaiwo/real";
/// The ClusterQueue and ResourceFlavor of the nodes.
const QUEUE: &str = "real";
const GPU: &str = "amd.com/gpu";
const GPUS: u32 = 8;

/// What `up` has found out and made for real nodes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RealNode {
    count: usize,
    machine: Machine,
    binaries: NodeBinaries,
    images: Vec<Image>,
}

impl RealNode {
    /// Checks the machine, builds and makes what the cache has not.
    pub fn ensure(
        sources: &Path,
        cache: &Path,
        executable: &Path,
        options: &Options,
        progress: &Progress,
    ) -> Result<Self> {
        let count = options.real_node.into();
        let machine = check(cache, executable, count)?;
        let binaries = NodeBinaries::ensure(sources, cache, progress)?;
        let images = images::ensure(cache, &binaries, options.torch, progress)?;
        Ok(Self {
            count,
            machine,
            binaries,
            images,
        })
    }

    /// Returns the nodes.
    pub fn nodes(&self) -> &'static [Node] {
        &NODES[..self.count.min(NODES.len())]
    }

    /// Returns the images that each node has, without the `testbed/` before and the tag behind.
    pub fn images(&self) -> impl Iterator<Item = &str> {
        self.images.iter().map(|image| image.name.as_str())
    }
}

/// Returns the start of a command line that runs a program in mount and process namespaces of its own: whatever ends
/// it, the kernel ends all that it has started, and undoes its mounts.
pub fn private_namespaces() -> Command {
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--propagation",
        "private",
        "--pid",
        "--fork",
        "--kill-child=KILL",
        "--mount-proc",
    ]);
    command
}

/// Returns what lets pods find the API server, which is in no pod.
pub fn api_endpoint(port: u16) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kubernetes", "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "addressType": "IPv4",
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
        "endpoints": [{"addresses": [NODES[0].address], "conditions": {"ready": true}}],
    })
}

/// Returns a node's GPUs, which a device plugin would report.
pub fn gpus() -> Value {
    let gpus = json!({GPU: GPUS.to_string()});
    json!({"status": {"capacity": gpus, "allocatable": gpus}})
}

/// Returns a queue whose pods run on so many nodes.
pub fn queue(nodes: usize) -> Vec<Value> {
    let flavor = json!({
        "apiVersion": "kueue.x-k8s.io/v1beta2",
        "kind": "ResourceFlavor",
        "metadata": {"name": QUEUE},
        "spec": {
            "nodeLabels": {LABEL: "true", "beta.amd.com/gpu.family.AI": GPUS.to_string()},
            "tolerations": [{"key": LABEL, "operator": "Exists"}],
        },
    });
    let queue = json!({
        "apiVersion": "kueue.x-k8s.io/v1beta2",
        "kind": "ClusterQueue",
        "metadata": {"name": QUEUE},
        "spec": {
            "namespaceSelector": {},
            "preemption": {"withinClusterQueue": "LowerPriority"},
            "resourceGroups": [{
                "coveredResources": ["cpu", "memory", GPU],
                "flavors": [{"name": QUEUE, "resources": [
                    {"name": "cpu", "nominalQuota": mounts::CPUS * nodes},
                    {"name": "memory", "nominalQuota": format!("{}Ki", mounts::MEMORY_KIB * nodes as u64)},
                    {"name": GPU, "nominalQuota": GPUS as usize * nodes},
                ]}],
            }],
        },
    });
    vec![flavor, queue]
}
