//! Explains why an image cannot be pulled, from the words of the kubelet, the
//! container runtime and the registry.

use super::evidence::Evidence;
use super::finding::{Cause, Finding, Who};
use crate::observe::trouble::Trouble;

/// Words of containerd (v2), CRI-O and registries, lower case.
const DENIED: [&str; 9] = [
    "401 unauthorized",
    "403 forbidden",
    "unauthorized",
    "failed to authorize",
    "authorization failed",
    "authentication required",
    "no basic auth credentials",
    "access denied",
    "access to the resource is denied",
];
const NOT_FOUND: [&str; 6] = [
    "not found",
    "manifest unknown",
    "name unknown",
    "no such image",
    "404",
    "does not exist",
];
const UNREACHABLE: [&str; 8] = [
    "no such host",
    "dial tcp",
    "i/o timeout",
    "connection refused",
    "tls",
    "x509",
    "deadline exceeded",
    "503",
];
const TOO_MANY: [&str; 3] = ["toomanyrequests", "too many requests", "429"];

/// Returns the name of the image in a message: kubelets quote it.
fn quoted(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("image \"")?;
    rest.split('"').next()
}

/// Returns the words that say why a pull failed. While it backs off, older
/// kubelets say that in an event only.
fn reason<'a>(evidence: &'a Evidence, trouble: &'a Trouble) -> &'a str {
    let message = trouble.message.as_str();
    if message.contains(": ") {
        return message;
    }
    let mut pods = evidence.snapshot.pods().iter();
    pods.find(|pod| pod.metadata.name == trouble.pod)
        .into_iter()
        .flat_map(|pod| evidence.events_about(&pod.metadata.uid))
        .find(|event| event.reason == "Failed" && event.message.contains("pull image"))
        .map(|event| event.message.as_str())
        .filter(|told| !told.is_empty())
        .unwrap_or(message)
}

/// Says why the image of a container cannot be had.
pub(super) fn finding(evidence: &Evidence, trouble: &Trouble, image: &str) -> Finding {
    let image = match image {
        "" => quoted(&trouble.message).unwrap_or("its image"),
        image => image,
    };
    let words = reason(evidence, trouble);
    // Its own name must not be taken for the reason.
    let lower = words.replace(image, "").to_lowercase();
    let any = |known: &[&str]| known.iter().any(|known| lower.contains(known));
    let namespace = evidence.namespace();
    let new_name = "with the right -i IMAGE";
    let (denied, missing) = (any(&DENIED), any(&NOT_FOUND));
    let finding = match trouble.reason.as_str() {
        "InvalidImageName" => Finding::new(
            Cause::ImageNotFound,
            format!("{image} cannot be the name of an image"),
        )
        .resubmit(new_name),
        "ErrImageNeverPull" => Finding::new(
            Cause::ImageNotFound,
            format!("image {image} is not on the node, and is never to be pulled"),
        )
        .you("let the template's imagePullPolicy be IfNotPresent"),
        _ if any(&TOO_MANY) => Finding::new(
            Cause::ImagePull,
            format!("the registry gives image {image} no more often: too many pulls"),
        )
        .nobody("it is tried again")
        .you("pull as a user of the registry: --image-pull-secret"),
        _ if denied => {
            let either = match missing {
                true => ", or has no such image",
                false => "",
            };
            Finding::new(
                Cause::ImageDenied,
                format!("the registry does not give image {image} without a login{either}"),
            )
            .remedy(
                Who::You,
                "make a pull secret",
                Some(format!(
                    "kubectl -n {namespace} create secret docker-registry registry --docker-server {} --docker-username <user> --docker-password <token>",
                    registry(image)
                )),
            )
            .resubmit("with --image-pull-secret registry")
        }
        _ if missing => Finding::new(
            Cause::ImageNotFound,
            format!("the registry has no image {image}"),
        )
        .resubmit(new_name),
        _ if any(&UNREACHABLE) => Finding::new(
            Cause::ImagePull,
            format!("the node cannot reach the registry of image {image}"),
        )
        .admin("looks at the node's network, proxy or certificates")
        .nobody("it is tried again"),
        _ if lower.contains("no space left") => Finding::new(
            Cause::ImagePull,
            format!("the node has no space left for image {image}"),
        )
        .admin("clears the node's disk"),
        _ => Finding::new(Cause::ImagePull, format!("image {image} cannot be pulled"))
            .you("look at its name, and whether the registry wants a login: --image-pull-secret"),
    };
    finding.shows(words.lines().next().unwrap_or_default())
}

/// Returns the registry of an image: what stands before the first slash, if
/// that can be a host (distribution/reference).
fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "docker.io",
    }
}
