//! Flags of `kaiwo pause` and `kaiwo resume`.

use clap::Args;

use super::ChangeArgs;

/// Flags of `kaiwo pause`.
#[derive(Debug, Args)]
#[command(after_help = "\
Takes a job out of its queue until kaiwo resume, which returns it to its old
place: its age is kept. A running job is stopped and releases its GPUs; kaiwo
asks first, unless -y is given. When resumed it starts from the beginning, or
from its last checkpoint on --storage. Until it has run again, it cannot be
moved.

This needs a right that only some admins grant: `kaiwo doctor` shows it.

Examples:
  kaiwo pause alice-train
  kaiwo pause alice-train --dry-run
  kaiwo resume alice-train")]
pub struct PauseArgs {
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,

    /// Which workload, and how it is reported.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// Flags of `kaiwo resume`.
#[derive(Debug, Args)]
#[command(after_help = "\
Returns a paused job to its queue, at its old place: its age was kept. This also
restores a job that Kueue gave up on after too many failed starts.

Examples:
  kaiwo resume alice-train
  kaiwo resume alice-train && kaiwo wait alice-train --for running")]
pub struct ResumeArgs {
    /// Which workload, and how it is reported.
    #[command(flatten)]
    pub change: ChangeArgs,
}
