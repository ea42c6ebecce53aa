//! All Kubernetes I/O: connecting, reading facts, submitting. Prints nothing
//! and knows no template.

pub mod client;
pub mod reach;
pub mod read;
pub mod submission;

pub use client::connection::{Cluster, Target};
pub use client::error::ClusterError;
pub use client::session::Owner;
