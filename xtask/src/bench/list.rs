//! What a listing of very many Jobs costs.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::kubectl::Kubectl;
use super::program::Program;
use super::report::{Figure, Row, Target};
use super::startup::{alternate, peak};
use super::submit::millis;
use super::{NO_KUBECTL, say};

/// Jobs, all in one namespace.
const JOBS: usize = 10_000;
const NAMESPACE: &str = "bench-list";
/// Alternating runs, of which the median counts.
const RUNS: usize = 7;

/// Times and weighs `kaiwo list` beside `kubectl get jobs`.
pub fn rows(
    kaiwo: &Program,
    kubectl: Option<&Kubectl>,
    cluster: &Cluster,
    root: &Path,
) -> Result<Vec<Row>> {
    say(&format!("making {JOBS} Jobs"));
    cluster.fill(NAMESPACE, &job(kaiwo, root)?, JOBS)?;
    let kubeconfig = cluster.kubeconfig.display().to_string();
    let place = ["--namespace", NAMESPACE, "--kubeconfig", &kubeconfig];
    let mine = [&["list"][..], &place].concat();
    let peers = [&["get", "jobs"][..], &place].concat();
    let listed = kaiwo.run(&mine)?.stdout.lines().count();
    anyhow::ensure!(listed == JOBS + 1, "kaiwo lists {listed} lines");
    // What kubectl remembers has to be learnt once.
    if let Some(kubectl) = kubectl {
        kubectl.program.run(&peers)?;
    }
    say("timing and weighing listings");
    let (time, peer_time) = alternate(
        RUNS,
        || Ok(kaiwo.run(&mine)?.elapsed),
        || kubectl.map(|kubectl| Ok(kubectl.program.run(&peers)?.elapsed)),
    )?;
    let memory = peak(kaiwo, &mine)?;
    let peer_memory = match kubectl {
        Some(kubectl) => peak(&kubectl.program, &peers)?,
        None => None,
    };
    cluster.forget(NAMESPACE)?;
    let row = |what: &str, kaiwo, figure: Option<Figure>, share, reason| Row {
        what: what.to_owned(),
        kaiwo,
        peer: "`kubectl get jobs`".to_owned(),
        figure,
        target: Target::Share(share),
        missing: Some(match kubectl {
            Some(_) => reason,
            None => NO_KUBECTL,
        }),
    };
    Ok(vec![
        row(
            "time of `kaiwo list`, 10,000 Jobs",
            time.map(|time| Figure::Millis(millis(time))),
            peer_time.map(|time| Figure::Millis(millis(time))),
            0.35,
            "",
        ),
        row(
            "peak memory of `kaiwo list`, 10,000 Jobs",
            memory.map(Figure::bytes),
            peer_memory.map(Figure::bytes),
            0.15,
            "GNU time not found",
        ),
    ])
}

/// Returns a Job as `kaiwo submit` makes it, but outside of all queues, where it stays suspended.
pub fn job(kaiwo: &Program, root: &Path) -> Result<Value> {
    let directory = root.join("workloads/hello").display().to_string();
    let arguments = [
        "submit",
        "-p",
        &directory,
        "-g",
        "8",
        "--dry-run",
        "--quiet",
    ];
    let documents: Vec<Value> = serde_saphyr::from_multiple(&kaiwo.run(arguments)?.stdout)?;
    let mut job = documents
        .into_iter()
        .find(|document| document["kind"] == "Job")
        .context("the dry run shows no Job")?;
    if let Some(labels) = job["metadata"]["labels"].as_object_mut() {
        labels.remove("kueue.x-k8s.io/queue-name");
    }
    job["metadata"]["namespace"] = json!(NAMESPACE);
    job["spec"]["suspend"] = json!(true);
    Ok(job)
}
