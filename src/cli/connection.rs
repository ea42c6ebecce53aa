//! Flags for the cluster to connect to and the user to connect as.

use std::path::PathBuf;

use clap::Args;

use crate::time::Limit;

/// Which cluster, and as whom: the flags of kubectl.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub struct ConnectionArgs {
    /// Kubeconfig file [default: $KUBECONFIG, else ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,

    /// User to impersonate
    #[arg(long = "as", value_name = "USER")]
    pub as_user: Option<String>,

    /// Group to impersonate; may be repeated
    #[arg(long, value_name = "GROUP")]
    pub as_group: Vec<String>,

    /// Timeout of each request, and of connecting [default: 30s]
    #[arg(long, value_name = "TIME")]
    pub request_timeout: Option<Limit>,

    /// Do not check the certificate of the API server
    #[arg(long)]
    pub insecure_skip_tls_verify: bool,
}
