//! An API server that goes away, and comes back or does not.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use serde_json::json;

use super::logs::{job, pod};
use super::server::{Answer, MockApi, healthy, list};
use super::signals::SERVE;
use super::store::Store;
use super::trouble::is;
use crate::common::Outcome;
use crate::common::relay::Relay;

/// How long it is away in the middle of a command.
const AWAY: Duration = Duration::from_millis(100);

/// Runs kaiwo, and calls `then` as soon as it has said `words`.
fn run_until(api: &MockApi, arguments: &[&str], words: &str, then: impl Fn()) -> Outcome {
    let mut child = api
        .sandbox
        .command(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = String::new();
    let mut reader = BufReader::new(child.stderr.take().unwrap());
    while !stderr.lines().any(|line| line.contains(words)) {
        let read = reader.read_line(&mut stderr).unwrap();
        assert!(read > 0, "it has not said {words:?}:\n{stderr}");
    }
    then();
    std::io::Read::read_to_string(&mut reader, &mut stderr).unwrap();
    let mut outcome = Outcome::of(child.wait_with_output().unwrap());
    outcome.stderr = stderr;
    outcome
}

#[test]
fn what_is_refused_is_tried_again_until_somebody_is_there() {
    for command in [
        &["list"][..],
        &["submit", "-p", "w", "-g", "8"],
        &["queues"],
        &["delete", "--all", "-y"],
    ] {
        let api = MockApi::new(|_| None);
        let relay = api.relayed();
        relay.close();
        let arguments = [command, &["-v"]].concat();
        let said = "GET /apis, retrying in ";
        let _ = run_until(&api, &arguments, said, || relay.open()).exits(0);
    }
}

#[test]
fn it_is_said_once_that_nobody_is_there() {
    let api = MockApi::new(|_| None);
    let relay = api.relayed();
    relay.close();
    let submit = ["submit", "-p", "w", "-g", "8"];
    let said = format!(
        "cannot reach http://{}: Connection refused; retrying for up to 30 s",
        relay.address()
    );
    let outcome = run_until(&api, &submit, &said, || relay.open()).exits(0);
    assert_eq!(outcome.stderr.matches("cannot reach").count(), 1);
    relay.close();
    let quiet = [&submit[..], &["--quiet", "--request-timeout", "1"]].concat();
    let outcome = api.sandbox.kaiwo(&quiet).exits(7);
    assert!(!outcome.stderr.contains("trying"), "{outcome:?}");
}

#[test]
fn a_server_that_stays_away_is_given_up() {
    let api = MockApi::new(|_| None);
    let relay = api.relayed();
    relay.close();
    let end = format!(
        "error: cannot reach the cluster at http://{}, after 2 s of retries\n",
        relay.address()
    );
    for command in [
        &["submit", "-p", "w", "-g", "8"][..],
        &["serve", "--rollback", "x"],
        &["list"],
        &["delete", "x", "-y"],
        &["exec", "x", "--", "true"],
        &["port-forward", "x", "8000"],
        &["logs", "x", "-f"],
        &["chat", "x", "hello"],
    ] {
        let command = [command, &["--request-timeout", "2"]].concat();
        let command = match command.iter().position(|word| *word == "--") {
            Some(_) => vec!["exec", "x", "--request-timeout", "2", "--", "true"],
            None => command,
        };
        let outcome = api.sandbox.kaiwo(&command).exits(7);
        let _ = outcome.says("retrying for up to 2 s").says(&end);
    }
    // Who needs it least does not wait for it.
    let outcome = api.sandbox.kaiwo(&["models"]).exits(0);
    let outcome = outcome.says("it cannot be reached");
    assert!(!outcome.stderr.contains("trying"), "{outcome:?}");
    let ask = ["__complete", "2", "--ask", "--within", "60000", "--"];
    let line = ["kaiwo", "status", ""];
    let outcome = api.sandbox.kaiwo(&[&ask[..], &line].concat()).exits(0);
    assert_eq!(
        (outcome.stdout, outcome.stderr),
        (String::new(), String::new())
    );
}

/// A cluster that goes away with the request of this number that is about
/// objects: with the answers that are on their way, before or after it was
/// carried out.
fn going_away(store: &Store, at: usize, after: bool) -> MockApi {
    let relay: Arc<OnceLock<Relay>> = Arc::default();
    let (store, away) = (store.clone(), relay.clone());
    let asked = Mutex::new(0);
    let api = MockApi::new(move |request| {
        let mut asked = asked.lock().unwrap();
        *asked += 1;
        let goes = *asked == at;
        if goes {
            let relay = away.wait().clone();
            relay.close();
            std::thread::spawn(move || {
                std::thread::sleep(AWAY);
                relay.open();
            });
        }
        match goes && !after {
            true => Some(Answer::Close),
            false => store.answer(request),
        }
    });
    relay.set(api.relayed()).ok().unwrap();
    api
}

/// Runs a command with the cluster going away at its first request, another time
/// at its second, and so on, and compares what is there in the end.
fn at_each_request(prepare: &[&[&str]], command: &[&str], left: &[&str]) {
    let store = Store::default();
    let run = |store: &Store, command: &[&str]| {
        let store = store.clone();
        let api = MockApi::new(move |request| store.answer(request));
        let _ = api.sandbox.kaiwo(command).exits(0);
        api.requests().len()
    };
    for command in prepare {
        run(&store, command);
    }
    let requests = run(&store.copy(), command);
    assert!(requests > 5, "{requests}");
    let all: Vec<(usize, bool)> = (1..=requests)
        .flat_map(|at| [(at, false), (at, true)])
        .collect();
    for some in all.chunks(8) {
        std::thread::scope(|scope| {
            for (at, after) in some {
                scope.spawn(|| survives(&store.copy(), (*at, *after), command, left));
            }
        });
    }
}

fn survives(store: &Store, (at, after): (usize, bool), command: &[&str], left: &[&str]) {
    let api = going_away(store, at, after);
    let outcome = api.sandbox.kaiwo(&[command, &["-v"]].concat());
    let told = format!("at request {at}, answered: {after}\n{outcome:?}");
    assert_eq!(outcome.code, 0, "{told}");
    let workloads = ["deployments/alice-w", "jobs/alice-w"];
    let mut names = store.names();
    for name in &mut names {
        if !workloads.contains(&name.as_str()) {
            let owner = &store.object(name)["metadata"]["ownerReferences"][0]["uid"];
            let owns = |workload: &&str| store.object(workload)["metadata"]["uid"] == *owner;
            let is_owned = !owner.is_null() && workloads.iter().any(owns);
            assert!(is_owned, "{name} has no owner: {told}");
        }
        // Their names end with a digest.
        if name.starts_with("configmaps/") {
            name.truncate("configmaps/alice-w".len());
        }
    }
    assert_eq!(names, left, "{told}");
}

const SUBMIT: [&str; 5] = ["submit", "-p", "w", "-g", "8"];
const AGAIN: [&str; 9] = [
    "serve",
    "-p",
    "w",
    "-g",
    "0",
    "--port",
    "8000",
    "-i",
    "registry/chat:2",
];

#[test]
fn a_submission_survives_an_outage_at_each_request() {
    at_each_request(&[], &SUBMIT, &["configmaps/alice-w", "jobs/alice-w"]);
}

#[test]
fn a_service_survives_an_outage_at_each_request() {
    let all = [
        "configmaps/alice-w",
        "configmaps/alice-w",
        "services/alice-w",
        "deployments/alice-w",
    ];
    at_each_request(&[], &SERVE, &all);
}

/// A service with an upload, and two versions.
const UPDATED: [&str; 5] = [
    "configmaps/alice-w",
    "configmaps/alice-w",
    "configmaps/alice-w",
    "services/alice-w",
    "deployments/alice-w",
];

#[test]
fn an_update_survives_an_outage_at_each_request() {
    at_each_request(&[&SERVE], &AGAIN, &UPDATED);
}

#[test]
fn a_rollback_survives_an_outage_at_each_request() {
    let back = ["serve", "--rollback", "alice-w"];
    at_each_request(&[&SERVE, &AGAIN], &back, &UPDATED);
}

#[test]
fn a_deletion_survives_an_outage_at_each_request() {
    at_each_request(&[&SERVE], &["delete", "alice-w", "-y"], &[]);
}

#[test]
fn clearing_up_survives_an_outage() {
    let store = Store::default();
    let relay: Arc<OnceLock<Relay>> = Arc::default();
    let (stored, away) = (store.clone(), relay.clone());
    let mut answers = true;
    let api = MockApi::new(move |request| {
        if is(request, "POST", "/jobs") && !request.is_dry_run() {
            return Some(Answer::Refuse(500, "etcd is full"));
        }
        let answer = stored.answer(request);
        if request.method == "GET"
            && request.path.contains("/configmaps/")
            && std::mem::take(&mut answers)
        {
            let relay = away.wait().clone();
            relay.close();
            std::thread::spawn(move || {
                std::thread::sleep(AWAY);
                relay.open();
            });
        }
        answer
    });
    relay.set(api.relayed()).ok().unwrap();
    let outcome = api.submit(&["-g", "8"]).exits(7);
    let _ = outcome
        .says("note: removed: configmap/alice-w-")
        .says("note: nothing of this submission is left");
    assert_eq!(store.names(), [] as [&str; 0]);
}

/// Serves in a cluster that answers over a new connection each time, and takes
/// no more of them once it has this many requests to write (`dry` says which).
fn refusing_after(dry: bool, writes: usize) -> Outcome {
    let store = Store::default();
    let relay: Arc<OnceLock<Relay>> = Arc::default();
    let away = relay.clone();
    let mut left = writes;
    let api = MockApi::new(move |request| {
        let answer = store.answer(request).unwrap_or_else(|| healthy(request));
        if request.method == "POST" && request.is_dry_run() == dry {
            left -= 1;
            if left == 0 {
                away.wait().refuse();
            }
        }
        Some(answer.closing())
    });
    relay.set(api.relayed()).ok().unwrap();
    let serve = ["serve", "-i", "x", "-g", "0", "--name", "a", "--port", "80"];
    let outcome = api
        .sandbox
        .kaiwo(&[&serve[..], &["--request-timeout", "2"]].concat());
    let lines = api.writes();
    assert!(
        lines.iter().all(|line| !line.ends_with("/deployments")),
        "{lines:?}"
    );
    outcome
}

#[test]
fn what_was_never_sent_is_not_said_to_be_left() {
    // Service and Deployment, whose rehearsal is the last that is answered.
    let outcome = refusing_after(true, 2).exits(7);
    let _ = outcome.says("note: nothing of this submission is left\n");
    // The Service is made, and neither the Deployment nor its removal arrives.
    let outcome = refusing_after(false, 1).exits(6);
    let _ = outcome
        .says("note: cannot remove service/a: cannot reach the cluster")
        .says("help: remove what is left: kubectl -n kaiwo delete service/a\n");
}

/// Returns the first line on stderr that ends like this.
fn line_that_ends(stderr: &mut impl BufRead, end: &str) -> String {
    let mut said = String::new();
    loop {
        let mut line = String::new();
        assert!(
            stderr.read_line(&mut line).unwrap() > 0,
            "{end:?} after:\n{said}"
        );
        if line.trim_end().ends_with(end) {
            return line.trim_end().to_owned();
        }
        said += &line;
    }
}

#[test]
fn all_that_follow_say_the_same_of_an_outage() {
    for command in [
        &["wait", "job/x"][..],
        &["logs", "-f", "x"],
        &["status", "-w", "x"],
        &["list", "-w", "--any"],
        &["port-forward", "x", ":8000"],
    ] {
        let pods = "/api/v1/namespaces/kaiwo/pods";
        let api = MockApi::new(move |request| {
            let pod = pod("x-a", "a", json!({}));
            match request.path.strip_prefix(pods) {
                _ if request.query.contains("watch=true") => {
                    let head = b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n";
                    Some(Answer::Hold(head.to_vec()))
                }
                None if request.path.ends_with("/jobs/x") => Some(Answer::Json(200, job("x"))),
                Some("") => Some(Answer::Json(200, list(&[pod]))),
                Some("/x-a") => Some(Answer::Json(200, pod)),
                Some("/x-a/log") => {
                    let head = b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n";
                    Some(Answer::Hold(head.to_vec()))
                }
                None if request.path.ends_with("/events") => Some(Answer::Json(200, list(&[]))),
                _ => None,
            }
        });
        let relay = api.relayed();
        let mut child = api.sandbox.command(command);
        let mut child = child
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        while !api
            .requests()
            .iter()
            .any(|request| request.query.contains("watch=true"))
        {
            assert!(child.try_wait().unwrap().is_none(), "{command:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
        relay.close();
        let lost = line_that_ends(&mut stderr, "; retrying for up to 10 min");
        let cluster = format!("→ cannot reach the cluster at http://{}", relay.address());
        assert!(lost.starts_with(&cluster), "{command:?}: {lost}");
        relay.open();
        let back = line_that_ends(&mut stderr, "again");
        assert_eq!(back, "→ the cluster is reachable again", "{command:?}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
