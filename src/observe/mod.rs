//! Judges a workload by its objects: whether it runs, where it is, what is
//! wrong. Pure: `cluster` reads the objects, and whoever needs the time passes
//! it in.
//!
//! The views hold the few fields that decide something, so that a listing of
//! ten thousand Jobs costs little more than their names.

pub mod account;
pub mod description;
pub mod doctor;
pub mod endpoint;
pub mod forward;
pub mod gpu_metrics;
pub mod kind;
pub mod listed;
pub mod log;
pub mod nodes;
pub mod pod_selection;
pub mod preemption;
pub mod quota;
pub mod scaling;
pub mod snapshot;
pub mod snapshot_reads;
pub mod status;
pub mod storage;
pub mod trouble;
pub mod upstream;
pub mod wait;
pub mod why;
pub mod workload_ref;

pub use listed::Listed;
pub use snapshot::Snapshot;
pub use status::{Standing, Status};
pub use workload_ref::WorkloadRef;
