//! Pods of one workload find each other by name, and the API server.

use super::Node;

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn pods_of_an_indexed_job_find_each_other_by_name() {
    let node = Node::new("dns");
    node.python(
        "job",
        r#"
import os, socket, time
rank, host = int(os.environ['JOB_COMPLETION_INDEX']), os.environ['MASTER_ADDR']
port = int(os.environ['MASTER_PORT'])
if rank == 0:
    server = socket.create_server(('0.0.0.0', port))
    peer, _ = server.accept()
    print('rank 0 heard:', peer.recv(100).decode())
else:
    # Names exist a moment after the pods.
    while True:
        try:
            peer = socket.create_connection((host, port))
            break
        except OSError as error:
            print('waits:', error)
            time.sleep(0.5)
    peer.sendall(b'hello from rank 1')
"#,
    );
    let outcome = node
        .run("job", &["-g", "2", "--replicas", "2", "--follow"])
        .exits(0);
    assert!(
        outcome.stdout.contains("rank 0 heard: hello from rank 1"),
        "{}",
        outcome.stdout
    );
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_pod_reaches_the_api_server_by_its_name() {
    let node = Node::new("dns-api");
    node.script(
        "job",
        // A pod's first packets may be lost, as its node's rules follow a moment after it.
        "for try in $(seq 60); do\n\
         wget -q -T 10 -t 1 -O - --ca-certificate /var/run/secrets/kubernetes.io/serviceaccount/ca.crt \
         https://kubernetes.default.svc/version && exit\nsleep 1\ndone\nexit 1\n",
    );
    let outcome = node.run("job", &["--follow"]).exits(0);
    assert!(outcome.stdout.contains("gitVersion"), "{}", outcome.stdout);
}
