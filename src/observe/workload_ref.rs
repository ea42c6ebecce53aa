//! The reference by which a user names a workload: `NAME` or `KIND/NAME`.

use std::fmt;
use std::str::FromStr;

use crate::kind::WorkloadKind;
use crate::names::{is_dns_1123_subdomain, is_slip};
use crate::secrecy::{may_be_secret, named};

/// `name`, or `kind/name` where several kinds share the name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkloadRef {
    /// Its kind, if the user says it.
    pub kind: Option<WorkloadKind>,
    /// A kind that kaiwo does not know by itself and Kueue may queue: `jobset`.
    pub other: Option<String>,
    pub name: String,
}

/// Returns the kind that a word means: `job`, `jobs`, `job.batch`, `deploy`.
///
/// # Errors
/// Which words mean one.
pub fn kind(word: &str) -> Result<WorkloadKind, String> {
    WorkloadKind::meant(word).ok_or_else(|| unknown_kind(word))
}

/// Says that a word means no kind that kaiwo knows by itself.
pub fn unknown_kind(word: &str) -> String {
    let known = WorkloadKind::ALL.map(WorkloadKind::word).join(", ");
    format!("{} is not a kind of workload: {known}", named(word))
}

/// Says how what belongs to a workload is named.
fn of_parts(word: &str) -> &'static str {
    match word.split('.').next().unwrap_or_default() {
        "pod" | "pods" | "po" => "; for a pod, name its workload, and the pod with --pod",
        "svc" | "service" | "services" | "ing" | "ingress" | "rs" | "replicaset"
        | "replicasets" => "; name the workload that it belongs to",
        _ => "",
    }
}

/// Returns whether a word may be a kind that Kueue queues: one that is neither part
/// of a workload nor a slip.
fn is_other(word: &str) -> bool {
    let plain = word.split('.').next().unwrap_or_default().to_lowercase();
    let is_word = plain.len() > 2 && plain.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_slip = WorkloadKind::ALL
        .into_iter()
        .any(|kind| is_slip(&plain, &kind.word()));
    is_word
        && !may_be_secret(word)
        && of_parts(&plain).is_empty()
        && !is_slip
        && is_dns_1123_subdomain(&plain)
}

impl WorkloadRef {
    /// Returns whether `kind`, as in manifests, is the one that was typed: in the
    /// singular or plural, with its group or without.
    pub fn is_of(&self, kind: &str) -> bool {
        let Some(typed) = &self.other else {
            return true;
        };
        let typed = typed.split('.').next().unwrap_or_default();
        let kind = kind.to_lowercase();
        typed == kind || typed.strip_suffix('s') == Some(&kind)
    }
}

impl FromStr for WorkloadRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (word, name) = match text.split_once('/') {
            Some((word, name)) => (Some(word), name),
            None => (None, text),
        };
        let (kind, other) = match word {
            Some(word) => match kind(word) {
                Ok(kind) => (Some(kind), None),
                Err(_) if is_other(word) => (None, Some(word.to_lowercase())),
                Err(why) => return Err(why + of_parts(word)),
            },
            None => (None, None),
        };
        if !is_dns_1123_subdomain(name) {
            return Err(format!(
                "invalid workload name {}: use a-z, 0-9, - and ., with a letter or digit at both ends",
                named(name)
            ));
        }
        Ok(Self {
            kind,
            other,
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for WorkloadRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, &self.other) {
            (Some(kind), _) => write!(f, "{}/{}", kind.word(), self.name),
            (None, Some(kind)) => write!(f, "{kind}/{}", self.name),
            (None, None) => write!(f, "{}", self.name),
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
        for text in ["jobsets.jobset.x-k8s.io/x", "JobSet/x", "trainjob/x"] {
            let read: WorkloadRef = text.parse().unwrap();
            let word = text.split('/').next().unwrap().to_lowercase();
            assert_eq!((read.kind, read.other.as_deref()), (None, Some(&*word)));
            assert_eq!(read.is_of("JobSet"), word.starts_with("jobset"));
        }
        for text in [
            "", "pod/x", "jbo/x", "rayjbo/x", "a b/x", "job/", "job/x/y", "A b", "-x",
        ] {
            assert!(text.parse::<WorkloadRef>().is_err(), "{text}");
        }
    }
}
