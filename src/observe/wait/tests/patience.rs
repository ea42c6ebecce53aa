//! How long a wait is patient with what is wrong.

use super::*;

#[test]
fn what_does_not_heal_is_given_its_time() {
    let alone = "0/11 nodes are available: 11 node(s) didn't match Pod's node affinity/selector. preemption: 0/11 nodes are available: 11 Preemption is not helpful for scheduling.";
    let taints = "0/11 nodes are available: 3 node(s) had untolerated taint(s), 8 node(s) didn't match Pod's node affinity/selector. preemption: 0/11 nodes are available: 11 Preemption is not helpful for scheduling.";
    let drained = "0/11 nodes are available: 1 node(s) were unschedulable, 10 node(s) didn't match Pod's node affinity/selector. preemption: 0/11 nodes are available: 11 Preemption is not helpful for scheduling.";
    let full = "0/11 nodes are available: 10 node(s) didn't match Pod's node affinity/selector, 1 Insufficient amd.com/gpu. preemption: 0/11 nodes are available: 1 No preemption victims found for incoming pod, 10 Preemption is not helpful for scheduling.";
    let claim = "0/11 nodes are available: persistentvolumeclaim \"data\" not found. not found";
    for (pod, after) in [
        (waiting("InvalidImageName"), Some(0)),
        (waiting("ErrImagePull"), Some(30)),
        (waiting("CreateContainerConfigError"), Some(30)),
        (waiting("CreateContainerError"), Some(60)),
        (waiting("ContainerCreating"), None),
        // Nobody knows how often it was started again.
        (waiting("CrashLoopBackOff"), None),
        (ended("p", 1, "2026-01-01T00:00:00Z"), None),
        (unschedulable(alone), Some(60)),
        (unschedulable(taints), Some(300)),
        (unschedulable(drained), Some(1_200)),
        (unschedulable(claim), Some(30)),
        (unschedulable(full), None),
        (unschedulable("no nodes available to schedule pods"), None),
    ] {
        let snapshot = job(false, json!({"active": 1}), std::slice::from_ref(&pod));
        assert_eq!(patience(Goal::Done, &snapshot), after, "{pod}");
    }
    let mut snapshot = job(false, json!({"active": 1}), &[unschedulable(alone)]);
    let event = json!({"reason": "TriggeredScaleUp", "involvedObject": {"uid": "pod"}});
    snapshot.events = Readable::Known(serde_json::from_value(json!([event])).unwrap());
    assert_eq!(patience(Goal::Done, &snapshot), Some(1_200));
}

#[test]
fn what_heals_in_between_is_given_its_time_anew() {
    let (ill, well) = (
        job(false, json!({"active": 1}), &[waiting("ImagePullBackOff")]),
        job(false, json!({"active": 1}), &[waiting("ContainerCreating")]),
    );
    let mut vigil = vigil(Goal::Done);
    let mut at = |snapshot: &Snapshot, after: u64| vigil.judge(snapshot, seconds(after));
    assert_eq!(at(&ill, 0), WaitVerdict::GoOn(Some(seconds(30))));
    // The pulls of other pods do not begin it anew.
    assert_eq!(at(&ill, 29), WaitVerdict::GoOn(Some(seconds(1))));
    assert_eq!(at(&well, 30), WaitVerdict::GoOn(None));
    assert_eq!(at(&ill, 31), WaitVerdict::GoOn(Some(seconds(30))));
    assert!(matches!(at(&ill, 61), WaitVerdict::Hopeless { .. }));
}

/// A pod of a service whose container has ended, or runs again, after so many
/// restarts.
fn crashing(restarts: i64, is_up: bool, ready: bool, reason: &str) -> Value {
    let ended = json!({"exitCode": 5, "reason": reason});
    let state = match is_up {
        true => json!({"running": {"startedAt": "1970-01-01T00:00:00Z"}}),
        false => json!({"waiting": {"reason": "CrashLoopBackOff"}}),
    };
    json!({
        "metadata": {"name": "p", "uid": "pod"},
        "spec": {"restartPolicy": "Always", "containers": [{"name": "c", "readinessProbe": {}}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}],
            "containerStatuses": [{
                "name": "c", "ready": ready, "restartCount": restarts, "state": state,
                "lastState": {"terminated": ended},
            }]},
    })
}

fn serving(pod: &Value, available: i64) -> Snapshot {
    let status = json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1,
                        "readyReplicas": available, "availableReplicas": available});
    let spec = json!({"replicas": 1});
    snapshot(
        WorkloadKind::Deployment,
        spec,
        status,
        std::slice::from_ref(pod),
    )
}

/// The kubelet starts it again at once, then after 10, 20, 40, 80 and 160 s; each
/// life lasts four seconds. Looked at every second.
#[test]
fn a_crash_loop_is_given_up_after_minutes_with_the_exit_code() {
    for (reason, grace, words, code) in [
        ("Error", 180..300, "exit code 5, restarted ", Some(5)),
        ("OOMKilled", 180..300, "OOMKilled, restarted ", Some(5)),
        // The kubelet calls it `RunContainerError` and `CrashLoopBackOff` in turn.
        ("StartError", 60..70, "RunContainerError in pod p", Some(5)),
    ] {
        let ends: Vec<u64> = [0, 0, 10, 20, 40, 80, 160, 300]
            .iter()
            .scan(0, |at, pause| {
                *at += pause + 4;
                Some(*at)
            })
            .collect();
        let mut vigil = vigil(Goal::Ready);
        let given_up = (0..900).find_map(|second: u64| {
            let lives = ends.iter().filter(|end| **end <= second).count();
            let next = ends.get(lives).copied().unwrap_or(u64::MAX);
            let is_up = lives == 0 || second + 4 >= next;
            let restarts = lives as i64 - i64::from(!is_up);
            let pod = crashing(restarts, is_up, false, reason);
            match vigil.judge(&serving(&pod, 0), seconds(second)) {
                WaitVerdict::Hopeless {
                    container_exit_code,
                    reason,
                } => Some((second, container_exit_code, reason)),
                WaitVerdict::GoOn(_) => None,
                other => panic!("{other:?}"),
            }
        });
        let (second, exit_code, told) = given_up.unwrap();
        assert!(grace.contains(&second), "{reason}: {second}");
        assert_eq!(exit_code, code);
        assert!(told.starts_with(words), "{told}");
    }
}

