//! The ground that kaiwo and its client stand on. It knows neither clusters nor
//! workloads. `tests/architecture.rs` of kaiwo holds it to this table:
//!
//! | room | does | may name | must not use |
//! | --- | --- | --- | --- |
//! | [`answer`] | what any request is answered with | quantity | I/O, clock, kube, tera, clap |
//! | [`protobuf`] | answers in the API server's own form | answer | I/O, clock, kube, tera, clap |
//! | [`secrecy`] | what may be secret, and how foreign words are shown | – | I/O, clock, kube, tera, clap |
//! | [`printable`] | text from elsewhere, safe to show | – | I/O, clock, kube, tera, clap |
//! | [`shell`] | words for a POSIX shell | – | I/O, clock, kube, tera, clap |
//! | [`yaml`] | the only file that names the YAML library | secrecy | I/O, clock, kube, tera, clap |
//! | [`time`] | lengths of time | yaml | I/O, clock, kube, tera, clap |
//! | [`quantity`] | amounts as Kubernetes writes them | – | I/O, clock, kube, tera, clap |
//! | [`file`] | the only one that opens files: once, and up to a limit | quantity, secrecy, shell | network, environment, clock, kube, tera, clap |
//!
//! [`file`]: mod@file

#![deny(missing_docs)]

pub mod answer;
pub mod file;
pub mod printable;
pub mod protobuf;
pub mod quantity;
pub mod secrecy;
pub mod shell;
pub mod time;
pub mod yaml;
