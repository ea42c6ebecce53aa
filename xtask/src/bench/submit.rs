//! Counts the round trips of a submission, one after another, by what distance adds to its time.
//!
//! A submission is timed near the API server and far from it, through the same relay. What the distance adds, divided
//! by what one round trip takes, is the number of round trips that had to wait for one another: name resolution aside,
//! everything counts, from the TCP connection on. Of several runs the fastest is taken, because the network's share is
//! the same in all of them and everything else a machine does only adds.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::cluster::{Cluster, Object};
use super::kubectl::Kubectl;
use super::link::{self, Event, Link, What};
use super::program::{Program, Run};

/// What a round trip is made to take: as to a cluster some countries away.
pub const ROUND_TRIP: Duration = Duration::from_millis(50);

/// The submission that is measured: two nodes' GPUs, one upload, namespace and LocalQueue there already.
const DIRECTORY: &str = "workloads/ray-gpus";
const SHAPE: [&str; 3] = ["-g", "16", "--ray"];

/// Returns the arguments of the submission under a name of its own.
pub fn arguments(root: &Path, name: &str) -> Vec<String> {
    let directory = root.join(DIRECTORY).display().to_string();
    let mut arguments = vec!["submit".to_owned(), "-p".to_owned(), directory];
    arguments.extend(SHAPE.map(str::to_owned));
    arguments.extend(["--name".to_owned(), name.to_owned()]);
    arguments
}

/// The submission as it is shown to people.
pub fn command_line() -> String {
    format!("kaiwo submit -p {DIRECTORY} {}", SHAPE.join(" "))
}

/// What a submission creates: its documents, as a file for kubectl, and their places.
pub struct Documents {
    pub yaml: String,
    pub objects: Vec<Object>,
}

impl Documents {
    /// Asks kaiwo for them. A dry run that asks no cluster cannot know that the LocalQueue exists, so it shows that,
    /// too; here it does exist.
    pub fn render(kaiwo: &Program, root: &Path, name: &str) -> Result<Self> {
        let mut arguments = arguments(root, name);
        arguments.extend(["--dry-run".to_owned(), "--quiet".to_owned()]);
        let mut documents: Vec<Value> = serde_saphyr::from_multiple(&kaiwo.run(arguments)?.stdout)?;
        documents.retain(|document| document["kind"] != "LocalQueue");
        ensure!(
            documents.len() == 2,
            "expected one upload and one workload, found {} documents",
            documents.len()
        );
        Ok(Self {
            yaml: documents
                .iter()
                .map(|document| format!("---\n{document}\n"))
                .collect(),
            objects: documents
                .iter()
                .map(Object::from_document)
                .collect::<Result<_>>()?,
        })
    }
}

/// How one way of submitting fared.
#[derive(Clone, Copy, Debug)]
pub struct Fared {
    /// Sequential round trips.
    pub trips: f64,
    /// Time it took from afar.
    pub far: Duration,
}

/// How all did.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    pub kaiwo: Fared,
    /// kubectl with what it remembers of the cluster, and without.
    pub kubectl: Option<(Fared, Fared)>,
    /// What one round trip took, measured.
    pub trip: Duration,
}

/// A way of submitting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    Kaiwo,
    Warm,
    Cold,
}

/// The submissions of one bench.
pub struct Submissions<'a> {
    pub cluster: &'a Cluster,
    pub kaiwo: &'a Program,
    pub kubectl: Option<&'a Kubectl>,
    /// The checkout.
    pub root: &'a Path,
    /// Where files of no further use may lie.
    pub scratch: &'a Path,
}

