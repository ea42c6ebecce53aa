//! Flags of `kaiwo doctor`.

use clap::Args;

use crate::cli::ConnectionArgs;
use crate::settings::{Format, Namespace};

/// Flags of `kaiwo doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
Checks the kubeconfig and its credentials, the API server, Kueue, KubeRay and
KAITO, your rights by command, queues and flavors against the nodes, and
Prometheus. Nothing is created. What you may not read is unknown, not a problem.

The exit code is 0, or 8 if something will not work.

Examples:
  kaiwo doctor                  your namespace, with your defaults
  kaiwo doctor -n research      another namespace
  kaiwo doctor -o json | jq '.checks[] | select(.state == \"problem\")'")]
pub struct DoctorArgs {
    /// Namespace that is checked [default: kaiwo]
    #[arg(short, long)]
    pub namespace: Option<Namespace>,

    /// Output format
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::parser(Format::REPORTS))]
    pub output: Option<Format>,

    /// Which cluster, and as whom.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}
