//! Flags of `kaiwo queues`.

use clap::Args;

use super::{ConnectionArgs, StatusFormat};

/// Flags of `kaiwo queues`.
#[derive(Debug, Args)]
#[command(after_help = "\
Who may not read ClusterQueues sees the LocalQueues of the namespace, and what
they use. What is lent is the most that it can be: Kueue keeps no account of
whose quota it is that somebody borrows.

Examples:
  kaiwo queues                 what there is, and the namespace's LocalQueues
  kaiwo queues -A              LocalQueues of all namespaces
  kaiwo queues -o json | jq '.clusterQueues[] | {name, pending}'")]
pub struct QueuesArgs {
    /// Namespace of the LocalQueues [default: kaiwo]
    #[arg(short, long)]
    pub namespace: Option<String>,

    /// LocalQueues of all namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,

    /// Form of the data: json or yaml
    #[arg(short, long, value_name = "FORMAT", hide_possible_values = true)]
    pub output: Option<StatusFormat>,

    /// Which cluster, and as whom.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}
