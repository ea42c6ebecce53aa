//! `kaiwo logs`, `exec` and `port-forward` with pods that KWOK pretends to
//! run. Its log endpoint is the kubelet's own code over files.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use super::chat::serve;
use super::cluster::Testbed;
use super::fault_proxy::FaultProxy;
use super::lacks;
use super::rights::bind;
use crate::common::{HANG, Outcome, binary};

/// A process that does not outlive its test.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Makes an object of KWOK's for all pods of the test's namespace.
pub fn pretend(testbed: &Testbed, kind: &str, key: &str, what: &Value) {
    let mut object = json!({
        "apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": kind,
        "metadata": {"name": testbed.name},
        "spec": {"selector": {"matchNamespaces": [testbed.name]}},
    });
    object["spec"][key] = json!([what]);
    testbed.apply(object);
}

/// Writes a log of 200 lines a second, as a container runtime writes it.
fn log(testbed: &Testbed, lines: u32) {
    let mut text = String::new();
    for index in 0..lines {
        let (seconds, part) = (index / 200, index % 200 * 5_000_000);
        let (hours, minutes, seconds) = (1 + seconds / 3600, seconds / 60 % 60, seconds % 60);
        writeln!(
            text,
            "2026-01-01T{hours:02}:{minutes:02}:{seconds:02}.{part:09}Z stdout F step {index}"
        )
        .unwrap();
    }
    let file = testbed.sandbox.write("container.log", text);
    pretend(
        testbed,
        "ClusterLogs",
        "logs",
        &json!({"logsFile": file.to_str().unwrap()}),
    );
}

/// Makes an Indexed Job outside of queues whose pods run until they are
/// deleted, and waits until they do.
fn job(testbed: &Testbed, pods: usize) {
    testbed.create(json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "x", "namespace": testbed.name},
        "spec": {
            "parallelism": pods, "completions": pods, "completionMode": "Indexed", "backoffLimit": 5,
            "template": {"spec": {
                "restartPolicy": "Never",
                "tolerations": [{"operator": "Exists"}],
                "containers": [{"name": "main", "image": "testbed/forever"}],
            }},
        },
    }));
    running(testbed, pods);
}

/// Waits for so many running pods, and returns their names.
pub fn running(testbed: &Testbed, pods: usize) -> Vec<String> {
    testbed.wait(&format!("{pods} running pods"), || {
        let names: Vec<String> = testbed
            .list("Pod")
            .iter()
            .filter(|pod| pod["status"]["phase"] == "Running")
            .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
            .map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned())
            .collect();
        (names.len() == pods).then_some(names)
    })
}

/// Lets the proxy's user look, and returns a kubeconfig that leads there.
fn through(testbed: &Testbed, proxy: &FaultProxy) -> String {
    testbed.grant("alice", "ClusterRole", "edit");
    proxy.kubeconfig(testbed)
}

/// Follows the logs of the Job through `proxy`, deletes it once all lines are
/// there, and returns the lines.
fn followed(
    testbed: &Testbed,
    proxy: &FaultProxy,
    lines: usize,
    mut at: impl FnMut(usize),
) -> Vec<String> {
    let kubeconfig = through(testbed, proxy);
    let mut command = testbed.sandbox.command(&[
        "logs",
        "-f",
        "x",
        "-n",
        &testbed.name,
        "--kubeconfig",
        &kubeconfig,
    ]);
    let errors = testbed.sandbox.path("stderr");
    command
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&errors).unwrap());
    let mut child = Running(command.spawn().unwrap());
    let mut seen = Vec::new();
    for line in BufReader::new(child.0.stdout.take().unwrap()).lines() {
        seen.push(line.unwrap());
        at(seen.len());
        if seen.len() == lines {
            testbed.delete("Job", "x");
        }
    }
    let code = child.0.wait().unwrap().code();
    let said = std::fs::read_to_string(errors).unwrap();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("→ it was deleted"), "{said}");
    seen
}

