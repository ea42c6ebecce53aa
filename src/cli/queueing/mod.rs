//! Flags of the commands that change where a workload is in Kueue's queues.

pub mod activity;
pub mod priority;
pub mod queue;

use clap::Args;

use super::NamedArgs;
use crate::settings::Format;

/// Flags that they share.
#[derive(Debug, Args)]
pub struct ChangeArgs {
    /// Show what would change, and change nothing
    #[arg(short, long)]
    pub dry_run: bool,

    /// Output format
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::parser(Format::OBJECTS))]
    pub output: Option<Format>,

    /// Which workload, and where.
    #[command(flatten)]
    pub named: NamedArgs,
}
