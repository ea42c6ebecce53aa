//! `cargo xtask bench`: what kaiwo costs beside kubectl, measured side by side in one run.
//!
//! ```text
//! release build -> size, startup -> testbed -> client dry run -> submissions from afar -> docs/performance.md
//! ```

mod array;
mod cluster;
mod first_line;
mod kubectl;
mod link;
mod list;
mod program;
mod queued;
mod report;
mod startup;
mod submit;
mod uploads;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::cargo::{self, cargo};
use crate::checkout;
use crate::testbed::{self, Testbed};
use cluster::Cluster;
use kubectl::Kubectl;
use program::Program;
use report::{Figure, Place, Row, Target};
use submit::{Submissions, millis};

/// Sequential round trips of the same submission by the original kaiwo, from its sources; it is not run here.
const ORIGINAL_TRIPS: f64 = 14.0;
const NO_KUBECTL: &str = "kubectl not found";

/// Measure kaiwo beside kubectl and write docs/performance.md
#[derive(Debug, clap::Args)]
pub struct Bench {
    /// Fail if a target is missed
    #[arg(long)]
    check: bool,
    /// Show every request of a submission and what passes the network
    #[arg(long)]
    verbose: bool,
    /// Measure on a node that really runs its pods how long it takes until the first line of a log is seen, and
    /// nothing else; see `cargo xtask testbed check`
    #[arg(long)]
    real: bool,
    /// Measure on such a node how much later a program starts in a writable directory, and nothing else
    #[arg(long, conflicts_with = "real")]
    uploads: bool,
    /// Of --uploads, measure only the rows whose name contains this, such as "RayService, 8"; the table is only
    /// printed
    #[arg(long, requires = "uploads", value_name = "WORDS")]
    only: Option<String>,
    /// Measure listings of what is queued, and nothing else; the table is only printed
    #[arg(long, conflicts_with_all = ["real", "uploads"])]
    queued: bool,
    /// Pairs of runs with --real or --uploads; the median counts
    #[arg(long, default_value_t = 10, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    pairs: u16,
    /// Submissions of each kind; the fastest counts
    #[arg(long, default_value_t = 7, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Testbed to measure on; one that is not up is started, and stopped at the end
    #[arg(long, default_value = "bench", value_name = "NAME")]
    testbed: String,
    /// Release binary to measure, instead of building one
    #[arg(long, value_name = "FILE")]
    kaiwo: Option<PathBuf>,
    /// kubectl to compare with [default: the one on the PATH]
    #[arg(long, value_name = "FILE")]
    kubectl: Option<PathBuf>,
}

