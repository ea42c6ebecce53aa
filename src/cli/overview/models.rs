//! Flags of `kaiwo models`.

use clap::Args;

use crate::cli::ConnectionArgs;
use crate::settings::{Format, InstanceType};

/// Flags of `kaiwo models`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without --instance-type, GPUS is for the smallest machine that is enough. If the
cluster answers within two seconds (or --request-timeout), names that its KAITO
does not list are marked; KAITO v0.9 and later serves every model of the
Hugging Face hub by its id.

Examples:
  kaiwo models                  all of them
  kaiwo models qwen             those with qwen in the name
  kaiwo models llama --instance-type Standard_NC24ads_A100_v4
  kaiwo models -o json | jq -r '.models[] | select(.needsToken | not) | .name'
  kaiwo serve -m phi-4 --instance-type Standard_NC24ads_A100_v4")]
pub struct ModelsArgs {
    /// Part of a name
    #[arg(value_name = "FILTER")]
    pub filter: Option<String>,

    /// Count GPUs and nodes of this type, and show what fits
    #[arg(long, value_name = "TYPE")]
    pub instance_type: Option<InstanceType>,

    /// Do not contact the cluster
    #[arg(long)]
    pub offline: bool,

    /// Output format; wide has more columns
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::parser(Format::TABLES))]
    pub output: Option<Format>,

    /// Which cluster, and as whom.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}
