//! Arrays in real containers: each task has its number and its parameters, and those that
//! failed run again with theirs.

use super::{BUSYBOX, Node};

/// Returns what the tasks of an array printed, line by line.
fn printed(node: &Node, name: &str, tasks: impl Iterator<Item = i64>) -> Vec<String> {
    tasks
        .map(|task| {
            let task = task.to_string();
            node.kaiwo("logs", &[name, "--index", &task])
                .exits(0)
                .stdout
                .trim()
                .to_owned()
        })
        .collect()
}

#[test]
#[ignore = "needs the testbed's real node: cargo xtask test --real-node"]
fn tasks_know_their_parameters_and_the_failed_ones_run_again() {
    let node = Node::new("array");
    // Of six tasks those with seed 2 fail.
    node.script(
        "sweep",
        "echo \"$KAIWO_INDEX lr=$KAIWO_PARAM_LR seed=$KAIWO_PARAM_SEED\"\n[ \"$KAIWO_PARAM_SEED\" != 2 ]\n",
    );
    let sweep = [
        "--sweep",
        "lr=1e-3,it's 2",
        "--sweep",
        "seed=1..3",
        "--slots",
        "2",
    ];
    _ = node.run("sweep", &sweep).exits(0);
    _ = node
        .kaiwo("wait", &["sweep"])
        .exits(1)
        .says("4/6, 2 failed (1, 4)");
    assert_eq!(
        printed(&node, "sweep", 0..6),
        [
            "0 lr=1e-3 seed=1",
            "1 lr=1e-3 seed=2",
            "2 lr=1e-3 seed=3",
            "3 lr=it's 2 seed=1",
            "4 lr=it's 2 seed=2",
            "5 lr=it's 2 seed=3",
        ]
    );
    let failed = node.kaiwo("logs", &["sweep", "--failed"]).exits(0);
    assert_eq!(failed.stdout, "1 lr=1e-3 seed=2\n4 lr=it's 2 seed=2\n");
    let failed = failed.says("task 4: lr=it's 2, seed=2, exit code 1");
    drop(failed);
    _ = node
        .kaiwo("logs", &["sweep"])
        .exits(3)
        .says("is an array of 6 tasks, each with a log of its own")
        .says("--failed");
    _ = node
        .kaiwo("logs", &["sweep", "--index", "6"])
        .exits(3)
        .says("has no task 6");

    let again = [&sweep[..], &["--only-failed"]].concat();
    _ = node.run("sweep", &again).exits(0).says("job/sweep-2");
    _ = node
        .kaiwo("wait", &["sweep-2"])
        .exits(1)
        .says("0/2, 2 failed (1, 4)");
    assert_eq!(
        printed(&node, "sweep-2", [1, 4].into_iter()),
        ["1 lr=1e-3 seed=2", "4 lr=it's 2 seed=2"]
    );
}

#[test]
#[ignore = "needs the testbed's real node: cargo xtask test --real-node"]
fn rows_of_a_table_become_words_of_a_command() {
    let node = Node::new("array-rows");
    node.sandbox
        .write("rows.csv", "name,lr\nplain,1\n\"a, \"\"b\"\" $HOME\",2\n");
    let arguments = [
        "submit",
        "-n",
        &node.name,
        "-q",
        super::QUEUE,
        "-i",
        BUSYBOX,
        "--name",
        "rows",
        "--sweep-file",
        "rows.csv",
        "--wait",
        "--",
        "echo",
        "{index}:{name}",
        "x{lr}",
    ];
    _ = node.sandbox.kaiwo(&arguments).exits(0);
    assert_eq!(
        printed(&node, "rows", 0..2),
        ["0:plain x1", "1:a, \"b\" $HOME x2"]
    );
}
