//! Flags of `kaiwo list`.

use clap::Args;

use super::ConnectionArgs;

/// Flags of `kaiwo list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kaiwo list          what kaiwo made in the namespace
  kaiwo list -A       in all namespaces")]
pub struct ListArgs {
    /// Namespace [default: kaiwo]
    #[arg(short, long)]
    pub namespace: Option<String>,

    /// All namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,

    /// Which cluster, and as whom.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}
