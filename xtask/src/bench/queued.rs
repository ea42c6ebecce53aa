//! What a listing of very many queued Jobs costs, with their places in the queue.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::cluster::Cluster;
use super::kubectl::Kubectl;
use super::list;
use super::program::Program;
use super::report::{Figure, Row, Target};
use super::startup::{alternate, peak};
use super::submit::millis;
use super::{NO_KUBECTL, say};

/// Jobs, all in one namespace and one queue.
const JOBS: usize = 3_000;
const NAMESPACE: &str = "bench-queued";
/// A queue without quota, so that all wait.
const QUEUE: &str = "bench-queued";
/// Alternating runs, of which the median counts.
const RUNS: usize = 7;
/// How long Kueue may take to put all of them in order.
const LONGEST: Duration = Duration::from_secs(600);

/// Times and weighs `kaiwo list` beside `kubectl get jobs` and `kubectl get workloads`, which together say less.
pub fn rows(
    kaiwo: &Program,
    kubectl: Option<&Kubectl>,
    cluster: &Cluster,
    root: &Path,
) -> Result<Vec<Row>> {
    say(&format!("making {JOBS} queued Jobs"));
    let mut job = list::job(kaiwo, root)?;
    job["metadata"]["namespace"] = json!(NAMESPACE);
    job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = json!(QUEUE);
    cluster.queue(QUEUE, NAMESPACE)?;
    cluster.fill(NAMESPACE, &job, JOBS)?;
    let kubeconfig = cluster.kubeconfig.display().to_string();
    let place = ["--namespace", NAMESPACE, "--kubeconfig", &kubeconfig];
    let mine = [&["list"][..], &place].concat();
    let peers =
        ["jobs", "workloads.kueue.x-k8s.io"].map(|kind| [&["get", kind], &place[..]].concat());
    wait_for_places(kaiwo, &mine)?;
    // What kubectl remembers has to be learnt once.
    if let Some(kubectl) = kubectl {
        for peer in &peers {
            kubectl.program.run(peer)?;
        }
    }
    say("timing and weighing listings of what is queued");
    let both = |kubectl: &Kubectl| {
        let times = peers
            .iter()
            .map(|peer| Ok(kubectl.program.run(peer)?.elapsed));
        times.sum::<Result<Duration>>()
    };
    let (time, peer_time) =
        alternate(RUNS, || Ok(kaiwo.run(&mine)?.elapsed), || kubectl.map(both))?;
    let memory = peak(kaiwo, &mine)?;
    let mut peer_memory = None;
    for peer in &peers {
        if let Some(kubectl) = kubectl {
            peer_memory = peer_memory.max(peak(&kubectl.program, peer)?);
        }
    }
    cluster.forget(NAMESPACE)?;
    let row = |what: &str, kaiwo, peer: &str, figure: Option<Figure>, part: f64, reason| Row {
        what: what.to_owned(),
        kaiwo,
        peer: peer.to_owned(),
        figure,
        target: Target::Share(1.0 / part),
        missing: Some(match kubectl {
            Some(_) => reason,
            None => NO_KUBECTL,
        }),
    };
    Ok(vec![
        row(
            "time of `kaiwo list`, 3,000 queued Jobs",
            time.map(|time| Figure::Millis(millis(time))),
            "`kubectl get jobs` and `kubectl get workloads`",
            peer_time.map(|time| Figure::Millis(millis(time))),
            2.0,
            "",
        ),
        row(
            "peak memory of `kaiwo list`, 3,000 queued Jobs",
            memory.map(Figure::bytes),
            "the larger of the two",
            peer_memory.map(Figure::bytes),
            3.0,
            "GNU time not found",
        ),
    ])
}

/// Waits until the listing has all of them, each with its place.
fn wait_for_places(kaiwo: &Program, list: &[&str]) -> Result<()> {
    let begun = Instant::now();
    let list = [list, &["-o", "json"]].concat();
    loop {
        let listed = kaiwo.run(&list)?.stdout;
        let listed: serde_json::Value = serde_json::from_str(&listed)?;
        let rows = listed["items"].as_array().context("no list")?;
        ensure!(rows.len() == JOBS, "kaiwo lists {} Jobs", rows.len());
        let placed = rows
            .iter()
            .filter(|row| row["position"].is_object())
            .count();
        if placed == JOBS {
            return Ok(());
        }
        ensure!(begun.elapsed() < LONGEST, "only {placed} have a place");
        std::thread::sleep(Duration::from_secs(1));
    }
}
