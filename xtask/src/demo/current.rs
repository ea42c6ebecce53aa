//! `cargo xtask demo --cluster current`: the story on the cluster of your kubeconfig. It
//! creates a namespace of its own and workloads with names of their own, and deletes the
//! workloads.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::{Times, build, heading, offline, say};
use crate::checkout;

/// Namespace of the workloads.
const NAMESPACE: &str = "kaiwo-demo";

/// What the demo may use of the cluster.
#[derive(Debug)]
pub struct Place<'a> {
    /// ClusterQueue or LocalQueue.
    pub queue: Option<&'a str>,
    /// GPUs of each workload.
    pub gpus: u32,
}

/// Builds kaiwo, and tells the story on the current cluster.
pub fn run(place: &Place) -> Result<()> {
    let mut times = Times::start();
    let (scratch, binary) = build()?;
    times.note("kaiwo was built");
    offline::tell(&binary, &scratch.0.join("no-settings"))?;
    times.note("kaiwo had shown what it does without a cluster");
    let kaiwo = Kaiwo { binary };

    heading("Your cluster");
    kaiwo.run(&["version"], 0)?;
    let version = kaiwo.json(&["version"])?;
    if version["cluster"].is_null() {
        bail!("no cluster answers; without one: cargo xtask demo");
    }
    let queue = match place.queue {
        Some(queue) => queue.to_owned(),
        None => kaiwo.queue()?,
    };
    // Names of this run only, so that nothing of anyone else is ever touched.
    let suffix = std::process::id();
    let (job, ray) = (format!("demo-hello-{suffix}"), format!("demo-ray-{suffix}"));
    let (hello, gpus) = ("workloads/hello", place.gpus.to_string());
    let told = kaiwo.story(&job, &queue, &["-p", hello, "-g", &gpus]);
    if told.is_ok() {
        times.note("the first Job had ended");
    }
    let told = match told {
        Ok(()) if serves(&version, "KubeRay") => {
            let path = "workloads/ray-gpus";
            let told = kaiwo.story(&ray, &queue, &["-p", path, "-g", &gpus, "--ray"]);
            if told.is_ok() {
                times.note("the first RayJob had ended");
            }
            told
        }
        Ok(()) => {
            say("  (KubeRay is not installed: no RayJob)");
            Ok(())
        }
        failed => failed,
    };
    heading("What is deleted: the workloads of this demo");
    let names = [job, ray];
    let delete = ["delete", &names[0], &names[1], "-n", NAMESPACE, "--yes"];
    kaiwo.run(&[&delete[..], &["--ignore-not-found"]].concat(), 0)?;
    told?;
    times.tell();
    say(&format!(
        "The namespace stays; to remove it: kubectl delete namespace {NAMESPACE}"
    ));
    Ok(())
}

/// Returns whether the cluster serves the API of an operator.
fn serves(version: &Value, name: &str) -> bool {
    let components = version["cluster"]["components"].as_array();
    let mut components = components.into_iter().flatten();
    components
        .any(|it| it["name"] == name && it["served"].as_array().is_some_and(|v| !v.is_empty()))
}

struct Kaiwo {
    binary: PathBuf,
}

impl Kaiwo {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.current_dir(Path::new(checkout())).args(arguments);
        command
    }

    /// Shows a command and what it writes.
    fn run(&self, arguments: &[&str], code: i32) -> Result<()> {
        say(&format!("$ kaiwo {}", arguments.join(" ")));
        let status = self.command(arguments).status()?;
        match status.code() {
            Some(ended) if ended == code => Ok(()),
            _ => bail!("kaiwo ended with {status}"),
        }
    }

    /// Returns what a command reports.
    fn json(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.command(arguments).args(["-o", "json"]).output()?;
        serde_json::from_slice(&output.stdout).context("kaiwo wrote no JSON")
    }

    /// Chooses a ClusterQueue that admits.
    fn queue(&self) -> Result<String> {
        let queues = self.json(&["queues"])?;
        let all = queues["clusterQueues"].as_array();
        let mut all = all.into_iter().flatten();
        let admits = all.find(|queue| queue["active"] == true);
        let name = admits.and_then(|queue| queue["name"].as_str());
        name.map(str::to_owned)
            .context("no ClusterQueue that you can read admits workloads; name one with --queue")
    }

    /// Submits a workload, waits for its end, and shows where it was.
    fn story(&self, name: &str, queue: &str, arguments: &[&str]) -> Result<()> {
        let start = Instant::now();
        heading(&format!("{name} in queue {queue}: {}", arguments.join(" ")));
        let place = [
            "--name",
            name,
            "-n",
            NAMESPACE,
            "--create-namespace",
            "-q",
            queue,
        ];
        let wait = ["--wait", "--queue-timeout", "5m", "--timeout", "20m"];
        let submit = [&["submit"][..], arguments, &place, &wait].concat();
        let told = self.run(&submit, 0);
        if told.is_err() {
            self.run(&["why", name, "-n", NAMESPACE], 0)?;
        }
        self.run(&["list", "-n", NAMESPACE], 0)?;
        say(&format!("  ({:.0} s)", start.elapsed().as_secs_f64()));
        told
    }
}
