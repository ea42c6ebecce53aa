//! Flags of `kaiwo queues`.

use clap::Args;

use crate::cli::ConnectionArgs;
use crate::settings::{Format, Namespace, QueueName};

/// Flags of `kaiwo queues`.
#[derive(Debug, Args)]
#[command(after_help = "\
If you may not read ClusterQueues, you see the LocalQueues of the namespace and
what they use. \"lent\" is an upper bound: Kueue does not record whose quota is
borrowed.

Examples:
  kaiwo queues                 all, and the namespace's LocalQueues
  kaiwo queues research        one queue, by its LocalQueue or ClusterQueue
  kaiwo queues -A              LocalQueues of all namespaces
  kaiwo queues -o json | jq '.clusterQueues[] | {name, pending}'")]
pub struct QueuesArgs {
    /// Name of a ClusterQueue or a LocalQueue [default: all]
    #[arg(value_name = "QUEUE")]
    pub queue: Option<QueueName>,

    /// Namespace of the LocalQueues [default: kaiwo]
    #[arg(short, long)]
    pub namespace: Option<Namespace>,

    /// LocalQueues of all namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,

    /// Output format
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::parser(Format::REPORTS))]
    pub output: Option<Format>,

    /// Which cluster, and as whom.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}
