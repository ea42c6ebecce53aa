//! Flags of `kaiwo volumes`.

use clap::Args;

use crate::cli::ConnectionArgs;
use crate::settings::{Format, Namespace};

/// Flags of `kaiwo volumes`.
#[derive(Debug, Args)]
#[command(after_help = "\
WORKLOAD is the one that the claim was created for. MOUNTED BY lists the pods
that mount it now; it is blank if you may not list pods.

Examples:
  kaiwo volumes                claims of the namespace
  kaiwo volumes -A -o wide     of all namespaces, with their volumes
  kaiwo volumes -o json | jq -r '.items[] | select(.mountedBy == []).name'
  kaiwo cp alice-train:/scratch/out .   copy files from a claim")]
pub struct VolumesArgs {
    /// Namespace [default: kaiwo]
    #[arg(short, long)]
    pub namespace: Option<Namespace>,

    /// All namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,

    /// Only those with these labels: K=V, K!=V, 'K in (A,B)'
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub selector: Option<String>,

    /// Output format; wide has more columns
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::parser(Format::TABLES))]
    pub output: Option<Format>,

    /// Which cluster, and as whom.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}
