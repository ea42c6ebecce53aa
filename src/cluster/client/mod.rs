//! A connection to an API server: kubeconfig, credentials, requests, streams.

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
pub mod pages;
pub mod port_forward;
pub mod proxy;
pub mod request;
pub mod session;
pub mod tls;
pub mod websocket;
