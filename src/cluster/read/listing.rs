//! Lists all workloads of a namespace or the cluster, kind by kind and page by
//! page.

pub mod rows;

use std::collections::VecDeque;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::{self, LocalBoxStream};

use super::api_versions::Served;
use super::lookup::queued_objects::{is_queued_itself, retain_unknown};
use crate::api::workload::{Workload, protobuf};
use crate::change::existing::resource;
use crate::cluster::client::pages::{Pages, Selection};
use crate::cluster::objects::next_workloads;
use crate::cluster::{Cluster, ClusterError};
use crate::kind::WorkloadKind;

/// What is found next in a listing.
pub enum ListingPart {
    /// A page of workloads of one kind.
    Page(Vec<Workload>),
    /// The user may not list this kind, as the API server says.
    Denied(WorkloadKind, ClusterError),
}

/// A listing of several kinds.
pub struct Listing<'a> {
    kinds: VecDeque<(WorkloadKind, &'static str, Pages<'a>)>,
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

    /// Returns what is found, in order, up to the first error. What belongs to another
    /// workload is left out, and so is a kind whose definition is missing.
    pub fn found(self) -> LocalBoxStream<'a, Result<ListingPart, ClusterError>> {
        stream::try_unfold(self, async |mut listing| {
            let found = listing.next().await?;
            Ok(found.map(|found| (found, listing)))
        })
        .fuse()
        .boxed_local()
    }

    async fn next(&mut self) -> Result<Option<ListingPart>, ClusterError> {
        while let Some((kind, version, pages)) = self.kinds.front_mut() {
            match next_workloads(pages, *kind, version).await {
                Ok(Some(mut page)) => {
                    if *kind == WorkloadKind::Queued {
                        retain_unknown(self.cluster, &self.namespace, &mut page).await?;
                        return Ok(Some(ListingPart::Page(page)));
                    }
                    let owned = self.owned;
                    page.retain(|workload| {
                        workload.metadata.owner_references.is_empty()
                            || owned && is_queued_itself(workload)
                    });
                    return Ok(Some(ListingPart::Page(page)));
                }
                Ok(None) => {}
                Err(error) if error.is_not_found() => {}
                Err(error) if error.is_forbidden() => {
                    let denied = ListingPart::Denied(*kind, error);
                    self.kinds.pop_front();
                    return Ok(Some(denied));
                }
                Err(error) => return Err(error),
            }
            self.kinds.pop_front();
        }
        Ok(None)
    }
}
