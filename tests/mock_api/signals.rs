//! What ends a command from outside: Ctrl-C, what CI sends, a terminal that is
//! closed.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::server::{Answer, MockApi};
use super::store::Store;
use super::trouble::is;
use crate::common::{Outcome, skip};

/// Signals, with the exit code that says so and the words for it.
const SIGNALS: [(&str, i32, &str); 3] = [
    ("-INT", 130, "error: interrupted"),
    ("-TERM", 143, "error: interrupted by SIGTERM"),
    ("-HUP", 129, "error: interrupted by SIGHUP"),
];

fn wait_for(what: impl Fn() -> bool) {
    while !what() {
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn start(api: &MockApi, arguments: &[&str]) -> Child {
    api.sandbox
        .command(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn kill(signal: &str, children: &[&Child]) {
    let mut kill = Command::new("kill");
    kill.arg(signal);
    kill.args(children.iter().map(|child| child.id().to_string()));
    assert!(kill.status().unwrap().success());
}

/// Runs a command and sends it a signal when this is so.
fn ended(api: &MockApi, arguments: &[&str], signal: &str, when: impl Fn() -> bool) -> Outcome {
    let child = start(api, arguments);
    wait_for(when);
    kill(signal, &[&child]);
    Outcome::of(child.wait_with_output().unwrap())
}

/// Returns the signals that a process deals with (`SigCgt`), or ignores.
fn mask(child: &Child, kind: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix(kind));
    u64::from_str_radix(mask.unwrap().trim(), 16).unwrap()
}

const HANGUP: u64 = 1 << 0;
const TERMINATE: u64 = 1 << 14;

#[test]
fn every_command_ends_with_the_code_of_the_signal() {
    let json = |command: &[&'static str]| [command, &["-o", "json"]].concat();
    for command in [
        json(&["submit", "-p", "w", "-g", "8"]),
        json(&["serve", "-p", "w", "-g", "0"]),
        json(&["serve", "--rollback", "x"]),
        json(&["list"]),
        vec!["list", "-w"],
        json(&["status", "x"]),
        vec!["status", "x", "-w"],
        json(&["why", "x"]),
        json(&["delete", "x", "-y"]),
        json(&["wait", "x"]),
        json(&["queues"]),
        json(&["top"]),
        vec!["logs", "x", "-f"],
        vec!["exec", "x", "--", "true"],
        vec!["port-forward", "x", "8000"],
        vec!["chat", "x", "hello"],
        vec!["endpoint", "x"],
    ] {
        for (signal, code, words) in SIGNALS {
            let api = MockApi::new(|_| Some(Answer::Hang));
            let asked = || !api.requests().is_empty();
            let outcome = ended(&api, &command, signal, asked);
            assert_eq!(outcome.code, code, "{command:?} {signal} {outcome:?}");
            let line = format!("{words}\n");
            assert!(outcome.stderr.contains(&line), "{command:?} {outcome:?}");
            let done = match command[..] {
                ["submit", ..] | ["serve", "-p", ..] => "note: nothing was submitted\n",
                ["serve", ..] => "note: nothing was changed\n",
                ["delete", ..] => "note: nothing was deleted\n",
                _ => "",
            };
            assert!(outcome.stderr.contains(done), "{command:?} {outcome:?}");
            if command.contains(&"json") {
                let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
                assert_eq!(report["class"], "interrupted");
                assert_eq!(report["code"], code);
            }
        }
    }
}

/// A cluster that keeps what it is given and never answers a request of this
/// method and path, which it does not carry out.
fn holding(method: &'static str, kind: &'static str) -> (MockApi, Store) {
    let store = Store::default();
    let kept = store.clone();
    let api = MockApi::new(move |request| {
        let held = is(request, method, kind) && !request.is_dry_run();
        held.then_some(Answer::Hang)
            .or_else(|| kept.answer(request))
    });
    (api, store)
}

fn is_asked(api: &MockApi, method: &str, kind: &str) -> bool {
    let writes = api.writes();
    let mut words = writes.iter().map(|line| line.split_once(' ').unwrap());
    words.any(|(verb, path)| verb == method && path.ends_with(kind))
}

/// Serves a port from the directory `w`.
pub(super) const SERVE: [&str; 9] = [
    "serve",
    "-p",
    "w",
    "-g",
    "0",
    "--port",
    "8000",
    "-i",
    "registry/chat:1",
];

#[test]
fn every_signal_clears_up() {
    for (signal, code, words) in SIGNALS {
        let submit = ["submit", "-p", "w", "-g", "8"];
        for (command, kind) in [(&submit[..], "/jobs"), (&SERVE[..], "/deployments")] {
            let (api, store) = holding("POST", kind);
            let held = || is_asked(&api, "POST", kind) && !store.names().is_empty();
            let outcome = ended(&api, command, signal, held).exits(code);
            let _ = outcome
                .says(words)
                .says("interrupted: cleaning up; interrupt again to stop\n")
                .says("note: removed: ")
                .says("/alice-w may still appear: the request was sent but not answered");
            assert_eq!(store.names(), [] as [&str; 0], "{signal}");
        }
    }
}

#[test]
fn an_update_that_is_ended_removes_what_it_made() {
    let (api, store) = holding("PUT", "/deployments/alice-w");
    let _ = api.sandbox.kaiwo(&SERVE).exits(0);
    let before = store.names();
    let again = [&SERVE[..8], &["registry/chat:2"]].concat();
    let put = || is_asked(&api, "PUT", "/deployments/alice-w");
    let outcome = ended(&api, &again, "-TERM", put)
        .exits(143)
        .says("note: deployment/alice-w may have been changed\n")
        .says("help: check its current state: kaiwo status deployment/alice-w -n kaiwo\n");
    // It may refer to the version that is kept, even if no answer says so.
    assert_eq!(store.names().len(), before.len() + 1, "{outcome:?}");
}

#[test]
fn a_second_signal_ends_the_clearing_up() {
    let store = Store::default();
    let kept = store.clone();
    let api = MockApi::new(move |request| {
        let held = is(request, "POST", "/jobs") && !request.is_dry_run();
        let held = held || request.method == "DELETE";
        held.then_some(Answer::Hang)
            .or_else(|| kept.answer(request))
    });
    let mut child = start(&api, &["submit", "-p", "w", "-g", "8", "-o", "json"]);
    wait_for(|| is_asked(&api, "POST", "/jobs") && !store.names().is_empty());
    kill("-TERM", &[&child]);
    wait_for(|| api.requests().iter().any(|r| r.method == "DELETE"));
    // As long as it may count as the same one, nothing happens.
    while child.try_wait().unwrap().is_none() {
        let _ = Command::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .stderr(Stdio::null())
            .status();
        std::thread::sleep(Duration::from_millis(100));
    }
    let outcome = Outcome::of(child.wait_with_output().unwrap()).exits(143);
    let outcome = outcome
        .says("note: cleanup was interrupted, so these may be left: job/alice-w configmap/")
        .says("help: remove it with: kubectl -n kaiwo delete --ignore-not-found job/alice-w conf");
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["class"], "interrupted");
}

/// `timeout` sends its signal to the process and to its group.
#[test]
fn two_signals_at_once_are_one() {
    let (api, store) = holding("POST", "/jobs");
    let child = start(&api, &["submit", "-p", "w", "-g", "8"]);
    wait_for(|| is_asked(&api, "POST", "/jobs") && !store.names().is_empty());
    kill("-TERM", &[&child, &child, &child]);
    let outcome = Outcome::of(child.wait_with_output().unwrap()).exits(143);
    assert_eq!(store.names(), [] as [&str; 0], "{outcome:?}");
}

#[test]
fn a_wait_that_is_ended_deletes_nothing() {
    for (signal, code, words) in SIGNALS {
        let (api, store) = holding("GET", "/never");
        let submit = ["submit", "-p", "w", "-g", "8", "--wait"];
        let stored = || !store.object("jobs/alice-w").is_null();
        // It is waited for once it is read again.
        let waits = || {
            let read = |r: &super::server::Request| is(r, "GET", "/jobs/alice-w");
            stored() && api.requests().iter().filter(|r| read(r)).count() > 1
        };
        let outcome = ended(&api, &submit, signal, waits).exits(code);
        let _ = outcome
            .says(&format!("{words}; job/alice-w continues\n"))
            .says("help: resume waiting: kaiwo wait job/alice-w -n kaiwo\n")
            .says("help: delete it: kaiwo delete job/alice-w -n kaiwo\n");
        assert!(stored());
    }
}

#[test]
fn a_deletion_that_is_ended_says_that_it_goes_on() {
    let (api, store) = holding("DELETE", "/jobs/alice-w");
    let _ = api.submit(&["-g", "8"]).exits(0);
    let asked = || is_asked(&api, "DELETE", "/jobs/alice-w");
    let delete = ["delete", "alice-w", "-y"];
    let _ = ended(&api, &delete, "-HUP", asked).exits(129).says(
        "note: deletions that have begun continue; run the same command again for the rest\n",
    );
    assert!(!store.object("jobs/alice-w").is_null());
}

#[test]
fn what_blocks_is_ended() {
    for (signal, code, words) in SIGNALS {
        let api = MockApi::new(|_| None);
        let mut chat = api.sandbox.command(&["chat", "x", "-"]);
        chat.stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = chat.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"a prompt without an end").unwrap();
        wait_for(|| mask(&child, "SigCgt:") & TERMINATE != 0);
        kill(signal, &[&child]);
        let outcome = Outcome::of(child.wait_with_output().unwrap()).exits(code);
        let _ = outcome.says(&format!("{words}\n"));
        drop(stdin);
    }
}

#[test]
fn a_plugin_that_runs_is_ended_too() {
    let api = MockApi::new(|_| None);
    let file = api.sandbox.path("plugin.pid");
    let pid = || std::fs::read_to_string(&file).unwrap_or_default();
    let command = format!("echo $$ > {}; exec sleep 3600", file.display());
    api.sandbox.write(
        "kubeconfig",
        format!(
            "{{apiVersion: v1, kind: Config, current-context: c, \
             clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:1'}}}}], \
             contexts: [{{name: c, context: {{cluster: c, user: u}}}}], \
             users: [{{name: u, user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, \
             interactiveMode: Never, command: sh, args: [-c, '{command}']}}}}}}]}}"
        ),
    );
    let runs = || pid().ends_with('\n');
    let _ = ended(&api, &["list"], "-TERM", runs).exits(143);
    let plugin = format!("/proc/{}/stat", pid().trim());
    let is_gone = || match std::fs::read_to_string(&plugin) {
        // Nobody may have asked how it ended.
        Ok(stat) => stat.contains(") Z "),
        Err(_) => true,
    };
    wait_for(is_gone);
}

/// As `nohup` starts it.
#[test]
fn a_signal_that_is_ignored_stays_so() {
    if !Path::new("/proc/self/status").exists() {
        return skip("no /proc tells which signals are ignored");
    }
    let api = MockApi::new(|_| Some(Answer::Hang));
    let line = format!("trap '' HUP; exec {} list", env!("CARGO_BIN_EXE_kaiwo"));
    let mut bash = api.sandbox.shell(&line);
    let child = bash.stderr(Stdio::piped()).spawn().unwrap();
    wait_for(|| !api.requests().is_empty());
    assert_ne!(mask(&child, "SigIgn:") & HANGUP, 0);
    kill("-HUP", &[&child]);
    kill("-TERM", &[&child]);
    let _ = Outcome::of(child.wait_with_output().unwrap()).exits(143);
}

/// Nobody is left to tell, and what was made is removed all the same.
#[test]
fn a_terminal_that_is_closed_leaves_nothing() {
    let (api, store) = holding("POST", "/jobs");
    let line = format!(
        "exec script -qec '{} submit -p w -g 8 -vv' /dev/null",
        env!("CARGO_BIN_EXE_kaiwo")
    );
    let mut shell = api.sandbox.shell(&line);
    shell.stdout(Stdio::null()).stderr(Stdio::null());
    shell.current_dir(api.sandbox.path(""));
    let Ok(mut terminal) = shell.spawn() else {
        return skip("script is not installed");
    };
    wait_for(|| is_asked(&api, "POST", "/jobs") && !store.names().is_empty());
    kill("-KILL", &[&terminal]);
    terminal.wait().unwrap();
    wait_for(|| store.names().is_empty());
}
