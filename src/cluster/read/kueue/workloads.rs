//! Reads all of Kueue's Workloads.

use crate::api::resource::Resource;
use crate::cluster::Cluster;
use crate::cluster::client::pages::{Pages, Selection};

/// Workloads of a page. Nothing of them is told before all are there, and a second page can
/// take an API server (v1.36) seven times as long as the same objects on the first, which
/// comes from its memory: where nothing has changed for a while, it reads the others from
/// etcd.
const AT_ONCE: usize = 5000;

/// Begins to read those of a namespace, of all if it is empty, in this version of Kueue's
/// API.
pub fn all<'a>(cluster: &'a Cluster, kueue: &str, namespace: &str) -> Pages<'a> {
    let resource = Resource::known(kueue, "Workload");
    let everything = Selection::default();
    Pages::with_size(AT_ONCE, cluster, &resource, namespace, &everything)
}
