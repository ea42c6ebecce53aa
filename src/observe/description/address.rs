//! Lists where a workload is reached.

use serde::Serialize;

use crate::api::workload::{Details, Workload};
use crate::observe::endpoint::Endpoint;

/// An address.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    /// For whom: `cluster` for pods in the cluster, `public`, or `dashboard`,
    /// which is Ray's.
    pub to: &'static str,
    /// URL; empty if there is none yet.
    pub url: String,
    /// Why there is none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<String>,
}

/// Returns the addresses of a workload, and why there are not more of them.
pub(super) fn all(workload: &Workload, endpoint: Option<Endpoint>) -> Vec<Address> {
    let mut addresses = Vec::new();
    if let Some(endpoint) = endpoint {
        addresses.push(Address {
            to: "cluster",
            url: endpoint.cluster_url(),
            pending: None,
        });
        addresses.extend(endpoint.public.into_iter().map(|url| Address {
            to: "public",
            url,
            pending: None,
        }));
        addresses.extend(endpoint.pending.into_iter().map(|why| Address {
            to: "public",
            url: String::new(),
            pending: Some(why),
        }));
    }
    if let Details::RayJob(_, status) = &workload.details
        && !status.dashboard_url.is_empty()
    {
        addresses.push(Address {
            to: "dashboard",
            url: format!("http://{}", status.dashboard_url),
            pending: None,
        });
    }
    addresses
}
