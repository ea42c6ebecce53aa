//! What people type who come from other programs, line by line from a file, and whether
//! what they are told can be typed in turn.

use clap::CommandFactory as _;
use kaiwo::cli::Cli;
use serde_json::{Value, json};

use super::server::{Answer, MockApi, Request, list};
use crate::common::{Outcome, commands};

const LINES: &str = include_str!("newcomer.txt");

/// Collections of which the cluster has nothing.
const NONE: [&str; 10] = [
    "jobs",
    "/events",
    "/configmaps",
    "/services",
    "/horizontalpodautoscalers",
    "/ingresses",
    "/poddisruptionbudgets",
    "/persistentvolumeclaims",
    "/replicasets",
    "services",
];

fn workload(name: &str, spec: Value) -> Value {
    json!({
        "metadata": {
            "name": name, "namespace": "kaiwo", "uid": format!("uid-of-{name}"),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app.kubernetes.io/managed-by": "kaiwo", "kaiwo-cli/username": "alice"},
        },
        "spec": spec, "status": {},
    })
}

fn jobs() -> [Value; 2] {
    ["low", "train"].map(|name| workload(name, json!({"suspend": true})))
}

fn web() -> Value {
    workload(
        "web",
        json!({"replicas": 1, "selector": {"matchLabels": {"app": "web"}}}),
    )
}

fn small(request: &Request) -> Option<Answer> {
    let answer = match request.path.strip_prefix("/api")? {
        "s/batch/v1/namespaces/kaiwo/jobs" => list(&jobs()),
        "s/batch/v1/namespaces/kaiwo/jobs/low" => jobs()[0].clone(),
        "s/batch/v1/namespaces/kaiwo/jobs/train" => jobs()[1].clone(),
        "s/apps/v1/namespaces/kaiwo/deployments" => list(&[web()]),
        "s/apps/v1/namespaces/kaiwo/deployments/web" => web(),
        "/v1/nodes" => list(&[json!({
            "metadata": {"name": "gpu-1"},
            "status": {"allocatable": {"cpu": "64", "memory": "512Gi", "amd.com/gpu": "8"}},
        })]),
        "/v1/pods" => list(&[json!({
            "metadata": {"name": "other-0", "namespace": "ml"},
            "spec": {"nodeName": "gpu-1", "containers": [
                {"name": "c", "resources": {"requests": {"amd.com/gpu": "8"}}},
            ]},
        })]),
        path if NONE.iter().any(|kind| path.ends_with(kind)) => list(&[]),
        _ => return None,
    };
    Some(Answer::Json(200, answer))
}

/// Returns what is wrong with an answer.
fn wrong(outcome: &Outcome, code: i32, words: &str) -> Option<String> {
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    let missing = words.split(" ;; ").find(|words| !said.contains(words));
    let untypable = commands::in_text(&outcome.stderr)
        .into_iter()
        .find_map(|line| commands::wrong(&line));
    let why = match (outcome.code == code, missing, untypable) {
        (false, ..) => format!("exits with {}", outcome.code),
        (_, Some(missing), _) => format!("lacks {missing:?}"),
        (_, _, Some(untypable)) => untypable,
        _ => return None,
    };
    Some(format!("{why}\n{said}"))
}

#[test]
fn newcomers_are_understood_or_told() {
    let api = MockApi::new(small);
    let mut tried = 0;
    let mut found = Vec::new();
    for line in LINES
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let [typed, code, words] = line.split(" | ").collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        tried += 1;
        let arguments: Vec<&str> = typed.split(' ').skip(1).collect();
        let outcome = api.sandbox.kaiwo(&arguments);
        let wrong = wrong(&outcome, code.parse().unwrap(), words);
        found.extend(wrong.map(|wrong| format!("{typed}: {wrong}")));
    }
    assert!(tried > 120, "the file is read: {tried}");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Returns the suggested commands that do not act as the user that was typed.
fn astray(outcome: &Outcome) -> Vec<String> {
    let own = commands::in_text(&outcome.stderr).into_iter();
    let own = own.filter(|line| {
        let takes_user = commands::words(line).get(1).is_some_and(|word| {
            let cli = Cli::command();
            let command = cli.find_subcommand(word);
            let mut arguments = command.into_iter().flat_map(clap::Command::get_arguments);
            arguments.any(|argument| argument.get_id() == "as_user")
        });
        takes_user && !line.ends_with(" --help")
    });
    let lines = outcome.stderr.lines();
    let others = lines.filter_map(|line| line.split_once(": kubectl "));
    let others = others.map(|(_, line)| format!("kubectl {line}"));
    let all = own.chain(others);
    all.filter(|line| !line.contains("--as carol") && !line.contains("--as=carol"))
        .collect()
}

#[test]
fn what_is_suggested_acts_as_the_user_that_was_typed() {
    let api = MockApi::new(small);
    let (mut told, mut found) = (0, Vec::new());
    for line in LINES.lines().filter(|line| line.starts_with("kaiwo ")) {
        let typed = line.split(" | ").next().unwrap();
        let mut arguments: Vec<&str> = typed.split(' ').skip(1).collect();
        if arguments[0].starts_with('-') {
            continue;
        }
        arguments.insert(1, "--as=carol");
        let outcome = api.sandbox.kaiwo(&arguments);
        told += outcome.stderr.matches("carol").count();
        let astray = astray(&outcome);
        if !astray.is_empty() {
            found.push(format!("{typed}: {}", astray.join("\n  ")));
        }
    }
    assert!(told > 40, "commands are suggested: {told}");
    assert!(found.is_empty(), "{}", found.join("\n"));
}
