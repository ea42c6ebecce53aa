//! Flags of `kaiwo version`.

use clap::Args;

use crate::cli::ConnectionArgs;
use crate::settings::Format;

/// Flags of `kaiwo version`.
#[derive(Debug, Args)]
#[command(after_help = "\
Shows the versions of kaiwo and, if a cluster answers, of Kubernetes, Kueue,
KubeRay and KAITO there. Without a cluster the exit code is 0, too; kaiwo
--version contacts no cluster.

Examples:
  kaiwo version                  with the cluster's versions beside it
  kaiwo version -o json | jq -r .version")]
pub struct VersionArgs {
    /// Output format
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::parser(Format::REPORTS))]
    pub output: Option<Format>,

    /// Which cluster, and as whom.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}
