//! Reads the queues of a cluster.

use super::api_versions::Served;
use crate::api::Readable;
use crate::api::resource::Resource;
use crate::cluster::client::request::readable;
use crate::cluster::{Cluster, ClusterError};
use crate::error::{Classified, ErrorClass};
use crate::observe::quota::Queues;

/// Why there are no queues to tell of.
#[derive(Debug, thiserror::Error)]
pub enum QueuesError {
    /// Kueue is not installed.
    #[error("the cluster has no queues: Kueue is not installed")]
    NoKueue,
    /// The cluster cannot be asked, or the user may read no queue at all.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

impl Classified for QueuesError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::NoKueue => ErrorClass::Refused,
            Self::Cluster(source) => source.class(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoKueue => {
                vec!["an admin can install Kueue: https://kueue.sigs.k8s.io".to_owned()]
            }
            Self::Cluster(source) => source.hints(),
        }
    }

    fn object(&self) -> Option<String> {
        match self {
            Self::NoKueue => None,
            Self::Cluster(source) => source.object(),
        }
    }
}

/// Reads all ClusterQueues and the LocalQueues of a namespace, of all if it is
/// empty. Who may read one sort only is told of that.
///
/// # Errors
/// [`QueuesError`] if neither may be read.
pub async fn read(
    cluster: &Cluster,
    served: &Served,
    namespace: &str,
) -> Result<Queues, QueuesError> {
    let Some(kueue) = &served.kueue else {
        return Err(QueuesError::NoKueue);
    };
    let (cluster_queue, local_queue) = (
        Resource::known(kueue, "ClusterQueue"),
        Resource::known(kueue, "LocalQueue"),
    );
    let (queues, local) = tokio::join!(
        cluster.list(&cluster_queue, "", ""),
        cluster.list(&local_queue, namespace, ""),
    );
    match (readable(queues)?, local) {
        (Readable::Known(queues), local) => {
            let local = readable(local)?;
            let local = local.known().map_or(&[][..], Vec::as_slice);
            Ok(Queues::new(&queues, local))
        }
        (Readable::Forbidden, local) => Ok(Queues::new(&[], &local?)),
    }
}
