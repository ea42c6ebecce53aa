//! `cargo xtask faults`: what faults, kills, broken input and races do to kaiwo, on the real API server of a testbed.
//!
//! ```text
//! scenario × fault × request -> proxy -> kaiwo -> the same command again -> state -> journal -> table
//! ```

mod fault;
mod inputs;
mod journal;
mod lab;
mod mutation;
mod point;
mod proxy;
mod race;
mod random;
mod scenario;
mod state;
mod table;
mod tasks;

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, ensure};

use crate::bench::{Scratch, Started};
use crate::cargo::{self, cargo};
use crate::checkout;
use crate::testbed::Testbed;
use fault::Kind;
use journal::Journal;
use lab::Lab;
use point::Reference;
use random::Random;
use scenario::Scenario;
use table::Table;
use tasks::Task;

/// Try what faults, kills, broken input and races do to kaiwo, and fail on anything that should not be
///
/// What was run is kept in target/faults, a file for each binary of kaiwo, and not run again: the same command continues
/// a run that was interrupted.
#[derive(Debug, clap::Args)]
pub struct Faults {
    /// Run only these
    #[arg(long, value_delimiter = ',', value_name = "LAYER")]
    only: Vec<Layer>,
    /// Run so much of it, in percent
    #[arg(long, default_value_t = 100.0, value_name = "PERCENT")]
    sample: f64,
    /// Decides which part that is
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only commands whose name contains this
    #[arg(long, value_name = "WORDS")]
    command: Option<String>,
    /// Points at once
    #[arg(long, default_value_t = 3, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=16))]
    at_once: u16,
    /// Forget what was run before
    #[arg(long)]
    anew: bool,
    /// Show the points and run none
    #[arg(long)]
    list: bool,
    /// Testbed to try it on; one that is not up is started, and stopped at the end
    #[arg(long, default_value = "faults", value_name = "NAME")]
    testbed: String,
    /// API server of another cluster to try it on, one that may be broken
    #[arg(long, conflicts_with = "testbed", value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Binary to try, instead of building one
    #[arg(long, value_name = "FILE")]
    kaiwo: Option<PathBuf>,
    /// Write a table for each layer into this file, in the form of docs/reliability.md
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Layer {
    /// kaiwo is killed, before and after each request
    Kill,
    /// Each request is met by each fault
    Fault,
    /// Files and answers are broken at random
    Mutate,
    /// Several kaiwos at once
    Race,
}

type References = HashMap<&'static str, Reference>;

impl Faults {
    pub fn run(self) -> Result<()> {
        if let Some(kubeconfig) = self.kubeconfig.clone() {
            return self.on(kubeconfig).map(drop);
        }
        let _claim = Testbed::claim(&self.testbed, "faults")?;
        let started = Started::up(&self.testbed, false)?;
        self.on(started.testbed.kubeconfig()).map(drop)
    }

    /// Runs a small part of everything on a testbed that is up, and returns how many points that were.
    pub fn slice(testbed: &Testbed, name: &str) -> Result<u32> {
        let slice = Self {
            only: Vec::new(),
            sample: SLICE,
            seed: 1,
            command: None,
            at_once: 3,
            anew: true,
            list: false,
            testbed: name.to_owned(),
            kubeconfig: None,
            kaiwo: None,
            table: None,
        };
        slice.on(testbed.kubeconfig())
    }

    fn on(&self, kubeconfig: PathBuf) -> Result<u32> {
        let scratch = Scratch::new("faults")?;
        let kaiwo = match &self.kaiwo {
            Some(binary) => std::path::absolute(binary)?,
            None => {
                let place = scratch.0.join("kaiwo");
                let mut cargo = cargo();
                cargo.arg("build");
                cargo::build(cargo, &place)?;
                place
            }
        };
        let lab = Lab::open(kaiwo.clone(), scratch.0.join("lab"), kubeconfig)?;
        let folder = Path::new(checkout()).join("target/faults");
        let journal = Journal::open(&folder, &kaiwo, self.anew)?;
        say(&format!(
            "seed {}, {} % of the points; the journal is {}",
            self.seed,
            self.sample,
            journal.path.display()
        ));
        let wanted = |scenario: &&Scenario| self.is_named(scenario.name);
        let scenarios: Vec<&Scenario> = scenario::ALL.iter().filter(wanted).collect();
        let needs_references = [Layer::Kill, Layer::Fault, Layer::Race];
        let references = match needs_references.iter().any(|layer| self.wants(*layer)) {
            true => self.references(&lab, &scenarios)?,
            false => References::new(),
        };
        let kinds = [("kill", fault::kills()), ("fault", fault::faults())];
        let tasks = self.tasks(&lab, &scenarios, &references, &kinds);
        let mut table = Table::default();
        for task in &tasks {
            table.possible(task.layer, &task.command, &task.fault, task.runs);
        }
        let tasks = self.sampled(tasks);
        if self.list {
            return tasks::list(&tasks).map(|()| 0);
        }
        tasks::run(&tasks, self.at_once.into(), &journal, &mut table)?;
        self.tell(&table, &journal)?;
        Ok(u32::try_from(tasks.len())?)
    }

