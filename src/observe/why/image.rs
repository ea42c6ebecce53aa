//! Says who mends it that an image cannot be pulled.

use super::evidence::Evidence;
use super::finding::{Anew, Cause, Finding, Who};
use crate::observe::trouble::Trouble;
use crate::observe::upstream::registry::{self, PullFailure};
use crate::suggestion::kubectl;

/// Says why the image of a container cannot be had.
pub(super) fn finding(evidence: &Evidence, trouble: &Trouble, image: &str) -> Finding {
    let words = trouble.detail.as_str();
    let image = match image {
        "" => registry::quoted(words).unwrap_or("its image"),
        image => image,
    };
    let namespace = evidence.namespace();
    let failure = PullFailure::read(&trouble.reason, words, image);
    let cause = match failure {
        PullFailure::NoName | PullFailure::NeverPulled | PullFailure::NotFound => {
            Cause::ImageNotFound
        }
        PullFailure::Denied { .. } => Cause::ImageDenied,
        _ => Cause::ImagePull,
    };
    let summary = match failure {
        PullFailure::Other => format!("image {image} cannot be pulled"),
        failure => failure.words(image, words),
    };
    let finding = Finding::new(cause, summary);
    let finding = match failure {
        PullFailure::NoName | PullFailure::NotFound => finding.resubmit(Anew::With, "the correct -i IMAGE"),
        PullFailure::NeverPulled => {
            finding.you("set imagePullPolicy to IfNotPresent in your own template (kaiwo template eject KIND)")
        }
        PullFailure::TooMany => finding
            .nobody("the pull is retried automatically")
            .you("log in to the registry: --image-pull-secret"),
        PullFailure::Denied { .. } => finding
            .remedy(
                Who::You,
                "create a pull secret",
                kubectl("-n {} create secret docker-registry registry --docker-server {} --docker-username {USER} --docker-password {PASSWORD}", &[namespace, registry::host_of(image)]),
            )
            .resubmit(Anew::With, "--image-pull-secret registry"),
        PullFailure::Unreachable => finding
            .admin("check the node's network, proxy or certificates")
            .nobody("the pull is retried automatically"),
        PullFailure::NoSpace => finding.admin("free disk space on the node"),
        PullFailure::Other => finding
            .you("check its name, and whether the registry requires a login: --image-pull-secret"),
    };
    finding.shows(words)
}
