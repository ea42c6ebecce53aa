//! The reference by which a user names a workload: `NAME` or `KIND/NAME`.

use std::fmt;
use std::str::FromStr;

use crate::kind::WorkloadKind;
use crate::names::is_dns_1123_subdomain;
use crate::secrecy::named;

/// `name`, or `kind/name` where several kinds share the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadRef {
    /// Its kind, if the user says it.
    pub kind: Option<WorkloadKind>,
    /// Its name.
    pub name: String,
}

/// Returns the kind that a word means: `job`, `jobs`, `job.batch`, `deploy`.
///
/// # Errors
/// Which words mean one.
pub fn kind(word: &str) -> Result<WorkloadKind, String> {
    WorkloadKind::meant(word).ok_or_else(|| {
        let known = WorkloadKind::ALL.map(WorkloadKind::word).join(", ");
        format!("{} is not a kind of workload: {known}", named(word))
    })
}

/// Says how what belongs to a workload is named.
fn of_parts(word: &str) -> &'static str {
    match word.split('.').next().unwrap_or_default() {
        "pod" | "pods" | "po" => "; for a pod, name its workload, and the pod with --pod",
        "svc" | "service" | "services" | "ing" | "ingress" | "rs" | "replicaset"
        | "replicasets" | "raycluster" | "rayclusters" => "; name the workload that it belongs to",
        _ => "",
    }
}

impl FromStr for WorkloadRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, name) = match text.split_once('/') {
            Some((word, name)) => (Some(kind(word).map_err(|why| why + of_parts(word))?), name),
            None => (None, text),
        };
        if !is_dns_1123_subdomain(name) {
            return Err(format!(
                "invalid workload name {}: use a-z, 0-9, - and ., with a letter or digit at both ends",
                named(name)
            ));
        }
        Ok(Self {
            kind,
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for WorkloadRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Some(kind) => write!(f, "{}/{}", kind.word(), self.name),
            None => write!(f, "{}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_named_as_kubectl_takes_them() {
        for (text, kind) in [
            ("x", None),
            ("job/x", Some(WorkloadKind::Job)),
            ("jobs/x", Some(WorkloadKind::Job)),
            ("job.batch/x", Some(WorkloadKind::Job)),
            ("RayJob/x", Some(WorkloadKind::RayJob)),
            ("rayservices.ray.io/x", Some(WorkloadKind::RayService)),
            ("deploy/x", Some(WorkloadKind::Deployment)),
            ("workspace.kaito.sh/x", Some(WorkloadKind::Workspace)),
        ] {
            let read: WorkloadRef = text.parse().unwrap();
            assert_eq!((read.kind, read.name.as_str()), (kind, "x"), "{text}");
        }
        for text in ["", "pod/x", "job/", "job/x/y", "A b", "-x"] {
            assert!(text.parse::<WorkloadRef>().is_err(), "{text}");
        }
    }
}
