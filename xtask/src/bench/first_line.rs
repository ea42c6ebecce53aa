//! How long it takes from the command until the first line of a log is seen, phase by phase, on a node that really runs
//! its pods: `kaiwo submit --follow` beside `kubectl apply` and `kubectl logs -f`.
//!
//! Both run the same Job, in turn. When a pod has a node is what the API server says, which is asked all the time; when
//! the container prints is what it prints, the time by the clock that it shares with this program.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::cluster::{Cluster, NAMESPACE, Object};
use super::kubectl::Kubectl;
use super::program::{Program, median};
use super::report::{Figure, Row, Target};
use super::submit::{kubectl_apply, millis};
use super::{NO_KUBECTL, say};

/// What the container does: it says what time it is, and lives on for long enough to be followed.
const PROGRAM: [&str; 3] = ["sh", "-c", "date +%s%N; sleep 1"];
/// How long a run may take.
const LIMIT: Duration = Duration::from_secs(120);

/// What is timed, from the start of the first command on.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Phases {
    /// The cluster has the Job, and the command says so.
    submitted: Duration,
    /// A pod has a node.
    scheduled: Duration,
    /// The container prints.
    printed: Duration,
    /// The line is seen.
    seen: Duration,
}

/// Measures so many pairs, and returns a row for each phase.
pub fn rows(
    kaiwo: &Program,
    kubectl: Option<&Kubectl>,
    cluster: &Cluster,
    scratch: &Path,
    pairs: usize,
) -> Result<Vec<Row>> {
    let runs = Runs {
        kaiwo,
        cluster,
        scratch,
    };
    // The first of each finds nothing in any cache, and is not counted.
    let mut mine = Vec::new();
    let mut peers = Vec::new();
    for pair in 0..=pairs {
        let own = || runs.once(&format!("bench-kaiwo-{pair}"), None);
        let peer = || kubectl.map(|peer| runs.once(&format!("bench-kubectl-{pair}"), Some(peer)));
        // Who goes first changes with each pair.
        let (own, peer) = match pair % 2 {
            0 => (own()?, peer().transpose()?),
            _ => {
                let peer = peer().transpose()?;
                (own()?, peer)
            }
        };
        let seen = peer.map_or_else(String::new, |peer| {
            format!(", kubectl {:.0} ms", millis(peer.seen))
        });
        say(&format!(
            "pair {pair} of {pairs}: first line after {:.0} ms{seen}",
            millis(own.seen)
        ));
        if pair > 0 {
            mine.push(own);
            peers.extend(peer);
        }
    }
    Ok(table(&mine, &peers))
}

fn table(mine: &[Phases], peers: &[Phases]) -> Vec<Row> {
    type Phase = fn(&Phases) -> Duration;
    let phases: [(&str, Phase, Target); 6] = [
        ("the Job is submitted", |it| it.submitted, Target::Told),
        ("… a pod has a node", |it| it.scheduled, Target::Told),
        (
            "… the container prints its first line",
            |it| it.printed,
            Target::Told,
        ),
        ("… the line is seen", |it| it.seen, Target::Share(0.5)),
        (
            "of that, from the node to the print",
            |it| it.printed.saturating_sub(it.scheduled),
            Target::Told,
        ),
        (
            "of that, from the print to the eye",
            |it| it.seen.saturating_sub(it.printed),
            Target::Told,
        ),
    ];
    let middle = |of: &[Phases], phase: Phase| {
        let times: Vec<Duration> = of.iter().map(phase).collect();
        median(&times).map(|time| Figure::Millis(millis(time)))
    };
    phases
        .into_iter()
        .map(|(what, phase, target)| Row {
            what: what.to_owned(),
            kaiwo: middle(mine, phase),
            peer: "`kubectl`".to_owned(),
            figure: middle(peers, phase),
            target,
            missing: peers.is_empty().then_some(NO_KUBECTL),
        })
        .collect()
}

struct Runs<'a> {
    kaiwo: &'a Program,
    cluster: &'a Cluster,
    scratch: &'a Path,
}

