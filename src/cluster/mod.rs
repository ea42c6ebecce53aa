//! All Kubernetes I/O: connecting, reading facts, submitting. Prints nothing
//! and knows no template.

pub mod catalogue;
pub mod change;
mod clearing;
mod companion;
pub mod company;
pub mod connection;
pub mod credentials;
pub mod deletion;
pub mod destination;
pub mod difference;
pub mod discovery;
pub mod endpoint;
pub mod error;
pub mod exec;
pub mod exec_plugin;
pub mod existing;
pub mod facts;
pub mod forward;
pub mod kaito;
pub mod kubeconfig;
pub mod listing;
pub mod logs;
pub mod lookup;
pub mod models;
pub mod pages;
mod patience;
pub mod preflight;
pub mod proxy;
pub mod pulse;
pub mod request;
pub mod revision;
pub mod rights;
pub mod served;
mod session;
pub mod snapshot;
mod socket;
mod stale;
pub mod submission;
pub mod surroundings;
mod tls;
pub mod update;
pub mod why;

pub use connection::{Cluster, Target};
pub use error::ClusterError;
pub use session::Owner;
