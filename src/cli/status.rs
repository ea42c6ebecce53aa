//! Flags of `kaiwo status`.

use clap::Args;

use super::NamedArgs;

/// Flags of `kaiwo status`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kaiwo status alice-train          all about it
  kaiwo status job/alice-train      where several kinds share the name")]
pub struct StatusArgs {
    /// Which workload, and where.
    #[command(flatten)]
    pub named: NamedArgs,
}
