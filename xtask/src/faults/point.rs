//! One fault, done to one run of a command; what became of it, and of the same command again.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::fault::{Injection, Kind, Reach};
use super::journal::{Counts, Row};
use super::lab::{End, Lab, Ran, Space};
use super::scenario::{NAME, Scenario};
use super::state::State;
use super::tasks::Task;

/// How long what controllers do after a run may take: garbage is collected a little later.
const SETTLING: Duration = Duration::from_secs(20);

/// How a command goes that nothing disturbs.
pub struct Reference {
    /// How many requests it sends.
    pub requests: usize,
    before: State,
    pub end: State,
    pub left: State,
}

impl Reference {
    pub fn take(lab: &Lab, scenario: &Scenario) -> Result<Self> {
        let space = lab.space()?;
        for words in scenario.before {
            space.must(words)?;
        }
        let before = State::read(&space)?;
        let proxy = lab.proxy(None)?;
        let ran = space.through(&proxy, scenario.command)?;
        anyhow::ensure!(
            ran.end == End::Exited(0),
            "{} ended with {:?} although nothing was wrong:\n{}",
            scenario.name,
            ran.end,
            ran.stderr
        );
        let requests = proxy.asked().len();
        proxy.close();
        space.kaiwo(scenario.command)?;
        let end = settled(&space, scenario)?;
        space.must(&["delete", NAME, "-y", "--ignore-not-found"])?;
        let mut left = State::default();
        lab.wait_for(SETTLING, || {
            left = State::read(&space)?;
            Ok(left.workloads() == 0 && left.beyond(&end).is_empty())
        })?;
        // What goes with its owner goes a little later.
        std::thread::sleep(Duration::from_secs(2));
        let left = State::read(&space)?;
        Ok(Self {
            requests,
            before,
            end,
            left,
        })
    }
}

/// Returns the state once nothing is on its way out.
fn settled(space: &Space<'_>, scenario: &Scenario) -> Result<State> {
    let is_deleting = scenario.again.contains(&3);
    let mut last = State::read(space)?;
    space.lab().wait_for(SETTLING, || {
        std::thread::sleep(Duration::from_millis(700));
        let now = State::read(space)?;
        let stays = now == last && (!is_deleting || now.workloads() == 0);
        last = now;
        Ok(stays)
    })?;
    Ok(last)
}

/// A point of the kill table or the fault table.
pub struct Point<'a> {
    pub layer: &'static str,
    pub scenario: &'a Scenario,
    pub kind: &'a Kind,
    pub reach: Reach,
    /// The request, from 1.
    pub at: usize,
}

impl Point<'_> {
    pub fn key(&self) -> String {
        format!(
            "{}/{}/{}/{}/{}",
            self.layer,
            self.scenario.name,
            self.kind.word,
            self.reach.word(),
            self.at
        )
    }

    /// Returns the fault as the table calls it.
    pub fn fault(&self) -> String {
        match self.reach {
            Reach::Once => self.kind.word.to_owned(),
            Reach::Alike => format!("{}, this request for good", self.kind.word),
            Reach::Onward => format!("{}, for good", self.kind.word),
        }
    }

    pub fn run(&self, lab: &Lab, reference: &Reference) -> Result<Row> {
        let begun = Instant::now();
        let space = lab.space()?;
        for words in self.scenario.before {
            space.must(words)?;
        }
        let mut findings = Findings::default();
        let proxy = lab.proxy(Some(Injection {
            fault: self.kind.fault.clone(),
            at: self.at,
            reach: self.reach,
        }))?;
        let first = space.through(&proxy, self.scenario.command)?;
        let asked = proxy.asked();
        let met = proxy.has_met();
        proxy.close();
        findings.ran("first run", &first);
        self.judge_code(&first, met, &mut findings);
        if first.end != End::Killed && !self.kind.is_lie {
            self.judge_words(&space, &first, reference, &mut findings)?;
        }
        let again = space.kaiwo(self.scenario.command)?;
        findings.ran("same command again", &again);
        self.judge_end(&space, &again, reference, &mut findings)?;
        judge_left(&space, reference, &mut findings)?;
        let mut notes = findings.notes;
        if !notes.is_empty() {
            let request = asked.get(self.at - 1).map_or("none", String::as_str);
            notes.insert(
                0,
                format!("request {} of {}: {request}", self.at, asked.len()),
            );
            notes.push(format!(
                "first run: {:?}\n{}{}",
                first.end, first.stdout, first.stderr
            ));
            notes.push(format!(
                "again: {:?}\n{}{}",
                again.end, again.stdout, again.stderr
            ));
        }
        Ok(Row {
            key: self.key(),
            layer: self.layer.to_owned(),
            command: self.scenario.name.to_owned(),
            fault: self.fault(),
            runs: 1,
            passed: 0,
            counts: findings.counts,
            notes,
            seconds: begun.elapsed().as_secs_f64(),
        })
    }

    fn judge_code(&self, first: &Ran, met: bool, findings: &mut Findings) {
        let End::Exited(code) = first.end else { return };
        let allowed = match code {
            0 => true,
            _ if !met => false,
            6 => true,
            code => self.kind.codes.contains(&code) || self.scenario.codes.contains(&code),
        };
        if !allowed {
            findings.counts.codes += 1;
            findings.note(format!("exit code {code}, although {}", self.kind.word));
        }
    }

    /// Looks whether what a run says is so.
    fn judge_words(
        &self,
        space: &Space<'_>,
        first: &Ran,
        reference: &Reference,
        findings: &mut Findings,
    ) -> Result<()> {
        // Then a record is missing, and that is said.
        if first.says("this version cannot be kept") {
            return Ok(());
        }
        if first.end == End::Exited(0) {
            let state = awaited(space, |state| *state == reference.end)?;
            for difference in state.differences(&reference.end) {
                findings.untrue(format!("exit code 0, but {difference}"));
            }
            return Ok(());
        }
        if first.says("nothing of this submission is left") {
            let before = reference.before.clone().without_queue();
            let state = awaited(space, |state| state.clone().without_queue() == before)?;
            for difference in state.without_queue().differences(&before) {
                findings.untrue(format!("\"nothing is left\", but {difference}"));
            }
        }
        let after = |start: &str| {
            let lines = first.stderr.lines();
            lines
                .filter_map(|line| Some(line.split_once(start)?.1))
                .next()
        };
        if let Some(names) = after("note: removed: ") {
            let state = awaited(space, |state| {
                names.split(", ").all(|name| !state.has(name))
            })?;
            for name in names.split(", ").filter(|name| state.has(name)) {
                let was_there = reference.before.has(name);
                if !was_there {
                    findings.untrue(format!("\"removed: {name}\", but it is there"));
                }
            }
        }
        if let Some(command) = after("remove what is left: kubectl ") {
            let state = State::read(space)?;
            let is_object = |word: &&str| word.contains('/') && !word.starts_with('/');
            let names = command.split(' ').filter(is_object);
            for name in names.filter(|name| !state.has(name)) {
                findings.untrue(format!("\"what is left: {name}\", but it is not there"));
            }
        }
        Ok(())
    }

    /// Looks whether the same command again ends where a run ends that nothing disturbs.
    fn judge_end(
        &self,
        space: &Space<'_>,
        again: &Ran,
        reference: &Reference,
        findings: &mut Findings,
    ) -> Result<()> {
        match again.end {
            End::Exited(code) if self.scenario.again.contains(&code) => {}
            End::Exited(code) => {
                findings.counts.codes += 1;
                findings.note(format!(
                    "the same command again ended with exit code {code}"
                ));
            }
            _ => {}
        }
        let state = awaited(space, |state| *state == reference.end)?;
        let differences = state.differences(&reference.end);
        if !differences.is_empty() {
            findings.counts.wrong += 1;
            let is_claimed = again.end == End::Exited(0);
            findings.counts.untruths += usize::from(is_claimed);
        }
        for difference in differences {
            findings.note(format!("in the end {difference}"));
        }
        let more = state.workloads().saturating_sub(reference.end.workloads());
        if more > 0 {
            findings.counts.duplicates += more;
            findings.note(format!("{more} workloads too much"));
        }
        Ok(())
    }
}

