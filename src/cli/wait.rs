//! Flags of `kaiwo wait`.

use clap::Args;

use super::NamedArgs;
use crate::kind::Goal;
use crate::plan::request::pod::Seconds;

/// Flags of `kaiwo wait`.
#[derive(Debug, Args)]
#[command(after_help = "\
A Job or RayJob is waited for until it has ended; the exit code is then its
container's. A service is waited for until all its pods are of the newest
version and ready. What cannot get there ends the wait early and says which pod
is the matter: an image that cannot be pulled, a Secret that is missing, nodes
that do not exist. Waiting deletes nothing; Ctrl-C leaves all as it is.

Examples:
  kaiwo wait alice-train                       until it has ended
  kaiwo wait alice-train --for running         until all its pods run
  kaiwo wait alice-train --timeout 2h --queue-timeout 30m
  kaiwo wait deployment/llm -o json            an event for each change")]
pub struct WaitArgs {
    /// running, ready or done [default: done; of a service ready]
    #[arg(long = "for", value_name = "STATE")]
    pub goal: Option<Goal>,

    /// Longest wait in all: 30s, 10m, 2h [default: none]
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<Seconds>,

    /// Longest wait in the queue, anew after a preemption [default: none]
    #[arg(long, value_name = "TIME")]
    pub queue_timeout: Option<Seconds>,

    /// `json` for programs: an event for each change, a line each
    #[arg(short, long, value_name = "FORMAT", value_parser = ["json"], hide_possible_values = true)]
    pub output: Option<String>,

    /// Which workload, and where.
    #[command(flatten)]
    pub named: NamedArgs,
}
