//! Judges a workload by its objects: whether it runs, where it is, what is
//! wrong. Pure: `cluster` reads the objects, and whoever needs the time passes
//! it in.
//!
//! The views hold the few fields that decide something, so that a listing of
//! ten thousand Jobs costs little more than their names.

pub mod description;
pub mod endpoint;
pub mod forward;
pub mod kind;
pub mod listed;
pub mod log;
pub mod pod_labels;
pub mod pod_selection;
pub mod quota;
pub mod reference;
pub mod scaling;
pub mod snapshot;
pub mod status;
pub mod trouble;
pub mod usage;
pub mod wait;
pub mod why;

pub use listed::Listed;
pub use reference::WorkloadRef;
pub use snapshot::Snapshot;
pub use status::{Standing, Status};
