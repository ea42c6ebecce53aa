use serde_json::{Value, json};

use super::*;
use crate::api::event::Event;

fn pod(status: Value) -> Pod {
    serde_json::from_value(json!({"metadata": {"name": "p"}, "status": status})).unwrap()
}

fn trouble(status: Value) -> Option<(TroubleKind, String)> {
    let trouble = pod(status).trouble(&WorkloadContext::default())?;
    Some((trouble.kind, trouble.to_string()))
}

#[test]
fn healthy_pods_have_none() {
    for status in [
        json!({"phase": "Pending"}),
        json!({"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}),
        json!({"phase": "Running", "containerStatuses": [{
            "state": {"running": {}},
            "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
        }]}),
        json!({"phase": "Succeeded", "containerStatuses": [{"state": {"terminated": {"exitCode": 0}}}]}),
    ] {
        assert_eq!(trouble(status), None);
    }
}

#[test]
fn each_trouble_is_told_by_its_kind() {
    let waiting = |reason: &str| json!({"waiting": {"reason": reason, "message": "why"}});
    let ended =
        |code: i64, reason: &str| json!({"terminated": {"exitCode": code, "reason": reason}});
    for (status, kind, words) in [
        (
            json!({"containerStatuses": [{"name": "c", "state": waiting("ImagePullBackOff")}]}),
            TroubleKind::ImagePull,
            "ImagePullBackOff in pod p: why",
        ),
        (
            json!({"containerStatuses": [{"name": "c", "state": waiting("CreateContainerConfigError")}]}),
            TroubleKind::Config,
            "CreateContainerConfigError in pod p: why",
        ),
        (
            json!({"containerStatuses": [{"name": "c", "state": waiting("CrashLoopBackOff"), "lastState": ended(1, "Error")}]}),
            TroubleKind::CrashLoop,
            "exit code 1 in pod p",
        ),
        (
            json!({"containerStatuses": [{"name": "c", "state": waiting("CrashLoopBackOff"), "lastState": ended(137, "OOMKilled")}]}),
            TroubleKind::OutOfMemory,
            "OOMKilled in pod p",
        ),
        (
            json!({"initContainerStatuses": [{"name": "i", "state": waiting("CrashLoopBackOff"), "lastState": ended(3, "Error")}]}),
            TroubleKind::Init,
            "exit code 3 in pod p, init container i",
        ),
        (
            json!({"phase": "Failed", "containerStatuses": [{"name": "c", "state": ended(42, "Error")}]}),
            TroubleKind::Failed,
            "exit code 42 in pod p",
        ),
        (
            json!({"phase": "Failed", "containerStatuses": [{"name": "c", "state": ended(137, "OOMKilled")}]}),
            TroubleKind::OutOfMemory,
            "OOMKilled in pod p",
        ),
        (
            json!({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}),
            TroubleKind::Disrupted,
            "Evicted in pod p: low on memory",
        ),
        (
            json!({"phase": "Pending", "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"},
            ]}),
            TroubleKind::Unschedulable,
            "Unschedulable in pod p: 0/3 nodes",
        ),
    ] {
        assert_eq!(trouble(status), Some((kind, words.to_owned())));
    }
}

#[test]
fn sidecars_are_no_init_containers() {
    let pod = |phase: &str, main: Value, sidecar: Value| -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "p"},
            "spec": {"initContainers": [{"name": "mesh", "restartPolicy": "Always"}]},
            "status": {
                "phase": phase,
                "containerStatuses": [{"name": "main", "state": main}],
                "initContainerStatuses": [{"name": "mesh", "state": sidecar}],
            },
        }))
        .unwrap()
    };
    let ended = |code: i64, at: &str| json!({"terminated": {"exitCode": code, "reason": "Error", "finishedAt": at}});
    let (first, then) = ("2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z");
    let well = pod("Succeeded", ended(0, first), ended(143, then));
    assert_eq!(well.trouble(&WorkloadContext::default()), None);
    assert_eq!(well.state(), "Error");
    let failed = pod("Failed", ended(42, first), ended(137, then));
    let words = failed
        .trouble(&WorkloadContext::default())
        .unwrap()
        .to_string();
    assert_eq!(words, "exit code 42 in pod p");
    let waiting = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    let crashes = pod("Running", json!({"running": {}}), waiting);
    assert_eq!(
        crashes.trouble(&WorkloadContext::default()).unwrap().kind,
        TroubleKind::CrashLoop
    );
}

#[test]
fn the_first_container_to_fail_counts() {
    let end = |code: i64, at: &str| json!({"terminated": {"exitCode": code, "finishedAt": at}});
    let pod = pod(json!({"phase": "Failed", "containerStatuses": [
        {"name": "late", "state": end(143, "2026-01-01T00:00:02Z")},
        {"name": "first", "state": end(7, "2026-01-01T00:00:01Z")},
        {"name": "fine", "state": end(0, "2026-01-01T00:00:00Z")},
    ]}));
    let (container, ended) = pod.first_failure().unwrap();
    assert_eq!((container.name.as_str(), ended.exit_code), ("first", 7));
}

