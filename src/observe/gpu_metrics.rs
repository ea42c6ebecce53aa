//! Reads what GPUs do from the metrics that exporters give Prometheus.
//!
//! NVIDIA's dcgm-exporter (4.x) and AMD's device-metrics-exporter (1.x) say
//! which pod has a GPU in the labels `pod` and `namespace`; where Prometheus
//! does not honour those, it calls them `exported_pod` and
//! `exported_namespace`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Percent below which a GPU is idle.
const IDLE: f64 = 5.0;
/// Bytes of the exporters' unit of memory.
const MIB: f64 = 1_048_576.0;

/// Names of a metric at each of the exporters.
pub(super) const UTILIZATION: [&str; 2] = ["DCGM_FI_DEV_GPU_UTIL", "gpu_gfx_activity"];
const USED: [&str; 2] = ["DCGM_FI_DEV_FB_USED", "gpu_used_vram"];
/// AMD tells the size, NVIDIA what is free.
const FREE: &str = "DCGM_FI_DEV_FB_FREE";
const SIZE: &str = "gpu_total_vram";

/// A value of a series at one moment.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Sample {
    /// Labels, `__name__` among them unless a function has removed it.
    pub metric: BTreeMap<String, String>,
    /// When, and how much, as text.
    pub value: (f64, String),
}

/// What the GPUs of a pod do.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodUsage {
    /// Name of the pod.
    #[serde(skip)]
    pub pod: String,
    /// GPUs that are measured.
    pub gpus: usize,
    /// Percent of the time in which they work, now, on average.
    pub utilization: f64,
    /// Likewise, over ten minutes; only of what has been measured for so long.
    #[serde(skip_serializing_if = "Option::is_none", rename = "utilization10m")]
    pub over_ten_minutes: Option<f64>,
    /// Bytes of their memory that are used.
    pub memory_used: u64,
    /// Bytes that they have.
    pub memory_size: u64,
    /// Whether they have done as good as nothing for ten minutes.
    pub idle: bool,
}

/// Returns the series of GPUs of a namespace with one of these names. Of AMD's
/// utilization, what is over 100 means that it is not known.
fn series(names: &[&str], namespace: &str) -> String {
    let names = names.join("|");
    format!(
        "({{__name__=~\"{names}\",exported_namespace=\"{namespace}\"}} or \
         {{__name__=~\"{names}\",namespace=\"{namespace}\",exported_namespace=\"\"}})"
    )
}

/// The questions to Prometheus about a namespace, whose name is a DNS label:
/// now, over ten minutes, and ten minutes ago.
pub fn questions(namespace: &str) -> [String; 3] {
    let all: Vec<&str> = UTILIZATION
        .into_iter()
        .chain(USED)
        .chain([FREE, SIZE])
        .collect();
    let known = format!("{} <= 100", series(&UTILIZATION, namespace));
    [
        series(&all, namespace),
        format!("avg_over_time(({known})[10m:30s])"),
        format!("last_over_time(({known})[2m:30s] offset 10m)"),
    ]
}

fn pod(sample: &Sample) -> Option<&str> {
    let label = |name: &str| sample.metric.get(name).map(String::as_str);
    let pod = label("exported_pod").or_else(|| label("pod"))?;
    (!pod.is_empty()).then_some(pod)
}

fn value(sample: &Sample) -> Option<f64> {
    let value: f64 = sample.value.1.parse().ok()?;
    value.is_finite().then_some(value)
}

/// Returns what the answers to the [`questions`] say, by pod.
pub fn by_pod([now, mean, before]: &[Vec<Sample>; 3]) -> Vec<PodUsage> {
    #[derive(Default)]
    struct Sum {
        utilization: Vec<f64>,
        used: f64,
        size: f64,
    }
    let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
    for sample in now {
        let (Some(pod), Some(value)) = (pod(sample), value(sample)) else {
            continue;
        };
        let name = sample.metric.get("__name__").map_or("", String::as_str);
        let sum = sums.entry(pod).or_default();
        if UTILIZATION.contains(&name) && value <= 100.0 {
            sum.utilization.push(value);
        }
        if USED.contains(&name) {
            sum.used += value * MIB;
        }
        if [USED[0], FREE, SIZE].contains(&name) {
            sum.size += value * MIB;
        }
    }
    let average = |values: &[f64]| -> Option<f64> {
        let total: f64 = values.iter().sum();
        #[expect(clippy::cast_precision_loss, reason = "a pod has few GPUs")]
        (!values.is_empty()).then(|| total / values.len() as f64)
    };
    let of = |samples: &[Sample], name: &str| -> Vec<f64> {
        let own = samples.iter().filter(|sample| pod(sample) == Some(name));
        own.filter_map(value).collect()
    };
    sums.into_iter()
        .filter_map(|(name, sum)| {
            let utilization = average(&sum.utilization)?;
            // Who was not there ten minutes ago has not been idle since.
            let over_ten_minutes =
                average(&of(mean, name)).filter(|_| !of(before, name).is_empty());
            Some(PodUsage {
                pod: name.to_owned(),
                gpus: sum.utilization.len(),
                utilization: tenths(utilization),
                over_ten_minutes: over_ten_minutes.map(tenths),
                memory_used: bytes(sum.used),
                memory_size: bytes(sum.size),
                idle: over_ten_minutes.is_some_and(|mean| mean < IDLE),
            })
        })
        .collect()
}

