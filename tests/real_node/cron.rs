//! A workload with a schedule.

use super::Node;

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_schedule_runs_and_its_output_is_found() {
    let node = Node::new("cron");
    node.script("nightly", "echo it is time\n");
    _ = node.run("nightly", &["--schedule", "* * * * *"]).exits(0);
    node.wait("a run", || {
        let jobs = node.list("Job");
        let succeeded = |job: &serde_json::Value| job["status"]["succeeded"] == 1;
        jobs.iter().any(succeeded).then_some(())
    });
    // Of the next run there may be a pod already, and no line.
    node.wait_for_log("nightly", "it is time");
    _ = node.kaiwo("delete", &["-y", "nightly"]).exits(0);
    assert!(node.list("CronJob").is_empty());
}
