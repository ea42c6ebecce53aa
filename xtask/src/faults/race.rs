//! Several kaiwos at once: on one name, with the same and with different requests, and many beside one another.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};

use super::journal::Row;
use super::lab::{End, Lab, Ran, Space};
use super::point::{Findings, Reference};
use super::random::Random;
use super::scenario::{NAME, QUEUE, Scenario};
use super::state::State;
use super::tasks::Task;

/// Kaiwos of a race on one name.
const RUNNERS: usize = 8;
/// Rounds of each.
const ROUNDS: usize = 3;
/// Rounds in which two people change three services.
const ROUNDS_OF_TWO: usize = 50;
/// Workloads of the crowd, and how many are submitted at a time.
const CROWD: usize = 300;
const CROWD_AT_ONCE: usize = 24;
const SETTLING: Duration = Duration::from_secs(30);

/// Versions of a service that differ in everything that goes with it.
const VERSIONS: [&[&str]; 3] = [
    &[
        "-i",
        "registry/chat:1",
        "--port",
        "8080",
        "--autoscale=1-2",
        "--target-cpu=70",
        "--min-available",
        "1",
    ],
    &["-i", "registry/chat:2", "--port", "9090"],
    &[
        "-i",
        "registry/chat:3",
        "--port",
        "7070",
        "--min-available",
        "1",
    ],
];

fn serve(name: &str, version: usize) -> Vec<&str> {
    [&["serve", "-g", "0", "--name", name], VERSIONS[version]].concat()
}

/// Returns everything of this layer. `references` are commands that make something.
pub fn tasks<'a>(
    lab: &'a Lab,
    seed: u64,
    references: &[(&'a Scenario, &'a Reference)],
) -> Vec<Task<'a>> {
    let mut tasks = Vec::new();
    let mut add = |command: &str, fault: &'static str, rounds: usize, runs, run: RoundOf<'a>| {
        let run = std::sync::Arc::new(run);
        for round in 0..rounds {
            let key = format!("race/{command}/{fault}/{round}");
            let (command, run) = (command.to_owned(), run.clone());
            tasks.push(Task {
                key: key.clone(),
                layer: "race",
                command: command.clone(),
                fault: fault.to_owned(),
                runs,
                run: Box::new(move || {
                    let begun = Instant::now();
                    let findings = run(&mut Random::named(seed, &key))?;
                    Ok(Row {
                        key: key.clone(),
                        layer: "race".to_owned(),
                        command: command.clone(),
                        fault: fault.to_owned(),
                        runs,
                        passed: 0,
                        counts: findings.counts,
                        notes: findings.notes,
                        seconds: begun.elapsed().as_secs_f64(),
                    })
                }),
            });
        }
    };
    for (scenario, reference) in references {
        let (scenario, reference) = (*scenario, *reference);
        let run = move |_: &mut Random| equals(lab, scenario, reference);
        add(
            scenario.name,
            "the same at once",
            ROUNDS,
            RUNNERS,
            Box::new(run),
        );
    }
    add(
        "serve again",
        "different at once",
        ROUNDS,
        RUNNERS,
        Box::new(move |random| rivals(lab, random)),
    );
    add(
        "serve, rollback, delete",
        "at once",
        ROUNDS,
        6,
        Box::new(move |random| mixed(lab, random)),
    );
    add(
        "serve again",
        "two people, three services",
        ROUNDS_OF_TWO,
        6,
        Box::new(move |random| two(lab, random)),
    );
    add(
        "submit Job",
        "300 at once",
        1,
        CROWD,
        Box::new(move |_| crowd(lab)),
    );
    tasks
}

type RoundOf<'a> = Box<dyn Fn(&mut Random) -> Result<Findings> + Send + Sync + 'a>;

/// Runs commands at once, each after a pause of its own.
fn at_once(space: &Space<'_>, commands: &[Vec<&str>], random: &mut Random) -> Result<Vec<Ran>> {
    let pauses: Vec<u64> = commands.iter().map(|_| random.below(150) as u64).collect();
    std::thread::scope(|scope| {
        let started: Vec<_> = commands
            .iter()
            .zip(pauses)
            .map(|(words, pause)| {
                scope.spawn(move || {
                    std::thread::sleep(Duration::from_millis(pause));
                    space.kaiwo(words)
                })
            })
            .collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<Ran>>| {
            thread
                .join()
                .map_err(|_| anyhow!("a thread of xtask has panicked"))?
        };
        started.into_iter().map(join).collect()
    })
}

