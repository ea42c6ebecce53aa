//! Flags of `kaiwo usage`.

use clap::Args;

use super::past::PastArgs;
use crate::observe::account::By;

/// Flags of `kaiwo usage`.
#[derive(Debug, Args)]
#[command(
    mut_arg("since", |arg| arg.required(false).default_value("30d")),
    after_help = "\
Counts GPUs for as long as Kueue admitted a workload to them, over all attempts,
from Kueue's Workloads. If Kueue's retention has deleted a Workload, its Job
counts with its last attempt only. If you may list neither, or with
--prometheus, the metrics of GPU exporters count, including those of deleted
workloads. FROM says which. Marks: ≥ at least, ≤ at most, ≈ about.

Examples:
  kaiwo usage                          GPU-hours of each user, last 30 days
  kaiwo usage -A --by namespace --since 7d
  kaiwo usage --by queue -o csv > usage.csv
  kaiwo usage -A --prometheus          include deleted workloads
  kaiwo usage --prometheus http://localhost:9090"
)]
pub struct UsageArgs {
    /// Group by: user, queue, namespace
    #[arg(long, value_name = "KEY", default_value_t)]
    pub by: By,

    /// Where GPU metrics are.
    #[arg(
        help = "Use Prometheus: a URL, or NAMESPACE/SERVICE[:PORT] through the API server [without a value: found among the cluster's Services]",
        long,
        value_name = "PLACE",
        num_args = 0..=1,
        default_missing_value = ""
    )]
    pub prometheus: Option<String>,

    /// Which workloads.
    #[command(flatten)]
    pub past: PastArgs,
}
