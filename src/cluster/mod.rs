//! All Kubernetes I/O: connecting, reading facts, submitting. Prints nothing
//! and knows no template.

pub mod discovery;
pub mod error;
pub mod objects;
pub mod pod_references;
pub mod reach;
pub mod read;
pub mod submission;

pub use kaiwo_client as client;
pub use kaiwo_client::{Cluster, ClusterError, Owner, Target};