fn observed(rans: &[Ran], findings: &mut Findings) {
    for ran in rans {
        findings.ran("a run", ran);
    }
}

fn codes(rans: &[Ran], allowed: &[i32], findings: &mut Findings) {
    for ran in rans {
        if let End::Exited(code) = ran.end
            && !allowed.contains(&code)
        {
            findings.counts.codes += 1;
            findings.note(format!("exit code {code}: {}", ran.stderr));
        }
    }
}

/// One submission, however many submit it.
fn equals(lab: &Lab, scenario: &Scenario, reference: &Reference) -> Result<Findings> {
    let mut findings = Findings::default();
    let space = lab.space()?;
    for words in scenario.before {
        space.must(words)?;
    }
    let commands = vec![scenario.command.to_vec(); RUNNERS];
    let rans = at_once(&space, &commands, &mut Random::new(0))?;
    observed(&rans, &mut findings);
    codes(&rans, &[0], &mut findings);
    let created = rans.iter().filter(|ran| ran.says(" created")).count();
    if scenario.before.is_empty() && created != 1 {
        findings.untrue(format!("{created} of {RUNNERS} say \"created\""));
    }
    let state = settle(&space, |state| *state == reference.end)?;
    judge(&state, &[&reference.end], &mut findings);
    left(&space, &reference.left, &mut findings)?;
    Ok(findings)
}

/// Returns what is served by a version, as it is where nobody disturbs.
fn versions(lab: &Lab, name: &str) -> Result<Vec<State>> {
    static KNOWN: Mutex<Vec<(String, Vec<State>)>> = Mutex::new(Vec::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, states)) = known.iter().find(|(of, _)| of == name) {
        return Ok(states.clone());
    }
    let mut states = Vec::new();
    for version in 0..VERSIONS.len() {
        let space = lab.space()?;
        space.must(&serve(name, version))?;
        states.push(State::read(&space)?.of_service(name));
    }
    known.push((name.to_owned(), states.clone()));
    Ok(states)
}

/// Different changes of one service: one of them wins.
fn rivals(lab: &Lab, random: &mut Random) -> Result<Findings> {
    let mut findings = Findings::default();
    let versions = versions(lab, NAME)?;
    let space = lab.space()?;
    space.must(&serve(NAME, 0))?;
    let asked: Vec<usize> = (0..RUNNERS).map(|_| random.below(VERSIONS.len())).collect();
    let commands: Vec<Vec<&str>> = asked.iter().map(|version| serve(NAME, *version)).collect();
    let rans = at_once(&space, &commands, random)?;
    observed(&rans, &mut findings);
    codes(&rans, &[0, 5], &mut findings);
    let done = asked
        .iter()
        .zip(&rans)
        .filter(|(_, ran)| ran.end == End::Exited(0));
    let wanted: Vec<&State> = done.map(|(version, _)| &versions[*version]).collect();
    let state = settle(&space, |state| wanted.contains(&&state.of_service(NAME)))?;
    judge(&state.of_service(NAME), &wanted, &mut findings);
    left(&space, &State::default(), &mut findings)?;
    Ok(findings)
}

/// Three services, which two people change at once.
fn two(lab: &Lab, random: &mut Random) -> Result<Findings> {
    const SERVICES: [&str; 3] = ["a", "b", "c"];
    let mut findings = Findings::default();
    let space = lab.space()?;
    for name in SERVICES {
        space.must(&serve(name, 0))?;
    }
    let (mut commands, mut asked) = (Vec::new(), Vec::new());
    for version in [1, 2] {
        for name in SERVICES {
            commands.push(serve(name, version));
            asked.push((name, version));
        }
    }
    let rans = at_once(&space, &commands, random)?;
    observed(&rans, &mut findings);
    codes(&rans, &[0, 5], &mut findings);
    for name in SERVICES {
        let versions = versions(lab, name)?;
        let done = asked
            .iter()
            .zip(&rans)
            .filter(|((of, _), ran)| *of == name && ran.end == End::Exited(0));
        let wanted: Vec<&State> = done.map(|((_, version), _)| &versions[*version]).collect();
        let state = settle(&space, |state| wanted.contains(&&state.of_service(name)))?;
        judge(&state.of_service(name), &wanted, &mut findings);
    }
    Ok(findings)
}

