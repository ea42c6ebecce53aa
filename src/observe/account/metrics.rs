//! GPU time by the metrics of GPU exporters, which Prometheus keeps when a
//! workload is long deleted: a GPU counts for as long as a pod has it.

use super::{Bound, By, GpuTime, Period, Total};
use crate::observe::gpu_metrics::{Sample, UTILIZATION};

/// Labels in which kube-state-metrics has the labels of pods, if it is told to keep
/// them (`--metric-labels-allowlist`).
const USER: &str = "label_kaiwo_cli_username";
const QUEUE: &str = "label_kueue_x_k8s_io_local_queue_name";

/// Seconds up to which a period is looked at minute by minute; a longer one in
/// steps of five.
const FINE: i64 = 2 * 86_400;

/// What is asked about a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Questions {
    /// GPUs held at each step, added up.
    pub held: String,
    /// At how many steps there were metrics of any GPU.
    pub known: String,
    by: By,
    /// Seconds from one step to the next.
    step: i64,
    /// Steps of the period.
    steps: i64,
}

/// Has the labels that say which pod has a GPU named alike, whether Prometheus
/// honours those of the exporter or not.
fn series(metric: &str, labels: &str, namespace: &str) -> String {
    let of = |name: &str| match namespace {
        "" => String::new(),
        namespace => format!(",{name}=\"{namespace}\""),
    };
    let (own, exported) = (of("namespace"), of("exported_namespace"));
    format!(
        "(label_replace(label_replace({{{metric}{labels},exported_pod!=\"\"{exported}}},\
         \"pod\",\"$1\",\"exported_pod\",\"(.+)\"),\
         \"namespace\",\"$1\",\"exported_namespace\",\"(.+)\") \
         or {{{metric}{labels},pod!=\"\",exported_pod=\"\"{own}}})"
    )
}

impl Questions {
    /// Asks about a period, in a namespace or, if that is empty, in all.
    pub fn new(by: By, namespace: &str, period: Period) -> Self {
        let seconds = (period.to.as_second() - period.from.as_second()).max(60);
        let step = if seconds <= FINE { 60 } else { 300 };
        let range = format!("[{seconds}s:{step}s]");
        let names = format!("__name__=~\"{}\"", UTILIZATION.join("|"));
        let held = series(&names, "", namespace);
        let label = match by {
            By::User => Some(USER),
            By::Queue => Some(QUEUE),
            By::Namespace => None,
        };
        let counted = match label {
            None => format!("count by (namespace) {held}"),
            Some(label) => {
                let known = format!(",{label}!=\"\"");
                let labels = series("__name__=\"kube_pod_labels\"", &known, namespace);
                let labels = format!("max by (namespace,pod,{label}) {labels}");
                let joined = format!("{held} * on (namespace,pod) group_left ({label}) {labels}");
                format!("count by ({label}) ({joined} or on (namespace,pod) {held})")
            }
        };
        Self {
            held: format!("sum_over_time(({counted}){range})"),
            known: format!("count_over_time((count({{{names}}})){range})"),
            by,
            step,
            steps: seconds / step,
        }
    }

    /// Returns what the answers say: GPU time, and for which part of the period
    /// there is any.
    pub fn answered(&self, held: &[Sample], known: &[Sample]) -> (Vec<Total>, f64) {
        let label = match self.by {
            By::User => USER,
            By::Queue => QUEUE,
            By::Namespace => "namespace",
        };
        let mut totals: Vec<Total> = held
            .iter()
            .filter_map(|sample| {
                let steps = value(sample)?;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_precision_loss,
                    reason = "GPUs and steps are counts, far below 2^53"
                )]
                let seconds = (steps * self.step as f64).round() as i64;
                let name = sample.metric.get(label).cloned();
                let time = GpuTime {
                    seconds,
                    // It is looked at once a step.
                    bound: Bound::About,
                };
                Some(Total::measured(name, time))
            })
            .collect();
        totals.sort_by(|a, b| a.name.cmp(&b.name));
        let steps = known.first().and_then(value).unwrap_or(0.0);
        #[expect(clippy::cast_precision_loss, reason = "a count of minutes")]
        let all = self.steps.max(1) as f64;
        (totals, (steps / all).min(1.0))
    }
}

fn value(sample: &Sample) -> Option<f64> {
    let value: f64 = sample.value.1.parse().ok()?;
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_are_gpu_hours() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let period = Period {
            from: at(0),
            to: at(7200),
        };
        let questions = Questions::new(By::User, "ml", period);
        assert!(
            questions.held.ends_with("[7200s:60s])"),
            "{}",
            questions.held
        );
        let samples = |samples| serde_json::from_value::<Vec<Sample>>(samples).unwrap();
        let held = samples(json!([
            {"metric": {USER: "bob"}, "value": [1.0, "60"]},
            {"metric": {USER: "alice"}, "value": [1.0, "480"]},
            {"metric": {}, "value": [1.0, "30"]},
        ]));
        let known = samples(json!([{"metric": {}, "value": [1.0, "60"]}]));
        let (totals, known) = questions.answered(&held, &known);
        let rows: Vec<_> = totals
            .iter()
            .map(|total| (total.name.as_deref(), total.gpu_time.text()))
            .collect();
        let expected = [
            (None, "≈ 0.5"),
            (Some("alice"), "≈ 8.0"),
            (Some("bob"), "≈ 1.0"),
        ];
        assert_eq!(rows, expected.map(|(name, text)| (name, text.to_owned())));
        assert!((known - 0.5).abs() < 1e-9);
        let long = Questions::new(
            By::Namespace,
            "",
            Period {
                to: at(30 * 86_400),
                ..period
            },
        );
        assert!(long.held.contains("[2592000s:300s]"));
        assert!(!long.held.contains("kube_pod_labels"));
    }
}
