//! `kaiwo wait` and `--wait` against a scripted API server: a Job that goes
//! from state to state with each look at it.

use serde_json::{Value, json};

use super::json::is_golden;
use super::server::{Answer, MockApi, Request, groups, list};
use super::trouble::is;
use crate::common::{Outcome, Sandbox, before_a_limit};

/// What a look at the Job sees.
#[derive(Clone)]
pub enum Look {
    /// The Job with this specification and status, and its pods.
    Job(Value, Value, Vec<Value>),
    /// No Job.
    Gone,
    /// Another one of its name.
    Another,
    /// The connection breaks.
    Broken,
    /// No answer.
    Silence,
}

pub fn queued() -> Look {
    Look::Job(json!({"suspend": true}), json!({}), vec![])
}

fn starting() -> Look {
    let mut pod = pod("ContainerCreating");
    pod["status"]["phase"] = json!("Pending");
    Look::Job(json!({}), json!({"active": 1}), vec![pod])
}

fn running() -> Look {
    let mut pod = pod("x");
    pod["status"] = json!({
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": "c", "ready": true, "restartCount": 1, "state": {"running": {}}}],
    });
    Look::Job(json!({}), json!({"active": 1, "ready": 1}), vec![pod])
}

pub fn succeeded() -> Look {
    let status = json!({"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]});
    Look::Job(json!({}), status, vec![])
}

pub fn failed(pods: Vec<Value>) -> Look {
    let condition = json!({"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded",
                           "message": "Job has reached the specified backoff limit"});
    Look::Job(json!({}), json!({"conditions": [condition]}), pods)
}

/// A pod whose container waits.
fn pod(reason: &str) -> Value {
    json!({
        "metadata": {"name": "alice-w-0", "namespace": "kaiwo", "uid": "pod"},
        "spec": {"nodeName": "gpu-2"},
        "status": {"containerStatuses": [{"name": "c", "state": {"waiting": {"reason": reason}}}]},
    })
}

fn ended(code: i64) -> Value {
    let mut pod = pod("x");
    pod["status"] = json!({"phase": "Failed", "containerStatuses": [
        {"name": "c", "state": {"terminated": {"exitCode": code, "reason": "Error"}}},
    ]});
    pod
}

/// An API server where each look at the Job sees the next of `looks`, and the
/// last one for ever.
pub fn life(looks: Vec<Look>) -> MockApi {
    from_birth(looks, true)
}

/// Likewise, with a Job that has yet to be submitted.
pub fn life_to_come(looks: Vec<Look>) -> MockApi {
    from_birth(looks, false)
}

fn from_birth(looks: Vec<Look>, mut is_there: bool) -> MockApi {
    let (mut next, mut pods) = (0, Vec::new());
    MockApi::new(move |request| {
        is_there |= is(request, "POST", "/jobs") && !request.is_dry_run();
        if request.query.contains("watch=true") {
            // Whoever watches is told to look again.
            return Some(Answer::Json(200, json!({})));
        }
        if request.path == "/apis" {
            let mut served = groups(&["v1beta2"], &["v1"]);
            let visibility =
                json!({"groupVersion": "visibility.kueue.x-k8s.io/v1beta2", "version": "v1beta2"});
            let groups = served["groups"].as_array_mut().unwrap();
            groups.push(json!({"name": "visibility.kueue.x-k8s.io", "versions": [visibility]}));
            return Some(Answer::Json(200, served));
        }
        if is(request, "GET", "/jobs/alice-w") && is_there {
            let look = looks[next.min(looks.len() - 1)].clone();
            next += 1;
            let job = |uid: &str, spec: Value, status: Value| {
                let labels = json!({"kueue.x-k8s.io/queue-name": "kaiwo"});
                let metadata =
                    json!({"name": "alice-w", "namespace": "kaiwo", "uid": uid, "labels": labels});
                Answer::Json(
                    200,
                    json!({"metadata": metadata, "spec": spec, "status": status}),
                )
            };
            return Some(match look {
                Look::Job(spec, status, now) => {
                    pods = now;
                    job("uid-of-Job", spec, status)
                }
                Look::Gone => Answer::Refuse(404, "jobs.batch \"alice-w\" not found"),
                Look::Another => job("another", json!({}), json!({})),
                Look::Broken => Answer::Close,
                Look::Silence => Answer::Hang,
            });
        }
        if is(request, "GET", "/pods") {
            return Some(Answer::Json(200, list(&pods)));
        }
        if is(request, "GET", "/workloads") {
            let workload = json!({
                "metadata": {"name": "job-alice-w", "namespace": "kaiwo"},
                "spec": {"queueName": "kaiwo"},
                "status": {"conditions": [
                    {"type": "QuotaReserved", "status": "False", "message": "8 more needed"},
                ]},
            });
            return Some(Answer::Json(200, list(&[workload])));
        }
        if request.path.ends_with("/pendingworkloads") {
            let pending = |name: &str, place: i64| json!({"metadata": {"name": name}, "positionInClusterQueue": place});
            let items = [
                pending("other", 0),
                pending("job-alice-w", 2),
                pending("third", 6),
            ];
            return Some(Answer::Json(200, list(&items)));
        }
        if is(request, "GET", "/events") {
            let pulling = json!({"reason": "Pulling", "involvedObject": {"uid": "pod"}, "lastTimestamp": "2026-01-01T00:00:00Z"});
            return Some(Answer::Json(200, list(&[pulling])));
        }
        None
    })
}

fn wait(api: &MockApi, arguments: &[&str]) -> Outcome {
    api.sandbox
        .kaiwo(&[&["wait", "job/alice-w"], arguments].concat())
}

/// Returns the documents on stdout, a line each.
fn lines(outcome: &Outcome) -> Vec<Value> {
    let lines = outcome.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[test]
fn each_change_is_told_once() {
    let api = life(vec![
        queued(),
        queued(),
        starting(),
        running(),
        running(),
        succeeded(),
    ]);
    let outcome = wait(&api, &[]).exits(0);
    assert_eq!(outcome.stdout, "");
    assert_eq!(
        outcome.stderr,
        "job/alice-w queued at 3 of 7: 8 more needed\n\
         job/alice-w pulling the image on gpu-2\n\
         job/alice-w running, 1 of 1 pods\n\
         job/alice-w succeeded\n"
    );
}

/// What alternates is told once, and what it counts is no news.
#[test]
fn a_crash_loop_is_one_line() {
    let down = |restarts: i64, reason: &str| {
        let mut pod = pod(reason);
        pod["spec"]["restartPolicy"] = json!("Always");
        let status = &mut pod["status"]["containerStatuses"][0];
        status["restartCount"] = json!(restarts);
        status["lastState"] = json!({"terminated": {"exitCode": 5, "reason": "Error"}});
        if reason == "Running" {
            status["state"] = json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}});
        }
        Look::Job(json!({}), json!({"active": 1}), vec![pod])
    };
    let mut looks = Vec::new();
    for turn in 0..4 {
        looks.push(down(turn, "CrashLoopBackOff"));
        looks.push(down(turn + 1, "Running"));
    }
    looks.push(failed(vec![ended(5)]));
    let outcome = wait(&life(looks), &[]).exits(5);
    let told: Vec<&str> = outcome.stderr.lines().collect();
    assert_eq!(
        told[..2],
        [
            // The first look only finds it.
            "job/alice-w starting: exit code 5, restarted 1 time in pod alice-w-0",
            "error: job/alice-w failed: exit code 5 in pod alice-w-0"
        ],
        "{}",
        outcome.stderr
    );
}

