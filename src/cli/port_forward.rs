//! Flags of `kaiwo port-forward`.

use core::net::IpAddr;

use clap::Args;

use super::NamedArgs;
use crate::observe::forward::Forward;

/// Flags of `kaiwo port-forward`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kaiwo port-forward alice-chat              the ports of its Service
  kaiwo port-forward alice-chat 9000:8000    local port 9000 to port 8000
  kaiwo port-forward alice-chat :8000        a free port, printed to stdout
  kaiwo port-forward alice-sft --dashboard   Ray's dashboard on port 8265

Forwarding continues when the pod is replaced: broken connections are closed,
new ones go to the new pod, and wait for it for up to half a minute.
Ctrl-C ends it with exit code 0, and so does the end of the workload.")]
pub struct PortForwardArgs {
    /// Which workload, and where.
    #[command(flatten)]
    pub named: NamedArgs,

    /// Ports [default: those of the workload's Service]
    #[arg(value_name = "[LOCAL:]REMOTE", help_heading = "Ports")]
    pub ports: Vec<Forward>,

    /// Ray's dashboard, port 8265 of the head
    #[arg(long, help_heading = "Ports")]
    pub dashboard: bool,

    /// Where to listen [default: 127.0.0.1]
    #[arg(long, value_name = "IP", help_heading = "Ports")]
    pub address: Vec<IpAddr>,

    /// One pod, by its name or its short one
    #[arg(long, value_name = "POD", help_heading = "Ports")]
    pub pod: Option<String>,
}
