//! All integration tests, as one binary. `cargo test` runs those that need
//! nothing but cargo; those in `testbed` need a control plane and are run by
//! `cargo xtask test`, which starts one.

mod admins_guide;
mod architecture;
mod canaries;
mod cli;
#[cfg(unix)]
mod commands;
mod common;
mod credentials;
mod dependencies;
mod documents;
mod examples;
mod golden;
mod hostile;
mod json_schemas;
mod mock_api;
mod parsers;
mod pod_runner;
#[cfg(unix)]
mod real_node;
mod style;
mod testbed;
mod upstream;
mod workflows;