impl Submissions<'_> {
    /// Measures everybody in turn, `runs` times near and far.
    pub fn measure(&self, runs: usize, say: impl Fn(&str)) -> Result<Outcome> {
        let (link, kubeconfig) = self.cluster.far(self.scratch)?;
        let trip = link::calibrate(ROUND_TRIP)?;
        say(&format!("a round trip takes {:.1} ms", millis(trip)));
        let peers: &[Peer] = match self.kubectl {
            Some(_) => &[Peer::Kaiwo, Peer::Warm, Peer::Cold],
            None => &[Peer::Kaiwo],
        };
        // What kubectl remembers has to be learnt once.
        if self.kubectl.is_some() {
            self.once(Peer::Warm, "bench-learn", &kubeconfig)?;
        }
        let mut times = vec![(Vec::new(), Vec::new()); peers.len()];
        for run in 0..runs {
            for (index, peer) in peers.iter().enumerate() {
                link.set_round_trip(Duration::ZERO);
                let near = self.once(*peer, &format!("bench-near-{run}-{index}"), &kubeconfig)?;
                link.set_round_trip(ROUND_TRIP);
                let far = self.once(*peer, &format!("bench-far-{run}-{index}"), &kubeconfig)?;
                times[index].0.push(near.elapsed);
                times[index].1.push(far.elapsed);
                say(&format!(
                    "submission {} of {runs}, {peer:?}: near {:.0} ms, far {:.0} ms",
                    run + 1,
                    millis(near.elapsed),
                    millis(far.elapsed)
                ));
            }
        }
        let mut fared = times.iter().map(|(near, far)| {
            let fastest = |times: &[Duration]| times.iter().min().copied().unwrap_or_default();
            let (near, far) = (fastest(near), fastest(far));
            Fared {
                trips: far.saturating_sub(near).as_secs_f64() / trip.as_secs_f64(),
                far,
            }
        });
        Ok(Outcome {
            kaiwo: fared.next().context("nothing was measured")?,
            kubectl: fared.next().zip(fared.next()),
            trip,
        })
    }

    /// Returns what kaiwo asks, and when bytes pass the relay, in one submission from afar.
    pub fn timeline(&self) -> Result<String> {
        let (link, kubeconfig) = self.cluster.far(self.scratch)?;
        link.set_round_trip(ROUND_TRIP);
        let name = "bench-timeline";
        let documents = Documents::render(self.kaiwo, self.root, name)?;
        let mut arguments = self.kaiwo_arguments(name, &kubeconfig);
        arguments.push("-v".to_owned());
        link.take_events();
        let run = self.kaiwo.run(arguments);
        self.cluster.remove(&documents.objects)?;
        let run = run?;
        Ok(format!("{}{}", run.stderr, passed(&run, &link)))
    }

    fn kaiwo_arguments(&self, name: &str, kubeconfig: &Path) -> Vec<String> {
        let mut arguments = arguments(self.root, name);
        arguments.extend(["--kubeconfig".to_owned(), kubeconfig.display().to_string()]);
        arguments
    }

    /// Submits once under a fresh name, and leaves nothing behind.
    fn once(&self, peer: Peer, name: &str, kubeconfig: &Path) -> Result<Run> {
        let documents = Documents::render(self.kaiwo, self.root, name)?;
        let run = match (peer, self.kubectl) {
            (Peer::Kaiwo, _) | (_, None) => self.kaiwo.run(self.kaiwo_arguments(name, kubeconfig)),
            (_, Some(kubectl)) => {
                let memory = self.scratch.join("kubectl-cache");
                let memory = match peer {
                    Peer::Cold => memory.join(name),
                    _ => memory,
                };
                let file = self.scratch.join("documents.yaml");
                std::fs::write(&file, documents.yaml)?;
                kubectl
                    .program
                    .run(kubectl_apply(&file, kubeconfig, &memory))
            }
        };
        // A failed run may have made something, too.
        self.cluster.remove(&documents.objects)?;
        run
    }
}

/// Returns the arguments with which kubectl applies a file; `memory` is where it keeps what it learns of a cluster.
pub fn kubectl_apply(file: &Path, kubeconfig: &Path, memory: &Path) -> Vec<String> {
    let mut arguments = vec!["apply".to_owned()];
    for (flag, path) in [
        ("--filename", file),
        ("--kubeconfig", kubeconfig),
        ("--cache-dir", memory),
    ] {
        arguments.extend([flag.to_owned(), path.display().to_string()]);
    }
    arguments
}

/// Lists what passed the relay, in milliseconds since the program was started.
fn passed(run: &Run, link: &Link) -> String {
    let line = |event: &Event| {
        let what = match event.what {
            What::Opened => "opened".to_owned(),
            What::Sent(bytes) => format!("→ {bytes}"),
            What::Received(bytes) => format!("← {bytes}"),
        };
        let at = millis(event.at.saturating_duration_since(run.begun));
        format!("{at:7.1} ms  connection {:2}  {what}\n", event.connection)
    };
    let events: String = link.take_events().iter().map(line).collect();
    format!("{events}{:7.1} ms  ended\n", millis(run.elapsed))
}

pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
