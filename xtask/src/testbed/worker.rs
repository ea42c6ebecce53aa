//! The second cluster of a testbed (`up --multikueue`): a testbed of its own, to which the first one's Kueue sends work.
//!
//! ```text
//! Kueue of the first -> relay on its loopback -> socket on disk -> supervisor of the second -> its API server
//! ```
//!
//! The two have networks of their own, and a socket on disk is seen from both.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::options::Options;

/// Where the second cluster of a testbed is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Worker {
    dir: PathBuf,
}

impl Worker {
    /// Returns the name of a testbed's second cluster.
    pub fn name_of(testbed: &str) -> String {
        format!("{testbed}-worker")
    }

    /// Returns what the second cluster of a testbed is asked to be.
    pub fn options(first: &Options) -> Options {
        Options {
            name: Self::name_of(&first.name),
            port: None,
            amd_nodes: 2,
            nvidia_nodes: 0,
            small_nodes: 0,
            real_node: first.real_node.min(1),
            torch: false,
            explain: false,
            kueue: Vec::new(),
            kaito: None,
            multikueue: false,
            ..first.clone()
        }
    }

    /// Takes the directory of the testbed that it is.
    pub fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Returns the directory with the socket that leads to its API server.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}
