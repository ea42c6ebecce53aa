//! What stderr says beside the log.

use super::*;

/// What a kubelet (v1.36) sends in place of the log of a container that is being
/// cleared away, after it has answered with 200.
#[test]
fn the_nodes_own_words_are_no_output() {
    const GONE: [&str; 2] = [
        "unable to retrieve container logs for containerd://17a5d9c1b3",
        "failed to try resolving symlinks in path \"/var/log/pods/kaiwo_x-a_a/main/0.log\": \
         lstat /var/log/pods/kaiwo_x-a_a/main/0.log: no such file or directory",
    ];
    for words in GONE {
        for end in ["", "\n"] {
            let api = one_pod(
                || true,
                move |_| stream(&format!("{}{words}{end}", line(0)), End::Whole),
            );
            for arguments in [&["logs", "x"][..], &["logs", "-f", "x"]] {
                let outcome = api.sandbox.kaiwo(arguments).exits(0);
                assert_eq!(outcome.stdout, text(0));
                let note = format!("→ pod x-a: its node reports: {words}\n");
                assert_eq!(outcome.stderr.matches(&note).count(), 1, "{outcome:?}");
            }
        }
    }
}

/// A Job of one pod that ended like this, with what its log endpoint answers.
fn ended_like(status: Value, answer: fn(&Request) -> Answer) -> MockApi {
    let mut failed = job("x");
    failed["status"] = json!({"failed": 1, "conditions": [
        {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]});
    let mut pod = pod("x-a", "a", json!({}));
    pod["spec"]["initContainers"] = json!([{"name": "checkout"}]);
    pod["status"] = status;
    MockApi::new(move |request| match request.path.strip_prefix(PODS) {
        None if request.path.ends_with("/jobs/x") => Some(Answer::Json(200, failed.clone())),
        Some("") => Some(Answer::Json(200, list(&[pod.clone()]))),
        Some("/x-a") => Some(Answer::Json(200, pod.clone())),
        Some("/x-a/log") => Some(answer(request)),
        _ => None,
    })
}

/// Words of runc (1.3) and the kubelet.
#[test]
fn silence_is_explained() {
    let nothing = |_: &Request| stream("", End::Whole);
    let terminated = |reason: &str, code: i64, message: &str| {
        let ended = json!({"exitCode": code, "reason": reason, "message": message});
        json!({"phase": "Failed", "containerStatuses": [
            {"name": "main", "state": {"terminated": ended}}]})
    };
    let never = terminated(
        "StartError",
        128,
        "failed to create containerd task: failed to create shim task: OCI runtime create \
         failed: runc create failed: unable to start container process: error during container \
         init: exec: \"nosuchprog\": executable file not found in $PATH: unknown",
    );
    for (status, said) in [
        (
            never,
            "→ pod x-a: container main never started: exec: \"nosuchprog\": executable file \
             not found in $PATH\n",
        ),
        (
            terminated("Error", 1, ""),
            "→ pod x-a: its log is empty: it printed nothing, or its node rotated the log and kept only the newest file\n",
        ),
    ] {
        let api = ended_like(status, nothing);
        for arguments in [&["logs", "x"][..], &["logs", "-f", "x"]] {
            let outcome = api.sandbox.kaiwo(arguments).exits(0).says(said);
            assert_eq!(outcome.stdout, "");
        }
        // Who asks for a part of it may get nothing of it.
        let part = api.sandbox.kaiwo(&["logs", "x", "--since", "1m"]).exits(0);
        assert_eq!(part.stderr, "");
    }
    let status = json!({"phase": "Failed", "initContainerStatuses": [
        {"name": "checkout", "state": {"terminated": {"exitCode": 128, "reason": "Error"}}}],
        "containerStatuses": [
            {"name": "main", "state": {"waiting": {"reason": "PodInitializing"}}}]});
    let api = ended_like(status, nothing);
    for arguments in [&["logs", "x"][..], &["logs", "-f", "x"]] {
        let outcome = api.sandbox.kaiwo(arguments).exits(0).says(
            "→ pod x-a: init container checkout has its own log: kaiwo logs job/x -n kaiwo -c checkout\n",
        );
        assert!(!outcome.stderr.contains("wait for it"), "{outcome:?}");
    }
}

#[test]
fn an_index_whose_pod_was_deleted_is_named() {
    let api = MockApi::new(|request| {
        let mut job = job("x");
        job["spec"]["parallelism"] = json!(2);
        job["spec"]["completions"] = json!(2);
        job["status"] = json!({"failed": 2, "conditions": [
            {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]});
        let index = json!({"labels": {"batch.kubernetes.io/job-completion-index": "0"}});
        let mut pod = succeeded(pod("x-0-a", "a", index));
        pod["status"]["phase"] = json!("Failed");
        match request.path.strip_prefix(PODS) {
            None if request.path.ends_with("/jobs/x") => Some(Answer::Json(200, job)),
            Some("") => Some(Answer::Json(200, list(&[pod]))),
            Some("/x-0-a") => Some(Answer::Json(200, pod)),
            Some("/x-0-a/log") => Some(stream(&line(0), End::Whole)),
            _ => None,
        }
    });
    for arguments in [&["logs", "x"][..], &["logs", "-f", "x"]] {
        let outcome = api.sandbox.kaiwo(arguments).exits(0);
        let outcome = outcome.says("→ the pod with index 1 and its log are gone\n");
        assert_eq!(outcome.stdout, text(0));
    }
}

/// One that kaiwo 0.1.0 has made has no hook that passes it on.
#[test]
fn where_the_applications_of_ray_print_is_said() {
    let hook = json!({"postStart": {"exec": {"command": ["sh"]}}});
    for (lifecycle, is_said) in [(json!({}), true), (hook, false)] {
        let api = MockApi::new(move |request| {
            let service = json!({"apiVersion": "ray.io/v1", "kind": "RayService",
                "metadata": {"name": "x", "namespace": "kaiwo", "uid": "service"},
                "status": {"activeServiceStatus": {"rayClusterName": "x-1"}}});
            let of = |name: &str, node: &str| {
                let labels = json!({"labels":
                    {"ray.io/cluster": "x-1", "ray.io/node-type": node}});
                let mut pod = pod(name, name, labels);
                pod["spec"]["containers"][0]["lifecycle"] = lifecycle.clone();
                pod
            };
            let pods = [of("x-1-head-a", "head"), of("x-1-worker-b", "worker")];
            match request.path.strip_prefix(PODS) {
                None if request.path.ends_with("/rayservices/x") => {
                    Some(Answer::Json(200, service))
                }
                Some("") => Some(Answer::Json(200, list(&pods))),
                Some(path) if path.ends_with("/log") => Some(stream(&line(0), End::Whole)),
                _ => None,
            }
        });
        let outcome = api.sandbox.kaiwo(&["logs", "rayservice/x"]).exits(0);
        let said = "→ the output of its applications is in Ray's log files: kaiwo exec rayservice/x -n kaiwo --pod worker-b -- sh -c 'tail -n 100 /tmp/ray/session_latest/logs/worker-*'\n";
        assert_eq!(outcome.stderr.contains(said), is_said, "{outcome:?}");
        assert_eq!(outcome.stdout.lines().count(), 2, "{outcome:?}");
    }
}

#[test]
fn nothing_is_written_yet() {
    let api = MockApi::new(|request| {
        let mut job = job("x");
        job["spec"]["suspend"] = json!(true);
        job["metadata"]["labels"] = json!({"kueue.x-k8s.io/queue-name": "kaiwo"});
        job["status"] = json!({});
        let queued = json!({
            "metadata": {"name": "w", "namespace": "kaiwo"},
            "spec": {"queueName": "kaiwo"},
            "status": {"conditions": [{"type": "QuotaReserved", "status": "False",
                "reason": "Pending", "message": "insufficient quota"}]},
        });
        match request.path.as_str() {
            path if path.ends_with("/jobs/x") => Some(Answer::Json(200, job)),
            path if path.ends_with("/workloads") => Some(Answer::Json(200, list(&[queued]))),
            _ => None,
        }
    });
    let outcome = api
        .sandbox
        .kaiwo(&["logs", "x"])
        .exits(0)
        .says("→ job/x: queued: insufficient quota")
        .says("wait for it: kaiwo logs -f job/x -n kaiwo");
    assert_eq!(outcome.stdout, "");
    _ = api
        .sandbox
        .kaiwo(&["logs", "x", "--pod", "x-b"])
        .exits(3)
        .says("job/x has no pod x-b");
}
