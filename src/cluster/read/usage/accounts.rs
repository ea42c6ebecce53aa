//! Reads what accounts are made of, page by page: Kueue's Workloads, Jobs and
//! RayJobs, and the pods of those that failed.

use k8s_openapi::jiff::Timestamp;
use serde::de::DeserializeOwned;

use crate::api::kueue_workload::KueueWorkload;
use crate::api::pod::Pod;
use crate::api::resource::Resource;
use crate::change::existing::resource;
use crate::cluster::client::pages::{Pages, Selection};
use crate::cluster::objects::next_workloads;
use crate::cluster::read::api_versions::Served;
use crate::cluster::read::kueue::workloads;
use crate::cluster::{Cluster, ClusterError};
use crate::kind::WorkloadKind;
use crate::observe::account::{Account, Ledger, Period};

/// Kinds of which each object is a run by itself.
const JOBS: [WorkloadKind; 2] = [WorkloadKind::Job, WorkloadKind::RayJob];

/// Accounts, and what of them could not be read.
#[derive(Debug)]
pub struct Accounts {
    /// What ended first first.
    pub all: Vec<Account>,
    /// Plurals of the kinds that the user may not list.
    pub hidden: Vec<&'static str>,
    /// Whether anything could be read that tells of what ran.
    pub is_allowed: bool,
}

/// Reads the accounts of a namespace, or of all if it is empty. The pods are
/// asked for the exit codes of what has failed since `failed_since`, if that is given.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked. What the user may not list is
/// left out.
pub async fn accounts(
    cluster: &Cluster,
    served: &Served,
    namespace: &str,
    period: Period,
    failed_since: Option<Timestamp>,
) -> Result<Accounts, ClusterError> {
    let mut ledger = Ledger::new(period);
    let mut hidden = Vec::new();
    let mut is_allowed = false;
    let mut seen = |kind: &'static str, is_seen: bool| match is_seen {
        true => is_allowed = true,
        false => hidden.push(kind),
    };
    if let Some(kueue) = &served.kueue {
        let pages = workloads::all(cluster, kueue, namespace);
        let add = |queued: &KueueWorkload| ledger.add_queued(queued);
        let is_seen = each(pages, add).await?;
        seen("Workloads", is_seen);
    }
    for kind in JOBS {
        let Some(version) = served.version(kind) else {
            continue;
        };
        let resource = resource(kind, version);
        let mut pages = Pages::new(cluster, &resource, namespace, &Selection::default());
        let is_seen = loop {
            match next_workloads(&mut pages, kind, version).await {
                Ok(Some(page)) => page.iter().for_each(|job| ledger.add_job(job)),
                Ok(None) => break true,
                Err(error) if error.is_not_found() => break true,
                Err(error) if error.is_forbidden() => break false,
                Err(error) => return Err(error),
            }
        };
        seen(
            match kind {
                WorkloadKind::Job => "Jobs",
                _ => "RayJobs",
            },
            is_seen,
        );
    }
    if failed_since.is_some_and(|since| ledger.needs_pods(since)) {
        let pods = Resource::known("v1", "Pod");
        let failed = Selection::fields("status.phase=Failed");
        let pages = Pages::new(cluster, &pods, namespace, &failed);
        let add = |pod: &Pod| ledger.add_failed_pod(pod);
        if !each(pages, add).await? {
            hidden.push("pods");
        }
    }
    Ok(Accounts {
        all: ledger.accounts(),
        hidden,
        is_allowed,
    })
}

/// Reads a listing, and returns whether the user may.
async fn each<T: DeserializeOwned>(
    mut pages: Pages<'_>,
    mut add: impl FnMut(&T),
) -> Result<bool, ClusterError> {
    loop {
        let page: Vec<T> = match pages.next().await {
            Ok(Some(page)) => page,
            Ok(None) => return Ok(true),
            Err(error) if error.is_not_found() => return Ok(true),
            Err(error) if error.is_forbidden() => return Ok(false),
            Err(error) => return Err(error),
        };
        page.iter().for_each(&mut add);
    }
}
