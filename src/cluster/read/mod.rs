//! Reads what is in the cluster: for a plan, for a list, for one workload.

pub mod api_versions;
pub mod autoscaler;
pub mod candidates;
pub mod dependents;
pub mod doctor;
pub mod endpoint;
pub mod evidence;
pub mod facts;
pub mod kaito;
pub mod kueue;
pub mod listing;
pub mod lookup;
pub mod models;
pub mod prometheus;
pub mod snapshot;
pub mod usage;
pub mod watch;
pub mod workload_details;
