//! How workloads end, and what kaiwo says of it: exit codes, memory, signals,
//! init containers, retries.

use serde_json::json;

use super::{Node, PYTHON, USER};
use crate::testbed::cluster::has_condition;

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_failure_is_explained_with_its_code_and_last_words() {
    let node = Node::new("fails");
    node.python(
        "job",
        "print('loading')\nprint('the data is missing')\nraise SystemExit(42)\n",
    );
    _ = node.run("job", &["--wait"]).exits(42);
    let why = node.kaiwo("why", &["job"]).exits(0).stdout;
    for words in ["42", "the data is missing"] {
        assert!(why.contains(words), "{words}: {why}");
    }
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn too_much_memory_ends_with_137_and_why_says_so() {
    let node = Node::new("memory");
    node.script("job", "exec python main.py\n");
    node.sandbox.write(
        "job/main.py",
        "held = []\nfor step in range(1000):\n    print('step', step)\n    held.append(bytearray(32 << 20))\n",
    );
    let limits = ["-g", "1", "--memory-per-gpu", "256Mi", "--follow"];
    let outcome = node.run("job", &limits).exits(137);
    // What was printed before survives.
    assert!(outcome.stdout.contains("step 3"), "{}", outcome.stdout);
    let why = node.kaiwo("why", &["job"]).exits(0).stdout;
    assert!(why.contains("OOMKilled") || why.contains("memory"), "{why}");
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn an_init_container_runs_first_and_its_failure_is_found() {
    let node = Node::new("init");
    node.create(json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {
            "name": "job", "namespace": node.name,
            "labels": {"kueue.x-k8s.io/queue-name": "lq"},
        },
        "spec": {"backoffLimit": 0, "suspend": true, "template": {"spec": {
            "restartPolicy": "Never",
            "initContainers": [{
                "name": "checkout", "image": PYTHON,
                "command": ["sh", "-c", "echo no such branch; exit 3"],
            }],
            "containers": [{
                "name": "main", "image": PYTHON, "command": ["true"],
                // Of a pod that asks for nothing Kueue has no flavor, and so no node.
                "resources": {"requests": {"cpu": "100m"}},
            }],
        }}},
    }));
    node.local_queue("lq", "real", json!({}));
    node.wait("the Job to fail", || {
        node.find("Job", "job")
            .filter(|job| has_condition(job, "Failed"))
    });
    let why = node.kaiwo("why", &["job"]).exits(0).stdout;
    assert!(why.contains("checkout"), "{why}");
    let logs = node.kaiwo("logs", &["job", "-c", "checkout"]).exits(0);
    assert_eq!(logs.stdout, "no such branch\n");
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn delete_gives_python_the_signal_and_waits_until_the_pod_is_gone() {
    let node = Node::new("signal");
    node.python(
        "job",
        "import signal, sys, time\n\
         def stop(*_):\n    print('saved')\n    sys.exit(0)\n\
         signal.signal(signal.SIGTERM, stop)\nprint('ready')\nwhile True:\n    time.sleep(1)\n",
    );
    _ = node.run("job", &[]).exits(0);
    let logs = node.follow("job");
    _ = node.kaiwo("delete", &["-y", "job"]).exits(0);
    assert!(node.list("Pod").is_empty());
    assert_eq!(logs.ended().stdout, "ready\nsaved\n");
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn retries_run_again_and_all_logs_are_there() {
    let node = Node::new("retries");
    node.script("job", "echo attempt of $HOSTNAME\nexit 9\n");
    _ = node.run("job", &["--retries", "1", "--wait"]).exits(9);
    let logs = node.kaiwo("logs", &["job", "--all-pods"]).exits(0).stdout;
    assert_eq!(logs.matches("attempt of").count(), 2, "{logs}");
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn another_user_of_the_image_can_read_uploads_and_write_scratch() {
    let node = Node::new("user");
    node.script(
        "job",
        "id -u; cat note; echo kept > /scratch/file; cat /scratch/file; mkdir \"$HF_HOME\"\n",
    );
    node.sandbox.write("job/note", "uploaded\n");
    let outcome = node.run("job", &["-i", USER, "--follow"]).exits(0);
    assert!(
        outcome.stdout.starts_with("1000\nuploaded\nkept\n"),
        "{}",
        outcome.stdout
    );
}
