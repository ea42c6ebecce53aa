//! Explains why a workload has fewer pods than its load asks for.

use super::evidence::Evidence;
use super::finding::{Cause, Finding, Who};
use crate::observe::scaling::Hindrance;
use crate::observe::status::{Standing, Status};

/// Says why the autoscaler of a service that runs does not scale it.
pub(in crate::observe) fn finding(evidence: &Evidence, standing: &Standing) -> Option<Finding> {
    if !matches!(standing.status, Status::Ready | Status::Degraded) {
        return None;
    }
    let autoscaler = evidence.autoscaler.as_ref()?;
    let hindrance = autoscaler.hindrance()?;
    let name = &autoscaler.metadata.name;
    let scaling = autoscaler.scaling();
    let finding = Finding::new(
        Cause::NotScaled,
        format!("it is not scaled: {}", hindrance.words()),
    )
    .shows(format!(
        "horizontalpodautoscaler/{name}: {} of {} to {} pods",
        scaling.current, scaling.min, scaling.max
    ));
    Some(match hindrance {
        Hindrance::Unserved { api } => {
            let what = match api {
                "metrics.k8s.io" => "installs a metrics server",
                "custom.metrics.k8s.io" => "installs an adapter, such as the Prometheus adapter",
                _ => "looks after the APIs of metrics",
            };
            let command = Some("kubectl get apiservices".to_owned());
            finding
                .remedy(Who::Admin, format!("{what}, or mends it"), command)
                .you("until then, serve it with --replicas instead of --autoscale")
        }
        Hindrance::Unmeasured { api, .. } => finding
            .nobody("new pods are measured within a minute or two")
            .admin(format!(
                "looks at what serves {api}, if that does not happen"
            ))
            .remedy(
                Who::You,
                "see what the autoscaler says",
                Some(described(evidence, name)),
            ),
        Hindrance::NoRequest { resource } => finding.you(format!(
            "have every container of the pods request {resource}, or scale by --target-metric"
        )),
        Hindrance::Other(_) => finding.remedy(
            Who::You,
            "see what the autoscaler says",
            Some(described(evidence, name)),
        ),
    })
}

fn described(evidence: &Evidence, autoscaler: &str) -> String {
    let namespace = evidence.namespace();
    format!("kubectl -n {namespace} describe hpa {autoscaler}")
}