#[test]
fn a_few_crashes_before_it_is_ready_are_no_impasse() {
    let judged = |states: &[(u64, Value, i64)]| {
        let mut vigil = vigil(Goal::Ready);
        let each = states
            .iter()
            .map(|(at, pod, available)| vigil.judge(&serving(pod, *available), seconds(*at)));
        each.last().unwrap()
    };
    let down = |restarts: i64| crashing(restarts, false, false, "Error");
    let up = |restarts: i64| crashing(restarts, true, false, "Error");
    let ready = |restarts: i64| crashing(restarts, true, true, "Error");
    // Twice, and then it is there.
    assert_eq!(
        judged(&[
            (5, down(0), 0),
            (10, up(1), 0),
            (15, down(1), 0),
            (30, up(2), 0),
            (60, ready(2), 1)
        ]),
        WaitVerdict::Reached
    );
    // It waits for another workload by failing, for two and a half minutes.
    assert_eq!(
        judged(&[
            (5, down(0), 0),
            (30, down(2), 0),
            (80, down(3), 0),
            (160, down(4), 0),
            (165, up(5), 0),
            (175, ready(5), 1)
        ]),
        WaitVerdict::Reached
    );
    // The one that runs now may become ready, however long it takes.
    assert!(matches!(
        judged(&[
            (5, down(0), 0),
            (80, down(3), 0),
            (165, up(5), 0),
            (1_800, up(5), 0)
        ]),
        WaitVerdict::GoOn(_)
    ));
    // And if that is not the one, either, it is over.
    assert!(matches!(
        judged(&[
            (5, down(0), 0),
            (80, down(3), 0),
            (165, up(5), 0),
            (1_800, down(5), 0)
        ]),
        WaitVerdict::Hopeless { .. }
    ));
    // Long loads that fail take their restarts.
    assert!(matches!(
        judged(&[(5, down(0), 0), (900, down(1), 0), (1_800, down(2), 0)]),
        WaitVerdict::GoOn(_)
    ));
}

#[test]
fn refused_pods_and_an_absent_controller_end_a_wait() {
    let mut refused = job(
        false,
        json!({"active": 0, "startTime": "2026-01-01T00:00:00Z"}),
        &[],
    );
    let event = json!({"type": "Warning", "reason": "FailedCreate", "involvedObject": {"uid": "u"},
        "message": "Error creating: pods \"x-\" is forbidden: exceeded quota: team",
        "lastTimestamp": "2026-01-01T00:00:01Z"});
    refused.events = Readable::Known(serde_json::from_value(json!([event])).unwrap());
    assert_eq!(patience(Goal::Done, &refused), Some(60));
    let verdict = {
        let mut vigil = vigil(Goal::Done);
        let _ = vigil.judge(&refused, seconds(0));
        vigil.judge(&refused, seconds(60))
    };
    assert_eq!(
        verdict,
        WaitVerdict::Hopeless {
            container_exit_code: None,
            reason: "pods are rejected: exceeded quota: team".to_owned()
        }
    );
    let mut ignored = job(false, json!({}), &[]);
    ignored.workload.metadata.creation_timestamp = Some(Timestamp::UNIX_EPOCH);
    ignored.now = Timestamp::from_second(60).unwrap();
    assert_eq!(patience(Goal::Done, &ignored), Some(300));
}

/// A pod on a node that does not answer, which it tolerates for some seconds.
fn on_lost_node(tolerated: Value, is_deleted: bool) -> Value {
    let mut pod = json!({
        "metadata": {"name": "p", "uid": "pod"},
        "spec": {"nodeName": "n", "tolerations": [
            {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute",
                "tolerationSeconds": tolerated},
        ]},
        "status": {"phase": "Running", "conditions": [
            {"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"},
        ]},
    });
    if is_deleted {
        pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let target = json!({"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"});
        pod["status"]["conditions"]
            .as_array_mut()
            .unwrap()
            .push(target);
    }
    pod
}

#[test]
fn a_lost_node_has_as_long_as_its_pods_stand_it() {
    let job = |pod: Value| {
        job(
            false,
            json!({"active": 1, "startTime": "2026-01-01T00:00:00Z"}),
            &[pod],
        )
    };
    let told = |tolerated: Value| patience(Goal::Done, &job(on_lost_node(tolerated, false)));
    assert_eq!(told(json!(300)), Some(300));
    assert_eq!(told(Value::Null), None);
    // Deleted, it is not replaced: its Job waits for its end.
    assert_eq!(
        patience(Goal::Done, &job(on_lost_node(json!(30), true))),
        Some(30)
    );
    // A Deployment replaces it.
    let served = |pod: Value| {
        snapshot(
            WorkloadKind::Deployment,
            json!({}),
            json!({"observedGeneration": 2}),
            &[pod],
        )
    };
    assert_eq!(
        patience(Goal::Ready, &served(on_lost_node(json!(30), false))),
        Some(90)
    );
    assert_eq!(
        patience(Goal::Ready, &served(on_lost_node(json!(30), true))),
        None
    );
}
