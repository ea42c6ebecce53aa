//! Explains why a workload has fewer pods than its load asks for.

use super::evidence::Evidence;
use super::finding::{Cause, Finding, Who};
use crate::observe::scaling::ScalingBlocker;
use crate::observe::status::{Standing, Status};
use crate::suggestion::{Command, kubectl};

/// Says why the autoscaler of a service that runs does not scale it.
pub(in crate::observe) fn finding(evidence: &Evidence, standing: &Standing) -> Option<Finding> {
    if !matches!(standing.status, Status::Ready | Status::Degraded) {
        return None;
    }
    let autoscaler = evidence.autoscaler.as_ref()?;
    let blocker = autoscaler.blocker()?;
    let name = &autoscaler.metadata.name;
    let scaling = autoscaler.scaling();
    let finding = Finding::new(
        Cause::NotScaled,
        format!("it is not scaled: {}", blocker.words()),
    )
    .shows(format!(
        "horizontalpodautoscaler/{name}: {} of {} to {} pods",
        scaling.current, scaling.min, scaling.max
    ));
    Some(match blocker {
        ScalingBlocker::Unserved { api } => {
            let what = match api {
                "metrics.k8s.io" => "install a metrics server",
                "custom.metrics.k8s.io" => "install an adapter, such as the Prometheus adapter",
                _ => "check the metrics APIs",
            };
            let command = kubectl("get apiservices", &[]);
            finding
                .remedy(Who::Admin, format!("{what}, or fix it"), command)
                .you("until then, serve it with --replicas instead of --autoscale")
        }
        ScalingBlocker::Unmeasured { api, .. } => finding
            .nobody("new pods are measured within a minute or two")
            .admin(format!("if that does not happen, check what serves {api}"))
            .remedy(
                Who::You,
                "show the autoscaler's conditions",
                described(evidence, name),
            ),
        ScalingBlocker::NoRequest { resource } => finding.you(format!(
            "have every container of the pods request {resource}, or scale by --target-metric"
        )),
        ScalingBlocker::Other(_) => finding.remedy(
            Who::You,
            "show the autoscaler's conditions",
            described(evidence, name),
        ),
    })
}

fn described(evidence: &Evidence, autoscaler: &str) -> Command {
    let namespace = evidence.namespace();
    kubectl("-n {} describe hpa {}", &[namespace, autoscaler])
}
