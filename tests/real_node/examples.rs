//! Examples of `workloads`, as far as they go without a network.

use super::{Node, PYTHON, QUEUE};
use crate::common::{Outcome, checkout};

/// Submits an example.
fn example(node: &Node, name: &str, more: &[&str]) -> Outcome {
    let directory = checkout(&format!("workloads/{name}"));
    let fixed = ["-q", QUEUE, "-i", PYTHON, "-p", directory.to_str().unwrap()];
    let arguments = [&fixed[..], &["--name", name, "-g", "1"], more].concat();
    node.kaiwo("submit", &arguments)
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn the_smallest_example_says_hello() {
    let node = Node::new("hello");
    let outcome = example(&node, "hello", &["--follow"]).exits(0);
    for words in [
        "1 GPUs in 1 replica(s)",
        "variables come from the file named env",
        // What `ls` has of the directory.
        " greeting\n",
    ] {
        assert!(
            outcome.stdout.contains(words),
            "{words}: {}",
            outcome.stdout
        );
    }
}

/// Its init container fetches code, for which this image has no program.
#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn an_init_container_that_fails_is_named_with_its_log() {
    let node = Node::new("checkout");
    let image = format!("repository.gitImage={PYTHON}");
    let waited = example(&node, "custom-template", &["--set", &image, "--wait"]);
    _ = waited.exits(127);
    _ = node
        .kaiwo("logs", &["custom-template"])
        .says("logs job/custom-template")
        .says("-c checkout");
    let log = node.kaiwo("logs", &["custom-template", "-c", "checkout"]);
    assert!(log.stdout.contains("git: not found"), "{log:?}");
    let why = node.kaiwo("why", &["custom-template"]).exits(0).stdout;
    assert!(why.contains("checkout") && why.contains("127"), "{why}");
}