impl Bench {
    pub fn run(self) -> Result<()> {
        let root = &Path::new(checkout()).canonicalize()?;
        let _claim = Testbed::claim(&self.testbed, "bench")?;
        let scratch = Scratch::new("bench")?;
        let binary = match &self.kaiwo {
            Some(binary) => std::path::absolute(binary)?,
            None => {
                let place = scratch.0.join("kaiwo");
                build(&place)?;
                place
            }
        };
        let kaiwo = Program::new(&binary, &scratch.0);
        let kubectl = Kubectl::find(self.kubectl.clone(), &scratch.0)?;
        match &kubectl {
            Some(kubectl) => say(&format!("comparing with kubectl {}", kubectl.version)),
            None => say("kubectl not found; measuring kaiwo alone"),
        }

        if self.real {
            return self.first_line(root, &kaiwo, kubectl.as_ref(), &scratch.0);
        }
        if self.uploads {
            return self.uploads(root, &kaiwo, &scratch.0);
        }
        if self.queued {
            let started = Started::up(&self.testbed, false)?;
            let cluster = Cluster::prepare(started.testbed.kubeconfig(), root)?;
            let rows = queued::rows(&kaiwo, kubectl.as_ref(), &cluster, root, &scratch.0)?;
            let context = context(&kaiwo, kubectl.as_ref(), &cluster.version()?)?;
            return self.tell(root, None, &context, &rows);
        }
        let mut rows = startup::rows(&kaiwo, kubectl.as_ref())?;
        rows.push(size(&binary, kubectl.as_ref())?);
        let started = Started::up(&self.testbed, false)?;
        let cluster = Cluster::prepare(started.testbed.kubeconfig(), root)?;
        let kubernetes = cluster.version()?;
        say("timing client dry runs");
        rows.push(startup::dry_run(
            &kaiwo,
            kubectl.as_ref(),
            &cluster,
            root,
            &scratch.0,
        )?);
        let submissions = Submissions {
            cluster: &cluster,
            kaiwo: &kaiwo,
            kubectl: kubectl.as_ref(),
            root,
            scratch: &scratch.0,
        };
        if self.verbose {
            say(&submissions.timeline()?);
        }
        let outcome = submissions.measure(self.runs.into(), say)?;
        rows.extend(array::rows(&kaiwo, kubectl.as_ref(), &cluster, &scratch.0)?);
        // Last, because the API server is busy with so many Jobs for a while.
        rows.extend(queued::rows(
            &kaiwo,
            kubectl.as_ref(),
            &cluster,
            root,
            &scratch.0,
        )?);
        rows.extend(list::rows(&kaiwo, kubectl.as_ref(), &cluster, root)?);
        let mut all = submission_rows(&outcome);
        all.append(&mut rows);

        let context = format!(
            "{} The submission is `{}`; a round trip from afar took {:.1} ms.",
            context(&kaiwo, kubectl.as_ref(), &kubernetes)?,
            submit::command_line(),
            millis(outcome.trip),
        );
        self.tell(root, Some(Place::Costs), &context, &all)
    }

    /// Measures the first line of a log, on a real node.
    fn first_line(
        &self,
        root: &Path,
        kaiwo: &Program,
        kubectl: Option<&Kubectl>,
        scratch: &Path,
    ) -> Result<()> {
        let started = Started::up(&self.testbed, true)?;
        let cluster = Cluster::prepare(started.testbed.kubeconfig(), root)?;
        let context = context(kaiwo, kubectl, &cluster.version()?)?;
        let context = format!("{context} Medians of {} pairs.", self.pairs);
        let rows = first_line::rows(kaiwo, kubectl, &cluster, scratch, self.pairs.into())?;
        self.tell(root, Some(Place::FirstLine), &context, &rows)
    }

    /// Measures what the copy of the uploads costs, on a real node.
    fn uploads(&self, root: &Path, kaiwo: &Program, scratch: &Path) -> Result<()> {
        let found = Testbed::find(&self.testbed)?;
        let started = match found {
            Some(_) => None,
            None => Some(Started::up(&self.testbed, true)?),
        };
        let testbed = found.as_ref().or(started.as_ref().map(|it| &it.testbed));
        let kubeconfig = testbed.context("the testbed is not up")?.kubeconfig();
        let only = self.only.as_deref().unwrap_or_default();
        let rows = uploads::rows(kaiwo, &kubeconfig, scratch, self.pairs.into(), only)?;
        let context = format!("Medians of {} pairs.", self.pairs);
        let place = self.only.is_none().then_some(Place::Uploads);
        self.tell(root, place, &context, &rows)
    }

    /// Prints a table, and writes it into the page if it has a place there.
    fn tell(&self, root: &Path, place: Option<Place>, context: &str, rows: &[Row]) -> Result<()> {
        let table = report::table(context, rows);
        write!(std::io::stdout(), "{table}")?;
        if let Some(place) = place {
            report::write(&root.join("docs/performance.md"), place, &table)?;
        }
        let missed = rows.iter().filter(|row| row.met() == Some(false)).count();
        ensure!(
            !self.check || missed == 0,
            "{missed} of the targets are missed"
        );
        Ok(())
    }
}

/// Builds what users get.
fn build(place: &Path) -> Result<()> {
    say("building the release binary, which takes some minutes the first time");
    let mut cargo = cargo();
    cargo.args(["build", "--release"]);
    cargo::build(cargo, place)
}

