//! Flags of `kaiwo nodes`.

use clap::Args;

use crate::cli::ConnectionArgs;
use crate::settings::Format;

/// Flags of `kaiwo nodes`.
#[derive(Debug, Args)]
#[command(after_help = "\
FREE is what no pod holds; it is blank if you may not read the pods of all
namespaces. BLOCKED BY is why a node takes no more pods: cordoned, not ready, a
taint, or what is used up. -o json has the labels, which --node-selector takes.

Examples:
  kaiwo nodes                  nodes with GPUs, and what is free
  kaiwo nodes --all            also nodes without GPUs
  kaiwo nodes gpu-1            one node, and who holds its GPUs
  kaiwo nodes -l nvidia.com/gpu.product=NVIDIA-H100-80GB-HBM3
  kaiwo nodes -o json | jq -r '.nodes[] | select(.closed == []) | .name'")]
pub struct NodesArgs {
    /// Name of a node [default: all with GPUs]
    #[arg(value_name = "NODE")]
    pub node: Option<String>,

    /// Include nodes without GPUs
    #[arg(long)]
    pub all: bool,

    /// Only those with these labels: K=V, K!=V, 'K in (A,B)'
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub selector: Option<String>,

    /// Output format
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::parser(Format::REPORTS))]
    pub output: Option<Format>,

    /// Which cluster, and as whom.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}
