//! `kaiwo volumes`.

use serde_json::json;

use super::json::is_golden;
use super::server::{Answer, MockApi, Request, list};

fn claims(request: &Request) -> Option<Answer> {
    if request.path.ends_with("/persistentvolumeclaims") {
        let kept = json!({
            "metadata": {
                "name": "chat-scratch", "namespace": "kaiwo", "uid": "c1",
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "labels": {"app.kubernetes.io/instance": "chat"},
            },
            "spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
                "volumeName": "pv-1", "resources": {"requests": {"storage": "10Gi"}},
            },
            "status": {"phase": "Bound", "capacity": {"storage": "12Gi"}},
        });
        let waits = json!({
            "metadata": {"name": "data", "namespace": "kaiwo", "uid": "c2"},
            "spec": {
                "accessModes": ["ReadOnlyMany", "ReadWriteMany"],
                "resources": {"requests": {"storage": "2Ti"}},
            },
            "status": {"phase": "Pending"},
        });
        return Some(Answer::Json(200, list(&[waits, kept])));
    }
    request.path.ends_with("/pods").then(|| {
        let pod = json!({
            "metadata": {"name": "chat-1", "namespace": "kaiwo", "uid": "p1"},
            "spec": {"volumes": [
                {"name": "scratch", "persistentVolumeClaim": {"claimName": "chat-scratch"}},
            ]},
            "status": {"phase": "Running"},
        });
        Answer::Json(200, list(&[pod]))
    })
}

#[test]
fn claims_have_their_golden_and_every_form() {
    let api = MockApi::new(claims);
    let outcome = api.sandbox.kaiwo(&["volumes", "-o", "json"]).exits(0);
    is_golden("volumes", &outcome);
    let none = MockApi::new(|request| {
        let is_list = request.path.ends_with("/persistentvolumeclaims");
        is_list.then(|| Answer::Json(200, list(&[])))
    });
    let outcome = none.sandbox.kaiwo(&["volumes", "-o", "json"]).exits(0);
    is_golden("volumes_none", &outcome);
    let names = api.sandbox.kaiwo(&["volumes", "-o", "name"]).exits(0);
    assert_eq!(
        names.stdout,
        "persistentvolumeclaim/chat-scratch\npersistentvolumeclaim/data\n"
    );
    let table = api.sandbox.kaiwo(&["volumes"]).exits(0).stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("NAME"), "{table}");
    assert!(
        lines[1].starts_with("chat-scratch  Bound    12Gi  fast   RWO      chat      chat-1"),
        "{table}"
    );
    assert!(lines[2].contains("ROX,RWX"), "{table}");
    let wide = api.sandbox.kaiwo(&["volumes", "-o", "wide", "-A"]).exits(0);
    assert!(wide.stdout.contains("NAMESPACE"), "{}", wide.stdout);
    assert!(wide.stdout.contains("pv-1"), "{}", wide.stdout);
}

#[test]
fn who_may_not_list_is_told() {
    let api = MockApi::new(|request| {
        let claims = request.path.ends_with("/persistentvolumeclaims");
        claims.then_some(Answer::Refuse(403, "User \"alice\" cannot list"))
    });
    _ = api.sandbox.kaiwo(&["volumes"]).exits(4);
    let api = MockApi::new(|request| {
        let pods = request.path.ends_with("/pods");
        let refused = pods.then_some(Answer::Refuse(403, "User \"alice\" cannot list"));
        refused.or_else(|| claims(request))
    });
    let outcome = api.sandbox.kaiwo(&["volumes", "-o", "json"]).exits(0);
    assert!(!outcome.stdout.contains("mountedBy"), "{}", outcome.stdout);
    _ = outcome.says("who mounts them is unknown");
    let api = MockApi::new(|request| {
        let listed = request.path.starts_with("/api/v1/namespaces/kaiwo/");
        listed.then(|| Answer::Json(200, list(&[])))
    });
    let outcome = api.sandbox.kaiwo(&["volumes"]).exits(0);
    assert_eq!(outcome.stdout, "");
    _ = outcome.says("no volumes in namespace kaiwo");
}
