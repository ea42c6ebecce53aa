//! Flags of `kaiwo list`.

use clap::{Args, ValueEnum};

use super::ConnectionArgs;
use crate::kind::WorkloadKind;
use crate::observe::{Status, reference};

/// Flags of `kaiwo list`.
#[derive(Debug, Args)]
#[command(after_help = "\
STATUS is one of Pending (it waits in a queue), Admitted, Starting, Running,
Ready, Degraded, Succeeded, Failed, Suspended and Preempted. POS counts all that
wait for the same ClusterQueue. What you may not read is left blank.

Examples:
  kaiwo list                        what kaiwo made in the namespace
  kaiwo list -A --mine              your own, in all namespaces
  kaiwo list --status pending,preempted
  kaiwo list --kind job,rayjob -o wide
  kaiwo list -w                     follow them: drawn anew as they change
  kaiwo list -w | tee log           one line for each change
  kaiwo list -o json | jq -r '.items[] | select(.status == \"Failed\").name'")]
pub struct ListArgs {
    /// Namespace [default: kaiwo]
    #[arg(short, long)]
    pub namespace: Option<String>,

    /// All namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,

    /// Only those with these labels: K=V, K!=V, 'K in (A,B)'
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub selector: Option<String>,

    /// Only your own: those of KAIWO_USER, or of your login
    #[arg(long)]
    pub mine: bool,

    /// Only of these kinds: job, cronjob, rayjob, deployment, rayservice,
    /// workspace, inferenceset
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', value_parser = reference::kind)]
    pub kind: Vec<WorkloadKind>,

    /// Only those that stand so: pending, running, failed, …
    #[arg(long, value_name = "STATUS,…", value_delimiter = ',')]
    pub status: Vec<Status>,

    /// Those that kaiwo has not made, too
    #[arg(long)]
    pub any: bool,

    /// Form of the data: json, yaml, name, or wide for more columns
    #[arg(short, long, value_name = "FORMAT", hide_possible_values = true)]
    pub output: Option<ListFormat>,

    /// Go on, and show what changes
    #[arg(short, long)]
    pub watch: bool,

    /// Which cluster, and as whom.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Forms of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// A document of YAML.
    Yaml,
    /// A document of JSON.
    Json,
    /// Names, one to a line.
    Name,
    /// The table, with more columns.
    Wide,
}
