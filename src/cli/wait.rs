//! Flags of `kaiwo wait`.

use clap::Args;

use super::NamedArgs;
use crate::kind::Goal;
use crate::settings::{Format, Notify};
use crate::time::Seconds;

/// Flags of `kaiwo wait`.
#[derive(Debug, Args)]
#[command(after_help = "\
Waits for a Job or RayJob until it has ended, and exits with the exit code of
its container. Waits for a service until all its pods are of the newest version
and ready. If it cannot get there, the wait ends early and names what is wrong:
an image that cannot be pulled, a missing Secret, nodes that do not exist.
Waiting deletes nothing, and neither does Ctrl-C.

Examples:
  kaiwo wait alice-train                       until it has ended
  kaiwo wait alice-train --for running         until all its pods run
  kaiwo wait alice-train --timeout 2h --queue-timeout 30m
  kaiwo wait alice-train --notify 'notify-send \"$KAIWO_MESSAGE\"'
  kaiwo wait deployment/llm -o json            an event for each change")]
pub struct WaitArgs {
    /// running, ready or done [default: done; of a service ready]
    #[arg(long = "for", value_name = "STATE")]
    pub goal: Option<Goal>,

    /// Longest wait in total: 30s, 10m, 2h [default: none]
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<Seconds>,

    /// Longest wait in the queue and for nodes, again after each preemption [default: none]
    #[arg(long, value_name = "TIME")]
    pub queue_timeout: Option<Seconds>,

    /// Report the end: to a URL as JSON, to a command in $KAIWO_MESSAGE
    #[arg(long, value_name = "URL|COMMAND")]
    pub notify: Option<Notify>,

    /// Output format: an event for each change, one per line
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::parser(Format::EVENTS))]
    pub output: Option<Format>,

    /// Which workload, and where.
    #[command(flatten)]
    pub named: NamedArgs,
}
