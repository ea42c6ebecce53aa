//! Flags of `kaiwo why`.

use clap::Args;

use super::NamedArgs;
use crate::settings::Format;

/// Flags of `kaiwo why`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kaiwo why alice-train             why it is not running, and who can fix it
  kaiwo why rayjob/alice-train      if several kinds share the name
  kaiwo why alice-train -o json | jq -r '.findings[].cause'

The exit code is 0 if the question could be answered. What you may not read is
listed at the end.")]
pub struct WhyArgs {
    /// Output format
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::parser(Format::REPORTS))]
    pub output: Option<Format>,

    /// Which workload, and where.
    #[command(flatten)]
    pub named: NamedArgs,
}
