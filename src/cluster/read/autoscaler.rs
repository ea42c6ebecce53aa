//! Reads what scales a workload.

use crate::api::Readable;
use crate::api::resource::Resource;
use crate::api::workload::Workload;
use crate::cluster::client::request::readable;
use crate::cluster::{Cluster, ClusterError};
use crate::observe::scaling::Autoscaler;

/// Returns the HorizontalPodAutoscaler of a workload; nothing if there is none,
/// or it may not be read.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn autoscaler_of(
    cluster: &Cluster,
    workload: &Workload,
) -> Result<Option<Autoscaler>, ClusterError> {
    if !workload.kind.descriptor().is_scalable {
        return Ok(None);
    }
    let resource = Resource::known("autoscaling/v2", "HorizontalPodAutoscaler");
    let namespace = &workload.metadata.namespace;
    let listed = cluster.list::<Autoscaler>(&resource, namespace, "").await;
    let listed = match listed {
        Err(error) if error.is_not_found() => return Ok(None),
        listed => readable(listed)?,
    };
    Ok(match listed {
        Readable::Known(listed) => listed.into_iter().find(|it| it.is_of(workload)),
        Readable::Forbidden => None,
    })
}
