use super::*;

fn event(about: &str, reason: &str, message: &str, second: u8) -> Event {
    serde_json::from_value(json!({
        "metadata": {"name": "e"}, "type": "Warning", "reason": reason, "message": message,
        "involvedObject": {"uid": about}, "lastTimestamp": at(second),
    }))
    .unwrap()
}

/// The newest event of a Job that had been in trouble must not outlive it.
#[test]
fn a_stale_event_never_wins_over_the_present() {
    let refused = "Error creating: pods \"x-\" is forbidden: error looking up service account ml/a: serviceaccount \"a\" not found";
    // Younger than the start, and about the Job itself: it tells.
    let mut evidence = started();
    evidence.snapshot.events = Readable::Known(vec![event("u", "FailedCreate", refused, 20)]);
    assert_eq!(causes(&evidence), [Cause::PodsRefused]);
    assert!(text(&evidence).contains("create serviceaccount a"));
    // From before the Job was resumed, or about another object.
    for stale in [
        event("u", "FailedCreate", refused, 5),
        event("another", "FailedCreate", refused, 20),
    ] {
        let mut evidence = started();
        evidence.snapshot.events = Readable::Known(vec![stale]);
        assert_eq!(causes(&evidence), [Cause::Starting]);
    }
    // It has pods by now.
    let mut evidence = started();
    evidence.snapshot.events = Readable::Known(vec![event("u", "FailedCreate", refused, 20)]);
    let creating = json!({
        "metadata": {"name": "p", "uid": "p", "creationTimestamp": at(25)}, "spec": {"nodeName": "n"},
        "status": {"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": at(25)},
        ]},
    });
    pods(&mut evidence, vec![creating]);
    assert_eq!(causes(&evidence), [Cause::Starting]);
    // A mount that failed before the pod was on this node says nothing about it.
    let mount = "MountVolume.SetUp failed for volume \"key\" : secret \"hf\" not found";
    evidence.snapshot.events = Readable::Known(vec![event("p", "FailedMount", mount, 24)]);
    assert_eq!(causes(&evidence), [Cause::Starting]);
    evidence.snapshot.events = Readable::Known(vec![event("p", "FailedMount", mount, 30)]);
    assert_eq!(causes(&evidence), [Cause::ConfigurationMissing]);
    evidence.snapshot.events = Readable::Known(vec![event("p", "FailedMount", "timed out", 30)]);
    assert_eq!(causes(&evidence), [Cause::VolumeMount]);
}

#[test]
fn the_words_of_registries_are_told_apart() {
    for (message, cause) in [
        ("Back-off pulling image \"r/x:1\"", Cause::ImagePull),
        (
            "Back-off pulling image \"r/x:1\": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image \"docker.io/r/x:1\": failed to resolve reference \"docker.io/r/x:1\": docker.io/r/x:1: not found",
            Cause::ImageNotFound,
        ),
        (
            "Back-off pulling image \"r/x:1\": ErrImagePull: reading manifest 1 in quay.io/r/x: manifest unknown",
            Cause::ImageNotFound,
        ),
        (
            "Back-off pulling image \"r/x:1\": ErrImagePull: pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
            Cause::ImageDenied,
        ),
        (
            "Back-off pulling image \"r/x:1\": ErrImagePull: failed to fetch anonymous token: unexpected status: 401 Unauthorized",
            Cause::ImageDenied,
        ),
        (
            "Back-off pulling image \"r/x:1\": ErrImagePull: failed to do request: Head \"https://r/v2\": dial tcp: lookup r: no such host",
            Cause::ImagePull,
        ),
        (
            "Back-off pulling image \"r/x:1\": ErrImagePull: 429 Too Many Requests - toomanyrequests: You have reached your pull rate limit",
            Cause::ImagePull,
        ),
        ("Back-off pulling image \"not found/404\"", Cause::ImagePull),
    ] {
        let mut evidence = started();
        pods(
            &mut evidence,
            vec![json!({
                "metadata": {"name": "p", "uid": "p"},
                "status": {"phase": "Pending", "containerStatuses": [
                    {"name": "c", "state": {"waiting": {"reason": "ImagePullBackOff", "message": message}}},
                ]},
            })],
        );
        assert_eq!(causes(&evidence), [cause], "{message}");
    }
    // Older kubelets say why in an event only.
    let mut evidence = started();
    pods(
        &mut evidence,
        vec![json!({
            "metadata": {"name": "p", "uid": "p"},
            "status": {"phase": "Pending", "containerStatuses": [
                {"name": "c", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image \"r/x\""}}},
            ]},
        })],
    );
    evidence.snapshot.events = Readable::Known(vec![event(
        "p",
        "Failed",
        "Failed to pull image \"r/x\": r/x: not found",
        20,
    )]);
    assert_eq!(causes(&evidence), [Cause::ImageNotFound]);
}

#[test]
fn a_failing_probe_is_quoted() {
    let told = |message: &str| {
        let mut evidence = started();
        let running = json!({"running": {"startedAt": at(20)}});
        pods(&mut evidence, vec![unready(0, running, json!({}))]);
        evidence.snapshot.events = Readable::Known(vec![event("p", "Unhealthy", message, 30)]);
        assert_eq!(causes(&evidence), [Cause::NotReady]);
        text(&evidence)
    };
    let answers = told("Startup probe failed: HTTP probe failed with statuscode: 500");
    for words in [
        "1 of 1 pods are running but not ready",
        // The container's time, not the pod's.
        "pod p has been running for 39 s",
        "HTTP probe failed with statuscode: 500",
        "answers HTTP 500, which does not mean that it is still loading",
    ] {
        assert!(answers.contains(words), "{words}: {answers}");
    }
    assert!(!answers.contains("loading a large model"), "{answers}");
    for loading in [
        "Startup probe failed: dial tcp 10.2.0.8:8000: connect: connection refused",
        "Readiness probe failed: HTTP probe failed with statuscode: 503",
    ] {
        assert!(told(loading).contains("loading a large model"), "{loading}");
    }
}