impl Runs<'_> {
    /// Runs the Job once under a fresh name, by kaiwo or by a peer, and leaves nothing behind.
    fn once(&self, name: &str, peer: Option<&Kubectl>) -> Result<Phases> {
        let document = self.document(name)?;
        let has_run = AtomicBool::new(false);
        let (timed, scheduled) = std::thread::scope(|scope| {
            let watch = scope.spawn(|| self.scheduled(name, &has_run));
            let timed = match peer {
                None => self.follow(name),
                Some(peer) => self.apply(peer, name, &document),
            };
            has_run.store(true, Ordering::Relaxed);
            (timed, watch.join().expect("the thread does not panic"))
        });
        self.cluster.remove(&[Object::from_document(&document)?])?;
        let (timed, scheduled) = (timed?, scheduled?.context("its pod got no node")?);
        timed.phases(scheduled)
    }

    fn arguments(&self, name: &str) -> Vec<String> {
        let kubeconfig = self.cluster.kubeconfig.display().to_string();
        let fixed = [
            "submit",
            "-n",
            NAMESPACE,
            "-q",
            "real",
            "-i",
            "testbed/python:1",
            "--name",
            name,
        ];
        let place = ["--kubeconfig", &kubeconfig];
        [&fixed[..], &place]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    /// Returns the Job that kaiwo would create, without what the API server adds: its selector fits one UID.
    fn document(&self, name: &str) -> Result<Value> {
        let mut arguments = self.arguments(name);
        arguments.extend(["--dry-run=client", "-o", "yaml", "--quiet", "--"].map(str::to_owned));
        arguments.extend(PROGRAM.map(str::to_owned));
        let printed = self.kaiwo.run(arguments)?.stdout;
        let documents: Vec<Value> = serde_saphyr::from_multiple(&printed)?;
        let job = documents
            .into_iter()
            .find(|document| document["kind"] == "Job");
        job.context("a dry run shows no Job")
    }

    fn follow(&self, name: &str) -> Result<Timed> {
        let mut arguments = self.arguments(name);
        arguments.extend(["--follow", "--"].map(str::to_owned));
        arguments.extend(PROGRAM.map(str::to_owned));
        let mut command = self.kaiwo.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let (clock, begun) = (SystemTime::now(), Instant::now());
        let mut child = command.spawn().context("failed to start kaiwo")?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (line, created) = std::thread::scope(|scope| {
            let created = scope.spawn(|| first(stderr, |line| line.contains(" created")));
            let line = first(stdout, |_| true);
            (line, created.join().expect("the thread does not panic"))
        });
        let ended = child.wait()?;
        ensure!(ended.success(), "kaiwo ended with {ended}");
        let (submitted, _) = created?.context("kaiwo did not say that the Job is created")?;
        let (seen, line) = line?.context("kaiwo showed no line")?;
        Ok(Timed {
            clock,
            begun,
            submitted,
            seen,
            line,
        })
    }

    /// Applies the Job, then asks for its log until there is one, as a script does.
    fn apply(&self, kubectl: &Kubectl, name: &str, document: &Value) -> Result<Timed> {
        let file = self.scratch.join("job.yaml");
        std::fs::write(&file, document.to_string())?;
        let memory = self.scratch.join("kubectl-cache");
        let apply = kubectl_apply(&file, &self.cluster.kubeconfig, &memory);
        let kubeconfig = self.cluster.kubeconfig.display().to_string();
        let job = format!("job/{name}");
        let logs = [
            "logs",
            "-f",
            &job,
            "-n",
            NAMESPACE,
            "--kubeconfig",
            &kubeconfig,
        ];
        let (clock, begun) = (SystemTime::now(), Instant::now());
        kubectl.program.run(apply)?;
        let submitted = Instant::now();
        while begun.elapsed() < LIMIT {
            let mut command = kubectl.program.command(logs);
            command.stdout(Stdio::piped()).stderr(Stdio::null());
            let mut child = command.spawn().context("failed to start kubectl")?;
            let line = first(child.stdout.take(), |_| true)?;
            child.wait()?;
            if let Some((seen, line)) = line {
                return Ok(Timed {
                    clock,
                    begun,
                    submitted,
                    seen,
                    line,
                });
            }
        }
        anyhow::bail!("kubectl showed no line in {} s", LIMIT.as_secs())
    }

    /// Returns when the Job's pod was first seen to have a node.
    fn scheduled(&self, name: &str, has_run: &AtomicBool) -> Result<Option<Instant>> {
        let cluster = self.cluster.reconnect()?;
        while !has_run.load(Ordering::Relaxed) {
            if cluster.has_node(NAMESPACE, name)? {
                return Ok(Some(Instant::now()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(None)
    }
}

/// When what happened in a run.
struct Timed {
    /// The time by the machine's clock when it began.
    clock: SystemTime,
    begun: Instant,
    submitted: Instant,
    seen: Instant,
    /// What the container printed: its time in nanoseconds.
    line: String,
}

impl Timed {
    fn phases(&self, scheduled: Instant) -> Result<Phases> {
        let line = self.line.trim();
        let printed: u64 = line
            .parse()
            .with_context(|| format!("the container printed {line:?}"))?;
        let printed = UNIX_EPOCH + Duration::from_nanos(printed);
        let since = |then: Instant| then.saturating_duration_since(self.begun);
        Ok(Phases {
            submitted: since(self.submitted),
            scheduled: since(scheduled),
            printed: printed.duration_since(self.clock).unwrap_or_default(),
            seen: since(self.seen),
        })
    }
}

/// Reads a stream to its end, and returns the first line that is wanted and when it came.
fn first(
    stream: Option<impl Read>,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Option<(Instant, String)>> {
    let mut found = None;
    for line in stream
        .into_iter()
        .flat_map(|stream| BufReader::new(stream).lines())
    {
        let (at, line) = (Instant::now(), line?);
        if found.is_none() && is_wanted(&line) {
            found = Some((at, line));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phases(millis: [u64; 4]) -> Phases {
        let [submitted, scheduled, printed, seen] = millis.map(Duration::from_millis);
        Phases {
            submitted,
            scheduled,
            printed,
            seen,
        }
    }

    #[test]
    fn the_medians_of_the_phases_stand_side_by_side() {
        let mine = [
            phases([100, 200, 600, 700]),
            phases([100, 200, 600, 9000]),
            phases([100, 200, 600, 650]),
        ];
        let rows = table(&mine, &[phases([300, 400, 900, 1400])]);
        let seen = rows
            .iter()
            .find(|row| row.what == "… the line is seen")
            .unwrap();
        assert_eq!(seen.kaiwo, Some(Figure::Millis(700.0)));
        assert_eq!(seen.figure, Some(Figure::Millis(1400.0)));
        assert_eq!(seen.met(), Some(true));
        assert_eq!(rows[5].kaiwo, Some(Figure::Millis(100.0)));
        assert!(table(&mine, &[]).iter().all(|row| row.met().is_none()));
    }

    #[test]
    fn what_a_container_prints_is_its_time() {
        let clock = UNIX_EPOCH + Duration::from_secs(7);
        let begun = Instant::now();
        let timed = |line: &str| Timed {
            clock,
            begun,
            submitted: begun,
            seen: begun + Duration::from_millis(9),
            line: line.to_owned(),
        };
        let told = timed("7005000000\n").phases(begun).unwrap();
        assert_eq!(told, phases([0, 0, 5, 9]));
        assert!(timed("hello").phases(begun).is_err());
    }

    #[test]
    fn the_first_line_that_is_wanted_counts() {
        let text = "job/x is rehearsed\njob/x created\njob/y created\n";
        let (_, line) = first(Some(text.as_bytes()), |line| line.contains(" created"))
            .unwrap()
            .unwrap();
        assert_eq!(line, "job/x created");
        assert!(first(Some(text.as_bytes()), |_| false).unwrap().is_none());
        assert!(first(None::<&[u8]>, |_| true).unwrap().is_none());
    }
}