#[test]
fn events_have_their_goldens() {
    let looks = vec![queued(), queued(), starting(), running(), succeeded()];
    let outcome = wait(&life(looks), &["-o", "json"]).exits(0);
    let events = lines(&outcome);
    let statuses: Vec<&str> = events
        .iter()
        .map(|event| event["status"].as_str().unwrap())
        .collect();
    assert_eq!(statuses, ["Pending", "Starting", "Running", "Succeeded"]);
    for event in &events {
        let time = event["time"].as_str().unwrap();
        assert!(
            time.parse::<k8s_openapi::jiff::Timestamp>().is_ok(),
            "{time}"
        );
        let status = event["status"].as_str().unwrap();
        let mut event = event.clone();
        event["time"] = json!("2026-01-01T00:00:00Z");
        let outcome = Outcome {
            code: 0,
            stdout: event.to_string(),
            stderr: String::new(),
        };
        is_golden(&format!("wait_{status}"), &outcome);
    }
}

#[test]
fn the_last_line_of_a_failure_is_the_error() {
    let api = life(vec![running(), failed(vec![ended(42)])]);
    let outcome = wait(&api, &["-o", "json"])
        .exits(42)
        .says("error: job/alice-w failed: exit code 42 in pod alice-w-0")
        .says("help: show its logs: kaiwo logs job/alice-w -n kaiwo");
    let lines = lines(&outcome);
    let [.., before, last] = &lines[..] else {
        panic!("{}", outcome.stdout)
    };
    assert_eq!(before["status"], "Failed");
    let last = Outcome {
        stdout: last.to_string(),
        ..outcome
    };
    is_golden("error_failed_container", &last);
}

