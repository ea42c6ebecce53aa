//! Lists all workloads of a namespace or the cluster, kind by kind and page by
//! page.

pub mod rows;

use std::collections::VecDeque;

use futures_util::future::join_all;

use super::api_versions::Served;
use super::lookup::queued_objects::{is_queued_itself, retain_unknown};
use crate::api::workload::{Workload, protobuf};
use crate::change::existing::resource;
use crate::cluster::client::pages::{Pages, Selection};
use crate::cluster::objects::next_workloads;
use crate::cluster::{Cluster, ClusterError};
use crate::kind::WorkloadKind;

/// A listing of several kinds.
pub struct Listing<'a> {
    kinds: VecDeque<(WorkloadKind, &'static str, Pages<'a>)>,
    /// Kinds that the user may not list, and what the API server says.
    pub denied: Vec<(WorkloadKind, ClusterError)>,
    /// Whether any kind may be listed.
    pub is_allowed: bool,
    cluster: &'a Cluster,
    namespace: String,
    owned: bool,
}

impl<'a> Listing<'a> {
    /// Asks for the first page of each of `wanted` that is served, of all at
    /// once.
    pub async fn begin(
        cluster: &'a Cluster,
        served: &Served,
        namespace: &str,
        wanted: &[WorkloadKind],
        selection: &Selection,
    ) -> Self {
        let served = wanted.iter().filter_map(|kind| {
            let version = served.version(*kind)?;
            let resource = resource(*kind, version);
            // Kueue's Workloads do not have the labels of what they stand for.
            let all = Selection::default();
            let selection = match kind {
                WorkloadKind::Queued => &all,
                _ => selection,
            };
            let pages = match protobuf::list_of(*kind) {
                Some(_) => Pages::in_protobuf(cluster, &resource, namespace, selection),
                None => Pages::new(cluster, &resource, namespace, selection),
            };
            Some((*kind, version, pages))
        });
        let mut kinds: VecDeque<_> = served.collect();
        join_all(kinds.iter_mut().map(|(_, _, pages)| pages.begin())).await;
        Self {
            kinds,
            denied: Vec::new(),
            is_allowed: false,
            cluster,
            namespace: namespace.to_owned(),
            owned: false,
        }
    }

    /// Lists what other objects own as well, if Kueue queues it by itself.
    #[must_use]
    pub fn with_owned(self, owned: bool) -> Self {
        Self { owned, ..self }
    }

    /// Reads the next page; `None` after the last. What belongs to another
    /// workload is left out. Of a kind that the user may not list, or whose
    /// definition is missing, nothing is.
    ///
    /// # Errors
    /// Any other [`ClusterError`].
    pub async fn next(&mut self) -> Result<Option<Vec<Workload>>, ClusterError> {
        while let Some((kind, version, pages)) = self.kinds.front_mut() {
            match next_workloads(pages, *kind, version).await {
                Ok(Some(mut page)) => {
                    self.is_allowed = true;
                    if *kind == WorkloadKind::Queued {
                        retain_unknown(self.cluster, &self.namespace, &mut page).await?;
                        return Ok(Some(page));
                    }
                    let owned = self.owned;
                    page.retain(|workload| {
                        workload.metadata.owner_references.is_empty()
                            || owned && is_queued_itself(workload)
                    });
                    return Ok(Some(page));
                }
                Ok(None) => {}
                Err(error) if error.is_not_found() => {}
                Err(error) if error.is_forbidden() => self.denied.push((*kind, error)),
                Err(error) => return Err(error),
            }
            self.kinds.pop_front();
        }
        Ok(None)
    }
}
