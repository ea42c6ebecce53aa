//! A second testbed on the same machine, with a real node of its own and the same
//! addresses.

use std::path::Path;
use std::process::{Command, Output};

use super::followed::Followed;
use super::{Node, PYTHON, QUEUE, takes_long};
use crate::common::Outcome;
use crate::testbed::reach::Running;

/// The second testbed, which goes with this value.
struct Beside {
    name: String,
    kubeconfig: String,
}

impl Beside {
    fn up() -> Self {
        let name = format!("{}-beside", std::env::var("KAIWO_TESTBED_NAME").unwrap());
        let mut beside = Self {
            name,
            kubeconfig: String::new(),
        };
        let few = [
            "--amd-nodes",
            "1",
            "--nvidia-nodes",
            "0",
            "--small-nodes",
            "0",
        ];
        _ = beside.xtask("up", &[&["--real-node"], &few[..]].concat());
        let environment = beside.xtask("env", &[]).stdout;
        let mut lines = environment.lines();
        let kubeconfig = lines.find_map(|line| line.strip_prefix("export KUBECONFIG="));
        beside.kubeconfig = kubeconfig.unwrap().trim_matches('\'').to_owned();
        beside
    }

    /// Runs a command of `xtask testbed`.
    #[track_caller]
    fn xtask(&self, action: &str, more: &[&str]) -> Outcome {
        Outcome::of(self.output(action, more)).exits(0)
    }

    fn output(&self, action: &str, more: &[&str]) -> Output {
        let directory = std::env::var("KAIWO_TESTBED_DIR").unwrap();
        let mut command = Command::new(Path::new(&directory).join("xtask"));
        command.args(["testbed", action, "--name", &self.name]);
        command.args(more).output().unwrap()
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let output = self.output("down", &[]);
        assert!(
            output.status.success() || std::thread::panicking(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// Says which API server it has found, by the name that both have, and ends when it
/// is told.
const PROGRAM: &str = "\
import os, ssl, time, urllib.request
folder = '/var/run/secrets/kubernetes.io/serviceaccount'
context = ssl.create_default_context(cafile=folder + '/ca.crt')
while True:
    try:
        url = 'https://kubernetes.default.svc/version'
        urllib.request.urlopen(url, context=context, timeout=10).read()
        break
    except OSError as error:
        print('waits:', error)
        time.sleep(1)
print('trusts its own')
while not os.path.exists('/scratch/end'):
    time.sleep(0.1)
print('ended')
";

#[test]
#[ignore = "needs a real node: cargo xtask test --all"]
fn two_testbeds_run_side_by_side() {
    if takes_long("a second testbed beside this one") {
        return;
    }
    let node = Node::alone("side");
    let beside = Beside::up();
    node.python("job", PROGRAM);
    let kaiwo = |kubeconfig: &str, arguments: &[&str]| {
        let place = ["-n", &node.name, "--kubeconfig", kubeconfig];
        let (verb, rest) = arguments.split_at(1);
        let mut command = node.sandbox.command(&[verb, &place, rest].concat());
        command
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        Followed::new(Running(command.spawn().unwrap()))
    };
    let own = std::env::var("KUBECONFIG").unwrap();
    let both = [own.as_str(), &beside.kubeconfig];
    let submit = [
        "submit", "-q", QUEUE, "-i", PYTHON, "-p", "job", "--name", "job",
    ];
    let more = ["--follow", "--create-namespace"];
    let logs = both.map(|one| kaiwo(one, &[&submit[..], &more].concat()));
    for log in &logs {
        node.wait("the API server of both", || {
            log.stdout().contains("trusts its own").then_some(())
        });
    }
    for one in both {
        let end = ["exec", "job", "--", "touch", "/scratch/end"];
        _ = kaiwo(one, &end).ended().exits(0);
    }
    for log in logs {
        let printed = log.ended().exits(0).stdout;
        assert!(printed.ends_with("trusts its own\nended\n"), "{printed}");
    }
    drop(beside);
    // The first goes on as before.
    node.script("after", "echo still here\n");
    let outcome = node.run("after", &["--follow"]).exits(0);
    assert_eq!(outcome.stdout, "still here\n");
}