/// Lets the binary lose track of a workload.
pub fn lost() -> (MockApi, Outcome) {
    let api = life(vec![queued(), Look::Gone]);
    let outcome = wait(&api, &["-o", "json"]);
    let last = outcome.stdout.lines().last().unwrap_or_default().to_owned();
    let outcome = Outcome {
        stdout: last,
        ..outcome
    };
    (api, outcome)
}

/// Lets a workload fail of which no exit code is known.
pub fn failure() -> (MockApi, Outcome) {
    let api = life(vec![failed(vec![])]);
    let outcome = wait(&api, &["-o", "json"]);
    let last = outcome.stdout.lines().last().unwrap_or_default().to_owned();
    let outcome = Outcome {
        stdout: last,
        ..outcome
    };
    (api, outcome)
}

/// Lets a wait last too long.
pub fn timed_out() -> (MockApi, Outcome) {
    let api = life(vec![queued()]);
    let outcome = wait(&api, &["-o", "json", "--timeout", "0"]);
    let last = outcome.stdout.lines().last().unwrap_or_default().to_owned();
    let outcome = Outcome {
        stdout: last,
        ..outcome
    };
    (api, outcome)
}

#[test]
fn the_exit_code_is_the_containers() {
    for code in [1, 3, 42, 124, 137] {
        let outcome = wait(&life(vec![failed(vec![ended(code)])]), &[]);
        let _ = outcome.exits(code.try_into().unwrap());
    }
}

#[test]
fn a_replaced_workload_is_another() {
    let api = life(vec![running(), Look::Another]);
    let _ = wait(&api, &[])
        .exits(125)
        .says("lost track of job/alice-w: it was deleted during the wait");
}

#[test]
fn an_api_server_that_restarts_is_waited_for() {
    let api = life(vec![
        running(),
        running(),
        // A request has failed when it was sent so often, and it is told when
        // that has happened twice.
        Look::Broken,
        Look::Broken,
        Look::Broken,
        Look::Broken,
        Look::Broken,
        Look::Broken,
        Look::Broken,
        Look::Broken,
        // One that has just started may not know everything yet.
        Look::Gone,
        Look::Broken,
        succeeded(),
    ]);
    let outcome = wait(&api, &[]).exits(0);
    let said: Vec<&str> = outcome.stderr.lines().collect();
    let [running, lost, back, succeeded] = said[..] else {
        panic!("{outcome:?}")
    };
    assert_eq!(running, "job/alice-w running, 1 of 1 pods");
    assert!(lost.starts_with("→ cannot reach the cluster at "), "{lost}");
    assert!(lost.ends_with("; retrying for up to 10 min"), "{lost}");
    assert_eq!(back, "→ the cluster is reachable again");
    assert_eq!(succeeded, "job/alice-w succeeded");
}

#[test]
fn a_cluster_that_does_not_answer_holds_up_no_limit() {
    let look = || vec![running(), running(), Look::Silence];
    let running = "running, 1 of 1 pods";
    let (_, outcome) = before_a_limit(
        |seconds| {
            let timeout = format!("{seconds}s");
            wait(
                &life(look()),
                &["--timeout", &timeout, "--request-timeout", "36000"],
            )
        },
        |outcome| outcome.stderr.contains(running),
    );
    let _ = outcome
        .exits(124)
        .says("job/alice-w is not done after ")
        .says(running);
}

