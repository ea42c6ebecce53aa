//! `cargo xtask demo --real`: pods that really run. A Ray cluster prints from
//! every worker, a Job fails and kaiwo says why, a service answers.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};

use super::{NAMESPACE, build, heading, pointed, remove_namespace, say};
use crate::testbed::{Cluster, Options, Testbed};

/// Name of the testbed; the one of the demo without a real node is another.
const TESTBED: &str = "real";

/// What the demo runs, as one types it after `kaiwo`, and how that has to end.
const STORY: [(&str, &str, i32); 6] = [
    (
        "Two Ray workers with a GPU each: every actor prints where it is",
        "submit -p workloads/ray-gpus --name gpus -q real -g 2 --replicas 2 \
         --ray --cpus-per-gpu 2 -i testbed/ray:1 --follow",
        0,
    ),
    (
        "A Job that fails: kaiwo ends with the container's exit code",
        "submit --name broken -q real -i testbed/python:1 --wait -- \
         python -c 'print(\"weights.bin is missing\"); exit(42)'",
        42,
    ),
    ("... and says why", "why broken", 0),
    (
        "A service: a model that repeats the question",
        "serve -p testbed/parrot --name parrot -q real -i testbed/python:1 \
         --port 8000 --health-path /health --wait",
        0,
    ),
    ("... answers", "chat parrot 'Is anybody there?'", 0),
    ("What there is", "list", 0),
];

/// Builds, starts a testbed with a real node, and runs the story.
pub fn run() -> Result<()> {
    let start = Instant::now();
    let options = Options {
        name: TESTBED.to_owned(),
        real_node: 1,
        amd_nodes: 1,
        nvidia_nodes: 0,
        small_nodes: 0,
        ..Options::default()
    };
    let _claim = Testbed::claim(&options.name, "demo --real")?;
    let (_scratch, binary) = build()?;
    heading("Starting a control plane and a node that really runs its pods");
    let testbed = Testbed::up(&options)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let cluster = Cluster::connect(&testbed.kubeconfig()).await?;
        remove_namespace(&cluster).await
    })?;
    for (what, line, code) in STORY {
        tell(&binary, &testbed, what, line, code)?;
    }
    heading(&format!(
        "Done in {:.0} s. The testbed is still up; to keep playing:",
        start.elapsed().as_secs_f64()
    ));
    say(&format!(
        "  eval \"$(cargo xtask testbed env --name {TESTBED})\""
    ));
    say(&format!("  export KAIWO_NAMESPACE={NAMESPACE}"));
    say("  kaiwo exec -it parrot -- bash");
    say(&format!("  cargo xtask testbed down --name {TESTBED}"));
    Ok(())
}

fn tell(binary: &Path, testbed: &Testbed, what: &str, line: &str, code: i32) -> Result<()> {
    heading(what);
    say(&format!("$ kaiwo {line}"));
    let status = pointed(Path::new("sh"), testbed)
        .args(["-c", &format!("exec \"$0\" {line}")])
        .arg(binary)
        .env("KAIWO_NAMESPACE", NAMESPACE)
        .env("KAIWO_CREATE_NAMESPACE", "true")
        .status()?;
    match status.code() {
        Some(0) if code == 0 => Ok(()),
        Some(ended) if ended == code => {
            say(&format!("(exit code {code})"));
            Ok(())
        }
        _ => bail!("kaiwo ended with {status}"),
    }
}
