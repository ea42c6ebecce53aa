//! Tests on a node that really runs its pods: a kubelet, containerd and
//! cgroups, and a real Ray. `cargo xtask test --real-node` starts it; by hand:
//!
//! ```text
//! cargo xtask testbed up --real-node && eval "$(cargo xtask testbed env)"
//! cargo test --test it -- --ignored real_node
//! ```
//!
//! What a test runs is a script of its own in an image of the testbed's
//! ([`PYTHON`] and its like), submitted to the node's queue. Tests that take longer
//! than CI has time for need `KAIWO_TESTBED_LONG=true`, which `cargo xtask test --all`
//! sets.

mod arrays;
mod cp;
mod cron;
mod dns;
mod entrypoints;
mod examples;
mod exec;
mod files;
mod followed;
mod judgement;
mod logs;
mod lost_nodes;
mod multikueue;
mod outcomes;
mod output;
mod packages;
mod ports;
mod programs;
mod ray;
mod ray_services;
mod ray_workers;
mod restarts;
mod run;
mod services;
mod side_by_side;
mod starts;
mod stop;
mod storage;
mod terminal;
mod torch;
mod twin;
mod two_nodes;
mod whole_node;
mod working_directory;

use std::ops::Deref;
use std::process::Stdio;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use followed::Followed;

use crate::common::{Outcome, skip};
use crate::testbed::cluster::Testbed;
use crate::testbed::reach::Running;

/// Debian's Python, with a shell, wget, curl and ps.
const PYTHON: &str = "testbed/python:1";
/// The same, as the user 1000.
const USER: &str = "testbed/user:1";
/// Busybox and nothing else, as the user 1000.
const BUSYBOX: &str = "testbed/busybox:1";
/// Python and Ray.
const RAY: &str = "testbed/ray:1";
/// Python and PyTorch, if the testbed was told to have it.
const TORCH: &str = "testbed/torch:1";
/// One program, and no shell.
const NO_SHELL: &str = "testbed/noshell:1";
/// The ClusterQueue whose pods run on the node.
const QUEUE: &str = "real";

/// A namespace on the testbed with a real node.
struct Node {
    testbed: Testbed,
    _turn: Turn,
}

/// Keeps tests apart that would disturb one another.
enum Turn {
    Among(#[expect(dead_code, reason = "held")] RwLockReadGuard<'static, ()>),
    Alone(#[expect(dead_code, reason = "held")] RwLockWriteGuard<'static, ()>),
}

/// Held by every test on the node, and by one that needs it for itself alone.
static TURNS: RwLock<()> = RwLock::new(());

impl Deref for Node {
    type Target = Testbed;

    fn deref(&self) -> &Testbed {
        &self.testbed
    }
}

impl Node {
    /// Connects, and makes the test's namespace.
    fn new(test: &str) -> Self {
        let turn = TURNS.read().unwrap_or_else(PoisonError::into_inner);
        Self::at(test, Turn::Among(turn))
    }

    /// Does so when no other test is on the node, for one that takes away what
    /// others need.
    fn alone(test: &str) -> Self {
        let turn = TURNS.write().unwrap_or_else(PoisonError::into_inner);
        Self::at(test, Turn::Alone(turn))
    }

    fn at(test: &str, turn: Turn) -> Self {
        assert!(
            !images().is_empty(),
            "this testbed has no real node: start one with `cargo xtask testbed up --real-node`"
        );
        Self {
            testbed: Testbed::with_namespace(test),
            _turn: turn,
        }
    }

    /// Writes a directory of this name whose entrypoint is a script.
    fn script(&self, name: &str, entrypoint: &str) {
        self.sandbox
            .write(&format!("{name}/entrypoint"), entrypoint);
    }

    /// Writes a directory of this name whose entrypoint is a program of
    /// Python, which gets the signals.
    fn python(&self, name: &str, program: &str) {
        self.script(name, "exec python -u main.py\n");
        self.sandbox.write(&format!("{name}/main.py"), program);
    }

    /// Returns the arguments that submit, or serve, a directory of the
    /// sandbox under its own name, with Python unless another image is asked
    /// for.
    fn directory<'a>(&'a self, verb: &'a str, name: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let mut arguments = vec![
            verb, "-n", &self.name, "-q", QUEUE, "-p", name, "--name", name,
        ];
        if !more.contains(&"-i") {
            arguments.extend(["-i", PYTHON]);
        }
        arguments.extend(more);
        arguments
    }

