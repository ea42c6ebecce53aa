//! Flags of `kaiwo status`.

use clap::{Args, ValueEnum};

use super::NamedArgs;
use crate::settings::OutputFormat;

/// Flags of `kaiwo status`.
#[derive(Debug, Args)]
#[command(after_help = "\
--exit-status exits with 0 if it runs, is ready or has succeeded, with 1 if it
has failed, and with 8 if it is neither: it waits, starts, is degraded or
suspended.

Examples:
  kaiwo status alice-train          all about it
  kaiwo status job/alice-train      where several kinds share the name
  kaiwo status alice-train -w       drawn anew as it changes
  kaiwo status web --exit-status --quiet >/dev/null && echo it is up
  kaiwo status alice-train -o json | jq -r '.pods[].node'")]
pub struct StatusArgs {
    /// Exit with 0, 1 or 8, as it stands
    #[arg(long)]
    pub exit_status: bool,

    /// Form of the data: json or yaml
    #[arg(short, long, value_name = "FORMAT", hide_possible_values = true)]
    pub output: Option<StatusFormat>,

    /// Where GPU metrics are.
    #[arg(
        help = "Prometheus that knows what GPUs do: a URL, or NAMESPACE/SERVICE[:PORT] through the API server [default: found among the cluster's Services]",
        long,
        value_name = "PLACE"
    )]
    pub prometheus: Option<String>,

    /// Go on until it is gone, and draw it anew as it changes
    #[arg(short, long, conflicts_with_all = ["output", "exit_status"])]
    pub watch: bool,

    /// Which workload, and where.
    #[command(flatten)]
    pub named: NamedArgs,
}

/// Forms of what is told about a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StatusFormat {
    /// A document of YAML.
    Yaml,
    /// A document of JSON.
    Json,
}

impl StatusFormat {
    /// Returns the form that was typed, else the one that the settings say.
    pub fn chosen(typed: Option<Self>, setting: Option<OutputFormat>) -> Option<Self> {
        typed.or(match setting {
            Some(OutputFormat::Json) => Some(Self::Json),
            Some(OutputFormat::Yaml) => Some(Self::Yaml),
            _ => None,
        })
    }
}
