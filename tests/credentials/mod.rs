//! How kaiwo comes by its cluster and its credentials: the binary against an
//! API server that speaks TLS and writes down who comes.

mod corpus;
mod kubectl;
mod plugins;
mod proxies;
mod renewal;
mod server;
mod trust;
