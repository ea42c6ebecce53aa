//! Flags of `kaiwo resize`.

use clap::Args;

use super::NamedArgs;

/// Flags of `kaiwo resize`.
#[derive(Debug, Args)]
#[command(after_help = "\
The slots of an array are the tasks that run at once. They can be changed while
it runs if it was submitted with --grow, and before it has started otherwise:
Kueue would stop it and requeue it at the end.

With more slots than the queue has quota for, those that run keep running, and
the others wait until the quota is free for all of them. With fewer slots than
tasks that run, Kubernetes stops some of them, and they start again later.

Examples:
  kaiwo resize alice-sweep --slots 16
  kaiwo submit -p sweep/ -g 1 --sweep seed=1..100 --slots 4 --grow")]
pub struct ResizeArgs {
    /// Tasks at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=100_000))]
    pub slots: i64,

    /// Do not ask before running tasks are stopped
    #[arg(short, long)]
    pub yes: bool,

    /// Show what would change, and change nothing
    #[arg(short, long)]
    pub dry_run: bool,

    /// Which workload, and where.
    #[command(flatten)]
    pub named: NamedArgs,
}
