//! Flags of `kaiwo why`.

use clap::Args;

use super::NamedArgs;

/// Flags of `kaiwo why`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kaiwo why alice-train             what keeps it, and who mends that
  kaiwo why rayjob/alice-train      where several kinds share the name
  kaiwo why alice-train -o json | jq -r '.findings[].cause'

The exit code is 0 whenever the question could be answered. What you may not
read is left out, and named at the end.")]
pub struct WhyArgs {
    /// `json` for programs
    #[arg(short, long, value_name = "FORMAT", value_parser = ["json"], hide_possible_values = true)]
    pub output: Option<String>,

    /// Which workload, and where.
    #[command(flatten)]
    pub named: NamedArgs,
}
