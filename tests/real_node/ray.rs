//! A real Ray: clusters of KubeRay's whose drivers, workers and applications
//! run.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Node, RAY};

/// One cluster at a time: each starts a dozen processes, and those that wait
/// for a core do not answer their probes.
static ALONE: Mutex<()> = Mutex::new(());

/// Waits until no other test has a cluster.
pub fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_ray_job_prints_from_every_worker() {
    let _alone = alone();
    let node = Node::new("ray-job");
    node.python(
        "job",
        r#"
import os, socket, ray
ray.init()
@ray.remote(num_gpus=1)
class Gpu:
    def where(self):
        return socket.gethostname()
gpus = [Gpu.remote() for _ in range(int(os.environ['NUM_GPUS']))]
hosts = ray.get([gpu.where.remote() for gpu in gpus])
print(len(set(hosts)), 'workers:', *hosts)
"#,
    );
    let arguments = ["-i", RAY, "--ray", "-g", "2", "--replicas", "2", "--follow"];
    let outcome = node.run("job", &[&arguments[..], &SMALL].concat()).exits(0);
    assert!(outcome.stdout.contains("2 workers:"), "{}", outcome.stdout);
}

/// Enough for Ray's processes.
pub const SMALL: [&str; 4] = ["--cpus-per-gpu", "1", "--memory-per-gpu", "3Gi"];

/// The grace is longer than the test waits: the pods go when the driver has ended.
#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn the_pods_of_a_deleted_ray_job_go_with_its_driver() {
    let _alone = alone();
    let node = Node::new("ray-gone");
    node.python(
        "job",
        "import ray, signal, sys, time\nray.init()\n\
         @ray.remote(num_gpus=1)\nclass Gpu:\n    def work(self):\n        return 1\n\
         gpu = Gpu.remote()\nray.get(gpu.work.remote())\n\
         def end(*_):\n    time.sleep(3)\n    sys.exit(0)\n\
         signal.signal(signal.SIGTERM, end)\nprint('at work', flush=True)\n\
         while True:\n    time.sleep(1)\n",
    );
    let arguments = ["-i", RAY, "--ray", "-g", "1", "--grace", "1h"];
    let _ = node.run("job", &[&arguments[..], &SMALL].concat()).exits(0);
    node.wait_for_log("job", "at work");
    let _ = node.kaiwo("delete", &["job", "-y", "--no-wait"]).exits(0);
    node.wait("its pods to be gone", || {
        node.list("Pod").is_empty().then_some(())
    });
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_driver_that_fails_ends_kaiwo_with_its_code() {
    let _alone = alone();
    let node = Node::new("ray-fails");
    node.python(
        "job",
        "import ray\nray.init()\n@ray.remote\ndef task():\n    raise ValueError('bad sample 3')\n\
         try:\n    ray.get(task.remote())\nexcept Exception as error:\n    print(error)\n    raise SystemExit(17)\n",
    );
    let arguments = ["-i", RAY, "--ray", "-g", "1", "--follow"];
    let outcome = node
        .run("job", &[&arguments[..], &SMALL].concat())
        .exits(17);
    assert!(
        outcome.stdout.contains("bad sample 3"),
        "{}",
        outcome.stdout
    );
    let why = node.kaiwo("why", &["job"]).exits(0).stdout;
    assert!(why.contains("17"), "{why}");
}