/// Checks that `seen` is a log of so many lines, as often as told.
fn assert_whole(seen: &[&str], lines: usize, times: usize) {
    let expected = (0..times).flat_map(|_| 0..lines);
    let wrong = seen
        .iter()
        .zip(expected)
        .position(|(line, index)| *line != format!("step {index}"));
    assert_eq!((wrong, seen.len()), (None, lines * times));
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn logs_come_whole_through_a_proxy_that_cuts_them() {
    let testbed = Testbed::with_namespace("logs-cut");
    log(&testbed, 100_000);
    job(&testbed, 1);
    let proxy = FaultProxy::cutting_after(1000);
    let seen = followed(&testbed, &proxy, 100_000, |_| {});
    assert_whole(
        &seen.iter().map(String::as_str).collect::<Vec<_>>(),
        100_000,
        1,
    );
    assert!(proxy.cuts() >= 100, "{} cuts", proxy.cuts());
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn logs_go_on_with_the_pod_that_replaces_another() {
    let testbed = Testbed::with_namespace("logs-replaced");
    log(&testbed, 3_000);
    job(&testbed, 1);
    let proxy = FaultProxy::cutting_after(1000);
    let seen = followed(&testbed, &proxy, 6_000, |lines| {
        if lines == 3_000 {
            let first = running(&testbed, 1);
            testbed.delete("Pod", &first[0]);
        }
    });
    // Both pods write the same; the second may have its name before its lines.
    let texts: Vec<&str> = seen
        .iter()
        .map(|line| {
            line.split_once("] ")
                .map_or(line.as_str(), |(_, text)| text)
        })
        .collect();
    assert_whole(&texts, 3_000, 2);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn logs_of_sixteen_pods_at_once() {
    let testbed = Testbed::with_namespace("logs-many");
    log(&testbed, 5_000);
    job(&testbed, 16);
    let proxy = FaultProxy::cutting_after(1000);
    let seen = followed(&testbed, &proxy, 80_000, |_| {});
    for pod in 0..16 {
        let label = format!("[{pod}-");
        let own: Vec<&str> = seen
            .iter()
            .filter(|line| line.starts_with(&label))
            .map(|line| line.split_once("] ").unwrap().1)
            .collect();
        assert_whole(&own, 5_000, 1);
    }
    assert!(proxy.cuts() >= 16 * 5, "{} cuts", proxy.cuts());
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn commands_run_where_the_workload_does() {
    let testbed = Testbed::with_namespace("exec");
    pretend(&testbed, "ClusterExec", "execs", &json!({"local": {}}));
    job(&testbed, 2);
    bind(&testbed, &["edit"]);
    let exec = |arguments: &[&str]| {
        let common = ["exec", "x", "-n", &testbed.name, "--as", &testbed.name];
        testbed.sandbox.kaiwo(&[&common, arguments].concat())
    };
    let outcome = exec(&["--", "sh", "-c", "echo out; echo err >&2"])
        .exits(0)
        .says("err\n")
        .says("→ pod x-0-");
    assert_eq!(outcome.stdout, "out\n");
    _ = exec(&["--worker", "1", "--", "true"])
        .exits(0)
        .says("→ pod x-1-");
    _ = exec(&["--worker", "2", "--", "true"]).exits(3);
    let line = format!(
        "seq 100000 | {} exec x -i -n {} -- head -n 100000",
        binary(),
        testbed.name
    );
    let outcome = Outcome::of(testbed.sandbox.shell(&line).output().unwrap()).exits(0);
    let expected: String = (1..=100_000).map(|number| format!("{number}\n")).collect();
    assert!(outcome.stdout == expected, "{} bytes", outcome.stdout.len());
}

/// Asks for a page, and returns the first line of the answer; nothing if the
/// connection was closed without one.
fn page(address: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(HANG)).unwrap();
    connection
        .write_all(b"GET /health HTTP/1.0\r\nhost: x\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    BufReader::new(connection).read_line(&mut answer).unwrap();
    answer.trim_end().to_owned()
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_forwarded_port_outlives_its_pod() {
    if lacks("pod-addresses") {
        return;
    }
    let testbed = Testbed::with_namespace("forward");
    // One of the testbed's own servers.
    serve(&testbed, "web", "8000");
    bind(&testbed, &["edit"]);
    let arguments = [
        "port-forward",
        "web",
        ":8000",
        "-n",
        &testbed.name,
        "--as",
        &testbed.name,
    ];
    let mut command = testbed.sandbox.command(&arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Running(command.spawn().unwrap());
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    let address = line.strip_suffix(" -> 8000").unwrap();
    assert_eq!(page(address), "HTTP/1.0 200 OK");

    // One connection is open while the pod is replaced: it is closed.
    let mut open = TcpStream::connect(address).unwrap();
    open.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n")
        .unwrap();
    let first = running(&testbed, 1);
    testbed.delete("Pod", &first[0]);
    assert_eq!(page(address), "HTTP/1.0 200 OK");
    open.set_read_timeout(Some(HANG)).unwrap();
    let mut rest = Vec::new();
    let closed = open.read_to_end(&mut rest);
    let is_open = closed.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    assert!(!is_open, "the connection to the old pod is still open");
    let second = testbed.wait("another pod", || {
        let pods = running(&testbed, 1);
        (pods != first).then_some(pods)
    });
    assert_eq!(page(address), "HTTP/1.0 200 OK");

    let id = child.0.id().to_string();
    let ended = std::process::Command::new("kill")
        .args(["-INT", &id])
        .status();
    assert!(ended.unwrap().success());
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    child
        .0
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    for pod in [&first[0], &second[0]] {
        assert!(
            said.contains(&format!("→ pod {pod}; press Ctrl-C to stop")),
            "{said}"
        );
    }
}
