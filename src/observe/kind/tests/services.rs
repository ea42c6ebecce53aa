use super::*;

#[test]
fn a_deployment_is_ready_when_all_of_it_is() {
    let of = |status: Value, pods: &[Pod]| {
        with(
            WorkloadKind::Deployment,
            json!({"metadata": {"name": "x"}, "spec": {"replicas": 2}, "status": status}),
            &[],
            pods,
        )
    };
    let counts = |replicas: i64, updated: i64, available: i64| json!({"replicas": replicas, "updatedReplicas": updated, "availableReplicas": available});
    assert_eq!(of(counts(2, 2, 2), &[]), (Status::Ready, String::new()));
    assert_eq!(
        of(counts(3, 1, 2), &[]),
        (Status::Ready, "rolling out: 1 of 2 updated".to_owned())
    );
    assert_eq!(
        of(counts(3, 1, 2), &[pulling()]),
        (
            Status::Ready,
            "rollout is stuck: ImagePullBackOff in pod p: the registry has no image r/x".to_owned()
        )
    );
    assert_eq!(of(counts(2, 2, 1), &[]).0, Status::Degraded);
    assert_eq!(of(counts(2, 2, 0), &[]).0, Status::Starting);
    let stuck = json!({"replicas": 2, "conditions": [
        is_not("Progressing", "ProgressDeadlineExceeded", "timed out"),
    ]});
    assert_eq!(of(stuck, &[]), (Status::Failed, "timed out".to_owned()));
}

#[test]
fn a_rayservice_is_as_well_as_its_applications() {
    let of = |conditions: Value, application: &str| {
        standing_of(
            WorkloadKind::RayService,
            json!({"metadata": {}, "status": {
                "conditions": conditions,
                "activeServiceStatus": {"applicationStatuses": {"llm": {"status": application, "message": "why\nmore"}}},
            }}),
        )
    };
    let ready = json!([is("Ready", "NonZeroServeEndpoints", "")]);
    assert_eq!(of(ready.clone(), "RUNNING"), (Status::Ready, String::new()));
    assert_eq!(
        of(ready, "UNHEALTHY"),
        (Status::Degraded, "application llm: why".to_owned())
    );
    // Another configuration of Ray Serve is taken up by the cluster there is.
    let ready = json!([is("Ready", "NonZeroServeEndpoints", "")]);
    assert_eq!(
        of(ready, "DEPLOYING"),
        (Status::Ready, "application llm: DEPLOYING".to_owned())
    );
    assert_eq!(of(json!([]), "DEPLOYING").0, Status::Starting);
    assert_eq!(of(json!([]), "DEPLOY_FAILED").0, Status::Failed);
}

#[test]
fn what_keeps_the_next_cluster_does_not_keep_the_one_that_serves() {
    let of = |application: &str, cluster: &str| {
        let mut pod = pulling();
        let labels = [("ray.io/cluster".to_owned(), cluster.to_owned())];
        pod.metadata.labels = labels.into();
        with(
            WorkloadKind::RayService,
            json!({"metadata": {}, "status": {
                "conditions": [is("Ready", "", ""), is("UpgradeInProgress", "", "")],
                "activeServiceStatus": {"rayClusterName": "old"},
                "pendingServiceStatus": {"rayClusterName": "new", "applicationStatuses": {
                    "llm": {"status": application, "message": "no module"},
                }},
            }}),
            &[],
            &[pod],
        )
    };
    for (application, cluster, reason) in [
        ("DEPLOYING", "old", "rolling out a new cluster"),
        (
            "DEPLOY_FAILED",
            "old",
            "rollout is stuck: application llm: no module",
        ),
        (
            "DEPLOYING",
            "new",
            "rollout is stuck: ImagePullBackOff in pod p: the registry has no image r/x",
        ),
    ] {
        assert_eq!(of(application, cluster), (Status::Ready, reason.to_owned()));
    }
}

#[test]
fn a_workspace_is_ready_only_with_its_pods() {
    let of = |conditions: Value, pods: &[Pod]| {
        with(
            WorkloadKind::Workspace,
            json!({"metadata": {}, "status": {"conditions": conditions}}),
            &[],
            pods,
        )
    };
    for name in ["WorkspaceSucceeded", "WorkspaceReady"] {
        let conditions = json!([is(name, "", "")]);
        assert_eq!(of(conditions.clone(), &[]).0, Status::Ready);
        assert_eq!(of(conditions, &[pulling()]).0, Status::Degraded);
    }
    let tuned = json!([is("JobStarted", "", ""), is("WorkspaceSucceeded", "", "")]);
    assert_eq!(of(tuned, &[]).0, Status::Succeeded);
    let waits = json!([
        is_not(
            "ResourceReady",
            "x",
            "quota exceeded (last reconcile error: no)"
        ),
        is_not("NodeClaimReady", "NodeClaimNotReady", "no capacity"),
    ]);
    assert_eq!(
        of(waits, &[]),
        (Status::Starting, "NodeClaimReady: no capacity".to_owned())
    );
}

#[test]
fn an_inference_set_is_as_well_as_its_replicas() {
    let of = |replicas: Value, ready: i64| {
        standing_of(
            WorkloadKind::InferenceSet,
            json!({"metadata": {}, "spec": {"replicas": replicas}, "status": {"readyReplicas": ready}}),
        )
    };
    assert_eq!(of(json!(2), 2).0, Status::Ready);
    assert_eq!(
        of(json!(3), 1),
        (Status::Degraded, "1 of 3 replicas ready".to_owned())
    );
    assert_eq!(of(Value::Null, 0).0, Status::Starting);
}

