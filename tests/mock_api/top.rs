//! `kaiwo top` and GPU use in `kaiwo status`, with a scripted Prometheus.

use serde_json::{Value, json};

use super::json::is_golden;
use super::server::{Answer, MockApi, Request, list};

/// Gives Prometheus all the time it may need.
const PATIENT: &str = "--request-timeout=600";

/// Two pods of the Job `train`: one has idled for ten minutes, the other has
/// just begun.
fn pods() -> Value {
    let pod = |name: &str| {
        json!({
            "metadata": {
                "name": name, "namespace": "kaiwo", "uid": name,
                "labels": {"app.kubernetes.io/instance": "train"},
            },
            "spec": {"nodeName": "gpu-1", "containers": [{
                "name": "workload", "image": "an/image", "resources": {
                    "limits": {"amd.com/gpu": "1"}, "requests": {"amd.com/gpu": "1"},
                },
            }]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        })
    };
    list(&[pod("train-0"), pod("train-1")])
}

fn vector(samples: &[(&str, &str, &str)]) -> Answer {
    let samples = samples.iter().map(|(name, pod, value)| {
        json!({"metric": {"__name__": name, "pod": pod, "namespace": "kaiwo"}, "value": [1.0, value]})
    });
    let result: Vec<Value> = samples.collect();
    let data = json!({"resultType": "vector", "result": result});
    Answer::Json(200, json!({"status": "success", "data": data}))
}

/// Prometheus behind a Service that is found by its labels.
fn prometheus(request: &Request) -> Option<Answer> {
    let services = "/api/v1/services";
    let proxy = "/api/v1/namespaces/monitoring/services/prometheus:9090/proxy/api/v1/query";
    match request.path.as_str() {
        path if path == services => {
            let found = json!({
                "metadata": {"name": "prometheus", "namespace": "monitoring"},
                "spec": {"ports": [{"name": "reloader", "port": 8080}, {"name": "http-web", "port": 9090}]},
            });
            let is_stack = request.query.contains("kube-prometheus-stack");
            Some(Answer::Json(
                200,
                list(if is_stack {
                    std::slice::from_ref(&found)
                } else {
                    &[]
                }),
            ))
        }
        path if path == proxy && request.query.contains("avg_over_time") => {
            Some(vector(&[("", "train-0", "1.2"), ("", "train-1", "0")]))
        }
        path if path == proxy && request.query.contains("offset") => {
            Some(vector(&[("", "train-0", "1")]))
        }
        path if path == proxy => Some(vector(&[
            ("gpu_gfx_activity", "train-0", "1"),
            ("gpu_used_vram", "train-0", "1024"),
            ("gpu_total_vram", "train-0", "4096"),
            ("gpu_gfx_activity", "train-1", "99"),
            ("gpu_gfx_activity", "not-ours", "99"),
        ])),
        _ => None,
    }
}

fn job(request: &Request) -> Option<Answer> {
    let empty = ["/workloads", "/configmaps", "/events"];
    let path = &request.path;
    if path.ends_with("/jobs/train") {
        let job = json!({
            "metadata": {"name": "train", "namespace": "kaiwo", "uid": "u"},
            "spec": {}, "status": {"active": 1, "ready": 1},
        });
        return Some(Answer::Json(200, job));
    }
    if path.ends_with("/pods") {
        return Some(Answer::Json(200, pods()));
    }
    let is_empty = empty.iter().any(|end| path.ends_with(end));
    is_empty.then(|| Answer::Json(200, list(&[])))
}

#[test]
fn gpu_use_has_its_golden() {
    let api = MockApi::new(|request| prometheus(request).or_else(|| job(request)));
    let outcome = api.sandbox.kaiwo(&["top", "-o", "json", PATIENT]).exits(0);
    is_golden("top", &outcome);
    // Of one pod only, which idles.
    let idle = MockApi::new(|request| {
        let one = request.path.ends_with("/pods").then(|| {
            let first = pods()["items"][0].clone();
            Answer::Json(200, list(&[first]))
        });
        one.or_else(|| prometheus(request)).or_else(|| job(request))
    });
    let outcome = idle
        .sandbox
        .kaiwo(&["status", "train", "-o", "json", PATIENT])
        .exits(0);
    is_golden("status_measured", &outcome);
    let nothing = MockApi::new(|_| None);
    let outcome = nothing
        .sandbox
        .kaiwo(&["top", "-o", "json", PATIENT])
        .exits(0);
    is_golden("top_empty", &outcome);
    let _ = outcome.says("no pods with GPUs in namespace kaiwo");
    let told = api.sandbox.kaiwo(&["top", "train", PATIENT]).exits(0);
    insta::assert_snapshot!("top", told.stdout);
}

#[test]
fn without_prometheus_top_fails_and_status_goes_without() {
    let nothing = |request: &Request| {
        let services = request.path == "/api/v1/services";
        services.then(|| Answer::Json(200, list(&[])))
    };
    let api = MockApi::new(move |request| nothing(request).or_else(|| job(request)));
    let _ = api
        .sandbox
        .kaiwo(&["top"])
        .exits(3)
        .says("no Prometheus")
        .says("--prometheus");
    let told = api.sandbox.kaiwo(&["status", "train"]).exits(0);
    assert_eq!(told.stderr, "");
    let denied = |request: &Request| {
        let services = request.path == "/api/v1/services";
        services.then_some(Answer::Refuse(403, "User \"alice\" cannot list"))
    };
    let api = MockApi::new(move |request| denied(request).or_else(|| job(request)));
    let _ = api.sandbox.kaiwo(&["top"]).exits(4).says("--prometheus");
    let told = api.sandbox.kaiwo(&["status", "train"]).exits(0);
    assert_eq!(told.stderr, "");
    let _ = api
        .sandbox
        .kaiwo(&["status", "train", "-v"])
        .exits(0)
        .says("may not look");
    let _ = api
        .sandbox
        .kaiwo(&["top", "--prometheus", "x"])
        .exits(2)
        .says("NAMESPACE/SERVICE");
}

/// A URL is asked directly, and is not shown who asks.
#[test]
fn a_url_gets_no_credentials() {
    let metrics = MockApi::new(|request| {
        let query = request.path == "/api/v1/query";
        query.then(|| match request.query.contains("avg_over_time") {
            true => vector(&[]),
            false => vector(&[("gpu_gfx_activity", "train-0", "50")]),
        })
    });
    let kubeconfig = std::fs::read_to_string(metrics.sandbox.path("kubeconfig")).unwrap();
    let url = kubeconfig.split('\'').nth(1).unwrap();
    let api = MockApi::new(job);
    let told = api
        .sandbox
        .kaiwo(&["top", "--prometheus", url, PATIENT])
        .exits(0);
    assert!(told.stdout.contains("50%"), "{}", told.stdout);
    let asked = metrics.requests();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|request| !request.is_authorized));
}
