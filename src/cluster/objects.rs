//! Tells the client what it has to know of manifests and workloads.

use futures_util::{StreamExt as _, stream};

use super::ClusterError;
use super::client::pages::Pages;
use super::client::request::{Object, ServedKind};
use crate::api::keys;
use crate::api::resource::Resource;
use crate::api::workload::Workload;
use crate::kind::WorkloadKind;
use crate::render::manifest::Manifest;

impl ServedKind for Resource {
    fn kind(&self) -> &str {
        &self.kind
    }

    fn collection_path(&self, namespace: &str) -> String {
        self.collection_path(namespace)
    }
}

impl Object for Manifest {
    const MANAGER: &'static str = keys::MANAGER;

    fn served(&self) -> &impl ServedKind {
        resource_of(self)
    }

    fn namespace(&self) -> &str {
        self.namespace()
    }

    fn name(&self) -> &str {
        self.name()
    }

    fn to_json(&self) -> Vec<u8> {
        self.to_json()
    }
}

/// Most requests at once that may each carry an upload of a megabyte.
const AT_ONCE: usize = 16;

/// Awaits all, some at a time. One that fails ends no other: a request that is dropped
/// under way may still be carried out.
pub(in crate::cluster) async fn in_turns<F: Future>(
    futures: impl IntoIterator<Item = F>,
) -> Vec<F::Output> {
    stream::iter(futures).buffered(AT_ONCE).collect().await
}

/// Every manifest is of a kind that kaiwo knows, or was resolved by
/// `discovery` before anything is sent.
pub(in crate::cluster) fn resource_of(manifest: &Manifest) -> &Resource {
    manifest
        .resource()
        .unwrap_or_else(|| unreachable!("{} is not resolved", manifest.display_name()))
}

/// Reads the next page of a listing of workloads of `kind`, which is served in
/// `api_version`; `None` after the last.
///
/// # Errors
/// Any [`ClusterError`].
pub(in crate::cluster) async fn next_workloads(
    pages: &mut Pages<'_>,
    kind: WorkloadKind,
    api_version: &str,
) -> Result<Option<Vec<Workload>>, ClusterError> {
    let api_version = api_version.to_owned();
    let reading = pages.reading();
    pages
        .turn(move |page| Workload::read_page(kind, &api_version, page, reading))
        .await
}
