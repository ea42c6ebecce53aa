//! What each node has and holds.

use serde_json::json;

use super::json::is_golden;
use super::server::{Answer, MockApi, Request, list};

fn two(request: &Request) -> Option<Answer> {
    let answer = match request.path.as_str() {
        "/api/v1/nodes" => list(&[
            json!({
                "metadata": {
                    "name": "gpu-1",
                    "labels": {"node.kubernetes.io/instance-type": "Standard_ND96isr_H100_v5"},
                },
                "spec": {"unschedulable": true},
                "status": {"allocatable": {"cpu": "64", "memory": "512Gi", "nvidia.com/gpu": "8"}},
            }),
            json!({
                "metadata": {"name": "plain"},
                "status": {"allocatable": {"cpu": "16", "memory": "64Gi"}},
            }),
        ]),
        "/api/v1/pods" => list(&[json!({
            "metadata": {"name": "other-0", "namespace": "ml"},
            "spec": {"nodeName": "gpu-1", "containers": [
                {"name": "c", "resources": {"requests": {"cpu": "2", "nvidia.com/gpu": "3"}}},
            ]},
        })]),
        _ => return None,
    };
    Some(Answer::Json(200, answer))
}

#[test]
fn nodes_have_their_golden() {
    let api = MockApi::new(two);
    is_golden(
        "nodes",
        &api.sandbox.kaiwo(&["nodes", "-o", "json"]).exits(0),
    );
    let told = api.sandbox.kaiwo(&["nodes"]).exits(0);
    insta::assert_snapshot!("nodes", told.stdout);
    let api = MockApi::new(|request| match request.path.as_str() {
        "/api/v1/pods" => Some(Answer::Refuse(403, "Forbidden")),
        _ => two(request),
    });
    let plain = ["nodes", "plain", "-o", "json"];
    let outcome = api.sandbox.kaiwo(&plain).exits(0);
    is_golden("nodes_without_pods", &outcome);
}
