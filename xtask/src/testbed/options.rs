//! What a testbed is asked to be.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::controllers::Controller;
use super::real_node::nodes::NODES;

/// What a testbed is asked to be.
#[derive(Clone, Debug, PartialEq, clap::Args, Serialize, Deserialize)]
pub struct Options {
    /// Which testbed: several can run side by side
    #[arg(long, default_value = "default")]
    pub name: String,
    /// Serve the API on this port of 127.0.0.1 [default: the last one, or any free one]
    #[arg(long)]
    pub port: Option<u16>,
    /// Run directly on this machine's loopback, as where namespaces are forbidden
    #[arg(long)]
    pub no_namespaces: bool,
    /// Nodes with 8 × amd.com/gpu
    #[arg(long, default_value_t = 4, value_name = "COUNT")]
    pub amd_nodes: u32,
    /// Nodes with 8 × nvidia.com/gpu
    #[arg(long, default_value_t = 4, value_name = "COUNT")]
    pub nvidia_nodes: u32,
    /// Nodes with 4 × amd.com/gpu
    #[arg(long, default_value_t = 2, value_name = "COUNT")]
    pub small_nodes: u32,
    /// Nodes without GPUs
    #[arg(long, default_value_t = 1, value_name = "COUNT")]
    pub cpu_nodes: u32,
    /// Add a node that really runs its pods, or two; needs root, see `cargo xtask testbed check`
    #[arg(long, conflicts_with = "no_namespaces", value_name = "COUNT", num_args = 0..=1,
        default_value_t = 0, default_missing_value = "1", hide_default_value = true,
        value_parser = clap::value_parser!(u8).range(0..=NODES.len() as i64))]
    pub real_node: u8,
    /// Give the real nodes an image with PyTorch, too
    #[arg(long, requires = "real_node")]
    pub torch: bool,
    /// Start a second cluster, with a real node if this one has any, to which Kueue sends what is admitted by the
    /// AdmissionCheck `testbed-worker`
    #[arg(long)]
    pub multikueue: bool,
    /// How long the pods of Jobs run
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS")]
    pub job_seconds: f64,
    /// Which Kueue: that of today, or the one before
    #[arg(long, value_enum, default_value_t)]
    pub platform: Platform,
    /// Let Kueue give its finer reasons (gate UnadmittedWorkloadsObservability)
    #[arg(long)]
    pub explain: bool,
    /// Change a field of Kueue's configuration: `waitForPodsReady.recoveryTimeout=1m`
    #[arg(long, value_name = "FIELD=VALUE", value_parser = field)]
    pub kueue: Vec<(String, String)>,
    /// Let KAITO's own controller move Workspaces and InferenceSets: a binary of its `cmd/workspace`, v0.12 or later;
    /// the definitions of its kinds are in the directory that KAIWO_UPSTREAM_CRDS names
    #[arg(long, value_name = "BINARY")]
    pub kaito: Option<PathBuf>,
    /// Controllers of further kinds that Kueue queues, each built once, in minutes
    #[arg(long, value_name = "NAME,…", value_enum, value_delimiter = ',')]
    pub with: Vec<Controller>,
}

/// Which releases a testbed is built from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Platform {
    /// Those in `testbed/`.
    #[default]
    Current,
    /// The same with the Kueue in `testbed/previous/`.
    Previous,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
            port: None,
            no_namespaces: false,
            amd_nodes: 4,
            nvidia_nodes: 4,
            small_nodes: 2,
            cpu_nodes: 1,
            real_node: 0,
            torch: false,
            multikueue: false,
            job_seconds: 1.0,
            platform: Platform::Current,
            explain: false,
            kueue: Vec::new(),
            kaito: None,
            with: Vec::new(),
        }
    }
}

/// Reads `FIELD=VALUE`.
fn field(text: &str) -> Result<(String, String), String> {
    let (field, value) = text.split_once('=').ok_or("expected FIELD=VALUE")?;
    Ok((field.to_owned(), value.to_owned()))
}
