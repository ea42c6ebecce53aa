//! Flags of `kaiwo delete`.

use clap::{ArgGroup, Args};

use super::ConnectionArgs;
use crate::observe::WorkloadRef;
use crate::plan::request::pod::Seconds;

/// Flags of `kaiwo delete`.
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("which").required(true)),
    after_help = "\
Asks first, unless -y is given. With a workload go its pods and what kaiwo made
for it: uploads, Services and the like, and the claims of --storage with what is
in them. What a run left that was killed before it made its workload goes by the
workload's name. LocalQueues, namespaces, claims of --keep-storage and everything
that somebody else made stay. Returns when all is gone.

Examples:
  kaiwo delete alice-train                 asks, then deletes
  kaiwo delete job/a rayjob/b -y           several, without asking
  kaiwo delete -l team=vision --dry-run    what would be deleted
  kaiwo delete --all -n scratch            all of kaiwo's in a namespace"
)]
pub struct DeleteArgs {
    /// Names, or kind/name: job/x, rayjob/x, deployment/x, workspace/x
    #[arg(value_name = "NAME", group = "which")]
    pub workload: Vec<WorkloadRef>,

    /// Those of kaiwo's workloads that have these labels: K=V,K2=V2
    #[arg(short = 'l', long, value_name = "LABELS", group = "which")]
    pub selector: Option<String>,

    /// All of kaiwo's workloads in the namespace
    #[arg(long, group = "which")]
    pub all: bool,

    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,

    /// Delete what kaiwo did not make, too
    #[arg(long, conflicts_with_all = ["selector", "all"])]
    pub force: bool,

    /// A workload that is not there is no error
    #[arg(long)]
    pub ignore_not_found: bool,

    /// Return at once, not when all is gone
    #[arg(long, conflicts_with = "timeout")]
    pub no_wait: bool,

    /// Longest wait until all is gone [default: 2m]
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<Seconds>,

    /// Say what would be deleted, and delete nothing
    #[arg(short, long)]
    pub dry_run: bool,

    /// Data on stdout: name or json
    #[arg(short, long, value_name = "FORMAT", value_parser = ["name", "json"], hide_possible_values = true)]
    pub output: Option<String>,

    /// Namespace [default: kaiwo]
    #[arg(short, long)]
    pub namespace: Option<String>,

    /// Which cluster, and as whom.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}
