//! Stands in for a Prometheus that scrapes the exporters of both vendors: every pod that runs with GPUs uses them.
//!
//! A pod whose name has `idle` in it does next to nothing, all others work. What names `young` has not been there for
//! ten minutes. Questions are known by their words; nothing is computed.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::{LocalSet, spawn_local};

use super::http::{self, Answer};
use crate::testbed::cluster::Cluster;

pub const PORT: u16 = 9090;

/// Answers queries until the future is dropped.
pub async fn serve(cluster: Cluster) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))
        .await
        .with_context(|| format!("failed to listen on port {PORT}"))?;
    LocalSet::new()
        .run_until(async {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                let cluster = cluster.clone();
                spawn_local(async move {
                    http::converse(stream, async |request| answer(&cluster, &request).await).await;
                });
            }
        })
        .await
}

async fn answer(cluster: &Cluster, request: &Request<Incoming>) -> Answer {
    let query = request
        .uri()
        .query()
        .and_then(|text| text.strip_prefix("query="));
    match (request.uri().path(), query.map(decoded)) {
        ("/api/v1/query", Some(query)) => {
            let pods = pods(cluster, &query).await;
            let result = vector(&query, &pods);
            let data = json!({ "resultType": "vector", "result": result });
            (StatusCode::OK, json!({ "status": "success", "data": data }))
        }
        _ => (
            StatusCode::NOT_FOUND,
            json!({ "status": "error", "errorType": "not_found", "error": "the stand-in answers queries only" }),
        ),
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (first, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (byte, _) => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns the pods of the namespace that a query is about.
async fn pods(cluster: &Cluster, query: &str) -> Vec<Value> {
    let namespace = query
        .split_once("exported_namespace=\"")
        .and_then(|(_, rest)| rest.split('"').next())
        .unwrap_or_default();
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let pods: Value = cluster.get(&path).await.unwrap_or_default();
    pods["items"].as_array().cloned().unwrap_or_default()
}

/// Returns the series of all pods, each GPU its own.
fn vector(query: &str, pods: &[Value]) -> Vec<Value> {
    let is_past = query.contains("offset 10m");
    let is_mean = query.contains("avg_over_time");
    let mut series = Vec::new();
    for pod in pods {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        let limits = &pod["spec"]["containers"][0]["resources"]["limits"];
        let of = |resource: &str| {
            limits[resource]
                .as_str()
                .and_then(|text| text.parse::<u32>().ok())
        };
        let is_young = is_past && name.contains("young");
        if pod["status"]["phase"] != "Running" || is_young {
            continue;
        }
        let busy = if name.contains("idle") { 1 } else { 87 };
        let (gpus, metrics) = match (of("amd.com/gpu"), of("nvidia.com/gpu")) {
            (Some(gpus), _) => (
                gpus,
                [
                    ("gpu_gfx_activity", busy),
                    ("gpu_used_vram", 147_456),
                    ("gpu_total_vram", 196_608),
                ],
            ),
            (_, Some(gpus)) => (
                gpus,
                [
                    ("DCGM_FI_DEV_GPU_UTIL", busy),
                    ("DCGM_FI_DEV_FB_USED", 61_440),
                    ("DCGM_FI_DEV_FB_FREE", 20_480),
                ],
            ),
            _ => continue,
        };
        for gpu in 0..gpus {
            // A function that computes forgets the name, and these are about utilization only.
            let shown = if is_mean || is_past { 1 } else { metrics.len() };
            for (metric, value) in metrics.iter().take(shown) {
                let mut labels = json!({
                    "gpu_id": gpu.to_string(),
                    "exported_namespace": pod["metadata"]["namespace"],
                    "exported_pod": name,
                    "namespace": "monitoring",
                    "pod": "exporter-x",
                });
                if !is_mean {
                    labels["__name__"] = json!(metric);
                }
                series.push(
                    json!({ "metric": labels, "value": [1_767_225_600.0, value.to_string()] }),
                );
            }
        }
    }
    series
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, resource: &str) -> Value {
        json!({
            "metadata": { "name": name, "namespace": "ml" },
            "spec": { "containers": [{ "resources": { "limits": { resource: "2" } } }] },
            "status": { "phase": "Running" },
        })
    }

    #[test]
    fn every_gpu_has_its_series() {
        let pods = [
            pod("idle-1", "amd.com/gpu"),
            pod("young-1", "nvidia.com/gpu"),
            pod("web", "cpu"),
        ];
        assert_eq!(vector("({...})", &pods).len(), 2 * 3 + 2 * 3);
        let mean = vector("avg_over_time(...)", &pods);
        assert_eq!(mean.len(), 4);
        assert_eq!(mean[0]["value"][1], "1");
        assert_eq!(mean[0]["metric"].get("__name__"), None);
        assert_eq!(vector("... offset 10m)", &pods).len(), 2);
    }

    #[test]
    fn queries_are_decoded() {
        assert_eq!(decoded("a%7Bb%3D%22c%22%7D+%"), "a{b=\"c\"}+%");
    }
}