#[test]
fn what_is_in_vain_is_refused() {
    let deployment = |request: &Request| {
        let served = json!({"metadata": {"name": "alice-w", "namespace": "kaiwo", "uid": "u"}});
        is(request, "GET", "/deployments/alice-w").then_some(Answer::Json(200, served))
    };
    let api = MockApi::new(deployment);
    let _ = api
        .sandbox
        .kaiwo(&["wait", "deployment/alice-w", "--for", "done"])
        .exits(3)
        .says("a Deployment is never done")
        .says("--for ready");
    let api = MockApi::new(|_| None);
    let _ = api
        .submit(&["-g", "8", "--timeout", "2h"])
        .exits(3)
        .says("--timeout has no effect without --wait or --follow")
        .says("add --wait");
    let _ = api
        .submit(&["-g", "8", "--schedule", "0 3 * * *", "--wait"])
        .exits(3)
        .says("cannot wait for a CronJob");
    let _ = api
        .submit(&["-g", "8", "--follow", "-o", "json"])
        .exits(3)
        .says("-o cannot be combined with --follow: both write to stdout");
    let _ = wait(&api, &["--for", "ever"]).exits(2);
    let _ = wait(&api, &["--timeout", "soon"]).exits(2);
    assert_eq!(api.writes(), [] as [&str; 0]);
}

/// Says `key: value` in one of the places, in order of precedence.
fn say(
    sandbox: Sandbox,
    typed: &mut Vec<String>,
    place: usize,
    (flag, variable, key): (&str, &str, &str),
    value: &str,
) -> Sandbox {
    match place {
        0 => typed.push(format!("{flag}={value}")),
        1 => return sandbox.set(variable, value),
        2 => _ = sandbox.write("w/kaiwoconfig", format!("{key}: {value}\n")),
        _ => _ = sandbox.write(".config/kaiwo/config.yaml", format!("{key}: {value}\n")),
    }
    sandbox
}

/// Gives each setting in every two places to `submit`, which then waits, or
/// does not, for this long.
#[test]
fn the_higher_of_two_sources_wins() {
    let timeout = ("--timeout", "KAIWO_TIMEOUT", "timeout");
    let queue = ("--queue-timeout", "KAIWO_QUEUE_TIMEOUT", "queueTimeout");
    let switch = ("--wait", "KAIWO_WAIT", "wait");
    let follow = ("--follow", "KAIWO_FOLLOW", "follow");
    for (names, values, extra) in [
        (timeout, [("0", "after 0s"), ("1s", "after 1s")], "--wait"),
        (queue, [("0", "within 0s"), ("1s", "within 1s")], "--wait"),
        (
            switch,
            [("true", "within 0s"), ("false", "")],
            "--name=alice-w",
        ),
        (
            follow,
            [("true", "within 0s"), ("false", "")],
            "--name=alice-w",
        ),
    ] {
        for high in 0..4 {
            for low in high + 1..4 {
                for (wins, loses) in [(values[0], values[1]), (values[1], values[0])] {
                    let api = life_to_come(vec![queued()]);
                    let mut typed = vec!["submit", "-p", "w", "-g", "8", extra]
                        .into_iter()
                        .map(str::to_owned)
                        .collect();
                    let mut sandbox = api.sandbox;
                    if names == switch || names == follow {
                        sandbox = sandbox.set("KAIWO_QUEUE_TIMEOUT", "0");
                    }
                    sandbox = say(sandbox, &mut typed, high, names, wins.0);
                    sandbox = say(sandbox, &mut typed, low, names, loses.0);
                    let typed: Vec<&str> = typed.iter().map(String::as_str).collect();
                    let outcome = sandbox.kaiwo(&typed);
                    let code = if wins.1.is_empty() { 0 } else { 124 };
                    let outcome = outcome.exits(code).says(wins.1);
                    if wins.1.is_empty() {
                        assert!(!outcome.stderr.contains("admitted"), "{}", outcome.stderr);
                    }
                }
            }
        }
    }
}

/// Before anything is known, it is over as well.
#[test]
fn a_limit_counts_from_the_start() {
    let api = MockApi::new(|_| Some(Answer::Hang));
    let outcome = api
        .sandbox
        .kaiwo(&["wait", "job/x", "--timeout", "1s"])
        .exits(124);
    let _ = outcome.says("error: job/x was not found within 1s: the cluster does not answer\n");
}
