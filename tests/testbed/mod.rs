//! Tests against a real control plane: API server, Kueue, KubeRay and nodes
//! that pretend to have GPUs. `cargo xtask test` starts it and sets
//! `KUBECONFIG`; by hand:
//!
//! ```text
//! cargo xtask testbed up && eval "$(cargo xtask testbed env)"
//! cargo test --test it -- --ignored testbed
//! ```

use std::io::Write as _;

mod cluster;
mod dry_run;
mod flavors;
mod objects;
mod queues;
mod refusals;
mod rights;
mod runs;
mod schemas;
mod submit;

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

/// Says which test was left out, or part of it, and why. `cargo xtask test`
/// repeats these lines at its end.
pub fn skip(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Past the capture of passing tests' output, and in one piece.
    let line = format!("skipped: {test}: {why}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}
