//! What a listing of very many queued Jobs costs, with their places in the queue.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::cluster::Cluster;
use super::kubectl::Kubectl;
use super::link::What;
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
    scratch: &Path,
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
    let costs = |program: &Program, listings: &[Vec<&str>]| -> Result<_> {
        let mut memory = None;
        for listing in listings {
            memory = memory.max(peak(program, listing)?);
        }
        Ok((memory, received(program, listings, cluster, scratch)?))
    };
    let (memory, bytes) = costs(kaiwo, &[mine])?;
    let peer = kubectl.map(|kubectl| costs(&kubectl.program, &peers));
    let (peer_memory, peer_bytes) = peer.transpose()?.unzip();
    cluster.forget(NAMESPACE)?;

    let missing = |reason| Some(kubectl.map_or(NO_KUBECTL, |_| reason));
    let time_of = |time: Option<Duration>| time.map(|time| Figure::Millis(millis(time)));
    Ok(vec![
        Row {
            what: "time of `kaiwo list`, 3,000 queued Jobs".to_owned(),
            kaiwo: time_of(time),
            peer: "`kubectl get jobs` and `kubectl get workloads`".to_owned(),
            figure: time_of(peer_time),
            target: Target::Share(1.0 / 2.0),
            missing: missing(""),
        },
        Row {
            what: "peak memory of `kaiwo list`, 3,000 queued Jobs".to_owned(),
            kaiwo: memory.map(Figure::bytes),
            peer: "the larger of the two".to_owned(),
            figure: peer_memory.flatten().map(Figure::bytes),
            target: Target::Share(1.0 / 3.0),
            missing: missing("GNU time not found"),
        },
        Row {
            what: "received by `kaiwo list`, 3,000 queued Jobs".to_owned(),
            kaiwo: Some(Figure::bytes(bytes)),
            peer: "the two".to_owned(),
            figure: peer_bytes.map(Figure::bytes),
            target: Target::Told,
            missing: missing(""),
        },
    ])
}

/// Returns how many bytes come from the API server for these listings, each of which ends with the path of a
/// kubeconfig.
fn received(
    program: &Program,
    listings: &[Vec<&str>],
    cluster: &Cluster,
    scratch: &Path,
) -> Result<u64> {
    let (link, far) = cluster.far(scratch)?;
    let far = far.display().to_string();
    for listing in listings {
        let (_, options) = listing
            .split_last()
            .context("a listing without a kubeconfig")?;
        program.run([options, &[&far]].concat())?;
    }
    let came = link.take_events();
    let came = came.iter().map(|event| match event.what {
        What::Received(bytes) => bytes,
        What::Opened | What::Sent(_) => 0,
    });
    Ok(u64::try_from(came.sum::<usize>())?)
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
