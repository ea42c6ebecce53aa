//! Tests against a real control plane: API server, Kueue, KubeRay and nodes
//! that pretend to have GPUs. `cargo xtask test` starts it and sets
//! `KUBECONFIG`; by hand:
//!
//! ```text
//! cargo xtask testbed up && eval "$(cargo xtask testbed env)"
//! cargo test --test it -- --ignored testbed
//! ```

mod cluster;
mod submit;