/// Reads what a kubelet (v1.36, containerd) wrote into the status of pods, one
/// after the other: `readme.md` there says of what.
fn recorded(name: &str) -> Vec<Pod> {
    let text = match name {
        "crash_loop" => include_str!("recorded/crash_loop.json"),
        "no_such_program" => include_str!("recorded/no_such_program.json"),
        _ => include_str!("recorded/relapse.json"),
    };
    serde_json::from_str(text).unwrap()
}

/// Returns what is told of each state, as if asked a second after it began.
fn told(pods: &[Pod]) -> Vec<String> {
    let each = pods.iter().map(|pod| {
        let container = &pod.status.container_statuses[0];
        let running = container.state.running.as_ref();
        let since = running.and_then(|running| running.started_at);
        let second = since.map_or(0, |since| since.as_second() + 1);
        let known = WorkloadContext {
            now: Timestamp::from_second(second).unwrap(),
            ..WorkloadContext::default()
        };
        let trouble = pod.trouble(&known);
        trouble.map_or(String::new(), |it| without_restarts(&it.to_string()))
    });
    each.collect()
}

#[test]
fn a_crash_loop_is_told_alike_in_every_state_of_a_turn() {
    for (name, healthy, words) in [
        // Until it ends for the first time, nothing is wrong.
        ("crash_loop", 3, "exit code 5 in pod crash"),
        (
            "no_such_program",
            2,
            "RunContainerError in pod nocmd: nosuchprog is not in the image",
        ),
    ] {
        let told = told(&recorded(name));
        assert!(told.len() > healthy + 6, "{told:?}");
        for (at, line) in told.iter().enumerate() {
            let expected = if at < healthy { "" } else { words };
            assert_eq!(line, expected, "{name}, state {at}");
        }
    }
    let last = recorded("crash_loop").pop().unwrap();
    let trouble = last.trouble(&WorkloadContext::default()).unwrap();
    assert_eq!(trouble.exit_code, Some(5));
    assert_eq!(
        trouble.to_string(),
        format!(
            "exit code 5, restarted {} times in pod crash",
            trouble.restarts
        )
    );
    assert_eq!(
        trouble.in_its_pod(),
        format!("exit code 5, restarted {} times", trouble.restarts)
    );
}

/// A server that answers for twelve seconds in each turn: ready heals it, until
/// it has happened too often to be believed at once.
#[test]
fn a_server_that_gets_ready_between_crashes_is_believed_twice() {
    let pods = recorded("relapse");
    for pod in &pods {
        let container = &pod.status.container_statuses[0];
        let Some(since) = container
            .state
            .running
            .as_ref()
            .and_then(|it| it.started_at)
        else {
            continue;
        };
        let at = |seconds: i64| {
            let known = WorkloadContext {
                now: Timestamp::from_second(since.as_second() + seconds).unwrap(),
                ..WorkloadContext::default()
            };
            pod.trouble(&known).map(|trouble| trouble.turn)
        };
        let restarts = container.restart_count;
        match (container.ready, restarts) {
            (_, 0) | (true, 1..3) => assert_eq!(at(1), None, "{restarts}"),
            (false, _) => assert_eq!(at(1), Some(Turn::Up), "{restarts}"),
            // Twice as long as it lasted before.
            (true, _) => {
                assert_eq!(at(1), Some(Turn::Ready), "{restarts}");
                assert_eq!(at(30), None, "{restarts}");
            }
        }
    }
    let most = |pod: &Pod| pod.status.container_statuses[0].restart_count;
    assert!(pods.iter().map(most).max() >= Some(3));
}

#[test]
fn what_nothing_probes_has_healed_when_it_lasts_longer_than_before() {
    let at = |seconds: i64, probe: Value| {
        let container = json!({"name": "c", "readinessProbe": probe});
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "p"},
            "spec": {"restartPolicy": "OnFailure", "containers": [container]},
            "status": {"phase": "Running", "containerStatuses": [{
                "name": "c", "ready": true, "restartCount": 1,
                "state": {"running": {"startedAt": "2026-01-01T00:01:00Z"}},
                "lastState": {"terminated": {"exitCode": 9, "reason": "Error",
                    "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:40Z"}},
            }]},
        }))
        .unwrap();
        let began: Timestamp = "2026-01-01T00:01:00Z".parse().unwrap();
        let known = WorkloadContext {
            now: Timestamp::from_second(began.as_second() + seconds).unwrap(),
            ..WorkloadContext::default()
        };
        pod.trouble(&known).map(|trouble| trouble.to_string())
    };
    let words = "exit code 9, restarted 1 time in pod p";
    assert_eq!(at(79, Value::Null).as_deref(), Some(words));
    assert_eq!(at(80, Value::Null), None);
    assert_eq!(at(1, json!({"periodSeconds": 1})), None);
}