    fn tell(&self, table: &Table, journal: &Journal) -> Result<()> {
        let text = table.markdown();
        write!(std::io::stdout(), "{text}")?;
        if let Some(file) = &self.table {
            std::fs::write(file, table.summary())?;
        }
        let wrong = table.wrong();
        ensure!(
            wrong == 0,
            "{wrong} findings; what was seen is in {}",
            journal.path.display()
        );
        Ok(())
    }

    fn wants(&self, layer: Layer) -> bool {
        self.only.is_empty() || self.only.contains(&layer)
    }

    fn is_named(&self, command: &str) -> bool {
        self.command
            .as_ref()
            .is_none_or(|words| command.contains(words))
    }

    /// Returns everything that is wanted.
    fn tasks<'a>(
        &self,
        lab: &'a Lab,
        scenarios: &[&'a Scenario],
        references: &'a References,
        kinds: &'a [(&'static str, Vec<Kind>); 2],
    ) -> Vec<Task<'a>> {
        let mut tasks = Vec::new();
        for ((word, kinds), layer) in kinds.iter().zip([Layer::Kill, Layer::Fault]) {
            if self.wants(layer) {
                for scenario in scenarios {
                    tasks.extend(point::tasks(
                        lab,
                        word,
                        kinds,
                        scenario,
                        &references[scenario.name],
                    ));
                }
            }
        }
        if self.wants(Layer::Mutate) {
            let inputs = inputs::tasks(lab, self.seed).into_iter();
            tasks.extend(inputs.filter(|task| self.is_named(&task.command)));
        }
        if self.wants(Layer::Race) {
            let makes = |scenario: &&&Scenario| scenario.before.is_empty();
            let makers = scenarios.iter().filter(makes);
            let pairs: Vec<_> = makers
                .map(|scenario| (*scenario, &references[scenario.name]))
                .collect();
            let races = race::tasks(lab, self.seed, &pairs).into_iter();
            tasks.extend(races.filter(|task| self.is_named(&task.command)));
        }
        tasks
    }

    /// Returns those that belong to the sample, a few of every layer in any case, in an order in which everything has its
    /// turn early.
    fn sampled<'a>(&self, mut tasks: Vec<Task<'a>>) -> Vec<Task<'a>> {
        let place = |task: &Task<'_>| Random::named(self.seed, &task.key).next();
        let belongs = |task: &Task<'_>| place(task) as f64 / u64::MAX as f64 * 100.0 <= self.sample;
        tasks.sort_by_key(place);
        let mut seen: HashMap<&'static str, usize> = HashMap::new();
        tasks.retain(|task| {
            let seen = seen.entry(task.layer).or_default();
            *seen += 1;
            *seen <= LEAST || belongs(task)
        });
        tasks
    }

    /// Runs each command once undisturbed.
    fn references(&self, lab: &Lab, scenarios: &[&Scenario]) -> Result<References> {
        let references = Mutex::new(References::new());
        let next = AtomicUsize::new(0);
        tasks::side_by_side(self.at_once.into(), || {
            while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::SeqCst)) {
                let reference = Reference::take(lab, scenario)?;
                say(&format!(
                    "{}: {} requests",
                    scenario.name, reference.requests
                ));
                let mut references = references.lock().unwrap_or_else(PoisonError::into_inner);
                references.insert(scenario.name, reference);
            }
            Ok(())
        })?;
        Ok(references
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner))
    }
}

/// Percent of everything that the tests have time for.
const SLICE: f64 = 0.2;
/// Points of every layer, however small the sample.
const LEAST: usize = 3;

fn say(text: &str) {
    // A closed stderr is no reason to stop.
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
}
