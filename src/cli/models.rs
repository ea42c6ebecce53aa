//! Flags of `kaiwo models`.

use clap::{Args, ValueEnum};

use super::ConnectionArgs;

/// Flags of `kaiwo models`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without --instance-type, GPUS is the smallest machine that would do. A cluster
that answers within two seconds, or within --request-timeout, says which of
these names its KAITO lists; KAITO v0.9 and later serves every model of the
Hugging Face hub by its id.

Examples:
  kaiwo models                  all of them
  kaiwo models qwen             those with qwen in their name
  kaiwo models llama --instance-type Standard_NC24ads_A100_v4
  kaiwo models -o json | jq -r '.models[] | select(.needsToken | not) | .name'
  kaiwo serve -m phi-4 --instance-type Standard_NC24ads_A100_v4")]
pub struct ModelsArgs {
    /// Part of a name
    #[arg(value_name = "FILTER")]
    pub filter: Option<String>,

    /// Count GPUs and nodes of this type, and say what fits
    #[arg(long, value_name = "TYPE")]
    pub instance_type: Option<String>,

    /// Ask no cluster
    #[arg(long)]
    pub offline: bool,

    /// Form of the data: json, yaml, name, or wide for more columns
    #[arg(short, long, value_name = "FORMAT", hide_possible_values = true)]
    pub output: Option<ModelsFormat>,

    /// Which cluster, and as whom.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Forms of a list of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModelsFormat {
    /// The report as YAML.
    Yaml,
    /// The report as JSON.
    Json,
    /// Names, one to a line.
    Name,
    /// The table, with more columns.
    Wide,
}
