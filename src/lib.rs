//! kaiwo turns a directory and a GPU count into a running AI workload on
//! Kubernetes. The flow of a submission is the layout of the crate:
//!
//! ```text
//! argv → cli → cmd ─┬─ workload (reads the directory) ──────┐
//!                   ├─ cluster::read::facts (reads the API) ┴→ plan (decides, pure)
//!                   │                                            ↓
//!                   │                                        render (Tera, pure)
//!                   │                                            ↓
//!                   └────────── ui ←──────────────────── cluster::submission
//! ```
//!
//! Arrows go down only, and files form no circles. What a room may name of the
//! others, and what it must not use, is held to by `tests/architecture.rs`, which
//! reads this table, and those of the crates below: `kaiwo_base` ([`file`],
//! [`printable`], [`quantity`], [`secrecy`], [`shell`], [`time`], [`yaml`]) and
//! `kaiwo_client` ([`cluster::client`]).
//!
//! | room | does | may name | must not use |
//! | --- | --- | --- | --- |
//! | [`program`] | the words that start kaiwo | – | I/O, clock, kube, tera, clap |
//! | [`suggestion`] | what a user can do next: a sentence or a command | program, shell | I/O, clock, kube, tera, clap |
//! | [`error`] | classes of errors, exit codes | file, suggestion | I/O, clock, kube, tera, clap |
//! | [`names`] | what Kubernetes accepts as names | – | I/O, clock, kube, tera, clap |
//! | [`digest`] | digests of texts | – | I/O, clock, kube, tera, clap |
//! | [`vocabulary`] | what is known of other programs' words, and of which release | names | I/O, clock, kube, tera, clap |
//! | [`schema`] | the types of files as JSON Schema | quantity, time, yaml | I/O, clock, kube, tera, clap |
//! | [`kind`] | every fact about a kind of workload | – | I/O, clock, kube, tera, clap |
//! | [`api`] | views of what the API says; labels and paths | kind, quantity, suggestion | I/O, clock, kube, tera, clap |
//! | [`workload`] | reads the directory | digest, error, file, names, quantity, schema, secrecy, shell, suggestion, vocabulary, yaml | network, environment, clock, kube, tera, clap |
//! | [`plan`] | decides, from a request and facts | api, digest, error, kind, names, quantity, schema, secrecy, shell, suggestion, time, vocabulary, workload, yaml | I/O, clock, kube, tera, clap |
//! | [`render`] | Tera and YAML: a plan becomes manifests | api, digest, error, kind, names, plan, quantity, secrecy, shell, suggestion, vocabulary, workload, yaml | I/O, clock, kube, clap |
//! | [`change`] | compares manifests with what is there | api, digest, kind, names, plan, quantity, render, secrecy, suggestion, yaml | I/O, clock, kube, tera, clap |
//! | [`observe`] | judges what objects mean | api, kind, names, plan, printable, quantity, secrecy, suggestion | I/O, clock, kube, tera, clap |
//! | [`chat`] | speaks the APIs of language models | – | I/O, clock, kube, tera, clap |
//! | [`transfer`] | what is copied to and from pods: lists, archives, and the files here | error, observe, secrecy, suggestion | network, environment, kube, tera, clap |
//! | [`cluster`] | all Kubernetes I/O | api, change, digest, error, file, kind, names, observe, plan, render, secrecy, shell, suggestion, transfer, yaml | variables, tera, clap |
//! | [`settings`] | every setting, its flag, and who wins | error, names, plan, quantity, schema, secrecy, suggestion, time, yaml | network, environment, clock, kube, tera |
//! | [`request`] | builds a request from settings and what was read | error, file, kind, names, plan, quantity, secrecy, settings, suggestion, workload | I/O, clock, kube, tera, clap |
//! | [`cli`] | clap's types | chat, kind, observe, plan, program, quantity, settings, time, transfer | I/O, clock, kube, tera |
//! | [`completion`] | reads command lines that clap cannot: unfinished, or as others take them | api, kind, names, observe, plan, secrecy, settings, shell, suggestion, transfer, workload | I/O, clock, kube, tera |
//! | [`ui`] | writes to the terminal | api, error, kind, names, observe, plan, printable, render, settings, suggestion, yaml | network, kube, tera, clap |
//! | [`cmd`] | calls the rooms in order | every room | kube, tera |
//!
//! [`file`]: mod@file

pub use kaiwo_base::{file, printable, quantity, secrecy, shell, time, yaml};

pub mod api;
pub mod change;
pub mod chat;
pub mod cli;
pub mod cluster;
pub mod cmd;
pub mod completion;
pub mod digest;
pub mod error;
pub mod kind;
pub mod names;
pub mod observe;
pub mod plan;
pub mod program;
pub mod render;
pub mod request;
pub mod schema;
pub mod settings;
pub mod suggestion;
pub mod transfer;
pub mod ui;
pub mod vocabulary;
pub mod workload;
