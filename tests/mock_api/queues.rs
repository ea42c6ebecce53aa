//! `kaiwo queues` against a scripted API server.

use serde_json::{Value, json};

use super::json::is_golden;
use super::server::{Answer, MockApi, Request, groups, list};

fn cluster_queue(name: &str, nominal: i64, used: i64, stop: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {"cohortName": "all", "stopPolicy": stop, "resourceGroups": [{
            "coveredResources": ["amd.com/gpu", "memory"],
            "flavors": [{"name": "mi300x", "resources": [
                {"name": "amd.com/gpu", "nominalQuota": nominal},
                {"name": "memory", "nominalQuota": "4Ti"},
            ]}],
        }]},
        "status": {
            "admittedWorkloads": 3, "pendingWorkloads": 2,
            "flavorsReservation": [{"name": "mi300x", "resources": [
                {"name": "amd.com/gpu", "total": used}, {"name": "memory", "total": "2Ti"},
            ]}],
        },
    })
}

fn local_queue() -> Value {
    json!({
        "metadata": {"name": "team", "namespace": "kaiwo"}, "spec": {"clusterQueue": "ml"},
        "status": {
            "admittedWorkloads": 1, "pendingWorkloads": 2,
            "flavorsReservation": [{"name": "mi300x", "resources": [{"name": "amd.com/gpu", "total": 8}]}],
        },
    })
}

fn queues(request: &Request) -> Option<Answer> {
    let found = match request.path.rsplit('/').next()? {
        "clusterqueues" => list(&[
            cluster_queue("ml", 16, 24, "None"),
            cluster_queue("web", 16, 4, "Hold"),
        ]),
        "localqueues" => list(&[local_queue()]),
        _ => return None,
    };
    Some(Answer::Json(200, found))
}

#[test]
fn queues_have_their_golden() {
    let api = MockApi::new(queues);
    let outcome = api.sandbox.kaiwo(&["queues", "-o", "json"]).exits(0);
    is_golden("queues", &outcome);
    let yaml = api.sandbox.kaiwo(&["queues", "-o", "yaml"]).exits(0);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(yaml.documents(), [report]);
    let told = api.sandbox.kaiwo(&["queues"]).exits(0);
    insta::assert_snapshot!("queues", told.stdout);
}

#[test]
fn who_may_not_read_cluster_queues_sees_local_ones() {
    let denied = |request: &Request, what: &str| {
        let denied = request.path.ends_with(what);
        denied.then_some(Answer::Refuse(403, "User \"alice\" cannot list"))
    };
    let api =
        MockApi::new(move |request| denied(request, "/clusterqueues").or_else(|| queues(request)));
    let outcome = api.sandbox.kaiwo(&["queues"]).exits(0);
    assert_eq!(
        outcome.stdout,
        "LocalQueue team in namespace kaiwo of ClusterQueue ml: 1 admitted, 2 pending\n\
         \x20 mi300x  amd.com/gpu  8 used\n"
    );
    let api = MockApi::new(move |request| {
        denied(request, "/clusterqueues").or_else(|| {
            let mut stopped = local_queue();
            stopped["spec"]["stopPolicy"] = json!("HoldAndDrain");
            let local = request.path.ends_with("/localqueues");
            local.then(|| Answer::Json(200, list(&[stopped])))
        })
    });
    let outcome = api.sandbox.kaiwo(&["queues", "-o", "json"]).exits(0);
    is_golden("queues_local", &outcome);
    let api = MockApi::new(move |request| denied(request, "queues"));
    let _ = api.sandbox.kaiwo(&["queues"]).exits(4);
    let api = MockApi::new(|request| {
        (request.path == "/apis").then(|| Answer::Json(200, groups(&[], &[])))
    });
    let _ = api.sandbox.kaiwo(&["queues"]).exits(3).says("Kueue");
    let api = MockApi::new(|request| {
        request
            .path
            .ends_with("queues")
            .then(|| Answer::Json(200, list(&[])))
    });
    let _ = api.sandbox.kaiwo(&["queues"]).exits(0).says("no queues");
}
