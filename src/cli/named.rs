//! Arguments of the commands that are about one workload.

use clap::Args;

use super::ConnectionArgs;
use crate::observe::WorkloadRef;
use crate::settings::Namespace;

/// Which workload, and where.
#[derive(Debug, Clone, Args)]
pub struct NamedArgs {
    /// Name, or kind/name: job/x, rayjob/x, deployment/x, workspace/x
    #[arg(value_name = "NAME")]
    pub workload: WorkloadRef,

    /// Namespace [default: kaiwo]
    #[arg(short, long)]
    pub namespace: Option<Namespace>,

    /// Which cluster, and as whom.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}
