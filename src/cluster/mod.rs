//! All Kubernetes I/O: connecting, reading facts, submitting. Prints nothing
//! and knows no template.

pub mod catalogue;
mod clearing;
pub mod connection;
pub mod discovery;
pub mod error;
pub mod existing;
pub mod facts;
pub mod preflight;
pub mod request;
pub mod rights;
pub mod submission;

pub use connection::{Cluster, Target};
pub use error::ClusterError;
