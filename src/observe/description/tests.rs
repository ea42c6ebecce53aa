use serde_json::{Value, json};

use super::*;
use crate::api::Readable;
use crate::api::workload::Workload;
use crate::kind::WorkloadKind;

fn snapshot(kind: WorkloadKind, object: Value, queued: Value, pods: Value) -> Snapshot {
    Snapshot {
        queued: Readable::Known(serde_json::from_value(queued).unwrap()),
        ..Snapshot::new(
            Workload::read(kind, kind.api_version(), &object).unwrap(),
            Readable::Known(serde_json::from_value(pods).unwrap()),
            Default::default(),
        )
    }
}

fn template(gpus: i64) -> Value {
    json!({"spec": {"containers": [{
        "name": "c", "image": "an/image", "resources": {
            "limits": {"amd.com/gpu": gpus, "cpu": 4}, "requests": {"amd.com/gpu": gpus},
        },
    }]}})
}

#[test]
fn a_ray_job_is_its_groups_and_its_dashboard() {
    let object = json!({
        "metadata": {"name": "x", "namespace": "ml", "labels": {
            "kueue.x-k8s.io/queue-name": "team", "app.kubernetes.io/managed-by": "kaiwo",
        }},
        "spec": {"rayClusterSpec": {
            "headGroupSpec": {"template": template(0)},
            "workerGroupSpecs": [{"replicas": 2, "template": template(8)}],
        }},
        "status": {
            "jobDeploymentStatus": "Running", "jobStatus": "RUNNING",
            "dashboardURL": "x-head-svc.ml.svc.cluster.local:8265",
        },
    });
    let queued = json!([{
        "metadata": {"name": "w"},
        "status": {"admission": {"clusterQueue": "gpus", "podSetAssignments": [
            {"name": "head", "flavors": {"cpu": "cheap"}},
            {"name": "workers", "flavors": {"cpu": "cheap", "amd.com/gpu": "mi300x"}},
        ]}},
    }]);
    let snapshot = snapshot(WorkloadKind::RayJob, object, queued, json!([]));
    let about = Description::new(&snapshot, WorkloadDetails::default());
    assert_eq!(
        about.gpus,
        [GpuGroup {
            pods: 2,
            per_pod: 8,
            resource: "amd.com/gpu".to_owned()
        }]
    );
    assert_eq!(about.images, ["an/image"]);
    assert_eq!(about.queue.unwrap().flavors, ["mi300x"]);
    assert_eq!(
        about.endpoints[0].url,
        "http://x-head-svc.ml.svc.cluster.local:8265"
    );
    assert_eq!(
        about.next,
        [
            "kaiwo logs rayjob/x -n ml -f",
            "kaiwo port-forward rayjob/x -n ml --dashboard",
            "kaiwo delete rayjob/x -n ml"
        ]
    );
}

#[test]
fn pods_tell_what_is_wrong_and_events_only_what_was() {
    let pods = json!([
        {"metadata": {"name": "b"}, "spec": {"nodeName": "n"}, "status": {"phase": "Running"}},
        {"metadata": {"name": "a"}, "status": {"phase": "Pending", "containerStatuses": [{
            "name": "c", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such tag"}},
        }]}},
    ]);
    let object = json!({"metadata": {"name": "x"}});
    let snapshot = snapshot(WorkloadKind::Job, object, json!([]), pods);
    let events: Vec<Event> = (0..20)
        .map(|index| {
            let event = json!({"reason": format!("r{index}"), "involvedObject": {"kind": "Pod", "name": "a"}});
            serde_json::from_value(event).unwrap()
        })
        .collect();
    let about = Description::new(
        &snapshot,
        WorkloadDetails {
            events,
            uploads: vec![10, 20],
            ..WorkloadDetails::default()
        },
    );
    let reasons: Vec<_> = about.pods.iter().map(|pod| pod.reason.as_deref()).collect();
    assert_eq!(reasons, [Some("ImagePullBackOff: no such tag"), None]);
    assert_eq!(about.nodes, ["n"]);
    assert_eq!(about.events.len(), EVENTS);
    assert_eq!(about.events[EVENTS - 1].reason, "r19");
    assert_eq!(about.events[0].object, "pod/a");
    let uploads = about.uploads.unwrap();
    assert_eq!((uploads.count, uploads.bytes), (2, 30));
}