fn size(binary: &Path, kubectl: Option<&Kubectl>) -> Result<Row> {
    let bytes = |file: &Path| -> Result<u64> { Ok(std::fs::metadata(file)?.len()) };
    let peer = match kubectl.and_then(Kubectl::file) {
        Some(file) => Some(bytes(&file)?),
        None => None,
    };
    Ok(Row {
        what: "size of the binary".to_owned(),
        kaiwo: Some(Figure::bytes(bytes(binary)?)),
        peer: "`kubectl`".to_owned(),
        figure: peer.map(Figure::bytes),
        target: Target::AtMost(14.0),
        missing: peer.is_none().then_some(NO_KUBECTL),
    })
}

fn submission_rows(outcome: &submit::Outcome) -> Vec<Row> {
    let missing = outcome.kubectl.is_none().then_some(NO_KUBECTL);
    let (warm, cold) = outcome.kubectl.unzip();
    let row = |what: &str, peer: &str, kaiwo: Figure, figure: Option<Figure>, target: Target| Row {
        what: what.to_owned(),
        kaiwo: Some(kaiwo),
        peer: peer.to_owned(),
        figure,
        target,
        missing,
    };
    let trips = "sequential round trips of a submission";
    let far = "time of a submission from afar";
    let (mine, time) = (
        Figure::Trips(outcome.kaiwo.trips),
        Figure::Millis(millis(outcome.kaiwo.far)),
    );
    let trips_of = |fared: submit::Fared| Figure::Trips(fared.trips);
    let time_of = |fared: submit::Fared| Figure::Millis(millis(fared.far));
    let (apply, apply_cold) = ("`kubectl apply`", "`kubectl apply`, cold");
    vec![
        row(trips, apply, mine, warm.map(trips_of), Target::AtMost(7.0)),
        row(trips, apply_cold, mine, cold.map(trips_of), Target::Told),
        row(
            trips,
            "original kaiwo, cited",
            mine,
            Some(Figure::Trips(ORIGINAL_TRIPS)),
            Target::Told,
        ),
        row(far, apply, time, warm.map(time_of), Target::Told),
        row(far, apply_cold, time, cold.map(time_of), Target::Told),
    ]
}

/// Returns the line that says what was measured where.
fn context(kaiwo: &Program, kubectl: Option<&Kubectl>, kubernetes: &str) -> Result<String> {
    let cores = std::thread::available_parallelism()?;
    let version = kaiwo.run(["--version"])?.stdout;
    let kubectl = match kubectl {
        Some(kubectl) => format!("kubectl {}", kubectl.version),
        None => "no kubectl".to_owned(),
    };
    Ok(format!(
        "Measured on {cores} cores, {} {}: {}, {kubectl}, Kubernetes {kubernetes}.",
        std::env::consts::OS,
        std::env::consts::ARCH,
        version.trim(),
    ))
}

/// A testbed, stopped at the end if it was started here.
pub struct Started {
    pub testbed: Testbed,
    stop: Option<String>,
}

impl Started {
    pub fn up(name: &str, real_node: bool) -> Result<Self> {
        let options = testbed::Options {
            name: name.to_owned(),
            real_node: real_node.into(),
            ..testbed::Options::default()
        };
        let was_up = Testbed::find(name)?.is_some();
        Ok(Self {
            testbed: Testbed::up(&options)?,
            stop: (!was_up).then(|| name.to_owned()),
        })
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(name) = &self.stop
            && let Err(error) = Testbed::down(name)
        {
            say(&format!("failed to stop testbed `{name}`: {error:#}"));
        }
    }
}

/// A directory that goes when its task ends.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(task: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("kaiwo-{task}-{}", std::process::id()));
        std::fs::create_dir_all(&path)
            .with_context(|| format!("failed to make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn say(text: &str) {
    // A closed stderr is no reason to stop.
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
}