/// Serves, goes back and deletes at once: what is left is whole, or nothing.
fn mixed(lab: &Lab, random: &mut Random) -> Result<Findings> {
    let mut findings = Findings::default();
    let versions = versions(lab, NAME)?;
    let space = lab.space()?;
    space.must(&serve(NAME, 0))?;
    space.must(&serve(NAME, 1))?;
    let (back, delete) = (["serve", "--rollback", NAME], ["delete", NAME, "-y"]);
    let commands = [
        serve(NAME, 2),
        back.to_vec(),
        delete.to_vec(),
        serve(NAME, 1),
        back.to_vec(),
        delete.to_vec(),
    ];
    let rans = at_once(&space, &commands, random)?;
    observed(&rans, &mut findings);
    codes(&rans, &[0, 3, 5], &mut findings);
    let none = State::default();
    let wanted: Vec<&State> = versions.iter().chain([&none]).collect();
    let state = settle(&space, |state| wanted.contains(&&state.of_service(NAME)))?;
    judge(&state.of_service(NAME), &wanted, &mut findings);
    left(&space, &State::default(), &mut findings)?;
    Ok(findings)
}

/// Many workloads at once in one namespace.
fn crowd(lab: &Lab) -> Result<Findings> {
    let mut findings = Findings::default();
    let space = lab.space()?;
    let next = std::sync::atomic::AtomicUsize::new(0);
    let rans = Mutex::new(Vec::new());
    super::tasks::side_by_side(CROWD_AT_ONCE, || {
        loop {
            let number = next.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            if number >= CROWD {
                return Ok(());
            }
            let name = format!("crowd-{number}");
            let ran = space.kaiwo(&[
                "submit", "-p", "hello", "-g", "1", "--name", &name, "-q", QUEUE,
            ])?;
            rans.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(ran);
        }
    })?;
    let rans = rans.into_inner().unwrap_or_else(PoisonError::into_inner);
    observed(&rans, &mut findings);
    codes(&rans, &[0], &mut findings);
    let state = State::read(&space)?;
    let done = rans.iter().filter(|ran| ran.end == End::Exited(0)).count();
    if state.workloads() != done {
        findings.counts.wrong += 1;
        findings.note(format!(
            "{} Jobs, and {done} submissions that succeeded",
            state.workloads()
        ));
    }
    for name in state.ownerless() {
        findings.counts.orphans += 1;
        findings.note(format!("{name} has no owner"));
    }
    Ok(findings)
}

/// Returns the state once it is as it should be, or the last one seen.
fn settle(space: &Space<'_>, holds: impl Fn(&State) -> bool) -> Result<State> {
    let mut state = State::default();
    space.lab().wait_for(SETTLING, || {
        state = State::read(space)?;
        Ok(holds(&state))
    })?;
    Ok(state)
}

fn judge(state: &State, wanted: &[&State], findings: &mut Findings) {
    if wanted.contains(&state) {
        return;
    }
    findings.counts.wrong += 1;
    match wanted.last() {
        Some(last) => findings.note(format!(
            "the end is none of {} that were asked for: {}",
            wanted.len(),
            state.differences(last).join("; ")
        )),
        None => findings.note("nobody succeeded".to_owned()),
    }
}

/// Deletes what there is, and looks whether anything stays but the queue and what is to be kept.
fn left(space: &Space<'_>, kept: &State, findings: &mut Findings) -> Result<()> {
    space
        .must(&["delete", NAME, "-y", "--ignore-not-found"])
        .context("after a race")?;
    let beyond = |state: &State| state.clone().without_queue().beyond(kept);
    let state = settle(space, |state| beyond(state).is_empty())?;
    for name in beyond(&state) {
        findings.counts.orphans += 1;
        findings.note(format!("after delete there is still {name}"));
    }
    Ok(())
}
