//! Flags that `kaiwo history` and `kaiwo usage` share.

use clap::Args;

use crate::cli::ConnectionArgs;
use crate::settings::{Format, Namespace};
use crate::time::Limit;

/// Which workloads of the past, and how they are shown.
#[derive(Debug, Args)]
pub struct PastArgs {
    /// How far back: 90m, 12h, 7d
    #[arg(long, value_name = "TIME")]
    pub since: Limit,

    /// Only workloads of this user
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,

    /// Namespace [default: kaiwo]
    #[arg(short, long)]
    pub namespace: Option<Namespace>,

    /// All namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,

    /// Output format
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::parser(Format::ROWS))]
    pub output: Option<Format>,

    /// Which cluster, and as whom.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}