fn tenths(percent: f64) -> f64 {
    (percent * 10.0).round() / 10.0
}

fn bytes(amount: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "memory is neither negative nor over 2^64"
    )]
    let bytes = amount.max(0.0) as u64;
    bytes
}

/// Returns in words that all GPUs of a workload idle, if they do.
pub fn verdict(usage: &[PodUsage]) -> Option<String> {
    let all_idle = !usage.is_empty() && usage.iter().all(|pod| pod.idle);
    let most = usage
        .iter()
        .filter_map(|pod| pod.over_ten_minutes)
        .fold(0.0, f64::max);
    all_idle
        .then(|| format!("its GPUs are idle: at most {most:.0} % busy over the last 10 minutes"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn samples(samples: Value) -> Vec<Sample> {
        serde_json::from_value(samples).unwrap()
    }

    fn sample(name: &str, pod_label: &str, pod: &str, gpu: u8, value: &str) -> Value {
        json!({"metric": {"__name__": name, pod_label: pod, "gpu": gpu.to_string()}, "value": [1.0, value]})
    }

    #[test]
    fn gpus_of_a_pod_are_put_together() {
        let now = samples(json!([
            sample("DCGM_FI_DEV_GPU_UTIL", "exported_pod", "n", 0, "90"),
            sample("DCGM_FI_DEV_GPU_UTIL", "exported_pod", "n", 1, "80"),
            sample("DCGM_FI_DEV_FB_USED", "exported_pod", "n", 0, "1024"),
            sample("DCGM_FI_DEV_FB_FREE", "exported_pod", "n", 0, "3072"),
            sample("gpu_gfx_activity", "pod", "a", 0, "1"),
            sample("gpu_gfx_activity", "pod", "a", 1, "65535"),
            sample("gpu_used_vram", "pod", "a", 0, "512"),
            sample("gpu_total_vram", "pod", "a", 0, "2048"),
            sample("gpu_gfx_activity", "pod", "", 2, "50"),
            sample("gpu_used_vram", "pod", "no-activity", 0, "512"),
        ]));
        let mean = samples(json!([
            sample("", "exported_pod", "n", 0, "4"),
            sample("", "exported_pod", "n", 1, "50"),
            sample("", "pod", "a", 0, "1.26"),
        ]));
        let before = samples(json!([sample("", "pod", "a", 0, "0")]));
        let usage = by_pod(&[now, mean, before]);
        let mib = |count: u64| count << 20;
        assert_eq!(
            usage,
            [
                PodUsage {
                    pod: "a".to_owned(),
                    gpus: 1,
                    utilization: 1.0,
                    over_ten_minutes: Some(1.3),
                    memory_used: mib(512),
                    memory_size: mib(2048),
                    idle: true,
                },
                // It was not there ten minutes ago.
                PodUsage {
                    pod: "n".to_owned(),
                    gpus: 2,
                    utilization: 85.0,
                    over_ten_minutes: None,
                    memory_used: mib(1024),
                    memory_size: mib(4096),
                    idle: false,
                },
            ]
        );
        assert_eq!(verdict(&usage), None);
        assert_eq!(
            verdict(&usage[..1]).as_deref(),
            Some("its GPUs are idle: at most 1 % busy over the last 10 minutes")
        );
        assert_eq!(verdict(&[]), None);
    }

    #[test]
    fn questions_are_about_one_namespace() {
        let [now, mean, before] = questions("ml");
        assert!(now.contains("gpu_total_vram\",exported_namespace=\"ml\"} or {__name__=~"));
        assert!(now.contains("namespace=\"ml\",exported_namespace=\"\"}"));
        assert!(mean.starts_with("avg_over_time((("), "{mean}");
        assert!(before.ends_with("offset 10m)"), "{before}");
    }
}
