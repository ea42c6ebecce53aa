//! Flags of `kaiwo status`.

use clap::Args;

use super::NamedArgs;
use crate::settings::Format;

/// Flags of `kaiwo status`.
#[derive(Debug, Args)]
#[command(after_help = "\
--exit-status exits with 0 if the workload is running, ready or has succeeded,
with 1 if it has failed, and with 8 otherwise: pending, starting, degraded or
suspended.

Examples:
  kaiwo status alice-train          all details
  kaiwo status job/alice-train      if several kinds share the name
  kaiwo status alice-train -w       redrawn on every change
  kaiwo status web --exit-status --quiet >/dev/null && echo it is up
  kaiwo status alice-train -o json | jq -r '.pods[].node'")]
pub struct StatusArgs {
    /// Set the exit code from the status (0, 1 or 8)
    #[arg(long)]
    pub exit_status: bool,

    /// Output format
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::parser(Format::REPORTS))]
    pub output: Option<Format>,

    /// Where GPU metrics are.
    #[arg(
        help = "Prometheus with the GPU metrics: a URL, or NAMESPACE/SERVICE[:PORT] through the API server [default: found among the cluster's Services]",
        long,
        value_name = "PLACE"
    )]
    pub prometheus: Option<String>,

    /// Watch: redraw on every change until it is deleted
    #[arg(short, long, conflicts_with_all = ["output", "exit_status"])]
    pub watch: bool,

    /// Which workload, and where.
    #[command(flatten)]
    pub named: NamedArgs,
}
