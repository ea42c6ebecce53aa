//! A connection to an API server as kubectl would make it: kubeconfig, credentials,
//! requests, streams. It knows no kind of object: [`request::ServedKind`] and
//! [`request::Object`] are what it has to be told. What it has beyond kube, and why, is in `README.md`.
//!
//! `tests/architecture.rs` of kaiwo holds it to this table:
//!
//! | room | does | may name | must not use |
//! | --- | --- | --- | --- |
//! | [`crate`] | all of it | every room | variables, tera, clap |

#![deny(missing_docs)]

pub mod answer;
pub mod backoff;
pub mod causes;
pub mod connection;
pub mod credentials;
pub mod discovery;
pub mod echo;
pub mod error;
pub mod exchange;
pub mod exec;
pub mod exec_plugin;
pub mod kubeconfig;
pub mod metadata;
pub mod pages;
pub mod port_forward;
pub mod proxy;
pub mod request;
pub mod session;
pub mod tls;
pub mod websocket;

#[cfg(test)]
#[path = "../../../tests/common/mutation.rs"]
mod mutation;

pub use connection::{Cluster, Target};
pub use error::ClusterError;
pub use session::Owner;
