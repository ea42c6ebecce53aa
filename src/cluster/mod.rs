//! All Kubernetes I/O: connecting, reading facts, submitting. Prints nothing
//! and knows no template.

pub mod catalogue;
pub mod change;
mod clearing;
mod companion;
pub mod connection;
pub mod credentials;
pub mod discovery;
pub mod error;
pub mod exec_plugin;
pub mod existing;
pub mod facts;
pub mod kubeconfig;
pub mod models;
pub mod preflight;
pub mod proxy;
pub mod request;
pub mod rights;
mod session;
pub mod submission;
mod tls;
pub mod update;

pub use connection::{Cluster, Target};
pub use error::ClusterError;
pub use session::Owner;
