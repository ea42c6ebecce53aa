//! Settings that only services have, and which of them go together.

use serde::Serialize;

use super::autoscale::{MetricTarget, Scale};
use super::ingress::IngressHost;
use super::is_default;
use super::min_available::MinAvailable;
use super::preload::Preload;
use crate::kind::WorkloadKind;
use crate::plan::Refusal;
use crate::plan::kaito::Choices;

/// What only services have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Serving {
    /// Port the container listens on.
    pub port: Option<u16>,
    /// Port of its Service, if it is another.
    #[serde(skip_serializing_if = "is_default")]
    pub service_port: Option<u16>,
    /// Path that answers once it is ready.
    pub health_path: Option<String>,
    /// Configuration of Ray Serve, as the user wrote it.
    pub serve_config: Option<String>,
    /// Model of KAITO's catalogue.
    pub model: Option<String>,
    /// Virtual machines that KAITO makes.
    pub instance_type: Option<String>,
    /// Bounds between which the replicas are scaled, by Ray or by a
    /// HorizontalPodAutoscaler.
    #[serde(skip_serializing_if = "is_default")]
    pub autoscale: Option<Scale>,
    /// Percentage of the requested CPUs that pods are to use on the average.
    #[serde(skip_serializing_if = "is_default")]
    pub target_cpu: Option<i64>,
    /// Metrics of the pods that are to have these values on the average.
    #[serde(skip_serializing_if = "is_default")]
    pub target_metrics: Vec<MetricTarget>,
    /// Whether a load balancer makes it public.
    #[serde(skip_serializing_if = "is_default")]
    pub public: bool,
    /// Host under which an Ingress leads to it.
    #[serde(skip_serializing_if = "is_default")]
    pub ingress: Option<IngressHost>,
    /// Pods that evictions have to leave.
    #[serde(skip_serializing_if = "is_default")]
    pub min_available: Option<MinAvailable>,
    /// Whether the claim for `/scratch` outlives its pod and its workload.
    #[serde(skip_serializing_if = "is_default")]
    pub keep_storage: bool,
    /// What is downloaded before it starts.
    #[serde(skip_serializing_if = "is_default")]
    pub preloads: Vec<Preload>,
    /// Image that downloads it.
    #[serde(skip_serializing_if = "is_default")]
    pub preload_image: Option<String>,
    /// What is chosen of KAITO besides.
    #[serde(skip_serializing_if = "is_default")]
    pub kaito: Choices,
}

impl Serving {
    /// Checks what belongs together.
    ///
    /// # Errors
    /// [`Refusal`] with what is missing, or what is too much.
    pub fn check(&self, kind: WorkloadKind) -> Result<(), Refusal> {
        if kind != WorkloadKind::Deployment {
            return Ok(());
        }
        let unreachable = |flag: &str| {
            Refusal::new(format!("{flag} needs a Service, and therefore --port"))
                .hint("add --port 8000")
        };
        if self.port.is_none() {
            if self.public {
                return Err(unreachable("--public"));
            }
            if self.ingress.is_some() {
                return Err(unreachable("--ingress"));
            }
            if self.health_path.is_some() {
                return Err(Refusal::new("--health-path needs --port").hint("add --port 8000"));
            }
        }
        self.check_targets()
    }

