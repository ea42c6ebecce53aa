//! What a program costs before it does anything, and what it costs to render without a cluster.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::cluster::Cluster;
use super::kubectl::Kubectl;
use super::program::{Program, median};
use super::report::{Figure, Row, Target};
use super::submit::{self, millis};
use super::{NO_KUBECTL, say};

/// Alternating runs, of which the median counts.
const STARTS: usize = 41;
const DRY_RUNS: usize = 15;
const MEMORY_RUNS: usize = 5;

/// Times and weighs `--version`.
pub fn rows(kaiwo: &Program, kubectl: Option<&Kubectl>) -> Result<Vec<Row>> {
    let (mine, peers) = (["--version"], ["version", "--client"]);
    say("timing starts");
    let (time, peer_time) = alternate(
        STARTS,
        || Ok(kaiwo.run(mine)?.elapsed),
        || kubectl.map(|kubectl| Ok(kubectl.program.run(peers)?.elapsed)),
    )?;
    say("weighing starts");
    let memory = peak(kaiwo, &mine)?;
    let peer_memory = match kubectl {
        Some(kubectl) => peak(&kubectl.program, &peers)?,
        None => None,
    };
    let row = |what: &str, kaiwo, figure: Option<Figure>, share, reason| Row {
        what: what.to_owned(),
        kaiwo,
        peer: "`kubectl version --client`".to_owned(),
        figure,
        target: Target::Share(share),
        missing: Some(if kubectl.is_none() {
            NO_KUBECTL
        } else {
            reason
        }),
    };
    let no_time = "GNU time not found";
    Ok(vec![
        row(
            "time of `kaiwo --version`",
            time.map(|time| Figure::Millis(millis(time))),
            peer_time.map(|time| Figure::Millis(millis(time))),
            0.1,
            "",
        ),
        row(
            "peak memory of `kaiwo --version`",
            memory.map(Figure::bytes),
            peer_memory.map(Figure::bytes),
            0.2,
            no_time,
        ),
    ])
}

/// Times `kaiwo submit --dry-run` beside kubectl's client dry run of the same documents, which asks the server all the
/// same, here without any distance and with everything it remembers of it.
pub fn dry_run(
    kaiwo: &Program,
    kubectl: Option<&Kubectl>,
    cluster: &Cluster,
    root: &Path,
    scratch: &Path,
) -> Result<Row> {
    let name = "bench-dry-run";
    let documents = submit::Documents::render(kaiwo, root, name)?;
    let file = scratch.join("dry-run.yaml");
    std::fs::write(&file, documents.yaml)?;
    let mut mine = submit::arguments(root, name);
    mine.push("--dry-run".to_owned());
    let mut peers = submit::kubectl_apply(&file, &cluster.kubeconfig, &scratch.join("near-cache"));
    peers.push("--dry-run=client".to_owned());
    if let Some(kubectl) = kubectl {
        kubectl.program.run(&peers)?;
    }
    let (time, peer_time) = alternate(
        DRY_RUNS,
        || Ok(kaiwo.run(&mine)?.elapsed),
        || kubectl.map(|kubectl| Ok(kubectl.program.run(&peers)?.elapsed)),
    )?;
    Ok(Row {
        what: "time of `kaiwo submit --dry-run`".to_owned(),
        kaiwo: time.map(|time| Figure::Millis(millis(time))),
        peer: "`kubectl apply --dry-run=client`".to_owned(),
        figure: peer_time.map(|time| Figure::Millis(millis(time))),
        target: Target::Share(0.1),
        missing: Some(NO_KUBECTL),
    })
}

/// Measures two programs in turn, so that what else the machine does hits both, and returns their medians.
pub fn alternate(
    runs: usize,
    mine: impl Fn() -> Result<Duration>,
    peers: impl Fn() -> Option<Result<Duration>>,
) -> Result<(Option<Duration>, Option<Duration>)> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        ours.push(mine()?);
        theirs.extend(peers().transpose()?);
    }
    Ok((median(&ours), median(&theirs)))
}

pub fn peak(program: &Program, arguments: &[&str]) -> Result<Option<u64>> {
    let mut peaks = Vec::new();
    for _ in 0..MEMORY_RUNS {
        peaks.extend(program.peak_memory(arguments)?);
    }
    Ok(median(&peaks))
}
