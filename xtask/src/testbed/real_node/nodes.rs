//! The real nodes that a testbed can have, and where each is found.

use anyhow::{Context as _, Result};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    pub name: &'static str,
    /// Its address, outside of those of Services.
    pub address: &'static str,
    /// Addresses of its pods; 10.1.0.0/16 has those of KWOK's.
    pub pods: &'static str,
}

/// All that there can be. The first has the testbed's own network, every other one a network that leads there.
pub const NODES: [Node; 2] = [
    Node {
        name: "real-0",
        address: "10.3.0.1",
        pods: "10.2.0.0/24",
    },
    Node {
        name: "real-1",
        address: "10.3.0.2",
        pods: "10.2.1.0/24",
    },
];
/// Addresses of the pods of all.
pub const PODS: &str = "10.2.0.0/16";

impl Node {
    /// Returns the one of this name.
    pub fn named(name: &str) -> Result<Self> {
        let mut nodes = NODES.into_iter();
        nodes
            .find(|node| node.name == name)
            .with_context(|| format!("there is no real node `{name}`"))
    }

    /// Returns whether it has a network of its own.
    pub fn is_apart(self) -> bool {
        self != NODES[0]
    }
}