    /// Checks by what a HorizontalPodAutoscaler would scale.
    fn check_targets(&self) -> Result<(), Refusal> {
        if let Some(percent) = self.target_cpu
            && !(1..=100).contains(&percent)
        {
            return Err(Refusal::new(format!(
                "invalid --target-cpu {percent}: expected a percentage of the CPUs of a pod"
            ))
            .hint("try --target-cpu 70"));
        }
        let mut names: Vec<&str> = self
            .target_metrics
            .iter()
            .map(|t| t.name.as_str())
            .collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(
                Refusal::new(format!("--target-metric {} is given twice", twice[0]))
                    .hint("keep one of them"),
            );
        }
        let targets = match (self.target_cpu, self.target_metrics.first()) {
            (Some(_), _) => Some("--target-cpu"),
            (None, Some(_)) => Some("--target-metric"),
            (None, None) => None,
        };
        match (self.autoscale, targets) {
            (None, Some(flag)) => Err(Refusal::new(format!(
                "{flag} has no effect without --autoscale"
            ))
            .hint("add --autoscale 1-5")),
            (Some(_), None) => Err(Refusal::new(
                "--autoscale needs a target: CPU utilization, or a metric of the pods",
            )
            .hint("add --target-cpu 70")
            .hint("add --target-metric NAME=VALUE, with a metric from custom.metrics.k8s.io")),
            // Less takes a feature gate that is off (HPAScaleToZero, v1.36).
            (Some(scale), _) if scale.min == 0 => Err(Refusal::new(format!(
                "--autoscale {scale}: a HorizontalPodAutoscaler keeps at least one pod"
            ))
            .hint(format!("try --autoscale 1-{}", scale.max))),
            _ => Ok(()),
        }
    }

    /// Returns the least pods it has, of so many as were planned.
    fn least(&self, replicas: i64) -> i64 {
        self.autoscale.map_or(replicas, |scale| scale.min)
    }

    /// Checks what depends on the number of pods: those that have to stay can
    /// be there at all, and a claim that is kept is of one.
    ///
    /// # Errors
    /// [`Refusal`] with what is too many.
    pub fn check_replicas(&self, replicas: i64) -> Result<(), Refusal> {
        if self.keep_storage && replicas > 1 {
            return Err(Refusal::new(format!(
                "--keep-storage requires one pod, and there are {replicas}: a claim for several pods must be created separately"
            ))
            .hint("create a claim with accessModes [ReadWriteMany], and mount it: --volume CLAIM:/path")
            .hint("without --keep-storage, each pod has its own claim for its lifetime"));
        }
        match self.min_available {
            Some(MinAvailable::Pods(pods)) if pods > replicas => Err(Refusal::new(format!(
                "--min-available {pods} is more than the maximum of {replicas} {}",
                if replicas == 1 { "pod" } else { "pods" }
            ))
            .hint(match replicas {
                1 => "remove --min-available, or add --replicas 2".to_owned(),
                replicas => format!("try --min-available {}", replicas - 1),
            })),
            _ => Ok(()),
        }
    }

    /// Returns what to know of a budget that lets no pod go.
    pub fn drains_blocked(&self, replicas: i64) -> Option<String> {
        let least = self.least(replicas);
        let budget = self.min_available?;
        (budget.out_of(least) >= least).then(|| {
            format!(
                "--min-available {budget} of {least} prevents all evictions: draining a node will block until you allow it"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaled(bounds: &str, cpu: Option<i64>, metrics: &[&str]) -> Result<(), String> {
        let serving = Serving {
            autoscale: (!bounds.is_empty()).then(|| bounds.parse().unwrap()),
            target_cpu: cpu,
            target_metrics: metrics.iter().map(|text| text.parse().unwrap()).collect(),
            ..Serving::default()
        };
        serving
            .check(WorkloadKind::Deployment)
            .map_err(|refusal| format!("{refusal}; {}", refusal.hints[0].plain()))
    }

    #[test]
    fn scaling_needs_bounds_and_a_target() {
        assert_eq!(scaled("1-5", Some(70), &[]), Ok(()));
        assert_eq!(scaled("1-5", None, &["queue=10"]), Ok(()));
        assert_eq!(scaled("1-5", Some(70), &["a=1", "b=2"]), Ok(()));
        for (bounds, cpu, metrics, said) in [
            (
                "1-5",
                None,
                &[][..],
                "needs a target: CPU utilization, or a metric of the pods; add --target-cpu 70",
            ),
            (
                "",
                Some(70),
                &[],
                "has no effect without --autoscale; add --autoscale 1-5",
            ),
            (
                "",
                None,
                &["a=1"],
                "has no effect without --autoscale; add --autoscale 1-5",
            ),
            (
                "0-5",
                Some(70),
                &[],
                "keeps at least one pod; try --autoscale 1-5",
            ),
            ("1-5", Some(0), &[], "--target-cpu 0: expected a percentage"),
            (
                "1-5",
                Some(101),
                &[],
                "--target-cpu 101: expected a percentage",
            ),
            (
                "1-5",
                None,
                &["a=1", "a=2"],
                "--target-metric a is given twice",
            ),
        ] {
            let wrong = scaled(bounds, cpu, metrics).unwrap_err();
            assert!(wrong.contains(said), "{wrong}");
        }
    }

    #[test]
    fn a_budget_leaves_room_or_says_so() {
        let of = |text: &str, bounds: Option<&str>| Serving {
            min_available: Some(text.parse().unwrap()),
            autoscale: bounds.map(|bounds| bounds.parse().unwrap()),
            ..Serving::default()
        };
        assert_eq!(of("1", None).drains_blocked(2), None);
        assert_eq!(of("50%", None).drains_blocked(2), None);
        for (text, bounds, replicas) in [
            ("1", None, 1),
            ("2", None, 2),
            ("100%", None, 3),
            ("1", Some("1-5"), 5),
            ("50%", None, 1),
        ] {
            let blocked = of(text, bounds).drains_blocked(replicas);
            assert!(blocked.is_some(), "{text} of {replicas}");
        }
        let refusal = of("3", None).check_replicas(2).unwrap_err();
        assert_eq!(
            refusal.message,
            "--min-available 3 is more than the maximum of 2 pods"
        );
        assert_eq!(refusal.hints, ["try --min-available 1"]);
        assert_eq!(of("2", Some("1-5")).check_replicas(5), Ok(()));
    }
}
