//! Flags of `kaiwo top`.

use clap::Args;

use crate::cli::ConnectionArgs;
use crate::observe::WorkloadRef;
use crate::settings::{Format, Namespace};

/// Flags of `kaiwo top`.
#[derive(Debug, Args)]
#[command(after_help = "\
The data comes from the cluster's Prometheus, which must scrape NVIDIA's
dcgm-exporter or AMD's device-metrics-exporter. UTIL is the share of time in
which the GPUs of a pod are busy, now and over ten minutes; below 5 % over ten
minutes they count as idle.

Examples:
  kaiwo top                    GPUs of kaiwo's pods in the namespace
  kaiwo top alice-train        of one workload
  kaiwo top --prometheus monitoring/prometheus-operated:9090
  kaiwo top --prometheus http://localhost:9090
  kaiwo top -o json | jq -r '.pods[] | select(.usage.idle).workload'")]
pub struct TopArgs {
    /// Name, or kind/name, of one workload [default: all of the namespace]
    #[arg(value_name = "NAME")]
    pub workload: Option<WorkloadRef>,

    /// Namespace [default: kaiwo]
    #[arg(short, long)]
    pub namespace: Option<Namespace>,

    /// Where GPU metrics are.
    #[arg(
        help = "Prometheus: a URL, or NAMESPACE/SERVICE[:PORT] through the API server [default: found among the cluster's Services]",
        long,
        value_name = "PLACE"
    )]
    pub prometheus: Option<String>,

    /// Output format
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::parser(Format::REPORTS))]
    pub output: Option<Format>,

    /// Which cluster, and as whom.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}
