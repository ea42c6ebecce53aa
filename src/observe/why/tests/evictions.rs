//! Why Kueue stopped a workload, and how it runs again.

use super::*;

#[test]
fn an_eviction_for_readiness_says_how_long_and_what_to_change() {
    let mut evidence = waits(json!([
        {"type": "QuotaReserved", "status": "False", "reason": "Pending", "message": SHORT},
        {"type": "Evicted", "status": "True", "reason": "PodsReadyTimeout",
            "message": "Exceeded the PodsReady timeout ml/job-x"},
    ]));
    let told = text(&evidence);
    assert!(!told.contains("had been loading"), "{told}");
    if let Readable::Known(queued) = &mut evidence.snapshot.queued {
        let own = &mut queued[0];
        own.status.accumulated_past_execution_time_seconds = Some(3_600);
        own.status.scheduling_stats = serde_json::from_value(json!({"evictions": [
            {"reason": "PodsReadyTimeout", "count": 2},
        ]}))
        .unwrap();
        own.spec.pod_sets =
            serde_json::from_value(json!([{"name": "main", "count": 1, "template": {"spec": {
                "containers": [{"startupProbe": {"periodSeconds": 10, "failureThreshold": 360}}],
            }}}]))
            .unwrap();
    }
    evidence.kueue = serde_json::from_value(json!({"waitForPodsReady": {"timeout": "30m"}})).ok();
    let told = text(&evidence);
    for words in [
        "its pods have been loading for 60 min in total, in 2 attempts",
        "Kueue allows 30 min (waitForPodsReady.timeout)",
        "their startup probe allows 60 min",
        "allow as long as the probe, 60 min",
        "kubectl -n kueue-system edit configmap kueue-manager-config",
    ] {
        assert!(told.contains(words), "no {words:?} in {told}");
    }
    assert!(EvidenceReads::about(&evidence.snapshot).configuration);
    // Of an array whose tasks failed it is something else.
    let array = json!({
        "metadata": {"name": "x", "namespace": "ml", "uid": "u"},
        "spec": {"suspend": true, "completionMode": "Indexed", "completions": 4, "backoffLimitPerIndex": 0},
        "status": {"failedIndexes": "0,2"},
    });
    let kind = WorkloadKind::Job;
    evidence.snapshot.workload = Workload::read(kind, kind.api_version(), &array).unwrap();
    let told = text(&evidence);
    assert!(
        told.contains("2 of its tasks failed, which Kueue counts as not ready and allows for 30 min (waitForPodsReady.recoveryTimeout)")
            && told.contains("--max-failed") && !told.contains("loading"),
        "{told}"
    );
}

#[test]
fn what_kueue_took_off_says_so_first() {
    let preempted = json!([
        {"type": "QuotaReserved", "status": "False", "reason": "Pending", "message": SHORT},
        {"type": "Evicted", "status": "True", "reason": "Preempted", "message": "m", "lastTransitionTime": at(30)},
        {"type": "Preempted", "status": "True", "reason": "InCohortReclamation", "message":
            "Preempted to accommodate a workload (UID: 1, JobUID: 2) due to reclamation within the cohort; preemptor path: /all/prod; preemptee path: /all/c"},
    ]);
    let mut evidence = waits(preempted);
    assert_eq!(
        causes(&evidence),
        [Cause::Preempted, Cause::WaitingForQuota]
    );
    assert!(text(&evidence).contains("by a workload that you may not see, in ClusterQueue prod"));
    assert_eq!(diagnose(&evidence).since, Some(at(30).parse().unwrap()));
    evidence.neighbours = vec![queued(json!({
        "metadata": {"name": "w", "namespace": "ml", "uid": "1", "ownerReferences": [{"kind": "RayJob", "name": "big", "uid": "2", "controller": true}]},
    }))];
    assert!(text(&evidence).contains("by rayjob/big"));
    let given_up = |reason: &str| {
        let mut evidence = waits(json!([
            {"type": "Evicted", "status": "True", "reason": reason, "message": "m"},
        ]));
        if let Readable::Known(queued) = &mut evidence.snapshot.queued {
            queued[0].spec.active = Some(false);
        }
        causes(&evidence)
    };
    for (reason, cause) in [
        ("Deactivated", Cause::Deactivated),
        (
            "DeactivatedDueToAdmissionCheck",
            Cause::AdmissionCheckRejected,
        ),
        (
            "DeactivatedDueToRequeuingLimitExceeded",
            Cause::RequeuingLimit,
        ),
        (
            "DeactivatedDueToMaximumExecutionTimeExceeded",
            Cause::MaximumExecutionTime,
        ),
    ] {
        assert_eq!(given_up(reason), [cause], "{reason}");
    }
}

#[test]
fn a_service_is_served_again_and_what_serves_is_not_deleted_for_it() {
    let told = |kind: WorkloadKind, queue: Option<&str>| {
        let labels = json!({"kueue.x-k8s.io/queue-name": queue.unwrap_or_default()});
        let mut evidence = evidence(
            kind,
            &json!({"metadata": {"name": "x", "namespace": "ml", "labels": labels}}),
        );
        // A head and a worker: one image, one cause.
        let pods = ["ray-head", "ray-worker"].map(|container| {
            json!({
                "metadata": {"name": container},
                "spec": {"containers": [{"name": container, "image": "r/x:1"}]},
                "status": {"phase": "Pending", "containerStatuses": [{"name": container, "state": {
                    "waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image \"r/x:1\": not found"},
                }}]},
            })
        });
        evidence.snapshot.pods = Readable::Known(serde_json::from_value(json!(pods)).unwrap());
        let mut findings = diagnose(&evidence).findings;
        assert_eq!(findings.len(), 1);
        assert!(
            findings[0]
                .evidence
                .contains(&"pods: 2 of 2, the first is ray-head".to_owned())
        );
        findings[0].remedies.remove(0).text
    };
    assert_eq!(
        told(WorkloadKind::RayService, None),
        "serve it again with the correct -i IMAGE"
    );
    assert_eq!(
        told(WorkloadKind::RayService, Some("q")),
        "serve it again with --replace and the correct -i IMAGE"
    );
}
