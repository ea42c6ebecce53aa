//! Flags of `kaiwo priority`.

use clap::Args;

use super::ChangeArgs;
use crate::settings::PriorityClassName;

/// Flags of `kaiwo priority`.
#[derive(Debug, Args)]
#[command(after_help = "\
Changes the WorkloadPriorityClass of a job, waiting or running. It keeps its
age. If others would be preempted, kaiwo names them and asks first, unless -y is
given. A class can be changed but not removed, and a running job that has none
cannot get one.

Examples:
  kaiwo priority alice-train high
  kaiwo priority alice-train high --dry-run     who would be preempted
  kubectl get workloadpriorityclasses           list the classes")]
pub struct PriorityArgs {
    /// WorkloadPriorityClass of Kueue
    #[arg(value_name = "CLASS", index = 2)]
    pub class: PriorityClassName,

    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,

    /// Which workload, and how it is reported.
    #[command(flatten)]
    pub change: ChangeArgs,
}