/// Deletes the workload, and looks what is left of it.
fn judge_left(space: &Space<'_>, reference: &Reference, findings: &mut Findings) -> Result<()> {
    let deleted = space.kaiwo(&["delete", NAME, "-y", "--ignore-not-found"])?;
    findings.ran("delete", &deleted);
    if deleted.end != End::Exited(0) {
        findings.counts.codes += 1;
        findings.note(format!(
            "delete ended with {:?}: {}",
            deleted.end, deleted.stderr
        ));
    }
    let state = awaited(space, |state| state.beyond(&reference.left).is_empty())?;
    let left = state.beyond(&reference.left);
    if !left.is_empty() {
        findings.counts.orphans += left.len();
        findings.note(format!("after delete there is still {}", left.join(", ")));
    }
    Ok(())
}

/// Returns the state as soon as it is as it should be, or the last one seen.
fn awaited(space: &Space<'_>, holds: impl Fn(&State) -> bool) -> Result<State> {
    let mut state = State::default();
    space.lab().wait_for(SETTLING, || {
        state = State::read(space)?;
        Ok(holds(&state))
    })?;
    Ok(state)
}

/// What was found at a point.
#[derive(Default)]
pub struct Findings {
    pub counts: Counts,
    pub notes: Vec<String>,
}

impl Findings {
    pub fn note(&mut self, words: String) {
        self.notes.push(words);
    }

    pub fn untrue(&mut self, words: String) {
        self.counts.untruths += 1;
        self.note(words);
    }

    /// Counts what no run may do, whatever happens to it.
    pub fn ran(&mut self, which: &str, ran: &Ran) {
        if ran.has_panicked() {
            self.counts.panics += 1;
            self.note(format!("{which} panicked: {:?} {}", ran.end, ran.stderr));
        }
        if ran.has_leaked() {
            self.counts.leaks += 1;
            self.note(format!("{which} shows a secret"));
        }
        if ran.end == End::Hung {
            self.counts.hangs += 1;
            self.note(format!("{which} hung for {:.0} s", ran.took.as_secs_f64()));
        }
    }
}

/// Returns every point of a command.
pub fn tasks<'a>(
    lab: &'a Lab,
    layer: &'static str,
    kinds: &'a [Kind],
    scenario: &'a Scenario,
    reference: &'a Reference,
) -> Vec<Task<'a>> {
    let mut tasks = Vec::new();
    for kind in kinds {
        for reach in Reach::ALL {
            if reach != Reach::Once && !kind.lasts() {
                continue;
            }
            for at in 1..=reference.requests {
                let point = Point {
                    layer,
                    scenario,
                    kind,
                    reach,
                    at,
                };
                tasks.push(Task {
                    key: point.key(),
                    layer,
                    command: scenario.name.to_owned(),
                    fault: point.fault(),
                    runs: 1,
                    run: Box::new(move || point.run(lab, reference)),
                });
            }
        }
    }
    tasks
}
