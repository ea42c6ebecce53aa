//! Flags of `kaiwo move`.

use clap::Args;

use super::ChangeArgs;
use crate::settings::QueueName;

/// Flags of `kaiwo move`.
#[derive(Debug, Args)]
#[command(after_help = "\
Moves a job that waits. It keeps its age, so in the new queue it is ahead of
newer workloads of its priority. What is running, paused, or was evicted once
cannot be moved; neither can anything into or out of a queue that sends
workloads to other clusters (MultiKueue). --force also moves to a queue that is
stopped or has too little quota.

Examples:
  kaiwo move alice-train -q team-b
  kaiwo move alice-train -q team-b --dry-run    check whether it can move
  kaiwo queues                                  compare the queues first")]
pub struct MoveArgs {
    /// LocalQueue, or the ClusterQueue behind one
    #[arg(short, long)]
    pub queue: QueueName,

    /// Move even if the queue cannot admit it now
    #[arg(long)]
    pub force: bool,

    /// Which workload, and how it is reported.
    #[command(flatten)]
    pub change: ChangeArgs,
}
