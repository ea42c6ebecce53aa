//! Flags of `kaiwo list`.

use clap::Args;

use super::ConnectionArgs;
use crate::kind::WorkloadKind;
use crate::observe::Status;
use crate::observe::workload_ref::KindRef;
use crate::settings::{Format, Namespace};

/// Flags of `kaiwo list`.
#[derive(Debug, Args)]
#[command(after_help = "\
STATUS is one of Pending (waiting in a queue), Admitted, Starting, Running,
Ready, Degraded, Succeeded, Failed, Suspended and Preempted. POS is the position
among all that wait for the same ClusterQueue. What you may not read is left
blank. PROGRESS is what a job printed last as: ::kaiwo progress=42 eta=2h loss=1.2

Examples:
  kaiwo list                        those that kaiwo created in the namespace
  kaiwo list -A --mine              your own, in all namespaces
  kaiwo list --status pending,preempted
  kaiwo list --kind job,rayjob -o wide
  kaiwo list --kind jobset          what other tools made and Kueue queues
  kaiwo list --progress             one log request for each running job
  kaiwo list -w                     watch them: redrawn on every change
  kaiwo list -w | tee log           one line for each change
  kaiwo list -o json | jq -r '.items[] | select(.status == \"Failed\").name'")]
pub struct ListArgs {
    /// Namespace [default: kaiwo]
    #[arg(short, long)]
    pub namespace: Option<Namespace>,

    /// All namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,

    /// Only those with these labels: K=V, K!=V, 'K in (A,B)'
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub selector: Option<String>,

    /// Only your own: those of KAIWO_USER, or of your login
    #[arg(long)]
    pub mine: bool,

    /// Kinds to list.
    #[arg(
        long,
        value_name = "KIND,…",
        value_delimiter = ',',
        help = format!(
            "Only these kinds: {}; or another that Kueue queues, such as jobset, which implies --any",
            WorkloadKind::ALL.map(WorkloadKind::word).join(", ")
        ),
    )]
    pub kind: Vec<KindRef>,

    /// Filter by status: pending, running, failed, …
    #[arg(long, value_name = "STATUS,…", value_delimiter = ',')]
    pub status: Vec<Status>,

    /// Include workloads not created by kaiwo, and whatever else Kueue queues:
    /// JobSets, TrainJobs, LeaderWorkerSets, RayClusters, groups of pods
    #[arg(long)]
    pub any: bool,

    /// Show how far running jobs are, as their logs say
    #[arg(long)]
    pub progress: bool,

    /// Output format; wide has more columns
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::parser(Format::TABLES))]
    pub output: Option<Format>,

    /// Watch for changes
    #[arg(short, long)]
    pub watch: bool,

    /// Which cluster, and as whom.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

impl ListArgs {
    /// Returns whether what kaiwo did not create is listed: no other kind is its own.
    pub fn includes_any(&self) -> bool {
        let mut kinds = self.kind.iter();
        self.any || kinds.any(|kind| matches!(kind, KindRef::Other(_)))
    }
}
