//! kaiwo turns a directory and a GPU count into a running AI workload on
//! Kubernetes. The flow of a submission is the layout of the crate:
//!
//! ```text
//! argv → cli → cmd ─┬─ workload (reads the directory) ─┐
//!                   ├─ cluster::read::facts (reads the API) ─┴→ plan (decides, pure)
//!                   │                                       ↓
//!                   │                                  render (Tera, pure)
//!                   │                                       ↓
//!                   └────────── ui ←──────────────── cluster::submission
//! ```
//!
//! | room | may | must not |
//! | --- | --- | --- |
//! | [`chat`] | speak the APIs of language models | any I/O |
//! | [`cli`] | clap types | logic, I/O |
//! | [`completion`] | read an unfinished command line | any I/O |
//! | [`cmd`] | call the rooms, add context to errors | decide anything worth a unit test |
//! | [`workload`] | the file system, YAML | network, environment |
//! | [`plan`] | decide | any I/O, clock, randomness |
//! | [`observe`] | tell what objects mean | any I/O, clock, randomness |
//! | [`render`] | Tera, YAML | files, network, kube |
//! | [`cluster`] | all Kubernetes I/O | print, Tera |
//! | [`ui`] | write to stdout and stderr | kube |
//!
//! `tests/architecture.rs` holds the code to this table.

pub mod api;
pub mod chat;
pub mod cli;
pub mod cluster;
pub mod cmd;
pub mod completion;
pub mod digest;
pub mod error;
pub mod file;
pub mod kind;
pub mod names;
pub mod observe;
pub mod plan;
pub mod quantity;
pub mod render;
pub mod schema;
pub mod secrecy;
pub mod settings;
pub mod shell;
pub mod ui;
pub mod workload;
pub mod yaml;
