//! Tests against a real control plane: API server, Kueue, KubeRay and nodes
//! that pretend to have GPUs. `cargo xtask test` starts it and sets
//! `KUBECONFIG`; by hand:
//!
//! ```text
//! cargo xtask testbed up && eval "$(cargo xtask testbed env)"
//! cargo test --test it -- --ignored testbed
//! ```

mod any_kind;
mod arrays;
mod changes;
mod chat;
mod chat_kaito;
#[cfg(unix)]
mod ci;
pub mod cluster;
mod completion;
mod credentials;
mod delete;
mod dry_run;
pub mod fault_proxy;
mod faults;
mod flavors;
mod history;
mod kaito;
mod kaito_controller;
mod kueue_settings;
mod leftovers;
mod list;
mod multikueue;
mod namesakes;
mod objects;
mod protobuf;
mod queue_policy;
mod queueing;
mod queues;
mod queues_view;
mod rayservice_rollout;
pub mod reach;
mod refusals;
mod rights;
mod runs;
mod schemas;
mod serve;
mod serve_companions;
mod serve_rollout;
mod serve_scaling;
mod serve_volumes;
mod sizes;
mod status;
mod submit;
mod templates;
mod top;
mod topology;
mod wait;
mod why;
mod workspaces;

pub use crate::common::skip;

/// Returns whether the running testbed lacks something, as it says in
/// `KAIWO_TESTBED_SKIPS`, and tells what that leaves untested.
fn lacks(what: &str) -> bool {
    let lacks = std::env::var("KAIWO_TESTBED_SKIPS")
        .is_ok_and(|words| words.split(' ').any(|word| word == what));
    if lacks {
        skip(&format!("this testbed has no {what}"));
    }
    lacks
}
