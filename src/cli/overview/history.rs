//! Flags of `kaiwo history`.

use clap::Args;

use super::past::PastArgs;
use crate::observe::status::FinalStatus;

/// Flags of `kaiwo history`.
#[derive(Debug, Args)]
#[command(
    mut_arg("since", |arg| arg.required(false).default_value("7d")),
    after_help = "\
WAITED and RAN are over all attempts, TRIES is their number. They come from
Kueue's Workloads. If Kueue's retention has deleted a Workload, its Job knows
only the last attempt: RAN is then marked ≥, WAITED ≤. EXIT is the exit code of
the container that failed first, as long as its pod exists. Deleting a workload
deletes its history.

Examples:
  kaiwo history                       what ended in the last 7 days
  kaiwo history --since 24h --status failed
  kaiwo history -A --user alice
  kaiwo history -o csv > history.csv
  kaiwo history -o json | jq '[.items[].gpuHours] | add'"
)]
pub struct HistoryArgs {
    /// Only these: succeeded, failed
    #[arg(long, value_name = "STATUS,…", value_delimiter = ',')]
    pub status: Vec<FinalStatus>,

    /// Which workloads.
    #[command(flatten)]
    pub past: PastArgs,
}