#[test]
fn init_containers_stay_in_trouble_while_they_run_again() {
    let init = |state: Value, code: i64| {
        let pod = pod(json!({"phase": "Pending", "initContainerStatuses": [{
            "name": "checkout", "restartCount": 2, "state": state,
            "lastState": {"terminated": {"exitCode": code, "reason": "Error"}},
        }]}));
        let trouble = pod.trouble(&WorkloadContext::default());
        trouble.map(|trouble| (trouble.kind, trouble.to_string()))
    };
    let words = "exit code 3, restarted 2 times in pod p, init container checkout";
    let expected = Some((TroubleKind::Init, words.to_owned()));
    assert_eq!(init(json!({"running": {}}), 3), expected);
    assert_eq!(
        init(json!({"waiting": {"reason": "CrashLoopBackOff"}}), 3),
        expected
    );
    // It has done its work by now, or did it before its node was started again.
    assert_eq!(init(json!({"terminated": {"exitCode": 0}}), 3), None);
    assert_eq!(init(json!({"running": {}}), 0), None);
}

#[test]
fn events_tell_what_holds_up_a_pod_that_has_a_node() {
    let told = |conditions: Value, events: &[(&str, &str, u8)]| {
        let mut conditions = conditions;
        let scheduled = json!({"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T00:00:10Z"});
        conditions.as_array_mut().unwrap().push(scheduled);
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "p", "uid": "u"}, "spec": {"nodeName": "n"},
            "status": {"phase": "Pending", "conditions": conditions},
        }))
        .unwrap();
        let event = |(reason, message, second): &(&str, &str, u8)| -> Event {
            serde_json::from_value(json!({
                "reason": reason, "message": message, "type": "Warning",
                "involvedObject": {"uid": "u"},
                "lastTimestamp": format!("2026-01-01T00:00:{second:02}Z"),
            }))
            .unwrap()
        };
        let events: Vec<Event> = events.iter().map(event).collect();
        let known = WorkloadContext {
            events: &events,
            ..WorkloadContext::default()
        };
        pod.trouble(&known)
            .map(|trouble| (trouble.kind, trouble.to_string()))
    };
    let sandbox = (
        "FailedCreatePodSandBox",
        "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox runtime: no runtime for \"nohandler\" is configured",
        20,
    );
    let words = "FailedCreatePodSandBox in pod p: failed to get sandbox runtime: no runtime for \"nohandler\" is configured";
    let expected = Some((TroubleKind::Sandbox, words.to_owned()));
    assert_eq!(told(json!([]), &[sandbox]), expected);
    let secret = (
        "FailedMount",
        "MountVolume.SetUp failed for volume \"key\" : secret \"hf\" not found",
        20,
    );
    assert_eq!(told(json!([]), &[secret]).unwrap().0, TroubleKind::Config);
    let attach = (
        "FailedAttachVolume",
        "Multi-Attach error for volume \"v\"",
        20,
    );
    assert_eq!(told(json!([]), &[attach]).unwrap().0, TroubleKind::Mount);
    // It is over: by an event, by a condition, or it was about another node.
    assert_eq!(told(json!([]), &[sandbox, ("Pulling", "", 21)]), None);
    assert_eq!(told(json!([]), &[sandbox, ("Pulling", "", 20)]), None);
    let is_set_up = json!([{"type": "PodReadyToStartContainers", "status": "True"}]);
    assert_eq!(told(is_set_up, &[sandbox]), None);
    assert_eq!(told(json!([]), &[(sandbox.0, sandbox.1, 9)]), None);
}

#[test]
fn one_reason_has_no_ids_and_no_noise() {
    for (status, words) in [
        // A registry's words are the same in every state of a pull.
        (
            json!({"containerStatuses": [{"name": "c", "image": "r/x:1", "state": {"waiting": {"reason": "ErrImagePull",
                "message": "failed to pull and unpack image \"r/x:1\": failed to resolve reference \"r/x:1\": r/x:1: not found"}}}]}),
            "ImagePullBackOff in pod p: the registry has no image r/x:1",
        ),
        (
            json!({"containerStatuses": [{"name": "c", "image": "r/x:1", "state": {"waiting": {"reason": "ImagePullBackOff",
                "message": "Back-off pulling image \"r/x:1\": ErrImagePull: failed to resolve reference \"r/x:1\": r/x:1: not found"}}}]}),
            "ImagePullBackOff in pod p: the registry has no image r/x:1",
        ),
        (
            json!({"phase": "Failed", "containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 1, "reason": "Error",
                "message": "Traceback (most recent call last):\n  File \"a\"\nValueError: no \u{1b}[31mdata\u{1b}[0m\n"}}}]}),
            "exit code 1 in pod p: ValueError: no data",
        ),
        (
            json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                "message": "0/2 nodes are available: 2 Insufficient cpu. preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod."}]}),
            "Unschedulable in pod p: 0/2 nodes are available: 2 Insufficient cpu",
        ),
        (
            json!({"phase": "Failed", "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting"}]}),
            "pod p was evicted from its node",
        ),
    ] {
        let trouble = pod(status).trouble(&WorkloadContext::default()).unwrap();
        assert_eq!(trouble.to_string(), words);
    }
}
