//! Reads why an image cannot be pulled, from the words of the kubelet, the
//! container runtime (containerd v2, CRI-O) and the registry.

use super::{kubelet, output};

/// Words for each, lower case.
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

/// Why an image cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullFailure {
    /// Nothing can have that name.
    NoName,
    /// It is not on the node, and is never to be pulled.
    NeverPulled,
    /// Too many pulls.
    TooMany,
    /// The registry wants a login; it may also have no such image.
    Denied {
        /// Whether it says so.
        or_missing: bool,
    },
    /// The registry has no such image.
    NotFound,
    /// The registry does not answer.
    Unreachable,
    /// The node has no space for it.
    NoSpace,
    /// Anything else.
    Other,
}

impl PullFailure {
    /// Reads the reason and the message of a container that waits for `image`.
    pub fn read(reason: &str, message: &str, image: &str) -> Self {
        // Its own name must not be taken for the reason.
        let lower = match image {
            "" => message.to_lowercase(),
            image => message.replace(image, "").to_lowercase(),
        };
        let any = |known: &[&str]| known.iter().any(|known| lower.contains(known));
        let missing = any(&NOT_FOUND);
        match reason {
            "InvalidImageName" => Self::NoName,
            "ErrImageNeverPull" => Self::NeverPulled,
            _ if any(&TOO_MANY) => Self::TooMany,
            _ if any(&DENIED) => Self::Denied {
                or_missing: missing,
            },
            _ if missing => Self::NotFound,
            _ if any(&UNREACHABLE) => Self::Unreachable,
            _ if lower.contains("no space left") => Self::NoSpace,
            _ => Self::Other,
        }
    }

    /// Says it in a sentence about `image`; `message` is shown where nothing
    /// better is known.
    pub fn words(self, image: &str, message: &str) -> String {
        match self {
            Self::NoName => format!("{image} is not a valid image name"),
            Self::NeverPulled => {
                format!("image {image} is not on the node, and its pull policy is Never")
            }
            Self::TooMany => {
                format!("the registry limits pulls of image {image}: too many requests")
            }
            Self::Denied { or_missing } => {
                let either = match or_missing {
                    true => ", or does not have it",
                    false => "",
                };
                format!("the registry requires a login for image {image}{either}")
            }
            Self::NotFound => format!("the registry has no image {image}"),
            Self::Unreachable => format!("the node cannot reach the registry of image {image}"),
            Self::NoSpace => format!("the node has no disk space left for image {image}"),
            Self::Other => match message.split_once(": ") {
                Some((_, said)) => kubelet::innermost(said),
                None => output::without_ids(message),
            },
        }
    }
}

/// Returns the name of the image in a message: kubelets quote it.
pub fn quoted(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("image \"")?;
    rest.split('"').next()
}

/// Returns whether a message says why a pull failed. While it backs off, older
/// kubelets say that in an event only.
pub fn says_why(message: &str) -> bool {
    message.contains(": ")
}

/// Returns the registry of an image: what stands before the first slash, if
/// that can be a host (distribution/reference).
pub fn host_of(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "docker.io",
    }
}