    /// Runs `kaiwo submit` with a directory of the sandbox.
    fn run(&self, name: &str, more: &[&str]) -> Outcome {
        self.sandbox.kaiwo(&self.directory("submit", name, more))
    }

    /// Runs `kaiwo serve` with a directory of the sandbox.
    fn serve(&self, name: &str, more: &[&str]) -> Outcome {
        self.sandbox.kaiwo(&self.directory("serve", name, more))
    }

    /// Runs a command of kaiwo's in the test's namespace.
    fn kaiwo(&self, command: &str, arguments: &[&str]) -> Outcome {
        let fixed = [command, "-n", &self.name];
        self.sandbox.kaiwo(&[&fixed[..], arguments].concat())
    }

    /// Starts a command of kaiwo's in the test's namespace, with pipes.
    fn start(&self, command: &str, arguments: &[&str]) -> Running {
        let fixed = [command, "-n", &self.name];
        let mut command = self.sandbox.command(&[&fixed[..], arguments].concat());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Running(command.spawn().unwrap())
    }

    /// Follows the log of a workload, and waits until that has begun: until a
    /// line is seen.
    #[track_caller]
    fn follow(&self, name: &str) -> Followed {
        let followed = Followed::new(self.start("logs", &["-f", name]));
        self.wait(&format!("a line of {name}"), || {
            (followed.lines() > 0).then_some(())
        });
        followed
    }

    /// Waits until so many pods run, and returns their names.
    #[track_caller]
    fn running(&self, pods: usize) -> Vec<String> {
        crate::testbed::reach::running(self, pods)
    }

    /// Waits until the log of a workload has a text.
    #[track_caller]
    fn wait_for_log(&self, name: &str, text: &str) {
        self.wait(&format!("{text:?} in the log of {name}"), || {
            let outcome = self.kaiwo("logs", &[name]);
            outcome.stdout.contains(text).then_some(())
        });
    }

    /// Starts a Job that runs until it is deleted, for a look into its pod.
    fn sleeper(&self, name: &str) {
        self.script(name, "echo here\nexec sleep infinity\n");
        _ = self.run(name, &[]).exits(0);
        self.wait_for_log(name, "here");
    }
}

/// Returns the names of the images that the node has.
fn images() -> Vec<String> {
    let images = std::env::var("KAIWO_TESTBED_IMAGES").unwrap_or_default();
    images.split_whitespace().map(str::to_owned).collect()
}

/// Returns the names of the nodes.
fn real_nodes() -> Vec<String> {
    let nodes = std::env::var("KAIWO_TESTBED_REAL_NODES").unwrap_or_default();
    nodes.split_whitespace().map(str::to_owned).collect()
}

/// Returns whether only `cargo xtask test --all` has time for a test, and this is not
/// that; says what it leaves untested.
fn takes_long(what: &str) -> bool {
    let has_time = std::env::var("KAIWO_TESTBED_LONG").is_ok_and(|value| value == "true");
    if !has_time {
        skip(&format!("left to `cargo xtask test --all`: {what}"));
    }
    !has_time
}

/// Returns whether the node lacks an image, and says what that leaves
/// untested.
fn lacks_image(name: &str) -> bool {
    let lacks = !images().iter().any(|image| image == name);
    if lacks {
        skip(&format!("the real node has no image {name}"));
    }
    lacks
}