/// Asked at every moment of ten turns, it says the same but for the count.
#[test]
fn a_crash_loop_has_one_answer() {
    let ended = json!({"exitCode": 5, "reason": "Error", "startedAt": at(3), "finishedAt": at(7)});
    let last = json!({"terminated": ended});
    let mut told = Vec::new();
    for turn in 0..10 {
        let states = [
            (json!({"terminated": ended}), turn),
            (
                json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s restarting failed container=c pod=p_ml(uid)"}}),
                turn,
            ),
            (json!({"running": {"startedAt": at(50)}}), turn + 1),
        ];
        for (state, restarts) in states {
            let mut evidence = started();
            pods(&mut evidence, vec![unready(restarts, state, last.clone())]);
            let questions = EvidenceReads::about(&evidence.snapshot);
            let log = questions.log.unwrap();
            assert_eq!((log.pod.as_str(), log.container.as_str()), ("p", "c"));
            evidence.last_words = vec!["boom: no such weights".to_owned()];
            let finding = diagnose(&evidence).findings.remove(0);
            let evidence: Vec<String> = finding.evidence;
            let count = |line: &&String| !line.starts_with("restarted ");
            let rest: Vec<String> = evidence.iter().filter(count).cloned().collect();
            told.push((finding.cause, finding.summary, rest));
        }
    }
    told.dedup();
    let lines = ["| boom: no such weights", "pod: p"].map(str::to_owned);
    let summary = "container c keeps exiting with exit code 5".to_owned();
    assert_eq!(told, [(Cause::CrashLoop, summary, lines.to_vec())]);
}

#[test]
fn the_log_that_is_read_is_that_of_what_ended() {
    let last = json!({"terminated": {"exitCode": 5}});
    for (state, previous) in [
        (json!({"terminated": {"exitCode": 5}}), false),
        (json!({"waiting": {"reason": "CrashLoopBackOff"}}), true),
        (json!({"running": {}}), true),
    ] {
        let mut evidence = started();
        pods(&mut evidence, vec![unready(1, state.clone(), last.clone())]);
        let log = EvidenceReads::about(&evidence.snapshot).log.unwrap();
        assert_eq!(log.previous, previous, "{state}");
    }
}

#[test]
fn an_image_without_a_shell_cannot_copy_the_uploads() {
    let told = |command: &[&str]| {
        let mut evidence = started();
        let message =
            "failed to create containerd task: exec: \"sh\": executable file not found in $PATH";
        pods(
            &mut evidence,
            vec![json!({
                "metadata": {"name": "p"},
                "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "command": command}]},
                "status": {"phase": "Failed", "containerStatuses": [
                    {"name": "c", "state": {"terminated": {"exitCode": 128, "reason": "StartError", "message": message}}},
                ]},
            })],
        );
        text(&evidence)
    };
    let flag = "--replace and --read-only-workdir, which copies nothing";
    let copy = "cp -R /kaiwo/uploads/..data/. .";
    let direct = told(&["sh", "-c", copy, "/workload/entrypoint"]);
    assert!(direct.contains(flag), "{direct}");
    let script = told(&["sh", "-c", copy, "sh", "/workload/entrypoint"]);
    assert!(
        script.contains("--replace and an image that has sh"),
        "{script}"
    );
    let own = told(&["sh", "-c", "true"]);
    assert!(own.contains("check its command"), "{own}");
}

#[test]
fn what_programs_print_tells_known_mistakes() {
    let failed = |lines: &[&str]| {
        let mut evidence = started();
        pods(
            &mut evidence,
            vec![json!({
                "metadata": {"name": "p"}, "spec": {"restartPolicy": "Never"},
                "status": {"phase": "Failed", "containerStatuses": [
                    {"name": "c", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}},
                ]},
            })],
        );
        evidence.last_words = lines.iter().map(|line| (*line).to_owned()).collect();
        text(&evidence)
    };
    let told = failed(&["OSError: [Errno 30] Read-only file system: 'outputs'"]);
    assert!(
        told.contains("write to /scratch ($KAIWO_SCRATCH) instead"),
        "{told}"
    );
    let told = failed(&["exec /workload/run: exec format error"]);
    assert!(
        told.contains("the program is for a different architecture"),
        "{told}"
    );
    assert!(!failed(&["no"]).contains("/scratch"));
}

#[test]
fn the_last_word_of_a_driver_comes_first() {
    let rayjob = evidence(
        WorkloadKind::RayJob,
        &json!({"metadata": {"name": "x"}, "status": {
            "jobDeploymentStatus": "Failed", "jobStatus": "FAILED", "reason": "AppFailed",
            "message": "Job entrypoint command failed with exit code 17, last available logs (truncated to 20,000 chars):\nTraceback (most recent call last):\nValueError: bad sample 3\n\u{1b}[36m(f pid=644)\u{1b}[0m task 0\ntask 1\ntask 2\ntask 3\n",
        }}),
    );
    let diagnosis = diagnose(&rayjob);
    assert_eq!(
        diagnosis.standing.reason,
        "the driver ended with exit code 17: ValueError: bad sample 3"
    );
    assert_eq!(
        diagnosis.findings[0].evidence[0],
        "| ValueError: bad sample 3"
    );
    assert!(!text(&rayjob).contains('\u{1b}'));
}
