//! RayJobs that lose a worker, take their working directory along, and are stopped
//! by Ray's own commands.

use super::followed::Followed;
use super::ray::{SMALL, alone};
use super::{Node, RAY, takes_long};

/// Tasks of a second each, that tell which directory and variables they have.
const TASKS: &str = r#"
import os, time, ray
ray.init(runtime_env={'working_dir': '.', 'env_vars': {'FROM_DRIVER': 'passed on'}})
@ray.remote(num_gpus=1, max_retries=-1)
def task():
    time.sleep(1)
    return open('note').read().strip() + ' ' + os.environ['FROM_DRIVER']
print('version', ray.__version__, flush=True)
tasks = [task.remote() for _ in range(30)]
for number, one in enumerate(tasks):
    print(number, ray.get(one), flush=True)
"#;

/// Returns the pods of workers that are not being deleted.
fn workers(node: &Node) -> Vec<String> {
    let pods = node.list("Pod");
    let workers = pods
        .iter()
        .filter(|pod| pod["metadata"]["labels"]["ray.io/node-type"] == "worker")
        .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    let names = workers.map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned());
    names.collect()
}

#[test]
#[ignore = "needs a real node: cargo xtask test --all"]
fn a_worker_that_is_killed_costs_no_task() {
    if takes_long("a Ray worker that is killed") {
        return;
    }
    let _alone = alone();
    let node = Node::new("ray-kill");
    node.python("job", TASKS);
    node.sandbox.write("job/note", "uploaded\n");
    // The version is of the image, which has another; that is nobody's business.
    let arguments = ["-i", RAY, "--ray", "--ray-version", "2.9.0", "-g", "2"];
    let more = ["--replicas", "2"];
    _ = node
        .run("job", &[&arguments[..], &more, &SMALL].concat())
        .exits(0);
    let waiter = Followed::new(node.start("wait", &["job"]));
    let logs = node.follow("job");
    node.wait("some tasks", || {
        logs.stdout().contains("3 uploaded passed on").then_some(())
    });
    let before = workers(&node);
    assert_eq!(before.len(), 2, "{before:?}");
    node.delete_now("Pod", &before[0]);
    node.wait("another worker", || {
        let now = workers(&node);
        (now.len() == 2 && !now.contains(&before[0])).then_some(())
    });
    let waited = waiter.ended().exits(0);
    assert!(!waited.stderr.contains("ailed"), "{}", waited.stderr);
    let log = logs.ended().exits(0).stdout;
    for number in 0..30 {
        let line = format!("{number} uploaded passed on");
        assert!(log.contains(&line), "{line}: {log}");
    }
}

#[test]
#[ignore = "needs a real node: cargo xtask test --all"]
fn a_job_that_ray_stops_has_failed() {
    if takes_long("`ray job stop`") {
        return;
    }
    let _alone = alone();
    let node = Node::new("ray-stop");
    node.python(
        "job",
        "import time\nprint('begun', flush=True)\ntime.sleep(600)\n",
    );
    let arguments = ["-i", RAY, "--ray", "-g", "1"];
    _ = node.run("job", &[&arguments[..], &SMALL].concat()).exits(0);
    node.wait_for_log("job", "begun");
    let rayjob = node.find("RayJob", "job").unwrap();
    let id = rayjob["status"]["jobId"].as_str().unwrap();
    let stop = ["job", "--", "ray", "job", "stop", "--no-wait", id];
    _ = node.kaiwo("exec", &stop).exits(0);
    let waited = node.kaiwo("wait", &["job"]).exits(1);
    _ = waited.says("intentionally stopped");
}