#[test]
fn a_deployment_has_the_pods_of_its_own_replica_sets() {
    let deployment = json!({
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}},
    });
    let kind = WorkloadKind::Deployment;
    let web = Workload::read(kind, kind.api_version(), &deployment).unwrap();
    assert_eq!(rules(&web).pod_labels(&[])[0].selector(), "app=web");
    for (owner, own) in [
        (json!({"kind": "ReplicaSet", "name": "web-7c9d"}), true),
        (json!({"kind": "ReplicaSet", "name": "web-2-7c9d"}), false),
        (json!({"kind": "Job", "name": "web-1"}), false),
    ] {
        let pod: Pod =
            serde_json::from_value(json!({"metadata": {"ownerReferences": [owner]}})).unwrap();
        assert_eq!(rules(&web).owns(&pod), own, "{owner}");
    }
    let everything = json!({"metadata": {"name": "web"}});
    let web = Workload::read(kind, kind.api_version(), &everything).unwrap();
    assert_eq!(rules(&web).pod_labels(&[]), []);
}

#[test]
fn a_service_that_has_crashed_before_and_serves_says_so_for_a_while() {
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "p"},
        "spec": {"restartPolicy": "Always", "containers": [{"name": "c"}]},
        "status": {"phase": "Running", "containerStatuses": [{
            "name": "c", "ready": true, "restartCount": 4,
            "state": {"running": {"startedAt": "2026-01-01T00:10:00Z"}},
            "lastState": {"terminated": {"exitCode": 5, "reason": "Error",
                "startedAt": "2026-01-01T00:09:00Z", "finishedAt": "2026-01-01T00:09:30Z"}},
        }]},
    }))
    .unwrap();
    let at = |now: &str| {
        let object = json!({
            "metadata": {"name": "x"},
            "status": {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "conditions": [
                {"type": "Available", "status": "True", "lastTransitionTime": "2026-01-01T00:10:00Z"},
            ]},
        });
        let known = WorkloadContext {
            pods: std::slice::from_ref(&pod),
            now: now.parse().unwrap(),
            ..WorkloadContext::default()
        };
        let Standing { status, reason } = standing(&read(WorkloadKind::Deployment, object), &known);
        (status, reason)
    };
    let words = "exit code 5, restarted 4 times in pod p";
    assert_eq!(
        at("2026-01-01T00:10:20Z"),
        (Status::Ready, words.to_owned())
    );
    assert_eq!(at("2026-01-01T00:11:00Z"), (Status::Ready, String::new()));
}

/// Returns a pod that KAITO's word `Ready` does not know of.
fn pod(name: &str, ready: &str, containers: Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {"nodeName": "n", "restartPolicy": "Always", "containers": [{"name": "c"}]},
        "status": {"phase": "Running", "containerStatuses": containers, "conditions": [
            {"type": "Ready", "status": ready}, {"type": "ContainersReady", "status": "True"},
        ]},
    }))
    .unwrap()
}

#[test]
fn models_are_not_ready_on_a_node_that_is_lost() {
    let lost = [pod("p", "False", json!([]))];
    let words = "pod p is on node n, which is not responding".to_owned();
    let again = [pod(
        "p",
        "True",
        json!([{
            "name": "c", "ready": true, "restartCount": 1, "state": {"running": {}},
            "lastState": {"terminated": {"exitCode": 5, "reason": "Error"}},
        }]),
    )];
    let tunes = json!([is("JobStarted", "job", "")]);
    let serves = json!([is("WorkspaceSucceeded", "workspaceSucceeded", "")]);
    for (kind, status, there, gone) in [
        (
            WorkloadKind::Workspace,
            json!({"conditions": serves}),
            Status::Ready,
            Status::Degraded,
        ),
        (
            WorkloadKind::Workspace,
            json!({"conditions": tunes}),
            Status::Running,
            Status::Running,
        ),
        (
            WorkloadKind::InferenceSet,
            json!({"readyReplicas": 1}),
            Status::Ready,
            Status::Degraded,
        ),
    ] {
        let object = json!({"metadata": {"name": "x"}, "spec": {"replicas": 1}, "status": status});
        let found = |pods| with(kind, object.clone(), &[], pods);
        assert_eq!(found(&[]), (there, String::new()), "{status}");
        assert_eq!(found(&again), (there, String::new()), "{status}");
        assert_eq!(found(&lost), (gone, words.clone()), "{status}");
    }
}

#[test]
fn an_inference_set_says_what_its_workspaces_wait_for() {
    let workspace = |name: &str, conditions: Value| {
        let object = json!({"metadata": {"name": name}, "status": {"conditions": conditions}});
        read(WorkloadKind::Workspace, object)
    };
    let workspaces = [
        workspace(
            "set-a",
            json!([is("WorkspaceSucceeded", "workspaceSucceeded", "")]),
        ),
        workspace("set-b", json!([])),
        workspace(
            "set-c",
            json!([
                is_not(
                    "WorkspaceSucceeded",
                    "workspacePending",
                    "workspace is waiting for inference workload readiness"
                ),
                is_not(
                    "NodeClaimReady",
                    "NodeClaimNotReady",
                    "Ready NodeClaims are not enough"
                ),
            ]),
        ),
    ];
    let of = |replicas: i64, ready: i64| {
        let object = json!({"metadata": {}, "spec": {"replicas": replicas}, "status": {"readyReplicas": ready}});
        let known = WorkloadContext {
            workspaces: &workspaces,
            ..WorkloadContext::default()
        };
        let Standing { status, reason } =
            standing(&read(WorkloadKind::InferenceSet, object), &known);
        (status, reason)
    };
    assert_eq!(
        of(3, 1),
        (
            Status::Degraded,
            "1 of 3 replicas ready: NodeClaimReady: Ready NodeClaims are not enough".to_owned()
        )
    );
    assert_eq!(of(0, 0), (Status::Suspended, "scaled to 0".to_owned()));
}
